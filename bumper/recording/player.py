"""Plays a recording: a cluster and a git that answer what they answered then, and a clock that shows the time of it.

Law: entries are taken in their order, and nothing is made up: where the recording ends before a verdict, that is the verdict.
"""

from collections.abc import Iterable, Sequence

from bumper.errors import Unreachable
from bumper.objects import ObjectKey
from bumper.observation import Baseline, Desired, Observation, RevisionFacts
from bumper.recording import encoding
from bumper.recording.encoding import Entry, Head


class RecordingEnded(Unreachable):
    """Nothing was recorded after this."""


class PlayedClock:
    """Shows the time of the entry that was taken last. `next_s` is when the next look began: a sleep lasts until then."""

    def __init__(self, time_s: float) -> None:
        self.time_s = time_s
        self.next_s = time_s

    def now(self) -> float:
        return self.time_s

    def sleep(self, seconds: float) -> None:
        self.time_s = max(self.time_s, self.next_s)


class Player:
    """A tape for `follow`, which must follow one context after the other."""

    one_by_one = True

    def __init__(self, head: Head, entries: Sequence[Entry]) -> None:
        self.head = head
        self.clock = PlayedClock(head.started_s)
        self._entries = entries
        self.clusters = [PlayedCluster(name, self.clock, entries) for name in head.contexts]

    def around(self, cluster: "PlayedCluster") -> "PlayedCluster":
        return cluster

    def facts(self, context: str, source: object) -> "PlayedCluster":
        """What git said belongs to the context in which it was asked."""
        return next(cluster for cluster in self.clusters if cluster.name == context)

    def before(self, context: str, known: Sequence[Baseline | None]) -> Sequence[Baseline | None]:
        """How the sites stood before the push, as it was recorded."""
        cluster = next(cluster for cluster in self.clusters if cluster.name == context)
        return cluster.before() or known

    def begin(self) -> None:
        """Following begins."""
        self.clock.time_s = self.head.began_s

    def end(self) -> None:
        """The run is over."""
        last_s = max((entry.get("at_s", 0.0) for entry in self._entries), default=self.head.began_s)
        self.clock.time_s = next((entry["end_s"] for entry in self._entries if "end_s" in entry), last_s)


class NoFacts:
    """A git that knows nothing: what it said is in the recording."""

    def facts(self, desired: Desired, shas: Iterable[str]) -> dict[str, RevisionFacts]:
        return {}


class PlayedCluster:
    """One context of a recording, and what git said while it was followed."""

    def __init__(self, name: str, clock: PlayedClock, entries: Iterable[Entry]) -> None:
        self.name = name
        self._clock = clock
        self._left = [entry for entry in entries if entry.get("context") == name][::-1]
        self._facts: dict[str, dict[str, RevisionFacts]] = {}
        self._notices: tuple[str, ...] = ()
        self._shown: set[tuple[str, ObjectKey]] = set()

    def observe(self, desired: Sequence[Desired]) -> list[Observation]:
        looks = self._looks(desired)
        self._require(site.label for site, look in zip(desired, looks, strict=True) if not look)
        return [look for look in looks if look]

    def observe_changed(self, desired: Sequence[Desired], is_due: Sequence[bool]) -> list[Observation | None]:
        """Of those that were looked at then; of whoever never was there is no verdict."""
        looks = self._looks(desired)
        keys = [(site.label, site.workload) for site in desired]
        self._shown.update(key for key, look in zip(keys, looks, strict=True) if look)
        self._require(label for label, workload in keys if (label, workload) not in self._shown)
        return looks

    def _require(self, missing: Iterable[str]) -> None:
        if labels := dict.fromkeys(missing):
            raise RecordingEnded(f"{self.name}: nothing more was recorded of {', '.join(labels)}")

    def _looks(self, desired: Sequence[Desired]) -> list[Observation | None]:
        entry = self._take("asked_s")
        if entry is None:
            hint = "it was interrupted, or cut off"
            raise RecordingEnded(f"{self.name}: the recording ends here, before a verdict", hint=hint)
        self._set(entry)
        seen = {
            (site_entry["site"], _followed(site_entry)): encoding.decode_observation(
                site_entry, entry["at_s"]
            )
            for site_entry in entry["look"]
        }
        return [seen.get((site.label, site.workload)) or seen.get((site.label, None)) for site in desired]

    def wait(self, timeout_s: float) -> bool:
        # A recording of another version may have looked sooner or later than this one would; a wait in steps was one wait.
        while self._left and "at_s" in self._left[-1] and "asked_s" not in self._left[-1]:
            self._set(self._left.pop())
        return True

    def request_fetch(self, source: ObjectKey) -> str:
        entry = self._next_if("asked")
        return str(entry.get("answer") or "") if entry else ""

    def notices(self) -> tuple[str, ...]:
        if entry := self._next_if("notices"):
            self._notices = tuple(entry["notices"])
        return self._notices

    def before(self) -> list[Baseline | None]:
        """Of each site in the order of the head; empty where nobody had looked before the push, or the recording is older."""
        entry = self._next_if("before")
        return [encoding.decode_baseline(site) if site else None for site in entry["before"]] if entry else []

    def facts(self, desired: Desired, shas: Iterable[str]) -> dict[str, RevisionFacts]:
        while entry := self._next_if("facts"):
            self._facts[entry["facts"]["site"]] = encoding.decode_facts(entry["facts"]["revisions"])
        return self._facts.get(desired.label, {})

    def _set(self, entry: Entry) -> None:
        """It is the time of this entry; raises what it holds."""
        self._clock.time_s = entry["at_s"]
        self._clock.next_s = next(
            (later["asked_s"] for later in reversed(self._left) if "asked_s" in later), 0.0
        )
        if "error" in entry:
            raise encoding.decode_error(entry["error"])

    def _take(self, key: str) -> Entry | None:
        """The next entry with this key."""
        while self._left:
            entry = self._left.pop()
            if key in entry:
                return entry
        return None

    def _next_if(self, key: str) -> Entry | None:
        return self._left.pop() if self._left and key in self._left[-1] else None


def _followed(site_entry: Entry) -> ObjectKey | None:
    """The workload that was looked at; older recordings have one for each site, and do not say which."""
    return ObjectKey(*site_entry["follows"]) if "follows" in site_entry else None
