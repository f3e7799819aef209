"""Writes a recording while a run goes on.

Law: recording changes no verdict: the run judges what the cluster gave, the file gets what is left of it after `strip`. While it
records, the clock of the run stands still between two calls to a system, so that the file holds every time that the report depends on.
"""

import json
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from bumper.dataclasses import replace
from bumper.errors import BumpError
from bumper.objects import Object, ObjectKey
from bumper.observation import Baseline, Desired, Observation, RevisionFacts
from bumper.ports.kubernetes import Cluster, Facts
from bumper.ports.run import Clock
from bumper.recording import encoding
from bumper.recording.encoding import Entry, Head, Subject
from bumper.recording.strip import strip
from bumper.safe_text import mask

# Microseconds: what is written and what is reported must be the same number.
_DIGITS = 6


class StillClock:
    """A clock that each thread moves on by itself; a thread that never moved it reads the time since the clock was made."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started_s = clock.now()
        self._here = threading.local()

    def now(self) -> float:
        held: float | None = getattr(self._here, "held_s", None)
        return self._running_s() if held is None else held

    def sleep(self, seconds: float) -> None:
        self._clock.sleep(seconds)
        self.move_on()

    def move_on(self) -> float:
        """Stands still at the present moment, which is returned."""
        self._here.held_s = self._running_s()
        return self.now()

    def _running_s(self) -> float:
        return round(self._clock.now() - self._started_s, _DIGITS)


class Recorder:
    """A tape for `follow`. `write` gets whole lines; it may be called from several threads, one at a time."""

    one_by_one = False

    def __init__(self, write: Callable[[str], object], clock: Clock) -> None:
        self.clock = StillClock(clock)
        self._write = write
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}

    def begin(
        self,
        contexts: Iterable[str],
        timeout_s: float,
        subjects: Iterable[Subject],
        *,
        started_s: float,
        notices: Iterable[str] = (),
        elsewhere: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        """Following begins now: writes the head."""
        began_s = self.clock.move_on()
        head = Head(
            tuple(contexts), started_s, began_s, timeout_s, tuple(subjects), tuple(notices), elsewhere or {}
        )
        self._add(encoding.encode_head(head))

    def end(self) -> None:
        """Writes when the run was over."""
        self._add({"end_s": self.clock.move_on()})

    def around(self, cluster: Cluster) -> Cluster:
        """The cluster, with everything that it answers written down."""
        return _RecordedCluster(self, cluster)

    def facts(self, context: str, source: Facts) -> Facts:
        """What git says, with everything that is new in it written down."""
        return _RecordedFacts(self, context, source)

    def before(self, context: str, known: Sequence[Baseline | None]) -> Sequence[Baseline | None]:
        """How the sites stood before the push, written down unless nobody had looked."""
        if any(known):
            with self._lock:
                entries = [self._numbered_baseline(baseline) if baseline else None for baseline in known]
                self._write(encoding.line({"context": context, "before": entries}))
        return known

    def add(self, context: str, **entry: Any) -> None:
        """One entry of one context."""
        self._add({"context": context, **entry})

    def add_look(
        self,
        context: str,
        asked_s: float,
        at_s: float,
        seen: Iterable[tuple[Desired, Observation]],
    ) -> None:
        """One look at some sites; the objects that are new are written before it."""
        with self._lock:
            look = [self._numbered(site, observation) for site, observation in seen]
            self._write(encoding.line({"context": context, "asked_s": asked_s, "at_s": at_s, "look": look}))

    def _add(self, entry: Entry) -> None:
        with self._lock:
            self._write(encoding.line(entry))

    def _numbered(self, site: Desired, seen: Observation) -> Entry:
        entry: Entry = {
            "site": site.label,
            "follows": encoding.encode_key(site.workload),
            "cluster_time": seen.cluster_time,
        }
        for name, value in encoding.objects_of(seen).items():
            entry[name] = (
                [self._number(cluster_object) for cluster_object in value]
                if isinstance(value, list)
                else self._number(value)
            )
        if seen.logs:
            entry["logs"] = {name: mask(text) for name, text in seen.logs.items()}
        if seen.unreadable:
            entry["unreadable"] = {kind: mask(why) for kind, why in seen.unreadable.items()}
        return entry

    def _numbered_baseline(self, baseline: Baseline) -> Entry:
        objects = encoding.baseline_objects(baseline)
        numbers = {name: self._number(cluster_object) for name, cluster_object in objects.items()}
        return {"tried": mask(baseline.tried), "untried": mask(baseline.untried), **numbers}

    def _number(self, cluster_object: Object) -> int:
        stripped = strip(cluster_object)
        text = json.dumps(stripped, sort_keys=True)
        if text not in self._numbers:
            self._numbers[text] = len(self._numbers)
            self._write(encoding.line({"object": stripped}))
        return self._numbers[text]


class _RecordedCluster:
    def __init__(self, recorder: Recorder, cluster: Cluster) -> None:
        self._recorder = recorder
        self._cluster = cluster
        self._notices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self._cluster.name

    def observe(self, desired: Sequence[Desired]) -> list[Observation]:
        looks = self._written(desired, lambda: self._cluster.observe(desired))
        return [look for look in looks if look]

    def observe_changed(self, desired: Sequence[Desired], is_due: Sequence[bool]) -> list[Observation | None]:
        return self._written(desired, lambda: self._cluster.observe_changed(desired, is_due))

    def _written(
        self, desired: Sequence[Desired], observe: Callable[[], Sequence[Observation | None]]
    ) -> list[Observation | None]:
        asked_s = self._recorder.clock.now()
        try:
            looks = observe()
        except BumpError as error:
            self._failed(error, asked_s=asked_s)
            raise
        at_s = self._recorder.clock.move_on()
        seen = [(site, look) for site, look in zip(desired, looks, strict=True) if look]
        self._recorder.add_look(self.name, asked_s, at_s, seen)
        return [replace(look, at_s=at_s) if look else None for look in looks]

    def wait(self, timeout_s: float) -> bool:
        try:
            rang = self._cluster.wait(timeout_s)
        except BumpError as error:
            self._failed(error)
            raise
        self._recorder.add(self.name, at_s=self._recorder.clock.move_on())
        return rang

    def request_fetch(self, source: ObjectKey) -> str:
        answer = self._cluster.request_fetch(source)
        self._recorder.add(self.name, asked=str(source), answer=mask(answer))
        return answer

    def notices(self) -> tuple[str, ...]:
        notices = self._cluster.notices()
        if notices != self._notices:
            self._notices = notices
            self._recorder.add(self.name, notices=[mask(notice) for notice in notices])
        return notices

    def _failed(self, error: BumpError, **when: float) -> None:
        at_s = self._recorder.clock.move_on()
        self._recorder.add(self.name, at_s=at_s, **when, error=encoding.encode_error(error))


class _RecordedFacts:
    def __init__(self, recorder: Recorder, context: str, source: Facts) -> None:
        self._recorder = recorder
        self._context = context
        self._source = source
        self._last: dict[str, Mapping[str, RevisionFacts]] = {}

    def facts(self, desired: Desired, shas: Iterable[str]) -> dict[str, RevisionFacts]:
        facts = self._source.facts(desired, shas)
        if facts != self._last.get(desired.label):
            self._last[desired.label] = facts
            self._recorder.add(
                self._context, facts={"site": desired.label, "revisions": encoding.encode_facts(facts)}
            )
        return facts
