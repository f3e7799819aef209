"""Records what the API server says while a scenario runs, as JSON lines: raw watch output, to become test data of `bumper.rollout`.

    PYTHONPATH=tests python -m e2e.record FOLDER [SCENARIO...]

The first line of a file is its head: the scenario, what was done, the versions. Each further line is one watch event,
in the order of its arrival, with `at_s`, the seconds since the recording began; what was there before comes as ADDED
at the start, a `note` is what the scenario did at that moment, and a `log` at the end holds the last lines of a container
that ended. Only `managedFields` is left out: half of every object, and nobody reads it.
"""

import argparse
import json
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from . import node
from .api import KINDS, Api, Object, path_of
from .build import FLUX, KUBERNETES, pins
from .kubelet import RUNTIME

RECORDED = ("GitRepository", "Kustomization", "Deployment", "ReplicaSet", "Pod", "Event")
_TURN_S = "1"  # the server ends each watch after that long, and the next one goes on from there: so that a recording can end


def versions(node_is_played: bool) -> dict[str, str]:
    """What the recorded answers come from."""
    pinned = pins()
    played = f"played, with the texts of kubelet {KUBERNETES} and {RUNTIME}"
    return {
        "kubernetes": KUBERNETES,
        "flux": FLUX,
        "source-controller": pinned["github.com/fluxcd/source-controller"],
        "kustomize-controller": pinned["github.com/fluxcd/kustomize-controller"],
        "node": played if node_is_played else f"real, {node.version()}",
    }


class Recorder:
    """Watches while its block runs. Only objects of these namespaces, and in flux-system only those of these names, are kept; with
    `logs` also the last lines of what has ended. `started_s` is the monotonic clock's time of the beginning."""

    def __init__(
        self, api: Api, *, namespaces: Iterable[str], names: Iterable[str], logs: bool = True
    ) -> None:
        self._api = api
        self._logs = logs
        self._namespaces = frozenset(namespaces)
        self._names = frozenset(names)
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._lines: list[dict[str, Any]] = []
        self.started_s = time.monotonic()
        self._threads = [
            threading.Thread(target=self._follow, args=(kind,), name=f"record {kind}") for kind in RECORDED
        ]

    def __enter__(self) -> Self:
        self.started_s = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        for namespace in self._namespaces if self._logs else ():
            self._keep_logs(namespace)

    def note(self, text: str) -> None:
        """A line of our own: what the scenario did at this moment."""
        self._add({"note": text})

    def write(self, path: Path, head: Mapping[str, Any]) -> None:
        """The recording as a file."""
        lines = [head, *self._lines]
        path.write_text(
            "".join(json.dumps(line, sort_keys=True, separators=(",", ":")) + "\n" for line in lines)
        )

    @property
    def lines(self) -> list[dict[str, Any]]:
        with self._lock:
            return list(self._lines)

    def _follow(self, kind: str) -> None:
        version, broken = "", False
        while not self._stopping.is_set():
            try:
                version = version or self._list(kind)
                version, broken = self._watch(kind, version), False
            except httpx.HTTPError as error:
                if not broken:
                    self._add({"note": f"the watch of {kind} broke: {type(error).__name__}"})
                broken = True
                self._stopping.wait(0.2)

    def _list(self, kind: str) -> str:
        listed = self._api.request("GET", path_of(kind)).raise_for_status().json()
        group, _ = KINDS[kind]
        for item in listed["items"]:
            # A list leaves these out of its items, a watch does not.
            self._see(
                "ADDED",
                {"apiVersion": group.removeprefix("/apis/").removeprefix("/api/"), "kind": kind, **item},
            )
        return str(listed["metadata"]["resourceVersion"])

    def _watch(self, kind: str, version: str) -> str:
        """Where to go on from; empty where the server has forgotten that (410 Gone), and a new list is needed."""
        for event in self._api.watch(path_of(kind), version, timeoutSeconds=_TURN_S):
            if event["type"] == "ERROR":
                self._add(
                    {"type": "ERROR", "object": event["object"], "note": f"the watch of {kind} starts anew"}
                )
                return ""
            version = event["object"]["metadata"]["resourceVersion"]
            if event["type"] != "BOOKMARK":
                self._see(event["type"], event["object"])
        return version

    def _keep_logs(self, namespace: str) -> None:
        """The last lines of each container that has ended, as `bump` would ask for them."""
        for pod in self._api.list("Pod", namespace):
            name = pod["metadata"]["name"]
            for container in (pod.get("status") or {}).get("containerStatuses") or []:
                if "terminated" in container["lastState"]:
                    query = {"container": container["name"], "tailLines": "20"}
                    answer = self._api.request("GET", f"{path_of('Pod', namespace, name)}/log", params=query)
                    self._add({"log": f"{name}/{container['name']}", "text": answer.text})

    def _see(self, event_type: str, snapshot: Object) -> None:
        if self._concerns(
            snapshot.get("involvedObject")
            or {"namespace": snapshot["metadata"].get("namespace"), **snapshot["metadata"]}
        ):
            metadata = {key: value for key, value in snapshot["metadata"].items() if key != "managedFields"}
            self._add({"type": event_type, "object": {**snapshot, "metadata": metadata}})

    def _concerns(self, reference: Object) -> bool:
        if reference.get("namespace") in self._namespaces:
            return True
        return reference.get("namespace") == "flux-system" and reference.get("name") in self._names

    def _add(self, line: dict[str, Any]) -> None:
        with self._lock:
            self._lines.append({"at_s": round(time.monotonic() - self.started_s, 3), **line})


def main(arguments: list[str]) -> int:
    from .scenarios import SCENARIOS, play  # they record, so they import this module
    from .stack import Options, Stack

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("scenario", nargs="*", help=f"one of {', '.join(SCENARIOS)}; all if none is named")
    parser.add_argument(
        "--at-once", type=int, default=1, help="how many side by side: not for those that stop a part"
    )
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    # Where the node is played, it keeps a node's own time.
    with Stack(Options(kubelet_speed=1.0)) as stack, ThreadPoolExecutor(options.at_once) as together:

        def record(name: str) -> bool:
            started = time.monotonic()
            try:
                recorder = play(name, stack)
            except TimeoutError as error:
                print(f"{name}: {error}", flush=True)  # noqa: T201
                return False
            head = {
                "scenario": name,
                "what": SCENARIOS[name].what,
                "versions": versions(stack.node_is_played),
            }
            recorder.write(options.folder / f"{name}.jsonl", head)
            print(f"{name}: {len(recorder.lines)} lines, {time.monotonic() - started:.1f} s", flush=True)  # noqa: T201
            return True

        recorded = list(together.map(record, options.scenario or SCENARIOS))
    return 0 if all(recorded) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
