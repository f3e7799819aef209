"""Deploys as people and programs read them. Pure: values in, lines of styled text or plain data out.

Law: JSON and CSV hold everything, times in UTC. The text fits its width by giving up whole columns or cutting cells, the least telling
first; what was special about a deploy (a rollback, an override, a reason) is told in full below its row.
CSV is RFC 4180's, but for cells that a spreadsheet would take for a formula: they begin with an apostrophe
(https://owasp.org/www-community/attacks/CSV_Injection).
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any

from bumper.image import is_tag
from bumper.record import Ending, Recorded
from bumper.safe_text import printable
from bumper.style import STYLES, Line, Span

SHORT_SHA = 7
_STYLES = {outcome.value: style for outcome, style in STYLES.items()}
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_GAP = "  "


@dataclass(frozen=True)
class Page:
    """The deploys that are shown, newest first. `site` is empty where it is all of them; `has_more` tells of older ones."""

    branch: str
    site: str
    deploys: tuple[Recorded, ...]
    has_more: bool = False
    notices: tuple[str, ...] = ()


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


def lines(page: Page, now: datetime, *, width: int | None = None, zone: tzinfo | None = None) -> list[Line]:
    """A table, in the time of `zone` (None: this machine's). Without a width nothing is cut."""
    if not page.deploys:
        what = f"no deploy of {page.site}" if page.site else "no deploy"
        return [(Span(f"{what} is recorded on {page.branch}"),), *_notices(page)]
    columns = _fitted(_columns(page, now, zone), width)
    found: list[Line] = [
        (Span(_GAP.join(_padded(one.title, one.width) for one in columns).rstrip(), "quiet"),)
    ]
    for row, deploy in zip(_rows(columns), page.deploys, strict=True):
        found.append((row[0], row[1]._replace(style=_style(deploy)), row[2]))
        found += [(Span(f"    {label}: ", "quiet"), Span(_safe(text))) for label, text in _about(deploy)]
    if page.has_more:
        found.append((Span(f"the newest {len(page.deploys)}; --limit 0 shows all", "quiet"),))
    return found + _notices(page)


def as_json(page: Page) -> str:
    """The one object that `--output json` prints, each deploy on a line of its own."""
    rows = ",\n    ".join(json.dumps(_data(one)) for one in page.deploys)
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
    """One line for each deploy below a line of names: those of JSON, less the list of all outcomes."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\r\n")
    rows = [{**_data(one), "forced": ", ".join(one.record.forced)} for one in page.deploys]
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
    ),
)


def _data(deploy: Recorded) -> dict[str, Any]:
    record, ending = deploy.record, deploy.ending
    return {
        "at": _iso(record.at),
        "site": record.site,
        "image": record.image,
        "previousTag": record.previous,
        "tag": record.tag,
        "digest": record.digest,
        "requestedBy": record.origin.requested_by,
        "author": record.author,
        "commit": record.commit,
        "sourceRepository": record.origin.source_repository,
        "sourceCommit": record.origin.source_commit,
        "workflowRun": record.origin.workflow_run,
        "reason": record.reason,
        "rollbackOf": record.rollback_of,
        "forced": list(record.forced),
        "outcome": ending.outcome if ending else None,
        "outcomeReason": ending.reason if ending else None,
        "seconds": ending.seconds if ending else None,
        "outcomeAt": _iso(ending.at) if ending else None,
        "outcomes": [_ending_data(one) for one in deploy.endings],
    }


def _ending_data(ending: Ending) -> dict[str, Any]:
    return {
        "outcome": ending.outcome,
        "reason": ending.reason,
        "seconds": ending.seconds,
        "at": _iso(ending.at),
        "context": ending.context,
        "run": ending.run,
    }


def _columns(page: Page, now: datetime, zone: tzinfo | None) -> list[_Column]:
    today = now.astimezone(zone)
    records, endings = [one.record for one in page.deploys], [one.ending for one in page.deploys]
    return [
        _Column("WHEN", [_short(one.at.astimezone(zone), today) for one in records]),
        *([] if page.site else [_Column("SITE", [_safe(one.site) for one in records], 13)]),
        _Column("FROM", [_tag(one.previous) or "-" for one in records], 7),
        _Column("TO", [one.tag for one in records], 7),
        _Column("WHO", [_safe(one.who) or "-" for one in records], 6),
        _Column("OUTCOME", *_outcomes(endings)),
        _Column("TOOK", [_took(one.seconds) if one else "-" for one in endings]),
        _Column("COMMIT", [one.commit[:SHORT_SHA] for one in records]),
        _Column("SOURCE", [_tag(one.origin.source_commit)[:SHORT_SHA] or "-" for one in records]),
    ]


def _fitted(columns: list[_Column], width: int | None) -> list[_Column]:
    """The same columns in at most `width` characters, as long as there is something to give up."""

    def excess() -> int:
        return sum(one.width for one in columns) + len(_GAP) * (len(columns) - 1) - (width or 0)

    if width is None:
        return columns
    for title in ("-SOURCE", "OUTCOME", "WHO", "SITE", "FROM", "TO", "-COMMIT", "-TOOK", "-WHO", "-FROM"):
        if excess() <= 0:
            break
        one = next((one for one in columns if one.title == title.removeprefix("-")), None)
        if one and title.startswith("-"):
            columns = [other for other in columns if other is not one]
        elif one:
            one.cut(excess())
    return columns


def _rows(columns: Sequence[_Column]) -> Iterator[tuple[Span, Span, Span]]:
    """What stands before the outcome, the outcome, and what stands after it."""
    at = [one.title for one in columns].index("OUTCOME")
    padded = [[_padded(text, one.width) for text in one.cells] for one in columns]
    for cells in zip(*padded, strict=True):
        before, after = _GAP.join(cells[:at]), _GAP.join(cells[at + 1 :])
        yield Span(f"{before}{_GAP}"), Span(cells[at]), Span(f"{_GAP}{after}".rstrip())


def _style(deploy: Recorded) -> str:
    return _STYLES.get(deploy.ending.outcome, "bad") if deploy.ending else "quiet"


def _padded(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else text[: width - 1] + "…"


def _outcomes(endings: Sequence[Ending | None]) -> tuple[list[str], int, list[str]]:
    """The cells with the reason of what did not go well, the least width, and the cells without reasons."""
    short = [_safe(one.outcome) if one else "-" for one in endings]
    whole = [
        f"{text}: {_safe(one.reason)}" if one and one.reason and _STYLES.get(text) != "good" else text
        for text, one in zip(short, endings, strict=True)
    ]
    return whole, 9, short


def _took(seconds: float) -> str:
    """`9.1 s`, `1m15s`, `2h05m`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02}m"


@lru_cache(maxsize=10_000)
def _safe(text: str) -> str:
    return printable(text)


def _tag(text: str) -> str:
    return text if is_tag(text) else _safe(text)


def _about(deploy: Recorded) -> list[tuple[str, str]]:
    record = deploy.record
    found = []
    if record.rollback_of:
        found.append(("rollback of", record.rollback_of[:SHORT_SHA]))
    if record.forced:
        found.append(("forced", ", ".join(record.forced)))
    if record.reason:
        found.append(("reason", record.reason))
    contexts = dict.fromkeys(one.context for one in deploy.endings)
    if len(contexts) > 1:
        ended = {one.context: one for one in deploy.endings}
        texts = (
            f"{context or 'default'} {one.outcome} {_took(one.seconds)}" for context, one in ended.items()
        )
        found.append(("clusters", ", ".join(texts)))
    return found


def _notices(page: Page) -> list[Line]:
    return [(Span(f"! {text}", "warn"),) for text in page.notices]


def _short(at: datetime, now: datetime) -> str:
    """`03-04 05:06`; the date with its year where that is another one."""
    return at.strftime("%m-%d %H:%M" if at.year == now.year else "%Y-%m-%d")


def _iso(at: datetime) -> str:
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    return f"{utc.replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def _cell(value: str | float | None) -> str | float | None:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
