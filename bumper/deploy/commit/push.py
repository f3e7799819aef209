"""Putting a commit on a branch that others push to at the same time.

The laws of the race: a lost push is neither merged nor rebased, what shall be written is proposed again on the new tip. A push whose
answer was lost is looked for first: on a tip that holds it nothing is left to propose, and what was there before is forgotten. About
one writer in each round wins, so the number of tries must grow with the writers: the loop ends at a deadline, never at a count.
"""

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from bumper import manifest
from bumper.dataclasses import dataclass
from bumper.errors import BumpError, Contention, LostRace, Transient, Unanswered
from bumper.ports.deadline import until
from bumper.ports.git import Writer
from bumper.ports.run import Clock
from bumper.retry import attempts
from bumper.revision import Revision


@dataclass(frozen=True)
class Proposal:
    """What shall be committed on `tip`: the bytes before and after of each file that changes, and the commit's message.

    Without files there is nothing to write. None stands for a file that is not there.
    """

    tip: str
    files: Mapping[str, tuple[bytes | None, bytes | None]]
    message: str

    def diff(self) -> str:
        """The unified diff of all files, as `git diff` would show it but for the index lines."""
        return "".join(manifest.diff(path, before, after) for path, (before, after) in self.files.items())


P = TypeVar("P", bound=Proposal)
# Some fifty writers that take a quarter of a second each.
_LONGEST_PAUSE_S = 15.0


@dataclass(frozen=True)
class Landed(Generic[P]):
    """The proposal as it stands on the branch. `revision` is our commit, or the tip where nothing had to be written."""

    plan: P
    revision: Revision
    attempts: int


def land(
    first: P,
    again: Callable[[], P],
    writer: Writer,
    branch: str,
    clock: Clock,
    timeout_s: float,
    tell: Callable[[P, str], None] = lambda proposal, text: None,
) -> Landed[P]:
    """Puts the first proposal on the branch, or after each lost race what `again` proposes then; Contention after `timeout_s`.

    `tell` hears the proposal and what is tried, each time. What `again` raises ends it: so it refuses what must not be written now.
    """
    deadline_s = clock.now() + timeout_s
    current, tries = first, 0
    failure: BumpError | None = None
    unanswered: list[tuple[P, Unanswered]] = []
    try:
        for attempt in attempts(clock, deadline_s, (LostRace, Transient), max_wait_s=_LONGEST_PAUSE_S):
            with attempt, until(clock, deadline_s):
                tries += 1
                for sent, lost in unanswered:
                    if sha := lost.landed():
                        return Landed(sent, Revision(branch, sha), tries)
                if tries > 1:
                    current = again()
                tell(current, _trying(branch, tries, failure))
                try:
                    landed = Landed(current, _write(current, writer, branch), tries)
                except (LostRace, Transient) as error:
                    failure = error
                    if isinstance(error, Unanswered):
                        unanswered.append((current, error))
                    raise
    except LostRace as error:
        raise Contention(
            f"{branch}: lost {tries} races in {timeout_s:.0f} s against other pushes; nothing was written",
            hint="start it again, or allow more time with --push-timeout",
        ) from error
    return landed


def _trying(branch: str, tries: int, failure: BumpError | None) -> str:
    """What is told of a try to push, and of why the one before it failed."""
    if tries == 1:
        return f"pushing to {branch}"
    why = failure.message if isinstance(failure, Transient) else "other pushes came first"
    return f"pushing to {branch}, try {tries}: {why}"


def _write(proposal: Proposal, writer: Writer, branch: str) -> Revision:
    if not proposal.files:
        return Revision(branch, proposal.tip)
    after = {path: content for path, (_, content) in proposal.files.items()}
    return writer.write(proposal.tip, after, proposal.message, branch)
