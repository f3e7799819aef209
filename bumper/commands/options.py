"""Command-line options that several commands share, and what their texts mean."""

import argparse
import re
from collections.abc import Mapping

from bumper.deploy.image_policy import is_platform
from bumper.errors import UsageError
from bumper.image import is_tag
from bumper.repository_url import repository_name
from bumper.request import Choice, Deadlines, Origin, Wanted

BY_GIT, BY_API, BY_PULL = "git", "api", "pr"
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")
_SHA = re.compile(r"[0-9a-f]{7,40}")
FULL_SHA_DIGITS = 40
# Who is asked how a rollout goes.
KUBERNETES, GITHUB = "kubernetes", "github"
CHANNELS = ("comment", "summary", "deployment", "status")


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
        help="the GitOps repository, with a token by https; default: the origin of the checkout we stand in",
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
    add_image_wait(group)
    group.add_argument("--pin", action="store_true", help="write the digest beside the tag")


def add_image_wait(group: "argparse._ActionsContainer") -> None:
    """How long an image is waited for, and what it must be there for."""
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
    group.add_argument(
        "--follow",
        choices=(KUBERNETES, GITHUB),
        default=KUBERNETES,
        help="who is asked: the cluster, or without access to it the commit statuses that Flux posts on GitHub (default: %(default)s)",
    )
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


def add_commit(parser: argparse.ArgumentParser) -> None:
    """How the commit comes on the branch."""
    group = parser.add_argument_group("the commit")
    group.add_argument(
        "--commit-via",
        choices=(BY_GIT, BY_API, BY_PULL),
        default=BY_GIT,
        help="git: push it; api: GitHub makes and signs it; pr: by a pull request, followed to its merge (default: git)",
    )
    group.add_argument(
        "--merge-timeout",
        type=duration,
        default=30 * 60.0,
        metavar="TIME",
        help="how long the pull request may take to be merged (default: 30m)",
    )
    group.add_argument(
        "--push-timeout",
        type=duration,
        default=Deadlines.push_s,
        metavar="TIME",
        help="how long to try against other pushes (default: 2m)",
    )


def push_s(arguments: argparse.Namespace) -> float:
    """How long the commit may take to come on the branch: by a pull request also as long as that may take."""
    waits = arguments.merge_timeout if arguments.commit_via == BY_PULL else 0.0
    return float(arguments.push_timeout + waits)


def add_override(parser: argparse.ArgumentParser) -> None:
    """Going over what a guard refuses. A reason may be given without that, too."""
    group = parser.add_argument_group("against a guard")
    group.add_argument(
        "--force",
        action="store_true",
        help="deploy what is older than what runs, or a site that is held; needs --reason",
    )
    group.add_argument(
        "--reason", metavar="TEXT", default="", help="why, for those who read the commit and the history"
    )


def require_reason(arguments: argparse.Namespace) -> str:
    """The reason, empty if none was given; `UsageError` for `--force` without one."""
    reason = " ".join(arguments.reason.split())
    if arguments.force and not reason:
        raise UsageError(
            "--force needs a reason", hint="say why: --force --reason TEXT; it is written into the commit"
        )
    return reason


def add_source(parser: argparse.ArgumentParser) -> None:
    """Where the order of two commits can be looked up."""
    parser.add_argument(
        "--source",
        metavar="DIR",
        help="checkout of the repository that the image is built from, to tell which of two commits is newer; "
        "default: the checkout we stand in, unless that is the platform's",
    )


def listens(arguments: argparse.Namespace) -> bool:
    """Whether the run follows commit statuses instead of a cluster; UsageError for what only a cluster could do."""
    if arguments.follow == GITHUB and (arguments.context or arguments.record):
        raise UsageError(
            "--context and --record speak of a cluster, and --follow github asks none",
            hint="leave them out, or follow the cluster",
        )
    return bool(arguments.follow == GITHUB)


def channels(text: str) -> list[str]:
    """The channels in `comment,summary,deployment,status`."""
    found = [part.strip() for part in text.split(",")]
    for one in found:
        if one not in CHANNELS:
            raise argparse.ArgumentTypeError(f"{one!r} is no channel; expected one of {', '.join(CHANNELS)}")
    return found


def asked(arguments: argparse.Namespace) -> tuple[tuple[str, str], ...]:
    """The sites that a version was asked for, each with it."""
    given = vars(arguments)
    site, version = given.get("site"), given.get("sha") or given.get("tag")
    several = [text.partition("=") for text in given.get("set") or ()]
    pairs = [(site, version), *((name, version) for name, _, version in several)]
    return tuple((str(name), str(version)) for name, version in pairs if name and version)


def add_publish(parser: argparse.ArgumentParser) -> None:
    """Who hears of it besides the terminal."""
    parser.add_argument(
        "--publish",
        type=channels,
        action="extend",
        default=[],
        metavar="CHANNEL",
        help="in a workflow: comment on the pull request, summary of the job, GitHub deployment and commit status of each site; "
        "repeatable or separated by commas",
    )


def add_notes(group: "argparse._ActionsContainer") -> None:
    """Whether the outcome is kept."""
    group.add_argument(
        "--no-notes",
        action="store_true",
        help="don't write the outcome to refs/notes/bump, where bump history finds it",
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


def wanted_tag(site: str, tag: str, option: str = "--tag") -> Wanted:
    """A site at a tag, taken as it is."""
    if not is_tag(tag):
        raise UsageError(
            f"{option}: {tag!r} is no image tag; expected up to 128 letters, digits, '_', '.' or '-', not beginning with '.' or '-'"
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


def source_repository(environ: Mapping[str, str], platform_url: str) -> str:
    """`owner/name` of that repository: the one that BUMP_SOURCE_REPOSITORY names, or the workflow's, by the rule of `source`."""
    here = environ.get("GITHUB_REPOSITORY", "") if source(environ, platform_url) else ""
    return environ.get("BUMP_SOURCE_REPOSITORY") or here
