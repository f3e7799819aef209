"""Who is asked how a rollout goes: the clusters, or without access to them the platform's branch on GitHub.

Law: whoever is asked after the push is opened before it, so that nothing is written that could not be followed. A recording holds one
rollout.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bumper.app.wiring import Assembly
from bumper.commands import options
from bumper.fluxtree.sites.find import Target
from bumper.follow.cluster import follow
from bumper.follow.commit_statuses import Awaited, listen
from bumper.follow.loop import Followed
from bumper.follow.revisions import Revisions
from bumper.progress import Journal
from bumper.recording import Subject

if TYPE_CHECKING:
    from bumper.systems.git import Remote
    from bumper.systems.github.announced import AnnouncedBranch


class Following:
    """Opens the clusters at once, and what they are recorded to; nothing of it unless the run `is_wanted` to follow."""

    def __init__(self, parts: Assembly, *, is_wanted: bool = True) -> None:
        self._parts = parts
        self._listens = options.listens(parts.arguments) and is_wanted
        self.clusters = parts.clusters() if is_wanted and not self._listens else []
        self._recorder = parts.recorder() if self.clusters else None
        self._branch: AnnouncedBranch | None = None

    def open(self, repository: "Remote") -> None:
        """Opens what can only be found by the repository."""
        if self._listens:
            self._branch = self._parts.announced(repository)

    def follow(
        self, subjects: Sequence[Subject], targets: Sequence[Target], repository: "Remote", journal: Journal
    ) -> list[Followed]:
        """The verdicts of all subjects, which stand on one revision; `targets` are where git holds them, in the same order."""
        arguments, clock = self._parts.arguments, self._parts.clock
        revisions = Revisions(repository, options.choice(arguments), clock)
        if self._branch:
            awaited = [
                Awaited.of(subject.desired, target) for subject, target in zip(subjects, targets, strict=True)
            ]
            return listen(
                awaited,
                self._branch,
                revisions,
                clock,
                arguments.timeout,
                journal,
                lambda: self._poke(subjects, repository),
            )
        recorder, self._recorder = self._recorder, None
        if recorder:
            recorder.begin(
                [one.name for one in self.clusters],
                arguments.timeout,
                subjects,
                started_s=journal.started,
                notices=journal.notices,
            )
        desired = [subject.desired for subject in subjects]
        followed = follow(desired, self.clusters, revisions, clock, arguments.timeout, journal, recorder)
        if recorder:
            recorder.end()
        return followed

    def _poke(self, subjects: Sequence[Subject], repository: "Remote") -> str:
        shas = [subject.revision.sha for subject in subjects if subject.revision]
        sources = dict.fromkeys(subject.desired.source for subject in subjects)
        return self._parts.poke(repository.tree(shas[0]), sources) if shas else ""
