"""GitHub Apps: who may act as one, and the tokens of its installations.

Law: an App is believed only by an assertion that its own key signed (RS256), issued in the past and valid for at most ten minutes, all
by the clock of this server. A token is for repositories and permissions of the installation, never for more.
Source: GitHub's documentation, "Generating a JSON Web Token (JWT) for a GitHub App"; the words of the refusals are those that GitHub
answers, as quoted in public issues.
"""

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sandbox_github.content import User
from sandbox_github.wire import Refusal, Token

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

_LIFETIME_S = 3600
_LONGEST_ASSERTION_S = 600
_LEVELS = ("read", "write")


@dataclass
class Installation:
    """Where an App is installed: its repositories (`owner/name`) and what it may do there."""

    number: int
    repositories: tuple[str, ...]
    permissions: Mapping[str, str]
    is_suspended: bool = False


@dataclass
class RegisteredApp:
    """`number` is the App ID. The server has the public half of its key alone."""

    number: int
    client_id: str
    slug: str
    key: "RSAPublicKey"
    installations: list[Installation] = field(default_factory=list)

    @property
    def user(self) -> User:
        return User(f"{self.slug}[bot]", self.number)


class Apps:
    """All Apps of the server."""

    def __init__(self) -> None:
        self.registered: list[RegisteredApp] = []

    def acting(self, assertion: str, time_s: float) -> RegisteredApp:
        """The App whose assertion this is; 401 with GitHub's reason otherwise."""
        try:
            head, claims, signature = assertion.split(".")
            header, payload = json.loads(_decoded(head)), json.loads(_decoded(claims))
            apps = [
                candidate
                for candidate in self.registered
                if str(payload["iss"]) in (str(candidate.number), candidate.client_id)
            ]
            app = apps[0]
            signed, signature_bytes = f"{head}.{claims}".encode(), _decoded(signature)
            issued_s, ends_s = payload["iat"], payload["exp"]
        except (ValueError, KeyError, IndexError, TypeError):
            raise Refusal(401, "A JSON web token could not be decoded") from None
        if header.get("alg") != "RS256" or not _is_signed(app.key, signed, signature_bytes):
            raise Refusal(401, "A JSON web token could not be decoded")
        if not isinstance(issued_s, int) or issued_s > time_s:
            raise Refusal(
                401,
                "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
            )
        if not isinstance(ends_s, int) or ends_s > time_s + _LONGEST_ASSERTION_S:
            raise Refusal(401, "'Expiration time' claim ('exp') is too far in the future")
        if ends_s <= time_s:
            raise Refusal(
                401, "'Expiration time' claim ('exp') must be a numeric value representing the future time"
            )
        return app

    def installed(self, app: RegisteredApp, repository: str) -> Installation:
        """Where the App is installed for a repository; 404 where it is not."""
        for installation in app.installations:
            if repository in installation.repositories:
                return installation
        raise Refusal(404, "Not Found")

    def mint(self, app: RegisteredApp, number: int, body: Any, time_s: float) -> tuple[str, Token]:
        """A token of an installation, for what was asked and granted."""
        installations = [candidate for candidate in app.installations if candidate.number == number]
        if not installations:
            raise Refusal(404, "Not Found")
        installation = installations[0]
        if installation.is_suspended:
            raise Refusal(403, "This installation has been suspended")
        asked = body or {}
        names = asked.get("repositories")
        reached = [
            repository
            for repository in installation.repositories
            if names is None or repository.partition("/")[2] in names
        ]
        if names is not None and len(reached) != len(names):
            raise Refusal(
                422,
                "There is at least one repository that does not exist or is not accessible to the parent installation.",
            )
        permissions: dict[str, str] = asked.get("permissions") or dict(installation.permissions)
        for name, level in permissions.items():
            granted = installation.permissions.get(name, "")
            if (
                level not in _LEVELS
                or granted not in _LEVELS
                or _LEVELS.index(level) > _LEVELS.index(granted)
            ):
                raise Refusal(422, "The permissions requested are not granted to this installation.")
        token = Token(
            app.user,
            tuple(reached),
            writes=permissions.get("contents") == "write",
            permissions={**permissions, "metadata": "read"},
            ends_s=time_s + _LIFETIME_S,
        )
        # The form that GitHub gives out since 2026: longer than the forty characters of before, and with dots in it.
        return (
            f"ghs_{app.number}_{secrets.token_urlsafe(40)}.{secrets.token_urlsafe(60)}.{secrets.token_urlsafe(60)}",
            token,
        )


def moment(time_s: float) -> str:
    """As GitHub writes a time."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _is_signed(key: "RSAPublicKey", signed: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        key.verify(signature, signed, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
