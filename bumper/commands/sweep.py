"""Finishes the record of deploys whose run died, timed out or did not wait."""

import argparse

from bumper.app.context import Context
from bumper.app.settings import FollowSettings, OutputSettings, SweepSettings
from bumper.commands import options
from bumper.dataclasses import replace
from bumper.errors import UsageError

SUMMARY = (
    "Finds deploys whose end nobody noted, because their run died, timed out or did not wait, judges them as they stand now, and "
    "finishes their notes and what GitHub shows of them. Made to run on a schedule; two at once do no harm."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The fixed command line of `bump sweep`."""
    which = parser.add_argument_group("which deploys")
    options.add_sites(which, "only this site, repeatable; default: all of them")
    which.add_argument(
        "--older-than",
        type=options.long_duration,
        default=SweepSettings.least_age_s,
        metavar="TIME",
        help="leave younger ones to their own run (default: 15m)",
    )
    which.add_argument(
        "--newer-than",
        type=options.long_duration,
        default=SweepSettings.most_age_s,
        metavar="TIME",
        help="leave older ones as they are (default: 7d)",
    )
    options.add_repository(parser)
    group = parser.add_argument_group("looking at the rollout")
    options.add_contexts(group, "look at")
    group.add_argument(
        "--timeout",
        type=options.duration,
        default=60.0,
        metavar="TIME",
        help="how long all of them together may take to show how they stand (default: 1m)",
    )
    options.add_publish(parser)
    parser.add_argument("--dry-run", action="store_true", help="show how they stand, note and tell nothing")
    parser.add_argument(
        "--exit-code",
        action="store_true",
        help="exit with the code of the worst outcome; else 0 whatever is found, and 6 where a cluster can't be read",
    )
    options.add_output(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Looks, prints how each stands, and finishes its record."""
    settings = settings_of(arguments)
    from bumper.app.sweep import sweep

    return sweep(settings, context)


def settings_of(arguments: argparse.Namespace) -> SweepSettings:
    """What was asked for; UsageError for a period that holds nothing."""
    if arguments.older_than >= arguments.newer_than:
        raise UsageError(
            "--older-than and --newer-than leave nothing between them: no deploy is older than the one and newer than the other",
            hint="a sweep of old deploys names both: --older-than 7d --newer-than 30d",
        )
    return SweepSettings(
        options.repository(arguments),
        FollowSettings(contexts=tuple(arguments.context), timeout_s=arguments.timeout, can_stop_early=False),
        OutputSettings(options.is_json(arguments), place=options.place(arguments)),
        replace(options.publish(arguments), resumes=True),
        options.sites(arguments),
        arguments.older_than,
        arguments.newer_than,
        exits_by_verdict=arguments.exit_code,
        writes=not arguments.dry_run,
    )
