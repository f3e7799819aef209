"""Brings to one environment exactly what another one is known to run well."""

import argparse

from bumper.app.context import Context
from bumper.app.settings import DeploySettings, PromoteSettings
from bumper.commands import options
from bumper.dataclasses import replace
from bumper.errors import UsageError
from bumper.request import Choice

SUMMARY = "Deploys to one environment exactly the image that the record says was Ready in another one, and still runs there."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line of `bump promote`."""
    what = parser.add_argument_group("what to promote")
    options.add_sites(what, "a site that is in both environments, repeatable: all of them go in one commit")
    what.add_argument(
        "--from",
        dest="from_environment",
        metavar="ENV",
        default="",
        help="the environment that it comes from",
    )
    what.add_argument(
        "--to", dest="to_environment", metavar="ENV", default="", help="the environment that it goes to"
    )
    what.add_argument(
        "--from-branch", metavar="BRANCH", default="", help="the branch of the first one; default: --branch"
    )
    what.add_argument(
        "--from-repo", metavar="URL|DIR", default="", help="the repository of the first one; default: --repo"
    )
    what.add_argument(
        "--from-context",
        metavar="NAME",
        action="append",
        default=[],
        help="kubeconfig context of the first one, repeatable; default: --context",
    )
    needs = parser.add_argument_group("what it must have shown there")
    needs.add_argument(
        "--soak",
        type=options.long_duration,
        default=0.0,
        metavar="TIME",
        help="Ready there for so long: 2h, 1d (default: at all)",
    )
    needs.add_argument("--require-serving", action="store_true", help="visitors got it there, not only Ready")
    needs.add_argument(
        "--at-most-behind",
        type=options.count,
        default=None,
        metavar="N",
        help="refuse where more than N commits would come at once",
    )
    options.add_reason(needs, "why, for those who read the commit and the history; default: what it rests on")
    needs.add_argument(
        "--force",
        action="store_true",
        help="also where the site is held or frozen, or the image older; needs --reason",
    )
    options.add_repository(parser)
    options.add_image_choice(parser.add_argument_group("where convention leaves a choice"))
    options.add_image(parser)
    options.add_source(parser)
    options.add_tag_change(parser, returns=True)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Promotes, prints the report, and returns the exit code of its worst outcome."""
    settings = settings_of(arguments, context)
    from bumper.app.jobs.promote import promote

    return promote(settings, context)


def settings_of(arguments: argparse.Namespace, context: Context) -> PromoteSettings:
    """What was asked for; UsageError without sites, and for environments that are one and the same."""
    sites = options.sites(arguments)
    if not sites:
        raise UsageError("no site given", hint="bump promote SITE --from staging --to production")
    run_settings = options.tag_change(arguments)
    here = run_settings.repository
    origin = replace(here, repo=arguments.from_repo or here.repo, branch=arguments.from_branch or here.branch)
    if origin == here and arguments.from_environment == arguments.to_environment:
        named = f"both are {arguments.from_environment}" if arguments.from_environment else "none is named"
        raise UsageError(f"two environments are needed, and {named}", hint="--from staging --to production")
    request = options.tag_request(
        arguments, run_settings, (), Choice(arguments.image), context.surroundings.origin()
    )
    return PromoteSettings(
        DeploySettings(run_settings, request, arguments.source or "", options.auto_rollback(arguments)),
        sites,
        arguments.from_environment,
        arguments.to_environment,
        origin,
        tuple(arguments.from_context),
        arguments.soak,
        arguments.require_serving,
        arguments.at_most_behind,
    )
