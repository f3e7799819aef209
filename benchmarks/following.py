"""How soon a change in the cluster is a line on the screen, with one site and with two hundred in one process; `following-1000` is
the same with a thousand.

Over HTTPS on loopback, against the sandbox's API in a process of its own: a Deployment's status is written, and the clock stops when
the display has written its line. `kubectl wait` and `flux` need a real cluster: `make e2e-peers` has them.
"""

import io
import multiprocessing
import resource
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from statistics import quantiles
from typing import Any, NamedTuple, Self

from benchmarks.fleet import BEFORE, Fleet
from bumper.app.clock import SystemClock
from bumper.follow.cluster import follow
from bumper.follow.loop import Followed
from bumper.observation import Desired, RevisionFacts
from bumper.progress import Journal
from bumper.systems.kube import Cluster
from bumper.systems.terminal import Log

CHANGES = 60
SITES = (1, 200)
# Of the p95 in milliseconds, by the number of sites; of memory in megabytes with any.
MOST_MS, MOST_MB = {200: 150, 1_000: 300}, 100
# Between two changes, so that each one wakes a follower that waits.
PAUSE_S = 0.15
MOST_FOLLOWED_S = 900.0
# Until a line comes: a thousand sites are read first.
MOST_S = 60.0
MEASURED = "site-000"


class Screen(io.StringIO):
    """Knows when it last wrote of the measured site, and what."""

    def __init__(self) -> None:
        super().__init__()
        self.changed = threading.Condition()
        self.last = ""
        self.last_s = 0.0

    def write(self, text: str) -> int:
        with self.changed:
            if f" {MEASURED} " in text:
                self.last, self.last_s = text, time.perf_counter()
                self.changed.notify_all()
        return len(text)

    def wait_for(self, part: str) -> float:
        """When (perf_counter) the line with `part` was written."""
        with self.changed:
            if not self.changed.wait_for(lambda: part in self.last, MOST_S):
                raise TimeoutError(f"no line with {part!r}, the last one is {self.last!r}")
            return self.last_s


class KnownBefore:
    """Stands for git: the revision of before does not contain the commit."""

    def facts(self, desired: Desired, shas: object) -> dict[str, RevisionFacts]:
        return {BEFORE.sha: RevisionFacts(includes_commit=False, image=None)}


class Remote:
    """A fleet in a process of its own, as an API server is: its work must not be counted as ours. A context manager."""

    def __init__(self, sites: int) -> None:
        self._ours, theirs = multiprocessing.Pipe()
        spawn = multiprocessing.get_context("spawn")
        self._process = spawn.Process(target=serve, args=(sites, theirs))

    def __enter__(self) -> Self:
        self._process.start()
        self.environ, self.desired = self._ours.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._ours.send(None)
        self._process.join()

    def ask(self, method: str, *arguments: object) -> tuple[float, Any]:
        """When (perf_counter, which all processes share) the method was called there, and what it returned."""
        self._ours.send((method, arguments))
        answer: tuple[float, Any] = self._ours.recv()
        return answer


def serve(sites: int, pipe: Connection) -> None:
    """The other end of `Remote`."""
    with Fleet(sites) as fleet:
        pipe.send((fleet.environ(), list(fleet.desired())))
        while (request := pipe.recv()) is not None:
            method, arguments = request
            begun_s = time.perf_counter()
            owner = fleet if hasattr(fleet, method) else fleet.api
            pipe.send((begun_s, getattr(owner, method)(*arguments)))


def main(*sizes: int) -> None:
    """With so many sites each; those of `SITES` where none is named."""
    print(f"from a status change to the line on the screen   ({CHANGES} changes, HTTPS on loopback)")
    columns = "".join(
        f"{name:>13}"
        for name in (
            "p50",
            "p95",
            "max",
            "CPU a change",
            "memory",
            "connections",
            "requests",
            "threads",
            "all Ready in",
        )
    )
    print(f"  {'sites followed':<16}{columns}")
    for sites in sizes or SITES:
        # Each in a process of its own, whose memory nobody else has grown.
        follower = multiprocessing.get_context("spawn").Process(target=measure_all, args=(sites,))
        follower.start()
        follower.join()
        if follower.exitcode:
            raise RuntimeError(f"following {sites} sites ended with {follower.exitcode}")
    print("  left out: kubectl wait and flux, which need a real cluster (make e2e)")


class Figures(NamedTuple):
    """Of one process that followed: seconds from each change to its line, in order of length, those of the processor for all changes,
    the most connections at once, requests, threads, seconds until all were Ready.
    """

    taken_s: Sequence[float]
    processor_s: float
    connections: int
    requests: int
    threads: int
    all_s: float


def measure_all(sites: int) -> None:
    """Prints the row of so many sites."""
    figures = measured(sites, CHANGES)
    percentiles_s = quantiles(figures.taken_s, n=100, method="inclusive")
    shown = "".join(
        f"{percentile_s * 1000:>10.0f} ms"
        for percentile_s in (percentiles_s[49], percentiles_s[94], figures.taken_s[-1])
    )
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    shown += f"{figures.processor_s / CHANGES * 1000:>10.0f} ms{memory_mb:>10.0f} MB"
    shown += "".join(f"{count:>13}" for count in (figures.connections, figures.requests, figures.threads))
    print(f"  {sites:<16}{shown}{figures.all_s:>11.1f} s", flush=True)
    if sites in MOST_MS:
        print(f"  {'goals':<16}{'':>13}{MOST_MS[sites]:>10} ms{'':>26}{MOST_MB:>10} MB", flush=True)


def measured(sites: int, changes: int) -> Figures:
    """Follows so many sites in this process, one of which changes so often."""
    with Remote(sites) as fleet:
        return _followed(fleet, changes)


def _followed(fleet: Remote, changes: int) -> Figures:
    screen, clock = Screen(), SystemClock()
    journal = Journal(clock.now, Log(screen, clock.now, name_sites=True))
    followed: list[Followed] = []
    with Cluster(None, fleet.environ, clock) as cluster:

        def work() -> None:
            followed.extend(follow(fleet.desired, [cluster], KnownBefore(), clock, MOST_FOLLOWED_S, journal))

        follower = threading.Thread(target=work)
        follower.start()
        screen.wait_for("waiting for main@")
        fleet.ask("fetch")
        screen.wait_for("applied")
        fleet.ask("apply", MEASURED)
        screen.wait_for("rolled out")
        begun_s = time.process_time()
        taken_s = sorted(measure(fleet, screen, number) for number in range(changes))
        processor_s = time.process_time() - begun_s
        _, most = fleet.ask("connections")
        threads = sum(thread.name.startswith("kube ") for thread in threading.enumerate()) + 1
        begun_s = time.perf_counter()
        for desired in fleet.desired:
            if desired.site != MEASURED:
                fleet.ask("apply", desired.site)
            fleet.ask("finish", desired.site)
        follower.join()
        all_s = time.perf_counter() - begun_s
        _, requests = fleet.ask("requests")
    if [report for report in followed if report.verdict.outcome != "ready"]:
        raise AssertionError("not all of them became ready")
    return Figures(taken_s, processor_s, most, sum(requests.values()), threads, all_s)


def measure(fleet: Remote, screen: Screen, number: int) -> float:
    """Seconds from the write of a status to the line that shows it."""
    time.sleep(PAUSE_S)
    updated = 100 + number
    begun_s, _ = fleet.ask("count", MEASURED, updated)
    return screen.wait_for(f"{updated}/1 updated") - begun_s


if __name__ == "__main__":
    main()
