"""The main job: one tag, one commit, followed until Ready or a verdict."""

import argparse
from dataclasses import replace

from bumper import options, pipeline
from bumper.assembly import Assembly
from bumper.commands import Context
from bumper.errors import Outcome, UsageError
from bumper.follow import Followed, Lineage, follow
from bumper.journal import Journal
from bumper.pipeline import Change, Deadlines, Landed, Plan, Request, Wanted
from bumper.report import Report, SiteReport
from bumper.rollout import Desired, Verdict

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
    options.add_follow(parser)
    how = parser.add_argument_group("how far to go")
    how.add_argument(
        "--dry-run", action="store_true", help="print the diff and what would happen, write nothing"
    )
    how.add_argument("--no-wait", action="store_true", help="stop after the push")
    how.add_argument(
        "--wait-for-image",
        type=options.duration,
        default=Deadlines.image_s,
        metavar="TIME",
        help="how long to wait for an image that is not in the registry yet (default: 20s)",
    )
    how.add_argument(
        "--push-timeout",
        type=options.duration,
        default=Deadlines.push_s,
        metavar="TIME",
        help="how long to try against other pushes (default: 2m)",
    )
    options.add_output(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Deploys, prints the report, and returns the exit code of its worst outcome."""
    request = _request(arguments, context)
    several = len(request.wanted) * max(1, len(arguments.context)) > 1
    with Assembly(arguments, context) as parts:
        # Clusters are opened first: a kubeconfig that cannot be used must be known before anything is written.
        clusters = [] if arguments.no_wait or arguments.dry_run else parts.clusters()
        terminal = parts.terminal(name_sites=several)
        journal = parts.journal(terminal)
        landed: Landed | None = None
        try:
            repository = parts.repository()
            plan, manifests = pipeline.prepare(request, repository, parts.registry(), parts.clock, journal)
            if arguments.dry_run:
                return parts.finish(_dry_run(plan, journal), terminal)
            landed = pipeline.land(request, plan, manifests, repository, parts.clock, journal)
            if arguments.no_wait:
                followed = [_pushed(change, landed) for change in landed.plan.changes]
            else:
                desired = [_desired(change, landed) for change in landed.plan.changes]
                lineage = Lineage(repository, request.choice, parts.clock)
                followed = follow(
                    desired, clusters, lineage, parts.clock, request.deadlines.rollout_s, journal
                )
        except KeyboardInterrupt:
            return parts.interrupt(_standing(request, landed, journal), terminal)
        return parts.finish(_report(landed, followed, journal), terminal)


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
            changes[one.site], landed, _unless_unchanged(changes[one.site], one.verdict), one.label, journal
        )
        for one in followed
    ]
    return Report(tuple(sites), journal.seconds, tuple(journal.notices))


def _unless_unchanged(change: Change, verdict: Verdict) -> Verdict:
    if verdict.outcome is Outcome.READY and not change.edits:
        return replace(
            verdict, outcome=Outcome.UNCHANGED, message=f"{change.image.tag} was already there and is Ready"
        )
    return verdict


def _site(
    change: Change, landed: Landed | None, verdict: Verdict, label: str, journal: Journal
) -> SiteReport:
    own = journal.steps(label) if label != change.site else ()
    return SiteReport(
        site=label,
        previous=change.target.image,
        image=change.image,
        place=change.place,
        revision=landed.revision if landed else None,
        verdict=verdict,
        steps=journal.steps(change.site) + own,
        url=change.target.url,
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
