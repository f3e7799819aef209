"""What is asked of an API server in one look, word by word, and what its odd answers lead to."""

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bumper.errors import Transient, Unreachable
from bumper.objects import Object, ObjectKey
from bumper.systems.kube import Cluster
from systems.kube.clock import Clock
from systems.kube.conftest import desired
from systems.kube.kubeconfigs import write_config
from systems.kube.server import TOKEN, Answer, Request, Server, recorded


def names(objects: tuple[Object, ...]) -> list[str]:
    return [manifest["metadata"]["name"] for manifest in objects]


def test_a_dependency_that_may_not_be_read_hides_nothing_else(tmp_path: Path) -> None:
    own = {"kind": "Kustomization", "metadata": {"name": "web"}, "spec": {"dependsOn": [{"name": "base"}]}}

    def answer(request: Request) -> Answer:
        if request.path.endswith("/base"):
            return recorded("403-list")
        return Answer(body=own) if request.path.endswith("/kustomizations/web") else recorded("404")

    with scripted(tmp_path, answer) as (_, cluster):
        [seen] = cluster.observe([desired()])
    assert (seen.kustomization, seen.dependencies, seen.unreadable) == (own, (), {})


def test_an_object_whose_version_has_not_changed_is_the_one_that_was_seen(tmp_path: Path) -> None:
    """So that sites that stand still are neither checked nor compared at each look; what has no version is read as it is."""
    sites = [f"site-{number}" for number in range(4)]
    versions: dict[str, dict[str, str]] = {site: {"resourceVersion": "1"} for site in sites[:3]} | {
        "site-3": {}
    }

    def answer(request: Request) -> Answer:
        if not request.path.endswith("/kustomizations"):
            return recorded("404")
        items = [
            {"metadata": {"namespace": "flux-system", "name": site, "uid": site, **version}}
            for site, version in versions.items()
        ]
        return Answer(body={"metadata": {"resourceVersion": "7"}, "items": items})

    with scripted(tmp_path, answer) as (_, cluster):
        first = cluster.observe([desired(site) for site in sites])
        versions["site-1"] = {"resourceVersion": "2"}
        second = cluster.observe([desired(site) for site in sites])
        versions["site-3"] = {"resourceVersion": "2"}
        cluster.observe([desired(site) for site in sites])
    same = [before.kustomization is after.kustomization for before, after in zip(first, second, strict=True)]
    assert same == [True, False, True, False]
    assert second[1].kustomization
    assert second[1].kustomization["metadata"]["resourceVersion"] == "2"


def listing(path: str) -> Answer:
    """A list with one object in each namespace, named after it; nothing where all namespaces are asked for."""
    segments = path.split("/")
    if "namespaces" not in segments:
        return recorded("403-list")
    namespace = segments[segments.index("namespaces") + 1]
    item = {"metadata": {"namespace": namespace, "name": namespace, "uid": namespace}}
    return Answer(body={"metadata": {"resourceVersion": "7"}, "items": [item]})


@pytest.mark.slow
def test_without_a_list_of_all_namespaces_each_is_listed(tmp_path: Path) -> None:
    sites = [f"site-{number}" for number in range(9)]
    with scripted(tmp_path, lambda request: listing(request.path)) as (server, cluster):
        for _ in range(2):
            seen = cluster.observe([desired(site) for site in sites])
            assert [
                observation.workload and observation.workload["metadata"]["name"] for observation in seen
            ] == sites
        # Asked once for all namespaces, and after the refusal no more.
        everywhere = [request.path for request in reads(server) if "/namespaces/" not in request.path]
        assert sorted(everywhere) == [
            "/api/v1/events",
            "/api/v1/pods",
            "/apis/apps/v1/deployments",
            "/apis/apps/v1/replicasets",
            "/apis/flagger.app",
        ]


@pytest.mark.slow
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
    return [
        request
        for request in server.requests
        if "watch" not in request.query and request.query.get("limit") != "1"
    ]


def objects(**bodies: Any) -> Callable[[Request], Answer]:
    """Answers by the path's last part, with lists empty unless given, and 404 for any other object."""

    def answer(request: Request) -> Answer:
        name = request.path.rpartition("/")[2]
        if name in bodies:
            return Answer(body=bodies[name])
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
            f"{request.path.partition('/namespaces/')[2]} {request.query.get('labelSelector', '')}"
            for request in reads(server)
            if "/namespaces/" in request.path  # Whether the cluster has Flagger is a question of its own.
        ]
    assert asked[:2] == ["flux-system/gitrepositories/flux-system ", "flux-system/kustomizations/web "]
    assert sorted(asked[2:4]) == ["flux-system/kustomizations/base ", "web/deployments/web "]
    assert sorted(asked[4:]) == ["web/events ", "web/pods app=web,!canary", "web/replicasets app=web,!canary"]


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
    source = {"kind": "OCIRepository", "metadata": {"name": "flux-system"}}
    answers = {
        group: Answer(body={"kind": "APIGroup", "preferredVersion": {"version": "v1beta2"}}),
        f"{group}/v1beta2/namespaces/flux-system/ocirepositories/flux-system": Answer(body=source),
    }
    site = desired()
    site = replace(site, source=ObjectKey("OCIRepository", "flux-system", "flux-system"))

    def answer(request: Request) -> Answer:
        is_source = request.path.startswith(group)
        return answers.get(request.path, recorded("404-crd")) if is_source else recorded("404")

    with scripted(tmp_path, answer) as (server, cluster):
        for _ in range(2):
            [seen] = cluster.observe([site])
            assert seen.source == source
        asked = [request.path for request in reads(server) if request.path.startswith(group)]
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


def test_an_answer_that_is_no_object(tmp_path: Path) -> None:
    page = Answer(body=b"<html>please log in</html>")
    with scripted(tmp_path, lambda request: page) as (_, cluster), pytest.raises(Unreachable) as caught:
        cluster.observe([desired()])
    assert caught.value.message == (
        "test: /apis/source.toolkit.fluxcd.io/v1/namespaces/flux-system/gitrepositories/flux-system: "
        "answered with something else than a JSON object"
    )
