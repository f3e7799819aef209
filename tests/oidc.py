"""An issuer of OIDC tokens on loopback, as GitHub Actions is one: discovery, keys, and the address at which a job asks for its token.

The claims are those that GitHub documents ("OpenID Connect reference"); only the issuer's address is another one.
"""

import base64
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from bumper_sandbox.registry.listener import Listener
from bumper_sandbox.registry.routes import Reply


class Issuer:
    """Runs as a context manager; `claims` go into every token, which ends `lasts_s` after it was asked for."""

    def __init__(self, **claims: str) -> None:
        self.claims = claims
        self.lasts_s = 300
        self.job_token = secrets.token_hex(8)
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._listener = Listener(self._reply, None)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def environ(self) -> dict[str, str]:
        """What a job with `id-token: write` finds in its environment."""
        return {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.url}/job?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": self.job_token,
        }

    def _reply(self, method: str, target: str, headers: Mapping[str, str], content: bytes) -> Reply:
        answer = self.answer(target, headers.get("authorization", ""))
        return Reply.json(403, {"message": "no"}) if answer is None else Reply.json(200, answer)

    def answer(self, target: str, authorization: str) -> Mapping[str, Any] | None:
        url = urlsplit(target)
        if url.path == "/.well-known/openid-configuration":
            algorithms = {"id_token_signing_alg_values_supported": ["RS256"]}
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **algorithms}
        if url.path == "/keys":
            numbers = self._key.public_key().public_numbers()
            key = {"n": _encoded(_bytes(numbers.n)), "e": _encoded(_bytes(numbers.e))}
            return {"keys": [{"kty": "RSA", "kid": "e2e", "alg": "RS256", "use": "sig", **key}]}
        if url.path == "/job" and authorization == f"Bearer {self.job_token}":
            return {"value": self._token(parse_qs(url.query)["audience"][0])}
        return None

    def _token(self, audience: str) -> str:
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": audience,
            "sub": "job",
            "iat": now,
            "exp": now + self.lasts_s,
            **self.claims,
        }
        segments = [{"alg": "RS256", "typ": "JWT", "kid": "e2e"}, claims]
        signed = ".".join(_encoded(json.dumps(part).encode()) for part in segments)
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_encoded(signature)}"


def _bytes(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
