"""Several clusters at once.

Law: they share nothing but the stop: each has a thread of its own, and the whole deadline. Whoever interrupts the run, or a fault in
one thread, ends them all.
"""

import concurrent.futures
import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context
from functools import partial
from typing import Generic, Self, TypeVar

from bumper.ports.kubernetes import Cluster

# A system that does not answer cannot be stopped: its thread is not waited for any longer.
_FAREWELL_S = 2.0

Result = TypeVar("Result")


class Threads(Generic[Result]):
    """Runs that share nothing but the stop, each in a thread of its own. A context manager: at its end all of them are stopped."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._futures: list[concurrent.futures.Future[Result]] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(_FAREWELL_S)

    def start(self, name: str, run: Callable[[threading.Event], Result]) -> None:
        """Begins a run, which is handed the stop."""
        future: concurrent.futures.Future[Result] = concurrent.futures.Future()
        # With the deadline in force, and whoever hears what is waited for.
        settle = partial(copy_context().run, _settle, future, run, self._stop)
        thread = threading.Thread(target=settle, name=name, daemon=True)
        self._futures.append(future)
        self._threads.append(thread)
        thread.start()

    def check(self) -> None:
        """Raises what a run raised so far."""
        for future in self._futures:
            if future.done():
                future.result()

    def results(self) -> list[Result]:
        """What the runs returned, in the order of their start; raises what the first of them raised, without waiting for the rest."""
        concurrent.futures.wait(self._futures, return_when=concurrent.futures.FIRST_EXCEPTION)
        self.check()
        return [future.result() for future in self._futures]


def _settle(
    future: concurrent.futures.Future[Result], run: Callable[[threading.Event], Result], stop: threading.Event
) -> None:
    try:
        future.set_result(run(stop))
    except BaseException as error:
        future.set_exception(error)


def in_each(
    clusters: Sequence[Cluster],
    run: Callable[[Cluster, threading.Event | None], Sequence[Result]],
    *,
    one_by_one: bool = False,
) -> list[Result]:
    """What `run` returns for all clusters, in order. Several are followed at once, unless the caller wants them `one_by_one`."""
    if one_by_one or len(clusters) < 2:
        return [result for cluster in clusters for result in run(cluster, None)]
    with Threads[Sequence[Result]]() as threads:
        for cluster in clusters:
            threads.start(f"follow {cluster.name}", partial(run, cluster))
        return [result for results in threads.results() for result in results]
