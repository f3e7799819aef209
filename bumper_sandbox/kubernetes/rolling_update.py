"""The arithmetic of a rolling update: sizes and status of a Deployment from its ReplicaSets. Pure.

Source: k8s.io/kubernetes v1.35.4 pkg/controller/deployment (rolling.go, sync.go `calculateStatus`, util/deployment_util.go).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bumper_sandbox.kubernetes.json_values import copied

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Surge:
    """How many pods there may be too many, and how many too few."""

    max_surge: int
    max_unavailable: int


def surge(deployment: Mapping[str, Any]) -> Surge:
    """The limits of the Deployment's strategy; percentages round up for the surge and down for the rest."""
    spec = deployment["spec"]
    if spec["strategy"]["type"] != "RollingUpdate":
        return Surge(0, 0)
    limits, replicas = spec["strategy"]["rollingUpdate"], spec["replicas"]
    most = _scaled(limits["maxSurge"], replicas, math.ceil)
    fewest = _scaled(limits["maxUnavailable"], replicas, math.floor)
    # Both may come out as zero; then the rollout could not take a step.
    return Surge(most, min(fewest, replicas) if most or fewest else 1)


def _scaled(value: int | str, replicas: int, rounded: Callable[[float], int]) -> int:
    if isinstance(value, str):
        return rounded(int(value.rstrip("%")) * replicas / 100)
    return value


def new_size(deployment: Mapping[str, Any], old: Sequence[Mapping[str, Any]], size: int) -> int:
    """How many pods the new ReplicaSet, now of that size, may have."""
    replicas = deployment["spec"]["replicas"]
    if size >= replicas or deployment["spec"]["strategy"]["type"] == "Recreate":
        return int(replicas)
    room = int(replicas) + surge(deployment).max_surge - size - _desired(old)
    return size + max(min(room, int(replicas) - size), 0)


def old_sizes(
    deployment: Mapping[str, Any], new: Mapping[str, Any], old: Sequence[Mapping[str, Any]]
) -> list[tuple[Any, int]]:
    """The old ReplicaSets that can shrink now, with their new sizes: pods that are not available go first."""
    sizes = {replica_set["metadata"]["name"]: replica_set["spec"]["replicas"] for replica_set in old}
    fewest = deployment["spec"]["replicas"] - surge(deployment).max_unavailable
    unavailable = new["spec"]["replicas"] - _count([new], "availableReplicas")
    left = _desired([*old, new]) - fewest - unavailable
    for replica_set in old:
        ill = sizes[replica_set["metadata"]["name"]] - _count([replica_set], "availableReplicas")
        cut = max(min(ill, left), 0)
        sizes[replica_set["metadata"]["name"]] -= cut
        left -= cut
    spare = _count([*old, new], "availableReplicas") - fewest
    for replica_set in old:
        cut = max(min(sizes[replica_set["metadata"]["name"]], spare), 0)
        sizes[replica_set["metadata"]["name"]] -= cut
        spare -= cut
    return [
        (replica_set, sizes[replica_set["metadata"]["name"]])
        for replica_set in old
        if sizes[replica_set["metadata"]["name"]] != replica_set["spec"]["replicas"]
    ]


def rolled_status(
    deployment: Mapping[str, Any], new: Mapping[str, Any] | None, old: Sequence[Mapping[str, Any]]
) -> Manifest:
    """The status but for what the conditions say: counts are left out where they are zero, as the API does."""
    everything = [*old, *([new] if new else [])]
    available = _count(everything, "availableReplicas")
    counts = {
        "replicas": _count(everything, "replicas"),
        "updatedReplicas": _count([new], "replicas") if new else 0,
        "readyReplicas": _count(everything, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(_desired(everything) - available, 0),
    }
    return {
        "observedGeneration": deployment["metadata"]["generation"],
        **{name: count for name, count in counts.items() if count},
        "terminatingReplicas": _count(everything, "terminatingReplicas"),
        "conditions": copied(list(deployment["status"].get("conditions") or ())),
    }


def complete(deployment: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    """Whether exactly the wanted pods are there, all new and available."""
    replicas = deployment["spec"]["replicas"]
    counts = ("updatedReplicas", "replicas", "availableReplicas")
    is_observed = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    return is_observed and all(status.get(name, 0) == replicas for name in counts)


def is_progress(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether new pods came, old ones went, or more became ready or available."""

    def old_count(status: Mapping[str, Any]) -> int:
        return int(status.get("replicas", 0) - status.get("updatedReplicas", 0))

    grows = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return old_count(after) < old_count(before) or any(
        after.get(name, 0) > before.get(name, 0) for name in grows
    )


def condition(status: Mapping[str, Any], condition_type: str) -> Manifest | None:
    """The condition of that type, or None."""
    return next((entry for entry in status.get("conditions") or () if entry["type"] == condition_type), None)


def set_condition(
    status: Manifest,
    condition_type: str,
    value: str,
    reason: str,
    message: str,
    now: str,
    *,
    renew: bool = False,
) -> bool:
    """Sets a Deployment's condition; whether that changed anything. With `renew` also one that says the same is written anew."""
    before = condition(status, condition_type)
    if before and not renew and (before["status"], before["reason"]) == (value, reason):
        return False
    since = before["lastTransitionTime"] if before and before["status"] == value else now
    others = [entry for entry in status.get("conditions") or () if entry["type"] != condition_type]
    made = {
        "type": condition_type,
        "status": value,
        "lastUpdateTime": now,
        "lastTransitionTime": since,
        "reason": reason,
        "message": message,
    }
    status["conditions"] = [*others, made]
    return True


def copied_status(status: Mapping[str, Any]) -> Manifest:
    """The status as it may be stored."""
    return copied(dict(status))


def _desired(replica_sets: Sequence[Mapping[str, Any]]) -> int:
    return sum(replica_set["spec"]["replicas"] for replica_set in replica_sets)


def _count(replica_sets: Sequence[Mapping[str, Any]], name: str) -> int:
    return sum((replica_set.get("status") or {}).get(name, 0) for replica_set in replica_sets)
