"""The sandbox's Deployment controller.

Law: a Deployment becomes new ReplicaSets, scaled so that never more than maxSurge pods are too many and never fewer than
replicas - maxUnavailable are available; conditions and counts are written in the form and order of kube-controller-manager.
Source: k8s.io/kubernetes v1.35.4 pkg/controller/deployment (sync.go, rolling.go, recreate.go, progress.go, util/deployment_util.go).
Not played: rollback annotations, proportional scaling in the middle of a rollout, adoption of foreign ReplicaSets.
"""

import math
from collections.abc import Sequence
from typing import Any

from bumper_sandbox.kubernetes.failures import Failure
from bumper_sandbox.kubernetes.json_values import copied
from bumper_sandbox.kubernetes.kinds import DEPLOYMENT, POD, REPLICA_SET
from bumper_sandbox.kubernetes.loop import Loop, Reconcile, Task, WorkQueue
from bumper_sandbox.kubernetes.owners import hash_of, is_owned, owner_of, reference_to
from bumper_sandbox.kubernetes.recorder import Recorder
from bumper_sandbox.kubernetes.rolling_update import (
    complete,
    condition,
    copied_status,
    is_progress,
    new_size,
    old_sizes,
    rolled_status,
    set_condition,
    surge,
)
from bumper_sandbox.kubernetes.store import WRITE_S, Change, Key, Manifest, Store, key_of

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
_REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
_DESIRED, _MAX = "deployment.kubernetes.io/desired-replicas", "deployment.kubernetes.io/max-replicas"
_NOT_COPIED = (
    REVISION,
    _REVISION_HISTORY,
    _DESIRED,
    _MAX,
    "kubectl.kubernetes.io/last-applied-configuration",
)
_NO_DEADLINE = 2**31 - 1
_PAUSED, _RESUMED, _LATE = "DeploymentPaused", "DeploymentResumed", "ProgressDeadlineExceeded"


class DeploymentController:
    """Acts on every Deployment of the store."""

    def __init__(self, store: Store, loop: Loop) -> None:
        self._store = store
        self._loop = loop
        self._events = Recorder(store, "deployment-controller")
        # When each Deployment last made progress, in cluster seconds: the status holds whole seconds of another clock.
        self._progressed_s: dict[str, float] = {}
        self._queue: WorkQueue[Key] = WorkQueue(loop, self._reconcile)
        store.subscribe(self._notice)

    def _notice(self, change: Change) -> None:
        if change.kind == DEPLOYMENT and change.event != "DELETED":
            self._queue.add(key_of(change.after))
        elif change.kind == REPLICA_SET:
            self._wake_owner(change.after)
        elif change.kind == POD and change.event == "DELETED":
            owner = owner_of(change.after)
            replica_set = owner and self._store.find(REPLICA_SET, key_of(change.after)[0], owner["name"])
            if replica_set:
                self._wake_owner(replica_set)

    def _wake_owner(self, replica_set: Manifest) -> None:
        owner = owner_of(replica_set)
        if owner and owner["kind"] == "Deployment":
            self._queue.add((key_of(replica_set)[0], owner["name"]))

    def _reconcile(self, key: Key) -> Reconcile:
        deployment = self._store.find(DEPLOYMENT, *key)
        if deployment is None or "deletionTimestamp" in deployment["metadata"]:
            return None
        try:
            return (yield from self._sync(key, deployment))
        except Failure as failure:
            # Deleted in the middle of it.
            if failure.code == 404:
                return None
            raise

    def _sync(self, key: Key, deployment: Manifest) -> Reconcile:
        owned = [
            replica_set
            for replica_set in self._store.select(REPLICA_SET, key[0])[0]
            if is_owned(replica_set, deployment)
        ]
        owned.sort(key=_revision_of)
        new = next((replica_set for replica_set in owned if _same_template(replica_set, deployment)), None)
        old = [replica_set for replica_set in owned if replica_set is not new]
        yield from self._note_pause(deployment)
        if deployment["spec"].get("paused"):
            return (yield from self._hold(deployment, new, old))
        if deployment["spec"]["strategy"]["type"] == "Recreate" and (
            yield from self._empty(deployment, old, new)
        ):
            return None
        if new is None:
            new = yield from self._create(deployment, old)
        else:
            yield from self._adopt_revision(deployment, new, old)
        scaled = yield from self._scale(deployment, new, old)
        if not scaled and complete(deployment, deployment["status"]):
            self._clean_up(deployment, old)
        return (yield from self._sync_status(deployment, new, old))

    def _note_pause(self, deployment: Manifest) -> Task:
        """Says in the Progressing condition that a pause began or ended, unless that speaks of a deadline that has passed."""
        reason = (condition(deployment["status"], "Progressing") or {}).get("reason", "")
        is_paused = bool(deployment["spec"].get("paused"))
        if not _deadline_s(deployment) or reason == _LATE or is_paused == (reason == _PAUSED):
            return
        wanted, text = (_PAUSED, "Deployment is paused") if is_paused else (_RESUMED, "Deployment is resumed")
        self._set(deployment["status"], deployment, "Progressing", "Unknown", wanted, text)
        yield from self._write_status(deployment, deployment["status"])

    def _hold(self, deployment: Manifest, new: Manifest | None, old: list[Manifest]) -> Reconcile:
        """While it is paused: the size is kept, the template is not rolled out."""
        replica_sets = [*old, *([new] if new else [])]
        running = [replica_set for replica_set in replica_sets if replica_set["spec"]["replicas"]]
        # Several at once, in the middle of a rollout, are scaled in proportion: not played.
        if len(running) < 2 and replica_sets:
            resized = running[0] if running else new or old[-1]
            yield from self._resize(deployment, resized, deployment["spec"]["replicas"])
        self._clean_up(deployment, old)
        status = rolled_status(deployment, new, old)
        self._set_available(status, deployment)
        if status != deployment["status"]:
            yield from self._write_status(deployment, status)
        return None

    def _empty(self, deployment: Manifest, old: list[Manifest], new: Manifest | None) -> Any:
        """For Recreate: takes the old pods away first; whether it still waits for that."""
        for replica_set in old:
            yield from self._resize(deployment, replica_set, 0)
        names = {replica_set["metadata"]["name"] for replica_set in old}
        pods = self._store.select(POD, key_of(deployment)[0])[0]
        waits = any((owner_of(pod) or {}).get("name") in names for pod in pods)
        if waits:
            yield from self._sync_status(deployment, new, old)
        return waits

    def _create(self, deployment: Manifest, old: list[Manifest]) -> Any:
        template = copied(deployment["spec"]["template"])
        template_hash = hash_of(template)
        labels = {**(template.setdefault("metadata", {}).get("labels") or {}), HASH_LABEL: template_hash}
        template["metadata"]["labels"] = labels
        namespace, name = key_of(deployment)
        selector = deployment["spec"]["selector"].get("matchLabels") or {}
        revision = str(max((_revision_of(replica_set) for replica_set in old), default=0) + 1)
        size = new_size(deployment, old, 0)
        made = {
            "metadata": {
                "name": f"{name}-{template_hash}",
                "namespace": namespace,
                "labels": labels,
                "annotations": {**_copied(deployment), **_limits(deployment), REVISION: revision},
                "ownerReferences": [reference_to(deployment)],
            },
            "spec": {
                "replicas": size,
                "selector": {"matchLabels": {**selector, HASH_LABEL: template_hash}},
                "template": template,
            },
        }
        new = self._store.create(REPLICA_SET, made)
        yield WRITE_S
        if size:
            self._events.normal(
                deployment,
                "ScalingReplicaSet",
                f"Scaled up replica set {new['metadata']['name']} from 0 to {size}",
            )
        message = f'Created new replica set "{new["metadata"]["name"]}"'
        deployment["metadata"].setdefault("annotations", {})[REVISION] = revision
        if _deadline_s(deployment):
            self._set(
                deployment["status"], deployment, "Progressing", "True", "NewReplicaSetCreated", message
            )
        yield from self._write_status(deployment, deployment["status"])
        return new

    def _adopt_revision(self, deployment: Manifest, new: Manifest, old: Sequence[Manifest]) -> Task:
        """A ReplicaSet that is used again gets the next revision, and remembers the one it had."""
        newest = max((_revision_of(replica_set) for replica_set in old), default=0) + 1
        annotations = new["metadata"].setdefault("annotations", {})
        if _revision_of(new) < newest:
            earlier = [annotations.get(_REVISION_HISTORY, ""), annotations[REVISION]]
            annotations[_REVISION_HISTORY] = ",".join(filter(None, earlier))
            annotations[REVISION] = str(newest)
        annotations.update(_copied(deployment) | _limits(deployment))
        self._store.update(
            REPLICA_SET, *key_of(new), lambda obj: obj["metadata"].update(annotations=annotations)
        )
        mine = deployment["metadata"].setdefault("annotations", {})
        changed = mine.get(REVISION) != annotations[REVISION]
        mine[REVISION] = annotations[REVISION]
        if _deadline_s(deployment) and condition(deployment["status"], "Progressing") is None:
            message = f'Found new replica set "{new["metadata"]["name"]}"'
            self._set(deployment["status"], deployment, "Progressing", "True", "FoundNewReplicaSet", message)
            changed = True
        if changed:
            yield from self._write_status(deployment, deployment["status"])

    def _scale(self, deployment: Manifest, new: Manifest, old: list[Manifest]) -> Any:
        """One step of the rollout; whether anything was scaled."""
        size = new_size(deployment, old, new["spec"]["replicas"])
        if size != new["spec"]["replicas"]:
            yield from self._resize(deployment, new, size)
            return True
        scaled = False
        for shrinking, wanted in old_sizes(deployment, new, old):
            yield from self._resize(deployment, shrinking, wanted)
            scaled = True
        return scaled

    def _resize(self, deployment: Manifest, replica_set: Manifest, size: int) -> Task:
        before = replica_set["spec"]["replicas"]
        if before == size:
            return
        self._store.update(REPLICA_SET, *key_of(replica_set), lambda obj: obj["spec"].update(replicas=size))
        replica_set["spec"]["replicas"] = size
        direction, name = "up" if before < size else "down", replica_set["metadata"]["name"]
        self._events.normal(
            deployment, "ScalingReplicaSet", f"Scaled {direction} replica set {name} from {before} to {size}"
        )
        yield WRITE_S

    def _sync_status(self, deployment: Manifest, new: Manifest | None, old: list[Manifest]) -> Reconcile:
        before, deadline_s = deployment["status"], _deadline_s(deployment)
        status = rolled_status(deployment, new, old)
        self._set_available(status, deployment)
        if not deadline_s:
            status["conditions"] = [entry for entry in status["conditions"] if entry["type"] != "Progressing"]
        elif new is not None:
            self._judge_progress(deployment, before, status, new["metadata"]["name"], deadline_s)
        if status == before:
            return self._check_again_s(deployment, status, deadline_s)
        yield from self._write_status(deployment, status)
        return self._check_again_s(deployment, status, deadline_s)

    def _set_available(self, status: Manifest, deployment: Manifest) -> None:
        if (
            status.get("availableReplicas", 0)
            >= deployment["spec"]["replicas"] - surge(deployment).max_unavailable
        ):
            text = "Deployment has minimum availability."
            self._set(status, deployment, "Available", "True", "MinimumReplicasAvailable", text)
        else:
            text = "Deployment does not have minimum availability."
            self._set(status, deployment, "Available", "False", "MinimumReplicasUnavailable", text)

    def _judge_progress(
        self, deployment: Manifest, before: Manifest, status: Manifest, name: str, deadline_s: float
    ) -> None:
        current = condition(before, "Progressing")
        was_complete = current is not None and current["reason"] == "NewReplicaSetAvailable"
        if was_complete and status.get("replicas", 0) == status.get("updatedReplicas", 0):
            return
        if complete(deployment, status):
            text = f'ReplicaSet "{name}" has successfully progressed.'
            self._set(status, deployment, "Progressing", "True", "NewReplicaSetAvailable", text)
        elif is_progress(before, status):
            text = f'ReplicaSet "{name}" is progressing.'
            self._set(status, deployment, "Progressing", "True", "ReplicaSetUpdated", text, renew=True)
        elif not was_complete and self._since_progress_s(deployment) > deadline_s:
            text = f'ReplicaSet "{name}" has timed out progressing.'
            self._set(status, deployment, "Progressing", "False", _LATE, text)

    def _check_again_s(self, deployment: Manifest, status: Manifest, deadline_s: float) -> float | None:
        current = condition(status, "Progressing")
        if not deadline_s or current is None or complete(deployment, status) or current["status"] == "False":
            return None
        return max(deadline_s - self._since_progress_s(deployment), 0.0) + 1.0

    def _since_progress_s(self, deployment: Manifest) -> float:
        return self._loop.now() - self._progressed_s.get(deployment["metadata"]["uid"], self._loop.now())

    def _set(
        self,
        status: Manifest,
        deployment: Manifest,
        condition_type: str,
        value: str,
        reason: str,
        message: str,
        *,
        renew: bool = False,
    ) -> None:
        changed = set_condition(
            status, condition_type, value, reason, message, self._store.wall(), renew=renew
        )
        if changed and condition_type == "Progressing":
            # The status holds whole seconds, rounded down: so does the deadline.
            self._progressed_s[deployment["metadata"]["uid"]] = float(math.floor(self._loop.now()))

    def _write_status(self, deployment: Manifest, status: Manifest) -> Task:
        kept = copied_status(status)

        def change(obj: Manifest) -> None:
            obj["status"] = kept
            if deployment["metadata"].get("annotations"):
                obj["metadata"]["annotations"] = dict(deployment["metadata"]["annotations"])

        self._store.update(DEPLOYMENT, *key_of(deployment), change, "status")
        deployment["status"] = copied_status(status)
        yield WRITE_S

    def _clean_up(self, deployment: Manifest, old: Sequence[Manifest]) -> None:
        surplus = len(old) - int(deployment["spec"]["revisionHistoryLimit"])
        for replica_set in old[: max(surplus, 0)]:
            if replica_set["spec"]["replicas"] == 0 and replica_set["status"].get("replicas", 0) == 0:
                self._store.delete(REPLICA_SET, *key_of(replica_set))


def _same_template(replica_set: Manifest, deployment: Manifest) -> bool:
    template = copied(replica_set["spec"]["template"])
    template["metadata"]["labels"].pop(HASH_LABEL, None)
    wanted = copied(deployment["spec"]["template"])
    wanted.setdefault("metadata", {}).setdefault("labels", {})
    is_same: bool = template == wanted
    return is_same


def _revision_of(replica_set: Manifest) -> int:
    return int((replica_set["metadata"].get("annotations") or {}).get(REVISION, 0))


def _copied(deployment: Manifest) -> dict[str, str]:
    annotations = deployment["metadata"].get("annotations") or {}
    return {key: value for key, value in annotations.items() if key not in _NOT_COPIED}


def _limits(deployment: Manifest) -> dict[str, str]:
    replicas = deployment["spec"]["replicas"]
    return {_DESIRED: str(replicas), _MAX: str(replicas + surge(deployment).max_surge)}


def _deadline_s(deployment: Manifest) -> float:
    """0 where no progress is expected."""
    deadline_s = deployment["spec"].get("progressDeadlineSeconds", 0)
    return 0.0 if deadline_s == _NO_DEADLINE else float(deadline_s)
