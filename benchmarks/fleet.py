"""Many sites at once: a Kubernetes API that holds what Flux and its workloads look like, and is moved on by hand.

Nothing reconciles here: whoever follows hundreds of sites, or wants to know how soon a change is seen, moves each object by hand.
"""

import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from bumper.image import ImageReference
from bumper.objects import ObjectKey
from bumper.observation import Desired
from bumper.revision import Revision
from bumper_sandbox.kubernetes.api import ApiServer
from bumper_sandbox.kubernetes.kinds import (
    DEPLOYMENT,
    GIT_REPOSITORY,
    KUSTOMIZATION,
    NAMESPACE,
    POD,
    REPLICA_SET,
    Kind,
    Kinds,
)
from bumper_sandbox.kubernetes.store import Manifest, Store

BEFORE, AFTER = Revision("main", "b" * 40), Revision("main", "a" * 40)
_FLUX = "flux-system"


class Fleet:
    """Runs as a context manager. All sites run 1.0 of `BEFORE`; `deploy` brings one of them to 2.0 of `AFTER`."""

    def __init__(self, sites: int, digits: int = 3) -> None:
        self.names = [f"site-{number:0{digits}}" for number in range(sites)]
        self._folder = tempfile.TemporaryDirectory(prefix="bump-fleet-")
        folder = Path(self._folder.name)
        self.store = Store(Kinds(), lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        self.api = ApiServer(self.store, folder, lambda *_: "")
        self.kubeconfig = self.api.write_kubeconfig(folder / "kubeconfig")

    def __enter__(self) -> Self:
        self._create(NAMESPACE, {"metadata": {"name": _FLUX}})
        self._create(
            GIT_REPOSITORY, _flux(GIT_REPOSITORY, _FLUX, {"ref": {"branch": "main"}}, _artifact(BEFORE))
        )
        for name in self.names:
            self._add(name)
        self.api.start()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.api.stop()
        finally:
            self._folder.cleanup()

    def environ(self) -> dict[str, str]:
        """What a client needs to find it."""
        return {"KUBECONFIG": str(self.kubeconfig), "PATH": "/usr/bin:/bin"}

    def desired(self) -> Iterator[Desired]:
        """2.0 for each site."""
        for name in self.names:
            yield Desired(
                site=name,
                image=_image(name, "2.0"),
                previous=_image(name, "1.0"),
                revision=AFTER,
                kustomization=ObjectKey("Kustomization", _FLUX, name),
                source=ObjectKey("GitRepository", _FLUX, _FLUX),
                workload=ObjectKey("Deployment", name, name),
                container=name,
            )

    def fetch(self) -> None:
        """The source holds `AFTER`."""
        self._merge(GIT_REPOSITORY, _FLUX, _FLUX, status=_artifact(AFTER))

    def apply(self, name: str) -> None:
        """Flux has applied `AFTER`: the Deployment has the new template, its controller has made a pod of it."""
        self._merge(DEPLOYMENT, name, name, spec={"template": _template(name, "2.0")})
        deployment = self.store.get(DEPLOYMENT, name, name)
        self._own(deployment, f"{name}-2", "2.0")
        status = {
            "observedGeneration": deployment["metadata"]["generation"],
            **_counts(updated=0, replicas=2),
        }
        self._merge(DEPLOYMENT, name, name, status=status)
        self._merge(KUSTOMIZATION, _FLUX, name, status=_applied(AFTER))

    def count(self, name: str, updated: int) -> None:
        """The Deployment counts so many pods of the new template: a change that decides nothing, but is shown."""
        self._merge(DEPLOYMENT, name, name, status=_counts(updated=updated, replicas=2))

    def finish(self, name: str) -> None:
        """The new pod is available, the old one gone."""
        self.store.delete(POD, name, f"{name}-1-a", 0)
        self._merge(DEPLOYMENT, name, name, status=_counts(updated=1, replicas=1))

    def rotate_token(self, token: str) -> None:
        """The server takes another token from now on, which the kubeconfig holds."""
        self.api.token = token
        self.api.write_kubeconfig(self.kubeconfig)

    def _add(self, name: str) -> None:
        self._create(NAMESPACE, {"metadata": {"name": name}})
        self._create(KUSTOMIZATION, _flux(KUSTOMIZATION, name, {"path": f"./{name}"}, _applied(BEFORE)))
        spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": _template(name, "1.0")}
        status = {"observedGeneration": 1, **_counts(updated=1, replicas=1)}
        metadata = {"namespace": name, "name": name}
        self._own(
            self._create(DEPLOYMENT, {"metadata": metadata, "spec": spec, "status": status}),
            f"{name}-1",
            "1.0",
        )

    def _own(self, deployment: Manifest, name: str, tag: str) -> None:
        site = deployment["metadata"]["name"]
        template = _template(site, tag)
        owned = {
            "namespace": site,
            "name": name,
            "ownerReferences": [_reference(deployment)],
            "labels": {"app": site},
        }
        spec = {"replicas": 1, "selector": {"matchLabels": {"app": site}}, "template": template}
        replica_set = self._create(REPLICA_SET, {"metadata": owned, "spec": spec, "status": {"replicas": 1}})
        metadata = {**owned, "name": f"{name}-a", "ownerReferences": [_reference(replica_set)]}
        ready = {"type": "Ready", "status": "True"}
        running = {"name": site, "ready": True, "restartCount": 0, "state": {"running": {}}, "imageID": ""}
        status = {"phase": "Running", "conditions": [ready], "containerStatuses": [running]}
        self._create(POD, {"metadata": metadata, "spec": template["spec"], "status": status})

    def _create(self, kind: Kind, manifest: Mapping[str, Any]) -> Manifest:
        return self.store.create(
            kind, {"apiVersion": kind.api_version, "kind": kind.name, **manifest}, status=True
        )

    def _merge(self, kind: Kind, namespace: str, name: str, **changes: Mapping[str, Any]) -> None:
        for part, values in changes.items():

            def change(manifest: Manifest, part: str = part, values: Mapping[str, Any] = values) -> None:
                manifest[part] = {**manifest.get(part, {}), **values}

            self.store.update(kind, namespace, name, change, "status" if part == "status" else "")


def _flux(kind: Kind, name: str, spec: Mapping[str, Any], status: Mapping[str, Any]) -> Manifest:
    return {"metadata": {"namespace": _FLUX, "name": name}, "spec": dict(spec), "status": dict(status)}


def _ready() -> dict[str, Any]:
    return {"type": "Ready", "status": "True", "reason": "Succeeded", "message": "", "observedGeneration": 1}


def _artifact(revision: Revision) -> dict[str, Any]:
    return {"observedGeneration": 1, "conditions": [_ready()], "artifact": {"revision": str(revision)}}


def _applied(revision: Revision) -> dict[str, Any]:
    revisions = {"lastAppliedRevision": str(revision), "lastAttemptedRevision": str(revision)}
    return {"observedGeneration": 1, "conditions": [_ready()], **revisions}


def _counts(updated: int, replicas: int) -> dict[str, Any]:
    is_done = updated == replicas == 1
    progressing = "NewReplicaSetAvailable" if is_done else "ReplicaSetUpdated"
    return {
        "replicas": replicas,
        "updatedReplicas": updated,
        "readyReplicas": replicas,
        "availableReplicas": replicas,
        "conditions": [
            {"type": "Progressing", "status": "True", "reason": progressing},
            {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
        ],
    }


def _template(name: str, tag: str) -> dict[str, Any]:
    # Without a probe each rollout would have to run unrestarted for a while before it is Ready.
    probe = {"httpGet": {"path": "/", "port": 8080}}
    containers = [{"name": name, "image": str(_image(name, tag)), "readinessProbe": probe}]
    return {"metadata": {"labels": {"app": name}}, "spec": {"containers": containers}}


def _image(name: str, tag: str) -> ImageReference:
    return ImageReference(f"registry.example/{name}", tag)


def _reference(owner: Manifest) -> dict[str, Any]:
    metadata = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
    }
