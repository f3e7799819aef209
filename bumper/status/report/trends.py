"""DORA's four figures over time, as plots: what to draw is said here in Vega-Lite, the figures are `history.metrics`' own. Pure.

Law: a period without a sample has no point: nothing is joined over it, and none is a zero. Colours are variables of the page's style,
so that one drawing is light and dark. Each mark says in words what it shows.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from bumper.history.metrics import DEFINITIONS, Figures, Metrics
from bumper.history.table import took
from bumper.ports.drawing import Drawing
from bumper.safe_text import printable
from bumper.status.report.snapshot import Snapshot

_WIDTH, _HEIGHT = 270, 110
# So many weeks are told apart; what is longer is told by months.
_MOST_WEEKS, _MOST_MONTHS = 14, 13
_MOST_ENVIRONMENTS = 6
_UNITS = ((86_400.0, "days"), (3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))


class Plot(NamedTuple):
    """A title, the figure of the whole time with its sample, what it means, and the drawing; without one where there is nothing."""

    title: str
    value: str
    sample: str
    definition: str
    svg: str


class Trend(NamedTuple):
    """The four plots of everything, or of an environment."""

    name: str
    plots: tuple[Plot, ...]


class _Point(NamedTuple):
    period: str
    value: float | None
    label: str


class _Measure(NamedTuple):
    title: str
    definition: str
    value: str
    sample: str
    points: Sequence[_Point]
    unit: str
    mark: str


def bounds(first: datetime, now: datetime) -> list[datetime]:
    """Where the periods of a plot begin and the last one ends: weeks from Monday, or months, in UTC."""
    end = now.astimezone(UTC)
    today = end.replace(hour=0, minute=0, second=0, microsecond=0)
    monday = today - timedelta(days=today.weekday())
    weeks = [monday - timedelta(weeks=number) for number in range(_MOST_WEEKS)]
    if first >= weeks[-1]:
        starts = [start for start in weeks if start > first - timedelta(weeks=1)]
        return [*reversed(starts), end] if starts else [monday, end]
    months = [today.replace(day=1)]
    while len(months) < _MOST_MONTHS and months[-1] > first:
        months.append((months[-1] - timedelta(days=1)).replace(day=1))
    return [*reversed(months), end]


def trends(snapshot: Snapshot, drawing: Drawing) -> list[Trend]:
    """Of everything first, then of the environments with most deploys."""
    most = sorted(snapshot.metrics.environments, key=lambda figures: -figures.deploys)[:_MOST_ENVIRONMENTS]
    names = [figures.scope.name for figures in most]
    return [
        Trend(printable(name) or "all sites", tuple(_plots(name, snapshot, drawing)))
        for name in ("", *sorted(names))
    ]


def _plots(name: str, snapshot: Snapshot, drawing: Drawing) -> Iterator[Plot]:
    whole = _of(snapshot.metrics, name)
    if whole is None:
        return
    by_period = [
        (f"{metrics.since:%Y-%m-%d}", figures)
        for metrics in snapshot.periods
        if (figures := _of(metrics, name))
    ]
    for measure in _measures(whole, by_period):
        svg = (
            drawing.plot(_specification(measure))
            if any(point.value is not None for point in measure.points)
            else ""
        )
        yield Plot(measure.title, measure.value, measure.sample, measure.definition, svg)


def _of(metrics: Metrics, name: str) -> Figures | None:
    known: Mapping[str, Figures] = {figures.scope.name: figures for figures in metrics.environments}
    return known.get(name) if name else metrics.overall


def _measures(whole: Figures, by_period: Sequence[tuple[str, Figures]]) -> Iterator[_Measure]:
    yield _Measure(
        "Deploys",
        DEFINITIONS["deployFrequency"],
        _rate(whole.per_day) if whole.deploys else "none",
        f"{whole.deploys:,} became Ready",
        [
            _Point(
                at,
                figures.deploys if whole.deploys else None,
                f"{figures.deploys:,} became Ready, {_rate(figures.per_day)}",
            )
            for at, figures in by_period
        ],
        "",
        "bar",
    )
    yield _durations(
        "Lead time",
        "leadTime",
        whole.lead_times.percentile(50),
        f"median of {len(whole.lead_times.values):,}",
        [
            (at, figures.lead_times.percentile(50), len(figures.lead_times.values))
            for at, figures in by_period
        ],
    )
    yield _Measure(
        "Failed deploys",
        DEFINITIONS["changeFailureRate"],
        "none judged" if whole.failure_rate is None else f"{whole.failure_rate:.1%}",
        f"{whole.failed:,} of {whole.judged:,}",
        [
            _Point(
                at,
                None if figures.failure_rate is None else figures.failure_rate * 100,
                f"{figures.failed:,} of {figures.judged:,} failed",
            )
            for at, figures in by_period
        ],
        "%",
        "bad",
    )
    open_now = f", {whole.open_incidents:,} not over" if whole.open_incidents else ""
    yield _durations(
        "Time to restore",
        "timeToRestore",
        whole.incidents.percentile(50),
        f"median of {len(whole.incidents.values):,}{open_now}",
        [(at, figures.incidents.percentile(50), len(figures.incidents.values)) for at, figures in by_period],
    )


def _rate(per_day: float) -> str:
    """So often a day, or of what is rarer in the shortest time in which it happens once."""
    times = ((1, "day"), (7, "week"), (30, "month"))
    days, unit = next((each for each in times if per_day * each[0] >= 1), times[-1])
    return f"{per_day * days:.1f} a {unit}"


def _durations(
    title: str,
    name: str,
    value: float | None,
    sample: str,
    known: Sequence[tuple[str, float | None, int]],
) -> _Measure:
    longest = max((seconds for _, seconds, _ in known if seconds is not None), default=0.0)
    size, unit = next((each for each in _UNITS if longest >= 2 * each[0]), _UNITS[-1])
    points = [
        _Point(at, None, "no sample")
        if seconds is None
        else _Point(at, round(seconds / size, 3), f"median {took(seconds)} of {number:,}")
        for at, seconds, number in known
    ]
    return _Measure(
        title, DEFINITIONS[name], "none" if value is None else took(value), sample, points, unit, "line"
    )


def _specification(measure: _Measure) -> dict[str, Any]:
    starts = [point.period for point in measure.points]
    # Months all begin on the first.
    date = "%b" if all(start.endswith("-01") for start in starts) else "%-d %b"
    values = [
        {"period": point.period, "value": point.value, "label": f"from {point.period}: {point.label}"}
        for point in measure.points
    ]
    is_above_zero = any(point.value for point in measure.points)
    colour = "var(--bad)" if measure.mark == "bad" else "var(--accent)"
    described = {"field": "label", "type": "nominal"}
    x = {
        "field": "period",
        "type": "ordinal",
        "axis": {
            "title": None,
            "labelAngle": 0,
            "labelOverlap": True,
            "grid": False,
            "labelExpr": f"utcFormat(toDate(datum.label), '{date}')",
            "ticks": False,
        },
    }
    y = {
        "field": "value",
        "type": "quantitative",
        "scale": {"zero": True, "nice": 4, **({} if is_above_zero else {"domainMax": 1})},
        "axis": {
            "title": measure.unit or None,
            "tickCount": 4,
            "domain": False,
            "ticks": False,
            "titleAngle": 0,
            "titleAlign": "left",
            "titleAnchor": "end",
            "titleX": -28,
            "titleY": -14,
        },
    }
    encoding = {"x": x, "y": y, "description": described}
    mark: dict[str, Any] = {"type": "bar", "color": colour, "cornerRadiusEnd": 2}
    line = {
        "mark": {
            "type": "line",
            "color": colour,
            "strokeWidth": 2,
            "invalid": "break-paths-show-path-domains",
        },
        "encoding": {"x": x, "y": y},
    }
    point = {
        "mark": {
            "type": "point",
            "filled": True,
            "size": 36,
            "color": colour,
            "opacity": 1,
            "invalid": "filter",
        },
        "encoding": encoding,
    }
    drawn = {"layer": [line, point]} if measure.mark == "line" else {"mark": mark, "encoding": encoding}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": _WIDTH,
        "height": _HEIGHT,
        "background": None,
        "padding": {"left": 2, "right": 8, "top": 12, "bottom": 2},
        "data": {"values": values},
        **drawn,
        "config": {
            "view": {"stroke": None},
            "axis": {
                "labelColor": "var(--quiet)",
                "titleColor": "var(--quiet)",
                "gridColor": "var(--line)",
                "domainColor": "var(--line)",
                "labelFont": "inherit",
                "titleFont": "inherit",
                "labelFontSize": 11,
                "titleFontSize": 11,
                "titleFontWeight": "normal",
            },
        },
    }
