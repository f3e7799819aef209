"""The whole Flux tree as it stands in the working tree, without a network."""

import argparse

from bumper.app.context import Context
from bumper.app.settings import CheckSettings
from bumper.commands import options

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
    parser.add_argument("--list", action="store_true", help="print all rules, look at nothing")
    options.add_output(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Prints the findings; returns 11 if one of them is an error."""
    settings = settings_of(arguments)
    from bumper.app.check import check, print_rules

    return print_rules(settings, context) if settings.only_lists else check(settings, context)


def settings_of(arguments: argparse.Namespace) -> CheckSettings:
    """What was asked for."""
    return CheckSettings(
        directory=arguments.directory,
        ignored=tuple(arguments.ignore),
        is_strict=arguments.strict,
        only_lists=arguments.list,
        is_json=options.is_json(arguments),
    )
