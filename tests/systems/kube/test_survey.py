"""Flux's controllers and webhooks as they are read, from an API that has them and from one that does not tell."""

from collections.abc import Iterator

import pytest

from benchmarks.fleet import Fleet
from bumper.systems.kube import Cluster
from bumper_sandbox.kubernetes.kinds import DEPLOYMENT
from systems.kube.clock import Clock

PART_OF = {"app.kubernetes.io/part-of": "flux", "app.kubernetes.io/version": "v2.9.3"}
RECEIVER = {
    "apiVersion": "notification.toolkit.fluxcd.io/v1",
    "kind": "Receiver",
    "metadata": {"namespace": "flux-system", "name": "github"},
    "spec": {"type": "github", "resources": [{"kind": "GitRepository", "name": "flux-system"}]},
}


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with Fleet(1) as running:
        for name, labels in (
            ("kustomize-controller", PART_OF),
            ("flux-operator", PART_OF),
            ("source-controller", {}),
        ):
            metadata = {"namespace": "flux-system", "name": name, "labels": labels}
            running.store.create(DEPLOYMENT, {"metadata": metadata, "spec": {"template": {}}})
        yield running


@pytest.fixture
def cluster(fleet: Fleet) -> Iterator[Cluster]:
    with Cluster(None, fleet.environ(), Clock()) as opened:
        yield opened


def names(manifests: tuple[object, ...]) -> list[str]:
    return [manifest["metadata"]["name"] for manifest in manifests]  # type: ignore[index]


def test_only_what_is_labelled_and_named_as_flux_own_is_a_controller(cluster: Cluster) -> None:
    installation = cluster.flux({"flux-system", "site-000"})
    assert names(installation.controllers) == ["kustomize-controller"]
    assert (installation.receivers, installation.unreadable) == ((), {}), (
        "a cluster without that kind has none either"
    )


def test_receivers_are_read_where_the_kind_is_there(fleet: Fleet, cluster: Cluster) -> None:
    kind = fleet.store.kinds.admit("notification.toolkit.fluxcd.io/v1", "Receiver", namespaced=True)
    assert kind
    fleet.store.create(kind, RECEIVER)
    assert names(cluster.flux({"flux-system"}).receivers) == ["github"]
    fleet.api.forbid("list", "receivers")
    installation = cluster.flux({"flux-system"})
    assert installation.receivers == ()
    assert "receivers.notification.toolkit.fluxcd.io is forbidden" in installation.unreadable["Receiver"]


def test_deployments_that_may_not_be_listed_are_said_and_nothing_fails(
    fleet: Fleet, cluster: Cluster
) -> None:
    fleet.api.forbid("list", "deployments")
    installation = cluster.flux({"flux-system"})
    assert installation.controllers == ()
    assert "deployments.apps is forbidden" in installation.unreadable["Deployment"]


def test_kustomizations_are_listed_by_namespace_and_what_is_closed_is_left_out(
    fleet: Fleet, cluster: Cluster
) -> None:
    spaces = ["flux-system", "none"]
    listed = names(tuple(cluster.kustomizations(spaces)))
    assert listed
    fleet.api.forbid("list", "kustomizations")
    assert cluster.kustomizations(spaces) == ()
