"""The tests' other ground, a cluster that was there before: here our own stack plays it, reached by its kubeconfig alone."""

import pytest

from .access import FOLLOWER
from .fleet import Site, fleet
from .guest import Guest, GuestError
from .looks import eventually, running_images
from .stack import FLUX_NAMESPACE, Stack
from .test_bump import bump

KINDS = ("GitRepository", "Kustomization", "Secret", "ServiceAccount", "Namespace", "ClusterRole")


@pytest.fixture(scope="module")
def settings(stack: Stack) -> dict[str, str]:
    """What someone who runs the tests on a cluster says in the environment."""
    return {"E2E_REGISTRY": stack.registry, "E2E_ADDRESS": "localhost"}


def names(stack: Stack) -> set[tuple[str, str]]:
    """What there is of the kinds that the tests make, less the namespaces that are going."""
    return {
        (kind, manifest["metadata"]["name"])
        for kind in KINDS
        for manifest in stack.api.list(kind)
        if manifest.get("status", {}).get("phase") != "Terminating"
        and manifest["metadata"].get("namespace") in (None, FLUX_NAMESPACE)
    }


def test_a_bump_on_a_cluster_that_was_there_leaves_nothing(stack: Stack, settings: dict[str, str]) -> None:
    before = names(stack)
    with Guest(stack.admin_kubeconfig, settings) as guest:
        assert guest.git.url.startswith("http://localhost:")
        repository = fleet(guest, "visitor", [Site("visitor")])
        eventually(lambda: running_images(guest, "visitor"), "the site runs")
        digest = guest.images.push("visitor", "abc1234")
        kubeconfig = guest.account("bump", FOLLOWER)
        ended = bump(repository, kubeconfig, "--site", "visitor", "--sha", "abc1234")
        assert ended.returncode == 0, ended.stdout + ended.stderr
        image = f"{guest.registry}/visitor"
        assert (f"{image}:abc1234", f"{image}@{digest}") in running_images(guest, "visitor")
        assert names(stack) > before
    assert names(stack) == before


def test_what_must_be_told(stack: Stack) -> None:
    with pytest.raises(GuestError, match="E2E_REGISTRY: not set"):
        Guest(stack.admin_kubeconfig, {})
