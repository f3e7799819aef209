"""What a run was asked for."""

import re
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from shlex import quote
from typing import Any, Self

from bumper.dataclasses import dataclass, replace
from bumper.dataclasses import field as dataclass_field

_OWNER = r"(?P<kind>[A-Za-z]\w*)/(?P<name>[\w.-]+):"
_DURATION = r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?"
_DAYS = r"(\d{1,4})([dw])"
_DAYS_IN = {"d": 1, "w": 7}
_STEP = r"""\.?(?P<key>[^.\[\]"]+)|\[(?P<index>[0-9]{1,18})\]|\["(?P<quoted>[^"]+)"\]"""


def label(site: str, where: str) -> str:
    """A site as people read it: its name, and in parentheses what tells it from others of that name, if anything does."""
    return f"{site} ({where})" if where else site


def name_in(label: str) -> str:
    """The name of a site in its label: no name has a space."""
    return label.partition(" (")[0]


def where_in(label: str) -> str:
    """What tells a site from others of its name, in its label; empty where nothing does."""
    return label.partition(" (")[2].removesuffix(")")


def site_options(site: str, kustomization: str) -> str:
    """What names a site again in a command; `kustomization` is how the user named that, empty where the name leads to it."""
    return f"--site {site} --kustomization {quote(kustomization)}" if kustomization else f"--site {site}"


@dataclass(frozen=True)
class Wanted:
    """What one site shall run. `version` is a tag, or with `is_commit` a SHA, short or full, that the image was built from.

    `kustomization` is how the user named its Kustomization, where several of one run are sites of the same name. `rollback_of` is the
    commit that is taken back, empty for a deploy.
    """

    site: str
    version: str
    is_commit: bool = False
    kustomization: str = ""
    rollback_of: str = ""

    @property
    def key(self) -> str:
        """What tells it from every other site of the run."""
        return f"{self.site} {self.kustomization}" if self.kustomization else self.site


@dataclass(frozen=True)
class FieldPath:
    """One field of an object as it is built: `Kind/name:spec.web[0].image`. Without kind and name it is that of whichever has it."""

    steps: tuple[str | int, ...]
    kind: str = ""
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The path that a text is, or None. A key with dots stands in brackets and quotes: `spec["a.b"].image`."""
        owner = re.match(_OWNER, text)
        path = text[owner.end() :] if owner else text
        step_at = re.compile(_STEP).match
        steps, at = [], 0
        while step := step_at(path, at):
            steps.append(int(step["index"]) if step["index"] else step["key"] or step["quoted"])
            at = step.end()
        if not steps or at < len(path) or path.startswith("."):
            return None
        return cls(tuple(steps), owner["kind"] if owner else "", owner["name"] if owner else "")

    def __str__(self) -> str:
        path = "".join(map(_written, self.steps)).removeprefix(".")
        return f"{self.kind}/{self.name}:{path}" if self.kind else path


def _written(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f'["{step}"]' if re.search(r"[.\[\]]", step) else f".{step}"


@dataclass(frozen=True)
class LiveBuild:
    """What a Kustomization of a cluster builds: `spec.path` as it stands there, and its source, as an `ObjectKey` reads.

    `kustomization` is the object of `cluster`, and `address` asks there for the URL of its source, empty where that is not known.
    """

    path: str
    source: str
    cluster: str = dataclass_field(default="", compare=False)
    kustomization: Mapping[str, Any] = dataclass_field(default_factory=dict, compare=False, repr=False)
    address: Callable[[], str] = dataclass_field(default=str, compare=False, repr=False)


# What the clusters that are followed build under the namespace and name of a Kustomization.
Live = Callable[[str, str], frozenset[LiveBuild]]
# All that they build, by the Kustomizations in these namespaces.
Inventory = Callable[[Sequence[str]], Sequence[LiveBuild]]


@dataclass(frozen=True)
class Choice:
    """The user's own words where convention leaves a choice; empty means convention.

    `live` tells what the clusters that are followed build under the name of a Kustomization, where several in the repository have it.
    """

    image: str = ""
    kustomization: str = ""
    containers: tuple[str, ...] = ()
    field: FieldPath | None = None
    path: str = ""
    live: Live | None = dataclass_field(default=None, compare=False, repr=False)

    def named(self, kustomization: str) -> "Choice":
        """The same for a site whose Kustomization was named so; empty for one that its name leads to."""
        return replace(self, kustomization=kustomization)

    def site_options(self, site: str, kustomization: str) -> str:
        """What names the site again in a command that looks for its image, too; `site_options` is for one that does not."""
        return site_options(site, kustomization) + self.image_options

    @property
    def image_options(self) -> str:
        """What a command must say to find the image again, each option with a space before it; empty for convention."""
        options = (
            ("--image", self.image),
            *(("--container", name) for name in self.containers),
            ("--field", str(self.field or "")),
            ("--path", self.path),
        )
        return "".join(f" {name} {quote(value)}" for name, value in options if value)


@dataclass(frozen=True)
class Deadlines:
    """Seconds for each of the three waits; they do not share a budget."""

    image_s: float = 20.0
    push_s: float = 120.0
    rollout_s: float = 600.0


@dataclass(frozen=True)
class Origin:
    """Where the request came from; what is not known is empty and leaves no trailer."""

    source_repository: str = ""
    source_commit: str = ""
    workflow_run: str = ""
    requested_by: str = ""

    def trailers(self) -> list[tuple[str, str]]:
        """The trailers that hold for the whole commit."""
        return [
            ("Source-Repository", self.source_repository),
            ("Source-Commit", self.source_commit),
            ("Workflow-Run", self.workflow_run),
            ("Requested-By", self.requested_by),
        ]


@dataclass(frozen=True)
class Request:
    """Everything a run was asked for.

    `platforms` must be in every image; `source` is the URL of the repository that it must be built from, empty where that is not
    known. `pin` writes the digest beside the tag. `force` goes over what a guard refuses, for the `reason`. `expected_plan` is
    the hash of the only plan that may be pushed, empty for any.
    """

    wanted: tuple[Wanted, ...]
    branch: str
    choice: Choice = dataclass_field(default_factory=Choice)
    deadlines: Deadlines = dataclass_field(default_factory=Deadlines)
    origin: Origin = dataclass_field(default_factory=Origin)
    reason: str = ""
    platforms: tuple[str, ...] = ()
    source: str = ""
    pin: bool = False
    force: bool = False
    expected_plan: str = ""

    def choice_of(self, wanted: Wanted) -> Choice:
        """The user's own words on one of the sites."""
        return self.choice.named(wanted.kustomization or self.choice.kustomization)


def seconds_of(text: str) -> float | None:
    """Seconds in `90`, `90s`, `10m`, `1h30m`; None for anything else."""
    match = re.fullmatch(_DURATION, text)
    if not text or not match:
        return None
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    total = hours * 3600 + minutes * 60 + seconds
    return total if isfinite(total) else None


def days_of(text: str) -> int | None:
    """Days in `3d` and `2w`; None for anything else."""
    match = re.fullmatch(_DAYS, text)
    return int(match[1]) * _DAYS_IN[match[2]] if match else None
