"""The cluster as the pipe sees it, against the sandbox's API server."""

import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.fleet import Fleet
from bumper.errors import NoAccess, Transient, UsageError
from bumper.objects import Object, ObjectKey, at
from bumper.systems.kube import Cluster
from systems.kube.clock import Clock
from systems.kube.conftest import TIMEOUTS, World, desired
from systems.kube.kubeconfigs import runs, write_config, write_plugin
from systems.kube.server import TOKEN, Answer, Request, Server, accepting, recorded

SOURCE = ObjectKey("GitRepository", "flux-system", "flux-system")
APPS, FLUX = "apps/v1", "kustomize.toolkit.fluxcd.io/v1"


def settle(world: World, cluster: Cluster, watches: int = 6) -> None:
    """Waits until all watches of one site stand, and takes the rings that their start caused."""
    until(
        lambda: sum(count for (verb, _), count in world.api.requests().items() if verb == "watch") >= watches
    )
    while cluster.wait(0):
        pass


def until(condition: Callable[[], object]) -> None:
    for _ in range(2000):
        if condition():
            return
        time.sleep(0.005)
    raise AssertionError("this did not come true")


def watch(world: World, cluster: Cluster) -> None:
    """Looks for the first time, up to where each further change rings."""
    world.site()
    cluster.observe([desired()])
    settle(world, cluster)


def test_a_change_ends_the_wait(world: World, cluster: Cluster) -> None:
    watch(world, cluster)
    for number, (version, kind, key) in enumerate(
        [
            ("source.toolkit.fluxcd.io/v1", "GitRepository", ("flux-system", "flux-system")),
            (FLUX, "Kustomization", ("flux-system", "web")),
            (APPS, "Deployment", ("web", "web")),
            (APPS, "ReplicaSet", ("web", "web-1")),
            ("v1", "Pod", ("web", "web-1-a")),
        ]
    ):
        world.write_status(version, kind, key, observedGeneration=number)
        assert cluster.wait(10), kind
    world.event(world.find("v1", "Pod", "web", "web-1-a"), "BackOff")
    assert cluster.wait(10)
    assert not cluster.wait(0.05)


def test_a_change_that_comes_before_the_wait_is_not_lost(world: World, cluster: Cluster) -> None:
    world.site()
    cluster.observe([desired()])
    # The watches may not stand yet: then the change is seen by the look that their start asks for.
    world.write_status(APPS, "Deployment", ("web", "web"), replicas=7)
    assert cluster.wait(10)
    [seen] = cluster.observe([desired()])
    assert seen.workload
    assert seen.workload["status"]["replicas"] == 7


def test_a_wake_waits_for_the_rest_of_a_burst(world: World, cluster: Cluster, clock: Clock) -> None:
    watch(world, cluster)
    clock.slept.clear()
    world.write_status(APPS, "Deployment", ("web", "web"), replicas=1)
    assert cluster.wait(10)
    assert clock.slept == [TIMEOUTS.settle_s]


def test_long_looks_leave_time_between_them(world: World) -> None:
    class Slow(Clock):
        def now(self) -> float:
            self.now_s += 0.2
            return self.now_s

    world.site()
    clock = Slow()
    with Cluster(None, world.environ, clock, TIMEOUTS) as cluster:
        cluster.observe([desired()])
        assert cluster.wait(10)
    assert TIMEOUTS.settle_s < clock.slept[0] <= 0.5


@pytest.mark.parametrize("weather", ["restart", "expiry", "busy"])
def test_weather_costs_only_time(world: World, cluster: Cluster, weather: str) -> None:
    watch(world, cluster)
    if weather == "restart":
        world.api.restart()
    elif weather == "expiry":
        world.api.expire_watches()
    else:
        world.api.restart()
        world.api.fail_next(503, times=4)
        world.api.fail_next(429, times=2)
    world.write_status(APPS, "Deployment", ("web", "web"), replicas=7)
    assert cluster.wait(10)
    assert at(look(cluster), "status", "replicas") == 7


def look(cluster: Cluster) -> Object | None:
    """The workload as the pipe sees it, which tries again what is transient."""
    for _ in range(100):
        try:
            return cluster.observe([desired()])[0].workload
        except Transient:
            time.sleep(0.02)
    raise AssertionError("the API did not come back")


def test_without_permission_to_watch_it_looks_from_time_to_time(world: World, clock: Clock) -> None:
    world.api.forbid("watch", "pods")
    timeouts = replace(TIMEOUTS, forbidden_s=600.0)
    with Cluster(None, world.environ, clock, timeouts) as cluster:
        watch(world, cluster)
        until(cluster.notices)
        assert cluster.notices() == (
            "no permission to watch pods in namespace web: looking every 0.05 s instead",
        )
        # Ends by itself, or this test would not end.
        assert not cluster.wait(600)


def test_a_permission_that_comes_later_is_used(world: World, cluster: Cluster) -> None:
    world.api.forbid("watch", "pods")
    watch(world, cluster)
    until(cluster.notices)
    world.api.allow("watch", "pods")
    until(lambda: not cluster.notices())
    while cluster.wait(0):
        pass
    world.write_status("v1", "Pod", ("web", "web-1-a"), phase="Failed")
    assert cluster.wait(10)


def test_flux_is_asked_to_fetch_by_the_source_alone(world: World, cluster: Cluster) -> None:
    world.site()
    before = world.find(FLUX, "Kustomization", "flux-system", "web")
    assert cluster.request_fetch(SOURCE) == ""
    annotated = world.find("source.toolkit.fluxcd.io/v1", "GitRepository", "flux-system", "flux-system")
    [(name, value)] = annotated["metadata"]["annotations"].items()
    assert name == "reconcile.fluxcd.io/requestedAt"
    assert value.startswith("20")
    assert world.find(FLUX, "Kustomization", "flux-system", "web") == before
    assert cluster.request_fetch(SOURCE) == ""
    again = world.find("source.toolkit.fluxcd.io/v1", "GitRepository", "flux-system", "flux-system")
    assert again["metadata"]["annotations"][name] > value


def test_why_flux_could_not_be_asked(world: World, cluster: Cluster) -> None:
    missing = 'sandbox: gitrepositories.source.toolkit.fluxcd.io "flux-system" not found'
    assert cluster.request_fetch(SOURCE) == missing
    assert cluster.request_fetch(ObjectKey("Folder", "a", "b")) == "Folder is no kind of source"
    world.source()
    world.api.forbid("patch", "gitrepositories")
    assert cluster.request_fetch(SOURCE).endswith(
        'cannot patch resource "gitrepositories" in API group "source.toolkit.fluxcd.io" in the namespace "flux-system"'
    )
    world.api.fail_next(503)
    assert cluster.request_fetch(SOURCE) == "sandbox: the API server answered 503: apiserver is shutting down"


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[Callable[..., Cluster]]:
    """Makes clusters from kubeconfigs of this test."""
    opened: list[Cluster] = []

    def make(url: str, user: dict[str, object], clock: Clock) -> Cluster:
        path = write_config(tmp_path / "config", url, user)
        environ = {"KUBECONFIG": str(path), "PATH": os.defpath}
        opened.append(Cluster(None, environ, clock, TIMEOUTS))
        return opened[-1]

    yield make
    for cluster in opened:
        cluster.close()


def empty(request: Request) -> Answer:
    """A cluster with every kind and no object."""
    is_list = request.path.endswith(("s", "pods")) and "watch" not in request.query
    if "watch" in request.query:
        return Answer(503, b"")
    return Answer(body={"metadata": {"resourceVersion": "1"}, "items": []}) if is_list else recorded("404")


def test_credentials_that_expire_during_a_wait_are_renewed(
    tmp_path: Path, clock: Clock, behind: Callable[..., Cluster]
) -> None:
    plugin = write_plugin(tmp_path / "plugin", {"token": TOKEN})
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin)}}
    accepted = {TOKEN}

    def answer(request: Request) -> Answer:
        return empty(request) if request.token in accepted else recorded("401")

    with Server(answer) as server:
        cluster = behind(server.url, user, clock)
        cluster.observe([desired()])
        accepted.clear()
        accepted.add("second")
        write_plugin(plugin, {"token": "second"})
        clock.now_s += 10
        cluster.observe([desired()])
        assert len(runs(plugin)) == 2
        cluster.close()


def test_no_access_is_not_retried(clock: Clock, behind: Callable[..., Cluster]) -> None:
    with Server(accepting(TOKEN)) as server:
        cluster = behind(server.url, {"token": "wrong"}, clock)
        with pytest.raises(NoAccess):
            cluster.observe([desired()])
        assert "401" in cluster.request_fetch(SOURCE)
        cluster.close()


@pytest.mark.slow
def test_nothing_is_left_after_the_end(world: World, open_cluster: Callable[[], Cluster]) -> None:
    def ours() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name.startswith("kube ")]

    cluster = open_cluster()
    assert cluster.name == "sandbox"
    watch(world, cluster)
    # The watches took over the first look's connections: another look leaves idle ones behind.
    cluster.observe([desired()])
    assert ours() == ["kube sandbox"]
    cluster.close()
    cluster.close()
    assert ours() == []
    del cluster
    # A socket that is still open complains when it is collected, and a complaint fails the test.
    gc.collect()


def test_connections_are_kept_from_look_to_look_beside_the_watches() -> None:
    with Fleet(12) as fleet, Cluster(None, fleet.environ(), Clock()) as cluster:
        sites = list(fleet.desired())
        cluster.observe(sites)
        until(lambda: sum(count for (verb, _), count in fleet.api.requests().items() if verb == "watch") >= 6)
        cluster.observe(sites)
        before = fleet.api.accepted()
        for _ in range(10):
            cluster.observe(sites)
        # Some may be on their way more at once than before.
        assert fleet.api.accepted() - before <= 4


def test_nothing_is_opened_that_is_not_used(world: World) -> None:
    before = threading.active_count()
    with Cluster(None, world.environ, Clock()) as cluster:
        assert cluster.notices() == ()
        assert not cluster.wait(0.01)
        assert threading.active_count() == before
    assert world.api.requests() == {}


def test_closing_ends_a_wait(world: World, open_cluster: Callable[[], Cluster]) -> None:
    cluster = open_cluster()
    closer = threading.Timer(0.05, cluster.close)
    closer.start()
    assert cluster.wait(600)
    closer.join()


def test_a_context_that_is_not_there(world: World) -> None:
    with pytest.raises(UsageError) as caught:
        Cluster("production", world.environ, Clock())
    assert caught.value.message.endswith("no context 'production' (found: sandbox)")


def test_several_clusters_side_by_side(world: World, open_cluster: Callable[[], Cluster]) -> None:
    world.site()
    clusters = [open_cluster(), open_cluster()]
    seen = [cluster.observe([desired()])[0] for cluster in clusters]
    assert seen[0].workload == seen[1].workload is not None
    for cluster in clusters:
        settle(world, cluster, 12)
    world.write_status(APPS, "Deployment", ("web", "web"), replicas=7)
    assert [cluster.wait(10) for cluster in clusters] == [True, True]


BLOCKED = """
import asyncio, time
from bumper.systems.kube.cluster import _Loop
from bumper.systems.kube.connection import Timeouts
loop = _Loop("x", Timeouts())
loop.start(asyncio.to_thread(time.sleep, 60))
time.sleep(0.1)
loop.close()
"""


def test_nobody_waits_at_the_end_for_a_resolver_that_does_not_answer() -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", BLOCKED], check=True, timeout=30)
