"""Pushes small OCI images to a registry, with the labels that tell the kubelet how they behave."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import httpx

from .kubelet_pull import ARCHITECTURE

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class ImagePusher:
    """A writer to one registry, `127.0.0.1:PORT`."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._http = httpx.Client(base_url=f"http://{host}/v2/", timeout=10.0, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def push(
        self,
        repository: str,
        tag: str,
        *,
        behaviour: str = "",
        log: str = "",
        ready_after_s: float | None = None,
        architecture: str = ARCHITECTURE,
        labels: Mapping[str, str] | None = None,
    ) -> str:
        """The digest of a new image under that tag. Two images with the same arguments still differ: the tag is part of them."""
        image_labels = {
            "org.opencontainers.image.version": tag,
            **({"e2e.behaviour": behaviour} if behaviour else {}),
            **({"e2e.log": log} if log else {}),
            **({"e2e.ready-after": str(ready_after_s)} if ready_after_s is not None else {}),
            **(labels or {}),
        }
        layer = self._blob(repository, f"{repository}:{tag}".encode())
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Labels": image_labels},
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
        }
        configuration = self._blob(repository, json.dumps(config).encode())
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {"mediaType": _CONFIG, **configuration},
            "layers": [{"mediaType": _LAYER, **layer}],
        }
        return self._manifest(repository, tag, manifest)

    def take_away(self, repository: str, tag: str) -> None:
        """Deletes the image under that tag, as a person or a retention rule does."""
        head = self._http.head(
            f"{repository}/manifests/{tag}", headers={"Accept": _MANIFEST}
        ).raise_for_status()
        digest = head.headers["Docker-Content-Digest"]
        self._http.delete(f"{repository}/manifests/{digest}").raise_for_status()

    def push_index(self, repository: str, tag: str, architectures: tuple[str, ...]) -> str:
        """The digest of a multi-platform index with one healthy image for each architecture."""
        entries = []
        for architecture in architectures:
            digest = self.push(repository, f"{tag}-{architecture}", architecture=architecture)
            size = len(
                self._http.get(f"{repository}/manifests/{digest}", headers={"Accept": _MANIFEST}).content
            )
            platform = {"os": "linux", "architecture": architecture}
            entries.append({"mediaType": _MANIFEST, "digest": digest, "size": size, "platform": platform})
        return self._manifest(
            repository, tag, {"schemaVersion": 2, "mediaType": _INDEX, "manifests": entries}
        )

    def _blob(self, repository: str, content: bytes) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        upload = self._http.post(f"{repository}/blobs/uploads/").raise_for_status()
        target = httpx.URL(str(upload.headers["Location"])).copy_merge_params({"digest": digest})
        self._http.put(
            target, content=content, headers={"Content-Type": "application/octet-stream"}
        ).raise_for_status()
        return {"digest": digest, "size": len(content)}

    def _manifest(self, repository: str, reference: str, manifest: Mapping[str, Any]) -> str:
        answer = self._http.put(
            f"{repository}/manifests/{reference}",
            content=json.dumps(manifest).encode(),
            headers={"Content-Type": str(manifest["mediaType"])},
        ).raise_for_status()
        digest: str = answer.headers["Docker-Content-Digest"]
        return digest
