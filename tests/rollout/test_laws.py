"""Laws that hold for every situation, whatever its file expects."""

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pytest
import situations
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from situations import PUSHED, Situation, at_second, breaking

from bumper.errors import Outcome
from bumper.observation import Desired, Observation, RevisionFacts
from bumper.revision import Revision
from bumper.rollout.causes import CAUSES
from bumper.rollout.flux import names_no_commit
from bumper.rollout.reconciliation import RULES
from bumper.rollout.rules import judge, timed_out
from bumper.rollout.steadiness import STEADY_S

CLUSTER_TIME = re.compile(r'"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)"')


@cache
def ready() -> list[str]:
    return [name for name in situations.names() if situations.raw(name)["expect"]["outcome"] == "ready"]


def not_ready() -> list[str]:
    return [name for name in situations.names() if name not in ready()]


def observing_generation() -> list[str]:
    kinds = {name: (situations.load(name).observation.workload or {}).get("kind") for name in ready()}
    return [name for name, kind in kinds.items() if kind not in (None, "Job", "CronJob")]


def is_ready(desired: Desired, observation: Observation) -> bool:
    first = judge(desired, replace(observation, at_s=0.0), {})
    verdict = judge(desired, replace(observation, at_s=STEADY_S), first.sightings).verdict
    return verdict is not None and verdict.outcome is Outcome.READY


def test_a_workload_changed_since_is_not_ready() -> None:
    def law(situation: Situation) -> None:
        assert is_ready(situation.desired, situation.observation)
        workload: Any = situation.observation.workload
        workload["metadata"]["generation"] += 1
        assert not is_ready(situation.desired, situation.observation)

    assert breaking(observing_generation(), law) == []


def test_a_kustomization_changed_since_is_not_ready() -> None:
    def law(situation: Situation) -> None:
        kustomization: Any = situation.observation.kustomization
        kustomization["metadata"]["generation"] += 1
        assert not is_ready(situation.desired, situation.observation)

    assert breaking(ready(), law) == []


def test_git_that_says_no_or_nothing_about_the_applied_revision_is_never_ready() -> None:
    def law(situation: Situation) -> None:
        seen, wanted = situation.observation, situation.desired
        if names_no_commit(seen):
            return  # git is not asked about what is judged by its content
        elsewhere = replace(wanted, revision=Revision("main", "9" * 40) if wanted.revision else None)
        for includes in (False, None):
            facts = {sha: RevisionFacts(includes, None) for sha in (*PUSHED, *seen.revisions)}
            assert not is_ready(elsewhere, replace(seen, revisions=facts))

    assert breaking(ready(), law) == []


def _distinct(names: list[str]) -> list[str]:
    """One situation for each state of the three objects that Ready depends on: many differ in their pods alone."""
    by_state: dict[str, str] = {}
    for name in names:
        situation = situations.load(name)
        seen = situation.observation
        state = [
            seen.source,
            seen.kustomization,
            seen.workload,
            seen.canary,
            seen.primary,
            repr(situation.desired),
        ]
        by_state.setdefault(json.dumps(state), name)
    return list(by_state.values())


@pytest.mark.parametrize("every", [20, pytest.param(1, marks=pytest.mark.slow)])
def test_removing_a_field_of_a_status_never_makes_ready(every: int) -> None:
    def law(situation: Situation) -> None:
        for observation in _without_one_status_field(situation.observation):
            assert not is_ready(situation.desired, observation)

    assert breaking(_distinct(not_ready())[::every], law) == []


def _without_one_status_field(observation: Observation) -> Iterator[Observation]:
    for field in ("source", "kustomization", "workload", "canary", "primary"):
        whole = getattr(observation, field)
        for path in _paths((whole or {}).get("status"), ()):
            without = copy.deepcopy(whole)
            *parents, last = ("status", *path)
            _descend(without, parents).pop(last)
            yield replace(observation, **{field: without})


def _paths(tree: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in entries:
        if key in ("history", "inventory"):
            continue
        yield (*path, key)
        yield from _paths(value, (*path, key))


def _descend(tree: Any, path: list[Any]) -> Any:
    for key in path:
        tree = tree[key]
    return tree


@pytest.mark.slow
def test_the_clock_of_the_cluster_changes_no_verdict() -> None:
    def law(situation: Situation) -> None:
        after_s = float(situation.expect.get("after_s", 0))
        here = at_second(situation, after_s).verdict
        for hours in (-1000, 1000):
            skewed = replace(situation, observation=_shifted(situation.observation, hours))
            there = at_second(skewed, after_s).verdict
            assert (there and (there.outcome, there.reason)) == (here and (here.outcome, here.reason))

    assert breaking(situations.names(), law) == []


def _shifted(observation: Observation, hours: int) -> Observation:
    def shift(match: re.Match[str]) -> str:
        moment = datetime.fromisoformat(match[1].replace("Z", "+00:00")) + timedelta(hours=hours)
        return json.dumps(moment.strftime("%Y-%m-%dT%H:%M:%SZ"))

    def moved(value: Any) -> Any:
        return json.loads(CLUSTER_TIME.sub(shift, json.dumps(value)))

    return replace(
        observation,
        source=moved(observation.source),
        kustomization=moved(observation.kustomization),
        workload=moved(observation.workload),
        canary=moved(observation.canary),
        primary=moved(observation.primary),
        replica_sets=tuple(moved(list(observation.replica_sets))),
        pods=tuple(moved(list(observation.pods))),
        events=tuple(moved(list(observation.events))),
        cluster_time=moved(observation.cluster_time),
    )


@given(start_s=st.floats(0, 1e9), name=st.sampled_from(situations.names()))
@settings(max_examples=examples(60))
def test_our_own_clock_may_stand_anywhere(start_s: float, name: str) -> None:
    situation = situations.load(name)
    here = judge(situation.desired, situation.observation, {})
    there = judge(situation.desired, replace(situation.observation, at_s=start_s), {})
    assert (here.verdict, here.reached, here.detail) == (there.verdict, there.reached, there.detail)


def test_the_deadline_always_has_a_verdict_that_is_not_ready() -> None:
    def law(situation: Situation) -> None:
        seen = situation.observation
        nothing_applied = judge(situation.desired, replace(seen, kustomization=None), {})
        late = timed_out(situation.desired, seen, nothing_applied)
        assert late.outcome in (Outcome.TIMED_OUT, Outcome.UNKNOWN)
        assert late.message
        assert late.hint
        assert late.stage is not None

    assert breaking(situations.names(), law) == []


def test_every_cause_and_rule_has_a_situation_that_shows_it() -> None:
    expected = {situations.raw(name)["expect"].get("reason") for name in situations.names()}
    expected |= {variant.expect.get("reason") for variant in situations.variants()}
    assert {cause.reason for cause in CAUSES} <= expected
    reasons = {
        condition["reason"]
        for name in situations.names()
        for condition in ((situations.load(name).observation.kustomization or {}).get("status") or {}).get(
            "conditions", ()
        )
    }
    assert set(RULES) <= reasons
