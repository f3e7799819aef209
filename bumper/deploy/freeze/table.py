"""What became of a freeze window, as people and programs read it. Pure."""

from typing import Any

from bumper.deploy.freeze.change import Freezing, as_data, described
from bumper.errors import EXIT_CODES, Outcome
from bumper.fluxtree.sites.selection import listed
from bumper.revision import Revision
from bumper.style import STYLES, Line, Span, paragraph


def lines(plan: Freezing, revision: Revision | None) -> list[Line]:
    """The window as it is at `revision`; with none the diff, and as it would be."""
    ended = plan.outcome(revision)
    done = "frozen" if plan.after else "lifted"
    title = {Outcome.UNCHANGED: "unchanged", Outcome.PLANNED: f"would be {done}"}.get(ended, done)
    diff: list[Line] = [] if revision else [(Span(line),) for line in plan.diff().splitlines()]
    rows = [
        ("now", described(plan.after) if plan.after else "not frozen by it"),
        ("was", described(plan.before) if plan.before and plan.files else ""),
        ("sites", listed(list(plan.sites))),
        ("place", plan.after.place if plan.after else ""),
        ("commit", revision.short if revision and plan.files else ""),
    ]
    return [*diff, *paragraph(Span(plan.name, "strong"), Span(title, STYLES[ended]), rows)]


def result_as_data(plan: Freezing, revision: Revision | None) -> dict[str, Any]:
    """The same as one object."""
    ended = plan.outcome(revision)
    diff = "" if revision else plan.diff()
    return {
        "outcome": ended.value,
        "exitCode": EXIT_CODES[ended],
        "name": plan.name,
        "window": as_data(plan.after),
        "before": as_data(plan.before),
        "frozen": list(plan.sites),
        "commit": revision.sha if revision and plan.files else None,
        # As every answer has it; a window is none of a site.
        "sites": [],
    } | ({"diff": diff} if diff else {})
