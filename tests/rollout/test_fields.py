"""The table of fields: what is recorded fits, and whatever fits can be judged.

A name may mean something else in an object that a real controller writes than in those that are read.
"""

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import pytest
import situations
from mutations import mutations
from tables import each_row

from bumper.observation import Observation
from bumper.rollout.fields import misfit
from bumper.rollout.rules import judge, timed_out

SINGLE = ("source", "kustomization", "workload", "canary", "primary")
SEVERAL = ("replica_sets", "pods", "events", "dependencies", "makers")
# Each has something that the others have not: logs, events, several kinds of controllers.
JUDGED = [
    "crash-with-log",
    "pull-no-such-tag-by-event",
    "canary-progressing",
    "rollout-paused",
    "stateful-set-partition-rolling",
    "helm-release-failed",
    "dependency-failing",
    "knative-route-failed",
]


# What real controllers write.
REAL: dict[str, Any] = {
    # kubelet 1.36.1 on a node with cgroups of either version: who the container's process runs as.
    "a container's user": {
        "status": {"containerStatuses": [{"name": "web", "ready": True, "user": {"linux": {"uid": 0, "gid": 0}}}]}
    },
    # helm-controller 1.6.4.
    "a remediation": {"spec": {"upgrade": {"remediation": {"retries": 1, "strategy": "rollback"}}}},
    # source-watcher 2.2.2.
    "a generator": {
        "spec": {"artifacts": [{"name": "web", "copy": [{"from": "@repo/a", "strategy": "Merge"}]}]},
        "status": {"inventory": [{"name": "web", "namespace": "flux-system", "digest": "sha256:0"}]},
    },
    # Kubernetes 1.36.1.
    "a Job": {"status": {"ready": 1, "active": 1, "uncountedTerminatedPods": {"succeeded": ["u"], "failed": []}}},
    "a CronJob": {"status": {"active": [{"kind": "Job", "name": "web-1"}]}},
    # kustomize-controller 1.9.4, spec.healthCheckExprs.
    "a health check": {"spec": {"healthCheckExprs": [{"kind": "Widget", "failed": "status.bad"}]}},
    # argo-rollouts 1.10.1, status.selector for the scale subresource.
    "a Rollout": {"status": {"selector": "app=web", "phase": "Healthy"}},
}  # fmt: skip


@each_row("name", REAL)
def test_a_real_object_fits(name: str) -> None:
    assert misfit(REAL[name]) == ""


def objects(observation: Observation) -> Iterator[Any]:
    for field in fields(observation):
        value = getattr(observation, field.name)
        if field.name in SINGLE and value is not None:
            yield value
        elif field.name in SEVERAL:
            yield from value


@each_row("name", JUDGED)
def test_what_was_recorded_fits(name: str) -> None:
    assert [misfit(each) for each in objects(situations.load(name).observation) if misfit(each)] == []


def odd_observations(observation: Observation) -> Iterator[tuple[str, Observation]]:
    """The observation with one place of one object changed, where the object still fits."""
    for name in (*SINGLE, *SEVERAL):
        value = getattr(observation, name)
        whole = value[0] if name in SEVERAL and value else value
        for place, odd in mutations(whole) if whole else ():
            if not misfit(odd):
                changes: dict[str, Any] = {name: (odd, *value[1:]) if name in SEVERAL else odd}
                yield f"{name}: {place}", replace(observation, **changes)


@pytest.mark.slow
@pytest.mark.parametrize("name", JUDGED)
def test_what_fits_is_judged(name: str) -> None:
    situation = situations.load(name)
    count = 0
    for place, observation in odd_observations(situation.observation):
        count += 1
        try:
            timed_out(situation.desired, observation, judge(situation.desired, observation, {}))
        except Exception as error:
            raise AssertionError(place) from error
    assert count > 100


@each_row(
    ("odd", "problem"),
    [
        ({"spec": 5}, "spec: found a number, expected an object"),
        ({"status": "x"}, "status: found a text, expected an object"),
        ({"status": {"conditions": {}}}, "status.conditions: found an object, expected a list"),
        ({"status": {"conditions": [5]}}, "status.conditions[0]: found a number, expected an object"),
        (
            {"status": {"conditions": [{"type": "A"}]}},
            "status.conditions[0].status: found nothing, expected a text",
        ),
        ({"status": {"replicas": True}}, "status.replicas: found true or false, expected a whole number"),
        ({"status": {"replicas": float("inf")}}, "status.replicas: found a number, expected a whole number"),
        ({"metadata": {"labels": {"a": 5}}}, "metadata.labels.a: found a number, expected a text"),
        (
            {"spec": {"containers": [{"name": "a", "image": []}]}},
            "spec.containers[0].image: found a list, expected a text",
        ),
        ({"metadata": {"uid": 5}}, "metadata.uid: found a number, expected a text"),
        (
            {"metadata": {"ownerReferences": [{"uid": ["u"]}]}},
            "metadata.ownerReferences[0].uid: found a list, expected a text",
        ),
        ({"involvedObject": {"uid": {}}}, "involvedObject.uid: found an object, expected a text"),
        ([], "the whole: found a list, expected an object"),
        ({"spec": {"values": {"replicas": "x"}}, "status": None}, ""),
        ({"status": {"conditions": None}, "data": {"name": 5}}, ""),
    ],
)
def test_the_first_place_that_does_not_fit_is_named(odd: Any, problem: str) -> None:
    assert misfit(odd) == problem
