"""The figures over time as plots: what each says in a word, and what is drawn where there is little or nothing."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from history.test_metrics import deploy
from tables import each_row

from bumper.history.metrics import Metrics, measure, trend
from bumper.ports.drawing import Position
from bumper.record import Recorded
from bumper.revision import Revision
from bumper.status.report.snapshot import Snapshot
from bumper.status.report.trends import trends
from bumper.status.table import Overview

START = datetime(2026, 3, 1, tzinfo=UTC)


class Paper:
    """A `ports.Drawing` that keeps what it is to draw."""

    def __init__(self) -> None:
        self.specifications: list[Mapping[str, Any]] = []

    def plot(self, specification: Mapping[str, Any]) -> str:
        self.specifications.append(specification)
        return "<svg/>"

    def layers(self, edges: Sequence[tuple[int, int]]) -> dict[int, Position]:
        raise AssertionError("there is no graph in it")


def snapshot(deploys: Sequence[Recorded], days: int) -> Snapshot:
    now = START + timedelta(days=days)
    metrics: Metrics = measure(deploys, "main", now, START)
    periods = trend(deploys, "main", [START, START + timedelta(days=days / 2), now])
    return Snapshot(
        "", "", Overview(Revision("main", "a" * 40), (), now), (), tuple(deploys), metrics, tuple(periods)
    )


@each_row(
    ("number", "days", "rate"),
    [
        (0, 30, "none"),
        (60, 30, "2.0 a day"),
        (30, 30, "1.0 a day"),
        (8, 28, "2.0 a week"),
        (3, 60, "1.5 a month"),
        (1, 300, "0.1 a month"),
    ],
)
def test_how_often_is_told_in_the_unit_in_which_it_happens(number: int, days: int, rate: str) -> None:
    deploys = [deploy(float(hour), f"ready {hour + 0.5}") for hour in range(number)]
    (everything, *_) = trends(snapshot(deploys, days), Paper())
    assert everything.plots[0].value == rate


def test_nothing_is_drawn_of_nothing_and_a_rate_of_zero_stands_on_an_axis() -> None:
    paper = Paper()
    (empty,) = trends(snapshot([], 14), paper)
    assert [plot.svg for plot in empty.plots] == ["", "", "", ""]
    assert paper.specifications == []
    trends(snapshot([deploy(1.0, "ready 2")], 14), paper)
    scales = [specification["encoding"]["y"]["scale"] for specification in paper.specifications[:2]]
    assert scales == [{"zero": True, "nice": 4}, {"zero": True, "nice": 4, "domainMax": 1}]
