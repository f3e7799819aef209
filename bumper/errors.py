"""Outcomes, exit codes and the tree of errors.

The exit codes are a documented API: one row of `EXIT_CODES` per outcome; docs/exit-codes.md is compared with it by a test.
A rollout that failed is not an exception, it is a `rollout.Verdict`. Exceptions are for what could not be done or found out:

    BumpError
    ├── UsageError            2   arguments or configuration
    ├── Refused               4   nothing was written
    │   ├── NotYaml               the file is not YAML
    │   ├── FieldMissing          no such image field, site or workload
    │   │   ├── SiteMissing       no Flux Kustomization of that name
    │   │   └── TreeMissing       no Flux tree in the repository at all
    │   ├── FieldAmbiguous        more than one candidate
    │   ├── FieldUnsafe           a field that cannot be changed without changing something else
    │   ├── ImageMissing          the registry answered: no such image
    │   │   └── RepositoryMissing     not even its repository
    │   ├── ImageAmbiguous        more than one image may be the one that was built from the commit
    │   ├── PlatformMissing       the image is there, but not for the platform it must run on
    │   └── ProvenanceMismatch    the image says that something else was built into it
    ├── PushError             5
    │   ├── LostRace              another push came first: plan again on the new tip
    │   ├── Contention            lost races up to the deadline
    │   ├── Unmerged          3   the pull request was not merged before the deadline; it stays open
    │   └── Denied                a rule or a permission forbids the push
    └── Unreachable           6   could not find out
        ├── Transient             may heal by itself: retried inside the deadline
        │   ├── NotConnected          nobody takes a connection: before anything is written, retried for a moment
        │   └── Unanswered            what was written may be there: looked for before it is written anew
        ├── NoAccess              an identity or a permission is missing: not retried
        └── Unfinished            what was written stands, or may stand, on the branch, and the run could not go on

Retrying is decided by these types, never by a text. The module that owns an SDK translates its exceptions into these.
"""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import ClassVar


class Outcome(StrEnum):
    """How a run ended, as users and scripts see it."""

    READY = "ready"
    SERVING = "serving"
    APPLIED = "applied"
    UNCHANGED = "unchanged"
    PUSHED = "pushed"
    PLANNED = "planned"
    SUPERSEDED = "superseded"
    REMOVED = "removed"
    TIMED_OUT = "timed-out"
    REFUSED = "refused"
    CONTENTION = "contention"
    DENIED = "denied"
    SUSPENDED = "suspended"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"
    FAILED = "failed"


EXIT_CODES: dict[Outcome, int] = {
    Outcome.READY: 0,
    Outcome.SERVING: 0,
    Outcome.APPLIED: 0,
    Outcome.UNCHANGED: 0,
    Outcome.PUSHED: 0,
    Outcome.PLANNED: 0,
    Outcome.SUPERSEDED: 0,
    Outcome.REMOVED: 0,
    Outcome.TIMED_OUT: 3,
    Outcome.REFUSED: 4,
    Outcome.CONTENTION: 5,
    Outcome.DENIED: 5,
    Outcome.SUSPENDED: 6,
    Outcome.BLOCKED: 6,
    Outcome.UNKNOWN: 6,
    Outcome.FAILED: 11,
}
EXIT_BUG = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
EXIT_MEANINGS: dict[int, str] = {
    0: "nothing to do for whoever started it",
    1: "a bug of ours, with a trace",
    2: "arguments or configuration",
    3: "still moving at the deadline; the verdict says in which stage",
    4: "nothing was written: no such image or field, an ambiguous or unsafe field, not YAML, older than what runs, held, frozen",
    5: "could not push: lost races up to the deadline, or a rule or permission forbids it",
    6: "not this deploy's fault: suspended, blocked by another object, no access, API gone",
    11: "the rollout failed, with its cause; a difference for `edit --check`; errors that `check` found",
    130: "interrupted",
}

# Of several sites the worst counts.
_WORST_FIRST = (11, 5, 3, 6, 4, 0)


def worst_exit_code(outcomes: list[Outcome]) -> int:
    """The exit code of a run over several sites: that of its worst outcome."""
    codes = {EXIT_CODES[outcome] for outcome in outcomes}
    return next(code for code in _WORST_FIRST if code in codes)


def nearest(word: str, known: Iterable[str]) -> str:
    """What of the known looks most like the word; empty where nothing does."""
    # Needed once something is wrong.
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, tuple(known), n=1)), "")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'status'?` for the end of a message, where something known looks like the word; else empty."""
    near = nearest(word, known)
    return f"; did you mean {near!r}?" if near else ""


class BumpError(Exception):
    """Could not do, or could not find out. `message` names the file or object first, `hint` what helps.

    Neither may hold a secret: both are printed.
    """

    exit_code: ClassVar[int]
    outcome: ClassVar[Outcome | None] = None

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def reword(self, word: Callable[[str], str]) -> None:
        """Says message and hint as `word` says them, for those who read them where the error ends up."""
        self.message, self.hint = word(self.message), word(self.hint)


class UsageError(BumpError):
    """Arguments, environment or configuration that cannot be used."""

    exit_code = EXIT_USAGE


class ClusterMissing(UsageError):
    """Nothing names a cluster: there is no kubeconfig, and this is no pod."""


class Refused(BumpError):
    """Said no before anything was written."""

    outcome = Outcome.REFUSED
    exit_code = EXIT_CODES[Outcome.REFUSED]


class NotYaml(Refused):
    """The file is not YAML, or not in an encoding that can be edited."""


class FieldMissing(Refused):
    """There is no such image field, site or workload."""


class SiteMissing(FieldMissing):
    """The Flux tree was read, all of it, and has no Kustomization of that name."""


class TreeMissing(FieldMissing):
    """The repository holds no Flux tree: it is not a platform repository."""


class FieldAmbiguous(Refused):
    """More than one candidate: the message lists them with file and line."""


class FieldUnsafe(Refused):
    """The field is there, but changing it would change something else too."""


class ImageMissing(Refused):
    """The registry answered that it has no such repository or tag."""


class RepositoryMissing(ImageMissing):
    """The registry answered that it has no such repository, so no tag of it either."""


class ImageAmbiguous(Refused):
    """More than one image may be the one that was built from the commit."""


class PlatformMissing(Refused):
    """The image is there, but not for the platform that it must run on."""


class ProvenanceMismatch(Refused):
    """The image's own labels name another commit or another repository than was asked for."""


class PushError(BumpError):
    """The commit did not reach the branch."""


class LostRace(PushError):
    """Another push came first. Nothing is wrong: plan again on the new tip."""

    outcome = Outcome.CONTENTION
    exit_code = EXIT_CODES[Outcome.CONTENTION]


class Contention(PushError):
    """Races were lost up to the deadline."""

    outcome = Outcome.CONTENTION
    exit_code = EXIT_CODES[Outcome.CONTENTION]


class Denied(PushError):
    """A branch rule, a hook or a missing permission forbids the push: another try would end the same way."""

    outcome = Outcome.DENIED
    exit_code = EXIT_CODES[Outcome.DENIED]


class Unmerged(PushError):
    """The pull request that carries the commit was not merged before the deadline. It stays open."""

    outcome = Outcome.TIMED_OUT
    exit_code = EXIT_CODES[Outcome.TIMED_OUT]


class Unreachable(BumpError):
    """The system on the other side did not tell what we need to know."""

    outcome = Outcome.UNKNOWN
    exit_code = EXIT_CODES[Outcome.UNKNOWN]


class Transient(Unreachable):
    """No connection, a time-out, 429 or 5xx: may heal by itself. `retry_after_s` is the server's own wish, if any."""

    def __init__(self, message: str, *, hint: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class NotConnected(Transient):
    """Nobody takes a connection there: there is no such host, or it refuses at once."""


class Unanswered(Transient):
    """A commit was sent, and no answer came. `landed` looks for it: its sha where the branch has it, else empty."""

    def __init__(self, error: Transient, landed: Callable[[], str]) -> None:
        super().__init__(error.message, hint=error.hint, retry_after_s=error.retry_after_s)
        self.landed = landed


class NoAccess(Unreachable):
    """Refused for who we are (401, 403, no usable credential): trying again does not help."""


class Unfinished(Unreachable):
    """The run could not go on once something stood, or may have stood, on the branch. The hint says where everything stands."""
