"""Whether an object is as its spec wants it: kstatus, as Flux's health checks ask it. Pure.

Source: fluxcd/cli-utils v1.2.2 pkg/kstatus/status/{generic,core,status}.go, for the kinds that the sandbox serves. A kind whose
controller is not in the sandbox is never `Current` here: nobody would have made it so.
"""

from collections.abc import Mapping
from typing import Any

from bumper_sandbox.kubernetes.kinds import DEPLOYMENT, POD, Kind

Object = Mapping[str, Any]

CURRENT, IN_PROGRESS, FAILED, TERMINATING, NOT_FOUND = (
    "Current",
    "InProgress",
    "Failed",
    "Terminating",
    "NotFound",
)
# No controller of the sandbox acts on it, and none would have to: it has no status to wait for.
_NEEDS_NOBODY = (
    "GRPCRoute", "HTTPRoute", "HorizontalPodAutoscaler", "Ingress", "IngressClass", "IngressRoute", "LimitRange", "Middleware",
    "NetworkPolicy", "PodMonitor", "PriorityClass", "PrometheusRule", "ResourceQuota", "ServiceMonitor", "StorageClass",
)  # fmt: skip


def settles(kind: Kind) -> bool:
    """Whether an object of this kind becomes `Current` here."""
    return kind.played or kind.name in _NEEDS_NOBODY


def status(kind: Kind, obj: Object | None) -> str:
    """One of the five words above; `NotFound` for None."""
    if obj is None:
        return NOT_FOUND
    metadata, state = obj["metadata"], obj.get("status") or {}
    if metadata.get("deletionTimestamp"):
        return TERMINATING
    if "observedGeneration" in state and state["observedGeneration"] != metadata.get("generation"):
        return IN_PROGRESS
    conditions = {entry["type"]: entry for entry in state.get("conditions") or ()}
    if conditions.get("Reconciling", {}).get("status") == "True":
        return IN_PROGRESS
    if conditions.get("Stalled", {}).get("status") == "True":
        return FAILED
    if kind == DEPLOYMENT:
        return _deployment(obj["spec"], state, conditions)
    if kind == POD:
        return CURRENT if conditions.get("Ready", {}).get("status") == "True" else IN_PROGRESS
    if not settles(kind):
        return IN_PROGRESS
    return IN_PROGRESS if conditions.get("Ready", {}).get("status", "True") != "True" else CURRENT


def _deployment(spec: Object, state: Object, conditions: Mapping[str, Object]) -> str:
    progressing = conditions.get("Progressing", {})
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return FAILED
    wanted = spec.get("replicas", 1)
    replicas, updated = state.get("replicas", 0), state.get("updatedReplicas", 0)
    available, ready = state.get("availableReplicas", 0), state.get("readyReplicas", 0)
    is_moving = (
        wanted > replicas
        or wanted > updated
        or replicas > wanted
        or updated > available
        or wanted > ready
        or (progressing.get("status"), progressing.get("reason")) != ("True", "NewReplicaSetAvailable")
        or conditions.get("Available", {}).get("status") != "True"
    )
    return IN_PROGRESS if is_moving else CURRENT
