"""Conditions, history and durations as fluxcd/pkg and Go write them."""

import pytest
from tables import each_row

from bumper_sandbox.flux import conditions
from bumper_sandbox.kubernetes import durations
from bumper_sandbox.kubernetes.store import Manifest

NOW, LATER = "2026-11-22T12:53:00Z", "2026-11-22T12:54:00Z"


def flux_object(generation: int = 1) -> Manifest:
    return {"metadata": {"generation": generation}, "status": {}}


# (nanoseconds, what Go 1.26 prints); the long ones stand in the recordings.
DURATIONS = [
    (0, "0s"),
    (1_500, "1.5µs"),
    (299_142_449, "299.142449ms"),
    (20_059_158_840, "20.05915884s"),
    (30_000_000_000, "30s"),
    (60_018_487_716, "1m0.018487716s"),
    (600_000_000_000, "10m0s"),
    (5_400_000_000_000, "1h30m0s"),
]


@each_row(("nanoseconds", "text"), DURATIONS)
def test_durations_are_written_and_read_as_go_does(nanoseconds: int, text: str) -> None:
    assert durations.duration(nanoseconds / 1e9) == text
    assert durations.seconds(text) == pytest.approx(nanoseconds / 1e9)


@each_row("text", ["", "10", "1 m", "m", "1x", "-1s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        durations.seconds(text)


def test_the_transition_time_moves_only_with_the_state() -> None:
    obj = flux_object()
    conditions.mark(obj, "Ready", "True", "Succeeded", "stored", NOW)
    obj["metadata"]["generation"] = 2
    conditions.mark(obj, "Ready", "True", "Succeeded", "stored", LATER)
    ready = conditions.get(obj, "Ready")
    assert ready
    assert (ready["lastTransitionTime"], ready["observedGeneration"]) == (NOW, 2)
    conditions.mark(obj, "Ready", "True", "Succeeded", "stored again", LATER)
    assert (conditions.get(obj, "Ready") or {})["lastTransitionTime"] == LATER


def test_three_conditions_come_first_the_rest_by_generation_and_name() -> None:
    obj = flux_object()
    for name in ("Zeta", "Ready", "Alpha", "Reconciling"):
        conditions.mark(obj, name, "True", "Any", "", NOW)
    obj["metadata"]["generation"] = 2
    conditions.mark(obj, "Omega", "True", "Any", "", NOW)
    assert [entry["type"] for entry in obj["status"]["conditions"]] == [
        "Reconciling",
        "Ready",
        "Omega",
        "Alpha",
        "Zeta",
    ]


def test_reconciling_ends_stalled_and_the_last_condition_takes_the_list_along() -> None:
    obj = flux_object()
    conditions.mark(obj, "Stalled", "True", "Any", "", NOW)
    conditions.mark_reconciling(obj, "Progressing", "on it", NOW)
    assert [entry["type"] for entry in obj["status"]["conditions"]] == ["Reconciling"]
    conditions.delete(obj, "Reconciling")
    assert obj["status"] == {}


def test_history_keeps_five_and_counts_what_repeats() -> None:
    obj = flux_object()
    for number in range(6):
        conditions.record(obj, f"sha256:{number}", "ReconciliationSucceeded", f"r{number}", 1.0, NOW)
    conditions.record(obj, "sha256:3", "ReconciliationSucceeded", "r9", 2.0, LATER)
    history = obj["status"]["history"]
    assert [(run["digest"][-1], run["totalReconciliations"]) for run in history] == [
        ("3", 2),
        ("5", 1),
        ("4", 1),
        ("2", 1),
        ("1", 1),
    ]
    assert (history[0]["firstReconciled"], history[0]["lastReconciled"]) == (NOW, LATER)
    assert history[0]["metadata"] == {"revision": "r9"}
    conditions.record(obj, "sha256:3", "HealthCheckFailed", "r9", 2.0, LATER)
    assert obj["status"]["history"][0]["totalReconciliations"] == 1, "another outcome is another entry"
