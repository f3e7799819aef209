"""DORA's four figures: what is counted, and whole outputs."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as some
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from tables import each_row

from bumper.history.metrics import Figures, Metrics, Spread, measure, trend
from bumper.history.metrics_table import as_json, lines
from bumper.history.openmetrics import as_openmetrics
from bumper.record import Ending, Record, Recorded
from bumper.request import Origin
from bumper.style import plain

START = datetime(2026, 3, 1, tzinfo=UTC)
NOW = START + timedelta(days=10)
HOUR = 3600.0
PROD, STAGING = (f"clusters/{name}/web.yaml#flux-system/web" for name in ("prod", "staging"))


def at(hour: float) -> datetime:
    return START + timedelta(hours=hour)


def deploy(
    hour: float,
    *ended: str,
    tag: str = "",
    source: float | None = None,
    takes_back: float | None = None,
    site: str = "web",
    kustomization: str = "",
) -> Recorded:
    """A deploy in that hour; each ending is `OUTCOME HOUR [CLUSTER]`, `source` the hour of the source commit."""
    record = Record(
        site=site,
        image=f"reg.io/{site}",
        previous="0",
        tag=tag or f"v{hour:g}",
        digest="",
        origin=Origin(),
        reason="",
        rollback_of=commit(takes_back) if takes_back is not None else "",
        forced=(),
        commit=commit(hour),
        author="ci",
        at=at(hour),
        kustomization=kustomization,
        source_at=at(source) if source is not None else None,
    )
    texts = (text.split() for text in ended)
    endings = tuple(
        Ending(site, outcome, "Because", 1.0, at(float(when)), record.tag, " ".join(cluster))
        for outcome, when, *cluster in texts
    )
    return Recorded(record, endings)


def commit(hour: float) -> str:
    return f"{round(hour * 100):040x}"


def of(*deploys: Recorded, since: float | None = None) -> Metrics:
    newest_first = sorted(deploys, key=lambda each: each.record.at, reverse=True)
    return measure(newest_first, "main", NOW, at(since) if since is not None else None)


def hours(spread: Spread) -> list[float]:
    return [round(value / HOUR, 3) for value in spread.values]


READY_TWICE = (deploy(0, "ready 1", source=-3), deploy(24, "ready 25", source=23))


def test_how_often_and_how_soon() -> None:
    figures = of(*READY_TWICE, deploy(30), deploy(31, "superseded 32"), deploy(32, "timed-out 33")).overall
    assert (figures.deploys, figures.days, figures.per_day) == (2, 10.0, 0.2)
    assert hours(figures.intervals) == [24]
    assert hours(figures.lead_times) == [2, 4]
    assert (figures.judged, figures.failed, figures.not_judged) == (2, 0, 3)


@each_row(
    ("deploys", "lead_times", "left_out"),
    [
        ([deploy(0, "ready 1")], [], (1, 0)),
        ([deploy(0, "ready 1", source=2)], [], (0, 1)),
        ([deploy(0, "failed 1", source=-1)], [], (0, 0)),
        # Two clusters: it is there with the later one; who looks again does not count.
        ([deploy(0, "ready 1 east", "ready 3 west", "unchanged 9 east", source=-1)], [4], (0, 0)),
        ([deploy(0, "ready 1 east", "failed 2 west", source=-1)], [], (0, 0)),
        # The second deploy of an image is no new change, nor is a rollback.
        ([deploy(0, "ready 1", tag="a", source=0), deploy(5, "ready 6", tag="a", source=0)], [1], (0, 0)),
        ([deploy(0, "failed 1", tag="a", source=0), deploy(5, "ready 6", tag="a", source=0)], [6], (0, 0)),
        ([deploy(5, "ready 6", takes_back=0, source=0)], [], (0, 0)),
    ],
)
def test_what_has_a_lead_time(
    deploys: Sequence[Recorded], lead_times: list[float], left_out: tuple[int, int]
) -> None:
    figures = of(*deploys).overall
    assert hours(figures.lead_times) == lead_times
    assert (figures.undated, figures.dated_after_ready) == left_out


@each_row(
    ("deploys", "failed", "restored", "still_open"),
    [
        ([deploy(0, "ready 1")], "0/1", [], 0),
        ([deploy(0, "failed 1")], "1/1", [], 1),
        ([deploy(0, "failed 1"), deploy(2, "ready 4")], "1/2", [3], 0),
        # One incident, however many deploys fail in it.
        ([deploy(0, "failed 1"), deploy(2, "failed 3"), deploy(4, "ready 6")], "2/3", [5], 0),
        ([deploy(0, "failed 1"), deploy(2, "ready 3"), deploy(4, "failed 5")], "2/3", [2], 1),
        # By a rollback, which is no change.
        ([deploy(0, "failed 1"), deploy(2, "ready 2.5", takes_back=0)], "1/1", [1.5], 0),
        # Ready, and taken back: bad since it was Ready.
        ([deploy(0, "ready 1"), deploy(8, "ready 9", takes_back=0)], "1/1", [8], 0),
        # Failed, and came right by itself, as a sweep has seen.
        ([deploy(0, "failed 1", "ready 1.25")], "1/1", [0.25], 0),
        # In one of two clusters.
        (
            [deploy(0, "ready 1 east", "failed 2 west"), deploy(3, "ready 4 east", "ready 5 west")],
            "1/2",
            [3],
            0,
        ),
        # Late is neither.
        ([deploy(0, "timed-out 1"), deploy(2, "ready 3")], "0/1", [], 0),
    ],
)
def test_what_fails_and_when_it_is_restored(
    deploys: Sequence[Recorded], failed: str, restored: list[float], still_open: int
) -> None:
    figures = of(*deploys).overall
    assert f"{figures.failed}/{figures.judged}" == failed
    assert hours(figures.incidents) == restored
    assert figures.open_incidents == still_open


def test_a_period_counts_what_was_deployed_in_it_and_knows_what_was_before() -> None:
    before = deploy(0, "ready 1", tag="a", source=0), deploy(40, "failed 41")
    inside = (
        deploy(48, "ready 49", tag="a", source=0),
        deploy(50, "failed 51"),
        deploy(60, "ready 61", source=59),
    )
    figures = of(*before, *inside, since=48).overall
    assert (figures.deploys, figures.days, figures.judged) == (2, 8.0, 3)
    assert hours(figures.lead_times) == [2]
    assert hours(figures.incidents) == [10]


def test_environments_are_what_tells_sites_of_one_name_apart_or_what_people_call_so() -> None:
    metrics = of(
        deploy(0, "ready 1", kustomization=PROD),
        deploy(1, "failed 2", kustomization=STAGING),
        deploy(2, "ready 3", site="api", kustomization="clusters/prod/api.yaml#flux-system/api"),
        deploy(3, "ready 4", site="shop", kustomization="apps/shop.yaml#flux-system/shop-production"),
        deploy(4, "ready 5", site="docs", kustomization="apps/docs.yaml#flux-system/docs"),
        # What an earlier version wrote belongs to the only one of its name.
        deploy(5, "ready 6", site="docs"),
    )
    assert {each.scope.name: each.deploys for each in metrics.environments} == {
        "prod": 2,
        "production": 1,
        "staging": 0,
    }
    assert {each.scope.name: each.deploys for each in metrics.sites} == {
        "api": 1,
        "docs": 2,
        "shop": 1,
        "web (prod)": 1,
        "web (staging)": 0,
    }


def test_environments_are_those_of_the_annotation_where_there_is_one() -> None:
    newest_first = (deploy(1, "ready 2", kustomization=STAGING), deploy(0, "ready 1", kustomization=PROD))
    annotated = {("web", PROD): frozenset({"blue", "live"}), ("web", STAGING): frozenset[str]()}
    metrics = measure(newest_first, "main", NOW, annotated=annotated)
    assert [each.scope.name for each in metrics.environments] == ["blue", "live"]


@given(some.lists(some.floats(0, 1e9), min_size=1, max_size=50), some.integers(1, 100))
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(
    values: list[float], percent: int
) -> None:
    value = Spread(tuple(sorted(values))).percentile(percent)
    assert value is not None
    assert sum(each <= value for each in values) * 100 >= percent * len(values)
    assert sum(each < value for each in values) * 100 < percent * len(values)


WHOLE = of(*READY_TWICE, deploy(48, "failed 49", kustomization=PROD), deploy(50, "ready 50.5", takes_back=48))


def test_the_whole_table() -> None:
    text = [plain(line) for line in lines(WHOLE, ["this clone is shallow"], zone=UTC)]
    assert text[:6] == [
        "main, 2026-03-01 to 2026-03-11, 10 days",
        "         READY  PER DAY  EVERY   LEAD TIME        FAILED      RESTORED IN",
        "                         p50     p50    p90    n              p50    p90    n",
        "all      2      0.20     24h00m  2h00m  4h00m  2  33.3% of 3  1h30m  1h30m  1",
        "in prod  2      0.20     24h00m  2h00m  4h00m  2  33.3% of 3  1h30m  1h30m  1",
        "web      2      0.20     24h00m  2h00m  4h00m  2  33.3% of 3  1h30m  1h30m  1",
    ]
    assert [line.partition(":")[0] for line in text[6:10]] == [
        "READY, PER DAY, EVERY",
        "LEAD TIME",
        "FAILED",
        "RESTORED IN",
    ]
    assert text[-2:] == ["left out: rollbacks, which are no changes: 1", "! this clone is shallow"]
    empty = [plain(line) for line in lines(of(), zone=UTC)]
    assert empty[3].split() == ["all", "0", "0.00", "-", "-", "-", "0", "-", "-", "-", "0"]


def test_a_narrow_window_gives_up_percentiles_before_names_and_no_sample_size() -> None:
    text = [plain(line) for line in lines(WHOLE, width=56, zone=UTC)]
    assert text[1:4] == [
        "         READY  LEAD TIME  FAILED      RESTORED IN",
        "                p50    n               p50    n",
        "all      2      2h00m  2   33.3% of 3  1h30m  1",
    ]
    assert max(map(len, text)) <= 56
    long = of(deploy(1, "ready 2", site="a-site-with-a-name-of-forty-characters.example"))
    text = [plain(line) for line in lines(long, width=80, zone=UTC)]
    assert text[4].split()[0] == "a-site-with-a-name-of…"
    assert max(map(len, text)) <= 80


def test_the_whole_json() -> None:
    data = json.loads(as_json(WHOLE, ["a notice"]))
    assert (data["branch"], data["since"], data["until"], data["days"]) == (
        "main",
        "2026-03-01T00:00:00Z",
        "2026-03-11T00:00:00Z",
        10.0,
    )
    assert data["overall"] == {
        "deployFrequency": {
            "sampleSize": 2,
            "perDay": 0.2,
            "secondsBetween": {"p50": 86400.0, "p90": 86400.0, "p95": 86400.0},
            "leftOut": {"rollbacks": 1},
        },
        "leadTime": {
            "sampleSize": 2,
            "seconds": {"p50": 7200.0, "p90": 14400.0, "p95": 14400.0},
            "leftOut": {"noSourceDate": 0, "sourceDateAfterReady": 0},
        },
        "changeFailureRate": {"sampleSize": 3, "failed": 1, "rate": 1 / 3, "leftOut": {"notJudged": 0}},
        "timeToRestore": {
            "sampleSize": 1,
            "seconds": {"p50": 5400.0, "p90": 5400.0, "p95": 5400.0},
            "open": 0,
        },
    }
    (site,) = data["sites"]
    assert (site["site"], site["label"], site["kustomization"]) == ("web", "web", PROD)
    assert [each["environment"] for each in data["environments"]] == ["prod"]
    assert set(data["definitions"]) == {
        *("deployFrequency", "leadTime", "changeFailureRate", "timeToRestore", "percentiles")
    }
    assert data["notices"] == ["a notice"]


def families(metrics: Metrics) -> dict[str, Metric]:
    """As a reader of the format takes them; ValueError for what is none."""
    return {family.name: family for family in text_string_to_metric_families(as_openmetrics(metrics))}


def test_openmetrics_is_read_back_by_its_own_parser() -> None:
    read = families(WHOLE)
    assert {family.type for family in read.values()} == {"gauge", "summary"}
    lead = {
        (sample.name, sample.labels["scope"], sample.labels.get("quantile")): sample.value
        for sample in read["bump_lead_time_seconds"].samples
    }
    assert lead["bump_lead_time_seconds", "all", "0.9"] == 4 * HOUR
    assert lead["bump_lead_time_seconds_count", "site", None] == 2
    assert lead["bump_lead_time_seconds_sum", "environment", None] == 6 * HOUR
    (rate, *_) = read["bump_change_failure_ratio"].samples
    assert (rate.labels, rate.value) == ({"scope": "all"}, 1 / 3)
    # Nothing was judged: no line, and no zero that nobody measured.
    assert families(of())["bump_change_failure_ratio"].samples == []


names = some.text(min_size=1, max_size=12)


@given(some.lists(some.tuples(names, names, some.sampled_from(["ready", "failed"])), max_size=6))
@example([("0", " ", "ready"), ("0", "\x1f", "ready")])
def test_no_name_breaks_the_format(named: list[tuple[str, str, str]]) -> None:
    deploys = [
        replace_names(deploy(number, f"{outcome} {number + 1}"), site, kustomization)
        for number, (site, kustomization, outcome) in enumerate(named)
    ]
    metrics = of(*deploys)
    count = len({(each.record.site, each.record.kustomization) for each in deploys})
    assert (
        len([each for each in families(metrics)["bump_deploys"].samples if each.labels["scope"] == "site"])
        == count
    )
    json.loads(as_json(metrics))


def replace_names(each: Recorded, site: str, kustomization: str) -> Recorded:
    return replace(each, record=replace(each.record, site=site, kustomization=kustomization))


def total(figures: Sequence[Figures]) -> int:
    return sum(each.judged + each.not_judged + each.rollbacks for each in figures)


def test_every_deploy_is_counted_once_on_each_level() -> None:
    deploys = [
        deploy(
            hour, *([f"{outcome} {hour + 0.5}"] if outcome else []), site=f"site-{hour % 7}", source=hour - 1
        )
        for hour, outcome in enumerate(["ready", "failed", "", "timed-out", "ready"] * 40)
    ]
    metrics = of(*deploys)
    assert total([metrics.overall]) == total(metrics.sites) == len(deploys)


def test_periods_add_up_and_look_ahead_for_how_their_deploys_ended(subtests: pytest.Subtests) -> None:
    bounds = [at(hour) for hour in (0, 48, 96, 144, 192)]
    deploys = [
        deploy(10, "ready 11", source=9),
        deploy(40, "ready 41"),  # taken back in the next period
        deploy(50, "ready 51", takes_back=40),
        deploy(90, "failed 91"),  # well again in the one after
        deploy(100, "ready 101"),
        deploy(150, "timed-out 151"),
    ]
    periods = trend(reversed(deploys), "main", bounds)
    whole = measure(reversed(deploys), "main", bounds[-1], bounds[0])
    with subtests.test("as the whole time counts them"):
        for name in ("deploys", "judged", "failed", "rollbacks", "not_judged", "undated", "open_incidents"):
            assert sum(getattr(each.overall, name) for each in periods) == getattr(whole.overall, name), name
        lengths = [each.overall.incidents.values for each in periods]
        assert sorted(value for values in lengths for value in values) == list(whole.overall.incidents.values)
    with subtests.test("each where its deploys were made"):
        assert [each.overall.deploys for each in periods] == [2, 0, 1, 0]
        assert [each.overall.failed for each in periods] == [1, 1, 0, 0]
        assert [len(each.overall.lead_times.values) for each in periods] == [1, 0, 0, 0]
    with subtests.test("no period, no figures"):
        assert trend(reversed(deploys), "main", bounds[:1]) == []
        assert trend([], "main", bounds[:2])[0].overall.deploys == 0
