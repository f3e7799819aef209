"""What the sandbox's registry holds: real blobs, manifests and indexes, addressed by their digests, and tags that point at them."""

import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
STATEMENT = "application/vnd.in-toto+json"
EMPTY_TIME = "2024-01-01T00:00:00Z"


def digest_of(content: bytes) -> str:
    """The content's address."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True)
class Stored:
    """A manifest or index as it was pushed."""

    media_type: str
    content: bytes

    @property
    def digest(self) -> str:
        return digest_of(self.content)


@dataclass
class Repository:
    """`manifests` by digest, `tags` by name."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, Stored] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


class RegistryContent:
    """All repositories of one registry. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._repositories: dict[str, Repository] = {}

    def push(
        self,
        repository: str,
        tag: str,
        *,
        platform: str = "linux/amd64",
        labels: Mapping[str, str] | None = None,
        created: str = EMPTY_TIME,
        index: bool = False,
    ) -> str:
        """Stores a small but complete image under the tag and returns its digest.

        `platform` may list several, separated by commas. Several, or `index`, make an index with an attestation beside the images, as
        BuildKit does.
        """
        platforms = platform.split(",")
        with self._lock:
            images = [self._push_image(repository, tag, each, labels or {}, created) for each in platforms]
            stored = self._index(repository, images, platforms) if index or len(images) > 1 else images[0]
            self.put_manifest(repository, tag, stored)
        return stored.digest

    def put_blob(self, repository: str, content: bytes) -> str:
        """Stores a blob; returns its digest."""
        digest = digest_of(content)
        with self._lock:
            self._repositories.setdefault(repository, Repository()).blobs[digest] = content
        return digest

    def put_manifest(self, repository: str, reference: str, stored: Stored) -> None:
        """Stores a manifest under its digest, and under `reference` where that is a tag."""
        with self._lock:
            held = self._repositories.setdefault(repository, Repository())
            held.manifests[stored.digest] = stored
            if reference != stored.digest:
                # The order of the tags is that of their last pushes.
                held.tags.pop(reference, None)
                held.tags[reference] = stored.digest

    def delete_tag(self, repository: str, tag: str) -> None:
        """Takes the tag away; what it pointed at stays."""
        with self._lock:
            del self._repositories[repository].tags[tag]

    def holds(self, repository: str) -> bool:
        """Whether anything was ever pushed to that repository."""
        with self._lock:
            return repository in self._repositories

    def manifest(self, repository: str, reference: str) -> Stored | None:
        """The manifest under a tag or digest."""
        with self._lock:
            held = self._repositories.get(repository, Repository())
            return held.manifests.get(held.tags.get(reference, reference))

    def blob(self, repository: str, digest: str) -> bytes | None:
        """The blob with that digest."""
        with self._lock:
            return self._repositories.get(repository, Repository()).blobs.get(digest)

    def tags(self, repository: str) -> list[str]:
        """All tags, sorted as the specification wants them."""
        with self._lock:
            return sorted(self._repositories.get(repository, Repository()).tags)

    def tags_by_time(self, repository: str) -> list[tuple[str, str]]:
        """All tags with their digests, the one that was pushed last at the end."""
        with self._lock:
            return list(self._repositories.get(repository, Repository()).tags.items())

    def lacks(self, repository: str, fields: Mapping[str, Any]) -> list[str]:
        """The digests that a manifest or index refers to and that the repository does not hold."""
        with self._lock:
            held = self._repositories.get(repository, Repository())
            blobs = [
                entry["digest"] for entry in [fields.get("config") or {}, *fields.get("layers", [])] if entry
            ]
            children = [entry["digest"] for entry in fields.get("manifests", [])]
            return [each for each in blobs if each not in held.blobs] + [
                each for each in children if each not in held.manifests
            ]

    def _push_image(
        self, repository: str, tag: str, platform: str, labels: Mapping[str, str], created: str
    ) -> Stored:
        os, architecture, *variant = platform.split("/")
        tar = _tar(f"{repository}:{tag} {platform}\n".encode())
        layer = gzip.compress(tar, mtime=0)
        config = {
            "os": os,
            "architecture": architecture,
            **({"variant": variant[0]} if variant else {}),
            "created": created,
            "config": {"Entrypoint": ["/site"], "Labels": dict(labels)},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(tar)]},
        }
        return self._store(
            repository,
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": self._descriptor(repository, CONFIG, json.dumps(config).encode()),
                "layers": [self._descriptor(repository, LAYER, layer)],
            },
        )

    def _index(self, repository: str, images: list[Stored], platforms: list[str]) -> Stored:
        entries = []
        for image, platform in zip(images, platforms, strict=True):
            os, architecture, *variant = platform.split("/")
            entries.append(
                {
                    "mediaType": image.media_type,
                    "digest": image.digest,
                    "size": len(image.content),
                    "platform": {
                        "os": os,
                        "architecture": architecture,
                        **({"variant": variant[0]} if variant else {}),
                    },
                }
            )
        attestation = self._attestation(repository, images[0])
        entries.append(
            {
                "mediaType": attestation.media_type,
                "digest": attestation.digest,
                "size": len(attestation.content),
                "annotations": {
                    "vnd.docker.reference.type": "attestation-manifest",
                    "vnd.docker.reference.digest": images[0].digest,
                },
                "platform": {"os": "unknown", "architecture": "unknown"},
            }
        )
        return self._store(repository, {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})

    def _attestation(self, repository: str, image: Stored) -> Stored:
        statement = {"_type": "https://in-toto.io/Statement/v0.1", "subject": [{"digest": image.digest}]}
        config = {"os": "unknown", "architecture": "unknown", "rootfs": {"type": "layers", "diff_ids": []}}
        return self._store(
            repository,
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": self._descriptor(repository, CONFIG, json.dumps(config).encode()),
                "layers": [self._descriptor(repository, STATEMENT, json.dumps(statement).encode())],
            },
        )

    def _descriptor(self, repository: str, media_type: str, content: bytes) -> dict[str, Any]:
        return {
            "mediaType": media_type,
            "digest": self.put_blob(repository, content),
            "size": len(content),
        }

    def _store(self, repository: str, fields: Mapping[str, Any]) -> Stored:
        stored = Stored(fields["mediaType"], json.dumps(fields).encode())
        self.put_manifest(repository, stored.digest, stored)
        return stored


def _tar(content: bytes) -> bytes:
    """A layer with one file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("site")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
