"""Looking at all sites again and again, for as long as someone watches.

Law: level-triggered. A change in a cluster only wakes us: each time everything is read and judged afresh, and at least every
`PERIOD_S` seconds although nothing was heard. What git wants is fetched every `FETCH_S` seconds. What cannot be read is shown as such,
and asked again.
"""

import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bumper.errors import BumpError
from bumper.follow.revisions import Lineage
from bumper.observation import Observation
from bumper.ports import Clock, Cluster, Repository
from bumper.request import Choice
from bumper.revision import Revision
from bumper.status import look as standing
from bumper.status import sites
from bumper.status.sites import Entry
from bumper.status.table import Row

PERIOD_S = 5.0
FETCH_S = 30.0
# What a look that failed waits at least before the next one.
_PAUSE_S = 2.0
_FAREWELL_S = 2.0


@dataclass(frozen=True)
class Picture:
    """How everything stands, and what could not be done to find out."""

    tip: Revision
    rows: tuple[Row, ...]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Look:
    cluster: int
    entries: Sequence[Entry]
    seen: Sequence[Observation] | BumpError


class Watcher:
    """Looks at several clusters at once, each in a thread of its own; git is asked by the caller's thread alone.

    A context manager. At its end the threads have ended too, but for one whose cluster does not answer: nobody waits for that one.
    """

    def __init__(
        self,
        clusters: Sequence[Cluster],
        repository: Repository,
        clock: Clock,
        branch: str,
        *,
        site: str = "",
        choice: Choice | None = None,
        fetch_s: float = FETCH_S,
    ) -> None:
        self._clusters = clusters
        self._repository = repository
        self._clock = clock
        self._branch = branch
        self._site = site
        self._choice = choice or Choice()
        self._fetch_s = fetch_s
        self._lineage = Lineage(repository, self._choice, clock)
        self._looks: queue.SimpleQueue[_Look] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._problem = ""
        self._tip, self._entries = self._wanted()
        self._fetched_s = clock.now()
        self._last: dict[int, _Look] = {}
        self._threads = [
            threading.Thread(
                target=self._keep_looking, args=(number,), name=f"watch {cluster.name}", daemon=True
            )
            for number, cluster in enumerate(clusters)
        ]

    def __enter__(self) -> "Watcher":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(_FAREWELL_S)

    def pictures(self, tick_s: float = 1.0) -> Iterator[Picture | None]:
        """A picture after each look and each new commit, None after each `tick_s` in which nothing came. Endless."""
        while True:
            fresh = self._take(tick_s)
            fresh |= self._fetch_when_due()
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
        return tip, sites.read(self._repository.tree(tip.sha), tip, self._site, self._choice)

    def _picture(self) -> Picture:
        rows: list[Row] = []
        for number, cluster in enumerate(self._clusters):
            look = self._last[number]
            if isinstance(look.seen, BumpError):
                rows += standing.unseen(cluster.name, self._entries, look.seen)
            else:
                rows += standing.judged(cluster.name, *self._matched(look, look.seen), self._lineage)
        return Picture(self._tip, tuple(rows), tuple(filter(None, [self._problem])))

    def _matched(self, look: _Look, seen: Sequence[Observation]) -> tuple[list[Entry], list[Observation]]:
        """What git wants now beside what was seen last; a site that was not looked at yet comes with the next look."""
        by_key = {_place(entry): one for entry, one in zip(look.entries, seen, strict=True)}
        entries = [entry for entry in self._entries if _place(entry) in by_key]
        return entries, [by_key[_place(entry)] for entry in entries]

    def _keep_looking(self, number: int) -> None:
        cluster = self._clusters[number]
        while not self._stop.is_set():
            entries = self._entries
            try:
                seen: Sequence[Observation] | BumpError = cluster.observe([one.desired for one in entries])
                self._looks.put(_Look(number, entries, seen))
                self._rest(cluster)
            except BumpError as error:
                self._looks.put(_Look(number, entries, error))
                self._stop.wait(_PAUSE_S)

    def _rest(self, cluster: Cluster) -> None:
        """Until something changed, or a while has passed; in short steps, since a stop cannot wake the cluster's own wait."""
        for _ in range(int(PERIOD_S)):
            if self._stop.is_set() or cluster.wait(1.0):
                return


def _place(entry: Entry) -> tuple[object, ...]:
    desired = entry.desired
    return (desired.site, desired.kustomization, desired.source, desired.workload, desired.container)
