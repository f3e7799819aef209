"""What a request carries to say who we are.

Law: a token file is read for each request, because its owner replaces it while we wait; a plugin is asked again when what it gave has
expired or was refused. No secret reaches a message. Source: the protocol of credential plugins, client.authentication.k8s.io/v1 and
v1beta1, as client-go 0.35.3 speaks it (plugin/pkg/client/auth/exec/exec.go).
"""

import asyncio
import base64
import json
import re
from collections.abc import Mapping
from datetime import datetime
from subprocess import Popen
from typing import Any

from bumper.errors import NoAccess, UsageError
from bumper.ports.deadline import left_s
from bumper.ports.run import WallClock
from bumper.ports.shape import Maybe, Misshapen, Shape, held_to
from bumper.safe_text import MASK
from bumper.systems.file import content
from bumper.systems.http.document import parse
from bumper.systems.kube.config import Access, Endpoint, Plugin, User
from bumper.systems.process import Ended, TooMuch, end, finished, shown, started

_API_VERSION = r"client\.authentication\.k8s\.io/v\d[a-z0-9]{0,9}"
_API_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_STATUS: Mapping[str, Shape] = {
    "token": Maybe(str),
    "clientCertificateData": Maybe(str),
    "clientKeyData": Maybe(str),
    "expirationTimestamp": Maybe(str),
}
# A clock that runs ahead of the issuer's would otherwise ask the plugin again for each request.
_SHORTEST_LIFE_S = 10.0
# A chain of certificates with its key is some kilobytes.
_MOST_BYTES = 1_000_000


class Credential:
    """One user's headers and client certificate (PEM, chain and key). `expires_s` is on our own clock."""

    def __init__(
        self, user: User, token: str = "", certificate: bytes = b"", expires_s: float = float("inf")
    ) -> None:
        self.certificate = certificate or user.certificate
        self.expires_s = expires_s
        self._user = user
        self._token = user.token or token
        if user.token_file and not self._token:
            self._token = _read(user)

    def scrub(self, content: bytes) -> bytes:
        """The content without what we are known by: a server may repeat what it is sent."""
        _, _, password = self._user.basic.partition(":")
        for secret in (self._token, password, base64.b64encode(self._user.basic.encode()).decode()):
            content = content.replace(secret.encode(), MASK.encode()) if secret else content
        return content

    def headers(self) -> list[tuple[str, str]]:
        """Authorization and impersonation as they are at this moment."""
        headers = list(self._user.impersonation)
        if self._user.token_file:
            # In the moment of a rotation the file may be away: the token read last is as good as any.
            self._token = _read(self._user, self._token)
        if self._token:
            headers.append(("Authorization", f"Bearer {self._token}"))
        elif self._user.basic:
            headers.append(("Authorization", f"Basic {base64.b64encode(self._user.basic.encode()).decode()}"))
        return headers


async def obtain(
    access: Access, environ: Mapping[str, str], clock: WallClock, timeout_s: float
) -> Credential:
    """A fresh credential for the user of `access`. Raises `NoAccess` where a plugin or a file gives none."""
    user = access.user
    if user.plugin is None or user.token or user.token_file:
        return Credential(user)
    status = await _run(user.plugin, access.endpoint, environ, timeout_s)
    token, certificate, key = (
        status[name] or "" for name in ("token", "clientCertificateData", "clientKeyData")
    )
    if not token and not (certificate and key):
        raise NoAccess(
            f"credential plugin '{user.plugin.command}' gave neither a token nor a certificate with its key"
        )
    pem = f"{certificate.rstrip()}\n{key}".encode() if certificate and key else b""
    life_s = _life_s(user.plugin, status.get("expirationTimestamp"), clock.wall())
    return Credential(user, token, pem, clock.now() + life_s)


def _read(user: User, default: str = "") -> str:
    assert user.token_file
    try:
        token = content(user.token_file, _MOST_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        if default:
            return default
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise NoAccess(f"{user.token_file}: {reason}, expected a token") from None
    return token or default


def _life_s(plugin: Plugin, expiration: Any, now: datetime) -> float:
    if not expiration:
        return float("inf")
    try:
        left = datetime.fromisoformat(expiration) - now
    except (ValueError, TypeError):
        raise NoAccess(
            f"credential plugin '{plugin.command}': expirationTimestamp is not an RFC 3339 time"
        ) from None
    return max(left.total_seconds(), _SHORTEST_LIFE_S)


async def _run(
    plugin: Plugin, endpoint: Endpoint, environ: Mapping[str, str], timeout_s: float
) -> Mapping[str, Any]:
    """The `status` that the plugin prints."""
    name = f"credential plugin '{plugin.command}'"
    if plugin.api_version not in _API_VERSIONS:
        raise UsageError(
            f"{name}: apiVersion is '{plugin.api_version}', expected {' or '.join(_API_VERSIONS)}",
            hint=plugin.install_hint,
        )
    if plugin.interactive_mode == "Always":
        raise NoAccess(f"{name} must ask a person", hint="use credentials that need no person")
    variables = {**environ, **plugin.environ, "KUBERNETES_EXEC_INFO": _request(plugin, endpoint)}
    try:
        process = started([plugin.command, *plugin.arguments], variables)
    except (OSError, ValueError) as error:  # the second for a NUL, or a variable without a name
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise NoAccess(
            f"{name} cannot be run: {reason}", hint=plugin.install_hint or f"install {plugin.command}"
        ) from None
    ended = await _ended(process, name, timeout_s)
    if ended.status != 0:
        raise NoAccess(f"{name} ended with {ended.status}: {shown(ended.stderr)}", hint=plugin.install_hint)
    return _status(plugin, name, ended.stdout)


async def _ended(process: "Popen[bytes]", name: str, timeout_s: float) -> Ended:
    """How the plugin ended. Whoever does not wait for that any more ends it."""
    limit_s = left_s(timeout_s)
    try:
        return await asyncio.to_thread(
            finished, process, b"", limit_s=limit_s, most_bytes=_MOST_BYTES, what=name
        )
    except TimeoutError:
        raise NoAccess(f"{name} gave no answer within {round(limit_s, 1):g} s") from None
    except TooMuch:
        raise NoAccess(f"{name} printed more than {_MOST_BYTES} bytes, expected an ExecCredential") from None
    except asyncio.CancelledError:
        end(process)
        raise


def _status(plugin: Plugin, name: str, printed: bytes) -> Mapping[str, Any]:
    try:
        answer = parse(printed)
    except ValueError:
        raise NoAccess(f"{name} printed no JSON, expected an ExecCredential") from None
    api_version = answer.get("apiVersion") if isinstance(answer, dict) else None
    if api_version != plugin.api_version:
        # Nothing of what it prints is quoted that may be a credential.
        is_known = isinstance(api_version, str) and re.fullmatch(_API_VERSION, api_version)
        answered = f"apiVersion '{api_version}'" if is_known else "no apiVersion of an ExecCredential"
        raise NoAccess(f"{name} answered in {answered}, expected '{plugin.api_version}'")
    try:
        status: Mapping[str, Any] = held_to(_STATUS, answer.get("status"), f"{name}: status")
    except Misshapen as error:
        raise NoAccess(str(error)) from None
    return status


def _request(plugin: Plugin, endpoint: Endpoint) -> str:
    spec: dict[str, Any] = {"interactive": False}
    if plugin.wants_cluster:
        cluster = {
            "server": endpoint.server,
            "tls-server-name": endpoint.tls_server_name,
            "insecure-skip-tls-verify": endpoint.is_insecure,
            "certificate-authority-data": base64.b64encode(endpoint.authority).decode(),
            "proxy-url": endpoint.proxy,
            "config": endpoint.plugin_config,
        }
        spec["cluster"] = {key: value for key, value in cluster.items() if value}
    return json.dumps({"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": spec})
