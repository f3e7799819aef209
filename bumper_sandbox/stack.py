"""The embedded default put together: a git server, a registry and a cluster, seeded from a platform tree.

In the seeded copy of the tree the sandbox's registry takes the place of every other, and holds every image that the tree names; the
tree itself stays as it is. So no image is asked for outside of this machine.
"""

import re
import secrets
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from bumper.image import ImageReference
from bumper_sandbox import tree
from bumper_sandbox.cluster import Cluster
from bumper_sandbox.flux.bootstrap import COMPONENTS, COMPONENTS_FILE
from bumper_sandbox.flux.build import Model
from bumper_sandbox.git.server import GitServer
from bumper_sandbox.images import images, mentioning
from bumper_sandbox.kubernetes import image_pull
from bumper_sandbox.kubernetes.containerd import Puller
from bumper_sandbox.kubernetes.image_pull import Pulled, PullError
from bumper_sandbox.kubernetes.kubelet import Behaviour
from bumper_sandbox.registry.server import RegistryServer
from bumper_sandbox.sites import Site, Tree, choose
from bumper_sandbox.tree import PlatformTree

REPOSITORY = "platform.git"
_NODE = "node"
# Variables by which the user's own repositories, registries and clusters would be reached.
_OURS = re.compile(r"(?:BUMP|GITHUB|AZURE|KUBERNETES|IDENTITY|MSI|DOCKER)_|KUBECONFIG$")


@dataclass
class Stack:
    """Runs as a context manager. `tree` is the directory that holds `flux-system/`, or what `tree.of` makes of somebody's.

    `model` builds what the small kustomize does not understand; without `waits_for_unplayed` health checks take what no controller
    of the sandbox acts on for ready.
    `behaviours` says how tags behave once they run, `web:TAG` of the container `web` alone; tags that are `not_replicated` are in the
    registry, but not for the node.
    """

    tree: Path | PlatformTree
    environ: Mapping[str, str]
    speed: float = 5.0
    model: Model | None = None
    waits_for_unplayed: bool = True

    def __enter__(self) -> Self:
        self._opened = ExitStack()
        with ExitStack() as opened:
            node_password = secrets.token_urlsafe(12)
            self.token = secrets.token_urlsafe(12)
            self.behaviours: dict[str, Behaviour] = {}
            self.not_replicated: set[str] = set()
            self.registry = opened.enter_context(RegistryServer(users={_NODE: node_password}))
            self._puller = Puller(_NODE, node_password, mirror=self.registry.host)
            self.git = opened.enter_context(GitServer(token=self.token, environ=self.environ))
            self.cluster = opened.enter_context(
                Cluster(
                    self._pull,
                    self.environ,
                    behaves=self._behaves,
                    speed=self.speed,
                    model=self.model,
                    waits_for_unplayed=self.waits_for_unplayed,
                )
            )
            self.platform = self.tree if isinstance(self.tree, PlatformTree) else tree.whole(self.tree)
            self.files = seed(self.platform, self.registry.host, f"{self.git.url}/{REPOSITORY}")
            self._fill_registry()
            self.url = self.git.create(REPOSITORY, self.files)
            self._opened = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def _fill_registry(self) -> None:
        """Pushes all that the tree names; where it names a digest as well, that becomes the one of what is pushed."""
        host = re.escape(self.registry.host.encode())
        # In a patch an image may stand in a text of its own.
        written = re.compile(rb"(?<![\w.:/-])" + host + rb"/([a-z0-9][a-z0-9._/-]*):(\w[\w.-]*)")
        for path, tag in {
            match.groups() for content in self.files.values() for match in written.finditer(content)
        }:
            self.registry.push(path.decode(), tag.decode())
        for image in images(self.files):
            digest = self.registry.push(image.path, image.tag)
            if image.digest:
                old, new = image.digest.encode(), digest.encode()
                self.files = {path: content.replace(old, new) for path, content in self.files.items()}

    def site(self, name: str = "") -> Site:
        """The site of that name, or the first one; UsageError where there is none that can be played."""
        platform = self.platform
        return choose(
            Tree(
                self.files,
                platform.root,
                self.registry.host,
                platform.name,
                self.model,
                self.waits_for_unplayed,
            ),
            name,
        )

    def _behaves(self, image: ImageReference, container: str) -> Behaviour:
        anywhere = self.behaviours.get(image.tag, "ready")
        return self.behaviours.get(f"{container}:{image.tag}", anywhere)

    @property
    def root(self) -> str:
        """The directory of Flux's own Kustomization in the repository."""
        return self.platform.root

    def bootstrap(self) -> None:
        """Points the cluster's Flux at the repository."""
        platform = self.platform
        self.cluster.bootstrap(
            self.url, self.token, path=self.root, name=platform.name, source=platform.source
        )

    def commit(self, files: Mapping[str, bytes], subject: str) -> None:
        """Adds these files to the platform repository, as somebody else's push."""
        self.git.commit(REPOSITORY, files, subject)

    def _pull(self, image: ImageReference) -> Pulled | PullError:
        # A registry with replicas answers one client with an image that another one does not see yet.
        return image_pull.not_found(image) if image.tag in self.not_replicated else self._puller(image)

    def child_environ(self) -> dict[str, str]:
        """What a program needs to reach all three, and nothing of the user's own access to real ones."""
        kept = {name: value for name, value in self.environ.items() if not _OURS.match(name)}
        return {
            **kept,
            **self.registry.environ(),
            "KUBECONFIG": str(self.cluster.kubeconfig),
            "BUMP_TOKEN": self.token,
        }


def require_playable(platform: PlatformTree, site: str, model: Model, *, waits_for_unplayed: bool) -> None:
    """UsageError where the tree has no site, or none of this name, that can be played: it says which object, and why.

    Nothing is started for that, and no file read but those that Flux builds.
    """
    files = _bootstrapped(platform)
    choose(Tree(files, platform.root, "", platform.name, model, waits_for_unplayed), site)


def _bootstrapped(platform: PlatformTree) -> dict[str, bytes]:
    return {**platform.files(), f"{platform.components}/{COMPONENTS_FILE}": COMPONENTS}


def seed(platform: PlatformTree, registry: str, repository: str) -> dict[str, bytes]:
    """The files of the tree, the sites' registries and the Flux source's URL replaced by these."""
    files = _bootstrapped(platform)
    for url in _source_urls(files):
        files = {path: content.replace(url.encode(), repository.encode()) for path, content in files.items()}
    if hosts := _hosts(files):
        written = re.compile(rf"(?<![\w./-])(?:{'|'.join(map(re.escape, sorted(hosts)))})/".encode())
        files = {path: written.sub(f"{registry}/".encode(), content) for path, content in files.items()}
    return files


def _hosts(files: Mapping[str, bytes]) -> set[str]:
    """The registries that the tree writes out; `nginx:1.29` writes none."""
    return {image.registry for image in images(files) if image.repository.startswith(f"{image.registry}/")}


def _source_urls(files: Mapping[str, bytes]) -> list[str]:
    documents = [value for value in mentioning(files, b"GitRepository") if isinstance(value, dict)]
    sources = [document for document in documents if document.get("kind") == "GitRepository"]
    return [source["spec"]["url"] for source in sources if (source.get("spec") or {}).get("url")]
