"""The conditions and history of Flux's objects. Pure.

Law: what is set here reads as if fluxcd/pkg had set it: the same order of conditions, the transition time kept while status, reason
and message stay, five history entries at most. Sources: fluxcd/pkg runtime v0.110.1 (conditions/setter.go), apis/meta v1.30.1
(history.go).
"""

from typing import Any

from bumper_sandbox.kubernetes.durations import duration

Manifest = dict[str, Any]

_HISTORY_SIZE = 5
_FIRST = {"Stalled": 0, "Reconciling": 1, "Ready": 2}


def get(obj: Manifest, condition_type: str) -> Manifest | None:
    """The condition of that type, or None."""
    known = (obj.get("status") or {}).get("conditions") or ()
    return next((entry for entry in known if entry["type"] == condition_type), None)


def is_true(obj: Manifest, condition_type: str) -> bool:
    """Whether there is such a condition with status True."""
    return (get(obj, condition_type) or {}).get("status") == "True"


def mark(obj: Manifest, condition_type: str, status: str, reason: str, message: str, now: str) -> None:
    """Sets the condition for the object's generation; `now` is RFC 3339."""
    wanted = {"type": condition_type, "status": status, "reason": reason, "message": message}
    before = get(obj, condition_type)
    same = before is not None and {key: before[key] for key in wanted} == wanted
    entry = {
        "lastTransitionTime": before["lastTransitionTime"] if before and same else now,
        "message": message,
        "observedGeneration": obj["metadata"]["generation"],
        "reason": reason,
        "status": status,
        "type": condition_type,
    }
    _replace(obj, condition_type, entry)


def mark_reconciling(obj: Manifest, reason: str, message: str, now: str) -> None:
    """Sets Reconciling, which ends Stalled."""
    delete(obj, "Stalled")
    mark(obj, "Reconciling", "True", reason, message, now)


def delete(obj: Manifest, *condition_types: str) -> None:
    """Removes the conditions of these types."""
    for condition_type in condition_types:
        _replace(obj, condition_type, None)


def _replace(obj: Manifest, condition_type: str, entry: Manifest | None) -> None:
    status = obj.setdefault("status", {})
    others = [other for other in status.get("conditions") or () if other["type"] != condition_type]
    entries = sorted([*others, entry] if entry else others, key=_rank)
    if entries:
        status["conditions"] = entries
    else:
        status.pop("conditions", None)


def _rank(entry: Manifest) -> tuple[int, int, str]:
    # Those three first, then by the newest generation, then by name.
    if entry["type"] in _FIRST:
        return (_FIRST[entry["type"]], 0, "")
    return (len(_FIRST), -entry["observedGeneration"], entry["type"])


def record(obj: Manifest, digest: str, outcome: str, revision: str, took_s: float, now: str) -> None:
    """Puts a run into `status.history`: one entry for each (digest of the manifests, outcome), the newest first."""
    history: list[Manifest] = list((obj.get("status") or {}).get("history") or ())
    known = next(
        (run for run in history if (run["digest"], run["lastReconciledStatus"]) == (digest, outcome)), None
    )
    entry = {
        "digest": digest,
        "firstReconciled": known["firstReconciled"] if known else now,
        "lastReconciled": now,
        "lastReconciledDuration": duration(took_s),
        "lastReconciledStatus": outcome,
        "metadata": {"revision": revision},
        "totalReconciliations": known["totalReconciliations"] + 1 if known else 1,
    }
    others = [run for run in history if run is not known]
    obj.setdefault("status", {})["history"] = [entry, *others][:_HISTORY_SIZE]
