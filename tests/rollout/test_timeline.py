"""The moments of a deploy, from look to look, on the recordings of the real stack."""

import re
from dataclasses import replace

import pytest
import recordings
import situations

from bumper.publish import report
from bumper.rollout.rules import judge
from bumper.rollout.timeline import Moment, Timeline
from bumper.rollout.verdict import Milestone


def timeline(scenario: str) -> tuple[Moment, ...]:
    """As it would have been seen by someone who looked at every event."""
    recording = recordings.load(scenario)
    desired, facts = recording.desired(), recording.facts()
    timeline = Timeline(0.0)
    at_s = 0.0
    for at_s, look in recording.states():
        judged = judge(desired, situations.observe(look, facts, at_s), {})
        timeline.see(judged.milestones, at_s)
    return timeline.moments(at_s)


def test_a_deploy_has_its_moments_in_order_and_their_seconds_add_up() -> None:
    recording = recordings.load("healthy")
    desired, facts = recording.desired(), recording.facts()
    ready_s = next(
        at_s
        for at_s, look in recording.states()
        if judge(desired, situations.observe(look, facts, at_s), {}).verdict
    )
    moments = timeline("healthy")
    assert [moment.name for moment in moments] == list(Milestone)
    assert sum(moment.seconds for moment in moments) == pytest.approx(ready_s)
    assert not any(moment.is_open for moment in moments)


@pytest.mark.parametrize("scenario", ["healthy", "crash-loop", "slow-start"])
def test_the_pull_is_told_by_the_nodes_own_event(scenario: str) -> None:
    (pulled,) = (moment for moment in timeline(scenario) if moment.name == Milestone.PULLED)
    assert re.fullmatch(r"\d+\.\d kB in \d+ms", pulled.detail)


@pytest.mark.parametrize(
    ("scenario", "awaited"),
    [
        ("missing-tag", "image pulled"),
        ("crash-loop", "ready"),
        ("quota", "first pod"),
        ("dependency", "applied"),
    ],
)
def test_what_hangs_says_what_it_waits_for_and_since_when(scenario: str, awaited: str) -> None:
    *_, last = timeline(scenario)
    assert (last.name, last.is_open) == (awaited, True)
    assert last.seconds > 0


def test_an_image_that_was_on_the_node_is_said_to_have_been() -> None:
    situation = situations.load("recorded-e2e-healthy-end")
    events = tuple(
        {**event, "message": f'Container image "{situation.desired.image}" already present on machine'}
        if event.get("reason") == "Pulled"
        else event
        for event in situation.observation.events
    )
    judged = judge(situation.desired, replace(situation.observation, events=events), {})
    assert judged.milestones[Milestone.PULLED] == "already on the node"
    silent = judge(situation.desired, replace(situation.observation, events=()), {})
    assert silent.milestones[Milestone.PULLED] == "", "a container that runs has its image, event or not"


def test_a_later_detail_is_added_and_the_time_stays() -> None:
    timeline = Timeline(10.0)
    timeline.see(
        {Milestone.FETCHED: "", Milestone.APPLIED: "", Milestone.FIRST_POD: "p", Milestone.PULLED: ""}, 12.0
    )
    timeline.see({Milestone.PULLED: "1.0 MB in 2s"}, 15.0)
    assert timeline.moments(16.0)[3:] == (
        Moment(Milestone.PULLED, 0.0, "1.0 MB in 2s"),
        Moment(Milestone.READY, 4.0, is_open=True),
    )


def test_it_is_read_at_a_glance() -> None:
    moments = (
        Moment("pushed", 0.9),
        Moment(Milestone.FETCHED, 1.2),
        Moment(Milestone.APPLIED, 0.7),
        Moment(Milestone.FIRST_POD, 0.2, "web-7c9fd-x2x"),
        Moment(Milestone.PULLED, 3.1, "45.7 MB in 1.2s"),
    )
    assert report.timeline((*moments, Moment(Milestone.READY, 2.0))) == (
        "pushed 0.9 s, fetched 1.2 s, applied 0.7 s, first pod 0.2 s, image pulled 3.1 s (45.7 MB in 1.2s), ready 2.0 s"
    )
    assert report.timeline((*moments, Moment(Milestone.READY, 540.0, is_open=True))).endswith(
        "(45.7 MB in 1.2s), then 9 min 0 s without ready"
    )
    assert report.timeline((Moment(Milestone.FETCHED, 0.0), Moment(Milestone.READY, 0.0))) == ""
