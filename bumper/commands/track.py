"""Follows a commit that is already on the branch, or a recording of how one was followed."""

import argparse
import re

from bumper.app.context import Context
from bumper.app.settings import FollowSettings, OutputSettings, TrackSettings
from bumper.commands import options
from bumper.errors import UsageError

SUMMARY = "Follows a commit that is already on the branch until the site is Ready, or says why it is not."
_FULL_SHA = re.compile(r"[0-9a-f]{40}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The fixed command line of `bump track`."""
    options.add_site(parser.add_argument_group("which site"))
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
    options.add_serving(parser)
    options.add_publish(parser)
    options.add_notes(parser)
    options.add_output(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Follows, prints the report, and returns the exit code of its worst outcome."""
    settings = settings_of(arguments)
    from bumper.app.track import replay, track

    return replay(settings, context) if settings.replay else track(settings, context)


def settings_of(arguments: argparse.Namespace) -> TrackSettings:
    """What was asked for; UsageError for what a recording leaves nothing to ask for."""
    if arguments.replay:
        return _of_recording(arguments)
    site = options.site(arguments)
    if not site:
        raise UsageError("no site given", hint="name it: --site SITE, or a recording: --replay FILE")
    if arguments.commit and not _FULL_SHA.fullmatch(arguments.commit):
        raise UsageError(f"--commit: {arguments.commit!r} is no full SHA; expected 40 digits 0-9a-f")
    hears = options.publish(arguments)
    return TrackSettings(
        options.repository(arguments),
        options.serving(arguments, options.follow(arguments)),
        OutputSettings(
            options.is_json(arguments),
            hears,
            keeps_notes=not arguments.no_notes,
            place=options.place(arguments),
        ),
        options.choice(arguments),
        site,
        arguments.commit or "",
        kustomizations=options.kustomizations(arguments),
    )


def _of_recording(arguments: argparse.Namespace) -> TrackSettings:
    if (
        options.site(arguments)
        or arguments.commit
        or arguments.record
        or arguments.publish
        or arguments.serves
    ):
        raise UsageError(
            "--replay cannot be combined with --site, --commit, --record, --publish or --serves",
            hint="the recording says what was followed",
        )
    return TrackSettings(
        options.repository(arguments),
        FollowSettings(is_wanted=False),
        OutputSettings(options.is_json(arguments)),
        replay=arguments.replay,
    )
