"""The main job: one tag, one commit, followed until Ready or a verdict."""

import argparse

from bumper.app.context import Context
from bumper.app.settings import DeploySettings
from bumper.commands import options
from bumper.commands.parser import COMMANDS, no_command
from bumper.dataclasses import replace
from bumper.errors import UsageError
from bumper.request import Choice, Wanted

SUMMARY = "Changes a site's image tag in its GitOps repository, commits it, and follows Flux and the rollout until it is Ready."
_SEVERAL = "several sites go in one commit by --set SITE=SHA --set SITE=SHA"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The fixed command line of the main job."""
    what = parser.add_argument_group("what to deploy")
    options.add_site(what, bare="the same without --site, beside --sha or --tag", if_repeated=_SEVERAL)
    what.add_argument(
        "--sha", help="commit that the image was built from, short or full", if_repeated=_SEVERAL
    )
    what.add_argument("--tag", help="any other tag")
    what.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SITE=SHA",
        help="several sites in one commit, repeatable",
    )
    options.add_repository(parser, own_branch_by="--dry-run")
    options.add_choice(parser)
    options.add_image(parser)
    options.add_source(parser)
    options.add_override(parser)
    options.add_tag_change(parser, returns=True)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Deploys, prints the report, and returns the exit code of its worst outcome."""
    settings = settings_of(arguments, context)
    from bumper.app.jobs.tags import deploy

    return deploy(settings, context)


def settings_of(arguments: argparse.Namespace, context: Context) -> DeploySettings:
    """What was asked for; UsageError for options that contradict each other."""
    asked, names = _wanted(arguments), options.kustomizations(arguments)
    choice = options.choice(arguments)
    if len(asked) > 1 and (names or replace(choice, image="") != Choice()):
        raise UsageError(
            "--kustomization, --container and --field speak of one site",
            hint=f"deploy the sites one by one; {options.IN_ONE_COMMIT}",
        )
    if len({site.site for site in asked}) < len(asked):
        raise UsageError("--set names a site twice", hint="give each site one SHA")
    wanted = options.in_each(asked[0], names) if len(asked) == 1 else asked
    returns = options.auto_rollback(arguments)
    run_settings = options.tag_change(arguments, wanted)
    request = options.tag_request(
        arguments, run_settings, wanted, choice, context.surroundings.origin(wanted)
    )
    return DeploySettings(run_settings, request, arguments.source or "", returns)


def _wanted(arguments: argparse.Namespace) -> tuple[Wanted, ...]:
    site, has_image = options.site(arguments), bool(arguments.sha or arguments.tag)
    if (word := arguments.bare_site) and (word in COMMANDS or not (has_image or arguments.set)):
        raise no_command(word)
    if arguments.set:
        if site or has_image:
            raise UsageError(
                "--set cannot be combined with --site, --sha or --tag",
                hint="give every site by --set SITE=SHA",
            )
        return tuple(_assignment(text) for text in arguments.set)
    if not site:
        raise UsageError("no site given", hint="name it: --site SITE --sha SHA, or several: --set SITE=SHA")
    if len(site.split()) > 1:
        raise UsageError(f"--site {site!r}: a site has no space in its name", hint=_SEVERAL)
    if bool(arguments.sha) == bool(arguments.tag):
        raise UsageError(
            f"{site}: expected one of --sha and --tag, {'both are' if arguments.sha else 'neither is'} given",
            hint="--sha SHA of the built commit, or --tag TAG",
        )
    if arguments.sha:
        return (options.wanted_commit(site, arguments.sha),)
    return (options.wanted_tag(site, arguments.tag),)


def _assignment(text: str) -> Wanted:
    site, equals, sha = text.partition("=")
    if not (site and equals and sha):
        raise UsageError(f"--set {text}: expected SITE=SHA")
    return options.wanted_commit(site, sha, f"--set {site}")
