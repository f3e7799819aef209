"""Verdicts as people and programs read them. Pure: values in, lines of styled text or plain data out.

Law: the outcome comes first, then what was found, what visitors see now, and the next command. Nothing here shortens a fact; how a
line is fitted to a screen is the display's business.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from bumper.build_order import Decision
from bumper.dataclasses import dataclass, field, replace
from bumper.errors import BumpError, Outcome, worst_exit_code
from bumper.fluxtree.proof import Proof
from bumper.image import ImageReference
from bumper.ports.run import Step
from bumper.publish import evidence, problem, remedy
from bumper.revision import Revision
from bumper.rollout.site import WorkloadEnd
from bumper.rollout.timeline import Moment
from bumper.rollout.verdict import Milestone, Verdict
from bumper.style import STYLES, Line, Span, duration, labelled

_NOT_ROLLED_BACK = "no: "


@dataclass(frozen=True)
class SiteReport:
    """One site in one cluster. `site` is its label, and `name` what it is called alone. `place` is file and line of the field;
    `revision` the commit that holds the image, if any.

    `context` names the cluster where there are several, and `site` then names it too: `web in east`. `order` is how the image stands
    to the one before, where that was asked. `rolled_back` is what was done about a failure, as a phrase. `kustomization` is the Flux
    Kustomization that builds it (`record.KustomizationName`). `places` are all fields where several name the image, `stays` is what
    names it and did not move; `workloads` is how each ended, where several make up the site. `found_running`: the tag before ran in
    every cluster when this one came. `has_namesakes`: other sites of the repository are called so, too.
    `later` is how it stands against what was noted before, as a phrase, where somebody looked at it again.
    """

    site: str
    previous: ImageReference
    image: ImageReference
    place: str
    revision: Revision | None
    verdict: Verdict
    steps: tuple[Step, ...]
    url: str = ""
    timeline: tuple[Moment, ...] = ()
    context: str = ""
    order: Decision | None = None
    rolled_back: str = ""
    kustomization: str = ""
    places: tuple[str, ...] = ()
    stays: tuple[str, ...] = ()
    workloads: tuple[WorkloadEnd, ...] = ()
    name: str = ""
    found_running: bool = False
    has_namesakes: bool = False
    later: str = ""

    @property
    def is_rolled_back(self) -> bool:
        """Whether the version before is wanted again, after this one failed."""
        return bool(self.rolled_back) and not self.rolled_back.startswith(_NOT_ROLLED_BACK)


@dataclass(frozen=True)
class RollbackReport:
    """The rollback of what failed: its own report, or the error that it ended in."""

    report: "Report | None" = None
    error: BumpError | None = None


@dataclass(frozen=True)
class Report:
    """A whole run. `diff` is there for a dry run only, `rollback` where one was asked for and something failed.

    `plan` is what the edits change in what Flux builds.
    """

    sites: tuple[SiteReport, ...]
    seconds: float
    notices: tuple[str, ...] = ()
    diff: str = ""
    rollback: RollbackReport | None = None
    plan: Proof = field(default_factory=Proof)

    @property
    def exit_code(self) -> int:
        """The worst of all sites, in the order of the documented table."""
        return worst_exit_code([site.verdict.outcome for site in self.sites])


def timeline(moments: Sequence[Moment]) -> str:
    """`pushed 0.9 s, fetched 1.2 s, applied 0.7 s, first pod 0.2 s, image pulled 3.1 s (45.7 MB in 1.2s), ready 2.0 s`.

    Empty where nothing took any time. What is still awaited comes last: `then 540.0 s without ready`.
    """
    if not any(moment.seconds for moment in moments):
        return ""
    texts = []
    for moment in moments:
        detail = f" ({moment.detail})" if moment.detail and moment.name == Milestone.PULLED else ""
        taken = duration(moment.seconds)
        texts.append(
            f"then {taken} without {moment.name}" if moment.is_open else f"{moment.name} {taken}{detail}"
        )
    return ", ".join(texts)


def whole_timeline(
    steps: Sequence[Step], followed: Sequence[Moment], *, is_written: bool
) -> tuple[Moment, ...]:
    """The moments after the push, and before them the push itself, if something was written."""
    pushed = [Moment("pushed", step.seconds) for step in steps if step.stage == "commit" and is_written]
    return (*pushed, *followed)


def unless_unchanged(verdict: Verdict, image: ImageReference, *, is_written: bool) -> Verdict:
    """A run that wrote nothing and found the site Ready changed nothing."""
    if verdict.outcome is not Outcome.READY or is_written:
        return verdict
    return replace(verdict, outcome=Outcome.UNCHANGED, message=f"{image.tag} was already there and is Ready")


def label(site: SiteReport) -> str:
    """The site's label without the cluster."""
    return site.site.removesuffix(f" in {site.context}") if site.context else site.site


def name_of(site: SiteReport) -> str:
    """What the site is called alone, wherever it lies."""
    return site.name or label(site)


def with_rollback(outcome: Report, rollback: RollbackReport, sites: Collection[str]) -> Report:
    """The report with what was done about `sites`, which failed; its outcome stays what it was."""
    ended = (
        {label(site_report): site_report for site_report in rollback.report.sites} if rollback.report else {}
    )
    shown = [
        _rolled_back(site_report, rollback, ended.get(label(site_report)))
        if label(site_report) in sites
        else site_report
        for site_report in outcome.sites
    ]
    seconds = outcome.seconds + (rollback.report.seconds if rollback.report else 0.0)
    return replace(outcome, sites=tuple(shown), seconds=seconds, rollback=rollback)


def _rolled_back(site: SiteReport, rollback: RollbackReport, ended: SiteReport | None) -> SiteReport:
    if rollback.report is None or ended is None:
        why = rollback.error.message if rollback.error else "see the notices"
        return replace(site, rolled_back=f"{_NOT_ROLLED_BACK}{why}")
    outcome = ended.verdict.outcome
    taken = f" in {duration(seconds(ended, rollback.report))}" if is_good(ended.verdict) else ""
    why = "" if is_good(ended.verdict) else f": {ended.verdict.message}"
    where = f" as {ended.revision.short}" if ended.revision else ""
    rolled_back = f"to {ended.image.tag}{where}: {title(outcome)}{taken}{why}"
    # What helps is what helps now: the pods of the version that failed are gone.
    return replace(site, rolled_back=rolled_back, verdict=replace(site.verdict, hint=ended.verdict.hint))


def reworded(report: Report, word: Callable[[str], str]) -> Report:
    """The same report with what helps said as `word` says it."""
    sites = tuple(
        replace(site, verdict=replace(site.verdict, hint=word(site.verdict.hint))) for site in report.sites
    )
    return replace(report, sites=sites, notices=tuple(map(word, report.notices)))


def verdicts(report: Report, *, names_sites: bool = False) -> list[Line]:
    """What is printed at the end: a block for each site, with its name where there are several or that is asked for."""
    lines = [*diff_lines(report.diff), *plan_lines(report)]
    for site in report.sites:
        lines += _verdict(site, report, several=names_sites or len(report.sites) > 1)
    return lines


def diff_lines(diff: str) -> list[Line]:
    """A unified diff, each line in the style of what it says."""
    return [_diff_line(text) for text in diff.splitlines()]


def plan_lines(report: Report) -> list[Line]:
    """What is planned, in full for a dry run; whoever agrees to it names its hash."""
    return proof_lines(report.plan) if report.diff else []


def proof_lines(proof: Proof) -> list[Line]:
    """What edits change in what Flux builds, and the hash of that; nothing where nothing is edited."""
    if not proof.edits:
        return []
    return [
        (Span("  plan         ", "quiet"), Span(proof.summary)),
        *((Span("  built        ", "quiet"), Span(text)) for text in proof.built),
        *((Span("  not proved   ", "quiet"), Span(str(gap), "warn")) for gap in proof.unproved),
        (Span("  hash         ", "quiet"), Span(proof.hash)),
    ]


def as_data(report: Report) -> dict[str, Any]:
    """The one object that `--output json` prints."""
    return {
        "outcome": _worst(report).value,
        "exitCode": report.exit_code,
        "seconds": round(report.seconds, 3),
        "sites": [_site_data(site) for site in report.sites],
        "notices": list(report.notices),
        **({"diff": report.diff} if report.diff else {}),
        **({"plan": report.plan.as_data()} if report.plan.edits else {}),
        **({"rollback": _rollback_data(report.rollback)} if report.rollback else {}),
    }


def _rollback_data(rollback: RollbackReport) -> dict[str, Any] | None:
    if rollback.report:
        return as_data(rollback.report)
    return problem.as_data(rollback.error) if rollback.error else None


def _verdict(site: SiteReport, report: Report, *, several: bool) -> list[Line]:
    verdict = site.verdict
    style = STYLES.get(verdict.outcome, "bad")
    name = (Span(f"{site.site}: ", "strong"),) if several else ()
    if is_good(verdict):
        lines: list[Line] = [
            (
                *name,
                Span(title(verdict.outcome), style),
                Span(f"{taken(site, seconds(site, report))}   {site.url}".rstrip()),
            )
        ]
    else:
        lines = [(*name, Span(title(verdict.outcome), style), Span(f"{comma(site)}: {verdict.message}"))]
    rows = [("serving now", "" if is_good(verdict) else verdict.serving)]
    rows += [("workload", workload_line(end)) for end in site.workloads]
    rows += [("warning", warning) for warning in verdict.warnings]
    rows += [("seen", line) for line in evidence.in_order(verdict.evidence)]
    rows.append(("timeline", timeline(site.timeline)))
    rows.append(("rolled back", site.rolled_back))
    return [*lines, *labelled(rows), *remedy.lines(verdict.hint)]


def is_good(verdict: Verdict) -> bool:
    """Whether the new version runs, and where it was asked answers, so that there is nothing to explain."""
    return verdict.outcome in (Outcome.READY, Outcome.SERVING)


def taken(site: SiteReport, seconds: float) -> str:
    """What follows the outcome of a site that is well: ` in 12.5 s`, or `, recovered after 14 min`."""
    return comma(site) or f" in {duration(seconds)}"


def comma(site: SiteReport) -> str:
    """`, still failing after 14 min`; empty where nobody has looked at the site before."""
    return f", {site.later}" if site.later else ""


def title(outcome: Outcome) -> str:
    """The outcome as a sentence begins with it."""
    return outcome.value.replace("-", " ").capitalize()


def seconds(site: SiteReport, report: Report) -> float:
    """How long the run worked for one site: its stages together, or the whole run where it had none."""
    return sum(step.seconds for step in site.steps) if site.steps else report.seconds


def _worst(report: Report) -> Outcome:
    # Of the outcomes that share the worst exit code the first is named.
    return next(
        site.verdict.outcome
        for site in report.sites
        if worst_exit_code([site.verdict.outcome]) == report.exit_code
    )


def verdict_as_data(verdict: Verdict) -> dict[str, Any]:
    """What every JSON answer says of a verdict."""
    return {
        "outcome": verdict.outcome.value,
        "reason": verdict.reason,
        "message": verdict.message,
        "hint": verdict.hint,
        "serving": verdict.serving,
        "evidence": list(verdict.evidence),
        "warnings": list(verdict.warnings),
    }


def workload_line(end: WorkloadEnd) -> str:
    """`Deployment shop/worker: ready in 4.2 s, 1/1 updated, 1/1 available`."""
    taken = sum(moment.seconds for moment in end.timeline)
    is_ready = end.verdict is not None and end.verdict.outcome is Outcome.READY
    after = f" in {duration(taken)}" if is_ready and taken else ""
    return f"{end.workload}: " + ", ".join(
        filter(None, (f"{workload_state(end)}{after}", workload_detail(end)))
    )


def workload_state(end: WorkloadEnd) -> str:
    """How it stands, in a word or two."""
    if end.verdict is None:
        return "moving"
    # What Flux waits for is another workload: this one runs the image.
    is_ready = end.verdict.outcome is Outcome.READY
    return "rolled out" if end.is_rolled_out and not is_ready else end.verdict.outcome.value


def workload_detail(end: WorkloadEnd) -> str:
    """Its counts where it runs the image, else the reason why it does not."""
    shows_detail = end.verdict is None or end.is_rolled_out or end.verdict.outcome is Outcome.READY
    return end.detail if shows_detail else end.verdict.reason if end.verdict else ""


def workload_as_data(end: WorkloadEnd) -> dict[str, Any]:
    """What every JSON answer says of one of several workloads."""
    return {
        "kind": end.workload.kind,
        "namespace": end.workload.namespace,
        "name": end.workload.name,
        "isRolledOut": end.is_rolled_out,
        "detail": end.detail,
        "verdict": verdict_as_data(end.verdict) if end.verdict else None,
        "timeline": _timeline_data(end.timeline),
    }


def _timeline_data(moments: Sequence[Moment]) -> list[dict[str, Any]]:
    return [
        {
            "moment": moment.name,
            "state": "awaited" if moment.is_open else "reached",
            "detail": moment.detail,
            "seconds": round(moment.seconds, 3),
        }
        for moment in moments
    ]


def _site_data(site: SiteReport) -> dict[str, Any]:
    verdict = site.verdict
    return {
        "site": f"{name_of(site)} in {site.context}" if site.context else name_of(site),
        "kustomization": site.kustomization,
        **verdict_as_data(verdict),
        "stage": verdict.stage.value if verdict.stage else None,
        "image": str(site.image.with_tag(site.image.tag)),
        "tag": site.image.tag,
        "digest": site.image.digest,
        "previousTag": site.previous.tag,
        "place": site.place,
        "commit": site.revision.sha if site.revision else None,
        "revision": str(site.revision) if site.revision else None,
        "url": site.url,
        "rolledBack": site.rolled_back,
        "order": _order_data(site.order) if site.order else None,
        "places": list(site.places) or [site.place],
        "stays": list(site.stays),
        "workloads": [workload_as_data(end) for end in site.workloads],
        "timeline": _timeline_data(site.timeline),
        "stages": [
            {
                "stage": step.stage,
                "state": step.state.value,
                "detail": step.detail,
                "seconds": round(step.seconds, 3),
            }
            for step in site.steps
        ],
    }


def _order_data(decision: Decision) -> dict[str, Any]:
    return {
        "order": decision.order.value,
        "by": decision.witness.value if decision.witness else None,
        "evidence": decision.evidence,
    }


def _diff_line(text: str) -> Line:
    style = {"+": "good", "-": "bad", "@": "quiet"}.get(text[:1], "")
    return (Span(text, "quiet" if text.startswith(("+++", "---")) else style),)
