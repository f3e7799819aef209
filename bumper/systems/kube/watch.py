"""Watches that wake us up when something changed, and say whose it was.

Law: a watch carries no truth, it only rings for sites. Each time it gains a version to watch from it rings for all, so that whatever
changed while it was away is looked at; hence a dropped stream, a restarted server, an expired version (410) or a changed credential
cost time and nothing else. Where watching is forbidden, a notice says so, and another try is made from time to time.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from contextvars import Context
from random import SystemRandom
from typing import Any

from bumper.dataclasses import dataclass, field
from bumper.errors import BumpError, Transient
from bumper.objects import ObjectKey, at
from bumper.systems.kube.api import Api
from bumper.systems.kube.connection import Timeouts
from bumper.systems.kube.kinds import EVENT, Resource
from bumper.systems.kube.news import SiteKey
from bumper.systems.kube.refusals import Forbidden, Gone, Missing

# What a workload owns has a name that begins with its own, cut at 58 characters (apiserver 0.36.1, pkg/storage/names/generate.go).
_CERTAIN_CHARACTERS = 40


@dataclass(frozen=True)
class Feed:
    """A collection to watch: of all namespaces without `namespace`, narrowed to one object by `name`."""

    resource: Resource
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        where = f"in namespace {self.namespace}" if self.namespace else "in all namespaces"
        return f"{self.resource.plural} {where}"


@dataclass(frozen=True)
class Interest:
    """Whose changes ring, and for which sites: the objects of `keys`, and by namespace what belongs to the workloads (an empty name:
    to any there).
    """

    keys: Mapping[ObjectKey, Collection[SiteKey]] = field(default_factory=dict)
    workloads: Mapping[str, Mapping[str, Collection[SiteKey]]] = field(default_factory=dict)

    def sites_of(self, resource: Resource, changed: Any) -> set[SiteKey]:
        """The sites to which a change of this object, of the kind `resource`, matters; what is no object matters to none."""
        subject = "involvedObject" if resource == EVENT else "metadata"
        namespace, name = (
            str(at(changed, *path) or "") for path in (("metadata", "namespace"), (subject, "name"))
        )
        sites = set(self.keys.get(ObjectKey(resource.kind, namespace, name), ()))
        # A claim may have any name; what becomes of it is read with the pods that wait for it.
        is_of_claim = resource == EVENT and at(changed, subject, "kind") == "PersistentVolumeClaim"
        for workload, owners in self.workloads.get(namespace, {}).items():
            if is_of_claim or name.startswith(workload[:_CERTAIN_CHARACTERS]):
                sites.update(owners)
        return sites


# Whoever watches for days may fail more often than a fraction can be doubled.
_DOUBLINGS = 30


@dataclass
class _Place:
    """Up to which version a feed was seen, empty for not at all, and how often in a row nothing came of a try."""

    since: str = ""
    failures: int = 0


class Watches:
    """Keeps one stream open for each feed. `ring` is called on the event loop at any time; with None any site may have changed."""

    def __init__(
        self, api: Api, timeouts: Timeouts, ring: Callable[[Collection[SiteKey] | None], None]
    ) -> None:
        self.failure: BaseException | None = None
        self._api = api
        self._timeouts = timeouts
        self._ring = ring
        self._interest = Interest()
        self._tasks: dict[Feed, asyncio.Task[None]] = {}
        self._silent: dict[Feed, str] = {}
        self._standing: set[Feed] = set()

    def follow(self, feeds: Iterable[Feed], interest: Interest) -> None:
        """From now on watches exactly these feeds."""
        wanted = set(feeds)
        self._interest = interest
        for feed in self._tasks.keys() - wanted:
            self._tasks.pop(feed).cancel()
            self._silent.pop(feed, None)
        for feed in wanted - self._tasks.keys():
            # A watch outlives the look that began it, and the deadline of that.
            self._tasks[feed] = task = asyncio.create_task(self._keep(feed), context=Context())
            task.add_done_callback(self._ended)

    def tell_all(self) -> bool:
        """Whether a stream is open for each feed: what changes rings."""
        return self._standing == self._tasks.keys()

    def silent(self) -> tuple[str, ...]:
        """One line for each feed that may not be watched."""
        return tuple(sorted(set(self._silent.values())))

    async def aclose(self) -> None:
        """Ends all streams."""
        tasks = list(self._tasks.values())
        self.follow((), Interest())
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception():
            self.failure = task.exception()
            self._ring(None)

    async def _keep(self, feed: Feed) -> None:
        place = _Place()
        while True:
            wish_s = 0.0
            try:
                await self._stream(feed, place)
            except (Forbidden, Missing) as error:
                place.since = ""
                wish_s = self._timeouts.forbidden_s
                if isinstance(error, Forbidden):
                    self._silent[feed] = f"no permission to watch {feed}"
            except Gone:
                place.since = ""
            except Transient as error:
                wish_s = error.retry_after_s or 0.0
            except (BumpError, ValueError):
                # No access for now, or a line that was cut off: both heal, or the next look tells what is wrong.
                pass
            await asyncio.sleep(max(self._pause_s(place.failures), wish_s))
            place.failures += 1

    async def _stream(self, feed: Feed, place: _Place) -> None:
        """Rings for what changes after `place`, and moves it on, until the stream ends or breaks."""
        if not place.since:
            place.since = await self._api.version(feed.resource, feed.namespace, _selector(feed))
            self._ring(None)
        async with self._api.watch(
            feed.resource, feed.namespace, place.since, _selector(feed), self._timeouts.watch_s
        ) as events:
            self._silent.pop(feed, None)
            self._standing.add(feed)
            try:
                async for event in events:
                    place.failures = 0
                    if event.get("type") == "ERROR":
                        # Recorded: an expired version is told in the stream, with 410 in the object and 200 as HTTP's status.
                        raise Gone(str(at(event, "object", "message") or "the watch ended with an error"))
                    place.since = str(at(event, "object", "metadata", "resourceVersion") or place.since)
                    if event.get("type") != "BOOKMARK":
                        self._tell(feed, at(event, "object"))
            finally:
                self._standing.discard(feed)

    def _tell(self, feed: Feed, changed: Any) -> None:
        sites = self._interest.sites_of(feed.resource, changed)
        if sites or feed.name:
            # What is watched by its name is some site's, though what came does not say so.
            self._ring(sites or None)

    def _pause_s(self, failures: int) -> float:
        doubled_s = self._timeouts.first_pause_s * (1 << min(failures, _DOUBLINGS))
        most_s = min(doubled_s, self._timeouts.longest_pause_s)
        return SystemRandom().uniform(0, most_s)


def _selector(feed: Feed) -> str:
    return f"metadata.name={feed.name}" if feed.name else ""
