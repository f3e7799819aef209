"""The sandbox's ReplicaSet controller: as many pods as wanted, and a status that counts them.

Source: k8s.io/kubernetes v1.35.4 pkg/controller/replicaset (replica_set.go, replica_set_utils.go). The status is counted before pods
are made or deleted, so that a new ReplicaSet first says that it has none: recorded so.
"""

from bumper_sandbox.kubernetes.failures import Failure
from bumper_sandbox.kubernetes.json_values import copied
from bumper_sandbox.kubernetes.kinds import POD, REPLICA_SET
from bumper_sandbox.kubernetes.loop import Loop, Reconcile, Task, WorkQueue
from bumper_sandbox.kubernetes.owners import is_owned, owner_of, reference_to, suffix
from bumper_sandbox.kubernetes.recorder import Recorder
from bumper_sandbox.kubernetes.store import WRITE_S, Change, Key, Manifest, Store, key_of

# Pods that are furthest from serving go first.
_PHASES = ("Pending", "Unknown", "Running")


class ReplicaSetController:
    """Acts on every ReplicaSet of the store."""

    def __init__(self, store: Store, loop: Loop) -> None:
        self._store = store
        self._events = Recorder(store, "replicaset-controller")
        self._queue: WorkQueue[Key] = WorkQueue(loop, self._reconcile)
        store.subscribe(self._notice)

    def _notice(self, change: Change) -> None:
        if change.kind == REPLICA_SET and change.event != "DELETED":
            self._queue.add(key_of(change.after))
        elif change.kind == POD:
            owner = owner_of(change.after)
            if owner and owner["kind"] == "ReplicaSet":
                self._queue.add((key_of(change.after)[0], owner["name"]))

    def _reconcile(self, key: Key) -> Reconcile:
        replica_set = self._store.find(REPLICA_SET, *key)
        if replica_set is None or "deletionTimestamp" in replica_set["metadata"]:
            return None
        try:
            yield from self._sync(key, replica_set)
        except Failure as failure:
            # Deleted in the middle of it.
            if failure.code != 404:
                raise
        return None

    def _sync(self, key: Key, replica_set: Manifest) -> Task:
        pods = [pod for pod in self._store.select(POD, key[0])[0] if is_owned(pod, replica_set)]
        active = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        missing = replica_set["spec"]["replicas"] - len(active)
        for _ in range(missing):
            self._make_pod(replica_set)
        for pod in sorted(active, key=_rank)[: max(-missing, 0)]:
            self._events.normal(replica_set, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")
            self._store.delete(POD, *key_of(pod))
        if missing:
            yield WRITE_S
        status = _status(replica_set, active, len(pods) - len(active))
        if status != replica_set["status"]:
            self._store.update(REPLICA_SET, *key, lambda obj: obj.update(status=status), "status")
            yield WRITE_S

    def _make_pod(self, replica_set: Manifest) -> None:
        template = copied(replica_set["spec"]["template"])
        namespace, name = key_of(replica_set)
        metadata = {
            **(template.get("metadata") or {}),
            "name": f"{name}-{suffix()}",
            "generateName": f"{name}-",
            "namespace": namespace,
            "ownerReferences": [reference_to(replica_set)],
        }
        pod = self._store.create(POD, {"metadata": metadata, "spec": template["spec"]})
        self._events.normal(replica_set, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")


def _status(replica_set: Manifest, active: list[Manifest], terminating: int) -> Manifest:
    ready = sum(_is_ready(pod) for pod in active)
    counts = {"fullyLabeledReplicas": len(active), "readyReplicas": ready, "availableReplicas": ready}
    return {
        "replicas": len(active),
        **{name: count for name, count in counts.items() if count},
        "terminatingReplicas": terminating,
        "observedGeneration": replica_set["metadata"]["generation"],
    }


def _is_ready(pod: Manifest) -> bool:
    return any(
        (entry["type"], entry["status"]) == ("Ready", "True")
        for entry in pod["status"].get("conditions") or ()
    )


def _rank(pod: Manifest) -> tuple[bool, int, bool, int, str]:
    phase = pod["status"].get("phase", "Unknown")
    restarts = max(
        (container["restartCount"] for container in pod["status"].get("containerStatuses") or ()), default=0
    )
    return (
        bool(pod["spec"].get("nodeName")),
        _PHASES.index(phase) if phase in _PHASES else 1,
        _is_ready(pod),
        -restarts,
        pod["metadata"]["uid"],
    )
