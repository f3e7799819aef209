"""Trying again until a deadline: what may heal is retried by its type, never by its text, and never a fixed number of times."""

from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from bumper.errors import Transient
from bumper.ports import Clock
from bumper.ports.deadline import until

T = TypeVar("T")
# A server that asks for an hour is asked again after a minute, as GitHub wants it at least: most heal long before.
_LONGEST_WISH_S = 60.0


def wish_s(error: BaseException | None) -> float | None:
    """How long the server behind this error is left alone, as it wished; None where it wished for nothing."""
    asked_s = error.retry_after_s if isinstance(error, Transient) else None
    return None if asked_s is None else min(asked_s, _LONGEST_WISH_S)


def answered(ask: Callable[[], T], clock: Clock, timeout_s: float) -> T:
    """What `ask` returns, which is asked again after whatever may heal; what it raises at last, once the time is over."""
    deadline_s = clock.now() + timeout_s
    with until(clock, deadline_s):
        return attempts(clock, deadline_s, (Transient,), max_wait_s=3.0)(ask)


def attempts(
    clock: Clock, deadline_s: float, retried: tuple[type[Exception], ...], max_wait_s: float
) -> Retrying:
    """Tries with full jitter up to the deadline; a server's own Retry-After is respected, up to a minute."""
    jitter = wait_random_exponential(multiplier=0.1, max=max_wait_s)

    def wait_s(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        return max(jitter(state), wish_s(error) or 0.0)

    return Retrying(
        retry=retry_if_exception_type(retried),
        wait=wait_s,
        stop=lambda state: clock.now() + state.upcoming_sleep >= deadline_s,
        sleep=clock.sleep,
        reraise=True,
    )
