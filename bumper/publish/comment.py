"""A deploy as people read it on GitHub: the comment on a pull request and the summary of a job.

Law: outcome, site and change first, then cause, evidence, what visitors see now and the next step, then the stages in one line;
whatever is looked up now and then is folded. Several sites have a table on top. Nothing is said twice. Every foreign text goes through
`markdown`; whatever the cluster says, a body is never longer than `LIMIT`.

A comment is shared by everything that is deployed from its pull request. Each site has a section of its own between two marks, so that
a run replaces its own sections and keeps those of others. A section begins with its row of the table, in a comment of HTML.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from enum import IntEnum

from bumper.build_order import commit_in
from bumper.dataclasses import dataclass
from bumper.errors import Outcome
from bumper.ports.run import State, Step
from bumper.publish import evidence, markdown, report
from bumper.publish.chart import gantt
from bumper.publish.markdown import code, inline, link
from bumper.publish.remedy import Remedy, options_of, remedies
from bumper.publish.report import SiteReport
from bumper.publish.story import SiteStory, Story
from bumper.request import name_in
from bumper.rollout.site import WorkloadEnd
from bumper.rollout.verdict import Verdict
from bumper.style import STYLES, duration

# GitHub refuses a longer comment with 422; the marks and a closing line need some room too.
LIMIT = 65_536
MARKER = "<!-- gitops-bump: deploys of this pull request -->"
_SECTION = re.compile(r"<!-- gitops-bump: (?P<key>[0-9a-f]{16}) -->\n.*?\n<!-- /gitops-bump -->", re.DOTALL)
_MARKS = {"good": "✅", "warn": "⚠️", "bad": "❌"}
_MOVING = "⏳"
_WORST_FIRST = ("❌", "⚠️", _MOVING, "✅")
_STAGE_MARKS = {State.DONE: "✅", State.FAILED: "❌", State.MOVING: _MOVING}
_ROW = re.compile(
    r"^<!-- row (?P<mark>\S+) (?P<ending>[^|]*)\|(?P<name>[^|]*)\|(?P<change>[^|]*)\|(?P<taken>[^|]*) -->\n",
    re.MULTILINE,
)
# As many lines of evidence as a first screen has room for; the others are folded.
_FIRST_LINES = 6


class Detail(IntEnum):
    """How much of a section is written, the shortest first."""

    LINE = 0
    SHORT = 1
    FULL = 2


_EVIDENCE_BYTES = {Detail.LINE: 0, Detail.SHORT: 1_000, Detail.FULL: 12_000}


@dataclass(frozen=True)
class Row:
    """A site in the table: how it ended in a word or two, its name with a link, its change, and how long that took; all Markdown."""

    mark: str
    ending: str
    name: str
    change: str
    taken: str = ""

    def __str__(self) -> str:
        return f"<!-- row {self.mark} {self.ending}|{self.name}|{self.change}|{self.taken} -->\n"


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
        texts = list({**others, **ours}.values())
        together = "\n\n".join([MARKER, *_overview(texts), *texts])
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
        texts = list(sections(story, detail).values())
        text = "\n\n".join([*_overview(texts), *(_ROW.sub("", text) for text in texts)])
        if markdown.size(text) <= LIMIT:
            return text + "\n"
    return _as_many_as_fit([_ROW.sub("", text) for text in sections(story, Detail.LINE).values()], LIMIT)


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
    return hashlib.sha256(f"{story.pages.platform} {site}".encode(errors="replace")).hexdigest()[:16]


def _marked(key: str, text: str) -> str:
    return f"<!-- gitops-bump: {key} -->\n{text}\n<!-- /gitops-bump -->"


def _overview(texts: Sequence[str]) -> list[str]:
    """Where there are several sites: what became of them in one line, and the table of all."""
    rows = [Row(*row.groups()) for text in texts for row in _ROW.finditer(text)]
    if len(rows) < 2:
        return []
    mark = next(mark for mark in _WORST_FIRST if any(row.mark == mark for row in rows))
    counts = ", ".join(f"{count} {ending}" for ending, count in Counter(row.ending for row in rows).items())
    # Three columns are what a phone shows without scrolling.
    lines = [
        f"| {row.mark} {row.name} | {row.change} | {', '.join(filter(None, (row.ending, row.taken)))} |"
        for row in rows
    ]
    return [
        f"### {mark} {len(rows)} sites: {counts}",
        "\n".join(["| site | change | outcome |", "|---|---|---|", *lines]),
    ]


def _section(story: Story, site: SiteStory, detail: Detail) -> str:
    if not site.reports:
        return _ended_early(story, site) if story.has_ended else _moving(story, site)
    return _joined(
        [
            *(_of_a_cluster(site_report, story, detail) for site_report in site.reports),
            *(_of_the_run(story) if site is story.sites[0] and detail is Detail.FULL else []),
            _footer(story) if site is story.sites[-1] else "",
        ]
    )


def _of_a_cluster(site_report: SiteReport, story: Story, detail: Detail) -> str:
    """One site in one cluster. Of several that are fine the row says it all, and the rest is folded."""
    row, is_short = _row(site_report, story), detail is Detail.LINE
    is_alone = sum(len(site.reports) for site in story.sites) == 1
    is_quiet = not is_alone and row.mark == _MARKS["good"] and not site_report.verdict.warnings
    head = "" if is_quiet else f"### {_headline(site_report, story)}"
    stages = "" if is_short else _stages(site_report.steps)
    folded = (
        ""
        if is_short
        else _folded(site_report, story, detail, inline(site_report.site, 300) if is_quiet else "")
    )
    if is_quiet:
        return str(row) + (folded or "<!-- no more to say -->")
    return str(row) + _joined(
        [
            head,
            *_cause(site_report, story, detail),
            "" if is_short else _workloads(site_report),
            stages,
            folded,
        ]
    )


def _joined(paragraphs: Sequence[str]) -> str:
    return "\n\n".join(part for part in paragraphs if part)


def _stages(steps: Sequence[Step], *, has_ended: bool = True) -> str:
    """Every stage with its mark and how long it took, in one line. What has no end in a run that has ended gets a warning sign."""
    marks = {**_STAGE_MARKS, State.MOVING: _MARKS["warn"] if has_ended else _MOVING}
    return " · ".join(
        f"{marks[step.state]} {inline(step.stage, 60)} {duration(step.seconds)}" for step in steps
    )


def _moving(story: Story, site: SiteStory) -> str:
    change = _change(site.previous, site.wanted, story)
    name = inline(site.site, 300)
    head = f"### {_MOVING} {name} is being deployed: {change}"
    lines = []
    for label, steps in site.stages.items():
        if steps:
            now = f"**{inline(steps[-1].stage, 60)}** {inline(steps[-1].detail, 600)}"
            where = f"{inline(label, 300)}: " if len(site.stages) > 1 else ""
            lines.append(f"{where}{_stages(steps, has_ended=False)}<br>{now}")
    row = Row(_MOVING, "being deployed", name, _change_in_a_row(site.previous, site.wanted, story))
    return str(row) + _joined([head, *lines, _footer(story)])


def _ended_early(story: Story, site: SiteStory | None) -> str:
    """A run that ended before there was a verdict: refused, no access, interrupted."""
    change = _change(site.previous, site.wanted, story) if site else ""
    in_a_row = _change_in_a_row(site.previous, site.wanted, story) if site else ""
    name = inline(site.site, 300) if site else ""
    if story.error is None:
        row = str(Row(_MARKS["warn"], "not followed any more", name, in_a_row)) if site else ""
        head = f"{name} is not followed any more: {change}" if site else "Interrupted"
        steps = [step for line in story.standing for step in remedies(line)]
        prose = "<br>".join(inline(step.text) for step in steps if not step.command)
        commands = [step for step in steps if step.command]
        return row + _joined([f"### {_MARKS['warn']} {head}", prose, *_next(commands), _footer(story)])
    outcome = (story.error.outcome or "not started").replace("-", " ")
    row = str(Row(_MARKS["bad"], outcome, name, in_a_row)) if site else ""
    head = f"{name} was not deployed: {change}" if site else "Nothing was deployed"
    cause = f"**{outcome.capitalize()}:** {inline(story.error.message)}"
    return row + _joined(
        [f"### {_MARKS['bad']} {head}", cause, *_next(remedies(story.error.hint)), _footer(story)]
    )


def _row(site_report: SiteReport, story: Story) -> Row:
    outcome = site_report.verdict.outcome
    return Row(
        _mark(outcome),
        report.title(outcome) if report.is_good(site_report.verdict) else outcome.value.replace("-", " "),
        link(inline(site_report.site, 300), site_report.url),
        _change_in_a_row(site_report.previous.tag, site_report.image.tag, story),
        duration(sum(step.seconds for step in site_report.steps)) if site_report.steps else "",
    )


def _headline(site_report: SiteReport, story: Story) -> str:
    outcome = site_report.verdict.outcome
    name = link(inline(site_report.site, 300), site_report.url)
    ending = f"{_SAID.get(outcome, outcome.value)}{report.comma(site_report)}"
    if site_report.is_rolled_back:
        ending += " and was rolled back"
    if report.is_good(site_report.verdict):
        seconds = sum(step.seconds for step in site_report.steps)
        taken = report.taken(site_report, seconds) if site_report.steps or site_report.later else ""
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
    page = _comparison(previous, wanted, story)
    return _plain_change(previous, wanted) + (f" ({link('compare', page)})" if page else "")


def _change_in_a_row(previous: str, wanted: str, story: Story) -> str:
    """The same in the table, whose columns are narrow on a phone: the change itself is the link, in two rows at most."""
    change = _plain_change(previous, wanted).replace("→ ", "→\u00a0")
    return link(change, _comparison(previous, wanted, story))


def _plain_change(previous: str, wanted: str) -> str:
    return f"{code(previous)} → {code(wanted)}" if previous != wanted else code(wanted)


def _comparison(previous: str, wanted: str, story: Story) -> str:
    before, after = commit_in(previous), commit_in(wanted)
    if story.pages.source and before and after and before != after:
        return f"{story.pages.source}/compare/{before}...{after}"
    return ""


def _cause(site_report: SiteReport, story: Story, detail: Detail) -> list[str]:
    verdict = site_report.verdict
    warnings = [f"> ⚠️ {inline(warning)}" for warning in verdict.warnings[:10]]
    # That it was there and is Ready is the headline.
    if report.is_good(verdict) or verdict.outcome is Outcome.UNCHANGED:
        return warnings
    lines = evidence.in_order(verdict.evidence)[:_FIRST_LINES]
    rows = [("Serving now", verdict.serving), ("Rolled back", site_report.rolled_back)]
    return [
        f"**{inline(verdict.reason, 100)}**: {inline(verdict.message)}",
        markdown.quoted(lines, _EVIDENCE_BYTES[detail]) if lines and detail > Detail.LINE else "",
        *warnings,
        "<br>\n".join(f"**{label}:** {inline(text)}" for label, text in rows if text),
        *_next(remedies(verdict.hint)),
        _on_the_actions_page(verdict, story),
    ]


def _next(steps: Sequence[Remedy]) -> list[str]:
    """What helps, in its order: in words, and each command as a block of its own, which GitHub gives a button that copies it."""
    lines: list[str] = []
    for step in steps:
        label, text = ("or", step.text.removeprefix("or ")) if lines else ("**Next:**", step.text)
        lines.append(f"{label} {inline(text)}".rstrip())
        lines += [markdown.command(step.command)] if step.command else []
    return lines


def _on_the_actions_page(verdict: Verdict, story: Story) -> str:
    """The same without a terminal: the workflow, and what is to be filled in there, which is what the command says."""
    rollback = next(
        (step.command for step in remedies(verdict.hint) if step.command.startswith("bump rollback ")), ""
    )
    if not (rollback and story.pages.actions):
        return ""
    given = [("command", "rollback"), *options_of(rollback), ("dry-run", "off")]
    named = ", ".join(f"{name} {code(value)}" for name, value in given if name in _OFFERED)
    return f"or {link('run the workflow on the Actions page', story.pages.actions)} with {named}"


# The inputs of .github/workflows/bump.yml that choose what is taken back.
_OFFERED = ("command", "site", "image", "kustomization", "container", "dry-run")


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


def _folded(site_report: SiteReport, story: Story, detail: Detail, name: str) -> str:
    """What is looked up only now and then; the site has a `name` where nothing else is said of it."""
    written = str(site_report.image)
    rows = [
        *((step.stage, inline(step.detail, 600)) for step in site_report.steps),
        ("timeline", inline(report.timeline(site_report.timeline))),
        ("reference", code(written)),
        ("line", " in ".join(filter(None, (_lines(site_report), _commit(site_report, story))))),
        *(("stays", code(text)) for text in site_report.stays[:10]),
    ]
    lines = "\n".join(f"- **{inline(label, 60)}** {text}" for label, text in rows if text)
    stages = _stages(site_report.steps) if name else ""
    more = evidence.in_order(site_report.verdict.evidence)[_FIRST_LINES:]
    body = [
        stages,
        lines,
        markdown.quoted(more, _EVIDENCE_BYTES[detail])
        if more and not report.is_good(site_report.verdict)
        else "",
        gantt([("", site_report.steps)]),
    ]
    title = f"Details of {name}" if name else "Details"
    return f"<details><summary>{title}</summary>\n\n{_joined(body)}\n\n</details>"


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
        paragraphs += [markdown.quoted(shown, 4_000)] if shown else []
        paragraphs.append(markdown.preformatted(story.diff.splitlines(), 8_000))
    return paragraphs


def _footer(story: Story) -> str:
    run = link("this run", story.pages.run) if story.pages.run else ""
    return f"<sub>{run}</sub>" if run else ""
