"""Plays one pod: pulls its images, starts its containers, and lets each do what its image says.

An image says so by the label `e2e.behaviour` of its configuration, a pod by the annotation `e2e/behaviour`, which comes first:

    (none)     runs and becomes ready, as the readiness probe's delay has it; ends well where the pod is not to be restarted
    slow       as before, ready only after `e2e.ready-after` seconds (annotation `e2e/ready-after`; 8 if not given)
    unready    runs, its readiness probe is answered 503 for ever
    crash      ends with code 1 soon after its start, again and again
    oom        ends with code 137, reason OOMKilled, again and again

What it prints is the label `e2e.log`, line by line.
"""

import contextlib
import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx

from . import kubelet_texts as texts
from .api import Api, Object
from .kubelet_pull import Image, InvalidName, PullError, check_name, pull
from .kubelet_references import missing_for, missing_volume
from .kubelet_status import ContainerState, status_of

_SYNC_S = 1.5  # until the kubelet looks at a failed container again
_BACK_OFF_S, _MAX_BACK_OFF_S = (
    10,
    300,
)  # kubelet.go: imageBackOffPeriod, MaxImageBackOff and those of restarts
_RUN_S = 0.5  # how long a container that ends by itself runs


class Stopped(Exception):
    """The pod is being deleted, or the kubelet ends."""


class Recorder(Protocol):
    """Writes events; one more of the same raises its count."""

    def record(
        self, pod: Object, state: ContainerState | None, kind: str, reason: str, message: str
    ) -> None: ...


@dataclass
class Node:
    """What all pods of a node share. All waits of the node are divided by `speed`; images stay, as on a real disk."""

    api: Api
    events: Recorder
    registry: httpx.Client
    speed: float
    images: dict[str, Image] = field(default_factory=dict)
    logs: dict[tuple[str, str, int], list[str]] = field(
        default_factory=dict
    )  # (pod's uid, container, restarts) → lines


class PodPlayer:
    """One pod and its threads. `pod` is the object as last seen."""

    def __init__(self, node: Node, pod: Object, address: str) -> None:
        status = pod.get("status") or {}
        self.pod = pod
        self._node = node
        self._address = status.get("podIP") or address
        self._sandbox = "podIP" in status
        self._stopping = threading.Event()
        self._lock = threading.RLock()
        self._states = [*_states(pod, "initContainers"), *_states(pod, "containers")]

    def start(self) -> None:
        self._begin(self._play)

    def container(self, name: str) -> ContainerState | None:
        """The container of that name, as it stands."""
        return next((state for state in self._states if state.name == name), None)

    def terminate(self) -> None:
        """Ends the containers and takes the pod off the API: what the grace period was for is over at once."""
        self._stopping.set()
        with self._lock:
            for state in self._states:
                if "running" in state.state:
                    self._event(state, "Normal", "Killing", texts.stopping(state.name))
                    state.end(0, "Completed")
            with contextlib.suppress(Stopped):
                self._write()
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": self.pod["metadata"]["uid"]}}
        self._send("DELETE", self._path(), body)

    def abandon(self) -> None:
        """Lets go of the pod without a word: it is gone already, or we are."""
        self._stopping.set()

    # --- the life of a pod

    def _play(self) -> None:
        self._write()
        while cause := missing_volume(self.pod, self._node.api):
            self._node.events.record(self.pod, None, "Warning", "FailedMount", cause)
            self._sleep(_SYNC_S * 2)
        self._sandbox = True
        for state in self._states:
            if state.init and not state.succeeded:
                self._live(state)
        for state in self._states:
            if not state.init:
                self._begin(self._live, state)

    def _live(self, state: ContainerState) -> None:
        """From the pull to the last end of one container."""
        back_off_s = 0
        while True:
            image = self._adopted(state) or self._start(state)
            exit_code, reason = self._until_end(state, self._behaviour(state, image))
            self._change(state.end, exit_code, reason)
            if not self._is_restarted(state, exit_code):
                return
            self._sleep(_SYNC_S / 5)
            if back_off_s:  # the first restart comes at once: kuberuntime_manager.go, doBackOff
                self._event(state, "Warning", "BackOff", texts.restart_back_off_event(state.name, self.pod))
                self._change(
                    state.wait, "CrashLoopBackOff", texts.restart_back_off(state.name, self.pod, back_off_s)
                )
                self._sleep(back_off_s)
            back_off_s = min(back_off_s * 2 or _BACK_OFF_S, _MAX_BACK_OFF_S)
            state.restarts += 1

    def _start(self, state: ContainerState) -> Image:
        image = self._image(state)
        while cause := missing_for(self._spec(state), self.pod["metadata"]["namespace"], self._node.api):
            self._event(state, "Warning", "Failed", texts.start_failed(cause))
            self._change(state.wait, "CreateContainerConfigError", cause)
            self._sleep(_SYNC_S * 2)
        self._event(state, "Normal", "Created", texts.CREATED)
        self._event(state, "Normal", "Started", texts.STARTED)
        self._log(state, image)
        with self._lock:
            state.image = image.name
            state.run(image.image_id, f"containerd://{uuid.uuid4().hex}{uuid.uuid4().hex}")
            state.ready = not state.init and not self._delays_readiness(state, image)
            self._write()
        return image

    def _image(self, state: ContainerState) -> Image:
        """The image of the container, tried until it is there: image_manager.go, EnsureImageExists and pullImage."""
        back_off_s = _BACK_OFF_S
        while True:
            try:
                return self._present(state) or self._pulled(state)
            except InvalidName as error:
                self._event(state, "Warning", "InspectFailed", str(error))
                self._cannot_start(state, "InvalidImageName", str(error))
            except _Never as error:
                self._event(state, "Warning", "ErrImageNeverPull", str(error))
                self._cannot_start(state, "ErrImageNeverPull", str(error))
            except PullError as error:
                wanted = self._spec(state)["image"]
                self._event(state, "Warning", "Failed", texts.pull_failed(wanted, str(error)))
                self._cannot_start(state, "ErrImagePull", str(error))
                self._sleep(_SYNC_S)
                self._event(state, "Normal", "BackOff", texts.pull_back_off(wanted))
                self._cannot_start(state, "ImagePullBackOff", texts.pull_back_off_because(wanted, str(error)))
            self._sleep(back_off_s)
            back_off_s = min(back_off_s * 2, _MAX_BACK_OFF_S)

    def _present(self, state: ContainerState) -> Image | None:
        wanted, policy = self._spec(state)["image"], self._spec(state).get("imagePullPolicy")
        check_name(wanted)
        image = self._node.images.get(wanted) if policy != "Always" else None
        if image is not None:
            self._event(state, "Normal", "Pulled", texts.already_present(wanted))
        elif policy == "Never":
            raise _Never(texts.never_pulled(wanted))
        return image

    def _pulled(self, state: ContainerState) -> Image:
        wanted = self._spec(state)["image"]
        self._event(state, "Normal", "Pulling", texts.pulling(wanted))
        started = time.monotonic()
        image = pull(wanted, self._node.registry)
        self._node.images[wanted] = image
        self._event(
            state, "Normal", "Pulled", texts.pulled(wanted, time.monotonic() - started, image.size_bytes)
        )
        return image

    def _adopted(self, state: ContainerState) -> Image | None:
        """The image of a container that a kubelet before us started and that still runs."""
        if "running" not in state.state:
            return None
        try:
            image = pull(self._spec(state)["image"], self._node.registry)
        except (PullError, InvalidName):
            image = Image(state.image, state.image_id, 0, {})
        self._log(state, image)
        return image

    def _until_end(self, state: ContainerState, behaviour: dict[str, str]) -> tuple[int, str]:
        """Waits until the container ends by itself; most never do."""
        kind, probe = behaviour["behaviour"], self._spec(state).get("readinessProbe") or {}
        ending = {"crash": (1, "Error"), "oom": (137, "OOMKilled")}.get(kind)
        if ending is None and (state.init or self.pod["spec"].get("restartPolicy") in ("Never", "OnFailure")):
            ending = (0, "Completed")
        if ending is not None:
            self._sleep(_RUN_S)
            return ending
        self._sleep(probe.get("initialDelaySeconds", 0))
        while kind == "unready":
            self._event(state, "Warning", "Unhealthy", texts.readiness_failed(503))
            self._sleep(probe.get("periodSeconds", 10))
        if kind == "slow":
            self._sleep(float(behaviour["ready-after"]))
        if not state.ready:
            self._change(setattr, state, "ready", True)
        self._stopping.wait()
        raise Stopped

    # --- what stands around it

    def _behaviour(self, state: ContainerState, image: Image) -> dict[str, str]:
        annotations = {} if state.init else self.pod["metadata"].get("annotations") or {}
        asked = {
            key.removeprefix("e2e/"): value for key, value in annotations.items() if key.startswith("e2e/")
        }
        labelled = {
            key.removeprefix("e2e."): value for key, value in image.labels.items() if key.startswith("e2e.")
        }
        return {"behaviour": "", "ready-after": "8", **labelled, **asked}

    def _delays_readiness(self, state: ContainerState, image: Image) -> bool:
        return "readinessProbe" in self._spec(state) or self._behaviour(state, image)["behaviour"] in (
            "slow",
            "unready",
        )

    def _is_restarted(self, state: ContainerState, exit_code: int) -> bool:
        policy = self.pod["spec"].get("restartPolicy", "Always")
        if policy == "Always" and not state.init:
            return True
        return exit_code != 0 and policy != "Never"

    def _cannot_start(self, state: ContainerState, reason: str, message: str) -> None:
        self._event(state, "Warning", "Failed", texts.start_failed(reason))
        self._change(state.wait, reason, message)

    def _log(self, state: ContainerState, image: Image) -> None:
        key = (self.pod["metadata"]["uid"], state.name, state.restarts)
        self._node.logs[key] = image.labels.get("e2e.log", "").splitlines()

    def _spec(self, state: ContainerState) -> Object:
        containers = self.pod["spec"]["initContainers" if state.init else "containers"]
        return next(spec for spec in containers if spec["name"] == state.name)

    def _event(self, state: ContainerState, kind: str, reason: str, message: str) -> None:
        self._node.events.record(self.pod, state, kind, reason, message)

    def _change(self, change: Callable[..., None], *arguments: Any) -> None:
        with self._lock:
            change(*arguments)
            self._write()

    def _write(self) -> None:
        """Sends the status as it stands; a pod that is gone needs none."""
        with self._lock:
            status = status_of(self.pod, self._states, self._address, self._sandbox)
            patch = {"metadata": {"uid": self.pod["metadata"]["uid"]}, "status": status}
            written = self._send("PATCH", f"{self._path()}/status", patch)
            if written is None:
                self._stopping.set()
                raise Stopped
            self.pod = {**self.pod, "status": written["status"]}

    def _send(self, method: str, path: str, body: Object) -> Object | None:
        """The answer, or None where the API has no such pod any more."""
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        answer = self._node.api.request(
            method, path, content=json.dumps(body).encode(), headers={"Content-Type": kind}
        )
        if answer.status_code in (httpx.codes.NOT_FOUND, httpx.codes.CONFLICT):
            return None
        answer.raise_for_status()
        content: Object = answer.json()
        return content

    def _path(self) -> str:
        metadata = self.pod["metadata"]
        return f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"

    def _sleep(self, seconds: float) -> None:
        if self._stopping.wait(seconds / self._node.speed):
            raise Stopped

    def _begin(self, play: Callable[..., None], *arguments: Any) -> None:
        def guarded() -> None:
            with contextlib.suppress(Stopped):
                play(*arguments)

        threading.Thread(target=guarded, name=self.pod["metadata"]["name"], daemon=True).start()


class _Never(Exception):
    """`imagePullPolicy: Never`, and the image is not there."""


def _states(pod: Object, field_name: str) -> list[ContainerState]:
    init = field_name == "initContainers"
    status = pod.get("status") or {}
    written = {
        entry["name"]: entry
        for entry in status.get("initContainerStatuses" if init else "containerStatuses") or []
    }
    reason = "PodInitializing" if pod["spec"].get("initContainers") and not init else "ContainerCreating"
    return [
        ContainerState.adopt(
            spec["name"], spec["image"], written.get(spec["name"]), init=init, waiting=reason
        )
        for spec in pod["spec"].get(field_name) or []
    ]
