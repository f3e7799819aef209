"""The tokens of the sandbox's registry: a managed identity's, and those of ACR's exchange.

Each is a JSON Web Token signed with a key that lives as long as the registry: nothing is believed that was not handed out here.
Source: https://github.com/Azure/acr `docs/AAD-OAuth.md`; msal 1.39 `managed_identity.py` for what App Service's endpoint answers.
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

TENANT = "11111111-1111-1111-1111-111111111111"
APPLICATION = "22222222-2222-2222-2222-222222222222"
OBJECT = "33333333-3333-3333-3333-333333333333"
# The audience of the tokens that ACR takes: the scope https://containerregistry.azure.net/.default.
AUDIENCE = "https://containerregistry.azure.net"
LIFETIME_S = 4500


class Tokens:
    """Hands tokens out and reads them back. `actions` are what the identity may do in every repository."""

    def __init__(self, actions: set[str]) -> None:
        self.actions = actions
        self._key = secrets.token_bytes(32)

    def identity(self, audience: str) -> str:
        """An Entra token for the sandbox's managed identity."""
        claims = {"appid": APPLICATION, "oid": OBJECT, "tid": TENANT}
        return self._signed({"grant": "identity", "aud": audience.rstrip("/"), **claims})

    def refresh(self, identity_token: str) -> str | None:
        """The registry's refresh token for an Entra token, or None where that was not meant for a registry."""
        claims = self._claims(identity_token, "identity")
        return self._signed({"grant": "refresh_token"}) if claims and claims["aud"] == AUDIENCE else None

    def access(self, refresh_token: str, scope: str) -> str | None:
        """An access token for as much of `scope` as the identity may do; None for a refresh token that is not ours."""
        return self.granted(scope) if self._claims(refresh_token, "refresh_token") else None

    def granted(self, scope: str) -> str:
        """An access token for as much of `scope` (`repository:<name>:<action>,…`, separated by spaces) as the identity may do."""
        access = []
        for each in scope.split():
            kind, _, rest = each.partition(":")
            name, _, actions = rest.rpartition(":")
            access.append(
                {"type": kind, "name": name, "actions": sorted(self.actions & set(actions.split(",")))}
            )
        return self._signed({"grant": "access_token", "access": access})

    def allows(self, access_token: str, repository: str, action: str) -> bool:
        """Whether the token lets its bearer do that."""
        claims = self._claims(access_token, "access_token") or {"access": []}
        return any(entry["name"] == repository and action in entry["actions"] for entry in claims["access"])

    def is_access(self, access_token: str) -> bool:
        """Whether this is an access token of ours, whatever it allows."""
        return self._claims(access_token, "access_token") is not None

    def _signed(self, claims: Mapping[str, Any]) -> str:
        now_s = int(time.time())
        body = {**claims, "iat": now_s, "exp": now_s + LIFETIME_S, "jti": secrets.token_hex(8)}
        text = f"{_encoded({'alg': 'HS256', 'typ': 'JWT'})}.{_encoded(body)}"
        return f"{text}.{self._signature(text)}"

    def _claims(self, token: str, grant: str) -> dict[str, Any] | None:
        text, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(text).encode()):
            return None
        payload = text.partition(".")[2]
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return claims if claims["grant"] == grant and claims["exp"] > time.time() else None

    def _signature(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def _encoded(fields: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).rstrip(b"=").decode()
