"""Trying again until a deadline: what may heal is retried by its type, never by its text, and never a fixed number of times."""

from collections.abc import Callable
from random import uniform
from typing import TYPE_CHECKING, TypeVar

from bumper.errors import LostRace, NotConnected, Transient
from bumper.ports.deadline import say, until
from bumper.ports.run import Clock

if TYPE_CHECKING:
    from tenacity import RetryCallState, Retrying

T = TypeVar("T")
# A server that asks for an hour is asked again after a minute, as GitHub wants it at least: most heal long before.
_LONGEST_WISH_S = 60.0
_SHORTEST_TRY_S = 0.1
# Simulated with 2 to 64 writers, on two cores together and on machines of their own: without an end the last of 32 lands 1.3 and 1.9
# times as late, and one doubling less makes a third more tries.
_DOUBLINGS_OF_A_RACE = 3
_DOUBLINGS = 30
# A network that comes back, a server that starts; not the rest of two minutes for a name that is wrong.
_REFUSED_S = 15.0


def wish_s(error: BaseException | None) -> float | None:
    """How long the server behind this error is left alone, as it wished; None where it wished for nothing."""
    asked_s = error.retry_after_s if isinstance(error, Transient) else None
    return None if asked_s is None else min(asked_s, _LONGEST_WISH_S)


def answered(ask: Callable[[], T], clock: Clock, timeout_s: float) -> T:
    """What `ask` returns, which is asked again after whatever may heal; what it raises at last, once the time is over.

    Where nobody takes a connection, that is soon: nothing was written yet. Each failure is said, once.
    """
    began_s = clock.now()
    failures: list[str] = []

    def end_s(error: BaseException | None) -> float:
        return began_s + (min(timeout_s, _REFUSED_S) if isinstance(error, NotConnected) else timeout_s)

    def tell(state: "RetryCallState") -> None:
        error = _error(state)
        if isinstance(error, Transient) and error.message not in failures:
            failures.append(error.message)
            say(f"{error.message}; trying again for up to {end_s(error) - clock.now():.0f} s")

    with until(clock, began_s + timeout_s):
        return _retrying(clock, end_s, (Transient,), 3.0, tell)(ask)


def attempts(
    clock: Clock, deadline_s: float, retried: tuple[type[Exception], ...], max_wait_s: float
) -> "Retrying":
    """Tries up to the deadline, with a pause between two (`window_s`) of up to `max_wait_s`."""
    return _retrying(clock, lambda error: deadline_s, retried, max_wait_s)


def _retrying(
    clock: Clock,
    end_s: Callable[[BaseException | None], float],
    retried: tuple[type[Exception], ...],
    max_wait_s: float,
    tell: Callable[["RetryCallState"], None] | None = None,
) -> "Retrying":
    from tenacity import Retrying, retry_if_exception_type

    pause = _Pause(clock, max_wait_s)
    return Retrying(
        retry=retry_if_exception_type(retried),
        before=pause.begin,
        wait=pause.seconds,
        stop=lambda state: clock.now() + state.upcoming_sleep >= end_s(_error(state)),
        before_sleep=tell,
        sleep=clock.sleep,
        reraise=True,
    )


class _Pause:
    """Full jitter over a window (`window_s`); a server's own Retry-After is respected."""

    def __init__(self, clock: Clock, longest_s: float) -> None:
        self._clock = clock
        self._longest_s = longest_s
        self._began_s = 0.0

    def begin(self, state: "RetryCallState") -> None:
        """Notes when a try begins."""
        self._began_s = self._clock.now()

    def seconds(self, state: "RetryCallState") -> float:
        """How long to wait after the try that failed."""
        error = _error(state)
        window = window_s(error, self._clock.now() - self._began_s, state.attempt_number)
        jitter_s = uniform(0, min(window, self._longest_s))  # noqa: S311 (nobody's secret)
        return max(jitter_s, wish_s(error) or 0.0)


def window_s(error: BaseException | None, took_s: float, tries: int) -> float:
    """The longest pause after so many tries that failed, of which the last one took so long: that, and twice as long after each.

    A try that takes long has more rivals, or a slower server: to come back in fixed steps would only add tries that fail. Of a race
    that is lost somebody has won, and rivals get fewer: beyond eight tries' length the last ones would sleep while nobody pushes.
    """
    doublings = (
        min(tries, _DOUBLINGS_OF_A_RACE) if isinstance(error, LostRace) else min(tries - 1, _DOUBLINGS)
    )
    return max(_SHORTEST_TRY_S, took_s) * (1 << doublings)


def _error(state: "RetryCallState") -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
