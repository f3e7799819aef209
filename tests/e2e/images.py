"""Pushes small OCI images to a registry. They behave as asked: on a real node by their program, on a played one by their labels."""

import functools
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from .build import binary
from .kubelet_pull import ARCHITECTURE

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
# Where the one layer of all images is first: other repositories mount it from there.
_BASE = "container"
_MACHINE = slice(18, 20)  # e_machine in the header of an ELF file
_SPARC = b"\x02\x00"


@functools.cache
def _layers(program: Path) -> dict[str, tuple[bytes, str]]:
    """The layer that holds the program, and one with the same program for a processor that is not this one's: content and diff ID."""
    content = program.read_bytes()
    foreign = content[: _MACHINE.start] + _SPARC + content[_MACHINE.stop :]
    return {"": _layer(content), "foreign": _layer(foreign)}


def _layer(program: bytes) -> tuple[bytes, str]:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("container")
        entry.size, entry.mode = len(program), 0o755
        tar.addfile(entry, io.BytesIO(program))
    plain = archive.getvalue()
    return gzip.compress(plain, compresslevel=1, mtime=0), f"sha256:{hashlib.sha256(plain).hexdigest()}"


def _command(behaviour: str, log: str, argument: str) -> list[str]:
    """What the container runs: container/main.go says what each behaviour is."""
    match behaviour:
        case "" | "slow" | "foreign":
            return ["/container", "serve", argument]
        case "crash":
            return ["/container", "crash", log]
    return ["/container", behaviour, argument]


class ImagePusher:
    """A writer to one registry, `127.0.0.1:PORT`."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._first: dict[str, dict[str, Any]] = {}
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
        argument: str = "",
        architecture: str = ARCHITECTURE,
        labels: Mapping[str, str] | None = None,
    ) -> str:
        """The digest of a new image under that tag. Two images with the same arguments still differ: their name is part of them.

        `argument` is what container/main.go says of the behaviour; `foreign` is a program for another processor.
        """
        image_labels = {
            # A node that has two names of one configuration shows the first for both.
            "org.opencontainers.image.title": repository,
            "org.opencontainers.image.version": tag,
            **({"e2e.behaviour": behaviour} if behaviour else {}),
            **({"e2e.log": log} if log else {}),
            **({"e2e.ready-after": str(ready_after_s)} if ready_after_s is not None else {}),
            **(labels or {}),
        }
        content, diff_id = _layers(binary("container"))["foreign" if behaviour == "foreign" else ""]
        delay = "" if ready_after_s is None else f"{ready_after_s:g}"
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {
                "Labels": image_labels,
                "Entrypoint": _command(behaviour, log, argument or delay),
                "User": "65532",
            },
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        }
        configuration = self._blob(repository, json.dumps(config).encode())
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {"mediaType": _CONFIG, **configuration},
            "layers": [{"mediaType": _LAYER, **self._shared(repository, content)}],
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

    def push_sandbox(self, name: str) -> None:
        """The image that holds a pod's namespaces open."""
        repository, _, tag = name.partition(":")
        self.push(repository, tag, behaviour="wait")

    def _shared(self, repository: str, content: bytes) -> dict[str, Any]:
        """The blob in that repository, mounted from the first one that has it."""
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if digest not in self._first:
            self._first[digest] = self._blob(_BASE, content)
        mounted = self._http.post(f"{repository}/blobs/uploads/", params={"mount": digest, "from": _BASE})
        if mounted.raise_for_status().status_code != httpx.codes.CREATED:
            return self._blob(repository, content)
        return self._first[digest]

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
