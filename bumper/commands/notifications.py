"""Lets Flux tell GitHub how each Kustomization stands, and be poked: the manifests for both, by a commit."""

import argparse
import json
import re

from bumper.app.context import Context
from bumper.app.wiring import Assembly
from bumper.commands import options
from bumper.deploy.commit.push import Landed, land
from bumper.errors import EXIT_CODES, Outcome, UsageError
from bumper.onboarding import notifications
from bumper.onboarding.names import require_hosts
from bumper.onboarding.notifications import Addition, Wish
from bumper.retry import answered
from bumper.style import STYLES, Line, Span

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
        default=Wish.secret,
        metavar="NAME",
        help="Secret with the token by which Flux posts statuses (default: %(default)s)",
    )
    options.add_repository(parser)
    options.add_commit(parser)
    parser.add_argument("--dry-run", action="store_true", help="print the diff, write nothing")
    options.add_output(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Writes them in one commit, and says what is left to do by hand."""
    wish = _wish(arguments)
    origin = options.origin(context.environ, ())
    with Assembly(arguments, context) as parts:
        terminal = parts.terminal(name_sites=False)
        try:
            repository = parts.repository()
            writer = parts.writer(repository, lambda words: terminal.write([(Span(f"  {words}", "quiet"),)]))
            timeout_s = options.push_s(arguments)

            def propose() -> Addition:
                tip = repository.fetch(arguments.branch)
                return notifications.plan(tip, repository.tree(tip), wish, origin)

            first = answered(propose, parts.clock, timeout_s)
            landed = None
            if not arguments.dry_run:
                landed = land(first, propose, writer, arguments.branch, parts.clock, timeout_s)
        except KeyboardInterrupt:
            return parts.interrupt(
                ["a push may have arrived: look at the branch before you start it again"], terminal
            )
        terminal.write(_lines(first, landed))
        if arguments.output == "json":
            context.stdout.write(json.dumps(_as_data(first, landed), indent=2) + "\n")
        return EXIT_CODES[_outcome(landed)]


def _wish(arguments: argparse.Namespace) -> Wish:
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
    return Wish(arguments.host, tuple(arguments.owner), arguments.secret, arguments.receiver_secret)


def _outcome(landed: Landed[Addition] | None) -> Outcome:
    return Outcome.PUSHED if landed else Outcome.PLANNED


def _lines(first: Addition, landed: Landed[Addition] | None) -> list[Line]:
    shown = landed.plan if landed else first
    title = f"pushed as {landed.revision.short}" if landed else "would be written"
    found: list[Line] = [] if landed else [(Span(line),) for line in shown.diff().splitlines()]
    found.append((Span("notifications", "strong"), Span("   "), Span(title, STYLES[_outcome(landed)])))
    found += [(Span("  file    ", "quiet"), Span(path)) for path in shown.files]
    return found + [(Span("  to do   ", "quiet"), Span(step)) for step in shown.steps]


def _as_data(first: Addition, landed: Landed[Addition] | None) -> dict[str, object]:
    shown = landed.plan if landed else first
    return {
        "outcome": _outcome(landed).value,
        "exitCode": EXIT_CODES[_outcome(landed)],
        "commit": landed.revision.sha if landed else None,
        "files": list(shown.files),
        "toDo": list(shown.steps),
        **({} if landed else {"diff": shown.diff()}),
    }
