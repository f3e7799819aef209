"""Images that behave as a test asks on any node, played or real: another image's layers, with a command of ours.

The base must have a shell and busybox' `httpd`. Nothing but the registry's own API is used: no Docker.
"""

import json
from collections.abc import Mapping
from typing import Any

import httpx

from .images import ImagePusher
from .kubelet_pull import ARCHITECTURE

_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
# The shell is the first process, which no signal ends by default: without the trap each pod would take 30 s to go.
_SERVE = (
    "mkdir -p /tmp/www && echo ok > /tmp/www/healthz; trap exit TERM; httpd -f -p 8080 -h /tmp/www & wait"
)
_IDLE = "trap exit TERM; sleep 86400 & wait"
_CRASH = 'printf "%s\\n" "$0"; exit 1'


class BaseImageError(Exception):
    """The base image is not in the registry, or not for this machine's architecture."""


class RunnableImages(ImagePusher):
    """A writer to one registry; `base` is an image in it, `REPOSITORY:TAG`."""

    def __init__(self, host: str, base: str) -> None:
        super().__init__(host)
        self._base = base
        self._repository, _, self._tag = base.rpartition(":")

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
        """As ImagePusher's; the labels that a played node reads are there too. `oom` is a ValueError: no real container obeys."""
        manifest = self._manifest_of(self._tag, architecture, self._repository)
        base = self._get("blobs", manifest["config"]["digest"], self._repository).json()
        image_labels = {
            "org.opencontainers.image.version": tag,
            "e2e.behaviour": behaviour,
            "e2e.log": log,
            **({"e2e.ready-after": str(ready_after_s)} if ready_after_s is not None else {}),
            **(labels or {}),
        }
        command = _command(behaviour, log, ready_after_s or 0.0)
        config = {**(base.get("config") or {}), "Labels": image_labels, "Entrypoint": command, "Cmd": None}
        content = json.dumps({**base, "config": config}).encode()
        for layer in manifest["layers"]:
            self._copy(repository, layer["digest"])
        configuration = {**manifest["config"], **self._blob(repository, content)}
        return self._manifest(repository, tag, {**manifest, "config": configuration})

    def configuration(self, repository: str, tag: str) -> dict[str, Any]:
        """What an image in the registry says of how it is run: entry point, labels and so on."""
        manifest = self._manifest_of(tag, ARCHITECTURE, repository)
        configuration: dict[str, Any] = self._get("blobs", manifest["config"]["digest"], repository).json()[
            "config"
        ]
        return configuration

    def _manifest_of(self, reference: str, architecture: str, repository: str) -> dict[str, Any]:
        """The manifest itself, or that of an index for this architecture, with its media type in it."""
        answer = self._get("manifests", reference, repository)
        manifest: dict[str, Any] = {"mediaType": answer.headers["Content-Type"], **answer.json()}
        if "manifests" not in manifest:
            return manifest
        for entry in manifest["manifests"]:
            wanted = entry.get("platform") or {}
            if (wanted.get("os"), wanted.get("architecture")) == ("linux", architecture):
                return self._manifest_of(entry["digest"], architecture, repository)
        raise BaseImageError(f"{self._base}: no image for linux/{architecture} in its index")

    def _copy(self, repository: str, digest: str) -> None:
        """Mounts the base's blob, or carries it over where the registry does not mount."""
        asked = {"mount": digest, "from": self._repository}
        answer = self._http.post(f"{repository}/blobs/uploads/", params=asked).raise_for_status()
        if answer.status_code != httpx.codes.CREATED:
            self._blob(repository, self._get("blobs", digest, self._repository).content)

    def _get(self, what: str, reference: str, repository: str) -> httpx.Response:
        answer = self._http.get(
            f"{repository}/{what}/{reference}",
            headers={"Accept": ", ".join(_MANIFESTS)},
            follow_redirects=True,
        )
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise BaseImageError(
                f"{self._base}: not in the registry {self._host}; push an image with a shell and httpd there"
            )
        return answer.raise_for_status()


def _command(behaviour: str, log: str, ready_after_s: float) -> list[str]:
    scripts = {
        "": [_SERVE],
        "slow": [f"sleep {ready_after_s:g}; {_SERVE}"],
        "unready": [_IDLE],
        "crash": [_CRASH, log],
    }
    if behaviour not in scripts:
        raise ValueError(
            f"behaviour {behaviour}: an image cannot do so by itself, expected {sorted(scripts)}"
        )
    return ["/bin/sh", "-c", *scripts[behaviour]]
