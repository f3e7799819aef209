"""The platform as one page of HTML, for a browser or GitHub Pages."""

import argparse

from bumper.app.context import Context
from bumper.app.settings import ReportSettings
from bumper.commands import options

SUMMARY = (
    "Writes one page of HTML that needs no network: how the sites stand, what they wait for, holds and freeze windows as a calendar, "
    "every deploy with its timeline and cause, and DORA's figures as plots."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The fixed command line of `bump report`."""
    parser.add_argument(
        "--html", metavar="FILE", required=True, help="the file to write; - is standard output"
    )
    options.add_repository(parser, own_branch_by="--offline")
    options.add_contexts(parser, "look at")
    parser.add_argument(
        "--offline",
        action="store_true",
        help="what git and its record say alone, of the checkout we stand in or --repo DIR: no cluster and no network",
    )


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Writes the page; returns 0, however the sites stand."""
    settings = ReportSettings(
        options.repository(arguments), arguments.html, tuple(arguments.context), arguments.offline
    )
    from bumper.app.report import report

    return report(settings, context)
