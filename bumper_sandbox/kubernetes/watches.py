"""What a watch streams.

Law: every change after the version asked for, once and in order; without a version first the objects there are. Where the changes are
no longer kept, an `ERROR` with a 410 ends the stream, and the HTTP status is 200 all the same (recorded from Kubernetes 1.35).
"""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from bumper_sandbox.kubernetes.failures import Failure
from bumper_sandbox.kubernetes.kinds import Kind
from bumper_sandbox.kubernetes.routes import Query, Route
from bumper_sandbox.kubernetes.store import Change, Store

Event = dict[str, Any]
# kube-apiserver sends one about every minute, and one shortly before the time-out.
_BOOKMARK_PERIOD_S = 60.0
# How long to sleep at most without looking whether the connection is still there.
_PATIENCE_S = 5.0


def events(store: Store, route: Route, query: Query, is_dropped: Callable[[], bool]) -> Iterator[Event]:
    """The events of one watch until its time-out, its expiry or the end of its connection."""
    ends_s = time.monotonic() + query.timeout_s if query.timeout_s is not None else float("inf")
    if query.since in ("", "0"):
        items, seen = store.select(route.kind, route.namespace)
        yield from ({"type": "ADDED", "object": item} for item in items if _concerns(route, query, item))
        if query.initial_events:
            yield _bookmark(route.kind, seen, initial=True)
    else:
        seen = int(query.since)
    bookmark_s = time.monotonic() + _BOOKMARK_PERIOD_S
    while not is_dropped():
        left_s = min(ends_s, bookmark_s) - time.monotonic()
        try:
            changes = store.changes(seen, min(max(left_s, 0.0), _PATIENCE_S))
        except Failure as failure:
            yield {"type": "ERROR", "object": failure.status()}
            return
        for change in changes:
            seen = change.version
            if event := _event(route, query, change):
                yield event
        if time.monotonic() >= min(ends_s, bookmark_s):
            if query.bookmarks:
                yield _bookmark(route.kind, seen)
            if time.monotonic() >= ends_s:
                return
            bookmark_s = time.monotonic() + _BOOKMARK_PERIOD_S


def line(event: Event) -> bytes:
    """The event as it stands in the stream."""
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _event(route: Route, query: Query, change: Change) -> Event | None:
    # An object that enters or leaves a selection comes or goes for the one who watches it.
    if change.kind != route.kind:
        return None
    was = change.before is not None and _concerns(route, query, change.before)
    is_in = change.event != "DELETED" and _concerns(route, query, change.after)
    if not was and not is_in:
        return None
    return {"type": "ADDED" if not was else "MODIFIED" if is_in else "DELETED", "object": change.after}


def _concerns(route: Route, query: Query, obj: dict[str, Any]) -> bool:
    namespace = obj["metadata"].get("namespace", "")
    return route.namespace in ("", namespace) and query.matches(obj)


def _bookmark(kind: Kind, version: int, *, initial: bool = False) -> Event:
    metadata: dict[str, Any] = {"annotations": {"k8s.io/initial-events-end": "true"}} if initial else {}
    metadata["resourceVersion"] = str(version)
    return {
        "type": "BOOKMARK",
        "object": {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata},
    }
