"""What one look reads, from an API server that holds real objects."""

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bumper.errors import Transient, Unreachable
from bumper.kube import Cluster
from bumper.kube.reading import selector_text
from bumper.objects import Object, ObjectKey
from bumper.rollout.observation import Observation
from kube.clock import Clock
from kube.conftest import World, crash, desired
from kube.server import TOKEN, Answer, Request, Server, recorded, write_config


def names(objects: tuple[Object, ...]) -> list[str]:
    return [one["metadata"]["name"] for one in objects]


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


def test_a_dependency_that_may_not_be_read_hides_nothing_else(tmp_path: Path) -> None:
    own = {"kind": "Kustomization", "metadata": {"name": "web"}, "spec": {"dependsOn": [{"name": "base"}]}}

    def answer(request: Request) -> Answer:
        if request.path.endswith("/base"):
            return recorded("403-list")
        return Answer(body=own) if request.path.endswith("/kustomizations/web") else recorded("404")

    with scripted(tmp_path, answer) as (_, cluster):
        [seen] = cluster.observe([desired()])
    assert (seen.kustomization, seen.dependencies, seen.unreadable) == (own, (), {})


def test_a_collection_that_may_not_be_read_is_told_at_each_site(world: World, cluster: Cluster) -> None:
    sites = ["a", "b", "c", "d"]
    for site in sites:
        world.site(site)
    world.api.forbid("list", "deployments")
    seen = cluster.observe([desired(site) for site in sites])
    assert [set(one.unreadable) for one in seen] == [{"Deployment"}] * 4
    assert [one.workload for one in seen] == [None] * 4


def test_a_kind_that_cannot_be_followed(world: World, cluster: Cluster) -> None:
    [seen] = cluster.observe([desired(kind="Rollout")])
    assert dict(seen.unreadable) == {"Rollout": "Rollout is no kind of workload that can be followed"}


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
    assert [names(one.pods) for one in seen] == [[f"{site}-1-a"] for site in sites]
    assert [names(one.events) for one in seen] == [[f"{site}-1-a.pulled"] for site in sites]
    # The lists that watches start from come on top, one for each of the six kinds, and are counted with these.
    asked = world.asked()
    assert asked.pop(("get", "gitrepositories")) == 1
    assert {key[0] for key in asked} == {"list"}
    assert all(count <= 2 for count in asked.values()), asked


def test_sites_of_few_namespaces_are_listed_by_namespace(world: World, cluster: Cluster) -> None:
    sites = ["a", "b", "c", "d"]
    for site in sites:
        world.site(site)
    world.site("stranger")
    seen = cluster.observe([desired(site) for site in sites])
    assert [names(one.pods) for one in seen] == [["a-1-a"], ["b-1-a"], ["c-1-a"], ["d-1-a"]]


def listing(path: str) -> Answer:
    """A list with one object in each namespace, named after it; nothing where all namespaces are asked for."""
    parts = path.split("/")
    if "namespaces" not in parts:
        return recorded("403-list")
    namespace = parts[parts.index("namespaces") + 1]
    item = {"metadata": {"namespace": namespace, "name": namespace, "uid": namespace}}
    return Answer(body={"metadata": {"resourceVersion": "7"}, "items": [item]})


def test_without_a_list_of_all_namespaces_each_is_listed(tmp_path: Path) -> None:
    sites = [f"site-{number}" for number in range(9)]
    with scripted(tmp_path, lambda request: listing(request.path)) as (server, cluster):
        for _ in range(2):
            seen = cluster.observe([desired(site) for site in sites])
            assert [one.workload and one.workload["metadata"]["name"] for one in seen] == sites
        # Asked once for all namespaces, and after the refusal no more.
        everywhere = [one.path for one in reads(server) if "/namespaces/" not in one.path]
        assert sorted(everywhere) == [
            "/api/v1/events",
            "/api/v1/pods",
            "/apis/apps/v1/deployments",
            "/apis/apps/v1/replicasets",
        ]


def test_one_failure_ends_the_look_and_what_still_waits_for_its_turn(tmp_path: Path) -> None:
    sites = [f"site-{number}" for number in range(40)]

    def answer(request: Request) -> Answer:
        return (
            Answer(503, b"")
            if "deployments" in request.path and "site-" in request.path
            else listing(request.path)
        )

    with scripted(tmp_path, answer) as (_, cluster), pytest.raises(Transient):
        cluster.observe([desired(site) for site in sites])
    gc.collect()


@contextmanager
def scripted(tmp_path: Path, answer: Callable[[Request], Answer]) -> Iterator[tuple[Server, Cluster]]:
    """A cluster whose API gives these answers, and 403 to watches."""

    def without_watches(request: Request) -> Answer:
        is_watch = "watch" in request.query or request.query.get("limit") == "1"
        return recorded("403-list") if is_watch else answer(request)

    with Server(without_watches) as server:
        path = write_config(tmp_path / "config", server.url, {"token": TOKEN})
        with Cluster(None, {"KUBECONFIG": str(path), "PATH": os.defpath}, Clock()) as cluster:
            yield server, cluster


def reads(server: Server) -> list[Request]:
    return [one for one in server.requests if "watch" not in one.query and one.query.get("limit") != "1"]


def objects(**found: Any) -> Callable[[Request], Answer]:
    """Answers by the path's last part, with lists empty unless given, and 404 for any other object."""

    def answer(request: Request) -> Answer:
        name = request.path.rpartition("/")[2]
        if name in found:
            return Answer(body=found[name])
        is_list = request.path.rpartition("/")[0].rpartition("/")[2] in ("v1", "web")
        return (
            Answer(body={"metadata": {"resourceVersion": "7"}, "items": []}) if is_list else recorded("404")
        )

    return answer


def test_causes_are_read_before_their_effects(tmp_path: Path) -> None:
    labels = {
        "matchLabels": {"app": "web"},
        "matchExpressions": [{"key": "canary", "operator": "DoesNotExist"}],
    }
    kustomization = {
        "kind": "Kustomization",
        "metadata": {"name": "web"},
        "spec": {"dependsOn": [{"name": "base"}]},
    }
    deployment = {"kind": "Deployment", "metadata": {"namespace": "web", "name": "web", "uid": "1"}}

    def answer(request: Request) -> Answer:
        if request.path.endswith("/kustomizations/web"):
            return Answer(body=kustomization)
        if request.path.endswith("/deployments/web"):
            return Answer(body={**deployment, "spec": {"selector": labels}})
        return objects()(request)

    with scripted(tmp_path, answer) as (server, cluster):
        cluster.observe([desired()])
        asked = [
            f"{one.path.partition('/namespaces/')[2]} {one.query.get('labelSelector', '')}"
            for one in reads(server)
        ]
    assert asked[:2] == ["flux-system/gitrepositories/flux-system ", "flux-system/kustomizations/web "]
    assert sorted(asked[2:4]) == ["flux-system/kustomizations/base ", "web/deployments/web "]
    assert sorted(asked[4:]) == ["web/events ", "web/pods app=web,!canary", "web/replicasets app=web,!canary"]


def test_selectors_as_a_url_writes_them() -> None:
    rules = [
        {"key": "tier", "operator": "In", "values": ["a", "b"]},
        {"key": "zone", "operator": "NotIn", "values": ["c"]},
        {"key": "x", "operator": "Exists"},
    ]
    selector = {"matchLabels": {"app": "web"}, "matchExpressions": rules}
    assert selector_text(selector) == "app=web,tier in (a,b),zone notin (c),x"
    assert selector_text({}) == selector_text(None) == ""


def test_a_cluster_without_flux(tmp_path: Path) -> None:
    with scripted(tmp_path, lambda request: recorded("404-crd")) as (_, cluster):
        [seen] = cluster.observe([desired()])
    assert seen.source is seen.kustomization is None
    assert dict(seen.unreadable) == {
        "GitRepository": "test: the cluster knows no source.toolkit.fluxcd.io",
        "Kustomization": "test: the cluster knows no kustomize.toolkit.fluxcd.io",
        "Deployment": "test: the cluster knows no apps",
    }


def test_another_version_of_a_custom_kind(tmp_path: Path) -> None:
    group = "/apis/source.toolkit.fluxcd.io"
    found = {"kind": "OCIRepository", "metadata": {"name": "flux-system"}}
    answers = {
        group: Answer(body={"kind": "APIGroup", "preferredVersion": {"version": "v1beta2"}}),
        f"{group}/v1beta2/namespaces/flux-system/ocirepositories/flux-system": Answer(body=found),
    }
    site = desired()
    site = replace(site, source=ObjectKey("OCIRepository", "flux-system", "flux-system"))

    def answer(request: Request) -> Answer:
        is_source = request.path.startswith(group)
        return answers.get(request.path, recorded("404-crd")) if is_source else recorded("404")

    with scripted(tmp_path, answer) as (server, cluster):
        for _ in range(2):
            [seen] = cluster.observe([site])
            assert seen.source == found
        asked = [one.path for one in reads(server) if one.path.startswith(group)]
    assert asked == [
        f"{group}/v1/namespaces/flux-system/ocirepositories/flux-system",
        group,
        f"{group}/v1beta2/namespaces/flux-system/ocirepositories/flux-system",
        f"{group}/v1beta2/namespaces/flux-system/ocirepositories/flux-system",
    ]


def test_managed_fields_are_left_out(tmp_path: Path) -> None:
    answer = recorded("sa-get")
    assert b"managedFields" in answer.body
    with scripted(
        tmp_path, lambda request: answer if "kustomizations" in request.path else recorded("404")
    ) as (_, cluster):
        [seen] = cluster.observe([desired()])
    assert seen.kustomization
    assert "managedFields" not in seen.kustomization["metadata"]
    assert seen.kustomization["metadata"]["generation"] == 6
    assert seen.kustomization["status"]["observedGeneration"] == 6


def paged(request: Request) -> Answer:
    """A workload with three pods on two pages; a token of the second page is taken once."""
    owner = {"metadata": {"namespace": "web", "name": "web", "uid": "1"}, "kind": "StatefulSet"}
    if request.path.endswith("/statefulsets/web"):
        return Answer(body=owner)
    if not request.path.endswith("/pods"):
        return objects()(request)
    reference = {"ownerReferences": [{"uid": "1"}], "namespace": "web"}
    pods = [{"metadata": {**reference, "name": f"web-{number}"}} for number in range(3)]
    token = request.query.get("continue")
    if token == "stale":
        return Answer(
            410,
            {"kind": "Status", "reason": "Expired", "message": "The provided continue parameter is too old"},
        )
    if "limit" not in request.query:
        return Answer(body={"metadata": {"resourceVersion": "9"}, "items": pods})
    page = pods[2:] if token else pods[:2]
    return Answer(body={"metadata": {"continue": "" if token else "next"}, "items": page})


def test_a_list_is_read_page_by_page(tmp_path: Path) -> None:
    with scripted(tmp_path, paged) as (_, cluster):
        [seen] = cluster.observe([desired(kind="StatefulSet")])
    assert names(seen.pods) == ["web-0", "web-1", "web-2"]


def test_pages_that_expired_are_read_at_once(tmp_path: Path) -> None:
    def answer(request: Request) -> Answer:
        given = paged(request)
        if request.path.endswith("/pods") and request.query.get("limit") and isinstance(given.body, dict):
            given.body.get("metadata", {})["continue"] = "stale"
        return given

    with scripted(tmp_path, answer) as (_, cluster):
        [seen] = cluster.observe([desired(kind="StatefulSet")])
    assert names(seen.pods) == ["web-0", "web-1", "web-2"]


def test_the_last_words_of_a_crash_are_read_once(world: World, cluster: Cluster) -> None:
    world.site(crashed=True)
    world.logs["web-1-a", "web", False] = "first\n"
    for _ in range(2):
        [seen] = cluster.observe([desired()])
        assert dict(seen.logs) == {"web-1-a/web": "first\n"}
        world.logs["web-1-a", "web", False] = "second\n"
    world.write_status("v1", "Pod", ("web", "web-1-a"), containerStatuses=[crash("web", restarts=2)])
    [seen] = cluster.observe([desired()])
    assert dict(seen.logs) == {"web-1-a/web": "second\n"}


def test_a_container_that_runs_again_is_asked_for_its_previous_words(world: World, cluster: Cluster) -> None:
    world.site()
    world.write_status("v1", "Pod", ("web", "web-1-a"), containerStatuses=[crash("web", running={})])
    world.logs["web-1-a", "web", False] = "healthy now\n"
    world.logs["web-1-a", "web", True] = "fatal: no config\n"
    [seen] = cluster.observe([desired()])
    assert dict(seen.logs) == {"web-1-a/web": "fatal: no config\n"}


def test_where_one_of_the_two_logs_is_gone_the_other_is_read(world: World, cluster: Cluster) -> None:
    world.site(crashed=True)
    world.logs["web-1-a", "web", True] = "fatal\n"
    [seen] = cluster.observe([desired()])
    assert dict(seen.logs) == {"web-1-a/web": "fatal\n"}


def test_a_container_that_ended_well_has_no_log(world: World, cluster: Cluster) -> None:
    world.site()
    ended = {"terminated": {"exitCode": 0, "reason": "Completed"}}
    init = {"name": "init", "restartCount": 0, "state": ended}
    world.write_status("v1", "Pod", ("web", "web-1-a"), initContainerStatuses=[init])
    world.logs["web-1-a", "init", False] = "done\n"
    [seen] = cluster.observe([desired()])
    assert dict(seen.logs) == {}


def test_an_init_container_that_crashed_has_one(world: World, cluster: Cluster) -> None:
    world.site()
    world.write_status("v1", "Pod", ("web", "web-1-a"), initContainerStatuses=[crash("init")])
    world.logs["web-1-a", "init", False] = "no database\n"
    [seen] = cluster.observe([desired()])
    assert dict(seen.logs) == {"web-1-a/init": "no database\n"}


def test_logs_that_may_not_be_read_are_a_notice(world: World, cluster: Cluster) -> None:
    world.site(crashed=True)
    world.api.forbid("get", "pods/log")
    [seen] = cluster.observe([desired()])
    assert (dict(seen.logs), dict(seen.unreadable)) == ({}, {})
    assert "no permission to read the logs of pods in namespace web" in cluster.notices()


def test_an_answer_that_is_no_object(tmp_path: Path) -> None:
    page = Answer(body=b"<html>please log in</html>")
    with scripted(tmp_path, lambda request: page) as (_, cluster), pytest.raises(Unreachable) as caught:
        cluster.observe([desired()])
    assert caught.value.message == (
        "test: /apis/source.toolkit.fluxcd.io/v1/namespaces/flux-system/gitrepositories/flux-system: "
        "answered with something else than a JSON object"
    )


@pytest.mark.parametrize(("code", "wish_s"), [(429, 1.0), (503, None), (500, None), (504, None)])
def test_a_busy_server_is_transient(world: World, cluster: Cluster, code: int, wish_s: float | None) -> None:
    world.site()
    world.api.fail_next(code)
    with pytest.raises(Transient) as caught:
        cluster.observe([desired()])
    assert caught.value.retry_after_s == wish_s
    assert cluster.observe([desired()])[0].workload
