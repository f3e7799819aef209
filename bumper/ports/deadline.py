"""The deadline in force, and who hears what is waited for.

Law: whoever may wait for a peer or a program asks here how long, and nobody waits longer than `GRACE_S` after the nearest deadline. It
holds for everything that is called inside, so that no call in between has to hand it on; a thread that is started takes it along
(`contextvars.copy_context`) or has a limit of its own.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple, TypeVar

from bumper.ports.run import Clock

# What still comes this long after the deadline is taken: a look that began shortly before it is worth its answer.
GRACE_S = 0.3
# After this long without an answer it is said what is waited for, and again after each period.
FIRST_WORD_S, PERIOD_S = 5.0, 15.0

_T = TypeVar("_T")


class _Deadline(NamedTuple):
    clock: Clock
    at_s: float

    def left_s(self) -> float:
        return self.at_s + GRACE_S - self.clock.now()


_IN_FORCE: ContextVar[tuple[_Deadline, ...]] = ContextVar("deadlines", default=())
_LISTENER: ContextVar[Callable[[str], None] | None] = ContextVar("listener", default=None)


@contextmanager
def until(clock: Clock, deadline_s: float) -> Iterator[None]:
    """No wait inside goes on after `deadline_s` on this clock, nor after a deadline that is in force already."""
    token = _IN_FORCE.set((*_IN_FORCE.get(), _Deadline(clock, deadline_s)))
    try:
        yield
    finally:
        _IN_FORCE.reset(token)


@contextmanager
def told_to(listener: Callable[[str], None]) -> Iterator[None]:
    """What is waited for inside, and for how long, is said to `listener`, which may be called from any thread."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def say(text: str) -> None:
    """Says it to whoever hears what is waited for, if anybody does."""
    if listener := _LISTENER.get():
        listener(text)


def left_s(most_s: float = math.inf) -> float:
    """The seconds that a wait which begins now may take: `most_s`, or less where a deadline is nearer; never below zero."""
    return max(0.0, min([most_s, *(deadline.left_s() for deadline in _IN_FORCE.get())]))


def in_steps(what: str, limit_s: float, wait: Callable[[float], _T]) -> _T:
    """What `wait` returns, which is handed the seconds that it may take and raises TimeoutError where that was not enough.

    In between it is said that `what` is waited for, where it has a name. TimeoutError after `limit_s`.
    """
    listener = _LISTENER.get()
    waited_s, step_s = 0.0, FIRST_WORD_S
    while listener and what and waited_s + step_s < limit_s:
        try:
            return wait(step_s)
        except TimeoutError:
            waited_s, step_s = waited_s + step_s, PERIOD_S
            listener(f"still waiting for {what} ({waited_s:.0f} s)")
    return wait(limit_s - waited_s)
