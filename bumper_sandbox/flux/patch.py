"""Writes what a Flux controller changed on its own copy of an object, in Flux's order.

Law: conditions first, then metadata, then the rest of the status, each a write of its own and only if it changed. So a watcher sees
Ready=True before `lastAppliedRevision`: the gap was recorded from real controllers and is kept.
Source: fluxcd/pkg runtime v0.110.1 patch/patch.go (`Helper.Patch`).
"""

from typing import Any

from bumper_sandbox.kubernetes.json_values import copied
from bumper_sandbox.kubernetes.kinds import Kind
from bumper_sandbox.kubernetes.loop import Task
from bumper_sandbox.kubernetes.store import Manifest, Store


class Patcher:
    """`obj` is the controller's own copy: edit it, then `patch`. `write_s` is how long one write takes."""

    def __init__(self, store: Store, kind: Kind, obj: Manifest, write_s: float) -> None:
        self.obj = obj
        self._store = store
        self._kind = kind
        self._write_s = write_s
        self._before = copied(obj)

    def patch(self, *, observe_generation: bool = False) -> Task:
        """Writes the changes; with `observe_generation` the status says that it speaks of this generation."""
        if observe_generation:
            self.obj["status"]["observedGeneration"] = self.obj["metadata"]["generation"]
        before, after = self._before.get("status") or {}, self.obj.get("status") or {}
        if before.get("conditions") != after.get("conditions"):
            self._write("status", {"conditions": after.get("conditions")})
            yield self._write_s
        for field in ("finalizers", "annotations", "labels"):
            if self._before["metadata"].get(field) != self.obj["metadata"].get(field):
                self._write_metadata(field)
                yield self._write_s
        rest = {key: after.get(key) for key in {*before, *after} if before.get(key) != after.get(key)}
        rest.pop("conditions", None)
        if rest:
            self._write("status", rest)
            yield self._write_s
        self._before = copied(self.obj)

    def _write(self, subresource: str, fields: dict[str, Any]) -> None:
        def change(obj: Manifest) -> None:
            status = obj.setdefault("status", {})
            for key, value in fields.items():
                if value is None:
                    status.pop(key, None)
                else:
                    status[key] = copied(value)

        metadata = self.obj["metadata"]
        self._store.update(self._kind, metadata.get("namespace", ""), metadata["name"], change, subresource)

    def _write_metadata(self, field: str) -> None:
        def change(obj: Manifest) -> None:
            value = self.obj["metadata"].get(field)
            if value:
                obj["metadata"][field] = copied(value)
            else:
                obj["metadata"].pop(field, None)

        metadata = self.obj["metadata"]
        self._store.update(self._kind, metadata.get("namespace", ""), metadata["name"], change)
