"""What a run was asked for."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Wanted:
    """What one site shall run. `version` is a tag, or with `is_commit` a SHA, short or full, that the image was built from."""

    site: str
    version: str
    is_commit: bool = False


@dataclass(frozen=True)
class Choice:
    """The user's own words where convention leaves a choice; empty means convention."""

    image: str = ""
    kustomization: str = ""
    container: str = ""


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
    known. `pin` writes the digest beside the tag. `force` goes over what a guard refuses, for the `reason`. `rollback_of` is the
    commit that is taken back, empty for a deploy. `expected_plan` is the hash of the only plan that may be pushed, empty for any.
    """

    wanted: tuple[Wanted, ...]
    branch: str
    choice: Choice = field(default_factory=Choice)
    deadlines: Deadlines = field(default_factory=Deadlines)
    origin: Origin = field(default_factory=Origin)
    reason: str = ""
    platforms: tuple[str, ...] = ()
    source: str = ""
    pin: bool = False
    force: bool = False
    rollback_of: str = ""
    expected_plan: str = ""
