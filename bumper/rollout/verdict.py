"""How a deploy stands after one look, and how it ended.

Law: a text that `judge` gives out is safe to print: what a cluster, an image or a log line wrote can't move the cursor, clear the
screen or turn the reading order, and the secrets in it are masked.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Self

from bumper.dataclasses import dataclass, field, replace
from bumper.errors import Outcome
from bumper.safe_text import printable


class Stage(StrEnum):
    """The stages that follow a push, in order."""

    FETCHED = "fetched"
    APPLIED = "applied"
    ROLLED_OUT = "rolled out"


class SiteStage(StrEnum):
    """What follows Ready where the site itself is asked."""

    SERVING = "serving"


class Milestone(StrEnum):
    """What happens to a commit on its way, in order. The push itself is no matter of a look."""

    FETCHED = "fetched"
    APPLIED = "applied"
    FIRST_POD = "first pod"
    PULLED = "image pulled"
    READY = "ready"


@dataclass(frozen=True)
class Verdict:
    """How a deploy ended. `reason` is CamelCase, `message` a sentence with numbers, `hint` the next command or setting.

    `serving` says what visitors see now, `evidence` holds the lines that a person would look up next (events, log lines).
    `stage` is where it ended. `helps_to_go_back` is False where the version before would fail just so.
    """

    outcome: Outcome
    reason: str
    message: str
    hint: str = ""
    serving: str = ""
    evidence: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    stage: Stage | SiteStage | None = None
    helps_to_go_back: bool = True

    def with_way_back(self, command: str) -> Self:
        """The same with the command that takes a version back, where it failed and that helps; empty for none."""
        if self.outcome is not Outcome.FAILED or not self.helps_to_go_back:
            return self
        return replace(self, hint="; or: ".join(filter(None, (self.hint, command))))

    def printable(self) -> Self:
        """The same verdict with every text made safe to print, long ones shortened."""
        return replace(
            self,
            reason=printable(self.reason),
            message=printable(self.message),
            hint=printable(self.hint),
            serving=printable(self.serving),
            evidence=tuple(printable(line) for line in self.evidence),
            warnings=tuple(printable(line) for line in self.warnings),
        )


@dataclass(frozen=True)
class Sighting:
    """Since when (our clock) a cause has been seen, when last, and how many tries the cluster itself has counted."""

    first_s: float
    strikes: int
    last_s: float = 0.0


class Sightings(dict[str, Sighting]):
    """The causes that are remembered, by key; and what the last one would have led to, kept when it is forgotten itself."""

    last: Verdict | None = None
    last_s: float = 0.0


@dataclass(frozen=True)
class Judgement:
    """One look: the stages reached, what each one is doing, and the verdict once there is one.

    `sightings` must be handed to the next call of `judge`: graces count from when we first saw a cause. `due_s` is when (our clock)
    the nearest grace ends, at which a look is worth its while even if no event arrives; None where no grace is running. `milestones`
    are those that this look shows, each with a detail or an empty text. `is_rolled_out`: the workload runs the image and nothing else,
    whatever Flux says of it.
    """

    reached: tuple[Stage, ...]
    detail: Mapping[Stage, str]
    verdict: Verdict | None
    sightings: Mapping[str, Sighting]
    notices: tuple[str, ...] = ()
    due_s: float | None = None
    milestones: Mapping[Milestone, str] = field(default_factory=dict)
    is_rolled_out: bool = False

    @property
    def doing(self) -> str:
        """What is said of the stage that it is in."""
        stage = next((stage for stage in Stage if stage not in self.reached), Stage.ROLLED_OUT)
        return self.detail.get(stage, "")
