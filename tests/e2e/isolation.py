"""What is seen of sites that are built from artifacts of their own, on a real Flux."""

import json
from typing import Any

from .api import Object
from .looks import condition
from .program import Ended, Ground
from .repository import Repository
from .stack import FLUX_NAMESPACE, Stack

GATE = "--feature-gates=ExternalArtifact=true"
ARTIFACTS: Object = {
    "apiGroups": ["source.toolkit.fluxcd.io", "source.extensions.fluxcd.io"],
    "resources": ["externalartifacts", "artifactgenerators"],
    "verbs": ["get", "list", "watch"],
}


def bumped(flux: Stack, ground: Ground, repository: Repository, site: str, tag: str) -> Ended:
    flux.images.push(site, tag)
    return ground.start(repository.url, "--site", site, "--sha", tag).result()


def kustomization(flux: Stack, name: str) -> Object:
    return flux.api.find("Kustomization", FLUX_NAMESPACE, name) or {}


def reason(flux: Stack, name: str) -> str:
    return str(condition(kustomization(flux, name), "Ready").get("reason", ""))


def ready(flux: Stack, kind: str, name: str) -> bool:
    subject = flux.api.find(kind, FLUX_NAMESPACE, name)
    return condition(subject, "Ready").get("status") == "True"


def origin(flux: Stack, name: str) -> str:
    """The commit that the site's Kustomization has applied, by its artifact or by the repository itself."""
    status = kustomization(flux, name).get("status") or {}
    return str(status.get("lastAppliedOriginRevision") or status.get("lastAppliedRevision") or "")


def runs(flux: Stack, name: str) -> int:
    """How many reconciliations kustomize-controller has finished for the Kustomization."""
    lines = flux.log("kustomize-controller").splitlines()
    records: list[dict[str, Any]] = [json.loads(line) for line in lines if line.startswith("{")]
    return sum(
        record.get("name") == name and str(record.get("msg", "")).startswith("Reconciliation finished")
        for record in records
    )
