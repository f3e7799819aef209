"""Deploys as people and programs read them. Pure: values in, lines of styled text or plain data out.

Law: JSON and CSV hold everything, times in UTC. The text fits its width by giving up whole columns or cutting cells, the least telling
first; what was special about a deploy (a rollback, an override, a reason, why it failed and where) is told in full below its row.
CSV is RFC 4180's, but for cells that a spreadsheet would take for a formula: they begin with an apostrophe
(https://owasp.org/www-community/attacks/CSV_Injection).
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Any

from bumper.dataclasses import dataclass, field
from bumper.history.message import iso_utc
from bumper.image import is_tag
from bumper.record import Ending, Record, Recorded, told_apart
from bumper.safe_text import printable
from bumper.style import STYLES, Line, Span, wrapped

SHORT_SHA = 7
_STYLES = {outcome.value: style for outcome, style in STYLES.items()}
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_GAP = "  "


@dataclass(frozen=True)
class Page:
    """The deploys that are shown, newest first. `site` is empty where it is all of them; `has_more` tells of older ones.

    `none` says why there are none, if so.
    """

    branch: str
    site: str
    deploys: tuple[Recorded, ...]
    has_more: bool = False
    notices: tuple[str, ...] = ()
    none: str = ""


@dataclass
class _Column:
    """`least` is the width below which its cells say nothing any more; `short` holds the cells for any width but the full one."""

    title: str
    cells: list[str]
    least: int = 0
    short: list[str] = field(default_factory=list)
    width: int = 0

    def __post_init__(self) -> None:
        self.width = len(max(self.title, *self.cells, key=len))

    def cut(self, excess: int) -> None:
        self.cells = self.short or self.cells
        needed = len(max(self.title, *self.cells, key=len))
        self.width = max(min(self.least, needed), min(needed, self.width - excess))

    def padded(self) -> list[str]:
        """The cells, each as wide as the column."""
        width = self.width
        if len(max(self.cells, key=len, default="")) <= width:
            return [text.ljust(width) for text in self.cells]
        return [text.ljust(width) if len(text) <= width else text[: width - 1] + "…" for text in self.cells]


def lines(page: Page, now: datetime, *, width: int | None = None, zone: tzinfo | None = None) -> list[Line]:
    """A table, in the time of `zone` (None: this machine's). Without a width nothing is cut."""
    if not page.deploys:
        return [(Span(_safe(page.none)),), *_notices(page)]
    columns = _fitted(_columns(page, now, zone), width)
    table_lines: list[Line] = [
        (Span(_GAP.join(column.title.ljust(column.width) for column in columns).rstrip(), "quiet"),)
    ]
    for (before, outcome, after), deploy in zip(_rows(columns), page.deploys, strict=True):
        table_lines.append((Span(before), Span(outcome, _style(deploy)), Span(after)))
        for label, text in _about(deploy):
            about: Line = (Span(f"    {label}: ", "quiet"), Span(_safe(text)))
            table_lines += [about] if width is None else wrapped(about, width)
    if page.has_more:
        table_lines.append((Span(f"the newest {len(page.deploys)}; --limit 0 shows all", "quiet"),))
    return table_lines + _notices(page)


def as_json(page: Page) -> str:
    """The one object that `--output json` prints, each deploy on a line of its own."""
    rows = ",\n    ".join(json.dumps(_data(deploy)) for deploy in page.deploys)
    fields = {
        "branch": json.dumps(page.branch),
        "site": json.dumps(page.site or None),
        "deploys": f"[\n    {rows}\n  ]" if rows else "[]",
        "hasMore": json.dumps(page.has_more),
        "notices": json.dumps(page.notices),
    }
    inside = ",\n".join(f'  "{name}": {text}' for name, text in fields.items())
    return f"{{\n{inside}\n}}\n"


def as_csv(page: Page) -> str:
    """One line for each deploy below a line with the names that JSON has, less the list of all outcomes."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\r\n")
    rows = [{**_data(deploy), "forced": ", ".join(deploy.record.forced)} for deploy in page.deploys]
    writer.writerow(_CSV)
    for row in rows:
        writer.writerow([_cell(row[name]) for name in _CSV])
    return stream.getvalue()


_CSV = (
    *(
        "at",
        "site",
        "image",
        "previousTag",
        "tag",
        "digest",
        "requestedBy",
        "author",
        "outcome",
        "outcomeReason",
        "seconds",
    ),
    *(
        "outcomeAt",
        "commit",
        "sourceRepository",
        "sourceCommit",
        "workflowRun",
        "reason",
        "rollbackOf",
        "forced",
        "kustomization",
        "plan",
        "sourceDate",
        "outcomeMessage",
    ),
)


def _data(deploy: Recorded) -> dict[str, Any]:
    record, ending = deploy.record, deploy.ending
    return {
        "at": iso_utc(record.at),
        "site": record.site,
        "kustomization": record.kustomization,
        "image": record.image,
        "previousTag": record.previous,
        "tag": record.tag,
        "digest": record.digest,
        "requestedBy": record.origin.requested_by,
        "author": record.author,
        "commit": record.commit,
        "sourceRepository": record.origin.source_repository,
        "sourceCommit": record.origin.source_commit,
        "sourceDate": iso_utc(record.source_at) if record.source_at else None,
        "workflowRun": record.origin.workflow_run,
        "reason": record.reason,
        "rollbackOf": record.rollback_of,
        "forced": list(record.forced),
        "plan": record.plan,
        "outcome": ending.outcome if ending else None,
        "outcomeReason": ending.reason if ending else None,
        "outcomeMessage": ending.message if ending else None,
        "seconds": ending.seconds if ending else None,
        "outcomeAt": iso_utc(ending.at) if ending else None,
        "outcomes": [_ending_data(ending) for ending in deploy.endings],
    }


def _ending_data(ending: Ending) -> dict[str, Any]:
    return {
        "outcome": ending.outcome,
        "reason": ending.reason,
        "seconds": ending.seconds,
        "at": iso_utc(ending.at),
        "message": ending.message,
        "context": ending.context,
        "run": ending.run,
        "stages": [
            {
                "stage": span.stage,
                "seconds": seconds,
                "began": iso_utc(span.began),
                "ended": iso_utc(span.ended),
            }
            for span, (_, seconds) in zip(ending.spans, ending.stages, strict=True)
        ],
    }


def _columns(page: Page, now: datetime, zone: tzinfo | None) -> list[_Column]:
    today = now.astimezone(zone)
    where = _where(page.deploys)
    records, endings = [deploy.record for deploy in page.deploys], [deploy.ending for deploy in page.deploys]
    return [
        _Column("WHEN", [_short(record.at, zone, today.year) for record in records]),
        *(
            []
            if page.site and not where
            else [_Column("SITE", [_site(record, where) for record in records], 13)]
        ),
        _Column("FROM", [_tag(record.previous) or "-" for record in records], 7),
        _Column("TO", [record.tag for record in records], 7),
        _Column("WHO", [_safe(record.who) or "-" for record in records], 6),
        _Column("OUTCOME", *_outcomes(endings)),
        _Column("TOOK", [took(ending.seconds) if ending else "-" for ending in endings]),
        _Column("COMMIT", [record.commit[:SHORT_SHA] for record in records]),
        _Column("SOURCE", [_tag(record.origin.source_commit)[:SHORT_SHA] or "-" for record in records]),
    ]


def _where(deploys: Sequence[Recorded]) -> dict[tuple[str, str], str]:
    """By site and Kustomization what tells those of the same name apart; empty where each name has one."""
    names: dict[str, set[str]] = {}
    for deploy in deploys:
        if deploy.record.kustomization:
            names.setdefault(deploy.record.site, set()).add(deploy.record.kustomization)
    return {
        (site, kustomization): text
        for site, kustomizations in names.items()
        if len(kustomizations) > 1
        for kustomization, text in told_apart(kustomizations).items()
    }


def _site(record: Record, where: Mapping[tuple[str, str], str]) -> str:
    text = where.get((record.site, record.kustomization), "")
    return _safe(f"{record.site} ({text})" if text else record.site)


def _fitted(columns: list[_Column], width: int | None) -> list[_Column]:
    """The same columns in at most `width` characters, as long as there is something to give up."""

    def excess() -> int:
        return sum(column.width for column in columns) + len(_GAP) * (len(columns) - 1) - (width or 0)

    if width is None:
        return columns
    for title in ("-SOURCE", "OUTCOME", "WHO", "SITE", "FROM", "TO", "-COMMIT", "-TOOK", "-WHO", "-FROM"):
        if excess() <= 0:
            break
        column = next((column for column in columns if column.title == title.removeprefix("-")), None)
        if column and title.startswith("-"):
            columns = [other for other in columns if other is not column]
        elif column:
            column.cut(excess())
    return columns


def _rows(columns: Sequence[_Column]) -> Iterator[tuple[str, str, str]]:
    """What stands before the outcome, the outcome, and what stands after it."""
    at = [column.title for column in columns].index("OUTCOME")
    for cells in zip(*(column.padded() for column in columns), strict=True):
        before, after = _GAP.join(cells[:at]), _GAP.join(cells[at + 1 :])
        yield f"{before}{_GAP}", cells[at], f"{_GAP}{after}".rstrip()


def _style(deploy: Recorded) -> str:
    return _STYLES.get(deploy.ending.outcome, "bad") if deploy.ending else "quiet"


def _outcomes(endings: Sequence[Ending | None]) -> tuple[list[str], int, list[str]]:
    """The cells with the reason of what did not go well, the least width, and the cells without reasons."""
    short = [_safe(ending.outcome) if ending else "-" for ending in endings]
    whole = [
        f"{text}: {_safe(ending.reason)}"
        if ending and ending.reason and _STYLES.get(text) != "good"
        else text
        for text, ending in zip(short, endings, strict=True)
    ]
    return whole, 9, short


def took(seconds: float) -> str:
    """`9.1 s`, `1m15s`, `2h05m`, `3d04h`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24}d{hours % 24:02}h"
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s"


@lru_cache(maxsize=10_000)
def _safe(text: str) -> str:
    return printable(text)


def _tag(text: str) -> str:
    return text if is_tag(text) else _safe(text)


def _about(deploy: Recorded) -> list[tuple[str, str]]:
    record, ending = deploy.record, deploy.ending
    notes = []
    if record.rollback_of:
        notes.append(("rollback of", record.rollback_of[:SHORT_SHA]))
    if record.forced:
        notes.append(("forced", ", ".join(record.forced)))
    if record.reason:
        notes.append(("reason", record.reason))
    if ending and not deploy.is_ready:
        notes.append(("why", ending.message))
        notes.append(("stages", ", ".join(f"{stage} {took(seconds)}" for stage, seconds in ending.stages)))
    ended = {ending.context: ending for ending in deploy.endings} if len(deploy.endings) > 1 else {}
    if len(ended) > 1:
        texts = (
            f"{context or 'default'} {ending.outcome} {took(ending.seconds)}"
            for context, ending in ended.items()
        )
        notes.append(("clusters", ", ".join(texts)))
    return [(label, text) for label, text in notes if text]


def _notices(page: Page) -> list[Line]:
    return [(Span(f"! {text}", "warn"),) for text in page.notices]


def _short(at: datetime, zone: tzinfo | None, year: int) -> str:
    """`03-04 05:06` in that zone; the date with its year where that is another one."""
    # This machine's zone itself is not asked for, as `astimezone` would: that takes three times as long.
    local = datetime.fromtimestamp(at.timestamp(), zone)
    text = str(local)
    return text[5:16] if local.year == year else text[:10]


def _cell(value: str | float | None) -> str | float | None:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
