"""Keeps automation off a site, by a commit."""

import argparse
from datetime import datetime

from bumper.app.context import Context
from bumper.app.settings import HoldSettings
from bumper.commands import options
from bumper.commands.times import moment
from bumper.dataclasses import replace
from bumper.errors import UsageError
from bumper.history.trailers import one_line

SUMMARY = "Keeps automation off a site: says so in git on its Flux Kustomization, until a time or until it is released."

# An annotation is applied together with all the other objects of its directory: one that is too large would stop them all.
_MOST_CHARACTERS = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which sites, why, and for how long."""
    what = add_sites(parser)
    options.add_reason(what, "why, for whoever is refused; required")
    what.add_argument(
        "--until",
        metavar="TIME",
        default="",
        help="when it ends: 3d, 12h, 2026-12-01 (the beginning of that day) or 2026-12-01T08:00Z, in UTC; default: when released",
    )
    what.add_argument("--force", action="store_true", help="replace a hold that somebody else set")
    add_how(parser)


def add_sites(parser: argparse.ArgumentParser) -> "argparse._ArgumentGroup":
    """Which sites."""
    group = parser.add_argument_group("which sites")
    options.add_sites(group, "named like its Flux Kustomization, repeatable")
    options.add_kustomizations(
        group, "Flux Kustomization of the site, if named otherwise, repeatable for a site of several clusters"
    )
    return group


def add_how(parser: argparse.ArgumentParser) -> None:
    """Where it is written, and how."""
    options.add_repository(parser, own_branch_by="--dry-run")
    options.add_commit(parser)
    parser.add_argument("--dry-run", action="store_true", help="print the diff, write nothing")
    options.add_output(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Holds the sites in one commit, and says where it stands."""
    settings = settings_of(arguments, context.clock.wall().replace(microsecond=0))
    from bumper.app.jobs.holds import hold_or_release

    return hold_or_release(settings, context)


def settings_of(arguments: argparse.Namespace, now: datetime) -> HoldSettings:
    """What was asked for at this time of day, in UTC; UsageError for a reason, a time or sites that cannot be."""
    reason = require_reason(arguments.reason)
    until = moment(arguments.until, now) if arguments.until else None
    return replace(site_settings(arguments, now), reason=reason, until=until, force=arguments.force)


def site_settings(arguments: argparse.Namespace, now: datetime) -> HoldSettings:
    """The options of `add_sites` and `add_how`; UsageError without a site."""
    sites = options.sites(arguments)
    if not sites:
        raise UsageError("no site given", hint="name it: --site SITE, or several of them")
    names = options.kustomizations(arguments)
    if names and len(sites) > 1:
        raise UsageError("--kustomization speaks of one site", hint="name the sites one by one")
    return HoldSettings(options.plain_commit(arguments), sites, now, kustomizations=names)


def require_reason(text: str) -> str:
    """The reason; UsageError for none, and for one that can't stand in a manifest."""
    reason = one_line(text)
    if not reason:
        raise UsageError("no reason given", hint="say why for whoever is refused: --reason TEXT")
    if "${" in reason:
        # Flux puts variables in wherever postBuild names any, into annotations too.
        raise UsageError("--reason: found '${', which Flux takes for a variable", hint="say it without")
    if len(reason) > _MOST_CHARACTERS:
        raise UsageError(f"--reason: {len(reason)} characters, expected at most {_MOST_CHARACTERS}")
    return reason
