"""Writes into git, once, which image a site is, where its name does not tell."""

import argparse
import re

from bumper.app.context import Context
from bumper.app.settings import AdoptSettings
from bumper.commands import options
from bumper.errors import UsageError

SUMMARY = "Writes into git which image a site is, as an annotation on its Flux Kustomization: every command knows it from then on."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The fixed command line of `bump adopt`."""
    options.add_site(
        parser.add_argument_group("which site"),
        site="what the site shall be called; its Kustomization may have another name",
    )
    options.add_repository(parser, own_branch_by="--dry-run")
    options.add_choice(parser)
    options.add_serves(
        parser.add_argument_group("what the site answers"),
        "write down what the site answers once visitors get a build: every deploy asks it from then on",
    )
    parser.add_argument(
        "--environment",
        action="append",
        default=[],
        metavar="NAME",
        help="write down the environment that it is in, repeatable: for bump promote and bump freeze, where path and name mislead",
    )
    options.add_commit(parser)
    options.add_proposed_extent(parser)
    options.add_output(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Writes the choice in one commit, and says where it stands."""
    settings = settings_of(arguments)
    from bumper.app.jobs.adopt import adopt

    return adopt(settings, context)


def settings_of(arguments: argparse.Namespace) -> AdoptSettings:
    """What was asked for; UsageError without a site."""
    run_settings = options.plain_commit(arguments)
    site, choice = options.require_site(arguments), options.choice(arguments)
    names = options.kustomizations(arguments)
    several = names if len(names) > 1 else ()
    environments = tuple(dict.fromkeys(arguments.environment))
    if any(re.search(r"[,\s]", name) or not name for name in environments):
        raise UsageError(
            "--environment is one name, without a space or a comma", hint="repeat it for several"
        )
    return AdoptSettings(
        run_settings, site, choice, arguments.serves, arguments.pull_request, several, environments
    )
