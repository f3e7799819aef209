"""Takes a site away: its directory, its sync file and the entry that lists it, in one commit."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bumper import onboarding
from bumper.app.context import Context
from bumper.app.wiring import Assembly
from bumper.commands import options
from bumper.commands.new_site import pushing
from bumper.deploy.commit.push import Landed, Proposal, land
from bumper.deploy.hold import annotations
from bumper.errors import Outcome, Refused, UsageError, worst_exit_code
from bumper.follow.loop import Followed
from bumper.follow.removal import follow_removal
from bumper.image import ImageReference
from bumper.objects import ObjectKey
from bumper.observation import Desired
from bumper.onboarding import Removal
from bumper.onboarding.message import of_removal
from bumper.ports import Terminal
from bumper.progress import Journal
from bumper.publish import report
from bumper.request import Deadlines
from bumper.retry import answered
from bumper.revision import Revision
from bumper.rollout import Verdict
from bumper.style import STYLES, Line, Span

if TYPE_CHECKING:
    from bumper.systems.git import Remote

SUMMARY = "Takes a site away in one commit, after saying what Flux will delete with it; asks first."
_NOTHING = ObjectKey("", "", "")


@dataclass(frozen=True)
class Plan(Proposal):
    """The commit that takes a site away; `removal` says what that means."""

    removal: Removal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The fixed command line of `bump remove-site`."""
    parser.add_argument("name", metavar="NAME", help="the site, named like its Flux Kustomization")
    parser.add_argument("--yes", action="store_true", help="don't ask; needed where nobody can answer")
    options.add_repository(parser)
    group = parser.add_argument_group("following the removal")
    options.add_contexts(group, "follow")
    group.add_argument(
        "--timeout",
        type=options.duration,
        default=Deadlines.rollout_s,
        metavar="TIME",
        help="how long the removal may take (default: 10m)",
    )
    how = parser.add_argument_group("how far to go")
    how.add_argument("--dry-run", action="store_true", help="print what would go and the diff, write nothing")
    how.add_argument("--no-wait", action="store_true", help="stop after the push")
    options.add_commit(parser)
    options.add_output(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Says what goes, asks, takes it away and follows until it is gone; returns the exit code."""
    can_ask = context.stdin is not None and context.stdin.isatty()
    if not (arguments.yes or arguments.dry_run or can_ask):
        raise UsageError(
            f"{arguments.name}: nobody can be asked whether to remove it: this is no terminal",
            hint="--yes removes it without asking; --dry-run says what would go",
        )
    with Assembly(arguments, context) as parts:
        clusters = [] if arguments.no_wait or arguments.dry_run else parts.clusters()
        terminal = parts.terminal(name_sites=len(clusters) > 1)
        landed: Landed[Plan] | None = None
        try:
            repository = parts.repository()
            plan = answered(
                lambda: _plan(arguments, context, repository), parts.clock, arguments.push_timeout
            )
            terminal.write([(Span(line),) for line in plan.removal.described()])
            if arguments.dry_run:
                terminal.write(report.diff_lines(plan.diff()))
                return _finish(
                    plan, None, [_followed(arguments.name, _planned(plan))], terminal, arguments, context
                )
            if not arguments.yes and not _agrees(arguments.name, terminal, context):
                raise Refused(f"{arguments.name}: not removed", hint="only the word yes removes it")
            journal = parts.journal(terminal)
            journal.begin(arguments.name, "present", "removed")
            landed = land(
                plan,
                lambda: _again(plan, arguments, context, repository),
                parts.writer(repository, lambda words: journal.moving(arguments.name, "commit", words)),
                arguments.branch,
                parts.clock,
                options.push_s(arguments),
                lambda _, tries: journal.moving(arguments.name, "commit", pushing(arguments.branch, tries)),
            )
            journal.done(
                arguments.name, "commit", f"{landed.revision.short}   {landed.plan.removal.site.path}"
            )
            departed = _departed(landed, clusters, parts, arguments, journal)
        except KeyboardInterrupt:
            return parts.interrupt(_standing(arguments.name, landed), terminal)
        return _finish(landed.plan, landed.revision, departed, terminal, arguments, context)


def _plan(arguments: argparse.Namespace, context: Context, repository: "Remote") -> Plan:
    tip = repository.fetch(arguments.branch)
    removal = onboarding.plan_removal(repository.tree(tip), arguments.name)
    hold = annotations.read(removal.site.document)
    if hold and hold.holds_at(datetime.now(UTC)):
        raise Refused(
            f"{hold.place}: {arguments.name} is not to be changed: {hold}",
            hint=f"bump release --site {arguments.name}",
        )
    return Plan(tip, removal.files, of_removal(removal, options.origin(context.environ, ())), removal)


def _again(first: Plan, arguments: argparse.Namespace, context: Context, repository: "Remote") -> Plan:
    """The removal on a new tip; `Refused` where it would delete more than was said."""
    plan = _plan(arguments, context, repository)
    before, now = ({one.key for one in made.removal.deleted} for made in (first, plan))
    if more := sorted(now - before):
        raise Refused(
            f"{arguments.name}: another push added {', '.join(map(str, more))} to what would be deleted",
            hint="run the command again to see all of it",
        )
    return plan


def _agrees(name: str, terminal: Terminal, context: Context) -> bool:
    terminal.write([(Span(f"Remove {name}? Only yes removes it: ", "strong"),)])
    assert context.stdin
    return context.stdin.readline().strip() == "yes"


def _departed(
    landed: Landed[Plan],
    clusters: Sequence[Any],
    parts: Assembly,
    arguments: argparse.Namespace,
    journal: Journal,
) -> list[Followed]:
    removal, name = landed.plan.removal, arguments.name
    if arguments.no_wait:
        message = f"{name} is off the branch as of {landed.revision.short}; not followed"
        return [_followed(name, Verdict(Outcome.PUSHED, "Pushed", message))]
    if removal.why_kept:
        message = f"{name} is off the branch as of {landed.revision.short}; nothing in the cluster goes"
        return [_followed(name, Verdict(Outcome.PUSHED, "NotPruned", message, hint=removal.why_kept))]
    site = removal.site
    workload = next((one.key for one in removal.deleted if one.key.kind == "Deployment"), _NOTHING)
    desired = Desired(
        site=name,
        image=ImageReference(""),
        previous=None,
        revision=landed.revision,
        kustomization=site.kustomization,
        source=site.source,
        workload=workload,
        container="",
    )
    return follow_removal(desired, clusters, parts.clock, arguments.timeout, journal)


def _followed(name: str, verdict: Verdict) -> Followed:
    """The site without a look at any cluster."""
    return Followed(name, "", name, verdict)


def _planned(plan: Plan) -> Verdict:
    message = f"{len(plan.files)} files would change; nothing was written"
    return Verdict(Outcome.PLANNED, "DryRun", message)


def _finish(
    plan: Plan,
    revision: Revision | None,
    departed: Sequence[Followed],
    terminal: Terminal,
    arguments: argparse.Namespace,
    context: Context,
) -> int:
    """Prints how it ended; returns the exit code."""
    code = worst_exit_code([one.verdict.outcome for one in departed])
    terminal.close()
    for one in departed:
        terminal.write(_lines(one, several=len(departed) > 1))
    if arguments.output == "json":
        data = _as_data(plan, revision, departed, code)
        context.stdout.write(json.dumps(data, indent=2) + "\n")
    return code


def _lines(one: Followed, *, several: bool) -> list[Line]:
    verdict = one.verdict
    name = (Span(f"{one.label}: ", "strong"),) if several else ()
    title = verdict.outcome.value.replace("-", " ").capitalize()
    head = (*name, Span(title, STYLES.get(verdict.outcome, "bad")), Span(f": {verdict.message}"))
    return [head, *([(Span(f"  {'next':<13}", "quiet"), Span(verdict.hint))] if verdict.hint else [])]


def _as_data(
    plan: Plan, revision: Revision | None, departed: Sequence[Followed], code: int
) -> dict[str, Any]:
    removal = plan.removal
    return {
        "outcome": next(
            one.verdict.outcome.value for one in departed if worst_exit_code([one.verdict.outcome]) == code
        ),
        "exitCode": code,
        "site": removal.name,
        "commit": revision.sha if revision else None,
        "deletes": [str(one.key) for one in removal.deleted],
        "keeps": [str(one.key) for one in removal.kept],
        "losses": removal.losses,
        "whyKept": removal.why_kept,
        "files": sorted(plan.files),
        "sites": [
            {"site": one.label, "context": one.context, **report.verdict_as_data(one.verdict)}
            for one in departed
        ],
        **({} if revision else {"diff": plan.diff()}),
    }


def _standing(name: str, landed: Landed[Plan] | None) -> list[str]:
    if landed:
        return [f"{name} is off the branch as of {landed.revision.short}", "the cluster goes on by itself"]
    return ["the site is still there, unless a push was under way: look at the branch before trying again"]
