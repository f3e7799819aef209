"""The CustomResourceDefinitions of the platform, out of the Go modules of those who define them.

The modules come through the Go proxy like all others; those that are no requirement of our own module
are pinned here by their checksum.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .api import Api
from .build import GO_MODULE, KUBERNETES, OWN_MODULES, BuildError, cache_root, go_environment, pins


@dataclass(frozen=True)
class Definitions:
    """A module and where in it the definitions lie.

    Without `version` and `sum` those of one of our own modules are meant, which lies in `module_folder`.
    """

    module: str
    path: str
    version: str = ""
    sum: str = ""
    module_folder: Path = GO_MODULE


DEFINITIONS = (
    Definitions("github.com/fluxcd/source-controller", "config/crd/bases/*.yaml"),
    Definitions("github.com/fluxcd/kustomize-controller", "config/crd/bases/*.yaml"),
    Definitions("github.com/fluxcd/notification-controller", "config/crd/bases/*.yaml"),
    Definitions(
        "github.com/fluxcd/helm-controller",
        "config/crd/bases/*.yaml",
        module_folder=OWN_MODULES / "helm-controller",
    ),
    Definitions(
        "github.com/fluxcd/source-watcher/v2",
        "config/crd/bases/*.yaml",
        module_folder=OWN_MODULES / "source-watcher",
    ),
    Definitions(
        "github.com/external-secrets/external-secrets",
        "config/crds/bases/external-secrets.io_*secret*.yaml",
        "v1.3.2",
        "h1:u2J8RjlHIeF0oZCqtl92adI/uZWUwOesJIDkfql6LqQ=",
    ),
    Definitions(
        "github.com/traefik/traefik/v3",
        "docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml",
        "v3.7.13",
        "h1:T8wy9KuaFzCkmXCqAzDy7t73pBDR1DHrJe3pqXpNXTw=",
    ),
)


# Only where Flagger runs: a cluster that has them is asked for its Canaries.
FLAGGER = Definitions(
    "github.com/fluxcd/flagger", "artifacts/flagger/crd.yaml", module_folder=OWN_MODULES / "flagger"
)
# Only where Argo Rollouts runs, which watches all of these.
ARGO_ROLLOUTS = Definitions(
    "github.com/argoproj/argo-rollouts",
    "manifests/crds/*-crd.yaml",
    module_folder=OWN_MODULES / "argo-rollouts",
)


def definitions() -> list[str]:
    """The manifest of each definition, one object each; downloaded once, then read from the cache."""
    cached = _folder() / "crds.json"
    if not cached.is_file():
        manifests = [manifest for source in DEFINITIONS for manifest in read(source)]
        partial = cached.with_suffix(".partial")
        partial.write_text(json.dumps(manifests))
        partial.replace(cached)
    documents: list[str] = json.loads(cached.read_text())
    return documents


def snapshot() -> Path:
    """Where the data of an etcd that has all definitions lie, once somebody has saved them."""
    digest = hashlib.sha256("".join(definitions()).encode()).hexdigest()
    return _folder() / f"etcd-{digest[:12]}"


def install(api: Api, timeout_s: float, manifests: Sequence[str]) -> None:
    """Creates the definitions and waits until the API server serves them all."""
    with ThreadPoolExecutor(8) as pool:
        created = pool.map(lambda text: api.create_yaml("CustomResourceDefinition", text), manifests)
        wanted = {entry["metadata"]["name"] for entry in created}
    deadline = time.monotonic() + timeout_s
    while unserved := wanted - _served(api):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not served after {timeout_s:.0f} s: {', '.join(sorted(unserved))}")
        time.sleep(0.05)


def save(data: Path, target: Path) -> None:
    """Copies the data of a stopped etcd. Of two that do this at once the first one's copy stays."""
    partial = Path(tempfile.mkdtemp(dir=target.parent, prefix=".etcd-"))
    shutil.copytree(data, partial, dirs_exist_ok=True)
    try:
        partial.rename(target)
    except OSError:
        shutil.rmtree(partial)


def _served(api: Api) -> set[str]:
    return {
        entry["metadata"]["name"]
        for entry in api.list("CustomResourceDefinition")
        for condition in (entry.get("status") or {}).get("conditions") or []
        if condition["type"] == "Established" and condition["status"] == "True"
    }


def read(source: Definitions) -> list[str]:
    version, checksum = _pinned(source)
    named = f"{source.module}@{version}"
    # Asked for outside of our module, whose go.sum must not change.
    environ = {**go_environment(), "GOFLAGS": "-mod=mod"}
    command = ["go", "mod", "download", "-json", named]
    answer = subprocess.run(command, cwd=_folder(), env=environ, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise BuildError(f"{named} could not be downloaded: {answer.stderr.strip() or answer.stdout.strip()}")
    download = json.loads(answer.stdout)
    if download["Sum"] != checksum:
        raise BuildError(f"{named} has the checksum {download['Sum']}, expected {checksum}")
    files = sorted(Path(download["Dir"]).glob(source.path))
    if not files:
        raise BuildError(f"{named} has no {source.path}")
    documents = [document for file in files for document in file.read_text().split("\n---\n")]
    return [document for document in documents if "kind: CustomResourceDefinition" in document]


def _pinned(source: Definitions) -> tuple[str, str]:
    """Version and checksum: the source's own, or those of our requirement of the module."""
    if source.version:
        return source.version, source.sum
    version = pins(source.module_folder)[source.module]
    sums = [line.split() for line in (source.module_folder / "go.sum").read_text().splitlines()]
    return version, next(row[2] for row in sums if row[:2] == [source.module, version])


def _folder() -> Path:
    """In the cache: another pin of Kubernetes or of a source of definitions gives another folder."""
    versions = [KUBERNETES, *((source.module, source.path, *_pinned(source)) for source in DEFINITIONS)]
    folder = cache_root() / "definitions" / hashlib.sha256(repr(versions).encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    os.utime(folder)  # what nobody uses for a month is removed
    return folder
