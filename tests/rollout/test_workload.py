import copy
from dataclasses import replace
from typing import Any

import pytest
import situations
from hypothesis import given
from hypothesis import strategies as st
from tables import each_row

from bumper.image import ImageReference
from bumper.rollout.pods import lagging_pods, own_pods
from bumper.rollout.state import state
from bumper.rollout.template import template_image
from bumper.rollout.workload import completion

COUNTS = st.integers(0, 4)


def deployment(generation: int, observed: int, wanted: int, status: dict[str, int]) -> dict[str, Any]:
    conditions = [
        {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
        {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
    ]
    return {
        "kind": "Deployment",
        "metadata": {"generation": generation},
        "spec": {"replicas": wanted, "progressDeadlineSeconds": 600},
        "status": {**status, "observedGeneration": observed, "conditions": conditions},
    }


@given(
    generation=st.integers(1, 3),
    observed=st.integers(1, 3),
    wanted=COUNTS,
    counts=st.fixed_dictionaries(
        {
            "replicas": COUNTS,
            "updatedReplicas": COUNTS,
            "readyReplicas": COUNTS,
            "availableReplicas": COUNTS,
        }
    ),
)
def test_a_deployment_is_complete_only_if_every_replica_is_new_and_available(
    generation: int, observed: int, wanted: int, counts: dict[str, int]
) -> None:
    done = completion(deployment(generation, observed, wanted, counts))
    if done.is_complete:
        assert generation == observed
        assert counts["replicas"] == wanted
        assert counts["updatedReplicas"] >= wanted
        assert counts["readyReplicas"] >= wanted
        assert counts["availableReplicas"] >= counts["updatedReplicas"]


@each_row("kind", ["Deployment", "StatefulSet", "DaemonSet", "Job", "HelmRelease", "Pod"])
def test_an_object_that_nobody_has_looked_at_is_not_complete(kind: str) -> None:
    done = completion({"kind": kind, "metadata": {"generation": 1}, "spec": {}})
    assert not done.is_complete
    assert done.text


def test_a_workload_that_is_being_deleted_is_not_complete() -> None:
    ready = situations.load("recorded-second-ready").observation.workload
    assert ready is not None
    assert completion(ready).is_complete
    leaving = {**ready, "metadata": {**ready["metadata"], "deletionTimestamp": "2026-11-22T12:53:12Z"}}
    assert completion(leaving) == (False, "it is being deleted")


@each_row(
    ("values", "expected"),
    [
        ({"image": {"repository": "reg.example/web", "tag": "1"}}, "1"),
        ({"image": {"registry": "reg.example", "repository": "web", "tag": "1"}}, "1"),
        ({"image": {"repository": "reg.example/web", "tag": 1234567}}, "1234567"),
        ({"image": "reg.example/web:1"}, "1"),
        ({"app": [{"image": {"repository": "reg.example/web", "tag": "1"}}]}, "1"),
        ({"image": {"repository": "reg.example/web-api", "tag": "1"}}, None),
        ({"image": {"repository": "reg.example/web"}}, ""),
        ({}, None),
    ],
)
def test_the_image_of_a_helm_release_is_found_in_its_values(
    values: dict[str, object], expected: str | None
) -> None:
    wanted = situations.desired(None, "1", repository="reg.example/web", container="", kind="HelmRelease")
    image = template_image(wanted, {"kind": "HelmRelease", "spec": {"values": values}})
    assert (image.tag if image else None) == expected


def test_of_several_values_ours_is_taken_where_it_is_there() -> None:
    wanted = situations.desired(None, "2", repository="reg.example/web", container="", kind="HelmRelease")
    values = {"image": "reg.example/web:1", "worker": {"image": "reg.example/web:2"}}
    image = template_image(wanted, {"kind": "HelmRelease", "spec": {"values": values}})
    assert image == ImageReference("reg.example/web", "2")


def test_an_init_container_is_a_container_too() -> None:
    pod_spec = {"initContainers": [{"name": "demo", "image": "reg.example/web:1"}], "containers": []}
    workload = {"kind": "Deployment", "spec": {"template": {"spec": pod_spec}}}
    wanted = situations.desired(None, "1", repository="reg.example/web")
    assert wanted.is_met_by(template_image(wanted, workload))


@pytest.mark.parametrize(("setup", "web", "met"), [("1", "1", True), ("0", "1", False), ("1", "0", False)])
def test_all_containers_that_must_run_the_image_must_have_it(setup: str, web: str, met: bool) -> None:
    pod_spec = {
        "initContainers": [{"name": "setup", "image": f"reg.example/web:{setup}"}],
        "containers": [
            {"name": "web", "image": f"reg.example/web:{web}"},
            {"name": "side", "image": "reg.example/web:0"},
        ],
    }
    workload = {"kind": "Deployment", "spec": {"template": {"spec": pod_spec}}}
    alone = situations.desired(None, "1", repository="reg.example/web", container="web")
    wanted = replace(alone, beside=("setup",))
    assert wanted.is_met_by(template_image(wanted, workload)) is met
    assert alone.is_met_by(template_image(alone, workload)) is (web == "1")


def test_own_and_lagging_pods_are_told_apart_by_their_replica_set() -> None:
    situation = situations.load("recorded-surge")
    own = [pod["metadata"]["name"] for pod in own_pods(situation.desired, situation.observation)]
    old = [pod["metadata"]["name"] for pod in lagging_pods(situation.desired, situation.observation)]
    assert len(own) == 1
    assert own[0].startswith("demo-67444d757f-")
    # The second old pod is on its way out by then.
    assert old == ["demo-54446dfb99-g42t4"]


def test_the_digests_of_a_site_are_those_of_its_newest_pods() -> None:
    """A pod of an older template, or of a neighbour with the same labels, runs another image by right."""
    situation = situations.load("ready-digest-equal")
    digest = situation.desired.image.digest
    other = copy.deepcopy(situation.observation.pods[0])
    other["metadata"]["ownerReferences"][0] |= {"name": "demo-older", "uid": "older"}
    other["status"]["containerStatuses"][0]["imageID"] = f"x@sha256:{'b' * 64}"
    observation = replace(situation.observation, pods=(*situation.observation.pods, other))
    assert state(situation.desired, observation).digests == (digest,)
