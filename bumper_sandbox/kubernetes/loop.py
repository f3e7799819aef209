"""Runs the sandbox's controllers: many small tasks on one thread, in cluster time.

Law: a task is a generator that yields how many cluster seconds it wants to wait, and nothing else decides when it goes on. So the same
controllers run on a thread against the wall clock (`start`) or step by step in a test that moves the time itself (`run_due`).
Cluster time passes `speed` times as fast as the clock that is handed in: Flux's 30 s are 30 cluster seconds at any speed.
"""

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Generator, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Generic, Self, TypeVar

Task = Generator[float, None, None]
# What a queue runs for one key; the value returned is after how many cluster seconds to run it again, None for never.
Reconcile = Generator[float, None, float | None]
_Key = TypeVar("_Key", bound=Hashable)
_Result = TypeVar("_Result")
# How often, in real seconds, a task looks whether what it waits for outside of the loop has come.
_LOOK_S = 0.01


class Loop(AbstractContextManager["Loop"]):
    """`now` gives real seconds, monotonic."""

    def __init__(self, now: Callable[[], float] = time.monotonic, speed: float = 1.0) -> None:
        self._real_now = now
        self._speed = speed
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = itertools.count()
        self._changed = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._outside: ThreadPoolExecutor | None = None
        self.failure: BaseException | None = None

    def now(self) -> float:
        """Cluster seconds."""
        return self._real_now() * self._speed

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> None:
        """Calls back on the loop's thread. Any thread may ask for it."""
        with self._changed:
            heapq.heappush(self._due, (self.now() + delay_s, next(self._sequence), callback))
            self._changed.notify_all()

    def spawn(self, task: Task) -> None:
        """Starts a task. Any thread may ask for it."""
        self.call_later(0.0, lambda: self._advance(task))

    def _advance(self, task: Task) -> None:
        try:
            delay_s = next(task)
        except StopIteration:
            return
        self.call_later(delay_s, lambda: self._advance(task))

    def outside(self, work: Callable[[], _Result]) -> Generator[float, None, _Result]:
        """The result of work that waits for another program.

        On a thread the other tasks go on meanwhile; step by step it is simply done.
        """
        if self._outside is None:
            return work()
        waiting = self._outside.submit(work)
        while not waiting.done():
            yield _LOOK_S * self._speed
        return waiting.result()

    def run_due(self) -> float | None:
        """Runs everything that is due; then the real seconds until the next task, None if there is none."""
        while True:
            with self._changed:
                if not self._due:
                    return None
                at_s, _, callback = self._due[0]
                left_s = at_s - self.now()
                if left_s > 0:
                    return left_s / self._speed
                heapq.heappop(self._due)
            callback()

    def start(self) -> None:
        """Runs on a thread of its own until `stop`."""
        self._outside = ThreadPoolExecutor(4, thread_name_prefix="sandbox-outside")
        self._thread = threading.Thread(target=self._run, name="sandbox-controllers")
        self._thread.start()

    def stop(self) -> None:
        """Returns once the thread has ended. What a task raised is raised here: a controller must not die in silence."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread:
            self._thread.join()
            self._thread = None
        if self._outside:
            self._outside.shutdown(cancel_futures=True)
            self._outside = None
        if self.failure:
            raise self.failure

    def _run(self) -> None:
        try:
            while not self._stopping:
                delay_s = self.run_due()
                with self._changed:
                    if self._stopping or (self._due and self._due[0][0] <= self.now()):
                        continue
                    self._changed.wait(delay_s)
        except BaseException as error:
            self.failure = error

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


class WorkQueue(Generic[_Key]):
    """Runs `reconcile(key)` for each key added, never twice at once for the same key, as client-go's work queue does.

    A key added while it runs, runs once more afterwards. Of several waiting times the earliest counts.
    """

    def __init__(self, loop: Loop, reconcile: Callable[[_Key], Reconcile]) -> None:
        self._loop = loop
        self._reconcile = reconcile
        self._waiting: dict[_Key, float] = {}
        self._running: set[_Key] = set()
        self._again: set[_Key] = set()
        self._lock = threading.Lock()

    def add(self, key: _Key, after_s: float = 0.0) -> None:
        due_s = self._loop.now() + after_s
        with self._lock:
            if self._waiting.get(key, due_s + 1.0) <= due_s:
                return
            self._waiting[key] = due_s
        self._loop.call_later(after_s, lambda: self._begin(key, due_s))

    def _begin(self, key: _Key, due_s: float) -> None:
        with self._lock:
            if self._waiting.get(key) != due_s:
                return
            del self._waiting[key]
            if key in self._running:
                self._again.add(key)
                return
            self._running.add(key)
        self._loop.spawn(self._work(key))

    def _work(self, key: _Key) -> Task:
        after_s = yield from self._reconcile(key)
        with self._lock:
            self._running.discard(key)
            again = key in self._again
            self._again.discard(key)
        if again:
            self.add(key)
        elif after_s is not None:
            self.add(key, after_s)
