"""Lets Flux tell GitHub how each Kustomization stands, and be poked: the manifests for both, by a commit."""

import argparse
import re

from bumper.app.context import Context
from bumper.app.settings import NotificationsSettings
from bumper.commands import options
from bumper.errors import UsageError
from bumper.onboarding.names import require_hosts
from bumper.onboarding.notifications import NotificationsRequest

SUMMARY = "Writes the manifests by which Flux posts commit statuses on GitHub, for --follow github, and by which it can be poked."

# The rule of GitHub for the names of users and organizations, and of Kubernetes for those of Secrets.
_OWNER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})")
_OBJECT = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What shall be written, and where."""
    what = parser.add_argument_group("what to write")
    what.add_argument(
        "--host",
        default="",
        help="address under which Flux's webhook shall be reached; without it Flux is not poked and polls",
    )
    what.add_argument(
        "--owner",
        action="append",
        default=[],
        metavar="OWNER",
        help="whose workflows may poke, by GitHub's own OIDC token, repeatable; default: the owner of the platform repository",
    )
    what.add_argument(
        "--receiver-secret",
        default="",
        metavar="NAME",
        help="take signatures made with the token of this Secret instead of OIDC tokens (before Flux 2.9, or without workflows)",
    )
    what.add_argument(
        "--secret",
        default=NotificationsRequest.secret,
        metavar="NAME",
        help="Secret with the token by which Flux posts statuses (default: %(default)s)",
    )
    options.add_repository(parser, own_branch_by="--dry-run")
    options.add_commit(parser)
    parser.add_argument("--dry-run", action="store_true", help="print the diff, write nothing")
    options.add_output(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Writes them in one commit, and says what is left to do by hand."""
    settings = settings_of(arguments)
    from bumper.app.jobs.notifications import add_notifications

    return add_notifications(settings, context)


def settings_of(arguments: argparse.Namespace) -> NotificationsSettings:
    """What was asked for; UsageError for names that GitHub or Kubernetes would refuse."""
    if arguments.host:
        require_hosts([arguments.host])
    elif arguments.owner or arguments.receiver_secret:
        raise UsageError(
            "--owner and --receiver-secret say who may poke Flux, and nobody can without an address",
            hint="name it: --host HOST",
        )
    if arguments.owner and arguments.receiver_secret:
        raise UsageError(
            "--owner and --receiver-secret exclude each other: who knows the token may poke, whoever that is"
        )
    for owner in arguments.owner:
        if not _OWNER.fullmatch(owner):
            raise UsageError(f"--owner {owner}: expected the name of a user or an organization on GitHub")
    for option, name in (("--secret", arguments.secret), ("--receiver-secret", arguments.receiver_secret)):
        if name and not _OBJECT.fullmatch(name):
            raise UsageError(f"{option} {name}: expected lower-case letters, digits, '-' and '.'")
    owners = tuple(arguments.owner)
    wanted = NotificationsRequest(arguments.host, owners, arguments.secret, arguments.receiver_secret)
    return NotificationsSettings(options.plain_commit(arguments), wanted)
