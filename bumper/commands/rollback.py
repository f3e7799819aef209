"""Takes a deploy back: to the version before that was Ready, in one commit with a hold that keeps the rejected one off."""

import argparse

from bumper.app.context import Context
from bumper.app.rollback import rollback
from bumper.app.run import Delivery, Errand
from bumper.app.wiring import Assembly
from bumper.commands import options
from bumper.request import Deadlines, Request, Wanted

SUMMARY = "Takes a site back to its last version that was Ready, keeps automation from bringing the rejected one again, follows it."

# The image was there once: this long is for a registry that does not answer at once.
_IMAGE_S = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The fixed command line of `bump rollback`."""
    what = parser.add_argument_group("what to take back")
    what.add_argument("--site", required=True, help="the site, named like its Flux Kustomization")
    what.add_argument(
        "--to",
        metavar="TAG",
        default="",
        help="any earlier tag; default: the last one whose deploy was Ready",
    )
    what.add_argument(
        "--reason", metavar="TEXT", default="", help="why, for those who read the commit and the hold"
    )
    what.add_argument(
        "--force", action="store_true", help="also where somebody holds the site; needs --reason"
    )
    options.add_repository(parser)
    options.add_choice(parser)
    options.add_commit(parser)
    options.add_follow(parser)
    how = parser.add_argument_group("how far to go")
    how.add_argument(
        "--dry-run", action="store_true", help="print the diff and what would happen, write nothing"
    )
    how.add_argument("--no-wait", action="store_true", help="stop after the push")
    options.add_notes(how)
    options.add_publish(parser)
    options.add_output(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Rolls back, prints the report, and returns its exit code."""
    to = options.wanted_tag(arguments.site, arguments.to, option="--to").version if arguments.to else ""
    wanted = (Wanted(arguments.site, to),)
    asked = Request(
        wanted=wanted,
        branch=arguments.branch,
        choice=options.choice(arguments),
        deadlines=Deadlines(_IMAGE_S, options.push_s(arguments), arguments.timeout),
        origin=options.origin(context.environ, wanted),
        reason=options.require_reason(arguments),
        force=arguments.force,
    )
    with Assembly(arguments, context) as parts:
        delivery = Delivery(parts, name_sites=len(arguments.context) > 1)

        def errand() -> Errand:
            return rollback(asked, delivery, to)

        return delivery.run(errand)
