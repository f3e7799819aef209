"""Calls on threads of their own: one that ends in time, whatever it waits for, and several at once.

Law: a library's own time-outs bound each of its waits (a resolver, a handshake, a header that comes letter by letter), and nobody
bounds their number. So a call runs on a thread, and whoever asked goes on at the deadline; the end of the process waits for no thread.
What is asked at once is not seen in what comes out: answers keep their order, and of several errors the first in it is raised.
"""

import math
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import Any, Generic, NoReturn, TypeAlias, TypeVar

from bumper.ports.deadline import in_steps, left_s

_T = TypeVar("_T")
# So many answers of 40 ms keep a processor busy, at a millisecond of Python for each: more at once come no sooner.
AT_ONCE = 32
_Errand: TypeAlias = tuple[Callable[[], Any], "SimpleQueue[Callable[[], Any]]"]
# The threads that wait for a call, each by the queue that it takes them from: as many as were ever at it at once. To start one costs
# as much as a sixth of a request.
_IDLE: "list[SimpleQueue[_Errand]]" = []
# A child that is forked has none of them.
os.register_at_fork(after_in_child=_IDLE.clear)


def within(limit_s: float, ask: Callable[[], _T], what: str = "") -> _T:
    """What `ask` returns or raises. TimeoutError where that took longer than `limit_s` seconds, or than the deadline in force allows.

    `what` is waited for, as people know it.
    """
    outcomes: SimpleQueue[Callable[[], _T]] = SimpleQueue()
    _on_a_thread(ask, outcomes)

    def wait(seconds: float) -> Callable[[], _T]:
        try:
            return outcomes.get(timeout=None if math.isinf(seconds) else seconds)
        except Empty:
            raise TimeoutError(f"no end after {limit_s:g} s") from None

    return in_steps(what, left_s(limit_s), wait)()


def _on_a_thread(ask: Callable[[], _T], outcomes: "SimpleQueue[Callable[[], _T]]") -> None:
    """Puts what `ask` returns or raises into `outcomes`, from a thread that is idle, or else from a new one."""
    try:
        errands = _IDLE.pop()
    except IndexError:
        errands = SimpleQueue()
        threading.Thread(target=_run_errands, args=(errands,), name="answer", daemon=True).start()
    errands.put((ask, outcomes))


def _run_errands(errands: "SimpleQueue[_Errand]") -> None:
    while True:
        ask, outcomes = errands.get()
        result = outcome(ask)
        # First idle, then done: whoever asks one question after another needs one thread.
        _IDLE.append(errands)
        outcomes.put(result)
        # An idle thread keeps nothing alive.
        del ask, outcomes, result


def side_by_side(jobs: Sequence[Callable[[], _T]], at_once: int = AT_ONCE) -> list[_T]:
    """What the jobs return, in their order. Begun are the first ones first, at most `at_once` together, and none after one has failed.

    Raises what the first job raised that failed. A single job needs no thread.
    """
    if len(jobs) < 2:
        return [job() for job in jobs]
    waiting = iter(enumerate(jobs))
    ended: SimpleQueue[int] = SimpleQueue()
    outcomes: list[Callable[[], _T] | None] = [None] * len(jobs)
    begins = threading.Lock()
    has_failed = threading.Event()

    def work() -> None:
        while not has_failed.is_set():
            with begins:
                number, job = next(waiting, (-1, None))
            if job is None:
                break
            outcomes[number] = outcome(job, has_failed.set)
        ended.put(1)

    workers = min(at_once, len(jobs))
    try:
        for _ in range(workers):
            threading.Thread(target=copy_context().run, args=(work,), name="asking", daemon=True).start()
        for _ in range(workers):
            ended.get()
    finally:
        has_failed.set()
    return [known() for known in outcomes if known]


@contextmanager
def held(lock: threading.Lock) -> Iterator[None]:
    """The lock, for which nobody waits beyond the deadline in force: whoever holds it may have none. TimeoutError."""
    limit_s = left_s()
    if not lock.acquire(timeout=-1 if math.isinf(limit_s) else max(0.0, limit_s)):
        raise TimeoutError("somebody else is still at it")
    try:
        yield
    finally:
        lock.release()


class FirstAlone:
    """A door that the first one goes through alone, and all others at once when it is out, or their deadline has come.

    `through` is called when the first one is out.
    """

    def __init__(self, through: Callable[[], None] = lambda: None) -> None:
        self._through = through
        self._first = threading.Lock()
        self._is_open = threading.Event()

    @contextmanager
    def entered(self) -> Iterator[None]:
        if not self._first.acquire(blocking=False):
            limit_s = left_s()
            self._is_open.wait(None if math.isinf(limit_s) else limit_s)
            yield
            return
        try:
            yield
        finally:
            self._is_open.set()
            self._through()


class Early(Generic[_T]):
    """A job that is begun before it is known whether anybody needs its result; `what` is waited for, as people know it.

    Neither a deadline nor a listener of whoever begins it is the job's.
    """

    def __init__(self, what: str, job: Callable[[], _T]) -> None:
        self._what = what
        self._job = job
        self._begins = threading.Lock()
        self._has_ended = threading.Event()
        self._outcome: Callable[[], _T] | None = None

    @property
    def has_ended(self) -> bool:
        return self._has_ended.is_set()

    def run(self) -> None:
        """Once, whoever begins it first."""
        if self._begins.acquire(blocking=False):
            self._outcome = outcome(self._job)
            self._has_ended.set()

    def result(self) -> _T:
        """What the job returns or raises. TimeoutError where it does not end before the deadline in force."""

        def wait(seconds: float) -> Callable[[], _T]:
            self._has_ended.wait(None if math.isinf(seconds) else seconds)
            if self._outcome is None:
                raise TimeoutError(f"no end of {self._what}")
            return self._outcome

        return in_steps(self._what, left_s(), wait)()


def begin(jobs: Sequence[Early[Any]]) -> None:
    """Runs them side by side, and waits for none."""

    def work() -> None:
        try:
            side_by_side([job.run for job in jobs])
        except RuntimeError:  # the system starts no further thread
            for job in jobs:
                job.run()

    threading.Thread(target=work, name="early", daemon=True).start()


def outcome(job: Callable[[], _T], failed: Callable[[], None] = lambda: None) -> Callable[[], _T]:
    """What gives the result of `job` to another thread, or raises its error there. `failed` is called where it has one."""
    try:
        result = job()
    except BaseException as error:
        failed()
        return _raising(error)
    return lambda: result


def _raising(error: BaseException) -> Callable[[], NoReturn]:
    def fail() -> NoReturn:
        raise error

    return fail
