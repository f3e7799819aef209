"""A small platform repository with two sites, for tests of the pipe."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bumper.systems.git.remote import Remote
from bumper_sandbox.git.server import GitServer

TOKEN = "a-token-for-tests"


def files(registry: str, *sites: str) -> dict[str, bytes]:
    """Flux's own directory, and one directory with one Deployment for each site."""
    listed = "".join(f"- {site}-sync.yaml\n" for site in sites)
    texts = {
        "k8s/flux-system/gotk-sync.yaml": SOURCE
        + "---\n"
        + kustomization("flux-system", "./k8s/flux-system"),
        "k8s/flux-system/kustomization.yaml": f"kind: Kustomization\nresources:\n- gotk-sync.yaml\n{listed}",
    }
    for site in sites:
        texts[f"k8s/flux-system/{site}-sync.yaml"] = kustomization(site, f"./k8s/{site}")
        texts[f"k8s/{site}/deployment.yaml"] = deployment(site, f"{registry}/{site}:1.0")
    return {path: text.encode() for path, text in texts.items()}


SOURCE = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: flux-system, namespace: flux-system}
spec: {interval: 1m0s, url: https://git.example/platform.git, ref: {branch: main}}
"""


def kustomization(name: str, path: str) -> str:
    return f"""\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {name}, namespace: flux-system}}
spec: {{interval: 10m0s, path: {path}, prune: true, sourceRef: {{kind: GitRepository, name: flux-system}}}}
"""


def deployment(site: str, image: str) -> str:
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {site}, namespace: {site}}} # one replica is enough
spec:
  template:
    spec:
      containers:
        - name: {site}
          image: {image} # set by the pipeline
"""


@dataclass
class Quiet:
    """A progress that keeps what it hears (`systems.Progress`)."""

    heard: list[tuple[str, ...]] = field(default_factory=list)

    def begin(self, site: str, previous: str, wanted: str) -> None:
        self.heard.append(("begin", site, previous, wanted))

    def moving(self, site: str, stage: str, detail: str) -> None:
        self.heard.append(("moving", site, stage, detail))

    def done(self, site: str, stage: str, detail: str) -> None:
        self.heard.append(("done", site, stage, detail))

    def failed(self, site: str, stage: str, detail: str) -> None:
        self.heard.append(("failed", site, stage, detail))

    def notice(self, text: str) -> None:
        self.heard.append(("notice", text))


class HandClock:
    """A clock that moves only by sleeping."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@contextmanager
def remote(url: str) -> Iterator[Remote]:
    with Remote(url, token=TOKEN, environ=os.environ) as opened:
        yield opened


def server() -> GitServer:
    return GitServer(token=TOKEN, environ=os.environ)
