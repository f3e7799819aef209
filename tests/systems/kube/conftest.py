"""A Kubernetes API with the objects of some sites, which tests change while they are followed."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bumper.image import ImageReference
from bumper.objects import ObjectKey
from bumper.observation import Desired
from bumper.systems.kube import Cluster, Timeouts
from bumper_sandbox.kubernetes.api import ApiServer
from bumper_sandbox.kubernetes.kinds import Kind, Kinds
from bumper_sandbox.kubernetes.store import Manifest, Store
from systems.kube.caller import Ask, Caller
from systems.kube.clock import Clock
from systems.kube.kubeconfigs import write_config
from systems.kube.server import TOKEN, Server, accepting

IMAGE = ImageReference("registry.example/web", "abc1234")
# Nothing waits long in a test; what is asked of the real world is tried in `test_connection`.
# Short where a test waits for it, long where a busy machine may take its time.
TIMEOUTS = Timeouts(
    first_pause_s=0.01,
    longest_pause_s=0.05,
    forbidden_s=0.05,
    poll_s=0.05,
    settle_s=0.01,
    farewell_s=20.0,
    last_step_s=20.0,
)


def desired(site: str = "web", kind: str = "Deployment") -> Desired:
    """A site as the platform's tree lays it out: everything is called as the site is."""
    return Desired(
        site=site,
        image=IMAGE,
        previous=None,
        revision=None,
        kustomization=ObjectKey("Kustomization", "flux-system", site),
        source=ObjectKey("GitRepository", "flux-system", "flux-system"),
        workload=ObjectKey(kind, site, site),
        container=site,
    )


class World:
    """The objects behind a running API server."""

    def __init__(self, folder: Path) -> None:
        self.kinds = Kinds()
        self.store = Store(self.kinds, wall=lambda: "2026-01-01T00:00:00Z")
        self.logs: dict[tuple[str, str, bool], str] = {}
        self.api = ApiServer(self.store, folder, self._log)
        self.environ = {
            "PATH": os.defpath,
            "KUBECONFIG": str(self.api.write_kubeconfig(folder / "kubeconfig")),
        }

    def add(self, api_version: str, kind: str, namespace: str, name: str, **more: Any) -> Manifest:
        """A new object, with its namespace. `metadata` is added to the name, `status` is taken as a controller writes it."""
        known = self._kind(api_version, kind)
        namespaces = self._kind("v1", "Namespace")
        if not self.store.find(namespaces, "", namespace):
            self.store.create(namespaces, {"metadata": {"name": namespace}})
        metadata = {"namespace": namespace, "name": name, **more.pop("metadata", {})}
        return self.store.create(known, {"metadata": metadata, **more}, status=True)

    def owned(self, owner: Manifest, api_version: str, kind: str, name: str, **more: Any) -> Manifest:
        """A new object in the namespace of its owner."""
        reference = {
            "kind": owner["kind"],
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "apiVersion": owner["apiVersion"],
        }
        metadata = {"ownerReferences": [reference], **more.pop("metadata", {})}
        return self.add(api_version, kind, owner["metadata"]["namespace"], name, metadata=metadata, **more)

    def event(self, about: Manifest, reason: str) -> Manifest:
        metadata = about["metadata"]
        subject = {"kind": about["kind"], **{key: metadata[key] for key in ("namespace", "name", "uid")}}
        name = f"{metadata['name']}.{reason.lower()}"
        return self.add("v1", "Event", metadata["namespace"], name, involvedObject=subject, reason=reason)

    def site(self, name: str = "web", *, crashed: bool = False) -> Manifest:
        """A source, a Kustomization, and a Deployment with one pod. Returns the pod."""
        self.source()
        flux = "kustomize.toolkit.fluxcd.io/v1"
        self.add(flux, "Kustomization", "flux-system", name, spec={"path": f"./{name}"})
        labels = {"app": name}
        template = {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": name, "image": str(IMAGE)}]},
        }
        spec = {"selector": {"matchLabels": labels}, "template": template}
        deployment = self.add("apps/v1", "Deployment", name, name, spec=spec)
        replica_set = self.owned(
            deployment, "apps/v1", "ReplicaSet", f"{name}-1", metadata={"labels": labels}, spec=spec
        )
        return self.owned(
            replica_set,
            "v1",
            "Pod",
            f"{name}-1-a",
            metadata={"labels": labels},
            spec=template["spec"],
            status={"containerStatuses": [crash(name)]} if crashed else {"phase": "Running"},
        )

    def source(self) -> None:
        kind = self._kind("source.toolkit.fluxcd.io/v1", "GitRepository")
        if not self.store.find(kind, "flux-system", "flux-system"):
            self.add("source.toolkit.fluxcd.io/v1", "GitRepository", "flux-system", "flux-system", spec={})

    def write_status(self, api_version: str, kind: str, key: tuple[str, str], **status: Any) -> None:
        """As a controller does."""

        def change(manifest: Manifest) -> None:
            manifest["status"] = {**manifest.get("status", {}), **status}

        self.store.update(self._kind(api_version, kind), *key, change, "status")

    def find(self, api_version: str, kind: str, namespace: str, name: str) -> Manifest:
        manifest = self.store.find(self._kind(api_version, kind), namespace, name)
        assert manifest
        return manifest

    def asked(self) -> dict[tuple[str, str], int]:
        """How often each kind was read, without the watches and what they start from."""
        return {key: count for key, count in self.api.requests().items() if key[0] in ("get", "list")}

    def _kind(self, api_version: str, name: str) -> Kind:
        known = self.kinds.find(api_version, name)
        assert known, (api_version, name)
        return known

    def _log(self, pod: Manifest, container: str, previous: bool) -> str:
        return self.logs.get((pod["metadata"]["name"], container, previous), "")


def crash(container: str, restarts: int = 1, **state: Any) -> Mapping[str, Any]:
    """The status of a container that ended with 1; `state` defaults to the pause before it starts again."""
    ended = {"terminated": {"exitCode": 1, "reason": "Error"}}
    return {
        "name": container,
        "restartCount": restarts,
        "state": state or {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": ended,
    }


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    world.api.start()
    yield world
    world.api.stop()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_cluster(world: World, clock: Clock) -> Iterator[Callable[[], Cluster]]:
    opened: list[Cluster] = []

    def make() -> Cluster:
        opened.append(Cluster(None, world.environ, clock, TIMEOUTS))
        return opened[-1]

    yield make
    for cluster in opened:
        cluster.close()


@pytest.fixture
def cluster(open_cluster: Callable[[], Cluster]) -> Cluster:
    return open_cluster()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(accepting(TOKEN)) as running:
        yield running


@pytest.fixture
def caller(server: Server, tmp_path: Path, clock: Clock) -> Iterator[Ask]:
    """Makes a caller from a kubeconfig with this user and cluster."""
    opened: list[Caller] = []

    def make(
        user: dict[str, Any],
        cluster: dict[str, Any] | None = None,
        *,
        url: str = "",
        plugin_s: float = 5.0,
        **environ: str,
    ) -> Caller:
        path = write_config(tmp_path / "config", url or server.url, user, cluster)
        opened.append(Caller({"KUBECONFIG": str(path), **environ}, clock, plugin_s=plugin_s))
        return opened[-1]

    yield make
    for opened_caller in opened:
        opened_caller.close()
