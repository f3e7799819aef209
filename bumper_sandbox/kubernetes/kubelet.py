"""The sandbox's scheduler and kubelet: one node that plays every pod's life.

Law: an image runs only if the registry that is asked for it, over real HTTP, has it. What a container does then is played: `behaviour`
says whether it becomes ready, crashes, never gets ready or takes long. Reasons, texts and back-offs are kubelet v1.35.4's
(pkg/kubelet/kuberuntime/kuberuntime_manager.go `doBackOff`, images/image_manager.go, prober/prober.go).
Not played: init containers, volumes, resources, liveness, eviction.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from bumper.image import ImageReference
from bumper_sandbox.kubernetes import failures, image_pull, pods
from bumper_sandbox.kubernetes.failures import Failure
from bumper_sandbox.kubernetes.image_pull import Pull, Pulled, PullError
from bumper_sandbox.kubernetes.kinds import POD
from bumper_sandbox.kubernetes.loop import Loop, Task
from bumper_sandbox.kubernetes.recorder import Recorder
from bumper_sandbox.kubernetes.store import Change, Key, Manifest, Store, key_of

Behaviour = Literal["ready", "crash", "unready", "slow"]
# How an image behaves once it runs in a container of that name.
Behaves = Callable[[ImageReference, str], Behaviour]


@dataclass(frozen=True)
class Timing:
    """All in cluster seconds. The back-offs double up to their maximum, as the kubelet's do."""

    schedule_s: float = 0.1
    pull_s: float = 2.0
    start_s: float = 0.2
    ready_s: float = 3.0
    slow_s: float = 30.0
    crash_s: float = 1.5
    stop_s: float = 1.0
    probe_s: float = 5.0
    # How long ErrImagePull stands before the kubelet looks again and says ImagePullBackOff.
    look_again_s: float = 5.0
    back_off_s: float = 10.0
    max_back_off_s: float = 300.0


class _Gone(Exception):
    """The pod is deleted or being deleted."""


class Kubelet:
    """Plays every pod of the store."""

    def __init__(
        self,
        store: Store,
        loop: Loop,
        pull: Pull,
        behaves: Behaves,
        timing: Timing,
        crash_log: str,
    ) -> None:
        self._store = store
        self._loop = loop
        self._pull = pull
        self._behaves = behaves
        self._timing = timing
        self._crash_log = crash_log
        self._images: dict[str, Pulled] = {}
        self._scheduler = Recorder(store, "default-scheduler")
        self._events = Recorder(store, "kubelet", pods.NODE)
        store.subscribe(self._notice)

    def logs(self, pod: Manifest, container: str, previous: bool) -> str:
        """The log of a container; `Failure` 400 with the kubelet's words where there is none."""
        names = [container["name"] for container in pod["spec"]["containers"]]
        label = pod["metadata"]["name"]
        if not container and len(names) > 1:
            raise failures.bad_request(
                f"a container name must be specified for pod {label}, choose one of: [{' '.join(names)}]"
            )
        name = container or names[0]
        if name not in names:
            raise failures.bad_request(f"container {name} is not valid for pod {label}")
        statuses = pod["status"].get("containerStatuses") or ()
        status = next((entry for entry in statuses if entry["name"] == name), None)
        if status is None:
            raise failures.bad_request(f'container "{name}" in pod "{label}" is not available')
        if previous and "terminated" not in status["lastState"]:
            raise failures.bad_request(f'previous terminated container "{name}" in pod "{label}" not found')
        waiting = status["state"].get("waiting")
        if waiting and "terminated" not in status["lastState"]:
            why = _WAITING.get(waiting["reason"], waiting["reason"])
            raise failures.bad_request(f'container "{name}" in pod "{label}" is waiting to start: {why}')
        image = ImageReference.parse(status["image"])
        crashes = image is not None and self._behaves(image, name) == "crash"
        return self._crash_log if crashes else ""

    def _notice(self, change: Change) -> None:
        if change.kind != POD:
            return
        if change.event == "ADDED" and change.before is None:
            self._loop.spawn(self._live(key_of(change.after)))
        elif (
            change.event == "MODIFIED" and _is_leaving(change.after) and not _is_leaving(change.before or {})
        ):
            self._loop.spawn(self._leave(key_of(change.after)))

    def _live(self, key: Key) -> Task:
        try:
            yield self._timing.schedule_s
            pod = self._change(key, pods.scheduled, "binding")
            name = "/".join(key)
            self._scheduler.normal(pod, "Scheduled", f"Successfully assigned {name} to {pods.NODE}")
            yield self._timing.start_s
            pod = self._change_status(key, pods.accepted)
        except _Gone:
            return
        for container in pod["spec"]["containers"]:
            self._loop.spawn(self._play(key, container))

    def _leave(self, key: Key) -> Task:
        pod = self._store.find(POD, *key)
        if pod is None:
            return
        for container in pod["status"].get("containerStatuses") or ():
            if "running" in container["state"]:
                self._event(
                    pod, container["name"], "Normal", "Killing", f"Stopping container {container['name']}"
                )
        yield self._timing.stop_s
        if self._store.find(POD, *key):
            self._store.delete(POD, *key, grace_s=0)

    def _play(self, key: Key, container: Manifest) -> Task:
        """The life of one container."""
        name, image = container["name"], ImageReference.parse(container["image"])
        try:
            if image is None:
                self._refuse_name(key, name, container["image"])
                return
            got = yield from self._ensure_image(key, container, image)
            behaviour = self._behaves(image, name)
            yield from self._start(key, container, image, got)
            if behaviour == "crash":
                yield from self._crash(key, container, image)
            elif behaviour == "unready":
                yield from self._stay_unready(key, container)
            else:
                yield self._timing.slow_s if behaviour == "slow" else self._timing.ready_s
                self._change_status(key, lambda pod, now: pods.container_status(pod, name).update(ready=True))
        except _Gone:
            return

    def _refuse_name(self, key: Key, name: str, image: str) -> None:
        text = image_pull.invalid_name(image)
        pod = self._change_status(key, lambda pod, now: pods.wait(pod, name, "InvalidImageName", text))
        self._event(pod, name, "Warning", "InspectFailed", text)
        self._event(pod, name, "Warning", "Failed", "Error: InvalidImageName")

    def _ensure_image(self, key: Key, container: Manifest, image: ImageReference) -> Any:
        """Pulls until there is an image; returns it."""
        name, written, back_off_s = container["name"], container["image"], self._timing.back_off_s
        if container["imagePullPolicy"] != "Always" and written in self._images:
            self._event(self._pod(key), name, "Normal", "Pulled", image_pull.present(written))
            return self._images[written]
        while True:
            self._event(self._pod(key), name, "Normal", "Pulling", image_pull.pulling(written))
            start_s = self._loop.now()
            yield self._timing.pull_s
            got = yield from self._loop.outside(lambda: self._pull(image))
            pod = self._pod(key)
            if isinstance(got, Pulled):
                took_s = self._loop.now() - start_s
                self._event(pod, name, "Normal", "Pulled", image_pull.pulled(written, took_s, got.size))
                self._images[written] = got
                return got
            yield from self._back_off_pulling(key, name, written, got, back_off_s)
            back_off_s = min(back_off_s * 2, self._timing.max_back_off_s)

    def _back_off_pulling(self, key: Key, name: str, image: str, error: PullError, back_off_s: float) -> Task:
        pod = self._change_status(key, lambda pod, now: pods.wait(pod, name, "ErrImagePull", error.text))
        self._event(pod, name, "Warning", "Failed", image_pull.failed(image, error.text))
        self._event(pod, name, "Warning", "Failed", "Error: ErrImagePull")
        yield self._timing.look_again_s
        text = image_pull.back_off_waiting(image, error.text)
        pod = self._change_status(key, lambda pod, now: pods.wait(pod, name, "ImagePullBackOff", text))
        self._event(pod, name, "Normal", "BackOff", image_pull.back_off(image))
        self._event(pod, name, "Warning", "Failed", "Error: ImagePullBackOff")
        yield max(back_off_s - self._timing.look_again_s, 0.0)

    def _start(self, key: Key, container: Manifest, image: ImageReference, got: Pulled) -> Task:
        name, image_id = container["name"], f"{image.repository}@{got.digest}"
        self._event(self._pod(key), name, "Normal", "Created", "Container created")
        yield self._timing.start_s

        def change(pod: Manifest, now: str) -> None:
            pods.run(pod, name, image_id, now)
            # Without a probe a container is ready as soon as it runs.
            pods.container_status(pod, name)["ready"] = "readinessProbe" not in container

        pod = self._change_status(key, change)
        self._event(pod, name, "Normal", "Started", "Container started")

    def _crash(self, key: Key, container: Manifest, image: ImageReference) -> Task:
        name, back_off_s = container["name"], 0.0
        while True:
            yield self._timing.crash_s
            pod = self._change_status(key, lambda pod, now: pods.fail(pod, name, 1, now))
            if back_off_s:
                text = f"restarting failed container {name} in pod {pods.described(pod)}"
                self._event(pod, name, "Warning", "BackOff", f"Back-off {text}")
                yield from self._wait_restart(key, name, back_off_s)
            # The first restart comes at once, the second after ten seconds.
            back_off_s = min(back_off_s * 2, self._timing.max_back_off_s) or self._timing.back_off_s
            self._change_status(key, lambda pod, now: pods.restart(pod, name))
            self._event(self._pod(key), name, "Normal", "Pulled", image_pull.present(container["image"]))
            yield from self._start(key, container, image, self._images[container["image"]])

    def _wait_restart(self, key: Key, name: str, back_off_s: float) -> Task:
        def change(pod: Manifest, now: str) -> None:
            status = pods.container_status(pod, name)
            status["lastState"] = status["state"]
            text = f"back-off {int(back_off_s)}s restarting failed container={name} pod={pods.described(pod)}"
            pods.wait(pod, name, "CrashLoopBackOff", text)

        self._change_status(key, change)
        yield back_off_s

    def _stay_unready(self, key: Key, container: Manifest) -> Task:
        name = container["name"]
        while True:
            yield self._timing.probe_s
            text = "Readiness probe failed: HTTP probe failed with statuscode: 503"
            self._event(self._pod(key), name, "Warning", "Unhealthy", text)

    def _pod(self, key: Key) -> Manifest:
        pod = self._store.find(POD, *key)
        if pod is None or _is_leaving(pod):
            raise _Gone
        return pod

    def _change(self, key: Key, change: Callable[[Manifest, str], None], subresource: str = "") -> Manifest:
        self._pod(key)
        now = self._store.wall()
        try:
            return self._store.update(POD, *key, lambda pod: change(pod, now), subresource)
        except Failure as failure:
            raise _Gone from failure

    def _change_status(self, key: Key, change: Callable[[Manifest, str], None]) -> Manifest:
        def settled(pod: Manifest, now: str) -> None:
            change(pod, now)
            pods.settle(pod, now)

        return self._change(key, settled, "status")

    def _event(self, pod: Manifest, container: str, event_type: str, reason: str, message: str) -> None:
        write = self._events.warning if event_type == "Warning" else self._events.normal
        write(pod, reason, message, field_path=f"spec.containers{{{container}}}")


# kubelet_pods.go `validateContainerLogStatus`.
_WAITING = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}


def _is_leaving(pod: Manifest) -> bool:
    return "deletionTimestamp" in (pod.get("metadata") or {})
