"""Command-line options that several commands share, what their texts mean, and the settings that they come to."""

import argparse
import os
import re
from collections.abc import Callable, Sequence
from shlex import quote
from typing import Any, TypeVar

from bumper.address import service_of
from bumper.app.settings import (
    ChannelName,
    CommitSettings,
    CommitVia,
    FollowSettings,
    FollowVia,
    OutputSettings,
    PublishSettings,
    RepositorySettings,
    RunSettings,
    TokenServiceSettings,
)
from bumper.dataclasses import replace
from bumper.deploy.image_policy import is_platform
from bumper.errors import UsageError
from bumper.history.wording import SIGN_OFF, SKIP_CI, Trailer, Wording, template
from bumper.image import is_tag
from bumper.ports.site import Expectation, Resolution
from bumper.request import Choice, Deadlines, FieldPath, Origin, Request, Wanted, days_of, seconds_of

T = TypeVar("T")
# What stands in an argument for bytes that are none of the locale's letters (PEP 383).
_UNDECODED = "[\udc80-\udcff]"
_LONGEST_S = 9999 * 7 * 86_400.0  # as far as days and weeks are read
_PLAN_HASH = "[0-9a-f]{12,64}"
_SHA = r"[0-9a-f]{7,40}"
_IDENTITY = "[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
# How several sites that options would have to tell apart come into one commit.
IN_ONE_COMMIT = (
    "for all of one site in one commit: --site SITE --sha SHA --kustomization A --kustomization B; or "
    "give each a name (bump adopt NAME --kustomization FILE --image REPOSITORY), then --set NAME=SHA for each"
)
CHANNELS = tuple(channel.value for channel in ChannelName)


def duration(text: str) -> float:
    """Seconds in `90`, `90s`, `10m`, `1h30m`."""
    seconds = seconds_of(text)
    if seconds is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; expected for example 90s, 10m or 1h30m")
    if seconds > _LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text!r} is too long; expected for example 90s, 10m or 1h30m")
    return seconds


def long_duration(text: str) -> float:
    """Seconds in `2h`, and in `1d` and `2w`: less than a calendar has."""
    days = days_of(text)
    seconds = days * 86400.0 if days is not None else duration(text)
    if seconds > _LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text!r} is too long; expected for example 2h, 7d or 2w")
    return seconds


def count(text: str) -> int:
    """How many of something: 0 or more."""
    # Two options need it.
    from bumper.ports.shape import whole_number

    number = whole_number(text)
    if number is None or number < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number; expected 0 or more")
    return number


def sentence(text: str) -> str:
    """The text as it was typed, in UTF-8, also where the locale knows ASCII alone (`LC_ALL=POSIX` without Python's UTF-8 mode)."""
    typed = os.fsencode(text)
    try:
        return typed.decode("utf-8")
    except UnicodeDecodeError:
        if not re.search(_UNDECODED, text):
            # Typed in another encoding, which the locale knows.
            return text
        raise argparse.ArgumentTypeError(
            f"{text!r} is no text in UTF-8 or in the locale's encoding"
        ) from None


def add_reason(group: "argparse._ActionsContainer", why: str) -> None:
    """Why it is done; stands in the commit."""
    group.add_argument("--reason", type=sentence, metavar="TEXT", default="", help=why)


def platforms(text: str) -> list[str]:
    """The platforms in `linux/amd64,linux/arm64/v8`."""
    names = [name.strip().lower() for name in text.split(",")]
    for name in names:
        if not is_platform(name):
            raise argparse.ArgumentTypeError(
                f"{name!r} is no platform; expected for example linux/amd64 or linux/arm/v7"
            )
    return names


def add_site(
    group: "argparse._ActionsContainer",
    *,
    site: str = "the site, named like its Flux Kustomization",
    bare: str = "the same without --site",
    metavar: str = "SITE",
    **settings: Any,
) -> None:
    """One site, as an option and by position."""
    group.add_argument("--site", default="", metavar=metavar, help=site, **settings)
    group.add_argument("bare_site", nargs="?", default="", metavar=metavar, help=bare, **settings)


def add_sites(group: "argparse._ActionsContainer", site: str) -> None:
    """Sites, as an option and by position."""
    group.add_argument("--site", action="append", default=[], metavar="SITE", help=site)
    group.add_argument(
        "bare_site", nargs="*", default=[], metavar="SITE", help="the same without --site, repeatable"
    )


def add_repository(parser: argparse.ArgumentParser, *, own_branch_by: str = "") -> None:
    """Where the manifests are. `own_branch_by` is the option with which the branch of a checkout itself is read, if there is one."""
    own_branch = f"; with {own_branch_by} its own branch is read" if own_branch_by else ""
    group = parser.add_argument_group("platform repository")
    group.add_argument(
        "--repo",
        metavar="URL|DIR",
        help="the GitOps repository, with a token by https; default: $BUMP_REPO, else the origin of the checkout we stand in."
        f" A checkout stands for its origin{own_branch}",
    )
    group.add_argument("--branch", default="main", help="the branch that Flux follows (default: %(default)s)")
    group.add_argument(
        "--token-service",
        type=read_by(service_of),
        metavar="HOST",
        help="in a workflow with id-token: write, take the token for the repository from this service, which speaks octo-sts's "
        "protocol: nothing is stored",
    )
    group.add_argument(
        "--token-identity",
        type=identity,
        metavar="NAME",
        help="with --token-service: the trust policy .github/chainguard/NAME.sts.yaml of the repository, which bump setup writes "
        f"(default: {TokenServiceSettings.identity})",
    )


def identity(text: str) -> str:
    """The name of a trust policy, which is one of a file."""
    if not re.fullmatch(_IDENTITY, text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no identity; expected letters, digits, '-', '_' and '.'"
        )
    return text


def _token_service(arguments: argparse.Namespace) -> TokenServiceSettings | None:
    url, name = arguments.token_service, arguments.token_identity
    if name and not url:
        raise UsageError(
            "--token-identity names the trust policy that a token service finds, and there is none",
            hint="name its host, too: --token-service HOST",
        )
    return TokenServiceSettings(url, name or TokenServiceSettings.identity) if url else None


def read_by(read: Callable[[str], T]) -> Callable[[str], T]:
    """The same for argparse, of what raises ValueError for a text that it can't read."""

    def converted(text: str) -> T:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return converted


def add_kustomizations(group: "argparse._ActionsContainer", what: str) -> None:
    """Flux Kustomizations, one or several."""
    group.add_argument("--kustomization", metavar="NAME", action="append", default=[], help=what)


def kustomizations(arguments: argparse.Namespace) -> tuple[str, ...]:
    """The options of `add_kustomizations`, each once; UsageError for an empty one, which an unset variable makes."""
    names = tuple(dict.fromkeys(arguments.kustomization))
    if "" in names:
        raise UsageError("--kustomization is empty", hint="name a Flux Kustomization, or leave it out")
    return names


def add_choice(parser: argparse.ArgumentParser) -> None:
    """Where convention leaves a choice."""
    group = parser.add_argument_group("where convention leaves a choice")
    add_image_choice(group)
    add_kustomizations(
        group,
        "Flux Kustomization of the site, as name, namespace/name, FILE, FILE:LINE or FILE#namespace/name, repeatable for a site of "
        "several clusters; default: the one named like the site, or that says so (bump adopt)",
    )
    group.add_argument(
        "--container",
        metavar="NAME",
        action="append",
        default=[],
        help="move the image in this container alone, repeatable; default: wherever it has the same tag",
    )
    group.add_argument(
        "--field",
        metavar="PATH",
        default="",
        help="the field of an object that holds the image, or its tag, where no table knows it: Kind/name:spec.web[0].image",
    )
    group.add_argument(
        "--path",
        metavar="DIR",
        default="",
        help="the directory of this repository that the Kustomization builds, where its source is pushed from here (an OCI artifact), "
        "or no file holds the Kustomization; default: what its annotation bump/path says, or the cluster",
    )


def add_image_choice(group: "argparse._ActionsContainer") -> None:
    """Which image is meant."""
    group.add_argument(
        "--image",
        metavar="REPOSITORY",
        default="",
        help="image repository to look for, or its end; default: what git says (bump adopt), else the one that ends with the "
        "site's name",
    )


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
        help=f"kubeconfig context to {verb}, repeatable; default: $BUMP_CONTEXT, else the current one, "
        "or in-cluster where there is no kubeconfig",
    )


def add_follow(parser: argparse.ArgumentParser) -> None:
    """Which clusters are followed, and for how long."""
    group = parser.add_argument_group("following the rollout")
    group.add_argument(
        "--follow",
        choices=[via.value for via in FollowVia],
        default=FollowVia.KUBERNETES.value,
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


def add_serving(parser: argparse.ArgumentParser) -> None:
    """What the site is asked once it is Ready."""
    group = parser.add_argument_group("asking the site itself")
    add_serves(
        group,
        "after Ready ask the site itself until it answers with this build; default: what git says (bump adopt --serves)",
    )
    group.add_argument(
        "--resolve",
        type=resolution,
        action="append",
        default=[],
        metavar="HOST:PORT:ADDRESS",
        help="ask HOST at this address, not where DNS says, as curl does; repeatable. The only way to a private address",
    )


def add_serves(group: "argparse._ActionsContainer", why: str) -> None:
    """How an answer proves its build."""
    group.add_argument(
        "--serves",
        type=read_by(Expectation.parse),
        metavar="SPEC",
        help=f"{why}. SPEC: [URL|/PATH] header=NAME, json=PATH, text=TEXT or sha, then is=TEXT, times=N, grace=TIME",
    )


def resolution(text: str) -> Resolution:
    """What `--resolve` says."""
    try:
        return Resolution.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None


def add_commit(parser: argparse.ArgumentParser) -> None:
    """How the commit comes on the branch."""
    group = parser.add_argument_group("the commit")
    group.add_argument(
        "--commit-via",
        choices=[via.value for via in CommitVia],
        default=CommitVia.GIT.value,
        help="git: push it; api: GitHub makes and signs it; pr: by a pull request, followed to its merge (default: git)",
    )
    group.add_argument(
        "--merge-timeout",
        type=duration,
        default=CommitSettings.merge_timeout_s,
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
    _add_wording(group)


def add_way(group: "argparse._ActionsContainer") -> None:
    """The way of a commit, for whoever makes none."""
    group.add_argument(
        "--commit-via",
        choices=[via.value for via in CommitVia],
        default=CommitVia.GIT.value,
        help="the way that commits take, by which the rules of the branch are weighed (default: %(default)s)",
    )


def _add_wording(group: "argparse._ActionsContainer") -> None:
    group.add_argument(
        "--message",
        type=subject,
        default=Wording.subject,
        metavar="TEMPLATE",
        help="the subject of the commit: {subject} is bump's own (Deploy web abc1234), {change} the same with a small letter, "
        "{site} the site; such as 'chore({site}): {change}'",
    )
    group.add_argument(
        "--trailer",
        type=trailer,
        action="append",
        default=[],
        metavar="'KEY: VALUE'",
        help="a line at the end of the commit's message, repeatable; those that bump reads back are its own",
    )
    group.add_argument("--signoff", action="store_true", help="add Signed-off-by with the commit's author")
    group.add_argument(
        "--skip-ci",
        action="store_true",
        help="add [skip ci] to the subject: where sites and platform share a repository, the commit starts no build",
    )


def subject(text: str) -> str:
    """What `--message` says."""
    try:
        return template(sentence(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from None


def trailer(text: str) -> Trailer:
    """What `--trailer` says."""
    try:
        return Trailer.parse(sentence(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from None


def add_override(parser: argparse.ArgumentParser) -> None:
    """Going over what a guard refuses. A reason may be given without that, too."""
    group = parser.add_argument_group("against a guard")
    group.add_argument(
        "--force",
        action="store_true",
        help="deploy what is older than what runs, to a site that is held or frozen, or where a site that was not named, or a "
        "template that Kubernetes keeps as it is, changes too; needs --reason",
    )
    add_reason(group, "why, for those who read the commit and the history")


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


def channels(text: str) -> list[str]:
    """The channels in `comment,summary,deployment,status`."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in CHANNELS:
            raise argparse.ArgumentTypeError(f"{name!r} is no channel; expected one of {', '.join(CHANNELS)}")
    return names


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


def add_extent(parser: argparse.ArgumentParser) -> "argparse._ArgumentGroup":
    """How far to go: `--dry-run`, `--no-wait`."""
    group = parser.add_argument_group("how far to go")
    group.add_argument("--dry-run", action="store_true", help="print the diff and the plan, write nothing")
    group.add_argument("--no-wait", action="store_true", help="stop after the push")
    return group


def add_tag_change(parser: argparse.ArgumentParser, *, returns: bool) -> None:
    """What `tag_change` reads, and `add_expectation`; with `returns` what is done about a failure, too."""
    add_commit(parser)
    add_follow(parser)
    add_serving(parser)
    how = add_extent(parser)
    if returns:
        add_auto_rollback(how)
    add_expectation(how)
    add_notes(how)
    add_publish(parser)
    add_output(parser)


def add_proposed_extent(parser: argparse.ArgumentParser) -> None:
    """How far a commit goes that people may read first: `--pull-request`, `--dry-run`."""
    group = parser.add_argument_group("how far to go")
    group.add_argument("--pull-request", action="store_true", help="open a pull request and leave it at that")
    group.add_argument("--dry-run", action="store_true", help="print the diff, write nothing")


def add_auto_rollback(group: "argparse._ActionsContainer") -> None:
    """What is done about a failure."""
    group.add_argument(
        "--auto-rollback",
        action="store_true",
        help="where the rollout fails, go back to the last version that was Ready, once",
    )


def auto_rollback(arguments: argparse.Namespace) -> bool:
    """The option of `add_auto_rollback`; UsageError where nobody waits for the verdict."""
    if arguments.auto_rollback and arguments.no_wait:
        raise UsageError(
            "--auto-rollback waits for the verdict, and --no-wait does not", hint="leave one out"
        )
    return bool(arguments.auto_rollback)


def add_expectation(group: "argparse._ActionsContainer") -> None:
    """What somebody agreed to."""
    group.add_argument(
        "--expect-plan",
        metavar="HASH",
        help="push only the plan with this hash, which --dry-run prints; else refuse, with the difference",
    )


def add_notes(group: "argparse._ActionsContainer") -> None:
    """Whether the outcome is kept."""
    group.add_argument(
        "--no-notes",
        action="store_true",
        help="don't note the outcome in refs/notes/bump-sites, where bump history finds it",
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """What is printed."""
    parser.add_argument(
        "--output",
        choices=("text", "json"),
        default="text",
        help="json: one object on stdout, progress on stderr (default: text)",
    )


def site(arguments: argparse.Namespace) -> str:
    """The site of `add_site`, empty for none; UsageError where its two forms name different ones."""
    return next(iter(_in_one_form([arguments.site], [arguments.bare_site])), "")


def sites(arguments: argparse.Namespace) -> tuple[str, ...]:
    """The sites of `add_sites`, each once; UsageError where its two forms name different ones."""
    return _in_one_form(arguments.site, arguments.bare_site)


def require_site(arguments: argparse.Namespace) -> str:
    """The site of `add_site`; UsageError without one."""
    if not (name := site(arguments)):
        raise UsageError("no site given", hint="name it: --site SITE")
    return name


def _in_one_form(by_option: Sequence[str], bare: Sequence[str]) -> tuple[str, ...]:
    names, bare_names = (tuple(dict.fromkeys(filter(None, form))) for form in (by_option, bare))
    if names and bare_names and set(names) != set(bare_names):
        # Which of them is meant can't be told: a bare word may as well be the rest of a text without quotes.
        raise UsageError(
            f"--site names {', '.join(names)}, and without --site stands {', '.join(bare_names)}",
            hint="name the site in one of the two ways; a text of several words needs quotes",
        )
    return names or bare_names


def choice(arguments: argparse.Namespace) -> Choice:
    """The options of `add_choice`; of several Kustomizations none: they are told apart site by site (`kustomizations`)."""
    names = kustomizations(arguments)
    if arguments.path and len(names) > 1:
        raise UsageError(
            "--path speaks of one Kustomization", hint="write it into git: bump adopt SITE --path DIR"
        )
    containers = tuple(dict.fromkeys(arguments.container))
    kustomization = names[0] if len(names) == 1 else ""
    return Choice(arguments.image, kustomization, containers, field(arguments), arguments.path)


def field(arguments: argparse.Namespace) -> FieldPath | None:
    """What `--field` says, None for nothing; UsageError for what is no path."""
    path = FieldPath.parse(arguments.field) if arguments.field else None
    if arguments.field and path is None:
        raise UsageError(
            f"--field {arguments.field!r} is no path, expected keys and indexes of a field, as spec.web[0].image",
            hint="write it from the root of the object; before it may stand which one: --field Kind/name:spec.image",
        )
    return path


def in_each(wanted: Wanted, names: Sequence[str]) -> tuple[Wanted, ...]:
    """The site in each of several Kustomizations, or by its name alone where it is in one."""
    return tuple(replace(wanted, kustomization=name) for name in names) if len(names) > 1 else (wanted,)


def wanted_commit(site: str, sha: str, option: str = "--sha") -> Wanted:
    """A site at the image of a commit: a short SHA is its tag, for a full one the registry is asked. `option` is what gave it."""
    if not re.fullmatch(_SHA, sha):
        alone = "" if option == "--sha" else f", in a run of its own: {site} --tag TAG"
        raise UsageError(
            f"{option}: {sha!r} is no commit; expected 7 to 40 digits 0-9a-f",
            hint=f"for a tag that is no commit use --tag{alone}",
        )
    return Wanted(site, sha, is_commit=True)


def expected_plan(arguments: argparse.Namespace) -> str:
    """The hash of `--expect-plan`, or the first digits of one, empty if none was given.

    `UsageError` for anything else: for a text that is empty, too, as that of a variable which is not set.
    """
    if arguments.expect_plan is None:
        return ""
    digits: str = arguments.expect_plan.strip().lower().removeprefix("sha256:")
    if not re.fullmatch(_PLAN_HASH, digits):
        raise UsageError(
            f"--expect-plan: {arguments.expect_plan!r} is no hash of a plan; expected 12 to 64 digits 0-9a-f",
            hint="--dry-run prints it, and --output json has it in plan.hash",
        )
    return digits


def wanted_tag(site: str, tag: str, option: str = "--tag") -> Wanted:
    """A site at a tag, taken as it is."""
    if not is_tag(tag):
        raise UsageError(
            f"{option}: {tag!r} is no image tag; expected up to 128 letters, digits, '_', '.' or '-', not beginning with '.' or '-'"
        )
    return Wanted(site, tag)


def repository(arguments: argparse.Namespace, *, reads_directory: bool = False) -> RepositorySettings:
    """The options of `add_repository`. With `reads_directory` a directory is read itself, not its origin."""
    return RepositorySettings(
        arguments.repo or "", arguments.branch, reads_directory, _token_service(arguments)
    )


def is_read(arguments: argparse.Namespace) -> bool:
    """Whether a dry run was given a directory: what stands there is what is asked about."""
    return bool(arguments.dry_run and arguments.repo)


def commit(arguments: argparse.Namespace) -> CommitSettings:
    """The options of `add_commit`; UsageError for words that its way does not take."""
    via = (
        CommitVia.PULL_REQUEST
        if getattr(arguments, "pull_request", False)
        else CommitVia(arguments.commit_via)
    )
    return CommitSettings(
        via, float(arguments.push_timeout), float(arguments.merge_timeout), _wording(arguments, via)
    )


def _wording(arguments: argparse.Namespace, via: CommitVia) -> Wording:
    wording = Wording(arguments.message, tuple(arguments.trailer), arguments.signoff, arguments.skip_ci)
    if wording.signs_off and via is not CommitVia.GIT:
        raise UsageError(
            "--signoff: GitHub makes this commit, and names its author itself",
            hint=f"--trailer '{SIGN_OFF}: NAME <EMAIL>' says who signs it off; or --commit-via git",
        )
    if via is CommitVia.PULL_REQUEST and wording.keeps_ci_away:
        raise UsageError(
            f"{SKIP_CI} keeps the checks of a pull request from running, and it waits for them for ever",
            hint="leave it out: paths-ignore in the workflow keeps deploys from starting builds",
        )
    return wording


def follow(arguments: argparse.Namespace, *, is_wanted: bool = True) -> FollowSettings:
    """The options of `add_follow`; UsageError for what only a cluster could do, where none is asked."""
    via, contexts = FollowVia(arguments.follow), tuple(arguments.context)
    if via is FollowVia.GITHUB and (contexts or arguments.record):
        raise UsageError(
            "--context and --record speak of a cluster, and --follow github asks none",
            hint="leave them out, or follow the cluster",
        )
    return FollowSettings(
        is_wanted,
        via,
        contexts,
        arguments.timeout,
        arguments.record or "",
        can_stop_early=hasattr(arguments, "no_wait"),
    )


def serving(arguments: argparse.Namespace, follow: FollowSettings) -> FollowSettings:
    """The same with the options of `add_serving`; UsageError where nobody waits for what they ask."""
    if arguments.serves and getattr(arguments, "no_wait", False):
        raise UsageError(
            "--serves asks the site after the rollout, and --no-wait does not wait for that",
            hint="leave one out",
        )
    return replace(follow, serves=arguments.serves, resolve=tuple(arguments.resolve))


def is_json(arguments: argparse.Namespace) -> bool:
    """The option of `add_output`."""
    return bool(arguments.output == "json")


def publish(
    arguments: argparse.Namespace, wanted: Sequence[Wanted] = (), *, writes: bool = True, follows: bool = True
) -> PublishSettings:
    """The options of `add_publish`, and what the channels are to know of the run; `wanted` names a version for each site."""
    contexts = tuple(arguments.context)
    return PublishSettings(
        channels=tuple(arguments.publish),
        asked=tuple((site.site, site.version) for site in wanted),
        clusters=contexts if len(contexts) > 1 else (),
        writes=writes,
        follows=follows,
    )


def place(arguments: argparse.Namespace) -> str:
    """The options that a command needs which is pasted elsewhere: those of `add_repository` and `add_contexts` that were given."""
    branch = "" if arguments.branch == "main" else arguments.branch
    contexts = [("--context", name) for name in vars(arguments).get("context", [])]
    named = [("--repo", arguments.repo), ("--branch", branch), *contexts]
    return "".join(f" {option} {quote(value)}" for option, value in named if value)


def tag_request(
    arguments: argparse.Namespace,
    run_settings: RunSettings,
    asked: Sequence[Wanted],
    choice: Choice,
    origin: Origin,
) -> Request:
    """What deploy and promote ask for: the image that is waited for, the plan that was agreed to, and by force or not."""
    return Request(
        wanted=tuple(asked),
        branch=arguments.branch,
        choice=choice,
        deadlines=Deadlines(arguments.wait_for_image, run_settings.commit.push_s, arguments.timeout),
        origin=origin,
        reason=require_reason(arguments),
        platforms=tuple(arguments.platform),
        pin=arguments.pin,
        force=arguments.force,
        expected_plan=expected_plan(arguments),
    )


def tag_change(arguments: argparse.Namespace, wanted: Sequence[Wanted] = ()) -> RunSettings:
    """What deploy and rollback share: the commit, who is followed, and who is told of it."""
    stops_early = arguments.no_wait or arguments.dry_run
    hears = publish(arguments, wanted, writes=not arguments.dry_run, follows=not arguments.no_wait)
    return RunSettings(
        # A rollback needs the outcomes of deploys, which a checkout seldom has.
        repository=repository(arguments, reads_directory=is_read(arguments) and bool(wanted)),
        commit=commit(arguments),
        follow=serving(arguments, follow(arguments, is_wanted=not stops_early)),
        output=OutputSettings(
            is_json(arguments),
            hears,
            keeps_notes=not (arguments.no_notes or stops_early),
            place=place(arguments),
        ),
        dry_run=arguments.dry_run,
    )


def plain_commit(arguments: argparse.Namespace) -> RunSettings:
    """What commands share that only commit: nothing is followed, and nobody is told but the terminal."""
    return RunSettings(
        repository=repository(arguments, reads_directory=is_read(arguments)),
        commit=commit(arguments),
        follow=FollowSettings(is_wanted=False),
        output=OutputSettings(is_json(arguments), place=place(arguments)),
        dry_run=arguments.dry_run,
    )
