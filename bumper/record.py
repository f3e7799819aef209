"""One deploy as git keeps it: what its commit says, and how it ended."""

import re
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple, Self

from bumper.dataclasses import dataclass, replace
from bumper.errors import EXIT_CODES, Outcome, worst_exit_code
from bumper.request import Origin

# The name of a site, and that of its Kustomization (`KustomizationName`).
SiteKey = tuple[str, str]
_OUTCOMES = {outcome.value: outcome for outcome in Outcome}
# The reason of an ending that tells of the version before: that it ran when a deploy came to replace it.
FOUND_RUNNING = "FoundRunning"
# The longest message of a verdict that is noted, in characters.
LONGEST_MESSAGE = 400
# The version runs.
GOOD = (Outcome.READY, Outcome.SERVING, Outcome.UNCHANGED)


class KustomizationName(NamedTuple):
    """A Flux Kustomization of the platform repository as it is written down: `FILE#namespace/name`, without a namespace `FILE#name`.

    The file tells those of two clusters apart, which have the same namespace and name. `file` is empty where nothing is known.
    """

    file: str
    namespace: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """The parts of a text; whatever is no such name has no file and is equal to none."""
        file, _, qualified = text.rpartition("#")
        namespace, _, name = qualified.rpartition("/")
        return cls(file, namespace, name)

    def has_name_of(self, other: "KustomizationName") -> bool:
        """Whether namespace and name are the same. A namespace that one of the files leaves out may be given by what lists it."""
        either_is_open = not (self.namespace and other.namespace)
        return self.name == other.name and (either_is_open or self.namespace == other.namespace)

    def is_called(self, text: str) -> bool:
        """Whether a text means this one: its name alone, `namespace/name`, its file, or all of it."""
        qualified = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return text in (self.name, qualified, self.file, f"{self.file}#{qualified}")

    def is_same(self, other: "KustomizationName") -> bool:
        """Whether both are one."""
        return bool(self.file) and self.file == other.file and self.has_name_of(other)


def told_apart(kustomizations: Collection[str]) -> dict[str, str]:
    """By each name (`KustomizationName`) the steps in which it differs from the others, `prod` of `clusters/prod/web.yaml#x/web`.

    Of Kustomizations whose own names all differ that name alone: `web-prod` of `web-prod.yaml#x/web-prod`.
    """
    names = {text: KustomizationName.parse(text).name for text in kustomizations if "#" in text}
    if 1 < len(kustomizations) == len(set(names.values())) and all(names.values()):
        return names
    steps = {text: re.split("[/#]", text) for text in kustomizations}
    start = _shared([*steps.values()])
    end = _shared([[*reversed(each[start:])] for each in steps.values()])
    short = {text: "/".join(each[start : len(each) - end]) for text, each in steps.items()}
    is_clear = all(short.values()) and len(set(short.values())) == len(short)
    return short if is_clear else {text: text for text in steps}


def _shared(many: Sequence[Sequence[str]]) -> int:
    """How many steps all of them begin with together."""
    return next(
        (at for at, step in enumerate(zip(*many, strict=False)) if len(set(step)) > 1),
        min(map(len, many), default=0),
    )


@dataclass(frozen=True)
class Record:
    """One site's deploy in one commit.

    `kustomization` is the Flux Kustomization that builds it (`KustomizationName`), and `path` the file that was changed; either is
    empty where the commit does not say. `image` is the repository; `previous` the tag before (or the digest, where no tag stood),
    empty where neither was known. `rollback_of` is the commit that was taken back, `forced` what was overridden (`older`, `held`).
    `at` is the commit's time, in UTC. `plan` is the hash of what the commit changed in what Flux builds. `source_at` is when the
    source commit was made, in UTC; None where that was not known.
    """

    site: str
    image: str
    previous: str
    tag: str
    digest: str
    origin: Origin
    reason: str
    rollback_of: str
    forced: tuple[str, ...]
    commit: str
    author: str
    at: datetime
    kustomization: str = ""
    path: str = ""
    plan: str = ""
    source_at: datetime | None = None

    @property
    def who(self) -> str:
        """Who asked for it; the commit's author where the message does not say."""
        return self.origin.requested_by or self.author


class StageTime(NamedTuple):
    """How long a stage of a deploy took."""

    stage: str
    seconds: float


class StageSpan(NamedTuple):
    """When a stage of a deploy began and ended, in UTC."""

    stage: str
    began: datetime
    ended: datetime


@dataclass(frozen=True)
class Ending:
    """One site's verdict in one cluster, of one run. `seconds` is how long that run followed it, the commit and push included.

    `kustomization` is that of the site; empty in the notes of earlier versions. `outcome` is one of `errors.Outcome`, or of a later
    version. `context` is the kubeconfig's name where one was given; `run` a URL. `message` is the verdict's sentence, at most
    `LONGEST_MESSAGE` characters; empty where the version runs. `stages` each begin where the one before ends, and the last of them,
    in which it failed if it did, ends at `at`; a verdict without stages, or of an earlier version, has none.
    """

    site: str
    outcome: str
    reason: str
    seconds: float
    at: datetime
    tag: str
    context: str = ""
    run: str = ""
    kustomization: str = ""
    message: str = ""
    stages: tuple[StageTime, ...] = ()

    @property
    def spans(self) -> list[StageSpan]:
        """The stages in order with their times."""
        spans, ended = [], self.at
        for stage, seconds in reversed(self.stages):
            began = ended - timedelta(seconds=seconds)
            spans.append(StageSpan(stage, began, ended))
            ended = began
        return spans[::-1]

    def is_of(self, record: Record) -> bool:
        """Whether it may be the ending of this deploy: of the same site and tag, and of no other Kustomization."""
        is_ending = self.reason != FOUND_RUNNING
        if not is_ending or (self.site, self.tag) != (record.site, record.tag):
            return False
        if not (self.kustomization and record.kustomization):
            return True
        return KustomizationName.parse(self.kustomization).is_same(
            KustomizationName.parse(record.kustomization)
        )

    def is_found_before(self, record: Record) -> bool:
        """Whether it tells that the version before this deploy ran when the deploy came."""
        if self.reason != FOUND_RUNNING or self.tag != record.previous:
            return False
        return replace(self, reason="", tag=record.tag).is_of(record)


@dataclass(frozen=True)
class Recorded:
    """One deploy and all that was noted of it, the oldest first. `found_running`: the version before it ran when it came."""

    record: Record
    endings: tuple[Ending, ...] = ()
    found_running: bool = False

    @property
    def ending(self) -> Ending | None:
        """The one that counts: the last of each cluster, and of several clusters the worst. None where nobody followed the deploy."""
        endings = self.endings
        if len(endings) < 2:
            return endings[0] if endings else None
        return self._ending_of_several

    @cached_property
    def _ending_of_several(self) -> Ending | None:
        return _worst(self._of_clusters)

    @property
    def _of_clusters(self) -> list[Ending]:
        last: dict[str, Ending] = {}
        for ending in self.endings:
            before = last.get(ending.context)
            # Of a deploy that is Ready it counts how it became so, not who looked again.
            if not (before and before.outcome in GOOD and ending.outcome in GOOD):
                last[ending.context] = ending
        return list(last.values())

    @property
    def is_ready(self) -> bool:
        """Whether it is known to have become Ready, in every cluster where it was followed."""
        return (ending := self.ending) is not None and ending.outcome in GOOD

    @property
    def ready_at(self) -> datetime | None:
        """When it was Ready in the last of these clusters; None where it is not known to be Ready."""
        return max(ending.at for ending in self._of_clusters) if self.is_ready else None


def _worst(endings: Sequence[Ending]) -> Ending | None:
    known = {
        number: _OUTCOMES[ending.outcome]
        for number, ending in enumerate(endings)
        if ending.outcome in _OUTCOMES
    }
    if not known:  # nothing, or words of a later version
        return endings[0] if endings else None
    code = worst_exit_code(list(known.values()))
    return next(endings[number] for number, outcome in known.items() if EXIT_CODES[outcome] == code)
