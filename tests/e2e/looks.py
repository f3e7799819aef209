"""What tests and scenarios look for in a cluster, and waiting until it is there."""

import time
from collections.abc import Callable
from typing import TypeVar

from .api import Object
from .platforms import Platform

T = TypeVar("T")


def eventually(look: Callable[[], T | None], what: str, *, timeout_s: float = 120.0) -> T:
    """What `look` gives once it gives something true; TimeoutError naming `what` and the last answer."""
    deadline = time.monotonic() + timeout_s
    while True:
        sight = look()
        if sight:
            return sight
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not so after {timeout_s:.0f} s; last: {sight!r}")
        time.sleep(0.1)


def condition(subject: Object | None, kind: str) -> Object:
    """The condition of that type, empty where there is none."""
    entries = ((subject or {}).get("status") or {}).get("conditions") or []
    return next((entry for entry in entries if entry["type"] == kind), {})


def running_images(stack: Platform, namespace: str) -> set[tuple[str, str]]:
    """Image and imageID of every ready container."""
    return {(entry["image"], entry["imageID"]) for entry in containers(stack, namespace) if entry["ready"]}


def waiting(stack: Platform, namespace: str, reason: str) -> list[Object]:
    """The containers of the namespace that wait for that reason."""
    return [
        entry
        for entry in containers(stack, namespace)
        if (entry["state"].get("waiting") or {}).get("reason") == reason
    ]


def containers(stack: Platform, namespace: str) -> list[Object]:
    """The status of every container of the namespace."""
    return [
        entry
        for pod in stack.api.list("Pod", namespace)
        for entry in (pod.get("status") or {}).get("containerStatuses") or []
    ]
