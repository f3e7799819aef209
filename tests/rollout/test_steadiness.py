"""How long a container without a probe must have run: each second counts once, by whichever clock shows it."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
import situations

from bumper.observation import Observation
from bumper.rollout.rules import judge
from bumper.rollout.verdict import Judgement, Sighting

STARTED = "2026-11-22T12:53:09Z"


def seen(seconds: float) -> Observation:
    """The look that many seconds after the start of the containers, on both clocks; the recording itself goes to the fourth."""
    observation = situations.load("running-three-seconds").observation
    return replace(observation, at_s=seconds, cluster_time=f"2026-11-22T12:53:{9 + int(seconds):02}Z")


def followed(*seconds: float) -> Judgement:
    judgement = None
    for each in seconds:
        desired = situations.load("running-three-seconds").desired
        judgement = judge(desired, seen(each), judgement.sightings if judgement else {})
    assert judgement
    return judgement


@pytest.mark.parametrize("looks", [(4,), (4, 7), (4, 6, 8, 9.5), (6, 9.9)])
def test_a_container_that_is_looked_at_all_the_while_is_not_ready_before(looks: tuple[float, ...]) -> None:
    judgement = followed(*looks)
    assert judgement.verdict is None
    assert judgement.due_s == 10.0


@pytest.mark.parametrize("looks", [(4, 10), (4, 7, 10), (6, 10), (10,)])
def test_and_is_ready_then(looks: tuple[float, ...]) -> None:
    verdict = followed(*looks).verdict
    assert verdict
    assert verdict.reason == "Ready"


def test_the_start_is_that_of_the_recording() -> None:
    (first, *_) = situations.load("running-three-seconds").observation.pods
    assert first["status"]["containerStatuses"][0]["state"]["running"]["startedAt"] == STARTED


def test_where_no_pod_can_be_seen_ready_must_stand_and_counts_anew_after_a_crash() -> None:
    whole = situations.load("ready-pods-unreadable")
    one_down = situations.load("ready-pods-unreadable")
    assert one_down.observation.workload
    one_down.observation.workload["status"]["readyReplicas"] = 0
    sightings: Mapping[str, Sighting] = {}
    for at_s, seen in ((0.0, whole), (3.0, one_down), (4.0, whole), (13.9, whole)):
        judgement = judge(seen.desired, replace(seen.observation, at_s=at_s), sightings)
        assert judgement.verdict is None
        sightings = judgement.sightings
    assert judge(whole.desired, replace(whole.observation, at_s=14.0), sightings).verdict
