"""Command-line options that several commands share, and what their texts mean."""

import argparse
import re
from collections.abc import Mapping

from bumper.errors import UsageError
from bumper.history import Origin
from bumper.image import is_tag
from bumper.pipeline import Choice, Deadlines, Wanted

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")
_SHA = re.compile(r"[0-9a-f]{7,40}")
FULL_SHA_DIGITS = 40


def duration(text: str) -> float:
    """Seconds in `90`, `90s`, `10m`, `1h30m`."""
    match = _DURATION.fullmatch(text)
    if not text or not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; expected for example 90s, 10m or 1h30m")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def add_repository(parser: argparse.ArgumentParser) -> None:
    """Where the manifests are."""
    group = parser.add_argument_group("platform repository")
    group.add_argument(
        "--repo",
        metavar="URL|DIR",
        help="the GitOps repository; default: the origin of the checkout we stand in",
    )
    group.add_argument("--branch", default="main", help="the branch that Flux follows (default: %(default)s)")


def add_choice(parser: argparse.ArgumentParser) -> None:
    """Where convention leaves a choice."""
    group = parser.add_argument_group("where convention leaves a choice")
    group.add_argument(
        "--image",
        metavar="REPOSITORY",
        default="",
        help="image repository to look for; default: the one that ends with the site's name",
    )
    group.add_argument(
        "--kustomization",
        metavar="NAME",
        default="",
        help="Flux Kustomization of the site; default: the one named like the site",
    )
    group.add_argument("--container", metavar="NAME", default="", help="container, if several run that image")


def add_follow(parser: argparse.ArgumentParser) -> None:
    """Which clusters are followed, and for how long."""
    group = parser.add_argument_group("following the rollout")
    group.add_argument(
        "--context",
        metavar="NAME",
        action="append",
        default=[],
        help="kubeconfig context to follow, repeatable; default: the current one, or in-cluster where there is no kubeconfig",
    )
    group.add_argument(
        "--timeout",
        type=duration,
        default=Deadlines.rollout_s,
        metavar="TIME",
        help="how long the rollout may take (default: 10m)",
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """What is printed."""
    parser.add_argument(
        "--output",
        choices=("text", "json"),
        default="text",
        help="json: one object on stdout, progress on stderr (default: text)",
    )


def choice(arguments: argparse.Namespace) -> Choice:
    """The options of `add_choice`."""
    return Choice(image=arguments.image, kustomization=arguments.kustomization, container=arguments.container)


def wanted_commit(site: str, sha: str) -> Wanted:
    """A site at the image of a commit: a short SHA is the tag itself, for a full one the registry is asked."""
    if not _SHA.fullmatch(sha):
        raise UsageError(
            f"--sha: {sha!r} is no commit; expected 7 to 40 digits 0-9a-f",
            hint="for a tag that is no commit use --tag",
        )
    return Wanted(site, sha, is_commit=len(sha) == FULL_SHA_DIGITS)


def wanted_tag(site: str, tag: str) -> Wanted:
    """A site at a tag, taken as it is."""
    if not is_tag(tag):
        raise UsageError(
            f"--tag: {tag!r} is no image tag; expected up to 128 letters, digits, '_', '.' or '-', not beginning with '.' or '-'"
        )
    return Wanted(site, tag)


def origin(environ: Mapping[str, str], wanted: tuple[Wanted, ...]) -> Origin:
    """Who asks, from the variables that GitHub Actions sets; by hand only the name of the user is known."""
    repository = environ.get("GITHUB_REPOSITORY", "")
    page = f"{environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{repository}"
    run = environ.get("GITHUB_RUN_ID", "")
    commits = [one.version for one in wanted if one.is_commit]
    return Origin(
        source_repository=page if repository else "",
        source_commit=commits[0] if len(commits) == 1 else environ.get("GITHUB_SHA", ""),
        workflow_run=f"{page}/actions/runs/{run}" if repository and run else "",
        requested_by=environ.get("GITHUB_ACTOR") or environ.get("USER") or environ.get("LOGNAME") or "",
    )
