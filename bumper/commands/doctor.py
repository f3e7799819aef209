"""Access and settings, looked at before the day a deploy needs them."""

import argparse

from bumper.app.context import Context
from bumper.app.settings import CommitVia, DoctorSettings, FollowVia
from bumper.commands import options
from bumper.errors import UsageError

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
    parser.add_argument(
        "--user",
        default="",
        metavar="NAME",
        help="with --rbac: bind the rights to this user of the cluster, not to a service account of ours: on AKS with Entra ID the "
        "identity's object ID, for a runner in a pod system:serviceaccount:NAMESPACE:NAME",
    )
    options.add_repository(parser)
    options.add_way(parser)
    parser.add_argument(
        "--follow",
        choices=[via.value for via in FollowVia],
        default=FollowVia.KUBERNETES.value,
        help="who tells how a rollout goes; with github, where there is no access to it, the cluster is not looked at "
        "(default: %(default)s)",
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
    if settings.user and not settings.only_rbac:
        raise UsageError("--user says whom the rights of --rbac are for", hint="add --rbac, or leave it out")
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
        user=arguments.user,
        looks_at_cluster=FollowVia(arguments.follow) is FollowVia.KUBERNETES,
        is_json=options.is_json(arguments),
    )
