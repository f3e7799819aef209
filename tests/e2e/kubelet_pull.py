"""Pulling as far as a rollout can tell: asks the registry for the manifest and the image's configuration, as containerd does.

Only registries on loopback are asked. Any other host counts as one that does not resolve: a test run never leaves the machine.
"""

import http
import ipaddress
import platform
import re
from dataclasses import dataclass
from typing import Any

import httpx

from . import kubelet_texts as texts

_ACCEPT = ", ".join(
    (
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "*/*",
    )
)
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(
    platform.machine(), platform.machine()
)
_REFERENCE = re.compile(
    r"(?P<repository>(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
    r"(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>[a-z0-9]+:[0-9a-f]{32,}))?",
    re.ASCII,
)


class InvalidName(Exception):
    """Not an image reference."""


class PullError(Exception):
    """The pull failed: the text is the kubelet's, gRPC code included."""


@dataclass(frozen=True)
class Image:
    """A pulled image: `image_id` as a container's status shows it, the configuration's labels, all sizes together."""

    name: str
    image_id: str
    size_bytes: int
    labels: dict[str, str]


@dataclass(frozen=True)
class _Name:
    host: str
    path: str
    reference: str
    full: str


def check_name(image: str) -> None:
    """InvalidName if this is no image reference."""
    _parse(image)


def pull(image: str, http_client: httpx.Client) -> Image:
    """The image as the registry has it now; InvalidName or PullError."""
    name = _parse(image)
    if not _is_loopback(name.host):
        url = f"https://{name.host}/v2/{name.path}/manifests/{name.reference}"
        raise _failed(name, "Unknown", texts.request_failed("HEAD", url, texts.no_such_host(name.host)))
    registry = _Registry(name, http_client)
    answer = registry.resolve()
    digest = answer.headers["Docker-Content-Digest"]
    manifest = registry.read("manifests", digest)
    if "manifests" in manifest:
        manifest = registry.read("manifests", _child(name, manifest))
    configuration = registry.read("blobs", manifest["config"]["digest"])
    return Image(
        name=name.full,
        image_id=f"{name.host}/{name.path}@{digest}",
        size_bytes=manifest["config"]["size"] + sum(layer["size"] for layer in manifest["layers"]),
        labels=(configuration.get("config") or {}).get("Labels") or {},
    )


class _Registry:
    """The requests of one pull: plain HTTP, as containerd speaks to localhost, with the anonymous token if one is asked for."""

    def __init__(self, name: _Name, http_client: httpx.Client) -> None:
        self._name = name
        self._http = http_client
        self._base = f"http://{name.host}/v2/{name.path}"
        self._headers = {"Accept": _ACCEPT}

    def resolve(self) -> httpx.Response:
        url = f"{self._base}/manifests/{self._name.reference}"
        answer = self._send("HEAD", url)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self._authorize(answer)
            answer = self._send("HEAD", url)
            challenge = answer.headers.get("WWW-Authenticate", "")
            if answer.status_code == httpx.codes.UNAUTHORIZED:
                error = _parameters(challenge).get("error", "insufficient_scope")
                raise _failed(self._name, "Unknown", texts.access_denied(texts.token_refused(error)))
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise _failed(self._name, "NotFound", texts.not_found(self._name.full))
        if answer.is_error:
            raise _failed(self._name, "Unknown", texts.unexpected_status("HEAD", url, _status(answer)))
        return answer

    def read(self, what: str, digest: str) -> dict[str, Any]:
        answer = self._send("GET", f"{self._base}/{what}/{digest}")
        if answer.is_error:
            raise _failed(
                self._name, "Unknown", texts.unexpected_status("GET", str(answer.url), _status(answer))
            )
        content: dict[str, Any] = answer.json()
        return content

    def _authorize(self, answer: httpx.Response) -> None:
        challenge = answer.headers.get("WWW-Authenticate", "")
        parameters = _parameters(challenge)
        if not challenge.lower().startswith("bearer"):
            raise _failed(self._name, "Unknown", texts.access_denied(texts.NO_BASIC_CREDENTIALS))
        query = {"service": parameters.get("service", ""), "scope": f"repository:{self._name.path}:pull"}
        token = self._send("GET", parameters.get("realm", ""), params=query)
        if token.is_error:
            cause = texts.unexpected_status("GET", str(token.url), _status(token))
            raise _failed(self._name, "Unknown", texts.no_anonymous_token(cause))
        content = token.json()
        self._headers["Authorization"] = f"Bearer {content.get('token') or content.get('access_token')}"

    def _send(self, method: str, url: str, **arguments: Any) -> httpx.Response:
        try:
            return self._http.request(method, url, headers=self._headers, follow_redirects=True, **arguments)
        except httpx.HTTPError as error:
            cause = (
                texts.connection_refused(self._name.host)
                if isinstance(error, httpx.ConnectError)
                else str(error)
            )
            raise _failed(self._name, "Unknown", texts.request_failed(method, url, cause)) from error


def _parse(image: str) -> _Name:
    match = _REFERENCE.fullmatch(image)
    if match is None:
        raise InvalidName(texts.invalid_image_name(image))
    host, _, path = match["repository"].partition("/")
    if not path or not ("." in host or ":" in host or host == "localhost"):
        host, path = "docker.io", match["repository"] if path else f"library/{match['repository']}"
    tag = "" if match["digest"] else match["tag"] or "latest"
    full = f"{host}/{path}" + (f"@{match['digest']}" if match["digest"] else f":{tag}")
    return _Name(host=host, path=path, reference=match["digest"] or tag, full=full)


def _child(name: _Name, index: dict[str, Any]) -> str:
    for entry in index["manifests"]:
        wanted = entry.get("platform") or {}
        if wanted.get("os") == "linux" and wanted.get("architecture") == ARCHITECTURE:
            digest: str = entry["digest"]
            return digest
    raise _failed(name, "NotFound", texts.NO_PLATFORM, resolving=False)


def _failed(name: _Name, code: str, cause: str, *, resolving: bool = True) -> PullError:
    description = texts.pull_and_unpack(name.full, texts.unresolved(cause) if resolving else cause)
    return PullError(texts.rpc_error(code, description))


def _is_loopback(host: str) -> bool:
    address = host.rpartition(":")[0] or host
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False


def _parameters(challenge: str) -> dict[str, str]:
    return dict(re.findall(r'(\w+)="([^"]*)"', challenge))


def _status(answer: httpx.Response) -> str:
    return f"{answer.status_code} {http.HTTPStatus(answer.status_code).phrase}"
