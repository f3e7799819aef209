"""What is asked of GitHub, and what it answers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from bumper.dataclasses import dataclass, field
from bumper.observation import RevisionFacts

# Who vouches for the jobs of workflows on github.com.
JOB_ISSUER = "https://token.actions.githubusercontent.com"


class Commits(Protocol):
    """Looks up commits; `github.GitHub` is the real one."""

    def commit(self, name: str) -> str: ...


@dataclass(frozen=True)
class Posted:
    """A comment as it stands on GitHub. `is_bot`: an app wrote it, as GITHUB_TOKEN is one."""

    number: int
    body: str
    author: str
    is_bot: bool


class CommentHub(Protocol):
    """The site's own repository on GitHub; `github.GitHub` is the real one."""

    def pull_of(self, sha: str) -> int | None: ...
    def comments(self, pull: int) -> Iterator[Posted]: ...
    def comment(self, number: int) -> Posted | None: ...
    def create_comment(self, pull: int, body: str) -> Posted: ...
    def edit_comment(self, number: int, body: str) -> bool: ...
    def delete_comment(self, number: int) -> None: ...
    def wrote(self, comment: Posted) -> bool: ...


@dataclass(frozen=True)
class Standing:
    """A Deployment as it stands on GitHub."""

    number: int
    sha: str
    payload: Mapping[str, Any]


class DeploymentHub(Protocol):
    """The site's own repository on GitHub; `github.GitHub` is the real one."""

    def deployments(self, environment: str) -> Iterator[Standing]: ...
    def deploy(self, sha: str, environment: str, description: str, payload: Mapping[str, str]) -> int: ...
    def phases(self, number: int) -> list[str]: ...
    def advance(
        self, number: int, phase: str, description: str, *, environment_url: str, log_url: str
    ) -> None: ...


class StatusHub(Protocol):
    """The site's own repository on GitHub; `github.GitHub` is the real one."""

    def tell(self, sha: str, context: str, state: str, description: str, target_url: str) -> None: ...


@dataclass(frozen=True)
class Pull:
    """One look at a pull request. Words in capitals are GitHub's own; what GitHub does not say is empty.

    `head` is the commit on its branch, `base_tip` that of the branch it shall go to, `merge_commit` what its merge made. `files` and
    `commits` count what it would bring.
    """

    number: int
    url: str
    node: str
    branch: str
    head: str
    base_tip: str
    state: str
    merge_state: str = ""
    review: str = ""
    checks: str = ""
    merge_commit: str = ""
    closed_by: str = ""
    merges_itself: bool = False
    is_queued: bool = False
    has_queue: bool = False
    files: int = 0
    commits: int = 0

    def __str__(self) -> str:
        return f"pull request #{self.number}"


class PullRequests(Protocol):
    """Where pull requests are; `github.pulls.PullRequests` is the real one."""

    def propose(self, parent: str, changes: Mapping[str, bytes | None], message: str, base: str) -> Pull: ...
    def renew(
        self, pull: Pull, parent: str, changes: Mapping[str, bytes | None], message: str, base: str
    ) -> Pull: ...
    def look(self, pull: Pull, base: str) -> Pull: ...
    def merge_when_ready(self, pull: Pull, message: str) -> str: ...
    def merge(self, pull: Pull, message: str) -> str: ...
    def withdraw(self, pull: Pull, why: str) -> None: ...
    def tidy(self, pull: Pull) -> None: ...


@dataclass(frozen=True)
class CommitStatus:
    """The newest status of one context of a commit. `created` is as GitHub gives it (RFC 3339)."""

    context: str
    state: str
    description: str
    created: str = ""


@dataclass(frozen=True)
class Announced:
    """One commit of the branch with its statuses, and what git knows of it for the site."""

    sha: str
    statuses: tuple[CommitStatus, ...]
    facts: RevisionFacts = field(default_factory=lambda: RevisionFacts(None, None))


class StatusBranch(Protocol):
    """The platform repository's branch on GitHub; `github.Branch` is the real one."""

    def announced(self, down_to: frozenset[str]) -> Sequence[Announced]:
        """The commits, newest first, with their statuses: down to the last of those named, and some older ones."""
        ...


@dataclass(frozen=True)
class Rule:
    """One active rule of the branch. `bypass` is GitHub's word for what this identity may; empty where it does not say."""

    type: str
    ruleset: str
    bypass: str = ""


@dataclass(frozen=True)
class Hosting:
    """`may_push` and `is_private` are None where GitHub does not say. `dated_s` are epoch seconds by its clock."""

    repository: str
    may_push: bool | None
    is_archived: bool
    rules: tuple[Rule, ...] = ()
    dated_s: float | None = None
    is_private: bool | None = None
