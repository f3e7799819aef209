"""Writes Kubernetes events as client-go's recorder does: what repeats is counted, not written again.

Law: one event for each (object, type, reason, message, source); its `count` grows and `lastTimestamp` moves. Source: client-go v0.35.4
tools/record/events_cache.go. Not played: combining similar events after the tenth, and forgetting them after an hour.
"""

import itertools
from collections.abc import Mapping
from typing import Any

from bumper_sandbox.kubernetes.failures import Failure
from bumper_sandbox.kubernetes.kinds import EVENT
from bumper_sandbox.kubernetes.store import Manifest, Store


class Recorder:
    """Records for one component, for example `kustomize-controller`; `host` is the node for the kubelet."""

    _sequence = itertools.count(0x18EA5F1D00000000, 0x10001)

    def __init__(self, store: Store, component: str, host: str = "") -> None:
        self._store = store
        self._component = component
        self._source = {"component": component, **({"host": host} if host else {})}
        self._host = host
        self._names: dict[tuple[str, ...], str] = {}

    def normal(self, obj: Manifest, reason: str, message: str, **more: Any) -> None:
        """Records that something happened as it should. For `more` see `_record`."""
        self._record(obj, "Normal", reason, message, **more)

    def warning(self, obj: Manifest, reason: str, message: str, **more: Any) -> None:
        """Records that something is wrong."""
        self._record(obj, "Warning", reason, message, **more)

    def _record(
        self,
        obj: Manifest,
        event_type: str,
        reason: str,
        message: str,
        *,
        annotations: Mapping[str, str] | None = None,
        field_path: str = "",
    ) -> None:
        metadata = obj["metadata"]
        namespace = metadata.get("namespace") or "default"
        key = (metadata["uid"], event_type, reason, message, field_path)
        try:
            if key in self._names:
                self._count(namespace, self._names[key])
                return
            self._names[key] = f"{metadata['name']}.{next(self._sequence):x}"
            now = self._store.wall()
            self._store.create(
                EVENT,
                {
                    "metadata": {
                        "name": self._names[key],
                        "namespace": namespace,
                        **({"annotations": dict(annotations)} if annotations else {}),
                    },
                    "involvedObject": _reference(obj, field_path),
                    "reason": reason,
                    "message": message,
                    "source": self._source,
                    "firstTimestamp": now,
                    "lastTimestamp": now,
                    "count": 1,
                    "type": event_type,
                    "eventTime": None,
                    "reportingComponent": self._component,
                    "reportingInstance": self._host,
                },
            )
        except Failure:
            # The namespace is gone, and with it whoever would read this.
            self._names.pop(key, None)

    def _count(self, namespace: str, name: str) -> None:
        def change(event: Manifest) -> None:
            event["count"] += 1
            event["lastTimestamp"] = self._store.wall()

        self._store.update(EVENT, namespace, name, change)


def _reference(obj: Manifest, field_path: str) -> Manifest:
    metadata = obj["metadata"]
    reference = {
        "kind": obj["kind"],
        "namespace": metadata.get("namespace", ""),
        "name": metadata["name"],
        "uid": metadata["uid"],
        "apiVersion": obj["apiVersion"],
        "resourceVersion": metadata["resourceVersion"],
    }
    return {**reference, **({"fieldPath": field_path} if field_path else {})}
