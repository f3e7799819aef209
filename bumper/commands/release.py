"""Lets automation on a site again, by a commit."""

import argparse
from datetime import UTC, datetime

from bumper.app.context import Context
from bumper.commands import hold
from bumper.history.trailers import one_line

SUMMARY = "Releases a site that is held, so that automation may change it again."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which sites, and perhaps why."""
    what = hold.add_sites(parser)
    what.add_argument("--reason", metavar="TEXT", default="", help="why, for those who read the commit")
    hold.add_how(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Takes the holds of the sites away in one commit, whoever set them."""
    return hold.change(arguments, context, None, one_line(arguments.reason), datetime.now(UTC))
