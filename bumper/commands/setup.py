"""What has to be there before the first deploy, for this platform: files to commit and commands to run, and then a look at it."""

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from bumper.app.context import Context
from bumper.app.settings import CommitVia, SetupSettings
from bumper.commands import options
from bumper.errors import UsageError
from bumper.onboarding.names import require_hosts
from bumper.setup import request
from bumper.setup.request import ActionRelease, ClusterWay, TokenWay

SUMMARY = (
    "Writes what a platform and its sites need for their first deploy, as files and commands for you to read, and then looks "
    "at it. What is not given is asked on a terminal; nothing is guessed, and nothing is changed."
)
_SITE: Mapping[str, Any] = {
    "type": options.read_by(request.site_of),
    "metavar": "SITE=OWNER/NAME",
    "default": [],
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is known already."""
    group = parser.add_argument_group("which sites")
    site = "a site and the repository that builds it, or its URL, repeatable"
    group.add_argument("--site", action="append", help=site, **_SITE)
    group.add_argument("bare_site", nargs="*", help="the same without --site, repeatable", **_SITE)
    group.add_argument(
        "--site-branch",
        type=options.read_by(request.branch_of),
        default=SetupSettings.site_branch,
        metavar="BRANCH",
        help="the branch of a site whose pushes are deployed (default: %(default)s)",
    )
    options.add_repository(parser)
    group = parser.add_argument_group("how the rollout is followed")
    group.add_argument(
        "--cluster",
        choices=[way.value for way in ClusterWay],
        help="kubeconfig: a service account's, stored; aks: by Entra ID; runner: from a pod in the cluster; none: by what "
        "Flux posts on GitHub",
    )
    cluster_of, runner_of = options.read_by(request.cluster_of), options.read_by(request.runner_of)
    group.add_argument("--aks", type=cluster_of, metavar="GROUP/NAME", help="with --cluster aks: which one")
    runs_on = "with --cluster runner: its label, or several as JSON"
    group.add_argument("--runs-on", type=runner_of, default="", metavar="LABEL", help=runs_on)
    host = "address under which Flux's webhook shall be reached, so that it fetches at once (Flux 2.9)"
    group.add_argument("--host", default="", help=host)
    options.add_contexts(group, "look at in the end")
    group = parser.add_argument_group("who writes, and with what")
    group.add_argument(
        "--token",
        choices=[way.value for way in TokenWay],
        help="secret: one is stored for the sites; service: none is, --token-service exchanges the job's own",
    )
    group.add_argument(
        "--action",
        type=options.read_by(ActionRelease.parse),
        metavar="OWNER/NAME@SHA",
        help="where the workflows take the action from; default: what bump was installed from",
    )
    options.add_way(group)
    write = "write the files there, in a new folder, each below the repository that it belongs to"
    parser.add_argument("--write", default="", metavar="DIR", help=write)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Prints it. Returns 0 if all that is needed is there already, 6 if not."""
    settings = settings_of(arguments, context.surroundings.server_url)
    from bumper.app.setup import set_up

    return set_up(settings, context)


def settings_of(arguments: argparse.Namespace, server_url: str) -> SetupSettings:
    """What was given; UsageError for what does not go together. `server_url` is this GitHub's."""
    for option, value, way in (("--aks", arguments.aks, "aks"), ("--runs-on", arguments.runs_on, "runner")):
        if value and arguments.cluster != way:
            raise UsageError(
                f"{option} belongs to --cluster {way}", hint=f"add --cluster {way}, or leave it out"
            )
    if arguments.host:
        require_hosts([arguments.host])
    return SetupSettings(
        repository=options.repository(arguments),
        sites=tuple(dict.fromkeys(_sites(arguments, server_url))),
        cluster=ClusterWay(arguments.cluster) if arguments.cluster else None,
        aks=arguments.aks,
        runs_on=arguments.runs_on,
        receiver_host=arguments.host,
        token=_token(arguments),
        action=arguments.action,
        commit_via=CommitVia(arguments.commit_via),
        site_branch=arguments.site_branch,
        contexts=tuple(arguments.context),
        write=arguments.write,
    )


def _sites(arguments: argparse.Namespace, server_url: str) -> Iterator[tuple[str, str]]:
    for site, repository in [*arguments.site, *arguments.bare_site]:
        try:
            yield site, request.repository_of(repository, server_url)
        except ValueError as error:
            raise UsageError(f"{site}: {error}") from None


def _token(arguments: argparse.Namespace) -> TokenWay | None:
    if arguments.token_service and arguments.token == TokenWay.SECRET:
        raise UsageError(
            "--token secret stores a token, and --token-service exchanges one", hint="leave one out"
        )
    way = TokenWay.SERVICE if arguments.token_service else arguments.token
    return TokenWay(way) if way else None
