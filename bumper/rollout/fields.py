"""Which fields of an object are read, and of which type each of them is.

Law: whatever is judged was held to this table first, so that a rule reads a number where it expects one. What is absent or null is
an answer, a field of another type is none. A name means the same wherever a kind that is read has it (tests/e2e/test_fields.py holds
it to what a real API server says of them); where it does not (`strategy`, `selector`, `ready`, `uid` …), it is not in here.
What people choose the names in (labels, values of a chart) is not looked into.

Source: Kubernetes' and Flux's OpenAPI documents; every object of tests/data fits.
"""

from collections.abc import Mapping
from typing import Any

from bumper.ports.shape import expected_kind, kind_of

_NAMES: dict[type, tuple[str, ...]] = {
    dict: (
        "metadata", "spec", "template", "jobTemplate", "labels", "annotations", "matchLabels", "involvedObject", "artifact",
        "sourceRef", "targetRef", "rollingUpdate", "updateStrategy", "state", "lastState", "running", "waiting",
        "terminated", "analysis", "canary", "nodeInfo", "readinessProbe", "startupProbe", "kubeConfig", "preferredVersion",
    ),
    list: (
        "conditions", "containers", "initContainers", "containerStatuses", "initContainerStatuses", "dependsOn", "entries",
        "finalizers", "images", "matchExpressions", "ownerReferences", "pauseConditions", "readinessGates",
        "schedulingGates", "steps", "traffic", "webhooks", "history", "eventSources", "volumes", "env", "addresses",
    ),
    int: (
        "availableReplicas", "canaryWeight", "completions", "count", "currentNumberScheduled", "currentStepIndex",
        "deletionGracePeriodSeconds", "desiredNumberScheduled", "exitCode", "failedChecks", "generation",
        "lastAttemptedGeneration", "minReadySeconds", "numberAvailable", "numberReady", "parallelism",
        "progressDeadlineSeconds", "readyReplicas", "replicas", "restartCount", "terminatingReplicas",
        "updatedNumberScheduled", "updatedReplicas", "partition", "percent", "backoffLimit",
    ),
    str: (
        "name", "namespace", "kind", "apiVersion", "resourceVersion", "nodeName", "type", "reason", "message", "phase",
        "revision", "digest", "url", "interval", "timeout", "retryInterval", "creationTimestamp", "deletionTimestamp",
        "lastTransitionTime", "lastUpdateTime", "lastTimestamp", "eventTime", "startedAt", "finishedAt",
        "lastAppliedRevision", "lastAttemptedRevision", "lastAppliedOriginRevision", "containerID",
        "lastHandledReconcileAt", "imageID", "currentRevision", "updateRevision", "latestCreatedRevisionName",
        "latestReadyRevisionName", "targetNamespace", "fieldPath", "restartPolicy", "podManagementPolicy", "conditionType",
        "currentPodHash", "stableRS", "revisionName", "lastAppliedSpec", "lastPromotedSpec", "secretName", "newTag",
    ),
    bool: (
        "paused", "started", "suspend", "abort", "wait", "latestRevision",
    ),
}  # fmt: skip
TYPES: dict[str, type] = {name: kind for kind, names in _NAMES.items() for name in names}
# Lists whose entries are texts; those of all others are objects.
_OF_TEXTS = {"finalizers"}
# Without these an entry of the list means nothing.
_NEEDED = {
    "conditions": ("type", "status"),
    "containers": ("name",),
    "initContainers": ("name",),
    "containerStatuses": ("name",),
    "initContainerStatuses": ("name",),
    "dependsOn": ("name",),
    "matchExpressions": ("key", "operator"),
}
# What has this type in these objects, or in the entries of these lists, alone.
_INSIDE: dict[str, dict[str, type]] = {
    **{
        key: {"image": str, "ready": bool}
        for key in ("containers", "initContainers", "containerStatuses", "initContainerStatuses")
    },
    **{key: {"uid": str} for key in ("metadata", "ownerReferences", "involvedObject")},
}
CHOSEN_BY_PEOPLE = {
    "labels", "annotations", "matchLabels", "managedFields", "data", "stringData", "values", "nodeSelector", "limits",
    "requests", "substitute", "capacity", "allocatable", "postBuild", "patches", "postRenderers", "fieldsV1", "schema",
}  # fmt: skip


def misfit(value: Any, place: str = "") -> str:
    """`spec.replicas: found a text, expected a number` for the first field of an object that does not fit; empty where all do."""
    if not _is_a(dict, value):
        return _mismatch(place or "the whole", value, dict)
    if not place and not isinstance(value.get("status") or {}, Mapping):
        # Of a condition it is a text.
        return _mismatch("status", value["status"], dict)
    for key, inner in value.items():
        if inner is None:
            continue
        here = f"{place}.{key}" if place else str(key)
        if problem := _misfit(key, inner, here):
            return problem
    return ""


def _misfit(key: str, value: Any, place: str) -> str:
    expected = TYPES.get(key)
    if expected is not None and not _is_a(expected, value):
        return _mismatch(place, value, expected)
    if key in CHOSEN_BY_PEOPLE:
        return _texts_of(key, value, place)
    if _is_a(dict, value):
        return misfit(value, place) or (_absent(key, value, place) if key in _INSIDE else "")
    return _entries(key, value, place) if isinstance(value, list) else ""


def _entries(key: str, entries: list[Any], place: str) -> str:
    is_of_objects = TYPES.get(key) is list and key not in _OF_TEXTS
    for at, entry in enumerate(entries):
        here = f"{place}[{at}]"
        if _is_a(dict, entry):
            problem = misfit(entry, here) or _absent(key, entry, here)
        else:
            problem = _mismatch(here, entry, dict) if is_of_objects else ""
            if key in _OF_TEXTS and not isinstance(entry, str):
                problem = _mismatch(here, entry, str)
        if problem:
            return problem
    return ""


def _absent(key: str, entry: Mapping[str, Any], place: str) -> str:
    missing = next((name for name in _NEEDED.get(key, ()) if not isinstance(entry.get(name), str)), "")
    if missing:
        return _mismatch(f"{place}.{missing}", entry.get(missing), str)
    for name, expected in _INSIDE.get(key, {}).items():
        if entry.get(name) is not None and not isinstance(entry[name], expected):
            return _mismatch(f"{place}.{name}", entry[name], expected)
    return ""


def _texts_of(key: str, value: Any, place: str) -> str:
    if key not in ("labels", "annotations", "matchLabels") or not isinstance(value, Mapping):
        return ""
    wrong = next((name for name, text in value.items() if not isinstance(text, str)), None)
    return _mismatch(f"{place}.{wrong}", value[wrong], str) if wrong is not None else ""


def _is_a(expected: type, value: Any) -> bool:
    """Whether a value is of that very type: true is no number. A mapping of another make is an object, too."""
    # Nearly all objects are of the one type, and to ask an abstract one takes many times as long.
    return type(value) is expected or (expected is dict and isinstance(value, Mapping))


def _mismatch(place: str, value: Any, expected: type) -> str:
    kind = "an object" if isinstance(value, Mapping) else kind_of(value)
    return f"{place}: found {kind}, expected {expected_kind(expected)}"
