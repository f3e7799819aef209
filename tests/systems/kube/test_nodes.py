"""What a cluster's nodes are, read while the caller does something else."""

import os
import threading
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from bumper.errors import NoAccess, Transient
from bumper.systems.kube import Cluster
from systems.kube.clock import Clock
from systems.kube.conftest import TIMEOUTS, World
from systems.kube.kubeconfigs import write_config
from systems.kube.server import TOKEN, Answer, Request, Server


def add_node(world: World, name: str, **reported: str) -> None:
    kind = world.kinds.find("v1", "Node")
    assert kind
    world.store.create(kind, {"metadata": {"name": name}, "status": {"nodeInfo": reported}}, status=True)


def test_each_platform_once(world: World, cluster: Cluster) -> None:
    add_node(world, "a", operatingSystem="linux", architecture="amd64")
    add_node(world, "b", operatingSystem="linux", architecture="amd64")
    # A virtual kubelet writes it as its cloud does.
    add_node(world, "c", operatingSystem="Linux", architecture="arm64")
    add_node(world, "not yet reported")
    assert cluster.platforms().result() == {"linux/amd64", "linux/arm64"}


def test_a_cluster_without_nodes_is_not_known(cluster: Cluster) -> None:
    assert cluster.platforms().result() == frozenset()


def test_nodes_that_may_not_be_listed(world: World, cluster: Cluster) -> None:
    world.api.forbid("list", "nodes")
    with pytest.raises(NoAccess, match='cannot list resource "nodes"'):
        cluster.platforms().result()


def test_a_busy_cluster_may_heal(world: World, cluster: Cluster) -> None:
    world.api.fail_next(503)
    with pytest.raises(Transient):
        cluster.platforms().result()


@pytest.mark.slow
def test_nobody_waits_for_an_answer_that_is_not_needed_any_more(tmp_path: Path, clock: Clock) -> None:
    asked, goes_on = threading.Event(), threading.Event()

    def answer(request: Request) -> Answer:
        asked.set()
        goes_on.wait()
        return Answer(body={"items": []})

    with Server(answer) as server:
        path = write_config(tmp_path / "config", server.url, {"token": TOKEN})
        with Cluster(None, {"KUBECONFIG": str(path), "PATH": os.defpath}, clock, TIMEOUTS) as cluster:
            platforms = cluster.platforms()
            asked.wait()
        goes_on.set()
        with pytest.raises(CancelledError):
            platforms.result()
