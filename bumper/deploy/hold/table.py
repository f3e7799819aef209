"""What became of each site that was held or released, as people and programs read it. Pure."""

from collections.abc import Sequence
from typing import Any

from bumper.deploy.hold.annotations import Hold
from bumper.deploy.hold.change import Held, Holding
from bumper.errors import EXIT_CODES, Outcome
from bumper.revision import Revision
from bumper.style import STYLES, Line, Span, paragraph, written_time


def lines(plan: Holding, revision: Revision | None) -> list[Line]:
    """The sites as they are at `revision`; with none the diff, and as they would be."""
    shown: list[Line] = [] if revision else [(Span(line),) for line in plan.diff().splitlines()]
    for held in plan.sites:
        shown += _lines(held, revision)
    return shown


def as_data(plan: Holding, revision: Revision | None) -> dict[str, Any]:
    """The same as one object."""
    worst = outcome(plan, revision)
    sites = [_as_data(held, revision) for held in plan.sites]
    diff = "" if revision else plan.diff()
    data = {"outcome": worst.value, "exitCode": EXIT_CODES[worst], "sites": sites}
    return data | ({"diff": diff} if diff else {})


def outcome(plan: Holding, revision: Revision | None) -> Outcome:
    """That of the first site that changes; unchanged where none does."""
    outcomes: Sequence[Outcome] = [_outcome(held, revision) for held in plan.sites]
    return next((ended for ended in outcomes if ended is not Outcome.UNCHANGED), Outcome.UNCHANGED)


def _outcome(held: Held, revision: Revision | None) -> Outcome:
    if not held.is_written:
        return Outcome.UNCHANGED
    return Outcome.PUSHED if revision else Outcome.PLANNED


def _lines(held: Held, revision: Revision | None) -> list[Line]:
    """What became of one site: a line that says it, and below it what it rests on."""
    ended = _outcome(held, revision)
    titles = {
        Outcome.UNCHANGED: "unchanged",
        Outcome.PLANNED: "would be " + ("held" if held.after else "released"),
    }
    title = titles.get(ended, "held" if held.after else "released")
    rows = [("now", str(held.after or "not held"))]
    rows += [("was", str(held.before or "") if held.is_written else ""), ("place", held.place)]
    rows += [("commit", revision.short if revision and held.is_written else "")]
    return paragraph(Span(held.site, "strong"), Span(title, STYLES[ended]), rows)


def _as_data(held: Held, revision: Revision | None) -> dict[str, Any]:
    return {
        "site": held.site,
        "outcome": _outcome(held, revision).value,
        "place": held.place,
        "commit": revision.sha if revision else None,
        "hold": _hold_data(held.after),
        "before": _hold_data(held.before),
    }


def _hold_data(hold: Hold | None) -> dict[str, Any] | None:
    if hold is None:
        return None
    return {
        "reason": hold.reason,
        "by": hold.by,
        "since": written_time(hold.since) or None,
        "until": written_time(hold.until) or None,
        "rejected": hold.rejected or None,
    }
