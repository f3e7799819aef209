"""The embedded default's cluster: a Kubernetes API with a small Flux and a small kubelet behind it.

Law: simulated, and says so; but whatever it shows came from git over HTTP and from the registry over HTTP, by way of a build and a
rollout. Everything is on loopback and in one temporary folder; after `stop` no thread, socket, process or file is left.
Several clusters may run side by side in one process.
"""

import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from bumper.image import ImageReference
from bumper.objects import ObjectKey
from bumper_sandbox.flux import bootstrap
from bumper_sandbox.flux.build import Model
from bumper_sandbox.flux.kustomizations import KustomizationController
from bumper_sandbox.flux.source import SourceController
from bumper_sandbox.kubernetes.api import ApiServer
from bumper_sandbox.kubernetes.deployments import DeploymentController
from bumper_sandbox.kubernetes.garbage_collector import GarbageCollector
from bumper_sandbox.kubernetes.image_pull import Pull
from bumper_sandbox.kubernetes.json_values import merge_patch
from bumper_sandbox.kubernetes.kinds import EVENT, Kinds
from bumper_sandbox.kubernetes.kinds import NODE as NODE_KIND
from bumper_sandbox.kubernetes.kubelet import Behaves, Behaviour, Kubelet, Timing
from bumper_sandbox.kubernetes.loop import Loop
from bumper_sandbox.kubernetes.pods import NODE
from bumper_sandbox.kubernetes.replica_sets import ReplicaSetController
from bumper_sandbox.kubernetes.store import Manifest, Store

CRASH_LOG = "starting\nfatal: the sandbox was asked to let this container crash\n"

_NODE = {
    "metadata": {"name": NODE},
    "status": {"nodeInfo": {"operatingSystem": "linux", "architecture": "amd64"}},
}


def _always_ready(_: ImageReference, __: str) -> Behaviour:
    return "ready"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Cluster:
    """Runs between `start` and `stop`, or as a context manager. `name` is the kubeconfig's context.

    `pull` asks the registry as a node would. `behaves` says what it does in a container. `environ` supplies PATH for git.
    Cluster time passes `speed` times as fast as the clock on the wall: all intervals, time-outs and back-offs of Flux and Kubernetes,
    and `timing`, are in cluster seconds. `source_interval_s` replaces the intervals of GitRepositories.
    `model` builds what the small kustomize does not understand; without `waits_for_unplayed` health checks take what no controller
    here acts on for ready.
    """

    def __init__(
        self,
        pull: Pull,
        environ: Mapping[str, str],
        *,
        behaves: Behaves = _always_ready,
        name: str = "sandbox",
        speed: float = 5.0,
        timing: Timing | None = None,
        source_interval_s: float | None = None,
        crash_log: str = CRASH_LOG,
        wall: Callable[[], str] = _now,
        loop: Loop | None = None,
        model: Model | None = None,
        waits_for_unplayed: bool = True,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="bump-sandbox-")
        folder = Path(self._folder.name)
        self.store = Store(Kinds(), wall)
        self.store.create(NODE_KIND, _NODE, status=True)
        self.loop = loop or Loop(speed=speed)
        self._sources = SourceController(self.store, self.loop, folder / "git", environ, source_interval_s)
        KustomizationController(
            self.store, self.loop, self._sources, model, waits_for_unplayed=waits_for_unplayed
        )
        DeploymentController(self.store, self.loop)
        ReplicaSetController(self.store, self.loop)
        self._kubelet = Kubelet(self.store, self.loop, pull, behaves, timing or Timing(), crash_log)
        GarbageCollector(self.store, self.loop)
        self.api = ApiServer(self.store, folder, self._kubelet.logs)
        self.kubeconfig = self.api.write_kubeconfig(folder / "kubeconfig", name, bootstrap.NAMESPACE)

    def start(self) -> Self:
        """Serves the API and lets the controllers run."""
        self.api.start()
        self.loop.start()
        return self

    def stop(self) -> None:
        """Ends all of it. Raises what a controller or a request ran into that was the sandbox's own fault."""
        try:
            self.api.stop()
        finally:
            try:
                self.loop.stop()
            finally:
                self._folder.cleanup()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def bootstrap(
        self,
        git_url: str,
        token: str,
        *,
        branch: str = "main",
        path: str = "./k8s/flux-system",
        interval_s: float = 60.0,
        name: str = bootstrap.NAMESPACE,
        source: str = bootstrap.NAMESPACE,
    ) -> None:
        """Points Flux at a repository: the rest of the tree follows from git alone."""
        for manifest in bootstrap.objects(
            git_url, token, branch=branch, path=path, interval_s=interval_s, name=name, source=source
        ):
            self.add(manifest)

    def add(self, manifest: Mapping[str, Any]) -> Manifest:
        """Creates an object, as `kubectl create` would."""
        kind = self.store.kinds.admit(
            manifest["apiVersion"], manifest["kind"], namespaced="namespace" in manifest["metadata"]
        )
        if kind is None:
            raise ValueError(f"no kind {manifest['kind']!r} in {manifest['apiVersion']!r}")
        return self.store.create(kind, manifest)

    def find(self, key: ObjectKey) -> Manifest | None:
        """The object of that key as it is now, or None."""
        for kind in self.store.kinds:
            if kind.name == key.kind and (obj := self.store.find(kind, key.namespace, key.name)):
                return obj
        return None

    def patch(self, key: ObjectKey, changes: Mapping[str, Any]) -> Manifest:
        """Merges the changes into an object that is there, as `kubectl patch --type merge` would."""
        kind = next(kind for kind in self.store.kinds if kind.name == key.kind)

        def change(obj: Manifest) -> None:
            merged = merge_patch(obj, changes)
            obj.clear()
            obj.update(merged)

        return self.store.update(kind, key.namespace, key.name, change)

    def not_simulated(self) -> list[ObjectKey]:
        """The objects that are stored while nothing in the sandbox acts on them: what the demo must say."""
        kinds = [kind for kind in self.store.kinds if not kind.played and kind != EVENT]
        return [
            ObjectKey(kind.name, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
            for kind in kinds
            for obj in self.store.select(kind)[0]
        ]
