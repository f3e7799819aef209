"""The rights that following takes: the table for each kind of workload, and the questions that it takes to check it."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from benchmarks.fleet import Fleet
from bumper.errors import NoAccess
from bumper.image import ImageReference
from bumper.objects import ObjectKey
from bumper.observation import Desired
from bumper.systems.kube import Cluster
from bumper.systems.kube.rights import Subject, needed
from systems.kube.clock import Clock

SITE = Desired(
    site="web",
    image=ImageReference("reg.io/web", "1.0"),
    previous=None,
    revision=None,
    kustomization=ObjectKey("Kustomization", "flux-system", "web"),
    source=ObjectKey("GitRepository", "flux-system", "platform"),
    workload=ObjectKey("Deployment", "web", "web"),
    container="web",
)


def granted(subject: Subject) -> set[str]:
    """`namespace/resource: verbs`, with the name where there is one."""
    rights = needed([subject])
    places = {(right.namespace, right.resource, right.name) for right in rights}
    return {
        f"{namespace}/{resource}{f'={name}' if name else ''}: "
        + " ".join(
            right.verb
            for right in rights
            if (right.namespace, right.resource, right.name) == (namespace, resource, name)
        )
        for namespace, resource, name in places
    }


def test_a_deployment() -> None:
    assert granted(Subject(SITE)) == {
        "/nodes: list",
        "flux-system/gitrepositories: get list watch",
        "flux-system/gitrepositories=platform: patch",
        "flux-system/kustomizations: get list watch",
        "web/deployments: get list watch",
        "web/replicasets: list watch",
        "web/pods: list watch",
        "web/pods/log: get",
        "web/events: list watch",
        "web/canaries: list watch",
    }


def test_a_rollout_and_a_knative_service() -> None:
    rights = granted(Subject(replace(SITE, workload=ObjectKey("Rollout", "web", "web"))))
    assert {"web/rollouts: get list watch", "web/replicasets: list watch"} <= rights
    rights = granted(Subject(replace(SITE, workload=ObjectKey("Service", "web", "web"))))
    assert {"web/services: get list watch", "web/pods: list watch"} <= rights


def test_a_cron_job_has_jobs() -> None:
    rights = granted(Subject(replace(SITE, workload=ObjectKey("CronJob", "web", "web"))))
    assert {"web/cronjobs: get list watch", "web/jobs: list watch"} <= rights


def test_a_release_installs_into_another_namespace() -> None:
    release = replace(SITE, workload=ObjectKey("HelmRelease", "flux-system", "web"))
    rights = granted(Subject(release, pods_namespace="web"))
    assert "flux-system/helmreleases: get list watch" in rights
    assert {
        f"web/{kind}: list watch" for kind in ("deployments", "statefulsets", "daemonsets", "replicasets")
    } <= rights
    assert not any(right.startswith("flux-system/pods") for right in rights)


def test_dependencies_in_other_namespaces_are_read_and_not_needed() -> None:
    rights = needed([Subject(SITE, [ObjectKey("Kustomization", "infra", "base"), SITE.kustomization])])
    infra = [right for right in rights if right.namespace == "infra"]
    assert {right.resource for right in infra} == {"kustomizations"}
    assert not any(right.is_needed for right in infra)
    own = [
        right for right in rights if right.resource == "kustomizations" and right.namespace == "flux-system"
    ]
    assert [right.is_needed for right in own if right.verb != "watch"] == [True, True]


def test_a_site_without_a_workload_needs_its_kustomization() -> None:
    bare = replace(SITE, workload=ObjectKey("", "", ""))
    assert {right.split(":")[0] for right in granted(Subject(bare))} == {
        "/nodes",
        "flux-system/gitrepositories",
        "flux-system/gitrepositories=platform",
        "flux-system/kustomizations",
    }


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with Fleet(12) as running:
        yield running


@pytest.fixture
def cluster(fleet: Fleet) -> Iterator[Cluster]:
    with Cluster(None, fleet.environ(), Clock()) as opened:
        yield opened


def reviews(fleet: Fleet) -> int:
    return fleet.api.requests().get(("create", "selfsubjectaccessreviews"), 0)


def test_what_is_allowed_everywhere_is_asked_once(fleet: Fleet, cluster: Cluster) -> None:
    rights = needed(Subject(site) for site in fleet.desired())
    assert cluster.denied(rights) == frozenset()
    assert (reviews(fleet), len(rights)) == (20, 152)


def test_what_is_not_is_asked_for_each_namespace(fleet: Fleet, cluster: Cluster) -> None:
    rights = needed(Subject(site) for site in fleet.desired())
    fleet.api.forbid("list", "pods")
    denied = cluster.denied(rights)
    assert {(right.verb, right.resource) for right in denied} == {("list", "pods")}
    assert {right.namespace for right in denied} == set(fleet.names)
    assert reviews(fleet) == 20 + 12


def test_canaries_are_missed_only_where_the_cluster_has_flagger(fleet: Fleet, cluster: Cluster) -> None:
    rights = needed(Subject(site) for site in fleet.desired())
    fleet.api.forbid("list", "canaries")
    assert {right.resource for right in rights} - {right.resource for right in cluster.served(rights)} == {
        "canaries"
    }
    fleet.store.kinds.admit("flagger.app/v1beta1", "Canary", namespaced=True)
    assert {right.resource for right in cluster.denied(cluster.served(rights))} == {"canaries"}


def test_who_is_not_let_in_hears_it(fleet: Fleet, cluster: Cluster) -> None:
    fleet.api.token = "another"
    with pytest.raises(NoAccess):
        cluster.denied(needed([Subject(SITE)]))


def test_a_server_says_its_version_and_its_time(cluster: Cluster) -> None:
    version, date = cluster.server()
    assert version == "v1.35.4"
    assert date.endswith(" GMT")
