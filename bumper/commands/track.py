"""Follows a commit that is already on the branch, or a recording of how one was followed."""

import argparse
import re
from pathlib import Path

from bumper import recording
from bumper.app.account import account
from bumper.app.context import Context
from bumper.app.tracker import Following
from bumper.app.wiring import Assembly
from bumper.commands import options
from bumper.errors import UsageError
from bumper.fluxtree.sites import overrides
from bumper.fluxtree.sites.choose import find_target
from bumper.fluxtree.sites.find import Target
from bumper.follow.cluster import follow
from bumper.ports import Tree
from bumper.publish.story import Landing
from bumper.recording import NoFacts, Player, Subject
from bumper.request import Deadlines
from bumper.retry import answered
from bumper.revision import Revision

SUMMARY = "Follows a commit that is already on the branch until the site is Ready, or says why it is not."
_FULL_SHA = re.compile(r"[0-9a-f]{40}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The fixed command line of `bump track`."""
    parser.add_argument("--site", help="the site, named like its Flux Kustomization")
    parser.add_argument(
        "--commit",
        metavar="SHA",
        help="full SHA of the commit to follow; default: whatever the branch wants now",
    )
    parser.add_argument(
        "--replay",
        metavar="FILE",
        help="judge again what --record FILE wrote, without a cluster and without git",
    )
    options.add_repository(parser)
    options.add_choice(parser)
    options.add_follow(parser)
    options.add_publish(parser)
    options.add_notes(parser)
    options.add_output(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Follows, prints the report, and returns the exit code of its worst outcome."""
    if arguments.replay:
        return _replay(arguments, context)
    if not arguments.site:
        raise UsageError("no site given", hint="name it: --site SITE, or a recording: --replay FILE")
    if arguments.commit and not _FULL_SHA.fullmatch(arguments.commit):
        raise UsageError(f"--commit: {arguments.commit!r} is no full SHA; expected 40 digits 0-9a-f")
    choice = options.choice(arguments)
    with Assembly(arguments, context) as parts:
        following = Following(parts)
        terminal = parts.terminal(name_sites=len(following.clusters) > 1)
        journal = parts.journal(terminal)
        try:
            repository = parts.repository()
            following.open(repository)

            def look() -> tuple[Revision, Tree, Target]:
                tip = repository.fetch(arguments.branch)
                revision = Revision(arguments.branch, arguments.commit or tip)
                tree = repository.tree(revision.sha)
                return revision, tree, find_target(arguments.site, choice, tree)

            revision, tree, target = answered(look, parts.clock, Deadlines.push_s)
            desired = target.desired(revision if arguments.commit else None)
            subject = Subject(
                desired=desired,
                previous=target.image,
                place=f"{target.field.path}:{target.field.span.line}",
                revision=revision,
                url=target.url,
                header=(revision.short, target.image.tag),
                since_s=journal.started,
            )
            journal.begin(arguments.site, *subject.header)
            for notice in overrides.notices(target, tree.read([target.field.path])[target.field.path]):
                journal.notice(f"{arguments.site}: {notice}")
            parts.landed({arguments.site: Landing(target.image.tag, revision, target.url)})
            followed = following.follow([subject], [target], repository, journal)
        except KeyboardInterrupt:
            return parts.interrupt(["following stopped; nothing was changed by it"], terminal)
        return parts.finish(account([subject], followed, journal), terminal)


def _replay(arguments: argparse.Namespace, context: Context) -> int:
    if arguments.site or arguments.commit or arguments.record or arguments.publish:
        raise UsageError(
            "--replay cannot be combined with --site, --commit, --record or --publish",
            hint="the recording says what was followed",
        )
    try:
        # Not by the lines of text files: those may end inside a message.
        lines = Path(arguments.replay).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise UsageError(f"--replay {arguments.replay}: {why}") from None
    head, entries = recording.read(lines)
    player = Player(head, entries)
    with Assembly(arguments, context) as parts:
        parts.clock = player.clock
        terminal = parts.terminal(name_sites=len(head.contexts) * len(head.subjects) > 1)
        journal = parts.journal(terminal)
        for subject in head.subjects:
            journal.begin(subject.desired.site, *subject.header)
            journal.resume(subject.desired.site, subject.steps, subject.since_s)
        for notice in head.notices:
            journal.notice(notice)
        player.begin()
        desired = [subject.desired for subject in head.subjects]
        followed = follow(desired, player.clusters, NoFacts(), player.clock, head.timeout_s, journal, player)
        player.end()
        return parts.finish(account(head.subjects, followed, journal), terminal)
