"""The node: what it says of images, crashes and probes, and what its logs hold."""

import itertools
from collections.abc import Iterator

import pytest

from bumper.image import ImageReference
from bumper_sandbox.kubernetes.failures import Failure
from bumper_sandbox.kubernetes.image_pull import Pulled, PullError, not_found
from bumper_sandbox.kubernetes.kinds import EVENT, NAMESPACE, POD
from bumper_sandbox.kubernetes.store import Manifest
from sandbox.virtual import VirtualCluster

MISSING = (
    'rpc error: code = NotFound desc = failed to pull and unpack image "127.0.0.1:5000/web:9-missing": '
    'failed to resolve reference "127.0.0.1:5000/web:9-missing": 127.0.0.1:5000/web:9-missing: not found'
)


@pytest.fixture
def cluster() -> Iterator[VirtualCluster]:
    virtual = VirtualCluster()
    virtual.store.create(NAMESPACE, {"metadata": {"name": "apps"}})
    yield virtual
    virtual.close()


def create(cluster: VirtualCluster, tag: str, name: str = "web", **container: object) -> None:
    probe = {"readinessProbe": {"httpGet": {"path": "/", "port": 80}}}
    spec = {"containers": [{"name": "web", "image": f"127.0.0.1:5000/web:{tag}", **probe, **container}]}
    cluster.store.create(POD, {"metadata": {"name": name, "namespace": "apps"}, "spec": spec})


def pod(cluster: VirtualCluster, name: str = "web") -> Manifest:
    return cluster.store.get(POD, "apps", name)


def state(cluster: VirtualCluster, name: str = "web") -> Manifest:
    status: Manifest = pod(cluster, name)["status"].get("containerStatuses", [{}])[0]
    return status


def waiting(cluster: VirtualCluster) -> str:
    return str((state(cluster).get("state") or {}).get("waiting", {}).get("reason", ""))


def ready(cluster: VirtualCluster, name: str = "web") -> bool:
    conditions = pod(cluster, name)["status"].get("conditions") or ()
    return any((entry["type"], entry["status"]) == ("Ready", "True") for entry in conditions)


def events(cluster: VirtualCluster, name: str = "web") -> list[str]:
    concerned = [event for event in cluster.store.select(EVENT)[0] if event["involvedObject"]["name"] == name]
    return [f"{event['type']} {event['reason']} x{event['count']}: {event['message']}" for event in concerned]


def test_an_image_that_is_there_runs_and_says_how_it_came(cluster: VirtualCluster) -> None:
    create(cluster, "1")
    cluster.until(lambda: ready(cluster))
    assert events(cluster) == [
        "Normal Scheduled x1: Successfully assigned apps/web to sandbox",
        'Normal Pulling x1: Pulling image "127.0.0.1:5000/web:1"',
        'Normal Pulled x1: Successfully pulled image "127.0.0.1:5000/web:1" in 2s (2s including waiting). Image size: 12345678 bytes.',
        "Normal Created x1: Container created",
        "Normal Started x1: Container started",
    ]
    status = state(cluster)
    assert status["imageID"] == "127.0.0.1:5000/web@sha256:" + "ab" * 32
    assert status["containerID"].startswith("containerd://")
    assert (status["ready"], status["started"], status["restartCount"]) == (True, True, 0)
    assert pod(cluster)["status"]["phase"] == "Running"


def test_a_second_pod_finds_the_image_on_the_node(cluster: VirtualCluster) -> None:
    create(cluster, "1")
    cluster.until(lambda: ready(cluster))
    create(cluster, "1", "again")
    cluster.until(lambda: ready(cluster, "again"))
    text = 'Container image "127.0.0.1:5000/web:1" already present on machine and can be accessed by the pod'
    assert f"Normal Pulled x1: {text}" in events(cluster, "again")


def test_a_missing_image_is_tried_again_with_longer_and_longer_breaks(cluster: VirtualCluster) -> None:
    create(cluster, "9-missing")
    cluster.until(lambda: waiting(cluster) == "ErrImagePull")
    assert state(cluster)["state"]["waiting"]["message"] == MISSING
    cluster.until(lambda: waiting(cluster) == "ImagePullBackOff")
    expected = f'Back-off pulling image "127.0.0.1:5000/web:9-missing": ErrImagePull: {MISSING}'
    assert state(cluster)["state"]["waiting"]["message"] == expected
    tries = []
    for _ in range(3):
        cluster.until(lambda: waiting(cluster) == "ErrImagePull")
        tries.append(round(cluster.time.now_s))
        cluster.until(lambda: waiting(cluster) == "ImagePullBackOff")
    assert [later - earlier for earlier, later in itertools.pairwise(tries)] == [22, 42]
    assert pod(cluster)["status"]["phase"] == "Pending"
    lines = events(cluster)
    assert f'Warning Failed x4: Failed to pull image "127.0.0.1:5000/web:9-missing": {MISSING}' in lines
    assert "Warning Failed x4: Error: ErrImagePull" in lines
    assert 'Normal BackOff x4: Back-off pulling image "127.0.0.1:5000/web:9-missing"' in lines
    assert "Warning Failed x4: Error: ImagePullBackOff" in lines


def test_an_image_that_arrives_meanwhile_runs_at_the_next_try() -> None:
    pushed: set[str] = set()

    def pull(image: ImageReference) -> Pulled | PullError:
        return Pulled("sha256:" + "cd" * 32, 1) if image.tag in pushed else not_found(image)

    cluster = VirtualCluster(pull=pull)
    cluster.store.create(NAMESPACE, {"metadata": {"name": "apps"}})
    create(cluster, "late")
    cluster.until(lambda: waiting(cluster) == "ImagePullBackOff")
    pushed.add("late")
    cluster.until(lambda: ready(cluster))
    assert state(cluster)["imageID"].endswith("cd" * 32)
    cluster.close()


def test_a_crashing_container_restarts_at_once_and_then_with_back_off(cluster: VirtualCluster) -> None:
    create(cluster, "2-crash")
    cluster.until(lambda: state(cluster).get("restartCount") == 1)
    cluster.until(lambda: waiting(cluster) == "CrashLoopBackOff")
    status = state(cluster)
    uid = pod(cluster)["metadata"]["uid"]
    text = f"back-off 10s restarting failed container=web pod=web_apps({uid})"
    assert status["state"]["waiting"]["message"] == text
    ended = status["lastState"]["terminated"]
    assert (ended["exitCode"], ended["reason"], status["restartCount"]) == (1, "Error", 1)
    cluster.until(lambda: "back-off 20s" in str(state(cluster)["state"]))
    assert state(cluster)["restartCount"] == 2
    assert f"Warning BackOff x2: Back-off restarting failed container web in pod web_apps({uid})" in events(
        cluster
    )
    assert not ready(cluster)
    assert pod(cluster)["status"]["phase"] == "Running"


def test_a_container_whose_probe_fails_runs_and_is_never_ready(cluster: VirtualCluster) -> None:
    create(cluster, "3-unready")
    cluster.pass_s(30)
    assert "running" in state(cluster)["state"]
    assert not ready(cluster)
    assert any(
        "x5: Readiness probe failed: HTTP probe failed with statuscode: 503" in line
        for line in events(cluster)
    )
    condition = next(entry for entry in pod(cluster)["status"]["conditions"] if entry["type"] == "Ready")
    assert condition["reason"] == "ContainersNotReady"
    assert condition["message"] == "containers with unready status: [web]"


def test_a_slow_container_gets_ready_in_the_end(cluster: VirtualCluster) -> None:
    create(cluster, "4-slow")
    cluster.pass_s(20)
    assert not ready(cluster)
    cluster.until(lambda: ready(cluster))


def test_a_name_that_is_no_reference_is_not_asked_for(cluster: VirtualCluster) -> None:
    create(cluster, "x", image="127.0.0.1:5000/Web:1")
    cluster.until(lambda: waiting(cluster) == "InvalidImageName")
    expected = 'couldn\'t parse image name "127.0.0.1:5000/Web:1": invalid reference format'
    assert expected in state(cluster)["state"]["waiting"]["message"]


def test_a_deleted_pod_gets_its_grace_and_stops_what_it_does(cluster: VirtualCluster) -> None:
    create(cluster, "1")
    cluster.until(lambda: ready(cluster))
    cluster.store.delete(POD, "apps", "web")
    assert pod(cluster)["metadata"]["deletionGracePeriodSeconds"] == 30
    cluster.until(lambda: cluster.store.find(POD, "apps", "web") is None)
    assert "Normal Killing x1: Stopping container web" in events(cluster)
    create(cluster, "9-missing", "other")
    cluster.store.delete(POD, "apps", "other")
    assert cluster.store.find(POD, "apps", "other") is None, "no node had it yet"
    cluster.pass_s(60)


def log(cluster: VirtualCluster, container: str = "", *, previous: bool = False) -> str:
    return cluster.cluster.api.logs(pod(cluster), container, previous)


def test_logs_of_what_crashed(cluster: VirtualCluster) -> None:
    create(cluster, "2-crash")
    cluster.until(lambda: waiting(cluster) == "CrashLoopBackOff")
    assert log(cluster).splitlines()[-1].startswith("fatal:")
    assert log(cluster, "web", previous=True) == log(cluster)


def test_there_are_no_logs_of_what_never_ran(cluster: VirtualCluster) -> None:
    create(cluster, "9-missing")
    cluster.until(lambda: waiting(cluster) == "ImagePullBackOff")
    with pytest.raises(Failure) as waits:
        log(cluster)
    assert (
        waits.value.message
        == 'container "web" in pod "web" is waiting to start: trying and failing to pull image'
    )
    with pytest.raises(Failure) as before:
        log(cluster, previous=True)
    assert before.value.message == 'previous terminated container "web" in pod "web" not found'
    with pytest.raises(Failure) as other:
        log(cluster, "db")
    assert (other.value.code, other.value.message) == (400, "container db is not valid for pod web")
