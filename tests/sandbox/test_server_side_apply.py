"""How built manifests become writes, and when the result is healthy."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import each_row

from bumper_sandbox.flux import health, server_side_apply
from bumper_sandbox.flux.server_side_apply import ApplyError
from bumper_sandbox.kubernetes.json_values import merge_patch
from bumper_sandbox.kubernetes.kinds import DEPLOYMENT, KUSTOMIZATION, POD, Kind, Kinds
from bumper_sandbox.kubernetes.store import Manifest

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=2), JSON, max_size=4)


@given(OBJECTS, OBJECTS)
def test_applying_twice_is_applying_once(live: Manifest, manifest: Manifest) -> None:
    once = server_side_apply.merged(live, manifest, None)
    assert server_side_apply.merged(once, manifest, manifest) == once


@given(OBJECTS, OBJECTS, OBJECTS)
def test_what_others_wrote_stays(live: Manifest, manifest: Manifest, applied: Manifest) -> None:
    made = server_side_apply.merged(live, manifest, applied)
    assert {key: made[key] for key in live if key not in manifest and key not in applied} == {
        key: live[key] for key in live if key not in manifest and key not in applied
    }


def test_a_field_that_the_manifest_no_longer_has_goes() -> None:
    live = {"spec": {"a": 1, "b": 2, "theirs": 3}, "status": {"x": 1}}
    made = server_side_apply.merged(live, {"spec": {"a": 1}}, {"spec": {"a": 1, "b": 2}})
    assert made == {"spec": {"a": 1, "theirs": 3}, "status": {"x": 1}}


@given(OBJECTS, OBJECTS)
def test_a_merge_patch_is_idempotent(target: Manifest, patch: Manifest) -> None:
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


def test_merge_patches_of_rfc_7386() -> None:
    # A part of the table in the RFC's appendix A.
    assert merge_patch({"a": "b"}, {"a": "c"}) == {"a": "c"}
    assert merge_patch({"a": "b", "b": "c"}, {"a": None}) == {"b": "c"}
    assert merge_patch({"a": ["b"]}, {"a": "c"}) == {"a": "c"}
    assert merge_patch({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}) == {"a": {"b": "d"}}
    assert merge_patch({"a": "foo"}, {"b": {"c": {"d": None}}}) == {"a": "foo", "b": {"c": {}}}
    assert merge_patch({"e": None}, {"a": 1}) == {"e": None, "a": 1}


def named(kind: str, name: str, api_version: str = "v1", namespace: str = "") -> Manifest:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def test_definitions_come_first() -> None:
    unordered = [
        named("IngressRoute", "a"),
        named("Deployment", "b"),
        named("Service", "c"),
        named("Namespace", "d"),
        named("ConfigMap", "e"),
    ]
    kinds = [manifest["kind"] for manifest in server_side_apply.in_order(unordered)]
    assert kinds == ["Namespace", "ConfigMap", "Service", "Deployment", "IngressRoute"]


@pytest.mark.parametrize(
    ("manifest", "identity", "subject"),
    [
        (named("Deployment", "demo", "apps/v1", "apps"), "apps_demo_apps_Deployment", "Deployment/apps/demo"),
        (named("Namespace", "apps"), "_apps__Namespace", "Namespace/apps"),
    ],
)
def test_inventory_and_messages_name_objects_as_flux_does(
    manifest: Manifest, identity: str, subject: str
) -> None:
    assert server_side_apply.inventory_entry(manifest) == {"id": identity, "v": "v1"}
    assert server_side_apply.subject(manifest) == subject


@pytest.mark.parametrize(
    ("value", "given"), [("2", "string"), (True, "boolean"), ([], "list"), ({}, "map"), (None, "null")]
)
def test_a_number_that_is_none_is_refused_as_recorded(value: Any, given: str) -> None:
    manifest = {**named("Deployment", "demo", "apps/v1", "apps"), "spec": {"replicas": value}}
    with pytest.raises(ApplyError) as caught:
        server_side_apply.check_types(manifest)
    assert str(caught.value) == (
        "Deployment/apps/demo dry-run failed: failed to create typed patch object (apps/demo; apps/v1, Kind=Deployment): "
        f".spec.replicas: expected numeric (int or float), got {given}\n"
    )


def test_a_misspelt_kind_of_kubernetes_own_is_unknown_and_any_other_is_taken_as_installed() -> None:
    kinds = Kinds()
    assert kinds.admit("apps/v1", "Deploymnt", namespaced=True) is None
    assert str(server_side_apply.unknown_kind(named("Deploymnt", "demo", "apps/v1", "apps"))) == (
        'Deploymnt/apps/demo dry-run failed: no matches for kind "Deploymnt" in version "apps/v1"\n'
    )
    custom = kinds.admit("example.com/v1", "Policy", namespaced=True)
    assert custom
    assert (custom.resource, custom.played) == ("policies.example.com", False)
    assert kinds.by_plural("example.com", "v1", "policies") is custom


COMPLETE = {
    "observedGeneration": 2,
    "replicas": 1,
    "updatedReplicas": 1,
    "readyReplicas": 1,
    "availableReplicas": 1,
}
GOOD = [
    {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
    {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
]
LATE = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]
KINDS = Kinds()


def custom_kind(api_version: str, name: str) -> Kind:
    kind = KINDS.find(api_version, name)
    assert kind
    return kind


@each_row(
    ("kind", "status", "expected"),
    [
        (DEPLOYMENT, {**COMPLETE, "conditions": GOOD}, "Current"),
        (DEPLOYMENT, {**COMPLETE, "observedGeneration": 1, "conditions": GOOD}, "InProgress"),
        (DEPLOYMENT, {**COMPLETE, "replicas": 2, "conditions": GOOD}, "InProgress"),
        (DEPLOYMENT, {**COMPLETE, "availableReplicas": 0, "conditions": GOOD}, "InProgress"),
        (DEPLOYMENT, {**COMPLETE, "conditions": LATE}, "Failed"),
        (DEPLOYMENT, {}, "InProgress"),
        (POD, {"conditions": [{"type": "Ready", "status": "True"}]}, "Current"),
        (POD, {}, "InProgress"),
        (KUSTOMIZATION, {"observedGeneration": -1}, "InProgress"),
        (
            KUSTOMIZATION,
            {"observedGeneration": 2, "conditions": [{"type": "Stalled", "status": "True"}]},
            "Failed",
        ),
        (custom_kind("v1", "ConfigMap"), {}, "Current"),
        (custom_kind("traefik.io/v1alpha1", "IngressRoute"), {}, "Current"),
        (custom_kind("external-secrets.io/v1", "ExternalSecret"), {}, "InProgress"),
        (custom_kind("helm.toolkit.fluxcd.io/v2", "HelmRelease"), {"observedGeneration": -1}, "InProgress"),
    ],
)
def test_health_is_kstatus_and_never_current_where_nobody_works(
    kind: Kind, status: Manifest, expected: str
) -> None:
    assert (
        health.status(kind, {"metadata": {"generation": 2}, "spec": {"replicas": 1}, "status": status})
        == expected
    )


def test_health_of_what_is_not_there() -> None:
    assert health.status(DEPLOYMENT, None) == "NotFound"
    gone = {"metadata": {"generation": 1, "deletionTimestamp": "2026-11-22T12:53:00Z"}}
    assert health.status(DEPLOYMENT, gone) == "Terminating"
