"""Lets automation on a site again, by a commit."""

import argparse
from datetime import datetime

from bumper.app.context import Context
from bumper.app.settings import HoldSettings
from bumper.commands import hold, options
from bumper.dataclasses import replace
from bumper.history.trailers import one_line

SUMMARY = "Releases a site that is held, so that automation may change it again."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which sites, and perhaps why."""
    what = hold.add_sites(parser)
    options.add_reason(what, "why, for those who read the commit")
    hold.add_how(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Takes the holds of the sites away in one commit, whoever set them."""
    settings = settings_of(arguments, context.clock.wall())
    from bumper.app.jobs.holds import hold_or_release

    return hold_or_release(settings, context)


def settings_of(arguments: argparse.Namespace, now: datetime) -> HoldSettings:
    """What was asked for; UsageError without a site."""
    reason = one_line(arguments.reason)
    return replace(hold.site_settings(arguments, now), reason=reason, releases=True)
