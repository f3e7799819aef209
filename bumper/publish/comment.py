"""A deploy as people read it on GitHub: the comment on a pull request and the summary of a job.

Law: outcome and link first, then the stages with their times, then cause, evidence, what visitors see now, and the next command. Every
foreign text goes through `markdown`; whatever the cluster says, a body is never longer than `LIMIT`.

A comment is shared by everything that is deployed from its pull request. Each site has a section of its own between two marks, so that
a run replaces its own sections and keeps those of others.
"""

import hashlib
import re
from collections.abc import Sequence
from enum import IntEnum

from bumper.errors import Outcome
from bumper.publish import markdown, report
from bumper.publish.chart import gantt
from bumper.publish.markdown import code, inline, link
from bumper.publish.report import SiteReport
from bumper.publish.story import SiteStory, Story
from bumper.request import name_in
from bumper.rollout import WorkloadEnd
from bumper.style import STYLES, duration

# GitHub refuses a longer comment with 422; the marks and a closing line need some room too.
LIMIT = 65_536
MARKER = "<!-- gitops-bump: deploys of this pull request -->"
_SECTION = re.compile(r"<!-- gitops-bump: (?P<key>[0-9a-f]{16}) -->\n.*?\n<!-- /gitops-bump -->", re.DOTALL)
_COMMIT = re.compile(r"[0-9a-f]{7,40}")
_MARKS = {"good": "✅", "warn": "⚠️", "bad": "❌"}


class Detail(IntEnum):
    """How much of a section is written, the shortest first."""

    LINE = 0
    SHORT = 1
    FULL = 2


_EVIDENCE_BYTES = {Detail.LINE: 0, Detail.SHORT: 1_000, Detail.FULL: 12_000}


def sections(story: Story, detail: Detail) -> dict[str, str]:
    """The Markdown of each site, by its key."""
    if not story.sites and story.has_ended:
        return {_key(story, ""): _ended_early(story, None)}
    return {_key(story, site.site): _section(story, site, detail) for site in story.sites}


def merged(body: str, story: Story) -> str:
    """The comment with our sections replaced or added, those of other runs kept; `body` is empty for a new comment."""
    # Earlier versions had one section for all sites of a name.
    shared = {_key(story, name_in(site.site)) for site in story.sites} - {
        _key(story, site.site) for site in story.sites
    }
    others = {match["key"]: match[0] for match in _SECTION.finditer(body) if match["key"] not in shared}
    for detail in sorted(Detail, reverse=True):
        ours = {key: _marked(key, text) for key, text in sections(story, detail).items()}
        together = "\n\n".join([MARKER, *{**others, **ours}.values()])
        if markdown.size(together) <= LIMIT:
            return together
    kept = list({**ours, **{key: text for key, text in others.items() if key not in ours}}.values())
    return _as_many_as_fit([MARKER, *kept], LIMIT)


def holds(body: str, story: Story) -> bool:
    """Whether every section of ours is in the comment as we write it now."""
    return merged(body, story) == body


def summary(story: Story) -> str:
    """The same for the page of the job, which holds nothing but this run (GitHub takes 1 MiB for a step)."""
    for detail in sorted(Detail, reverse=True):
        text = "\n\n".join(sections(story, detail).values())
        if markdown.size(text) <= LIMIT:
            return text + "\n"
    return _as_many_as_fit(list(sections(story, Detail.LINE).values()), LIMIT)


def _as_many_as_fit(texts: Sequence[str], limit: int) -> str:
    closing = "({} more sites are left out: there is no more room)"
    text, count = texts[0], 1
    for part in texts[1:]:
        if markdown.size(f"{text}\n\n{part}\n\n{closing}") + 10 > limit:
            break
        text, count = f"{text}\n\n{part}", count + 1
    return f"{text}\n\n{closing.format(len(texts) - count)}"


def _key(story: Story, site: str) -> str:
    """The same for every run that deploys this site to this platform."""
    return hashlib.sha256(f"{story.pages.platform} {site}".encode()).hexdigest()[:16]


def _marked(key: str, text: str) -> str:
    return f"<!-- gitops-bump: {key} -->\n{text}\n<!-- /gitops-bump -->"


def _section(story: Story, site: SiteStory, detail: Detail) -> str:
    if not site.reports:
        return _ended_early(story, site) if story.has_ended else _moving(story, site, detail)
    paragraphs = []
    for site_report in site.reports:
        paragraphs.append(f"### {_headline(site_report, story)}")
        if detail > Detail.LINE:
            paragraphs.append(gantt([("stages", site_report.steps)]))
        paragraphs += _cause(site_report, detail)
        paragraphs.append(_workloads(site_report) if detail > Detail.LINE else "")
        if detail > Detail.LINE:
            paragraphs.append(_folded(site_report, story))
    is_first = site is story.sites[0]
    return _joined(
        [*paragraphs, *(_of_the_run(story) if is_first and detail is Detail.FULL else []), _footer(story)]
    )


def _joined(paragraphs: Sequence[str]) -> str:
    return "\n\n".join(part for part in paragraphs if part)


def _moving(story: Story, site: SiteStory, detail: Detail) -> str:
    head = f"### ⏳ {inline(site.site, 300)} is being deployed: {_change(site.previous, site.wanted, story)}"
    rows = [(name, steps) for name, steps in site.stages.items()]
    now = [f"**{inline(steps[-1].stage, 60)}** {inline(steps[-1].detail, 600)}" for _, steps in rows if steps]
    return _joined([head, gantt(rows) if detail > Detail.LINE else "", "<br>".join(now), _footer(story)])


def _ended_early(story: Story, site: SiteStory | None) -> str:
    """A run that ended before there was a verdict: refused, no access, interrupted."""
    what = (
        f"{inline(site.site, 300)} was not deployed: {_change(site.previous, site.wanted, story)}"
        if site
        else ""
    )
    if story.error is None:
        head = what.replace("was not deployed", "is not followed any more") or "Interrupted"
        return _joined(
            [f"### ⚠️ {head}", "<br>".join(inline(line) for line in story.standing), _footer(story)]
        )
    outcome = (story.error.outcome or "not started").replace("-", " ")
    next_step = f"**Next:** {inline(story.error.hint)}" if story.error.hint else ""
    return _joined(
        [
            f"### ❌ {what or 'Nothing was deployed'}",
            f"**{outcome.capitalize()}:** {inline(story.error.message)}",
            next_step,
            _footer(story),
        ]
    )


def _headline(site_report: SiteReport, story: Story) -> str:
    outcome = site_report.verdict.outcome
    name = link(inline(site_report.site, 300), site_report.url)
    taken = f" in {duration(sum(step.seconds for step in site_report.steps))}" if site_report.steps else ""
    ending = _SAID.get(outcome, outcome.value)
    if report.is_good(site_report.verdict):
        ending = f"is {report.title(outcome)}{taken}"
    return (
        f"{_mark(outcome)} {name} {ending}: {_change(site_report.previous.tag, site_report.image.tag, story)}"
    )


_SAID = {
    Outcome.APPLIED: "is applied, its rollout was not seen",
    Outcome.UNCHANGED: "was already there and is Ready",
    Outcome.PUSHED: "is pushed, not followed",
    Outcome.PLANNED: "would change, nothing was written",
    Outcome.REMOVED: "is removed",
    Outcome.SUPERSEDED: "is superseded by a newer deploy",
    Outcome.TIMED_OUT: "is still moving at the deadline",
    Outcome.SUSPENDED: "is suspended",
    Outcome.BLOCKED: "is blocked by something else",
    Outcome.UNKNOWN: "could not be found out",
    Outcome.FAILED: "failed",
}


def _mark(outcome: Outcome) -> str:
    return _MARKS[STYLES.get(outcome, "bad")]


def _change(previous: str, wanted: str, story: Story) -> str:
    """`old → new`, with a link that compares the two where both are commits of a known repository."""
    change = f"{code(previous)} → {code(wanted)}" if previous != wanted else code(wanted)
    comparable = _COMMIT.fullmatch(previous) and _COMMIT.fullmatch(wanted) and previous != wanted
    if comparable and story.pages.source:
        return f"{change} ({link('compare', f'{story.pages.source}/compare/{previous}...{wanted}')})"
    return change


def _cause(site_report: SiteReport, detail: Detail) -> list[str]:
    verdict = site_report.verdict
    if report.is_good(verdict):
        return [f"> ⚠️ {inline(warning)}" for warning in verdict.warnings[:10]]
    paragraphs = [f"**{inline(verdict.reason, 100)}**: {inline(verdict.message)}"]
    if verdict.evidence and detail > Detail.LINE:
        paragraphs.append(markdown.preformatted(verdict.evidence, _EVIDENCE_BYTES[detail]))
    paragraphs += [f"> ⚠️ {inline(warning)}" for warning in verdict.warnings[:10]]
    rows = [
        ("Serving now", verdict.serving),
        ("Rolled back", site_report.rolled_back),
        ("Next", verdict.hint),
    ]
    paragraphs.append("<br>\n".join(f"**{label}:** {inline(text)}" for label, text in rows if text))
    return paragraphs


def _workloads(site_report: SiteReport) -> str:
    """Each of several workloads that make up the site."""
    if not site_report.workloads:
        return ""
    rows = [
        f"| {inline(str(end.workload), 300)} | {_state(end)} | {inline(report.workload_detail(end), 600)} |"
        for end in site_report.workloads
    ]
    return "\n".join(["| workload | | |", "|---|---|---|", *rows])


def _state(end: WorkloadEnd) -> str:
    mark = _mark(end.verdict.outcome) if end.verdict else _MARKS["warn"]
    is_fine = end.is_rolled_out and end.verdict and end.verdict.outcome is not Outcome.READY
    return f"{_MARKS['good'] if is_fine else mark} {inline(report.workload_state(end), 60)}"


def _folded(site_report: SiteReport, story: Story) -> str:
    """What is looked up only now and then."""
    written = str(site_report.image)
    rows = [
        *(
            (step.stage, f"{inline(step.detail, 600)} ({duration(step.seconds)})")
            for step in site_report.steps
        ),
        ("timeline", inline(report.timeline(site_report.timeline))),
        ("reference", code(written)),
        ("line", " in ".join(filter(None, (_lines(site_report), _commit(site_report, story))))),
        *(("stays", code(text)) for text in site_report.stays[:10]),
    ]
    lines = "\n".join(f"- **{inline(name, 60)}** {text}" for name, text in rows if text)
    return f"<details><summary>Details</summary>\n\n{lines}\n\n</details>"


def _lines(site_report: SiteReport) -> str:
    return ", ".join(code(place) for place in (site_report.places or (site_report.place,))[:10])


def _commit(site_report: SiteReport, story: Story) -> str:
    if not site_report.revision:
        return ""
    page = f"{story.pages.platform}/commit/{site_report.revision.sha}" if story.pages.platform else ""
    return link(code(site_report.revision.short), page)


def _of_the_run(story: Story) -> list[str]:
    """What belongs to no site, said once."""
    paragraphs = [f"> ⚠️ {inline(notice)}" for notice in story.notices[:10]]
    if story.plan.edits:
        proved = "" if not story.plan.unproved else " (not proved)"
        paragraphs.append(f"**Plan{proved}:** {inline(story.plan.summary)}<br>{code(story.plan.hash)}")
    if story.diff:
        shown = [*story.plan.built, *(f"not proved: {gap}" for gap in story.plan.unproved)]
        paragraphs += [markdown.preformatted(shown, 4_000)] if shown else []
        paragraphs.append(markdown.preformatted(story.diff.splitlines(), 8_000))
    return paragraphs


def _footer(story: Story) -> str:
    run = link("this run", story.pages.run) if story.pages.run else ""
    return f"<sub>{run}</sub>" if run else ""
