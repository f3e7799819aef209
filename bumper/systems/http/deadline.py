"""A call that ends in time, whatever it waits for: a resolver, a handshake, a header that comes letter by letter.

Law: a library's own time-outs bound each of its waits, and nobody bounds their number. So the call runs on a thread of its own, and
whoever asked goes on at the deadline; the thread ends when its call does, and the end of the process does not wait for it.
"""

import math
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import NoReturn, TypeVar

from bumper.ports.deadline import in_steps, left_s

_T = TypeVar("_T")


def within(limit_s: float, ask: Callable[[], _T], what: str = "") -> _T:
    """What `ask` returns or raises. TimeoutError where that took longer than `limit_s` seconds, or than the deadline in force allows.

    `what` is waited for, as people know it.
    """
    outcomes: SimpleQueue[Callable[[], _T]] = SimpleQueue()
    threading.Thread(target=lambda: outcomes.put(_outcome(ask)), name="answer", daemon=True).start()

    def wait(seconds: float) -> Callable[[], _T]:
        try:
            return outcomes.get(timeout=None if math.isinf(seconds) else seconds)
        except Empty:
            raise TimeoutError(f"no end after {limit_s:g} s") from None

    return in_steps(what, left_s(limit_s), wait)()


def _outcome(ask: Callable[[], _T]) -> Callable[[], _T]:
    """What gives the result of `ask` to another thread, or raises its error there."""
    try:
        result = ask()
    except BaseException as error:
        return _raising(error)
    return lambda: result


def _raising(error: BaseException) -> Callable[[], NoReturn]:
    def fail() -> NoReturn:
        raise error

    return fail
