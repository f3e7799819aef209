"""Keeps a deploy from starting the next one: where sites and platform share a repository, each commit of `bump` may start the build
that calls `bump` again, with another commit to deploy, for ever.

Law: refused is only what is known to be built from a commit of `bump` itself, from a merge of such commits alone, or from git's revert
of one: whoever takes a deploy back by git would have it at once again. A commit that nobody can read is none of them.
"""

from collections.abc import Callable, Iterable, Iterator

from bumper.build_order import is_same_commit
from bumper.dataclasses import dataclass, field
from bumper.deploy.pipeline import Admission, Change, Guard
from bumper.errors import BumpError, Refused
from bumper.history.message import is_ours, names, reverted
from bumper.image import ImageManifest
from bumper.ports.git import CommitMessages
from bumper.safe_text import printable

OWN_COMMIT = "own-commit"
# A revert of a revert of a merge of a commit of ours; whoever goes further does so on purpose.
_MOST_STEPS = 10


@dataclass
class LoopGuard(Guard):
    """`commit_of` gives the commit that a site's image was built from, by `Change.key`; empty where nothing names one.

    `pushed` is the commit whose push started this run, in the platform's own repository; empty where that is not so. The tip is read
    in the `repository`, and `pushed`, too; whatever else in the `checkouts` alone. With `force` it is noted and let through.
    """

    commit_of: Callable[[str, ImageManifest], str]
    repository: CommitMessages
    checkouts: Iterable[CommitMessages] = ()
    pushed: str = ""
    force: bool = False
    _subjects: dict[tuple[str, str], str] = field(default_factory=dict)

    def admit(self, change: Change, held: ImageManifest, tip: str) -> Admission | None:
        """None unless the image was built from a commit of ours; Refused where it was, unless `force`."""
        commits = dict.fromkeys(filter(None, (self.commit_of(change.key, held), self.pushed)))
        for commit in commits:
            if not (subject := self._own_subject(commit, tip)):
                continue
            if self.force:
                return Admission(OWN_COMMIT, "of a commit of bump, forced")
            raise Refused(
                f"{change.site}: commit {commit[:7]} is one of bump itself ({printable(subject)}): a deploy of it would start "
                "the next one",
                hint="let deploys start no workflow: paths-ignore for the platform's files, or --skip-ci; to deploy it all the same: "
                "--force --reason TEXT",
            )
        return None

    def _own_subject(self, commit: str, tip: str) -> str:
        key = commit, tip
        if key not in self._subjects:
            subjects = (_subject_if_ours(place, name) for place, name in self._places(commit, tip))
            self._subjects[key] = next(filter(None, subjects), "")
        return self._subjects[key]

    def _places(self, commit: str, tip: str) -> Iterator[tuple[CommitMessages, str]]:
        """Where to read it, and by which name there."""
        for known in (tip, self.pushed):
            if is_same_commit(known, commit):
                yield self.repository, known
        for checkout in self.checkouts:
            yield checkout, commit


def _subject_if_ours(place: CommitMessages, commit: str) -> str:
    """The subject of a commit that is ours alone, of a merge of one, or of what takes one back or brings it back; empty for any
    other, and where it can't be read.
    """
    subject = ""
    try:
        for _ in range(_MOST_STEPS):
            message = place.message(commit)
            subject = subject or message.partition("\n")[0]
            if is_ours(message):
                return subject
            if taken_back := reverted(message):
                commit = taken_back
                continue
            parents = place.parents(commit)
            if len(parents) != 2 or not names(message, place.message(parents[1])):
                break
            commit = parents[1]
    except BumpError:
        pass
    return ""
