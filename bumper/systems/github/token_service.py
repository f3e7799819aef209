"""A token service: takes the job's own OIDC token and gives one of an App's installation for it, so that no repository stores any.

Law: the job's token is asked for this service alone (its audience is the service's host), goes to it alone, and stands in no text.
What it gives is for one repository, as the trust policy says that stands in that repository.
Sources: octo-sts, `app` (GET /sts/exchange; refusals are those of gRPC, as grpc-gateway writes them) and `action` (the query, the
audience); GitHub's documentation, "Generating an installation access token" (it ends after one hour).
"""

import base64
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bumper.address import host_of
from bumper.errors import BumpError, NoAccess, Transient, Unreachable
from bumper.safe_text import printable
from bumper.systems.github.api import Token
from bumper.systems.github.job_token import PERMISSION, JobTokens
from bumper.systems.github.minted import Minted, MintedTokens
from bumper.systems.http.client import Answer, Client, Limits, Question
from bumper.systems.http.document import parse_object
from bumper.systems.http.headers import retry_after_s

if TYPE_CHECKING:
    import httpx

_LIMITS = Limits(content_bytes=65_536, answer_s=20.0, wait_s=10.0)
# The answer names no end.
_LIFETIME_S = 3600.0
_LONGEST_TOKEN = 4096


class TokenService:
    """One service, `https://HOST`, and the `identity` by which it finds its trust policy in a repository."""

    def __init__(
        self,
        url: str,
        identity: str,
        job: JobTokens,
        tokens: MintedTokens,
        *,
        now: Callable[[], float],
        environ: Mapping[str, str] | None = None,
        transport: "httpx.BaseTransport | None" = None,
    ) -> None:
        self._url = url
        self._identity = identity
        self._job = job
        self._tokens = tokens
        self._now = now
        self._client = Client(_LIMITS, now=now, environ=environ, transport=transport)

    def __repr__(self) -> str:
        return f"TokenService({self._url!r})"

    def token(self, repository: str) -> Token:
        """What to ask for a token for `owner/name` each time that one is needed. Nothing is asked before the first call."""
        return self._tokens.token(lambda: self._exchanged(repository))

    def close(self) -> None:
        """Gives back every token that may still be valid."""
        self._tokens.close()
        self._client.close()

    def _exchanged(self, repository: str) -> Minted:
        subject = f"token service {host_of(self._url)}"
        asked_s = self._now()
        proof = self._proof(subject)
        query = {"scope": repository, "scopes": repository, "identity": self._identity}
        question = Question("GET", f"{self._url}/sts/exchange", {"Authorization": f"Bearer {proof}"}, query)
        answer = self._client.ask(subject, question)
        document = parse_object(answer.content) or {}
        if answer.status != 200:
            raise self._refusal(subject, repository, proof, answer, document)
        return Minted(_token(subject, document), asked_s + _LIFETIME_S)

    def _proof(self, subject: str) -> str:
        if not self._job.are_given:
            raise NoAccess(
                f"{subject}: the job has no OIDC token to exchange",
                hint=f"the job needs {PERMISSION}; or pass a token in BUMP_TOKEN",
            )
        return self._job.ask(host_of(self._url))

    def _refusal(
        self, subject: str, repository: str, proof: str, answer: Answer, document: Mapping[str, Any]
    ) -> BumpError:
        # A service may repeat what it is sent.
        reason = printable(str(document.get("message") or "").replace(proof, "***"))[:300]
        message = f"{subject}: {answer.status} {reason}".rstrip()
        policy = f".github/chainguard/{self._identity}.sts.yaml of {repository}"
        match answer.status:
            case 429 | 500 | 502 | 503 | 504:
                return Transient(message, retry_after_s=retry_after_s(answer.headers))
            case 401:
                return NoAccess(message, hint=f"it must accept tokens that {_claim(proof, 'iss')} gives")
            case 403:
                return NoAccess(
                    message,
                    hint=f"{policy} must match this job, which is {_claim(proof, 'sub')} in {_claim(proof, 'ref')}, and name "
                    "permissions that the service's App has: bump setup writes one",
                )
            case 404:
                return NoAccess(
                    message,
                    hint=f"{policy} must stand on its default branch (bump setup writes it), and the service's App be installed on "
                    f"{repository}",
                )
            case _:
                return Unreachable(
                    message, hint=f"expected a service that exchanges tokens as octo-sts does, and {policy}"
                )


def _token(subject: str, document: Mapping[str, Any]) -> str:
    token = document.get("token")
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or " " in token:
        raise Unreachable(f"{subject}: the answer holds no token, expected one")
    if not 0 < len(token) <= _LONGEST_TOKEN:
        raise Unreachable(
            f"{subject}: the answer's token has {len(token)} characters, expected up to {_LONGEST_TOKEN}"
        )
    return token


def _claim(proof: str, name: str) -> str:
    """What the job's token says of it, for people; nothing is decided by it."""
    try:
        payload = proof.split(".")[1]
        claims = parse_object(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))) or {}
    except (IndexError, ValueError):
        claims = {}
    return printable(str(claims.get(name) or "unknown"))[:200]
