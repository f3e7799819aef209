"""Takes a deploy back: to the version before that was Ready, in one commit with a hold that keeps the rejected one off."""

import argparse

from bumper.app.context import Context
from bumper.app.settings import RollbackSettings
from bumper.commands import options
from bumper.request import Deadlines, Request, Wanted

SUMMARY = "Takes a site back to its last version that was Ready, keeps automation from bringing the rejected one again, follows it."

# The image was there once: this long is for a registry that does not answer at once.
_IMAGE_S = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The fixed command line of `bump rollback`."""
    what = parser.add_argument_group("what to take back")
    options.add_site(what)
    what.add_argument(
        "--to",
        metavar="TAG",
        default="",
        help="any earlier tag; default: the last one whose deploy was Ready",
    )
    options.add_reason(what, "why, for those who read the commit and the hold")
    what.add_argument(
        "--force", action="store_true", help="also where somebody holds the site; needs --reason"
    )
    options.add_repository(parser)
    options.add_choice(parser)
    options.add_tag_change(parser, returns=False)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Rolls back, prints the report, and returns its exit code."""
    settings = settings_of(arguments, context)
    from bumper.app.jobs.tags import roll_back

    return roll_back(settings, context)


def settings_of(arguments: argparse.Namespace, context: Context) -> RollbackSettings:
    """What was asked for; UsageError without a site, for `--force` without a reason, and for a tag that is none."""
    site = options.require_site(arguments)
    to = options.wanted_tag(site, arguments.to, option="--to").version if arguments.to else ""
    wanted = options.in_each(Wanted(site, to), options.kustomizations(arguments))
    reason = options.require_reason(arguments)
    run_settings = options.tag_change(arguments)
    request = Request(
        wanted=wanted,
        branch=arguments.branch,
        choice=options.choice(arguments),
        deadlines=Deadlines(_IMAGE_S, run_settings.commit.push_s, arguments.timeout),
        origin=context.surroundings.origin(wanted),
        reason=reason,
        force=arguments.force,
        expected_plan=options.expected_plan(arguments),
    )
    return RollbackSettings(run_settings, request, to)
