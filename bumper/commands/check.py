"""The whole Flux tree as it stands in the working tree, without a network."""

import argparse

from bumper.app.context import Context
from bumper.app.settings import CheckSettings, FreezeQuestion
from bumper.commands import options
from bumper.commands.times import any_moment
from bumper.errors import UsageError
from bumper.request import Deadlines

SUMMARY = "Finds what is wrong in a Flux tree before it is pushed: no cluster, no network."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line of `bump check`."""
    parser.add_argument(
        "directory",
        nargs="?",
        metavar="DIR",
        default=".",
        help="a directory of the platform repository; all of its checkout is looked at (default: where we stand)",
    )
    parser.add_argument(
        "--ignore", metavar="ID", action="append", default=[], help="leave a rule out, repeatable"
    )
    parser.add_argument("--strict", action="store_true", help="exit 11 for warnings too")
    when = parser.add_argument_group("may it be deployed then? (nothing else is checked)")
    when.add_argument(
        "--at",
        metavar="TIME",
        default="",
        help="say whether a freeze window keeps deploys off at that time: now, 3d, 2026-12-24 or 2026-12-24T08:00+01:00; exit 4 if so",
    )
    when.add_argument(
        "--site",
        metavar="SITE",
        action="append",
        default=[],
        help="that site alone, repeatable; default: all",
    )
    when.add_argument(
        "--timeout",
        type=options.duration,
        default=Deadlines.rollout_s,
        metavar="TIME",
        help="how long the deploy may take (default: 10m)",
    )
    parser.add_argument("--list", action="store_true", help="print all rules, look at nothing")
    options.add_output(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Prints the findings; returns 11 if one of them is an error."""
    settings = settings_of(arguments)
    if arguments.at:
        from bumper.app.check import say_when

        return say_when(_question(arguments, context), context)
    from bumper.app.check import check, print_rules

    return print_rules(settings, context) if settings.only_lists else check(settings, context)


def settings_of(arguments: argparse.Namespace) -> CheckSettings:
    """What was asked for; UsageError for a site without a time."""
    if arguments.site and not arguments.at:
        raise UsageError("--site asks for a time", hint="say when: --at now, or --at 2026-12-24T08:00Z")
    return CheckSettings(
        directory=arguments.directory,
        ignored=tuple(arguments.ignore),
        is_strict=arguments.strict,
        only_lists=arguments.list,
        is_json=options.is_json(arguments),
    )


def _question(arguments: argparse.Namespace, context: Context) -> FreezeQuestion:
    now = context.clock.wall()
    at = now if arguments.at == "now" else any_moment(arguments.at, now, "--at")
    return FreezeQuestion(
        arguments.directory, at, tuple(arguments.site), arguments.timeout, options.is_json(arguments)
    )
