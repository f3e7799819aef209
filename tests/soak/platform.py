"""A small platform on real servers: sites of one Deployment each, a git host and a registry, and how its branch stands."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bumper_sandbox.git.server import GitServer
from bumper_sandbox.registry.server import RegistryServer

# No text has it by chance.
TOKEN = "cn5f0e1d7c2b3a49586770"
REPOSITORY = "platform.git"
FIRST = "0000000"
_SYNC = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {name}, namespace: flux-system}}
spec: {{interval: 10m, path: {path}, prune: true, sourceRef: {{kind: GitRepository, name: flux-system}}}}
"""
_SOURCE = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: flux-system, namespace: flux-system}}
spec: {{interval: 1m, ref: {{branch: main}}, url: {url}}}
---
"""
_DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: default}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers:
        - name: {name}
          image: {host}/{name}:{tag}
"""


@dataclass(frozen=True)
class Platform:
    """The two servers, and where the repository lies on the disk."""

    git: GitServer
    registry: RegistryServer

    @property
    def url(self) -> str:
        return f"{self.git.url}/{REPOSITORY}"

    @property
    def path(self) -> Path:
        return self.git.path(REPOSITORY)

    def environ(self) -> dict[str, str]:
        """What a program needs to reach both, and nothing of the user's own."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        return {**kept, **self.registry.environ(), "BUMP_TOKEN": TOKEN, "KUBECONFIG": os.devnull}

    def ask(self, *arguments: str) -> str:
        """What git says of the repository on the server."""
        command = ["git", "-C", str(self.path), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def problems(self) -> list[str]:
        """What `git fsck` finds, less objects that nobody points to."""
        command = ["git", "-C", str(self.path), "fsck", "--full", "--no-dangling"]
        ran = subprocess.run(command, check=False, capture_output=True, text=True)
        return [ran.stdout + ran.stderr] if ran.returncode else []

    def subjects(self) -> list[str]:
        """Those of all commits on the branch, the newest first."""
        return self.ask("log", "--first-parent", "--format=%s", "main").splitlines()

    def tag(self, site: str) -> str:
        """The tag that the tip holds."""
        line = next(
            line for line in self.ask("show", f"main:k8s/{site}/web.yaml").splitlines() if "image:" in line
        )
        return line.rpartition(":")[2]


@contextmanager
def platform(sites: Sequence[str]) -> Iterator[Platform]:
    """Both servers with these sites, while the block runs."""
    with GitServer(token=TOKEN, environ=os.environ) as git, RegistryServer(authentication="none") as registry:
        files = {"k8s/flux-system/gotk-sync.yaml": _root(f"{git.url}/{REPOSITORY}")}
        for site in sites:
            files[f"k8s/flux-system/{site}-sync.yaml"] = _SYNC.format(
                name=site, path=f"./k8s/{site}"
            ).encode()
            manifest = _DEPLOYMENT.format(name=site, host=registry.host, tag=FIRST)
            files[f"k8s/{site}/web.yaml"] = manifest.encode()
            registry.push(site, FIRST)
        git.create(REPOSITORY, files)
        yield Platform(git, registry)


def _root(url: str) -> bytes:
    return (_SOURCE.format(url=url) + _SYNC.format(name="flux-system", path="./k8s/flux-system")).encode()
