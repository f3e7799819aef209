"""Following what is on the branch already, or a recording of how it was followed: `bump track`."""

from dataclasses import dataclass, replace
from pathlib import Path

from bumper import recording
from bumper.app.context import Context
from bumper.app.output import Output, Result
from bumper.app.run import report_of
from bumper.app.settings import TrackSettings
from bumper.app.tracker import Tracker
from bumper.app.wiring import Systems
from bumper.errors import UsageError
from bumper.fluxtree.sites import overrides
from bumper.fluxtree.sites.choose import find_target
from bumper.fluxtree.sites.find import Target
from bumper.follow.cluster import follow
from bumper.ports import Tree
from bumper.progress import Journal
from bumper.publish.story import Landing
from bumper.recording import NoFacts, Player, Subject
from bumper.request import Deadlines
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
        journal = output.begin(name_sites=len(tracker.clusters) > 1)
        try:
            tracker.open()
            commit = answered(
                lambda: _commit(replace(settings, choice=tracker.choice), systems),
                systems.clock,
                Deadlines.push_s,
            )
            subject = commit.subject(settings, journal)
            _tell(settings.site, subject, commit, journal)
            output.landed({settings.site: commit.landing})
            target = commit.target
            tracker.expect(target, settings.site, target.image.tag, "")
            followed = tracker.follow([subject], [commit.target], journal)
        except KeyboardInterrupt:
            return output.interrupt(["following stopped; nothing was changed by it"])
        return output.finish(Result.of(report_of([subject], followed, journal, choice=settings.choice)))


def replay(settings: TrackSettings, context: Context) -> int:
    """Judges a recording again, and returns the exit code of the worst outcome; UsageError for a file that is none."""
    head, entries = recording.read(_lines(settings.replay))
    player = Player(head, entries)
    with (
        Systems(context, settings.repository, settings.permissions) as systems,
        Output(systems, settings.output) as output,
    ):
        systems.clock = player.clock
        journal = output.begin(name_sites=len(head.contexts) * len(head.subjects) > 1)
        for subject in head.subjects:
            journal.begin(subject.desired.site, *subject.header)
            journal.resume(subject.desired.site, subject.steps, subject.since_s)
        for notice in head.notices:
            journal.notice(notice)
        player.begin()
        desired = [desired for subject in head.subjects for desired in subject.followed]
        followed = follow(desired, player.clusters, NoFacts(), player.clock, head.timeout_s, journal, player)
        player.end()
        return output.finish(Result.of(report_of(head.subjects, followed, journal)))


# Some hours with hundreds of sites.
_MOST_BYTES = 256_000_000


@dataclass(frozen=True)
class _Commit:
    """What a commit of the branch holds for the site."""

    revision: Revision
    tree: Tree
    target: Target

    @property
    def landing(self) -> Landing:
        return Landing(self.target.image.tag, self.revision, self.target.url)

    def subject(self, settings: TrackSettings, journal: Journal) -> Subject:
        target = self.target
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


def _commit(settings: TrackSettings, systems: Systems) -> _Commit:
    """The commit that was asked for, or what the branch wants now."""
    tip = systems.repository.fetch(settings.repository.branch)
    revision = Revision(settings.repository.branch, settings.commit or tip)
    tree = systems.repository.tree(revision.sha)
    return _Commit(revision, tree, find_target(settings.site, settings.choice, tree))


def _tell(site: str, subject: Subject, commit: _Commit, journal: Journal) -> None:
    journal.begin(site, *subject.header)
    contents = commit.tree.read({field.path for field in commit.target.fields})
    for notice in overrides.notices(commit.target, contents, commit.revision.name):
        journal.notice(f"{site}: {notice}")


def _lines(path: str) -> list[str]:
    try:
        # Not by the lines of text files: those may end inside a message.
        return content(Path(path), _MOST_BYTES).decode().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise UsageError(f"--replay {path}: {why}") from None
