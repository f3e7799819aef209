"""Takes a site away: its directory, its sync file and the entry that lists it, in one commit."""

import argparse

from bumper.app.context import Context
from bumper.app.settings import FollowSettings, OutputSettings, RemoveSiteSettings, RunSettings
from bumper.commands import options
from bumper.errors import UsageError
from bumper.request import Deadlines

SUMMARY = "Takes a site away in one commit, after saying what Flux will delete with it; asks first."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The fixed command line of `bump remove-site`."""
    options.add_site(parser.add_argument_group("which site"), metavar="NAME")
    parser.add_argument("--yes", action="store_true", help="don't ask; needed where nobody can answer")
    options.add_repository(parser, own_branch_by="--dry-run")
    group = parser.add_argument_group("following the removal")
    options.add_contexts(group, "follow")
    group.add_argument(
        "--timeout",
        type=options.duration,
        default=Deadlines.rollout_s,
        metavar="TIME",
        help="how long the removal may take (default: 10m)",
    )
    how = parser.add_argument_group("how far to go")
    how.add_argument("--dry-run", action="store_true", help="print what would go and the diff, write nothing")
    how.add_argument("--no-wait", action="store_true", help="stop after the push")
    options.add_commit(parser)
    options.add_output(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Says what goes, asks, takes it away and follows until it is gone; returns the exit code."""
    settings = settings_of(arguments)
    can_ask = context.stdin is not None and context.stdin.isatty()
    if not (arguments.yes or arguments.dry_run or can_ask):
        raise UsageError(
            f"{settings.name}: nobody can be asked whether to remove it: this is no terminal",
            hint="--yes removes it without asking; --dry-run says what would go",
        )
    from bumper.app.jobs.remove_site import remove_site

    return remove_site(settings, context)


def settings_of(arguments: argparse.Namespace) -> RemoveSiteSettings:
    """What was asked for; UsageError without a site."""
    is_followed = not (arguments.no_wait or arguments.dry_run)
    run_settings = RunSettings(
        repository=options.repository(arguments, reads_directory=options.is_read(arguments)),
        commit=options.commit(arguments),
        follow=FollowSettings(is_followed, contexts=tuple(arguments.context), timeout_s=arguments.timeout),
        output=OutputSettings(options.is_json(arguments), place=options.place(arguments)),
        dry_run=arguments.dry_run,
    )
    return RemoveSiteSettings(run_settings, options.require_site(arguments), arguments.yes)
