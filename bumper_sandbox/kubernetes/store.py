"""The objects of the sandbox's cluster with the rules by which a real API server versions them.

Law: every change gets the next resource version, one counter for all kinds; a write that changes nothing is no change; `generation`
grows with the spec (and with the start of a deletion), never with status or metadata; status is written only by way of the status
subresource, spec never. Source: k8s.io/kubernetes v1.35.4, pkg/registry and apiextensions-apiserver's strategies.
"""

import itertools
import threading
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bumper_sandbox.kubernetes import failures, validation
from bumper_sandbox.kubernetes.defaults import with_defaults
from bumper_sandbox.kubernetes.json_values import copied
from bumper_sandbox.kubernetes.kinds import NAMESPACE, POD, Kind, Kinds

Manifest = dict[str, Any]
# (namespace, name)
Key = tuple[str, str]
# How long a controller takes for one write: 10 to 20 ms were recorded.
WRITE_S = 0.015
# How many changes a watch may lag behind before it is told that its version is too old.
_KEPT_CHANGES = 20_000


@dataclass(frozen=True)
class Change:
    """`event` is `ADDED`, `MODIFIED` or `DELETED`; `before` is None for a new object. Both objects are shared: read only."""

    version: int
    event: str
    kind: Kind
    after: Manifest
    before: Manifest | None


def key_of(obj: Mapping[str, Any]) -> Key:
    """The key of an object or manifest."""
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


Listener = Callable[[Change], None]


class Store:
    """`wall` gives the time as RFC 3339 in whole seconds. What `get` and `select` return are copies."""

    def __init__(self, kinds: Kinds, wall: Callable[[], str]) -> None:
        self.kinds = kinds
        self.wall = wall
        self._objects: dict[tuple[str, str, str], Manifest] = {}
        self._versions = itertools.count(101)
        self._newest = 100
        self._compacted = 100
        self._changes: deque[Change] = deque()
        self._listeners: list[Listener] = []
        self._changed = threading.Condition(threading.RLock())

    @property
    def newest(self) -> int:
        """The version of the last change."""
        return self._newest

    def subscribe(self, listener: Listener) -> None:
        """Calls `listener` with each change, in order, on the writer's thread: it must not write or wait."""
        self._listeners.append(listener)

    def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        """The object; `Failure` 404 if there is none."""
        with self._changed:
            return copied(self._existing(kind, namespace, name))

    def find(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """The object, or None."""
        with self._changed:
            return copied(self._objects.get((kind.resource, namespace, name)))

    def select(self, kind: Kind, namespace: str = "") -> tuple[list[Manifest], int]:
        """The objects by namespace and name, and the version at which they were read. All namespaces without one."""
        with self._changed:
            keys = sorted(
                key for key in self._objects if key[0] == kind.resource and namespace in ("", key[1])
            )
            return [copied(self._objects[key]) for key in keys], self._newest

    def create(self, kind: Kind, manifest: Mapping[str, Any], *, status: bool = False) -> Manifest:
        """The new object. Its status is kept only where the writer is a controller (`status`)."""
        made = with_defaults(kind, manifest)
        validation.check(kind, made)
        metadata = made["metadata"]
        if "generateName" in metadata and not metadata.get("name"):
            metadata["name"] = metadata["generateName"] + uuid.uuid4().hex[:5]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        with self._changed:
            if kind.namespaced and (NAMESPACE.resource, "", namespace) not in self._objects:
                raise failures.not_found(NAMESPACE, namespace)
            if (kind.resource, namespace, name) in self._objects:
                raise failures.exists(kind, name)
            if kind.has_status and not status:
                initial = with_defaults(kind, {**manifest, "status": None}).get("status")
                made.pop("status", None)
                if initial is not None:
                    made["status"] = initial
            metadata.update(uid=str(uuid.uuid4()), creationTimestamp=self.wall())
            if kind.has_generation:
                metadata["generation"] = 1
            return self._write("ADDED", kind, made, None)

    def update(
        self, kind: Kind, namespace: str, name: str, change: Callable[[Manifest], None], subresource: str = ""
    ) -> Manifest:
        """The object after `change` edited a copy of it. A change of `metadata.resourceVersion` is the version expected: 409.

        `subresource` is empty, `status`, or `binding`: the scheduler's own write, which is no new generation.
        """
        with self._changed:
            old = self._existing(kind, namespace, name)
            new = copied(old)
            change(new)
            if new["metadata"].get("resourceVersion") not in (None, old["metadata"]["resourceVersion"]):
                raise failures.conflict(kind, name)
            new = _allowed(kind, old, new, subresource)
            if subresource == "":
                new = with_defaults(kind, new)
                validation.check(kind, new)
            if new == old:
                return copied(old)
            if kind.has_generation and subresource == "" and _spec(new) != _spec(old):
                new["metadata"]["generation"] = old["metadata"]["generation"] + 1
            if (
                "deletionTimestamp" in new["metadata"]
                and not new["metadata"].get("finalizers")
                and kind != POD
            ):
                return self._remove(kind, new)
            return self._write("MODIFIED", kind, new, old)

    def delete(self, kind: Kind, namespace: str, name: str, grace_s: int | None = None) -> Manifest:
        """The object as it is left: finalizers, and the grace of a pod on a node, keep it with a deletionTimestamp."""
        with self._changed:
            old = self._existing(kind, namespace, name)
            new = copied(old)
            metadata = new["metadata"]
            if kind == POD and grace_s is None and old["spec"].get("nodeName"):
                grace_s = old["spec"].get("terminationGracePeriodSeconds", 30)
            if not metadata.get("finalizers") and not grace_s:
                if kind == POD and metadata.get("deletionGracePeriodSeconds"):
                    metadata["deletionGracePeriodSeconds"] = 0
                    old, new = new, self._write("MODIFIED", kind, new, old)
                return self._remove(kind, new)
            if "deletionTimestamp" not in metadata:
                metadata.update(deletionTimestamp=self.wall(), deletionGracePeriodSeconds=grace_s or 0)
                if kind.has_generation:
                    metadata["generation"] += 1
                return self._write("MODIFIED", kind, new, old)
            return new

    def changes(self, after: int, wait_s: float) -> list[Change]:
        """The changes after that version, waiting for the first one up to `wait_s` real seconds.

        `Failure` 410 where they are no longer kept.
        """
        with self._changed:
            if self._compacted <= after >= self._newest:
                self._changed.wait(wait_s)
            if after < self._compacted:
                raise failures.expired(str(after), self._newest)
            newer = itertools.takewhile(lambda change: change.version > after, reversed(self._changes))
            return list(newer)[::-1]

    def forget(self) -> None:
        """Drops all kept changes, as a compaction does: running watches end with 410, and so do those from an older version."""
        with self._changed:
            self._changes.clear()
            # One version is used up, so that also who has seen the last change is too old.
            self._compacted = self._newest = next(self._versions)
            self._changed.notify_all()

    def wake(self) -> None:
        """Lets everyone who waits in `changes` look up."""
        with self._changed:
            self._changed.notify_all()

    def _existing(self, kind: Kind, namespace: str, name: str) -> Manifest:
        existing = self._objects.get((kind.resource, namespace, name))
        if existing is None:
            raise failures.not_found(kind, name)
        return existing

    def _write(self, event: str, kind: Kind, new: Manifest, old: Manifest | None) -> Manifest:
        metadata = new["metadata"]
        self._newest = next(self._versions)
        metadata["resourceVersion"] = str(self._newest)
        key = (kind.resource, metadata.get("namespace", ""), metadata["name"])
        if event == "DELETED":
            del self._objects[key]
        else:
            self._objects[key] = new
        change = Change(self._newest, event, kind, new, old)
        self._changes.append(change)
        if len(self._changes) > _KEPT_CHANGES:
            self._compacted = self._changes.popleft().version
        for listener in self._listeners:
            listener(change)
        self._changed.notify_all()
        return copied(new)

    def _remove(self, kind: Kind, last: Manifest) -> Manifest:
        metadata = last["metadata"]
        old = self._objects[(kind.resource, metadata.get("namespace", ""), metadata["name"])]
        return self._write("DELETED", kind, copied(last), old)


def _spec(obj: Manifest) -> Manifest:
    return {key: value for key, value in obj.items() if key not in ("metadata", "status")}


def _allowed(kind: Kind, old: Manifest, new: Manifest, subresource: str) -> Manifest:
    """What of the change may be written this way. The server's own fields never change by a client's will."""
    own = (
        "uid",
        "creationTimestamp",
        "generation",
        "resourceVersion",
        "deletionTimestamp",
        "name",
        "namespace",
    )
    for field in own:
        new["metadata"].pop(field, None)
        if field in old["metadata"]:
            new["metadata"][field] = old["metadata"][field]
    if subresource == "binding":
        return new
    if subresource == "status":
        kept = {**old, "status": new.get("status", {})}
        if "." not in kind.group:
            # Built-in kinds let annotations through with the status: the Deployment controller sets its revision so.
            kept["metadata"] = {**old["metadata"], "annotations": new["metadata"].get("annotations", {})}
            if not kept["metadata"]["annotations"]:
                del kept["metadata"]["annotations"]
        return copied(kept)
    if kind.has_status:
        new.pop("status", None)
        if "status" in old:
            new["status"] = copied(old["status"])
    return new
