"""DORA's figures as OpenMetrics text, which Prometheus scrapes or a textfile collector picks up.

Law: whatever a parser of the format takes. All of it are gauges and summaries of one look at the record: with `--since` they may fall,
so that nothing is called a counter. A figure without a sample has no line: no NaN, no invented zero.
Source: OpenMetrics 1.0, https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
"""

from collections.abc import Callable, Iterable, Iterator

from bumper.dataclasses import dataclass
from bumper.history.metrics import DEFINITIONS, PERCENTILES, Figures, Metrics, Spread
from bumper.safe_text import mask

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Gauge:
    name: str
    text: str
    value: Callable[[Figures], float | None]
    labels: _Labels = ()


@dataclass(frozen=True)
class _Summary:
    name: str
    text: str
    value: Callable[[Figures], Spread]


_GAUGES: tuple[tuple[_Gauge, ...], ...] = (
    (
        _Gauge(
            "bump_deploys", "Deploys that became Ready; rollbacks are not counted", lambda each: each.deploys
        ),
    ),
    (_Gauge("bump_deploys_per_day", DEFINITIONS["deployFrequency"], lambda each: each.per_day),),
    (_Gauge("bump_judged_deploys", "Deploys that became Ready or failed", lambda each: each.judged),),
    (
        _Gauge(
            "bump_failed_deploys",
            "Of those, deploys that failed or were taken back",
            lambda each: each.failed,
        ),
    ),
    (_Gauge("bump_change_failure_ratio", DEFINITIONS["changeFailureRate"], lambda each: each.failure_rate),),
    (
        _Gauge(
            "bump_open_incidents", "Failures that no Ready has followed yet", lambda each: each.open_incidents
        ),
    ),
    tuple(
        _Gauge("bump_left_out_deploys", "Deploys that a figure leaves out", count, (("reason", reason),))
        for reason, count in (
            ("rollback", lambda each: each.rollbacks),
            ("not_judged", lambda each: each.not_judged),
            ("no_source_date", lambda each: each.undated),
            ("source_date_after_ready", lambda each: each.dated_after_ready),
        )
    ),
)
_SUMMARIES = (
    _Summary(
        "bump_deploy_interval_seconds", "From one Ready deploy to the next", lambda each: each.intervals
    ),
    _Summary("bump_lead_time_seconds", DEFINITIONS["leadTime"], lambda each: each.lead_times),
    _Summary("bump_time_to_restore_seconds", DEFINITIONS["timeToRestore"], lambda each: each.incidents),
)


def as_openmetrics(metrics: Metrics) -> str:
    """The whole exposition, its end mark included."""
    lines = [*_period(metrics)]
    for family in _GAUGES:
        lines += _head(family[0].name, "gauge", family[0].text)
        lines += [line for figures in metrics.scopes for gauge in family for line in _gauge(gauge, figures)]
    for summary in _SUMMARIES:
        lines += _head(summary.name, "summary", summary.text)
        lines += [line for figures in metrics.scopes for line in _summary(summary, figures)]
    return "".join(f"{line}\n" for line in (*lines, "# EOF"))


def _period(metrics: Metrics) -> Iterator[str]:
    yield from _head("bump_period_start_timestamp_seconds", "gauge", "When the period begins")
    yield f"bump_period_start_timestamp_seconds {metrics.since.timestamp()}"
    yield from _head("bump_period_end_timestamp_seconds", "gauge", "When it was looked")
    yield f"bump_period_end_timestamp_seconds {metrics.now.timestamp()}"


def _head(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# TYPE {name} {kind}"
    for unit in ("seconds", "ratio"):
        if name.endswith(f"_{unit}"):
            yield f"# UNIT {name} {unit}"
    yield f"# HELP {name} {text.translate(_ESCAPES)}"


def _gauge(gauge: _Gauge, figures: Figures) -> Iterator[str]:
    value = gauge.value(figures)
    if value is not None:
        yield f"{gauge.name}{_labels(figures, gauge.labels)} {value}"


def _summary(summary: _Summary, figures: Figures) -> Iterator[str]:
    spread = summary.value(figures)
    for percent in PERCENTILES if spread.values else ():
        labels = _labels(figures, (("quantile", str(percent / 100)),))
        yield f"{summary.name}{labels} {spread.percentile(percent)}"
    yield f"{summary.name}_count{_labels(figures)} {len(spread.values)}"
    yield f"{summary.name}_sum{_labels(figures)} {spread.sum_s}"


def _labels(figures: Figures, more: Iterable[tuple[str, str]] = ()) -> str:
    scope = figures.scope
    pairs = [("scope", scope.level.value), *more]
    if scope.site:
        pairs += [("site", scope.site), ("kustomization", scope.kustomization)]
    elif scope.name:
        pairs.append(("environment", scope.name))
    return (
        "{" + ",".join(f'{key}="{_spelled(text).translate(_ESCAPES)}"' for key, text in pairs if text) + "}"
    )


def _spelled(text: str) -> str:
    """A name without secrets; what can't be seen is spelled out, so that two names never become the same line."""
    return mask("".join(char if char.isprintable() else ascii(char)[1:-1] for char in text))
