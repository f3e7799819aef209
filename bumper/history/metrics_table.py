"""DORA's figures as people and programs read them. Pure: values in, lines of styled text or plain data out.

Law: no figure without its sample size; the definitions stand beside the figures, and what was left out is counted. JSON holds
everything, times in UTC and durations in seconds. The text fits its width by giving up percentiles and cutting names.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo
from typing import Any

from bumper.history.message import iso_utc
from bumper.history.metrics import DEFINITIONS, PERCENTILES, Figures, Metrics, Spread
from bumper.history.scopes import Level
from bumper.history.table import took
from bumper.safe_text import printable
from bumper.style import Line, Span, amount, wrapped

Row = tuple[str, ...]
_GAP = "  "
_NAME, _LEAST_NAME = 22, 13
_TITLES = {
    "deployFrequency": "READY, PER DAY, EVERY",
    "leadTime": "LEAD TIME",
    "changeFailureRate": "FAILED",
    "timeToRestore": "RESTORED IN",
}


def lines(
    metrics: Metrics, notices: Sequence[str] = (), *, width: int | None = None, zone: tzinfo | None = None
) -> list[Line]:
    """A table, in the time of `zone` (None: this machine's), and what its columns mean. Without a width nothing is cut."""
    groups, titles, *rows = _fitted([_GROUPS, _HEAD, *map(_row, metrics.scopes)], width)
    below: list[Line] = [
        *((Span(f"{_TITLES[name]}: ", "quiet"), Span(text, "quiet")) for name, text in DEFINITIONS.items()),
        (Span("p50, p90: the value that half, or nine tenths, do not exceed; n: of how many", "quiet"),),
        *((Span(f"left out: {text}", "quiet"),) for text in _left_out(metrics.overall)),
        *((Span(f"! {text}", "warn"),) for text in notices),
    ]
    return [
        (Span(_period(metrics, zone)),),
        (Span(groups, "quiet"),),
        (Span(titles, "quiet"),),
        *((Span(text),) for text in rows),
        *(below if width is None else (part for line in below for part in wrapped(line, width))),
    ]


def as_json(metrics: Metrics, notices: Sequence[str] = ()) -> str:
    """The one object that `--output json` prints."""
    data = {
        "branch": metrics.branch,
        "since": iso_utc(metrics.since),
        "until": iso_utc(metrics.now),
        "days": round(metrics.overall.days, 3),
        "definitions": {**DEFINITIONS, "percentiles": "nearest rank"},
        "overall": figures_as_data(metrics.overall),
        "environments": [
            {"environment": figures.scope.name, **figures_as_data(figures)}
            for figures in metrics.environments
        ],
        "sites": [
            {
                "site": figures.scope.site,
                "label": figures.scope.name,
                "kustomization": figures.scope.kustomization,
                **figures_as_data(figures),
            }
            for figures in metrics.sites
        ],
        "notices": list(notices),
    }
    return json.dumps(data, indent=2) + "\n"


# A title that stands above several columns stands in the first of them.
_GROUPS = ("", "READY", "PER DAY", "EVERY", "LEAD TIME", "", "", "FAILED", "RESTORED IN", "", "")
_HEAD = ("", "", "", "p50", "p50", "p90", "n", "", "p50", "p90", "n")
# Columns that a narrow window gives up, the least telling first: JSON has them.
_GIVEN_UP = (9, 5, 3, 2)


def _row(figures: Figures) -> Row:
    lead, restored, rate = figures.lead_times, figures.incidents, figures.failure_rate
    return (
        _name(figures),
        str(figures.deploys),
        f"{figures.per_day:.2f}",
        _took(figures.intervals, 50),
        *(_took(lead, 50), _took(lead, 90), str(len(lead.values))),
        "-" if rate is None else f"{rate:.1%} of {figures.judged}",
        *(_took(restored, 50), _took(restored, 90), _restored(figures)),
    )


def _name(figures: Figures) -> str:
    name = printable(figures.scope.name)
    return {Level.ALL: "all", Level.ENVIRONMENT: f"in {name}"}.get(figures.scope.level, name)


def _restored(figures: Figures) -> str:
    """How many incidents are over, and how many are not."""
    open_now = f" +{figures.open_incidents} open" if figures.open_incidents else ""
    return f"{len(figures.incidents.values)}{open_now}"


def _took(spread: Spread, percent: int) -> str:
    value = spread.percentile(percent)
    return "-" if value is None else took(value)


def _fitted(rows: list[Row], width: int | None) -> list[str]:
    """The rows as text of at most `width` characters, as long as there is something to give up."""
    widths = _widths(rows)
    if width is not None:
        widths[0] = _cut_name(widths, width, _NAME)
        for at in _GIVEN_UP:
            if _total(widths) > width:
                rows = [(*row[:at], *row[at + 1 :]) for row in rows]
                widths = [widths[0], *_widths(rows)[1:]]
        widths[0] = _cut_name(widths, width, _LEAST_NAME)
    return [_padded(row, widths) for row in rows]


def _widths(rows: Sequence[Row]) -> list[int]:
    """Of each column; the last one of several under one title makes up for what the title needs."""
    groups, *others = rows
    widths = [max(map(len, column)) for column in zip(*others, strict=True)]
    starts = [at for at, title in enumerate(groups) if title or not at]
    for start, end in zip(starts, [*starts[1:], len(groups)], strict=True):
        widths[end - 1] += max(0, len(groups[start]) - _total(widths[start:end]))
    return widths


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _cut_name(widths: Sequence[int], width: int, least: int) -> int:
    return min(widths[0], max(least, width - _total(widths) + widths[0]))


def _padded(row: Row, widths: Sequence[int]) -> str:
    """One line; a title that is longer than its column runs on over the empty ones beside it."""
    text, column = "", 0
    for cell, width in zip(row, widths, strict=True):
        shown = f"{cell[: width - 1]}…" if len(cell) > width and not column else cell
        text = text.ljust(column) + shown
        column += width + len(_GAP)
    return text.rstrip()


def _period(metrics: Metrics, zone: tzinfo | None) -> str:
    def day(at: datetime) -> str:
        return f"{at.astimezone(zone):%Y-%m-%d}"

    days = round(metrics.overall.days)
    return f"{metrics.branch}, {day(metrics.since)} to {day(metrics.now)}, {amount(days, 'day')}"


def _left_out(figures: Figures) -> Iterator[str]:
    counted = (
        (figures.rollbacks, "rollbacks, which are no changes"),
        (figures.not_judged, "deploys that neither became Ready nor failed as far as anybody noted"),
        (
            figures.undated,
            "deploys without a lead time, whose commit does not say when its source commit was made",
        ),
        (
            figures.dated_after_ready,
            "deploys without a lead time, whose source commit claims to be younger than its deploy",
        ),
    )
    yield from (f"{what}: {count}" for count, what in counted if count)


def figures_as_data(figures: Figures) -> dict[str, Any]:
    """The four figures of one scope, with the size of each sample and what it leaves out."""
    return {
        "deployFrequency": {
            "sampleSize": figures.deploys,
            "perDay": round(figures.per_day, 6),
            "secondsBetween": _percentiles(figures.intervals),
            "leftOut": {"rollbacks": figures.rollbacks},
        },
        "leadTime": {
            "sampleSize": len(figures.lead_times.values),
            "seconds": _percentiles(figures.lead_times),
            "leftOut": {"noSourceDate": figures.undated, "sourceDateAfterReady": figures.dated_after_ready},
        },
        "changeFailureRate": {
            "sampleSize": figures.judged,
            "failed": figures.failed,
            "rate": figures.failure_rate,
            "leftOut": {"notJudged": figures.not_judged},
        },
        "timeToRestore": {
            "sampleSize": len(figures.incidents.values),
            "seconds": _percentiles(figures.incidents),
            "open": figures.open_incidents,
        },
    }


def _percentiles(spread: Spread) -> dict[str, float | None]:
    return {f"p{percent}": spread.percentile(percent) for percent in PERCENTILES}
