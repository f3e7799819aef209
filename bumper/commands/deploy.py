"""The main job: one tag, one commit, followed until Ready or a verdict."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bumper import options, pipeline, report
from bumper.admission import Nodes
from bumper.assembly import Assembly
from bumper.commands import Context
from bumper.errors import BumpError, Outcome, UsageError
from bumper.follow import Followed, follow
from bumper.journal import Journal
from bumper.lineage import Lineage
from bumper.pipeline import Change, Landed, Plan
from bumper.platform import overrides
from bumper.recording import Subject
from bumper.report import Report, SiteReport
from bumper.request import Deadlines, Request, Wanted
from bumper.rollout import Desired, Moment, Verdict

if TYPE_CHECKING:
    from bumper.kube import Cluster

SUMMARY = "Changes a site's image tag in its GitOps repository, commits it, and follows Flux and the rollout until it is Ready."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The fixed command line of the main job."""
    what = parser.add_argument_group("what to deploy")
    what.add_argument("--site", help="the site, named like its Flux Kustomization")
    what.add_argument("--sha", help="commit that the image was built from, short or full")
    what.add_argument("--tag", help="any other tag")
    what.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SITE=SHA",
        help="several sites in one commit, repeatable",
    )
    options.add_repository(parser)
    options.add_choice(parser)
    options.add_image(parser)
    options.add_follow(parser)
    how = parser.add_argument_group("how far to go")
    how.add_argument(
        "--dry-run", action="store_true", help="print the diff and what would happen, write nothing"
    )
    how.add_argument("--no-wait", action="store_true", help="stop after the push")
    how.add_argument(
        "--push-timeout",
        type=options.duration,
        default=Deadlines.push_s,
        metavar="TIME",
        help="how long to try against other pushes (default: 2m)",
    )
    options.add_publish(parser)
    options.add_output(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Deploys, prints the report, and returns the exit code of its worst outcome."""
    request = _request(arguments, context)
    several = len(request.wanted) * max(1, len(arguments.context)) > 1
    with Assembly(arguments, context) as parts:
        # Clusters are opened first: a kubeconfig that cannot be used must be known before anything is written.
        clusters = [] if arguments.no_wait or arguments.dry_run else parts.clusters()
        recorder = parts.recorder() if clusters else None
        terminal = parts.terminal(name_sites=several)
        journal = parts.journal(terminal)
        landed: Landed | None = None
        try:
            repository = parts.repository()
            request = replace(request, source=options.source(context.environ, repository.url))
            nodes = _nodes([] if request.platforms else clusters, journal)
            plan, manifests = pipeline.prepare(
                request, repository, parts.registry(), parts.clock, journal, nodes
            )
            _tell_overrides(plan, journal)
            if arguments.dry_run:
                return parts.finish(_dry_run(plan, journal), terminal)
            landed = pipeline.land(request, plan, manifests, repository, repository, parts.clock, journal)
            if arguments.no_wait:
                followed = [_pushed(change, landed) for change in landed.plan.changes]
            else:
                desired = [_desired(change, landed) for change in landed.plan.changes]
                lineage = Lineage(repository, request.choice, parts.clock)
                timeout_s = request.deadlines.rollout_s
                if recorder:
                    subjects = [_subject(change, landed, journal) for change in landed.plan.changes]
                    recorder.begin(
                        [one.name for one in clusters],
                        timeout_s,
                        subjects,
                        started_s=journal.started,
                        notices=journal.notices,
                    )
                followed = follow(desired, clusters, lineage, parts.clock, timeout_s, journal, recorder)
                if recorder:
                    recorder.end()
        except KeyboardInterrupt:
            return parts.interrupt(_standing(request, landed, journal), terminal)
        return parts.finish(_report(landed, followed, journal), terminal)


def _nodes(clusters: Sequence["Cluster"], journal: Journal) -> Callable[[], list[Nodes]]:
    """What the clusters run on: asked for at once, waited for when it is called. What cannot be read is told, and known no better."""
    asked = {cluster.name: cluster.platforms() for cluster in clusters}

    def known() -> list[Nodes]:
        found = []
        for name, answer in asked.items():
            try:
                found.append(Nodes(name, answer.result()))
            except BumpError as error:
                journal.notice(
                    f"{name}: the nodes can't be read ({error.message}): not known whether the image can run there; "
                    "--platform says what must be there"
                )
        return found

    return known


def _request(arguments: argparse.Namespace, context: Context) -> Request:
    wanted = _wanted(arguments)
    choice = options.choice(arguments)
    if len(wanted) > 1 and (choice.image or choice.kustomization or choice.container):
        raise UsageError(
            "--image, --kustomization and --container speak of one site", hint="deploy the sites one by one"
        )
    if len({one.site for one in wanted}) < len(wanted):
        raise UsageError("--set names a site twice", hint="give each site one SHA")
    return Request(
        wanted=wanted,
        branch=arguments.branch,
        choice=choice,
        deadlines=Deadlines(arguments.wait_for_image, arguments.push_timeout, arguments.timeout),
        origin=options.origin(context.environ, wanted),
        platforms=tuple(arguments.platform),
        pin=arguments.pin,
    )


def _wanted(arguments: argparse.Namespace) -> tuple[Wanted, ...]:
    if arguments.set:
        if arguments.site or arguments.sha or arguments.tag:
            raise UsageError(
                "--set cannot be combined with --site, --sha or --tag",
                hint="give every site by --set SITE=SHA",
            )
        return tuple(_assignment(text) for text in arguments.set)
    if not arguments.site:
        raise UsageError("no site given", hint="name it: --site SITE --sha SHA, or several: --set SITE=SHA")
    if bool(arguments.sha) == bool(arguments.tag):
        raise UsageError(
            f"{arguments.site}: expected one of --sha and --tag",
            hint="--sha SHA of the built commit, or --tag TAG",
        )
    if arguments.sha:
        return (options.wanted_commit(arguments.site, arguments.sha),)
    return (options.wanted_tag(arguments.site, arguments.tag),)


def _assignment(text: str) -> Wanted:
    site, equals, sha = text.partition("=")
    if not (site and equals and sha):
        raise UsageError(f"--set {text}: expected SITE=SHA")
    return options.wanted_commit(site, sha)


def _desired(change: Change, landed: Landed) -> Desired:
    target = change.target
    return Desired(
        site=change.site,
        image=change.image,
        previous=target.image,
        revision=landed.revision if change.edits else None,
        kustomization=target.site.kustomization,
        source=target.site.source,
        workload=target.workload,
        container=target.container,
    )


def _subject(change: Change, landed: Landed, journal: Journal) -> Subject:
    return Subject(
        desired=_desired(change, landed),
        previous=change.target.image,
        place=change.place,
        revision=landed.revision,
        url=change.target.url,
        header=(change.target.image.tag, change.image.tag),
        is_written=bool(change.edits),
        steps=journal.steps(change.site),
        since_s=journal.since(change.site),
    )


def _tell_overrides(plan: Plan, journal: Journal) -> None:
    for change in plan.changes:
        before, _ = plan.files.get(change.target.field.path, (b"", b""))
        for notice in overrides.notices(change.target, before or b""):
            journal.notice(f"{change.site}: {notice}")


def _dry_run(plan: Plan, journal: Journal) -> Report:
    return Report(
        sites=tuple(_site(change, None, _planned(change), change.site, journal) for change in plan.changes),
        seconds=journal.seconds,
        notices=tuple(journal.notices),
        diff=plan.diff(),
    )


def _planned(change: Change) -> Verdict:
    if not change.edits:
        return Verdict(Outcome.UNCHANGED, "AlreadyThere", f"{change.place} already holds {change.image.tag}")
    return Verdict(
        Outcome.PLANNED, "DryRun", f"{change.place} would go to {change.image.tag}; nothing was written"
    )


def _pushed(change: Change, landed: Landed) -> Followed:
    if change.edits:
        verdict = Verdict(
            Outcome.PUSHED,
            "Pushed",
            f"{change.image.tag} is on the branch as {landed.revision.short}; not followed",
        )
    else:
        verdict = _planned(change)
    return Followed(change.site, "", change.site, verdict)


def _report(landed: Landed, followed: list[Followed], journal: Journal) -> Report:
    changes = {change.site: change for change in landed.plan.changes}
    sites = [
        _site(
            changes[one.site],
            landed,
            report.unless_unchanged(
                one.verdict, changes[one.site].image, is_written=bool(changes[one.site].edits)
            ),
            one.label,
            journal,
            one.timeline,
        )
        for one in followed
    ]
    return Report(tuple(sites), journal.seconds, tuple(journal.notices))


def _site(
    change: Change,
    landed: Landed | None,
    verdict: Verdict,
    label: str,
    journal: Journal,
    timeline: tuple[Moment, ...] = (),
) -> SiteReport:
    steps = journal.steps(change.site) + (journal.steps(label) if label != change.site else ())
    is_written = landed is not None and bool(change.edits)
    return SiteReport(
        site=label,
        previous=change.target.image,
        image=change.image,
        place=change.place,
        revision=landed.revision if landed else None,
        verdict=verdict,
        steps=steps,
        url=change.target.url,
        timeline=report.whole_timeline(steps, timeline, is_written=is_written),
    )


def _standing(request: Request, landed: Landed | None, journal: Journal) -> list[str]:
    """Where each site stands, for whoever interrupted."""
    if landed is None:
        pushing = any(
            step.stage == "commit" for wanted in request.wanted for step in journal.steps(wanted.site)
        )
        if pushing:
            return ["a push was under way and may have arrived: running the same command again is harmless"]
        return ["nothing was written"]
    lines = []
    for change in landed.plan.changes:
        last = journal.steps(change.site)[-1:]
        at = f", {last[0].stage}: {last[0].detail}" if last else ""
        lines.append(f"{change.site}: {change.image.tag} is on the branch as {landed.revision.short}{at}")
        lines.append(
            f"the cluster goes on by itself; to follow again: bump track --site {change.site} --commit {landed.revision.sha}"
        )
    return lines
