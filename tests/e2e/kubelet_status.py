"""The status of a pod from the states of its containers.

By the rules of the kubelet: v1.36.1, pkg/kubelet/kubelet_pods.go and status/generate.go.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .api import Object

# Conditions of a pod that the kubelet owns; all others (PodScheduled above all) are left as they are.
_OWN = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")


def now() -> str:
    """The time as the API writes it: whole seconds, UTC."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class ContainerState:
    """One container as its player last left it."""

    name: str
    image: str
    init: bool
    state: dict[str, Any]
    last_state: dict[str, Any] = field(default_factory=dict)
    image_id: str = ""
    container_id: str = ""
    restarts: int = 0
    ready: bool = False

    @classmethod
    def adopt(
        cls, name: str, image: str, written: Object | None, *, init: bool, waiting: str
    ) -> "ContainerState":
        """The state that a kubelet before us wrote, or the first one, in which it waits for that reason."""
        if not written:
            return cls(name, image, init, {"waiting": {"reason": waiting}})
        return cls(
            name=name,
            image=written.get("image") or image,
            init=init,
            state=written.get("state") or {},
            last_state=written.get("lastState") or {},
            image_id=written.get("imageID") or "",
            container_id=written.get("containerID") or "",
            restarts=written.get("restartCount") or 0,
            ready=bool(written.get("ready")),
        )

    @property
    def succeeded(self) -> bool:
        terminated = self.state.get("terminated")
        return terminated is not None and terminated.get("exitCode") == 0

    def wait(self, reason: str, message: str = "") -> None:
        """Waiting, with what the container was before as its last state."""
        if "terminated" in self.state:
            self.last_state = {"terminated": self.state["terminated"]}
        self.state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
        self.ready = False

    def run(self, image_id: str, container_id: str) -> None:
        if "terminated" in self.state:
            self.last_state = {"terminated": self.state["terminated"]}
        self.state = {"running": {"startedAt": now()}}
        self.image_id = image_id
        self.container_id = container_id

    def end(self, exit_code: int, reason: str) -> None:
        started = (self.state.get("running") or {}).get("startedAt") or now()
        self.state = {
            "terminated": {
                "exitCode": exit_code,
                "reason": reason,
                "startedAt": started,
                "finishedAt": now(),
                "containerID": self.container_id,
            }
        }
        self.ready = False

    def rendered(self) -> Object:
        return {
            "name": self.name,
            "image": self.image,
            "imageID": self.image_id,
            **({"containerID": self.container_id} if self.container_id else {}),
            "state": self.state,
            "lastState": self.last_state,
            "ready": self.ready or (self.init and self.succeeded),
            "started": "running" in self.state,
            "restartCount": self.restarts,
        }


def phase(states: Sequence[ContainerState], restart_policy: str) -> str:
    """kubelet_pods.go, getPhase."""
    initial = [state for state in states if state.init]
    regular = [state for state in states if not state.init]
    if any(not state.succeeded for state in initial):
        failed = any("terminated" in state.state and not state.succeeded for state in initial)
        return "Failed" if failed and restart_policy == "Never" else "Pending"
    # A container that waits to be started again counts as stopped, one that never ran as waiting.
    if any("waiting" in state.state and not state.last_state for state in regular):
        return "Pending"
    if any("running" in state.state for state in regular) or restart_policy == "Always":
        return "Running"
    if all(state.succeeded for state in regular):
        return "Succeeded"
    return "Failed" if restart_policy == "Never" else "Running"


def status_of(pod: Object, states: Sequence[ContainerState], address: str, sandbox: bool) -> Object:
    """The status to write: `sandbox` says whether the pod's own network is there."""
    policy = pod["spec"].get("restartPolicy", "Always")
    phase_now = phase(states, policy)
    regular = [state for state in states if not state.init]
    initial = [state for state in states if state.init]
    old = pod.get("status") or {}
    conditions = _conditions(pod, phase_now, initial, regular, sandbox)
    status: Object = {
        "phase": phase_now,
        "observedGeneration": pod["metadata"].get("generation"),
        "startTime": old.get("startTime") or now(),
        "hostIP": "127.0.0.1",
        "hostIPs": [{"ip": "127.0.0.1"}],
        "conditions": _with_times(conditions, old.get("conditions") or []),
        "containerStatuses": [state.rendered() for state in regular],
    }
    if sandbox:
        status |= {"podIP": address, "podIPs": [{"ip": address}]}
    if initial:
        status["initContainerStatuses"] = [state.rendered() for state in initial]
    return status


def _conditions(
    pod: Object,
    phase_now: str,
    initial: Sequence[ContainerState],
    regular: Sequence[ContainerState],
    sandbox: bool,
) -> list[Object]:
    unready = [state.name for state in regular if not state.ready]
    incomplete = [state.name for state in initial if not state.succeeded]
    ready: Object = {"status": "True"}
    if phase_now == "Succeeded":
        ready = {"status": "False", "reason": "PodCompleted"}
    elif phase_now == "Failed":
        ready = {"status": "False", "reason": "PodFailed"}
    elif unready:
        message = f"containers with unready status: [{' '.join(unready)}]"
        ready = {"status": "False", "reason": "ContainersNotReady", "message": message}
    initialized: Object = {
        "status": "True",
        **({"reason": "PodCompleted"} if phase_now == "Succeeded" else {}),
    }
    if incomplete:
        message = f"containers with incomplete status: [{' '.join(incomplete)}]"
        initialized = {"status": "False", "reason": "ContainersNotInitialized", "message": message}
    alive = sandbox and phase_now in ("Pending", "Running")
    own: dict[str, Object] = {
        "PodReadyToStartContainers": {"status": "True" if alive else "False"},
        "Initialized": initialized,
        "Ready": ready,
        "ContainersReady": dict(ready),
    }
    others = [
        entry for entry in (pod.get("status") or {}).get("conditions") or [] if entry["type"] not in _OWN
    ]
    generation = pod["metadata"].get("generation")
    return [{"type": kind, "observedGeneration": generation, **own[kind]} for kind in _OWN] + others


def _with_times(conditions: list[Object], old: list[Object]) -> list[Object]:
    """A condition's time is that of its last change of status."""
    before = {entry["type"]: entry for entry in old}
    for entry in conditions:
        known = before.get(entry["type"])
        same = known is not None and known["status"] == entry["status"]
        entry["lastTransitionTime"] = known["lastTransitionTime"] if known is not None and same else now()
    return conditions
