"""Adds a site to the platform: its manifests, its sync file and the entry that lists it, in one commit."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bumper import onboarding
from bumper.app.account import account
from bumper.app.context import Context
from bumper.app.run import nodes_of
from bumper.app.tracker import Following
from bumper.app.wiring import Assembly
from bumper.commands import options
from bumper.deploy import image_gate
from bumper.deploy.commit.push import Landed, Proposal, land
from bumper.errors import ImageAmbiguous, ImageMissing, Outcome, Unreachable, UsageError
from bumper.image import ImageReference
from bumper.onboarding import NO_IMAGE_YET, Addition, Wish
from bumper.onboarding.message import of_addition
from bumper.progress import Journal
from bumper.publish.report import Report, SiteReport
from bumper.recording import Subject
from bumper.request import Deadlines, Request, Wanted
from bumper.retry import answered
from bumper.revision import Revision
from bumper.rollout import Verdict

if TYPE_CHECKING:
    from bumper.systems.git import Remote
    from bumper.systems.kube import Cluster
    from bumper.systems.registry import Registry

SUMMARY = "Adds a site in the hand of those that are there: its manifests, its sync file and the entry that lists it, in one commit."
_MOST_LISTED = 8


@dataclass(frozen=True)
class Plan(Proposal):
    """The commit that brings a site; `addition` says where its image stands."""

    addition: Addition


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The fixed command line of `bump new-site`."""
    parser.add_argument(
        "name", metavar="NAME", help="the site's name: of its namespace, its objects and its image"
    )
    what = parser.add_argument_group("the site")
    what.add_argument(
        "--host",
        action="append",
        default=[],
        required=True,
        metavar="HOST",
        help="a host it serves, repeatable",
    )
    what.add_argument(
        "--like",
        metavar="SITE",
        default="",
        help="the site to model it on; default: the one whose shape most sites share",
    )
    what.add_argument(
        "--plain", action="store_true", help="model it on no site: the plain form of the documentation"
    )
    image = parser.add_argument_group("the image")
    image.add_argument(
        "--image",
        metavar="REPOSITORY",
        default="",
        help="image repository; default: the model's registry and path, with the new name",
    )
    image.add_argument("--sha", help="commit that the image was built from, short or full")
    image.add_argument("--tag", help="any other tag; default: the only one in the registry, if there is one")
    options.add_image_wait(image)
    options.add_repository(parser)
    options.add_follow(parser)
    how = parser.add_argument_group("how far to go")
    how.add_argument("--dry-run", action="store_true", help="print the diff and write nothing")
    how.add_argument(
        "--pull-request", action="store_true", help="open a pull request on GitHub, and stop there"
    )
    how.add_argument("--no-wait", action="store_true", help="stop after the push")
    options.add_commit(parser)
    options.add_notes(how)
    options.add_output(parser)
    parser.set_defaults(kustomization="", container="", pin=False)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Adds the site, follows it to Ready, and returns the exit code of its outcome."""
    wish, wanted = _wish(arguments), _wanted(arguments)
    stops_early = arguments.no_wait or arguments.dry_run or arguments.pull_request
    with Assembly(arguments, context) as parts:
        following = Following(parts, is_wanted=not stops_early)
        terminal = parts.terminal(name_sites=len(following.clusters) > 1)
        journal = parts.journal(terminal)
        landed: Landed[Plan] | None = None
        try:
            repository = parts.repository()
            following.open(repository)
            making = _Making(arguments, context, repository, wish)
            first = answered(lambda: making.plan(ImageReference("")), parts.clock, arguments.push_timeout)
            # Chosen once: what is planned again on another tip shall be the same site.
            like = first.addition.like
            making = replace(making, wish=replace(wish, like=like, is_plain=not like))
            image = _image(wanted, first, parts, arguments, context, repository, following.clusters, journal)
            plan = making.plan(image)
            for notice in plan.addition.notices:
                journal.notice(f"{wish.name}: {notice}")
            if arguments.dry_run:
                return parts.finish(_ended(plan, None, _planned(plan), journal, diff=plan.diff()), terminal)
            if arguments.pull_request:
                return parts.finish(_ended(plan, None, _proposed(plan, parts, repository), journal), terminal)
            landed = land(
                plan,
                lambda: making.plan(image),
                parts.writer(repository, lambda words: journal.moving(wish.name, "commit", words)),
                arguments.branch,
                parts.clock,
                options.push_s(arguments),
                lambda _, tries: journal.moving(wish.name, "commit", pushing(arguments.branch, tries)),
            )
            plan, revision = landed.plan, landed.revision
            journal.done(wish.name, "commit", f"{revision.short}   {plan.addition.place}")
            if arguments.no_wait or image.tag == NO_IMAGE_YET:
                return parts.finish(_ended(plan, revision, _pushed(plan, revision), journal), terminal)
            subject = _subject(plan, revision, journal)
            followed = following.follow([subject], [plan.addition.target], repository, journal)
        except KeyboardInterrupt:
            return parts.interrupt(_standing(wish, landed, journal), terminal)
        return parts.finish(account([subject], followed, journal), terminal)


@dataclass(frozen=True)
class _Making:
    """Plans the site on the tip of the branch, whenever it is asked."""

    arguments: argparse.Namespace
    context: Context
    repository: "Remote"
    wish: Wish

    def plan(self, image: ImageReference) -> Plan:
        tip = self.repository.fetch(self.arguments.branch)
        tag = image.tag or NO_IMAGE_YET
        addition = onboarding.plan_addition(self.repository.tree(tip), self.wish, tag, image.digest)
        origin = options.origin(self.context.environ, ())
        written = image.with_tag(tag, image.digest) if image.repository else addition.target.image
        return Plan(tip, addition.files, of_addition(addition, written, origin), addition)


def _wish(arguments: argparse.Namespace) -> Wish:
    onboarding.require_name(arguments.name)
    hosts = tuple(arguments.host)
    onboarding.require_hosts(hosts)
    if arguments.like and arguments.plain:
        raise UsageError("--like and --plain exclude each other", hint="leave one of them out")
    image = ImageReference.parse(arguments.image) if arguments.image else None
    if arguments.image and (image is None or image.tag or image.digest):
        raise UsageError(
            f"--image {arguments.image}: no image repository; expected for example registry.example.org/{arguments.name}",
            hint="the tag goes into --tag or --sha",
        )
    return Wish(arguments.name, hosts, arguments.like, arguments.plain, arguments.image)


def _wanted(arguments: argparse.Namespace) -> Wanted | None:
    if arguments.sha and arguments.tag:
        raise UsageError("--sha and --tag exclude each other", hint="leave one of them out")
    if arguments.sha:
        return options.wanted_commit(arguments.name, arguments.sha)
    return options.wanted_tag(arguments.name, arguments.tag) if arguments.tag else None


def _image(
    wanted: Wanted | None,
    first: Plan,
    parts: Assembly,
    arguments: argparse.Namespace,
    context: Context,
    repository: "Remote",
    clusters: "Sequence[Cluster]",
    journal: Journal,
) -> ImageReference:
    """The image that the site begins with: the one asked for, the only one there is, or none yet."""
    target, name = first.addition.target, first.addition.wish.name
    registry = parts.registry()
    if wanted is None:
        tag = _only_tag(target.image, registry, journal, name)
        journal.begin(name, "new", tag or NO_IMAGE_YET)
        if not tag:
            return target.image.with_tag(NO_IMAGE_YET)
        wanted = Wanted(name, tag)
    else:
        journal.begin(name, "new", wanted.version)
    nodes = nodes_of([] if arguments.platform else clusters, journal)
    request = Request(
        (wanted,),
        arguments.branch,
        deadlines=Deadlines(arguments.wait_for_image, arguments.push_timeout, arguments.timeout),
        platforms=tuple(arguments.platform),
        source=options.source(context.environ, repository.url),
    )
    return image_gate.resolve(request, {name: target}, registry, parts.clock, journal, nodes)[name].image


def _only_tag(image: ImageReference, registry: "Registry", journal: Journal, name: str) -> str:
    """The only tag of the repository; empty, with a notice, where there is none or the registry cannot tell."""
    why = ""
    try:
        tags = registry.tags(image.with_tag("")).names
    except (ImageMissing, Unreachable) as error:
        tags, why = (), error.message
    if len(tags) > 1:
        listed = ", ".join(tags[:_MOST_LISTED]) + (" and more" if len(tags) > _MOST_LISTED else "")
        raise ImageAmbiguous(
            f"{image.repository}: {len(tags)} tags, expected one to begin with ({listed})",
            hint="name it: --tag TAG or --sha SHA",
        )
    if tags:
        return tags[0]
    journal.notice(
        f"{name}: no image yet: {NO_IMAGE_YET} is written for its tag, and no pod runs before "
        f"bump --site {name} --sha SHA brings the first image"
    )
    if why:
        journal.notice(f"{name}: its tags are not known: {why}")
    return ""


def pushing(branch: str, tries: int) -> str:
    """What is told of a try to push."""
    return f"pushing to {branch}" + (f", try {tries}: other pushes came first" if tries > 1 else "")


def _planned(plan: Plan) -> Verdict:
    return Verdict(Outcome.PLANNED, "DryRun", f"{_what(plan)} would be added; nothing was written")


def _pushed(plan: Plan, revision: Revision) -> Verdict:
    name = plan.addition.wish.name
    if plan.addition.target.image.tag == NO_IMAGE_YET:
        message = f"{_what(plan)} is on the branch as {revision.short}, without an image yet"
        return Verdict(
            Outcome.PUSHED,
            "NoImageYet",
            message,
            hint=f"bump --site {name} --sha SHA, once the image is pushed",
        )
    return Verdict(
        Outcome.PUSHED, "Pushed", f"{_what(plan)} is on the branch as {revision.short}; not followed"
    )


def _proposed(plan: Plan, parts: Assembly, repository: "Remote") -> Verdict:
    changes = {path: after for path, (_, after) in plan.files.items()}
    pulls = parts.pull_requests(repository)
    pull = pulls.propose(plan.tip, changes, plan.message, parts.arguments.branch)
    name = plan.addition.wish.name
    return Verdict(
        Outcome.PUSHED,
        "PullRequest",
        f"{_what(plan)} is proposed by {pull}: {pull.url}",
        hint=f"once it is merged: bump track --site {name}",
    )


def _what(plan: Plan) -> str:
    like = f", modelled on {plan.addition.like}" if plan.addition.like else ", in the plain form"
    return f"{plan.addition.target.site.path} ({len(plan.files)} files{like})"


def _subject(plan: Plan, revision: Revision, journal: Journal) -> Subject:
    addition = plan.addition
    target, name = addition.target, addition.wish.name
    desired = target.desired(revision)
    return Subject(
        desired=desired,
        previous=target.image.with_tag(""),
        place=addition.place,
        revision=revision,
        url=target.url,
        header=("new", target.image.tag),
        steps=journal.steps(name),
        since_s=journal.since(name),
    )


def _ended(
    plan: Plan, revision: Revision | None, verdict: Verdict, journal: Journal, diff: str = ""
) -> Report:
    addition = plan.addition
    image = addition.target.image
    site = SiteReport(
        site=addition.wish.name,
        previous=image.with_tag(""),
        image=image,
        place=addition.place,
        revision=revision,
        verdict=verdict,
        steps=journal.steps(addition.wish.name),
        url=addition.target.url,
    )
    return Report((site,), journal.seconds, tuple(journal.notices), diff)


def _standing(wish: Wish, landed: Landed[Plan] | None, journal: Journal) -> Sequence[str]:
    if landed:
        return [
            f"{wish.name} is on the branch as {landed.revision.short}",
            f"the cluster goes on by itself; to follow again: bump track --site {wish.name} --commit {landed.revision.sha}",
        ]
    if any(step.stage == "commit" for step in journal.steps(wish.name)):
        return [
            "a push was under way and may have arrived: look at the branch before running the same command again"
        ]
    return ["nothing was written"]
