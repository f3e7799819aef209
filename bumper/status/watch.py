"""Looking at all sites again and again, for as long as someone watches.

Law: the loop of every follower (`follow.loop`), without a deadline. What git wants is fetched every `FETCH_S` seconds. What cannot be
read is shown as such, and asked again, a refusal too: whoever watches may log in again meanwhile.
"""

import math
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NoReturn

from bumper.dataclasses import dataclass
from bumper.errors import BumpError
from bumper.follow.loop import Case, Intervals, Loop
from bumper.follow.revisions import Revisions
from bumper.follow.threads import Threads
from bumper.manifest.document import forget
from bumper.ports.git import LastingRepository
from bumper.ports.kubernetes import Cluster
from bumper.ports.run import Clock
from bumper.request import Choice, Inventory
from bumper.revision import Revision
from bumper.status import sites
from bumper.status.look import Answer, Judged, rows
from bumper.status.sites import Entry, Place, Seen, place
from bumper.status.table import Row

FETCH_S = 30.0
# What is kept of each commit, a tip or another that Flux speaks of, is worth a fetch of the tip after this many.
RENEWED_AFTER = 20
_INTERVALS = Intervals(retry_s=2.0)


@dataclass(frozen=True)
class Picture:
    """How everything stands, and what could not be done to find out."""

    tip: Revision
    rows: tuple[Row, ...]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Look:
    """What one cluster showed, by place, or why it could not be read."""

    cluster: int
    answer: Mapping[Place, Seen] | BumpError


class _Watch:
    """Puts what a cluster shows into a queue, again and again; nothing is its end (`loop.Follower`)."""

    def __init__(
        self,
        number: int,
        cluster: Cluster,
        wanted: Callable[[], Sequence[Entry]],
        looks: "queue.SimpleQueue[_Look]",
    ) -> None:
        self._number = number
        self._cluster = cluster
        self._wanted = wanted
        self._looks = looks
        self._seen: Mapping[Place, Seen] = {}

    def look(self, cases: Sequence[Case]) -> Iterator[None]:
        try:
            self._seen = sites.observe_changed(self._cluster, self._wanted(), self._seen)
        except BumpError as error:
            self._looks.put(_Look(self._number, error))
            raise
        self._looks.put(_Look(self._number, self._seen))
        yield from (None for _ in cases)

    def timed_out(self, case: Case) -> NoReturn:
        raise AssertionError("a watch has no deadline")

    def unreachable(self, case: Case, error: BumpError) -> NoReturn:
        raise AssertionError("a watch has no deadline")

    def refused(self, case: Case, error: BumpError) -> None:
        return None


class Watcher:
    """Looks at several clusters at once, each in a thread of its own; git is asked by the caller's thread alone.

    A context manager. At its end the threads have ended too, but for one whose cluster does not answer: nobody waits for that one.
    """

    def __init__(
        self,
        clusters: Sequence[Cluster],
        repository: LastingRepository,
        clock: Clock,
        branch: str,
        *,
        site: str = "",
        choices: Sequence[Choice] = (Choice(),),
        inventory: Inventory | None = None,
        fetch_s: float = FETCH_S,
        renewed_after: int = RENEWED_AFTER,
    ) -> None:
        self._clusters = clusters
        self._repository = repository
        self._clock = clock
        self._branch = branch
        self._site = site
        self._choices = choices
        self._inventory = inventory
        self._fetch_s = fetch_s
        self._renewed_after = renewed_after
        self._revisions = Revisions(repository, choices[0], clock)
        self._looks: queue.SimpleQueue[_Look] = queue.SimpleQueue()
        self._problem = ""
        self._tips: set[str] = set()
        self._tip, self._entries = self._wanted()
        self._fetched_s = clock.now()
        self._last: dict[int, _Look] = {}
        self._judged: dict[int, Judged] = {}
        self._threads = Threads[Sequence[None]]()

    def __enter__(self) -> "Watcher":
        for number, cluster in enumerate(self._clusters):
            self._threads.start(f"watch {cluster.name}", partial(self._keep_looking, number))
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.__exit__()

    def pictures(self, tick_s: float = 1.0) -> Iterator[Picture | None]:
        """A picture after each look and each new commit, None after each `tick_s` in which nothing came. Endless."""
        while True:
            fresh = self._take(tick_s)
            fresh |= self._fetch_when_due()
            self._threads.check()
            complete = len(self._last) == len(self._clusters)
            yield self._picture() if fresh and complete else None

    def _take(self, timeout_s: float) -> bool:
        """Whether a look was there; of several of one cluster the last one counts."""
        try:
            look = self._looks.get(timeout=timeout_s)
        except queue.Empty:
            return False
        while True:
            self._last[look.cluster] = look
            try:
                look = self._looks.get_nowait()
            except queue.Empty:
                return True

    def _fetch_when_due(self) -> bool:
        """Whether what git wants, or what is known of it, has changed."""
        if self._clock.now() - self._fetched_s < self._fetch_s:
            return False
        before = (self._tip, self._problem)
        try:
            self._tip, self._entries = self._wanted()
            self._problem = ""
        except BumpError as error:
            self._problem = f"git: {error.message}; what is wanted may be out of date"
        self._fetched_s = self._clock.now()
        return before != (self._tip, self._problem)

    def _wanted(self) -> tuple[Revision, list[Entry]]:
        tip = Revision(self._branch, self._repository.fetch(self._branch))
        self._tips.add(tip.sha)
        if len(self._tips | self._revisions.commits()) > self._renewed_after:
            self._forget()
            tip = Revision(self._branch, self._repository.fetch(self._branch))
        return tip, sites.read(
            self._repository.tree(tip.sha), tip, self._site, self._choices, self._inventory
        )

    def _forget(self) -> None:
        self._tips.clear()
        self._repository.renew()
        self._revisions = Revisions(self._repository, self._choices[0], self._clock)
        forget()

    def _picture(self) -> Picture:
        shown: list[Row] = []
        for number, cluster in enumerate(self._clusters):
            entries, answer = self._matched(self._last[number])
            known = self._judged.setdefault(number, Judged())
            shown += rows(cluster.name, entries, answer, self._revisions, known)
        return Picture(self._tip, tuple(shown), tuple(filter(None, [self._problem])))

    def _matched(self, look: _Look) -> tuple[list[Entry], Answer]:
        """What git wants now beside what was seen last; a site that was not looked at yet comes with the next look."""
        if isinstance(look.answer, BumpError):
            return self._entries, look.answer
        matched = [
            (entry, look.answer[where]) for entry in self._entries if (where := place(entry)) in look.answer
        ]
        return [entry for entry, _ in matched], [seen for _, seen in matched]

    def _keep_looking(self, number: int, stop: threading.Event) -> Sequence[None]:
        cluster = self._clusters[number]
        watch = _Watch(number, cluster, lambda: self._entries, self._looks)
        loop = Loop(cluster, watch, [Case()], self._clock, intervals=_INTERVALS, stop=stop)
        return loop.run(self._clock.now(), math.inf)
