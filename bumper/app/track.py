"""Following what is on the branch already, or a recording of how it was followed: `bump track`."""

from collections.abc import Sequence
from pathlib import Path

from bumper.app.context import Context
from bumper.app.output import Output, Result
from bumper.app.run import report_of
from bumper.app.settings import TrackSettings
from bumper.app.tracker import Tracker, split
from bumper.app.wiring import Systems
from bumper.dataclasses import dataclass, replace
from bumper.errors import UsageError
from bumper.fluxtree.sites import overrides
from bumper.fluxtree.sites.find import Target, find
from bumper.follow.cluster import follow
from bumper.ports.git import Tree
from bumper.progress import Journal
from bumper.recording.encoding import Subject, read
from bumper.recording.player import NoFacts, Player
from bumper.request import Deadlines, Live
from bumper.retry import answered
from bumper.revision import Revision
from bumper.systems.file import content


def track(settings: TrackSettings, context: Context) -> int:
    """Follows, tells how it ended, and returns the exit code of the worst outcome."""
    with (
        Systems(context, settings.repository, settings.permissions) as systems,
        Output(systems, settings.output) as output,
    ):
        tracker = Tracker(systems, settings.follow, settings.choice)
        journal = output.begin(name_sites=len(tracker.clusters) * len(settings.choices) > 1)
        try:
            tracker.open()
            tracker.connect()
            commit = answered(
                lambda: _commit(settings, tracker.live, systems), systems.clock, Deadlines.push_s
            )
            subjects = commit.subjects(settings, journal)
            tracker.tell_apart(commit.targets, journal)
            _tell(subjects, commit, journal)
            output.landed(
                {
                    target.site.label: tracker.landing(target, target.image.tag, commit.revision)
                    for target in commit.targets
                }
            )
            for target in commit.targets:
                tracker.expect(target, target.image.tag, "")
            followed = tracker.follow(subjects, commit.targets, journal)
        except KeyboardInterrupt:
            return output.interrupt(["following stopped; nothing was changed by it"])
        return output.finish(Result.of(report_of(subjects, followed, journal, choice=settings.choice)))


def replay(settings: TrackSettings, context: Context) -> int:
    """Judges a recording again, and returns the exit code of the worst outcome; UsageError for a file that is none."""
    head, entries = read(_lines(settings.replay))
    player = Player(head, entries)
    with (
        Systems(context, settings.repository, settings.permissions) as systems,
        Output(systems, settings.output) as output,
    ):
        systems.clock = player.clock
        journal = output.begin(name_sites=len(head.contexts) * len(head.subjects) > 1)
        for subject in head.subjects:
            journal.begin(subject.desired.label, *subject.header)
            journal.resume(subject.desired.label, subject.steps, subject.since_s)
        for notice in head.notices:
            journal.notice(notice)
        player.begin()
        desired = [desired for subject in head.subjects for desired in subject.followed]
        split(journal, desired, player.clusters)
        followed = follow(
            desired,
            player.clusters,
            NoFacts(),
            player.clock,
            head.timeout_s,
            journal,
            player,
            elsewhere=head.elsewhere,
        )
        player.end()
        return output.finish(Result.of(report_of(head.subjects, followed, journal)))


# Some hours with hundreds of sites.
_MOST_BYTES = 256_000_000


@dataclass(frozen=True)
class _Commit:
    """What a commit of the branch holds for the site, in each Kustomization that was named."""

    revision: Revision
    tree: Tree
    targets: Sequence[Target]

    def subjects(self, settings: TrackSettings, journal: Journal) -> list[Subject]:
        return [self._subject(target, settings, journal) for target in self.targets]

    def _subject(self, target: Target, settings: TrackSettings, journal: Journal) -> Subject:
        return Subject(
            followed=target.desired(self.revision if settings.commit else None),
            places=target.all_places,
            stays=tuple(map(str, target.stays)),
            previous=target.image,
            place=target.place,
            revision=self.revision,
            url=target.url,
            header=(self.revision.short, target.image.tag),
            since_s=journal.started,
        )


def _commit(settings: TrackSettings, live: Live | None, systems: Systems) -> _Commit:
    """The commit that was asked for, or what the branch wants now."""
    tip = systems.repository.fetch(settings.repository.branch)
    revision = Revision(settings.repository.branch, settings.commit or tip)
    tree = systems.repository.tree(revision.sha)
    targets = [find(tree, settings.site, replace(choice, live=live)) for choice in settings.choices]
    return _Commit(revision, tree, list({target.site.identity: target for target in targets}.values()))


def _tell(subjects: Sequence[Subject], commit: _Commit, journal: Journal) -> None:
    for subject, target in zip(subjects, commit.targets, strict=True):
        journal.begin(target.site.label, *subject.header)
        contents = commit.tree.read({field.path for field in target.fields})
        for notice in overrides.notices(target, contents, commit.revision.name):
            journal.notice(f"{target.site.label}: {notice}")


def _lines(path: str) -> list[str]:
    try:
        # Not by the lines of text files: those may end inside a message.
        return content(Path(path), _MOST_BYTES).decode().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise UsageError(f"--replay {path}: {why}") from None
