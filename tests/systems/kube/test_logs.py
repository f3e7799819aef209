"""The last lines of containers that crashed."""

from bumper.systems.kube import Cluster
from systems.kube.conftest import World, crash, desired


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


def test_an_init_container_that_runs_is_read_at_each_look(world: World, cluster: Cluster) -> None:
    world.site()
    init = {"name": "init", "restartCount": 0, "ready": False, "state": {"running": {}}}
    world.write_status("v1", "Pod", ("web", "web-1-a"), initContainerStatuses=[init])
    for lines in ("waiting for the database\n", "still waiting\n"):
        world.logs["web-1-a", "init", False] = lines
        [seen] = cluster.observe([desired()])
        assert dict(seen.logs) == {"web-1-a/init": lines}


def test_a_sidecar_that_is_ready_has_no_log(world: World, cluster: Cluster) -> None:
    world.site()
    init = {"name": "proxy", "restartCount": 0, "ready": True, "started": True, "state": {"running": {}}}
    world.write_status("v1", "Pod", ("web", "web-1-a"), initContainerStatuses=[init])
    world.logs["web-1-a", "proxy", False] = "proxying\n"
    [seen] = cluster.observe([desired()])
    assert dict(seen.logs) == {}
