"""What two clusters can be compared by: the distinct states of an object, in their order.

A state holds conditions with reasons and messages, revisions, generations, requests, history and inventory. What can't be equal is
named alike: commits by the order in which they appear, durations as `<time>`, folders as `<root>`, addresses as `<url>`.
"""

import gzip
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

OBSERVED = Path(__file__).parent.parent / "data" / "observed"
Manifest = dict[str, Any]

_SHA = re.compile(r"\b[0-9a-f]{40}\b")
_TIME = re.compile(r"(after|in) (?:\d+h)?(?:\d+m)?\d+(?:\.\d+)?(?:s|ms|µs)\b")
_ROOT = re.compile(r"stat \S+/kustomization-\d+")
_URL = re.compile(r"http://127\.0\.0\.1:\d+/\w+(?:\.git)?")
_HASH = re.compile(r'"demo-[0-9a-z]+"')


def recorded(plural: str, name: str) -> Iterator[Manifest]:
    """Every version of the object that the real controllers wrote, as the watch told it."""
    with gzip.open(OBSERVED / f"watch.{plural}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)["raw"]
            if event["type"] != "BOOKMARK" and event["object"]["metadata"]["name"] == name:
                yield event["object"]


class Names:
    """Gives commits short names in the order of their appearance."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def __call__(self, text: str) -> str:
        named = _SHA.sub(lambda match: self._names.setdefault(match[0], f"r{len(self._names)}"), text)
        named = _URL.sub("<url>", _ROOT.sub("stat <root>", _TIME.sub(r"\1 <time>", named)))
        return _HASH.sub('"demo-<hash>"', named)


def flux_states(versions: Iterable[Manifest], names: Names) -> list[str]:
    """One text for each distinct state of a GitRepository or Kustomization."""
    return _distinct(_flux_state(obj, names) for obj in versions)


def _flux_state(obj: Manifest, names: Names) -> str:
    metadata, spec, status = obj["metadata"], obj["spec"], obj.get("status") or {}
    asked = (metadata.get("annotations") or {}).get("reconcile.fluxcd.io/requestedAt", "")
    handled = status.get("lastHandledReconcileAt", "")
    revisions = {
        "artifact": (status.get("artifact") or {}).get("revision", ""),
        "attempted": status.get("lastAttemptedRevision", ""),
        "applied": status.get("lastAppliedRevision", ""),
    }
    facts = [
        f"generation {metadata['generation']} observed {status.get('observedGeneration')}",
        *(f"{what} {names(revision)}" for what, revision in revisions.items() if revision),
        *(["suspended"] if spec.get("suspend") else []),
        *(["asked" if asked != handled else "answered"] if asked else []),
        *(["no finalizer"] if not metadata.get("finalizers") else []),
        *([f"holds {len(status['inventory']['entries'])}"] if "inventory" in status else []),
    ]
    history = [
        f"{run['lastReconciledStatus']} {names(run['metadata']['revision'])} x{run['totalReconciliations']}"
        for run in status.get("history") or ()
    ]
    conditions = [
        f"{entry['type']}={entry['status']} {entry['reason']} @{entry['observedGeneration']}: {names(entry['message']).strip()}"
        for entry in status.get("conditions") or ()
    ]
    return "\n  ".join([", ".join(facts), *history, *conditions])


def deployment_states(versions: Iterable[Manifest], names: Names) -> list[str]:
    """One text for each distinct state of a Deployment."""
    return _distinct(_deployment_state(obj, names) for obj in versions)


def _deployment_state(obj: Manifest, names: Names) -> str:
    metadata, status = obj["metadata"], obj.get("status") or {}
    counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas")
    revision = (metadata.get("annotations") or {}).get("deployment.kubernetes.io/revision", "-")
    facts = [
        f"generation {metadata['generation']} observed {status.get('observedGeneration', '-')} revision {revision}",
        " ".join(f"{name} {status[name]}" for name in counts if name in status),
    ]
    conditions = sorted(
        f"{entry['type']}={entry['status']} {entry['reason']}: {names(entry['message'])}"
        for entry in status.get("conditions") or ()
    )
    return "\n  ".join([", ".join(filter(None, facts)), *conditions])


def _distinct(states: Iterable[str]) -> list[str]:
    distinct: list[str] = []
    for state in states:
        if not distinct or distinct[-1] != state:
            distinct.append(state)
    return distinct
