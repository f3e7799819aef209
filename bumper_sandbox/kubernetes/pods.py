"""The status of a pod, as the kubelet writes it. Pure.

Law: conditions follow from the containers' statuses, never the other way round. Source: k8s.io/kubernetes v1.35.4
pkg/kubelet/status/generate.go and kubelet_pods.go.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

Manifest = dict[str, Any]

NODE, NODE_IP = "sandbox", "127.0.0.1"


def scheduled(pod: Manifest, now: str) -> None:
    """The scheduler has bound the pod to the node."""
    pod["spec"]["nodeName"] = NODE
    _set_condition(pod, "PodScheduled", "True", "", "", now)


def accepted(pod: Manifest, now: str) -> None:
    """The kubelet knows of the pod and has started nothing yet."""
    status = pod["status"]
    status.update(phase="Pending", hostIP=NODE_IP, hostIPs=[{"ip": NODE_IP}], startTime=now)
    status["containerStatuses"] = [
        {
            "name": container["name"],
            "state": {"waiting": {"reason": "ContainerCreating"}},
            "lastState": {},
            "ready": False,
            "restartCount": 0,
            "image": container["image"],
            "imageID": "",
            "started": False,
        }
        for container in pod["spec"]["containers"]
    ]
    settle(pod, now)


def container_status(pod: Mapping[str, Any], name: str) -> Manifest:
    """The status of that container."""
    status: Manifest = next(entry for entry in pod["status"]["containerStatuses"] if entry["name"] == name)
    return status


def wait(pod: Manifest, name: str, reason: str, message: str) -> None:
    """The container does not run, because."""
    status = container_status(pod, name)
    status["state"] = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
    status.update(ready=False, started=False)


def run(pod: Manifest, name: str, image_id: str, now: str) -> None:
    """The container runs; it is ready once its probe says so."""
    status = container_status(pod, name)
    container_id = container_id_of(pod, name, status["restartCount"])
    status.update(
        state={"running": {"startedAt": now}}, started=True, imageID=image_id, containerID=container_id
    )


def fail(pod: Manifest, name: str, exit_code: int, now: str) -> None:
    """The container has ended by itself."""
    status = container_status(pod, name)
    started = status["state"]["running"]["startedAt"]
    terminated = {
        "exitCode": exit_code,
        "reason": "Error" if exit_code else "Completed",
        "startedAt": started,
        "finishedAt": now,
        "containerID": status["containerID"],
    }
    status.update(state={"terminated": terminated}, ready=False, started=False)


def restart(pod: Manifest, name: str) -> None:
    """The next instance begins; the last one's end moves to `lastState`."""
    status = container_status(pod, name)
    if "terminated" in status["state"]:
        status["lastState"] = status["state"]
    status["restartCount"] += 1


def settle(pod: Manifest, now: str) -> None:
    """Brings phase and conditions in line with the containers."""
    statuses = pod["status"]["containerStatuses"]
    unready = [container["name"] for container in statuses if not container["ready"]]
    has_run = all(
        "running" in container["state"] or container["restartCount"] or "terminated" in container["state"]
        for container in statuses
    )
    pod["status"]["phase"] = "Running" if has_run else "Pending"
    if has_run and "podIP" not in pod["status"]:
        address = _address(pod)
        pod["status"].update(podIP=address, podIPs=[{"ip": address}])
    ready = "False" if unready else "True"
    reason = "ContainersNotReady" if unready else ""
    message = f"containers with unready status: [{' '.join(unready)}]" if unready else ""
    _set_condition(pod, "PodReadyToStartContainers", "True" if has_run else "False", "", "", now)
    _set_condition(pod, "Initialized", "True", "", "", now)
    _set_condition(pod, "Ready", ready, reason, message, now)
    _set_condition(pod, "ContainersReady", ready, reason, message, now)


def container_id_of(pod: Mapping[str, Any], name: str, restarts: int) -> str:
    """`containerd://<64 hex digits>`, another one for each instance."""
    text = f"{pod['metadata']['uid']}/{name}/{restarts}"
    return f"containerd://{hashlib.sha256(text.encode()).hexdigest()}"


def described(pod: Mapping[str, Any]) -> str:
    """`demo-6b459fdc75-h4qlh_apps(f0ca7c6c-…)`, as the kubelet names pods in messages."""
    metadata = pod["metadata"]
    return f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"


def _address(pod: Mapping[str, Any]) -> str:
    number = int(hashlib.sha256(pod["metadata"]["uid"].encode()).hexdigest()[:4], 16)
    return f"10.42.{number >> 8}.{number & 0xFF}"


def _set_condition(
    pod: Manifest, condition_type: str, value: str, reason: str, message: str, now: str
) -> None:
    conditions = pod["status"].setdefault("conditions", [])
    before = next((entry for entry in conditions if entry["type"] == condition_type), None)
    since = before["lastTransitionTime"] if before and before["status"] == value else now
    made = {
        "type": condition_type,
        "status": value,
        "observedGeneration": pod["metadata"]["generation"],
        "lastProbeTime": None,
        "lastTransitionTime": since,
        **({"reason": reason} if reason else {}),
        **({"message": message} if message else {}),
    }
    if before is None:
        conditions.append(made)
    else:
        conditions[conditions.index(before)] = made
