"""Command-line options that several commands share, and what their texts mean."""

import argparse
import re
from collections.abc import Mapping

from bumper.admission import is_platform, repository_name
from bumper.errors import UsageError
from bumper.history import Origin
from bumper.image import is_tag
from bumper.request import Choice, Deadlines, Wanted

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")
_SHA = re.compile(r"[0-9a-f]{7,40}")
FULL_SHA_DIGITS = 40
CHANNELS = ("comment", "summary")


def duration(text: str) -> float:
    """Seconds in `90`, `90s`, `10m`, `1h30m`."""
    match = _DURATION.fullmatch(text)
    if not text or not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; expected for example 90s, 10m or 1h30m")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def platforms(text: str) -> list[str]:
    """The platforms in `linux/amd64,linux/arm64/v8`."""
    found = [part.strip().lower() for part in text.split(",")]
    for one in found:
        if not is_platform(one):
            raise argparse.ArgumentTypeError(
                f"{one!r} is no platform; expected for example linux/amd64 or linux/arm/v7"
            )
    return found


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


def add_image(parser: argparse.ArgumentParser) -> None:
    """What the image must be, and how it is written."""
    group = parser.add_argument_group("the image")
    group.add_argument(
        "--wait-for-image",
        type=duration,
        default=Deadlines.image_s,
        metavar="TIME",
        help="how long to wait for an image that is not in the registry yet (default: 20s)",
    )
    group.add_argument(
        "--platform",
        type=platforms,
        action="extend",
        default=[],
        metavar="OS/ARCH",
        help="platforms that the image must be there for, repeatable or separated by commas; default: those of the cluster's nodes",
    )
    group.add_argument("--pin", action="store_true", help="write the digest beside the tag")


def add_contexts(group: "argparse._ActionsContainer", verb: str) -> None:
    """Which clusters."""
    group.add_argument(
        "--context",
        metavar="NAME",
        action="append",
        default=[],
        help=f"kubeconfig context to {verb}, repeatable; default: the current one, or in-cluster where there is no kubeconfig",
    )


def add_follow(parser: argparse.ArgumentParser) -> None:
    """Which clusters are followed, and for how long."""
    group = parser.add_argument_group("following the rollout")
    add_contexts(group, "follow")
    group.add_argument(
        "--timeout",
        type=duration,
        default=Deadlines.rollout_s,
        metavar="TIME",
        help="how long the rollout may take (default: 10m)",
    )
    group.add_argument(
        "--record",
        metavar="FILE",
        help="write everything that is seen while following, without secrets, for bump track --replay FILE",
    )


def channels(text: str) -> list[str]:
    """The channels in `comment,summary`."""
    found = [part.strip() for part in text.split(",")]
    for one in found:
        if one not in CHANNELS:
            raise argparse.ArgumentTypeError(f"{one!r} is no channel; expected {' or '.join(CHANNELS)}")
    return found


def add_publish(parser: argparse.ArgumentParser) -> None:
    """Who hears of it besides the terminal."""
    parser.add_argument(
        "--publish",
        type=channels,
        action="extend",
        default=[],
        metavar="CHANNEL",
        help="in a workflow: comment on the pull request, summary of the job; repeatable or separated by commas",
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
    """A site at the image of a commit: a short SHA is its tag, for a full one the registry is asked."""
    if not _SHA.fullmatch(sha):
        raise UsageError(
            f"--sha: {sha!r} is no commit; expected 7 to 40 digits 0-9a-f",
            hint="for a tag that is no commit use --tag",
        )
    return Wanted(site, sha, is_commit=True)


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
    commits = [one.version for one in wanted if one.is_commit and len(one.version) == FULL_SHA_DIGITS]
    return Origin(
        source_repository=page if repository else "",
        source_commit=commits[0] if len(commits) == 1 else environ.get("GITHUB_SHA", ""),
        workflow_run=f"{page}/actions/runs/{run}" if repository and run else "",
        requested_by=environ.get("GITHUB_ACTOR") or environ.get("USER") or environ.get("LOGNAME") or "",
    )


def source(environ: Mapping[str, str], platform_url: str) -> str:
    """The URL of the repository that the images are built from: where the workflow runs that deploys them.

    Empty by hand, and in a workflow of the platform repository itself, which says nothing of where images come from.
    """
    name = environ.get("GITHUB_REPOSITORY", "")
    page = f"{environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{name}"
    return page if name and repository_name(page) != repository_name(platform_url) else ""
