"""A token service on loopback, as octo-sts is one: it believes a job by the keys of the job's own issuer and by the trust policy of
the repository that is asked for, and mints a token of an App's installation.

Sources: octo-sts/app at cb87fc17, `pkg/octosts/octosts.go` (what is asked, in which order, and the words of the refusals) and
`trust_policy.go` (what a policy may say, and how a token is held to it); grpc-gateway (which status a gRPC code becomes).
"""

import base64
import json
import re
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from bumper_sandbox.registry.listener import Listener
from bumper_sandbox.registry.routes import Reply

# Numbers of gRPC, and the HTTP status that grpc-gateway makes of each.
INVALID, NOT_FOUND, DENIED, EXHAUSTED, INTERNAL, UNKNOWN_CALLER = 3, 5, 7, 8, 13, 16
_STATUS = {INVALID: 400, NOT_FOUND: 404, DENIED: 403, EXHAUSTED: 429, INTERNAL: 500, UNKNOWN_CALLER: 401}
_KEYS = {
    "issuer", "issuer_pattern", "subject", "subject_pattern", "audience", "audience_pattern", "claim_pattern", "permissions",
}  # fmt: skip
_ISSUER = re.compile(r"https://[\w.-]+(:\d+)?(/[\w.~/-]*[\w.-])?|http://(localhost|127\.0\.0\.1)(:\d+)?")

Policy = Mapping[str, Any]


class Refusal(Exception):
    """The service says no, by a code of gRPC."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class TokenServer:
    """Runs as a context manager.

    `read` is given a repository and a path, and returns the file on the default branch, None where there is none. `mint` is given the
    repository and the permissions of its policy. `faults` are refusals for the next requests.
    """

    def __init__(
        self, read: Callable[[str, str], str | None], mint: Callable[[str, Mapping[str, str]], str]
    ) -> None:
        self._read = read
        self._mint = mint
        self.faults: list[Refusal] = []
        self.queries: list[Mapping[str, str]] = []
        self._listener = Listener(self._reply, None)

    @property
    def domain(self) -> str:
        """What it is called, in an input and as an audience."""
        return f"127.0.0.1:{self._listener.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _reply(self, method: str, target: str, headers: Mapping[str, str], content: bytes) -> Reply:
        return Reply.json(*self.answer(target, headers.get("authorization", "")))

    def answer(self, target: str, authorization: str) -> tuple[int, Mapping[str, Any]]:
        """The status and the body of an answer."""
        url = urlsplit(target)
        if url.path != "/sts/exchange":
            return 404, {"code": NOT_FOUND, "message": "Not Found", "details": []}
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        self.queries.append(query)
        try:
            if self.faults:
                raise self.faults.pop(0)
            return 200, {"token": self._exchange(query, authorization)}
        except Refusal as refusal:
            return _STATUS[refusal.code], {"code": refusal.code, "message": refusal.message, "details": []}

    def _exchange(self, query: Mapping[str, str], authorization: str) -> str:
        claims = _verified(authorization.removeprefix("Bearer "))
        scopes = query.get("scopes", query.get("scope", "")).split(",")
        if len(scopes) > 1:
            raise Refusal(INVALID, "multiple scopes not supported")
        scope, identity = scopes[0], query.get("identity", "")
        if not scope:
            raise Refusal(INVALID, "scope must be provided")
        if not identity:
            raise Refusal(INVALID, "identity must be provided")
        policy = self._policy(scope, identity)
        check(policy, claims, self.domain)
        return self._mint(scope, policy.get("permissions", {}))

    def _policy(self, scope: str, identity: str) -> Policy:
        text = self._read(scope, f".github/chainguard/{identity}.sts.yaml")
        if text is None:
            raise Refusal(NOT_FOUND, f'unable to find trust policy for "{identity}"')
        try:
            return compiled(YAML(typ="safe").load(text))
        except (YAMLError, ValueError, re.error):
            raise Refusal(NOT_FOUND, f'unable to compile trust policy found for "{identity}"') from None


def compiled(policy: Any) -> Policy:
    """The policy; ValueError where octo-sts would take none of it."""
    if not isinstance(policy, dict) or policy.keys() - _KEYS:
        raise ValueError("unknown fields")
    for name, is_needed in (("issuer", True), ("subject", True), ("audience", False)):
        given = [key for key in (name, f"{name}_pattern") if policy.get(key)]
        if len(given) > 1 or (is_needed and not given):
            raise ValueError(f"trust policy: one of {name} or {name}_pattern must be set")
    for pattern in (
        policy.get("issuer_pattern", ""),
        policy.get("subject_pattern", ""),
        policy.get("audience_pattern", ""),
    ):
        re.compile(pattern)
    return policy


def check(policy: Policy, claims: Mapping[str, Any], domain: str) -> None:
    """Holds a token to the policy, in the order of octo-sts; Refusal with its words."""
    if not _ISSUER.fullmatch(claims["iss"]):
        raise Refusal(INVALID, "invalid issuer in token")
    for name, claim in (("issuer", "iss"), ("subject", "sub")):
        if (pattern := policy.get(f"{name}_pattern")) and not re.fullmatch(pattern, claims[claim]):
            raise Refusal(DENIED, f'trust policy: {name} "{claims[claim]}" did not match pattern "{pattern}"')
        if (exact := policy.get(name)) and exact != claims[claim]:
            raise Refusal(DENIED, f'trust policy: {name} "{claims[claim]}" did not match "{exact}"')
    audience = policy.get("audience") or domain
    if (pattern := policy.get("audience_pattern")) and not re.fullmatch(pattern, claims["aud"]):
        raise Refusal(
            DENIED, f'trust policy: audience_pattern "{pattern}" did not match any of ["{claims["aud"]}"]'
        )
    if not pattern and audience != claims["aud"]:
        raise Refusal(DENIED, f'trust policy: audience "{audience}" did not match any of ["{claims["aud"]}"]')
    for name, pattern in policy.get("claim_pattern", {}).items():
        if name not in claims:
            raise Refusal(DENIED, f'trust policy: expected claim "{name}" not found in token')
        if not re.fullmatch(pattern, str(claims[name])):
            raise Refusal(DENIED, f'trust policy: claim "{name}" did not match "{pattern}"')


def _verified(token: str) -> Mapping[str, Any]:
    """The claims, once the keys of the issuer vouch for them and the time is right."""
    try:
        head, payload, signature = token.split(".")
        header, claims = json.loads(_decoded(head)), json.loads(_decoded(payload))
        issuer = str(claims["iss"])
    except (ValueError, KeyError):
        raise Refusal(INVALID, "invalid bearer token") from None
    if not _ISSUER.fullmatch(issuer):
        raise Refusal(INVALID, "invalid issuer format")
    try:
        discovered = _fetched(f"{issuer}/.well-known/openid-configuration")
        keys = {key["kid"]: key for key in _fetched(discovered["jwks_uri"])["keys"]}
    except (OSError, ValueError, KeyError):
        raise Refusal(INVALID, "unable to fetch or create the provider") from None
    if discovered["issuer"] != issuer:
        raise Refusal(INVALID, "unable to fetch or create the provider")
    key, now = keys.get(header.get("kid")), time.time()
    if header.get("alg") != "RS256" or key is None or not claims["iat"] - 300 <= now < claims["exp"]:
        raise Refusal(UNKNOWN_CALLER, "unable to verify bearer token")
    try:
        numbers = (int.from_bytes(_decoded(key[name]), "big") for name in ("e", "n"))
        public = rsa.RSAPublicNumbers(*numbers).public_key()
        public.verify(_decoded(signature), f"{head}.{payload}".encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise Refusal(UNKNOWN_CALLER, "unable to verify bearer token") from None
    verified: Mapping[str, Any] = claims
    return verified


def _fetched(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.loads(answer.read())


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
