"""What a scenario stands on: the real stack, or the program's sandbox put together in the same form."""

import base64
import os
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

from bumper.image import ImageReference
from bumper.objects import ObjectKey
from bumper_sandbox.cluster import Cluster
from bumper_sandbox.git.server import GitServer
from bumper_sandbox.kubernetes import image_pull
from bumper_sandbox.kubernetes.containerd import Puller
from bumper_sandbox.kubernetes.image_pull import Pulled, PullError
from bumper_sandbox.kubernetes.kinds import Kind
from bumper_sandbox.kubernetes.kubelet import Behaviour, Timing
from bumper_sandbox.registry.server import RegistryServer

from .api import KINDS, Object

_TOKEN = "token-of-the-sandbox"
_NODE = ("node", "password-of-the-node")
# In cluster seconds: short, since the sandbox's time runs on while this machine is busy. What is to take much longer never gets ready.
_SLOW_S, _NEVER_S = 10.0, 30.0
_BEHAVIOURS: dict[str, Behaviour] = {"": "ready", "crash": "crash", "unready": "unready", "slow": "slow"}


class Objects(Protocol):
    """The Kubernetes API, by kinds and names."""

    def find(self, kind: str, namespace: str, name: str) -> Object | None: ...
    def list(self, kind: str, namespace: str = "") -> list[Object]: ...
    def create(self, kind: str, namespace: str, body: Mapping[str, Any]) -> Object: ...
    def apply(self, kind: str, namespace: str, name: str, body: Mapping[str, Any]) -> Object: ...
    def merge(self, kind: str, namespace: str, name: str, patch: Mapping[str, Any]) -> Object: ...


class Images(Protocol):
    """Writes to the registry images that behave as a scenario asks; returns the digest."""

    def push(
        self,
        repository: str,
        tag: str,
        *,
        behaviour: str = "",
        log: str = "",
        ready_after_s: float | None = None,
    ) -> str: ...
    def push_index(self, repository: str, tag: str, architectures: tuple[str, ...]) -> str: ...
    def take_away(self, repository: str, tag: str) -> None: ...


class Platform(Protocol):
    """A cluster with Flux and a node, a registry `127.0.0.1:PORT` and a git server with its token."""

    @property
    def registry(self) -> str: ...
    @property
    def git(self) -> GitServer: ...
    @property
    def git_token(self) -> str: ...
    @property
    def folder(self) -> Path: ...
    @property
    def api(self) -> Objects: ...
    @property
    def images(self) -> Images: ...
    def restart(self, part: str) -> None: ...


class Sandbox:
    """The sandbox's git server, registry and cluster, empty: a scenario brings its own fleet. Runs as a context manager."""

    def __init__(self, *, speed: float) -> None:
        self.git_token = _TOKEN
        self._speed = speed
        self._behaviours: dict[tuple[str, str], Behaviour] = {}
        self._puller = Puller(*_NODE)

    def __enter__(self) -> "Sandbox":
        self._opened = ExitStack()
        with ExitStack() as opened:
            self.folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="bump-e2e-sandbox-")))
            self.server = opened.enter_context(RegistryServer(users=dict([_NODE])))
            self.git = opened.enter_context(GitServer(_TOKEN, os.environ))
            self.cluster = opened.enter_context(
                Cluster(
                    self._pull,
                    os.environ,
                    behaves=self._behaves,
                    speed=self._speed,
                    timing=Timing(pull_s=0.5, ready_s=1.0, slow_s=_SLOW_S),
                    # A minute of ours: a fetch that nobody asked for would come in the middle of a scenario.
                    source_interval_s=60.0 * self._speed,
                )
            )
            self.cluster.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "flux-system"}})
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @property
    def registry(self) -> str:
        return self.server.host

    @property
    def api(self) -> Objects:
        return _SandboxObjects(self.cluster)

    @property
    def images(self) -> Images:
        return _SandboxImages(self.server, self._behaviours)

    def environ(self) -> dict[str, str]:
        """What a program needs beside the token of git."""
        return {**self.server.environ(), "KUBECONFIG": str(self.cluster.kubeconfig)}

    def restart(self, part: str) -> None:
        """The API server alone can be restarted: the controllers are tasks of one loop."""
        if part != "kube-apiserver":
            raise ValueError(f"{part}: cannot be restarted in the sandbox, expected kube-apiserver")
        self.cluster.api.restart()

    def _pull(self, image: ImageReference) -> Pulled | PullError:
        # The real stack's node answers so for what was never pushed or was taken away.
        known = self.server.content.manifest(image.path, image.digest or image.tag)
        return self._puller(image) if known else image_pull.not_found(image)

    def _behaves(self, image: ImageReference, container: str) -> Behaviour:
        return self._behaviours.get((image.path, image.tag), "ready")


class _SandboxImages:
    def __init__(self, server: RegistryServer, behaviours: dict[tuple[str, str], Behaviour]) -> None:
        self._server = server
        self._behaviours = behaviours

    def push(
        self,
        repository: str,
        tag: str,
        *,
        behaviour: str = "",
        log: str = "",
        ready_after_s: float | None = None,
    ) -> str:
        """What crashes prints the cluster's own log, what is slow takes the cluster's own time."""
        is_late = (ready_after_s or 0.0) >= _NEVER_S
        self._behaviours[repository, tag] = "unready" if is_late else _BEHAVIOURS[behaviour]
        return self._server.push(repository, tag)

    def push_index(self, repository: str, tag: str, architectures: tuple[str, ...]) -> str:
        return self._server.push(
            repository, tag, platform=",".join(f"linux/{architecture}" for architecture in architectures)
        )

    def take_away(self, repository: str, tag: str) -> None:
        self._server.content.delete_tag(repository, tag)


class _SandboxObjects:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def find(self, kind: str, namespace: str, name: str) -> Object | None:
        return self._cluster.find(ObjectKey(kind, namespace, name))

    def list(self, kind: str, namespace: str = "") -> list[Object]:
        return self._cluster.store.select(self.kind(kind), namespace)[0]

    def create(self, kind: str, namespace: str, body: Mapping[str, Any]) -> Object:
        made = {**body, "apiVersion": self.kind(kind).api_version, "kind": kind}
        made["metadata"] = {**body["metadata"], **({"namespace": namespace} if namespace else {})}
        # A real API server stores what a Secret says in plain text in its encoded form.
        if plain := made.pop("stringData", None):
            made["data"] = {key: base64.b64encode(word.encode()).decode() for key, word in plain.items()}
        return self._cluster.add(made)

    def apply(self, kind: str, namespace: str, name: str, body: Mapping[str, Any]) -> Object:
        """Only what is not there yet: the sandbox's API has no server-side apply."""
        return self.find(kind, namespace, name) or self.create(kind, namespace, body)

    def merge(self, kind: str, namespace: str, name: str, patch: Mapping[str, Any]) -> Object:
        return self._cluster.patch(ObjectKey(kind, namespace, name), patch)

    def kind(self, name: str) -> Kind:
        _, plural = KINDS[name]
        return next(kind for kind in self._cluster.store.kinds if kind.plural == plural)
