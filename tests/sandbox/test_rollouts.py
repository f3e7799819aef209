"""The Deployment and ReplicaSet controllers in virtual time."""

from collections.abc import Iterator

import pytest
from tables import each_row

from bumper_sandbox.kubernetes.kinds import DEPLOYMENT, NAMESPACE, POD, REPLICA_SET
from bumper_sandbox.kubernetes.rolling_update import Surge, condition, new_size, old_sizes, surge
from bumper_sandbox.kubernetes.store import Manifest
from sandbox.virtual import VirtualCluster

WEB = "apps"


def manifest(tag: str, **spec: object) -> Manifest:
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {
            "containers": [
                {
                    "name": "web",
                    "image": f"127.0.0.1:5000/web:{tag}",
                    "readinessProbe": {"httpGet": {"path": "/", "port": 80}},
                }
            ]
        },
    }
    base = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    return {"metadata": {"name": "web", "namespace": WEB}, "spec": {**base, **spec}}


@pytest.fixture
def cluster() -> Iterator[VirtualCluster]:
    virtual = VirtualCluster()
    virtual.store.create(NAMESPACE, {"metadata": {"name": WEB}})
    yield virtual
    virtual.close()


def create(cluster: VirtualCluster, tag: str = "1", **spec: object) -> None:
    cluster.store.create(DEPLOYMENT, manifest(tag, **spec))
    cluster.until(lambda: progress(cluster) == "NewReplicaSetAvailable")
    cluster.pass_s(5)


def change(cluster: VirtualCluster, tag: str, **spec: object) -> None:
    wanted = manifest(tag, **spec)["spec"]
    cluster.edit(DEPLOYMENT, WEB, "web", lambda obj: obj["spec"].update(wanted))


def web(cluster: VirtualCluster) -> Manifest:
    return cluster.store.get(DEPLOYMENT, WEB, "web")


def progress(cluster: VirtualCluster) -> str:
    return str((condition(web(cluster)["status"], "Progressing") or {}).get("reason", ""))


def tags(cluster: VirtualCluster) -> list[str]:
    return sorted(
        pod["spec"]["containers"][0]["image"].rpartition(":")[2] for pod in cluster.store.select(POD)[0]
    )


def test_pods_carry_names_owners_labels_and_a_node(cluster: VirtualCluster) -> None:
    create(cluster)
    (replica_set,), (pod,) = cluster.store.select(REPLICA_SET)[0], cluster.store.select(POD)[0]
    template_hash = replica_set["metadata"]["labels"]["pod-template-hash"]
    assert replica_set["metadata"]["name"] == f"web-{template_hash}"
    assert replica_set["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
    assert pod["metadata"]["name"].startswith(f"web-{template_hash}-")
    assert pod["metadata"]["ownerReferences"][0]["uid"] == replica_set["metadata"]["uid"]
    assert pod["metadata"]["labels"] == {"app": "web", "pod-template-hash": template_hash}
    assert pod["spec"]["nodeName"] == "sandbox"
    assert pod["metadata"]["generation"] == 1, "being scheduled is no new generation"


def test_the_old_pod_serves_until_the_new_one_is_available(cluster: VirtualCluster) -> None:
    create(cluster)
    change(cluster, "2")
    cluster.until(lambda: tags(cluster) == ["2"])
    rollout = cluster.states(DEPLOYMENT, "web")
    counted = [
        version["status"].get("availableReplicas", 0)
        for version in rollout
        if version["metadata"]["generation"] == 2
    ]
    assert (min(counted), max(counted)) == (1, 2)


def test_a_rollout_that_cannot_go_on_keeps_the_old_pods_and_passes_its_deadline(
    cluster: VirtualCluster,
) -> None:
    create(cluster, replicas=2)
    change(cluster, "2-missing", replicas=2, progressDeadlineSeconds=20)
    start_s = cluster.time.now_s
    cluster.until(lambda: progress(cluster) == "ProgressDeadlineExceeded")
    assert 20 <= cluster.time.now_s - start_s <= 22
    deployment = web(cluster)
    assert deployment["status"]["availableReplicas"] == 2
    assert (condition(deployment["status"], "Available") or {})["reason"] == "MinimumReplicasAvailable"
    assert tags(cluster) == ["1", "1", "2-missing"]
    name = [
        obj["metadata"]["name"]
        for obj in cluster.store.select(REPLICA_SET)[0]
        if obj["spec"]["replicas"] == 1
    ]
    text = f'ReplicaSet "{name[0]}" has timed out progressing.'
    assert (condition(deployment["status"], "Progressing") or {})["message"] == text


def test_going_back_uses_the_old_replica_set_under_a_new_revision(cluster: VirtualCluster) -> None:
    create(cluster)
    change(cluster, "2")
    cluster.until(lambda: web(cluster)["status"]["observedGeneration"] == 2)
    cluster.until(lambda: progress(cluster) == "NewReplicaSetAvailable")
    change(cluster, "1")
    cluster.until(lambda: tags(cluster) == ["1"])
    replica_sets = cluster.store.select(REPLICA_SET)[0]
    assert len(replica_sets) == 2
    annotations = next(obj for obj in replica_sets if obj["spec"]["replicas"])["metadata"]["annotations"]
    assert annotations["deployment.kubernetes.io/revision"] == "3"
    assert annotations["deployment.kubernetes.io/revision-history"] == "1"
    assert web(cluster)["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"


def test_recreate_empties_first(cluster: VirtualCluster) -> None:
    create(cluster, strategy={"type": "Recreate"})
    change(cluster, "2", strategy={"type": "Recreate"})
    cluster.until(lambda: tags(cluster) == ["2"])
    seen = [version["status"].get("replicas", 0) for version in cluster.states(DEPLOYMENT, "web")]
    assert 0 in seen[seen.index(1) :], "there was a moment without pods"


def test_scaling_and_deleting(cluster: VirtualCluster) -> None:
    create(cluster)
    cluster.edit(DEPLOYMENT, WEB, "web", lambda obj: obj["spec"].update(replicas=3))
    cluster.until(lambda: web(cluster)["status"].get("availableReplicas") == 3)
    cluster.edit(DEPLOYMENT, WEB, "web", lambda obj: obj["spec"].update(replicas=1))
    cluster.until(lambda: len(tags(cluster)) == 1)
    cluster.store.delete(DEPLOYMENT, WEB, "web")
    cluster.until(lambda: not cluster.store.select(POD)[0])
    assert not cluster.store.select(REPLICA_SET)[0]


def test_a_paused_deployment_keeps_its_template_and_takes_its_size(cluster: VirtualCluster) -> None:
    create(cluster, "1")
    change(cluster, "2", paused=True, replicas=3)
    cluster.pass_s(30)
    assert tags(cluster) == ["1", "1", "1"]
    assert progress(cluster) == "DeploymentPaused"
    status = web(cluster)["status"]
    assert status["observedGeneration"] == web(cluster)["metadata"]["generation"]
    assert "updatedReplicas" not in status
    change(cluster, "2", paused=False, replicas=3)
    cluster.until(lambda: progress(cluster) == "NewReplicaSetAvailable")
    cluster.pass_s(40)
    assert tags(cluster) == ["2", "2", "2"]


def test_a_deployment_that_is_born_paused_makes_nothing(cluster: VirtualCluster) -> None:
    cluster.store.create(DEPLOYMENT, manifest("1", paused=True))
    cluster.pass_s(30)
    assert tags(cluster) == []
    assert progress(cluster) == "DeploymentPaused"


def test_a_namespace_takes_everything_along(cluster: VirtualCluster) -> None:
    create(cluster)
    cluster.store.delete(NAMESPACE, "", WEB)
    cluster.until(lambda: not cluster.store.select(POD)[0])
    assert not cluster.store.select(DEPLOYMENT)[0]


def test_old_replica_sets_are_kept_up_to_the_limit(cluster: VirtualCluster) -> None:
    create(cluster, revisionHistoryLimit=1)
    for tag in ("2", "3", "4"):
        generation = web(cluster)["metadata"]["generation"]
        change(cluster, tag, revisionHistoryLimit=1)
        cluster.until(lambda: web(cluster)["status"]["observedGeneration"] == generation + 1)  # noqa: B023
        cluster.until(lambda: progress(cluster) == "NewReplicaSetAvailable")
        cluster.pass_s(5)
    assert len(cluster.store.select(REPLICA_SET)[0]) == 2


def sized(replicas: int, surge_by: int | str = "25%", unavailable: int | str = "25%") -> Manifest:
    limits = {"maxSurge": surge_by, "maxUnavailable": unavailable}
    return {"spec": {"replicas": replicas, "strategy": {"type": "RollingUpdate", "rollingUpdate": limits}}}


def replica_set(name: str, size: int, available: int) -> Manifest:
    return {
        "metadata": {"name": name},
        "spec": {"replicas": size},
        "status": {"availableReplicas": available},
    }


@each_row(
    ("deployment", "expected"),
    [
        (sized(1), Surge(1, 0)),
        (sized(4), Surge(1, 1)),
        (sized(10), Surge(3, 2)),
        (sized(10, 2, "50%"), Surge(2, 5)),
        (sized(3, 0, "10%"), Surge(0, 1)),
        (sized(0), Surge(0, 1)),
    ],
)
def test_percentages_round_in_favour_of_serving(deployment: Manifest, expected: Surge) -> None:
    assert surge(deployment) == expected


def test_the_worked_example_of_the_kubernetes_source() -> None:
    # rolling.go, `reconcileOldReplicaSets`, case 1 and 2: ten replicas, maxUnavailable 2, maxSurge 3.
    deployment = sized(10, 3, 2)
    assert new_size(deployment, [replica_set("old", 10, 10)], 0) == 3
    stuck = old_sizes(deployment, replica_set("new", 5, 0), [replica_set("old", 8, 8)])
    assert stuck == [], "pods of the new one that never get available stop it"
    one_lost = old_sizes(deployment, replica_set("new", 5, 0), [replica_set("old", 8, 7)])
    assert one_lost == [], "nor may a lost node's pod be taken for one too many"
    back = old_sizes(deployment, replica_set("good", 8, 7), [replica_set("bad", 5, 0)])
    assert [(obj["metadata"]["name"], size) for obj, size in back] == [("bad", 1)]
