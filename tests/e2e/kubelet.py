"""A small kubelet of ours: registers a node, plays the pods that the scheduler gives it, and serves their logs.

    python -m …e2e.kubelet --server URL --authority CA --certificate CRT --key KEY --node NAME --port PORT [--speed N]

It runs no containers. What it does with a pod stands in `kubelet_player`; every text it writes is a real node's (`kubelet_texts`).
"""

import argparse
import datetime
import http.server
import itertools
import json
import signal
import ssl
import sys
import threading
import time
import urllib.parse
from pathlib import Path

import httpx

from . import kubelet_texts as texts
from .api import Api, Object, path_of, tls_context
from .kubelet_events import EventRecorder
from .kubelet_player import Node, PodPlayer
from .kubelet_pull import ARCHITECTURE
from .kubelet_status import now

VERSION = "v1.36.1"
RUNTIME = "containerd://2.2.0"
_PATIENCE_S = 60.0
_LEASE_S = 40
_CAPACITY = {"cpu": "8", "memory": "16Gi", "pods": "250", "ephemeral-storage": "100Gi"}


class Kubelet:
    """One node: who its pods are, and their players."""

    def __init__(self, api: Api, name: str, port: int, speed: float) -> None:
        self._api = api
        self._name = name
        self._port = port
        registry = httpx.Client(timeout=10.0, trust_env=False)
        self._node = Node(api=api, events=EventRecorder(api, name), registry=registry, speed=speed)
        self._players: dict[str, PodPlayer] = {}
        self._addresses = itertools.count(2)

    def register(self) -> None:
        """Makes the node, or finds it, and says that it is ready."""
        labels = {
            "kubernetes.io/hostname": self._name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": ARCHITECTURE,
        }
        answer = self._api.request(
            "POST", path_of("Node"), json={"metadata": {"name": self._name, "labels": labels}}
        )
        if answer.status_code != httpx.codes.CONFLICT:
            answer.raise_for_status()
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": "kubelet is posting ready status",
            "lastHeartbeatTime": now(),
            "lastTransitionTime": now(),
        }
        status = {
            "capacity": _CAPACITY,
            "allocatable": _CAPACITY,
            "conditions": [ready],
            "addresses": [
                {"type": "InternalIP", "address": "127.0.0.1"},
                {"type": "Hostname", "address": self._name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._port}},
            "nodeInfo": {
                "architecture": ARCHITECTURE,
                "operatingSystem": "linux",
                "kubeletVersion": VERSION,
                "containerRuntimeVersion": RUNTIME,
                **dict.fromkeys(
                    ("machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "kubeProxyVersion"), ""
                ),
            },
        }
        self._api.merge("Node", "", self._name, {"status": status}, "status")

    def renew_lease(self) -> None:
        """For ever: the node controller takes a node without it for lost."""
        path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        spec: Object = {"holderIdentity": self._name, "leaseDurationSeconds": _LEASE_S}
        while True:
            spec["renewTime"] = (
                datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
            )
            headers = {"Content-Type": "application/merge-patch+json"}
            answer = self._api.request("PATCH", f"{path}/{self._name}", json={"spec": spec}, headers=headers)
            if answer.status_code == httpx.codes.NOT_FOUND:
                self._api.request("POST", path, json={"metadata": {"name": self._name}, "spec": spec})
            time.sleep(_LEASE_S / 4)

    def follow(self) -> None:
        """For ever: every pod of this node, as the API tells of it."""
        ours = f"spec.nodeName={self._name}"
        while True:
            try:
                answer = self._api.request("GET", path_of("Pod"), params={"fieldSelector": ours})
                answer.raise_for_status()
                listed = answer.json()
                pods = {pod["metadata"]["uid"]: pod for pod in listed["items"]}
                for uid in self._players.keys() - pods.keys():
                    self._players.pop(uid).abandon()
                for pod in pods.values():
                    self._see(pod)
                for event in self._api.watch(
                    path_of("Pod"), listed["metadata"]["resourceVersion"], fieldSelector=ours
                ):
                    if event["type"] == "ERROR":
                        break
                    if event["type"] == "DELETED":
                        player = self._players.pop(event["object"]["metadata"]["uid"], None)
                        if player is not None:
                            player.abandon()
                    elif event["type"] != "BOOKMARK":
                        self._see(event["object"])
            except httpx.HTTPError as error:
                print(f"watch ended: {error!r}", flush=True)  # noqa: T201
                time.sleep(0.2)

    def log_of(self, namespace: str, pod: str, container: str, *, previous: bool) -> tuple[int, list[str]]:
        """HTTP status and lines, with the kubelet's own words where there is no log."""
        players = [
            player for player in list(self._players.values()) if _names(player.pod) == (namespace, pod)
        ]
        state = players[-1].container(container) if players else None
        if state is None:
            return 404, [f"pod {texts.quoted(pod)} does not exist"]
        if previous and "terminated" not in state.last_state:
            return 400, [texts.no_previous(pod, container)]
        if "waiting" in state.state and not state.last_state:
            return 400, [texts.no_logs(pod, container, state.state["waiting"]["reason"])]
        # A container that waits for its restart, and has not counted it yet, shows the log of its last run.
        run = state.restarts - 1 if previous and "running" in state.state else state.restarts
        return 200, self._node.logs.get((players[-1].pod["metadata"]["uid"], container, run), [])

    def _see(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        player = self._players.get(uid)
        leaving = "deletionTimestamp" in pod["metadata"]
        if player is None:
            if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed") and not leaving:
                return
            number = next(self._addresses)
            player = PodPlayer(self._node, pod, f"10.244.{number // 250}.{number % 250}")
            self._players[uid] = player
            if not leaving:
                player.start()
        if leaving:
            threading.Thread(target=player.terminate, daemon=True).start()


def _excerpt(lines: list[str], query: dict[str, str]) -> bytes:
    """The part of a log that was asked for."""
    if "tailLines" in query:
        lines = lines[max(0, len(lines) - int(query["tailLines"])) :]
    content = "".join(f"{line}\n" for line in lines).encode()
    return content[: int(query["limitBytes"])] if "limitBytes" in query else content


def _names(pod: Object) -> tuple[str, str]:
    return pod["metadata"]["namespace"], pod["metadata"]["name"]


def serve_logs(kubelet: Kubelet, port: int, authority: Path, certificate: Path, key: Path) -> None:
    """Answers `/containerLogs/NAMESPACE/POD/CONTAINER` for the API server, which shows its certificate."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            target = urllib.parse.urlsplit(self.path)
            query = dict(urllib.parse.parse_qsl(target.query))
            match target.path.strip("/").split("/"):
                case ["containerLogs", namespace, pod, container]:
                    status, lines = kubelet.log_of(
                        namespace, pod, container, previous=query.get("previous") == "true"
                    )
                case _:
                    status, lines = 404, ["404 page not found"]
            content = "".join(lines).encode()
            if status == 200:
                content = _excerpt(lines, query)
            self.send_response(status)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, name="logs", daemon=True).start()


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--server", required=True)
    for name in ("authority", "certificate", "key"):
        parser.add_argument(f"--{name}", required=True, type=Path)
    parser.add_argument("--node", required=True)
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--speed", type=float, default=1.0)
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    context = tls_context(options.authority, options.certificate, options.key)
    kubelet = Kubelet(
        Api(options.server, context, patience_s=_PATIENCE_S), options.node, options.port, options.speed
    )
    serve_logs(kubelet, options.port, options.authority, options.certificate, options.key)
    kubelet.register()
    threading.Thread(target=kubelet.renew_lease, name="lease", daemon=True).start()
    print(json.dumps({"node": options.node, "ready": True}), flush=True)  # noqa: T201
    kubelet.follow()


if __name__ == "__main__":
    main(sys.argv[1:])
