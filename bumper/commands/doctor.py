"""Access and settings, looked at before the day a deploy needs them."""

import argparse

from bumper.app.context import Context
from bumper.app.settings import CommitVia, DoctorSettings
from bumper.commands import options

SUMMARY = (
    "Looks at the access and the settings that a deploy needs, changes nothing, and says what is missing."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line of `bump doctor`."""
    which = parser.add_argument_group("which sites")
    options.add_sites(which, "a site to look at, repeatable; default: all of the tree")
    parser.add_argument(
        "--rbac",
        action="store_true",
        help="print the RBAC manifest that following these sites needs, and look at nothing else",
    )
    options.add_repository(parser)
    parser.add_argument(
        "--commit-via",
        choices=[via.value for via in CommitVia],
        default=CommitVia.GIT.value,
        help="the way that commits take, by which the rules of the branch are weighed (default: %(default)s)",
    )
    options.add_contexts(parser, "look at")
    parser.add_argument(
        "--timeout",
        type=options.duration,
        default=DoctorSettings.timeout_s,
        metavar="TIME",
        help="how long each system may take to answer (default: 10s)",
    )
    options.add_output(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Prints the findings. Returns 0 if all that is needed is there, 6 if not; warnings change nothing."""
    settings = settings_of(arguments)
    from bumper.app.examine import examine, print_rbac

    return print_rbac(settings, context) if settings.only_rbac else examine(settings, context)


def settings_of(arguments: argparse.Namespace) -> DoctorSettings:
    """What was asked for."""
    return DoctorSettings(
        repository=options.repository(arguments),
        sites=options.sites(arguments),
        commit_via=CommitVia(arguments.commit_via),
        contexts=tuple(arguments.context),
        timeout_s=arguments.timeout,
        only_rbac=arguments.rbac,
        is_json=options.is_json(arguments),
    )
