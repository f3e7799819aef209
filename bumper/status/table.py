"""Every site at a glance, as people and programs read it. Pure: values in, lines of styled text or plain data out.

Law: the table fits the window, and 80 columns where there is none, whatever stands in it; nothing is lost by that, since what is not
well is told in full below it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bumper.dataclasses import dataclass
from bumper.deploy.hold.annotations import Hold
from bumper.errors import EXIT_CODES, Outcome, worst_exit_code
from bumper.fluxtree.sites.selection import listed
from bumper.freeze.windows import closure_as_data
from bumper.image import ImageReference
from bumper.publish import remedy
from bumper.publish.evidence import in_order
from bumper.publish.report import verdict_as_data, workload_as_data, workload_line
from bumper.request import label
from bumper.revision import Revision
from bumper.rollout.site import WorkloadEnd
from bumper.rollout.state import State
from bumper.rollout.verdict import Verdict
from bumper.status.sites import SiteCalendar
from bumper.style import STYLES, Line, Span, labelled, written_time

WIDTH = 80
_COLUMNS = (("SITE", 22), ("WANTED", 12), ("APPLIED", 8), ("RUNNING", 12), ("VERDICT", 15), ("AGE", 6))
# What gives way in a narrow window and grows in a wide one, the first one first, and the width below which it says nothing any more.
_ELASTIC = ((0, 10), (3, 7), (1, 7), (4, 9), (2, 7), (5, 6))
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))
NOTHING = "-"


@dataclass(frozen=True)
class Row:
    """One site in one cluster. `image` is what git wants; None where no workload can be followed, for the reason `not_followed`.

    `verdict` is None while the site is moving; `pending` then is what it will be if nothing changes, `detail` what it is doing.
    `workloads` is how each of them stands, where several make up the site; `stays` what names the image and does not move with it.
    `identity` names the Kustomization and its file; `where` what tells it from another site of the same name, empty for the only one.
    `freeze` tells whether a freeze window keeps deploys off it.
    `is_elsewhere`: the cluster has another site under its name, so that nothing here speaks of it. `is_unread`: the cluster could not
    be read.
    """

    site: str
    context: str
    kustomization: str
    image: ImageReference | None
    place: str
    state: State
    verdict: Verdict | None
    pending: Verdict | None = None
    detail: str = ""
    not_followed: str = ""
    hold: Hold | None = None
    workloads: tuple[WorkloadEnd, ...] = ()
    stays: tuple[str, ...] = ()
    identity: str = ""
    where: str = ""
    is_elsewhere: bool = False
    freeze: SiteCalendar | None = None
    is_unread: bool = False

    @property
    def label(self) -> str:
        """The site, with what tells it from another one of its name."""
        return label(self.site, self.where)

    @property
    def title(self) -> str:
        """The same with the cluster, where one was named: `web (production) in east`."""
        return f"{self.label} in {self.context}" if self.context else self.label

    @property
    def word(self) -> str:
        """`ready`, `applied` (nothing to follow beyond that), `moving`, or another outcome."""
        if self.verdict is None:
            return "moving"
        return (
            "applied"
            if self.image is None and self.verdict.outcome is Outcome.READY
            else self.verdict.outcome.value
        )

    def is_held(self, now: datetime) -> bool:
        """Whether automation must leave the whole site alone; a hold of one rejected version lets newer ones pass."""
        return self.hold is not None and not self.hold.rejected and self.hold.holds_at(now)


@dataclass(frozen=True)
class Overview:
    """All rows, in the order of the tree, cluster by cluster. `tip` is what git wants to be applied.

    Without `is_looked` no cluster was asked, and what git wants is all that is known.
    """

    tip: Revision
    rows: tuple[Row, ...]
    now: datetime
    notices: tuple[str, ...] = ()
    is_looked: bool = True

    @property
    def seen_contexts(self) -> list[str]:
        """The clusters that have answered."""
        return (
            list(dict.fromkeys(row.context for row in self.rows if not row.is_unread))
            if self.is_looked
            else []
        )

    @property
    def unread_contexts(self) -> list[str]:
        """The clusters that were asked and could not be read."""
        return list(dict.fromkeys(row.context for row in self.rows if row.is_unread))

    @property
    def exit_code(self) -> int:
        """For `--exit-code`: 0 if all is well, that of the worst verdict else; a site that is moving counts as one that is late."""
        # The sites of other clusters count where nothing else was asked for.
        here = [row for row in self.rows if not row.is_elsewhere] or self.rows
        return worst_exit_code(
            [row.verdict.outcome if row.verdict else Outcome.TIMED_OUT for row in here] or [Outcome.READY]
        )


def lines(overview: Overview, width: int = 0) -> list[Line]:
    """A table for each cluster, and below it what is not well. `width` is that of the window, 0 where there is none."""
    table: list[Line] = []
    cells = [[name for name, _ in _COLUMNS], *(_texts(row, overview.now) for row in overview.rows)]
    widths = _widths(cells, width)
    for context in dict.fromkeys(row.context for row in overview.rows):
        rows = [row for row in overview.rows if row.context == context]
        if table:
            table.append((Span(""),))
        table.append((Span(context, "strong"), Span(f"   {overview.tip.short} wanted", "quiet")))
        table.append((Span(_cells(cells[0], widths), "quiet"),))
        table += [_row(row, overview.now, widths) for row in rows]
        table += [line for row in rows for line in _about(row, overview.now)]
        table += _freezes(rows, overview.now)
        table += _unfollowed(rows)
    return table


def wanted(overview: Overview) -> list[Line]:
    """What git wants of each site, and where that stands, where no cluster was asked. Nothing is cut: it is what was asked for."""
    why = next((row.verdict.message for row in overview.rows if row.verdict), "no cluster was asked")
    cells = [("SITE", "WANTED", "PLACE"), *((row.label, _wanted(row), row.place) for row in overview.rows)]
    widths = [max(len(cell[at]) for cell in cells) for at in (0, 1)]
    head, *rows = (f"{site:<{widths[0]}} {tag:<{widths[1]}} {place}" for site, tag, place in cells)
    table: list[Line] = [(Span(f"{overview.tip.short} wanted", "strong"), Span(f"   {why}", "quiet"))]
    table += [(Span(head, "quiet"),), *((Span(row),) for row in rows)]
    for row in overview.rows:
        reasons = [("nothing to deploy", row.not_followed)] if row.not_followed else []
        reasons += [("hold", text) for text in _hold(row, overview.now)]
        table += [_note(row.label, name, text) for name, text in reasons]
    return [*table, *_freezes(overview.rows, overview.now)]


def details(overview: Overview, way_back: str = "") -> list[Line]:
    """One site in full, for each cluster. `way_back` is the command that takes the site back."""
    paragraphs: list[Line] = []
    for row in overview.rows:
        verdict = row.verdict or row.pending
        title = Span(row.word.capitalize(), _style(row))
        message = row.verdict.message if row.verdict else row.detail
        paragraphs.append((Span(f"{row.title}: ", "strong"), title, Span(f": {message}")))
        wanted = f"{row.image}   {row.place}" if row.image else f"nothing to follow: {row.not_followed}"
        fields = [
            ("wanted", wanted),
            ("applied", _applied(row)),
            ("running", _running(row)),
            *(("workload", workload_line(end)) for end in row.workloads),
            *(("stays", text) for text in row.stays),
            ("age", age(row.state.since, overview.now)),
            *(("drift", text) for text in row.state.drift),
            *(("hold", text) for text in _hold(row, overview.now)),
            *(("freeze", text) for text in _freeze(row, overview.now)),
            *(
                (("if it stays", f"{row.pending.outcome.value}: {row.pending.message}"),)
                if row.pending
                else ()
            ),
        ]
        if verdict:
            fields += [("serving now", verdict.serving)]
            fields += [("warning", text) for text in verdict.warnings if row.image]
            fields += [("seen", text) for text in in_order(verdict.evidence)]
        paragraphs += labelled(fields)
        if verdict:
            paragraphs += remedy.lines(verdict.with_way_back(way_back).hint)
    return paragraphs


def notices(overview: Overview) -> list[Line]:
    """What could not be done to find all this out."""
    return [(Span(f"  ! {text}", "warn"),) for text in overview.notices]


def changes(before: Overview | None, after: Overview) -> list[Line]:
    """A line for each site that stands otherwise than before, or is gone, and for each new notice; for all of them without `before`.

    What only passes the time (an age, how far a rollout is) is no change.
    """
    old = {_identity(row): row for row in before.rows} if before else {}
    new = {_identity(row): row for row in after.rows}
    names_context = len({row.context for row in after.rows}) > 1
    clock = _clock(after.now)
    lines = [
        _change(old.get(key), row, after.now, names_context=names_context)
        for key, row in new.items()
        if key not in old or before is None or _standing(old[key], before.now) != _standing(row, after.now)
    ]
    lines += [
        (Span(clock, "quiet"), Span(f"{row.label}: ", "strong"), Span("gone from the branch"))
        for key, row in old.items()
        if key not in new
    ]
    known = before.notices if before else ()
    return lines + [(Span(f"{clock}! {text}", "warn"),) for text in after.notices if text not in known]


def as_data(overview: Overview) -> dict[str, Any]:
    """The one object that `--output json` prints."""
    return {
        "revision": str(overview.tip),
        "exitCode": overview.exit_code,
        "sites": [_row_data(row, overview.now) for row in overview.rows],
        "notices": list(overview.notices),
    }


def age(since: str, now: datetime) -> str:
    """`3 d`, `5 h`, `12 min`, `8 s`; empty for no time. A cluster whose clock is ahead of ours gives `0 s`."""
    seconds = _seconds(since, now)
    if seconds is None:
        return ""
    return next((f"{seconds // size} {unit}" for size, unit in _UNITS if seconds >= size), f"{seconds} s")


def _seconds(since: str, now: datetime) -> int | None:
    try:
        return max(0, int((now - datetime.fromisoformat(since)).total_seconds()))
    except (ValueError, TypeError):
        return None


def _texts(row: Row, now: datetime) -> list[str]:
    return [
        row.label,
        _wanted(row),
        _applied(row) or NOTHING,
        _running(row) or NOTHING,
        f"{row.word}, {off}" if (off := _kept_off(row, now)) else row.word,
        age(row.state.since, now) or NOTHING,
    ]


def _widths(cells: Sequence[Sequence[str]], width: int) -> list[int]:
    """How wide each column is in a window of that width."""
    if not width:
        return [usual for _, usual in _COLUMNS]
    needed = [max(map(len, column)) for column in zip(*cells, strict=True)]
    widths = [min(usual, need) for (_, usual), need in zip(_COLUMNS, needed, strict=True)]
    spare = width - sum(widths) - (len(widths) - 1)
    for at, least in _ELASTIC:
        change = min(spare, needed[at] - widths[at]) if spare > 0 else max(spare, min(0, least - widths[at]))
        widths[at] += change
        spare -= change
    return widths


def _row(row: Row, now: datetime, widths: Sequence[int]) -> Line:
    text = _cells(_texts(row, now), widths)
    start = sum(width + 1 for width in widths[:4])
    end = start + widths[4]
    return Span(text[:start]), Span(text[start:end], _style(row)), Span(text[end:].rstrip())


def _cells(texts: Sequence[str], widths: Sequence[int]) -> str:
    return " ".join(f"{_cut(text, width):<{width}}" for text, width in zip(texts, widths, strict=True))


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _clock(now: datetime) -> str:
    return f"{now:%H:%M:%S}Z  "


def _identity(row: Row) -> tuple[str, str, str, str]:
    return (row.context, row.site, row.kustomization, row.identity)


def _standing(row: Row, now: datetime) -> tuple[object, ...]:
    """What makes a change worth a line."""
    verdict = row.verdict or row.pending
    return (
        row.word,
        verdict.reason if verdict else "",
        row.image,
        row.state.running,
        row.state.drift,
        _hold(row, now),
        _freeze(row, now),
    )


def _change(before: Row | None, row: Row, now: datetime, *, names_context: bool) -> Line:
    where = f" in {row.context}" if names_context else ""
    word = f"{before.word} → " if before and before.word != row.word else ""
    facts = [
        f"wants {_wanted(row)}" if row.image else "",
        f"applied {_applied(row)}" if row.state.applied else "",
        f"runs {_running(row)}" if row.state.running else "",
    ]
    about = [f"{name}: {text}" for name, text in _troubles(row, now)]
    summary = "; ".join([", ".join(filter(None, facts)), *about])
    return (
        Span(_clock(now), "quiet"),
        Span(f"{row.label}{where}: ", "strong"),
        Span(word, "quiet"),
        Span(row.word, _style(row)),
        Span(f"   {summary}" if summary else ""),
    )


def _wanted(row: Row) -> str:
    return (row.image.tag or row.image.digest) if row.image else NOTHING


def _applied(row: Row) -> str:
    revision = Revision.parse(row.state.applied)
    return revision.sha[:7] if revision else row.state.applied


def _running(row: Row) -> str:
    return "+".join(row.state.running)


def _style(row: Row) -> str:
    return STYLES.get(row.verdict.outcome, "bad") if row.verdict else "warn"


def _about(row: Row, now: datetime) -> list[Line]:
    """What is not well about a row; nothing for one that is."""
    return [_note(row.label, name, text) for name, text in _troubles(row, now)]


def _note(label: str, name: str, text: str) -> Line:
    return Span("  "), Span(f"{label}: ", "strong"), Span(f"{name}: ", "quiet"), Span(text)


def _troubles(row: Row, now: datetime) -> list[tuple[str, str]]:
    texts: list[tuple[str, str]] = []
    if row.pending:
        texts.append((f"moving, {row.pending.outcome.value} if it stays", row.pending.message))
    elif row.verdict is None:
        texts.append(("moving", row.detail))
    elif row.verdict.outcome is not Outcome.READY:
        texts.append((row.verdict.reason, row.verdict.message))
    texts += [("drift", text) for text in row.state.drift if text not in [message for _, message in texts]]
    return texts + [("hold", text) for text in _hold(row, now)]


def _hold(row: Row, now: datetime) -> list[str]:
    """The hold that is in force."""
    return [f"{row.hold}   {row.hold.place}"] if row.hold and row.hold.holds_at(now) else []


def _freeze(row: Row, now: datetime) -> list[str]:
    """The freeze window that is in force."""
    closure = row.freeze.closure(now) if row.freeze else None
    return [f"{closure}   {closure.place}"] if closure else []


def _kept_off(row: Row, now: datetime) -> str:
    if row.is_held(now):
        return "held"
    return "frozen" if _freeze(row, now) else ""


def _freezes(rows: Sequence[Row], now: datetime) -> list[Line]:
    """Each freeze that is in force once, with the sites that it keeps deploys off."""
    labels: dict[str, list[str]] = {}
    for row in rows:
        for text in _freeze(row, now):
            labels.setdefault(text, []).append(row.label)
    return [_note(listed(names), "freeze", text) for text, names in labels.items()]


def _unfollowed(rows: Sequence[Row]) -> list[Line]:
    """Those that have nothing to follow, as most of a platform's own parts, in one line: nothing is wrong with them."""
    applied = [row for row in rows if row.verdict and row.verdict.outcome is Outcome.READY]
    labels = [row.label for row in applied if row.not_followed]
    text = "nothing to follow beyond that; bump status SITE says why"
    return [_note(listed(labels), "applied", text)] if labels else []


def _row_data(row: Row, now: datetime) -> dict[str, Any]:
    revision = Revision.parse(row.state.applied)
    return {
        "site": row.site,
        "context": row.context,
        "kustomization": row.kustomization,
        "identity": row.identity or None,
        "wanted": {"image": str(row.image), "tag": row.image.tag, "place": row.place} if row.image else None,
        "notFollowed": row.not_followed or None,
        "applied": {"revision": row.state.applied, "commit": revision.sha if revision else None},
        "running": list(row.state.running),
        "outcome": row.word,
        "exitCode": EXIT_CODES[row.verdict.outcome if row.verdict else Outcome.TIMED_OUT],
        "detail": row.detail,
        "verdict": verdict_as_data(row.verdict) if row.verdict else None,
        "pending": verdict_as_data(row.pending) if row.pending else None,
        "since": row.state.since or None,
        "ageSeconds": _seconds(row.state.since, now),
        "drift": list(row.state.drift),
        "workloads": [workload_as_data(end) for end in row.workloads],
        "stays": list(row.stays),
        "hold": _hold_data(row.hold, now) if row.hold else None,
        "freeze": closure_as_data(row.freeze.closure(now)) if row.freeze else None,
    }


def _hold_data(hold: Hold, now: datetime) -> dict[str, Any]:
    return {
        "reason": hold.reason,
        "by": hold.by or None,
        "since": written_time(hold.since) or None,
        "until": written_time(hold.until) or None,
        "rejected": hold.rejected or None,
        "place": hold.place,
        "isInForce": hold.holds_at(now),
    }
