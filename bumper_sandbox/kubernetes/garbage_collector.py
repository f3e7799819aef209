"""The sandbox's garbage collector: what belongs to an object goes with it.

Source: k8s.io/kubernetes v1.35.4 pkg/controller/garbagecollector (background deletion) and pkg/controller/namespace.
"""

from bumper_sandbox.kubernetes.failures import Failure
from bumper_sandbox.kubernetes.kinds import NAMESPACE
from bumper_sandbox.kubernetes.loop import Loop
from bumper_sandbox.kubernetes.store import Change, Store, key_of


class GarbageCollector:
    """Deletes dependents of deleted objects, and everything in a deleted namespace."""

    def __init__(self, store: Store, loop: Loop) -> None:
        self._store = store
        self._loop = loop
        store.subscribe(self._notice)

    def _notice(self, change: Change) -> None:
        if change.event == "DELETED":
            metadata = change.after["metadata"]
            namespace = metadata["name"] if change.kind == NAMESPACE else ""
            self._loop.call_later(0.0, lambda: self._collect(metadata["uid"], namespace))

    def _collect(self, owner: str, namespace: str) -> None:
        for kind in self._store.kinds:
            if not kind.namespaced:
                continue
            for obj in self._store.select(kind, namespace)[0]:
                owners = {reference["uid"] for reference in obj["metadata"].get("ownerReferences") or ()}
                if namespace or owner in owners:
                    try:
                        self._store.delete(kind, *key_of(obj))
                    except Failure:
                        continue  # Someone else was faster.
