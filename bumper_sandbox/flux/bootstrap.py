"""What stands in a cluster after `flux bootstrap`, and the stand-in for the one file that bootstrap generates. Pure."""

import base64
from typing import Any

from bumper_sandbox.kubernetes.durations import duration

Manifest = dict[str, Any]

NAMESPACE = "flux-system"

# Committed by `flux bootstrap`, listed in the tree's kustomization.yaml and not kept in this repository: seeding adds it.
COMPONENTS_FILE = "gotk-components.yaml"
COMPONENTS = f"""\
# The sandbox's stand-in for the file that `flux install --export` generates.
# A real cluster gets Flux's controllers and CRDs from it; the sandbox plays the controllers itself and needs the namespace alone.
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
  labels:
    app.kubernetes.io/instance: {NAMESPACE}
    app.kubernetes.io/part-of: flux
""".encode()


def objects(
    git_url: str,
    token: str,
    *,
    branch: str,
    path: str,
    interval_s: float,
    name: str = NAMESPACE,
    source: str = NAMESPACE,
) -> list[Manifest]:
    """Namespace, secret, GitRepository and root Kustomization, as bootstrap creates them for a repository over HTTPS with a token."""
    secret = {"username": "git", "password": token}
    return [
        # Which every cluster has.
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}},
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}},
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": _named(NAMESPACE),
            "type": "Opaque",
            "data": {key: base64.b64encode(value.encode()).decode() for key, value in secret.items()},
        },
        {
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "GitRepository",
            "metadata": _named(source),
            "spec": {
                "interval": duration(interval_s),
                "ref": {"branch": branch},
                "secretRef": {"name": NAMESPACE},
                "url": git_url,
            },
        },
        {
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization",
            "metadata": _named(name),
            "spec": {
                "interval": "10m0s",
                "path": path,
                "prune": True,
                "sourceRef": {"kind": "GitRepository", "name": source},
            },
        },
    ]


def _named(name: str) -> dict[str, str]:
    return {"name": name, "namespace": NAMESPACE}
