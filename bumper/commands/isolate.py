"""Gives sites a source of their own, so that a commit reconciles only the sites that it changes."""

import argparse

from bumper.app.context import Context
from bumper.app.settings import IsolateSettings
from bumper.commands import options
from bumper.errors import UsageError

SUMMARY = "Gives sites a source of their own, by an ArtifactGenerator: a commit reconciles only the sites that it changes."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The fixed command line of `bump isolate`."""
    which = parser.add_argument_group("which sites")
    options.add_sites(which, "a site, named like its Flux Kustomization, repeatable")
    which.add_argument(
        "--all", action="store_true", help="every site that can be isolated; the others are named"
    )
    options.add_repository(parser, own_branch_by="--dry-run")
    options.add_commit(parser)
    options.add_proposed_extent(parser)
    options.add_output(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Writes the artifacts in one commit, and says what the cluster needs for them."""
    settings = settings_of(arguments)
    from bumper.app.jobs.isolate import isolate

    return isolate(settings, context)


def settings_of(arguments: argparse.Namespace) -> IsolateSettings:
    """What was asked for; UsageError where no site is named, or some beside `--all`."""
    names = options.sites(arguments)
    if bool(names) == arguments.all:
        given = f"{', '.join(names)} and --all" if names else "neither a site nor --all"
        raise UsageError(f"{given}, expected one of them", hint="bump isolate SITE, or bump isolate --all")
    run_settings = options.plain_commit(arguments)
    return IsolateSettings(run_settings, names, only_proposes=arguments.pull_request)
