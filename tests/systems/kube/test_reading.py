"""What one look reads, from an API server that holds real objects."""

from dataclasses import replace

import pytest

from bumper.errors import Transient
from bumper.objects import Object, ObjectKey
from bumper.observation import Observation
from bumper.systems.kube import Cluster, feeds
from bumper.systems.kube.kinds import KINDS
from bumper.systems.kube.reading import selector_text
from bumper.systems.kube.rights import Subject, needed
from systems.kube.clock import Clock
from systems.kube.conftest import World, desired


def names(objects: tuple[Object, ...]) -> list[str]:
    return [manifest["metadata"]["name"] for manifest in objects]


def test_a_site_is_read_whole(world: World, cluster: Cluster, clock: Clock) -> None:
    pod = world.site()
    world.event(pod, "Pulled")
    [seen] = cluster.observe([desired()])
    assert seen.source == world.find(
        "source.toolkit.fluxcd.io/v1", "GitRepository", "flux-system", "flux-system"
    )
    assert seen.kustomization == world.find(
        "kustomize.toolkit.fluxcd.io/v1", "Kustomization", "flux-system", "web"
    )
    assert seen.workload == world.find("apps/v1", "Deployment", "web", "web")
    assert names(seen.replica_sets) == ["web-1"]
    assert names(seen.pods) == ["web-1-a"]
    assert names(seen.events) == ["web-1-a.pulled"]
    # Items of built-in lists do not say what they are: that is added.
    assert ObjectKey.of(seen.pods[0]) == ObjectKey("Pod", "web", "web-1-a")
    assert (seen.logs, seen.revisions, seen.unreadable, seen.dependencies) == ({}, {}, {}, ())
    assert seen.at_s == clock.now_s


def test_what_is_not_there_is_none(cluster: Cluster, clock: Clock) -> None:
    assert cluster.observe([desired()]) == [Observation(at_s=clock.now_s)]


def test_only_what_the_workload_owns_counts(world: World, cluster: Cluster) -> None:
    pod = world.site()
    labels = {"app": "web"}
    world.add("v1", "Pod", "web", "alike", metadata={"labels": labels}, spec=pod["spec"])
    stranger = world.add("apps/v1", "ReplicaSet", "web", "stranger", metadata={"labels": labels}, spec={})
    world.event(world.owned(stranger, "v1", "Pod", "web-strange", spec=pod["spec"]), "Killing")
    deployment = world.find("apps/v1", "Deployment", "web", "web")
    world.event(deployment, "ScalingReplicaSet")
    [seen] = cluster.observe([desired()])
    assert names(seen.replica_sets) == ["web-1"]
    assert names(seen.pods) == ["web-1-a"]
    assert names(seen.events) == ["web.scalingreplicaset"]


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet", "Job"])
def test_kinds_that_own_their_pods(world: World, cluster: Cluster, kind: str) -> None:
    version = "batch/v1" if kind == "Job" else "apps/v1"
    workload = world.add(version, kind, "web", "web", spec={"selector": {"matchLabels": {"app": "web"}}})
    world.owned(workload, "v1", "Pod", "web-0", metadata={"labels": {"app": "web"}}, spec={})
    [seen] = cluster.observe([desired(kind=kind)])
    assert seen.workload
    assert names(seen.pods) == ["web-0"]
    assert seen.replica_sets == ()
    assert ("list", "replicasets") not in world.asked()


def test_a_cron_job_has_pods_by_its_jobs(world: World, cluster: Cluster) -> None:
    cron_job = world.add("batch/v1", "CronJob", "web", "web", spec={})
    job = world.owned(cron_job, "batch/v1", "Job", "web-29", spec={})
    pod = world.owned(job, "v1", "Pod", "web-29-x", spec={})
    world.event(job, "BackoffLimitExceeded")
    world.event(pod, "Pulled")
    [seen] = cluster.observe([desired(kind="CronJob")])
    assert names(seen.pods) == ["web-29-x"]
    assert names(seen.events) == ["web-29-x.pulled", "web-29.backofflimitexceeded"]


def test_a_helm_release_has_what_carries_its_labels(world: World, cluster: Cluster) -> None:
    group = "helm.toolkit.fluxcd.io"
    world.add(f"{group}/v2", "HelmRelease", "web", "web", spec={"targetNamespace": "apps"})
    for name, origin in (("ours", "web"), ("theirs", "other")):
        labels = {f"{group}/name": origin, f"{group}/namespace": "web"}
        deployment = world.add("apps/v1", "Deployment", "apps", name, metadata={"labels": labels}, spec={})
        replica_set = world.owned(deployment, "apps/v1", "ReplicaSet", f"{name}-1", spec={})
        world.owned(replica_set, "v1", "Pod", f"{name}-1-a", spec={})
    [seen] = cluster.observe([desired(kind="HelmRelease")])
    assert names(seen.replica_sets) == ["ours-1"]
    assert names(seen.pods) == ["ours-1-a"]


def test_dependencies_are_read(world: World, cluster: Cluster) -> None:
    flux = "kustomize.toolkit.fluxcd.io/v1"
    spec = {"dependsOn": [{"name": "base"}, {"name": "far", "namespace": "other"}, {"name": "gone"}]}
    world.add(flux, "Kustomization", "flux-system", "web", spec=spec)
    world.add(flux, "Kustomization", "flux-system", "base", spec={})
    world.add(flux, "Kustomization", "other", "far", spec={})
    [seen] = cluster.observe([desired()])
    assert names(seen.dependencies) == ["base", "far"]


def test_what_makes_a_source_is_read_and_watched_and_its_rights_are_named(
    world: World, cluster: Cluster
) -> None:
    made = ObjectKey("ExternalArtifact", "flux-system", "web")
    makers = (
        ObjectKey("ArtifactGenerator", "flux-system", "fleet"),
        ObjectKey("GitRepository", "flux-system", "flux-system"),
    )
    for key in (made, *makers):
        version = f"{KINDS[key.kind].group}/{KINDS[key.kind].version}"
        world.kinds.admit(version, key.kind, namespaced=True)
        world.add(version, key.kind, key.namespace, key.name, spec={})
    site = replace(desired(), source=made, makers=makers)
    [seen] = cluster.observe([site])
    assert [key.kind for key, read in seen.sources(site) if read] == [
        "GitRepository",
        "ArtifactGenerator",
        "ExternalArtifact",
    ]
    watched, _ = feeds.of([feeds.need(site, seen)])
    assert {made.name, *(key.name for key in makers)} <= {feed.name for feed in watched}
    patched = [right for right in needed([Subject(site)]) if right.verb == "patch"]
    assert [(right.resource, right.name) for right in patched] == [("gitrepositories", "flux-system")]


def test_what_may_not_be_read_is_told_in_the_words_of_the_api(world: World, cluster: Cluster) -> None:
    world.site()
    for resource in ("pods", "events", "gitrepositories"):
        world.api.forbid("list", resource)
        world.api.forbid("get", resource)
    [seen] = cluster.observe([desired()])
    assert seen.workload
    assert names(seen.replica_sets) == ["web-1"]
    assert (seen.source, seen.pods, seen.events) == (None, (), ())
    assert dict(seen.unreadable) == {
        "GitRepository": (
            'sandbox: gitrepositories.source.toolkit.fluxcd.io "flux-system" is forbidden: User "bump" cannot get resource '
            '"gitrepositories" in API group "source.toolkit.fluxcd.io" in the namespace "flux-system"'
        ),
        "Pod": 'sandbox: pods is forbidden: User "bump" cannot list resource "pods" in API group "" in the namespace "web"',
        "Event": 'sandbox: events is forbidden: User "bump" cannot list resource "events" in API group "" in the namespace "web"',
    }
    for resource in ("pods", "events", "gitrepositories"):
        world.api.allow("list", resource)
        world.api.allow("get", resource)
    [seen] = cluster.observe([desired()])
    assert not seen.unreadable


def test_a_collection_that_may_not_be_read_is_told_at_each_site(world: World, cluster: Cluster) -> None:
    sites = ["a", "b", "c", "d"]
    for site in sites:
        world.site(site)
    world.api.forbid("list", "deployments")
    seen = cluster.observe([desired(site) for site in sites])
    assert [set(observation.unreadable) for observation in seen] == [{"Deployment"}] * 4
    assert [observation.workload for observation in seen] == [None] * 4


def test_a_kind_that_cannot_be_followed(world: World, cluster: Cluster) -> None:
    [seen] = cluster.observe([desired(kind="CloneSet")])
    assert dict(seen.unreadable) == {"CloneSet": "CloneSet is no kind of workload that can be followed"}


def canary_world(world: World, target: str = "web") -> None:
    world.site()
    spec = {"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}}
    world.kinds.admit("flagger.app/v1beta1", "Canary", namespaced=True)
    canary = world.add("flagger.app/v1beta1", "Canary", "web", "web", spec=spec)
    world.owned(canary, "apps/v1", "Deployment", "web-primary", spec={"replicas": 1})
    world.event(canary, "Synced")


def test_a_canary_is_read_with_the_primary_that_flagger_made(world: World, cluster: Cluster) -> None:
    canary_world(world)
    [seen] = cluster.observe([desired()])
    assert seen.canary == world.find("flagger.app/v1beta1", "Canary", "web", "web")
    assert seen.primary == world.find("apps/v1", "Deployment", "web", "web-primary")
    assert names(seen.events) == ["web.synced"]
    streams, _ = feeds.of([feeds.need(desired(), seen)])
    watched = {(feed.resource.plural, feed.name) for feed in streams}
    assert {("canaries", "web"), ("deployments", "web-primary")} <= watched


def test_a_canary_of_another_workload_is_none_of_ours(world: World, cluster: Cluster) -> None:
    canary_world(world, target="another")
    [seen] = cluster.observe([desired()])
    assert (seen.canary, seen.primary) == (None, None)


def test_a_canary_that_may_not_be_read_is_told(world: World, cluster: Cluster) -> None:
    canary_world(world)
    world.api.forbid("list", "canaries")
    [seen] = cluster.observe([desired()])
    assert set(seen.unreadable) == {"Canary"}


def test_what_is_said_of_a_claim_that_a_pod_mounts_is_read(world: World, cluster: Cluster) -> None:
    pod = world.site()
    claim = {"kind": "PersistentVolumeClaim", "metadata": {"namespace": "web", "name": "data", "uid": "c"}}
    world.event(claim, "ProvisioningFailed")
    [seen] = cluster.observe([desired()])
    assert names(seen.events) == []
    replica_set = world.find("apps/v1", "ReplicaSet", "web", "web-1")
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    metadata = {"labels": pod["metadata"]["labels"]}
    world.owned(
        replica_set, "v1", "Pod", "web-1-b", metadata=metadata, spec={**pod["spec"], "volumes": volumes}
    )
    [seen] = cluster.observe([desired()])
    assert names(seen.events) == ["data.provisioningfailed"]


def test_no_canary_is_asked_for_where_the_cluster_has_no_flagger(world: World, cluster: Cluster) -> None:
    world.site()
    for _ in range(2):
        [seen] = cluster.observe([desired()])
    assert (seen.canary, seen.unreadable) == (None, {})
    assert not any(resource == "canaries" for _, resource in world.asked())


def test_the_pods_of_a_knative_service_are_those_that_name_it(world: World, cluster: Cluster) -> None:
    world.kinds.admit("serving.knative.dev/v1", "Service", namespaced=True)
    world.add("serving.knative.dev/v1", "Service", "web", "web", spec={})
    for name, service in (("web-00001-a", "web"), ("other-00001-a", "other")):
        labels = {"serving.knative.dev/service": service}
        world.add("v1", "Pod", "web", name, metadata={"labels": labels}, spec={"containers": []})
    [seen] = cluster.observe([desired(kind="Service")])
    assert seen.workload
    assert names(seen.pods) == ["web-00001-a"]


def test_a_rollout_is_read_with_its_replica_sets_and_pods(world: World, cluster: Cluster) -> None:
    world.kinds.admit("argoproj.io/v1alpha1", "Rollout", namespaced=True)
    rollout = world.add("argoproj.io/v1alpha1", "Rollout", "web", "web", spec={"replicas": 1})
    replica_set = world.owned(rollout, "apps/v1", "ReplicaSet", "web-1", spec={})
    world.owned(replica_set, "v1", "Pod", "web-1-a", spec={"containers": []})
    [seen] = cluster.observe([desired(kind="Rollout")])
    assert (names(seen.replica_sets), names(seen.pods)) == (["web-1"], ["web-1-a"])


def test_a_site_without_a_workload(world: World, cluster: Cluster) -> None:
    world.site()
    site = desired()
    [seen] = cluster.observe([replace(site, workload=ObjectKey("", "", ""))])
    assert seen.kustomization
    assert (seen.workload, seen.pods, seen.unreadable) == (None, (), {})


def test_the_number_of_requests_does_not_grow_with_the_sites(world: World, cluster: Cluster) -> None:
    sites = [f"site-{number}" for number in range(200)]
    for site in sites:
        world.event(world.site(site), "Pulled")
    seen = cluster.observe([desired(site) for site in sites])
    assert [names(observation.pods) for observation in seen] == [[f"{site}-1-a"] for site in sites]
    assert [names(observation.events) for observation in seen] == [[f"{site}-1-a.pulled"] for site in sites]
    # The lists that watches start from come on top, one for each of the six kinds, and are counted with these.
    asked = world.asked()
    assert asked.pop(("get", "gitrepositories")) == 1
    assert {key[0] for key in asked} == {"list"}
    assert all(count <= 4 for count in asked.values()), asked


def test_sites_of_few_namespaces_are_listed_by_namespace(world: World, cluster: Cluster) -> None:
    sites = ["a", "b", "c", "d"]
    for site in sites:
        world.site(site)
    world.site("stranger")
    seen = cluster.observe([desired(site) for site in sites])
    assert [names(observation.pods) for observation in seen] == [["a-1-a"], ["b-1-a"], ["c-1-a"], ["d-1-a"]]


def test_selectors_as_a_url_writes_them() -> None:
    rules = [
        {"key": "tier", "operator": "In", "values": ["a", "b"]},
        {"key": "zone", "operator": "NotIn", "values": ["c"]},
        {"key": "x", "operator": "Exists"},
    ]
    selector = {"matchLabels": {"app": "web"}, "matchExpressions": rules}
    assert selector_text(selector) == "app=web,tier in (a,b),zone notin (c),x"
    assert selector_text({}) == selector_text(None) == ""


@pytest.mark.parametrize(("code", "wish_s"), [(429, 1.0), (503, None), (500, None), (504, None)])
def test_a_busy_server_is_transient(world: World, cluster: Cluster, code: int, wish_s: float | None) -> None:
    world.site()
    world.api.fail_next(code)
    with pytest.raises(Transient) as caught:
        cluster.observe([desired()])
    assert caught.value.retry_after_s == wish_s
    assert cluster.observe([desired()])[0].workload
