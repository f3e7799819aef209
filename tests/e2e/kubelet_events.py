"""Events as the kubelet writes them: the first of its kind is created, one more of the same raises its count."""

import queue
import threading
import time

from .api import Api, Object, path_of
from .kubelet_status import ContainerState, now


class EventRecorder:
    """Writes in a thread of its own, in order, so that a slow API server holds no pod up."""

    def __init__(self, api: Api, node: str) -> None:
        self._api = api
        self._node = node
        self._written: dict[
            tuple[str, ...], tuple[str, str, int]
        ] = {}  # what it says → (namespace, name, count)
        self._queue: queue.SimpleQueue[tuple[tuple[str, ...], Object]] = queue.SimpleQueue()
        threading.Thread(target=self._write_all, name="events", daemon=True).start()

    def record(self, pod: Object, state: ContainerState | None, kind: str, reason: str, message: str) -> None:
        metadata = pod["metadata"]
        where = "initContainers" if state is not None and state.init else "containers"
        field_path = f"spec.{where}{{{state.name}}}" if state is not None else ""
        event: Object = {
            "metadata": {
                "name": f"{metadata['name']}.{time.time_ns():x}",
                "namespace": metadata["namespace"],
            },
            "involvedObject": {
                "kind": "Pod",
                "apiVersion": "v1",
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
                **({"fieldPath": field_path} if field_path else {}),
            },
            "type": kind,
            "reason": reason,
            "message": message,
            "source": {"component": "kubelet", "host": self._node},
            "reportingComponent": "kubelet",
            "reportingInstance": self._node,
            "firstTimestamp": now(),
            "lastTimestamp": now(),
            "count": 1,
        }
        self._queue.put(((metadata["uid"], field_path, kind, reason, message), event))

    def _write_all(self) -> None:
        while True:
            key, event = self._queue.get()
            namespace, name, count = self._written.get(key, ("", "", 0))
            if count:
                patch = {"count": count + 1, "lastTimestamp": event["lastTimestamp"]}
                headers = {"Content-Type": "application/merge-patch+json"}
                answer = self._api.request(
                    "PATCH", path_of("Event", namespace, name), json=patch, headers=headers
                )
                if answer.is_success:
                    self._written[key] = (namespace, name, count + 1)
                    continue
            namespace, name = event["metadata"]["namespace"], event["metadata"]["name"]
            # A namespace that is going away takes no more events: nothing is lost by that.
            if self._api.request("POST", path_of("Event", namespace), json=event).is_success:
                self._written[key] = (namespace, name, 1)
