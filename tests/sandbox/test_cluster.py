"""The whole cluster on its own threads, over HTTP, against a real git server."""

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bumper.objects import ObjectKey, condition
from bumper_sandbox.cluster import Cluster
from bumper_sandbox.flux import bootstrap
from bumper_sandbox.git.server import GitServer
from bumper_sandbox.kubernetes.kubelet import Timing
from sandbox.virtual import PlainGit, behave_by_tag, pull_by_tag

TOP = Path(__file__).parent.parent.parent
SITE = "k8s/kevinryan-io/deployment.yaml"
KUSTOMIZATION = ObjectKey("Kustomization", "flux-system", "kevinryan-io")
DEPLOYMENT = ObjectKey("Deployment", "kevinryan-io", "kevinryan-io")
QUICK = Timing(schedule_s=0, pull_s=0.5, start_s=0, ready_s=0.5, stop_s=0)


def seeded(url: str) -> dict[str, bytes]:
    """This repository's tree as a cluster's repository holds it: the generated file is there, and the source is the sandbox's."""
    files = {
        path.relative_to(TOP).as_posix(): path.read_bytes()
        for path in (TOP / "k8s").rglob("*")
        if path.is_file()
    }
    files[f"k8s/flux-system/{bootstrap.COMPONENTS_FILE}"] = bootstrap.COMPONENTS
    sync = "k8s/flux-system/gotk-sync.yaml"
    files[sync] = re.sub(rb"url: \S+", f"url: {url}".encode(), files[sync])
    return files


@pytest.fixture
def server() -> Iterator[GitServer]:
    with GitServer("token-of-the-test", os.environ) as server:
        server.create("platform", seeded(f"{server.url}/platform"))
        yield server


def cluster(name: str = "sandbox") -> Cluster:
    return Cluster(pull_by_tag, os.environ, behaves=behave_by_tag, name=name, speed=20.0, timing=QUICK)


def wait_for(done: Callable[[], object]) -> None:
    """Looks until it is so; pytest's own patience is the only limit that matters, this one just ends a hopeless test."""
    end_s = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end_s, "it never happened"
        time.sleep(0.01)


def is_ready(cluster: Cluster, key: ObjectKey, text: str = "") -> bool:
    ready = condition(cluster.find(key), "Ready")
    return bool(ready and ready.status == "True" and text in ready.message)


def available(cluster: Cluster, tag: str) -> bool:
    deployment = cluster.find(DEPLOYMENT) or {}
    status, spec = deployment.get("status") or {}, deployment.get("spec") or {"template": {}}
    image = str(spec["template"])
    complete = status.get("observedGeneration") == (deployment.get("metadata") or {}).get("generation")
    return (
        complete
        and f":{tag}" in image
        and status.get("updatedReplicas") == status.get("availableReplicas") == 1
    )


@pytest.mark.slow
def test_the_tree_fans_out_from_git_and_a_plain_push_rolls_a_site(server: GitServer, tmp_path: Path) -> None:
    with cluster() as running:
        running.bootstrap(f"{server.url}/platform", server.token)
        wait_for(lambda: is_ready(running, KUSTOMIZATION))
        wait_for(lambda: available(running, "08a2c8e"))
        git = PlainGit(tmp_path / "copy", f"{server.url}/platform", server.token)
        text = (git.folder / SITE).read_text()
        sha = git.push({SITE: text.replace(":08a2c8e", ":abc1234")})
        # Nobody asks: the interval of one minute passes in three seconds.
        wait_for(lambda: is_ready(running, KUSTOMIZATION, sha))
        wait_for(lambda: available(running, "abc1234"))
        assert running.find(ObjectKey("Namespace", "", "kevinryan-io"))
        kinds = {key.kind for key in running.not_simulated()}
        assert {"IngressRoute", "HelmRelease", "HelmRepository"} <= kinds
        assert not kinds & {"Deployment", "Pod", "Kustomization", "ConfigMap"}
        suspended = running.patch(KUSTOMIZATION, {"spec": {"suspend": True}})
        assert suspended["metadata"]["generation"] == 2


def test_what_nobody_runs_is_never_taken_for_healthy(server: GitServer) -> None:
    with cluster() as running:
        running.bootstrap(f"{server.url}/platform", server.token)
        waits = ObjectKey("Kustomization", "flux-system", "external-secrets-store")
        wait_for(
            lambda: (
                (ready := condition(running.find(waits), "Ready")) and ready.reason == "DependencyNotReady"
            )
        )
        wait_for(lambda: is_ready(running, KUSTOMIZATION))
        healthy = condition(
            running.find(ObjectKey("Kustomization", "flux-system", "external-secrets")), "Healthy"
        )
        assert healthy
        assert healthy.status == "Unknown"


@pytest.mark.slow
def test_two_clusters_follow_one_repository_side_by_side(server: GitServer) -> None:
    with cluster("one") as first, cluster("two") as second:
        for running in (first, second):
            running.bootstrap(f"{server.url}/platform", server.token)
        wait_for(lambda: is_ready(first, KUSTOMIZATION) and is_ready(second, KUSTOMIZATION))
        assert first.api.url != second.api.url
        assert first.kubeconfig != second.kubeconfig
        assert first.api.token != second.api.token
        assert '"current-context": "two"' in second.kubeconfig.read_text()


def test_nothing_is_left_behind(server: GitServer) -> None:
    running = cluster().start()
    running.bootstrap(f"{server.url}/platform", server.token)
    wait_for(lambda: is_ready(running, KUSTOMIZATION))
    folder = running.kubeconfig.parent
    assert (folder / "git").is_dir()
    running.stop()
    assert not folder.exists()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("sandbox-")]


def test_the_stand_in_says_what_it_is() -> None:
    assert bootstrap.COMPONENTS.startswith(
        b"# The sandbox's stand-in for the file that `flux install --export` generates."
    )
