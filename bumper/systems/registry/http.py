"""HTTP to one registry.

Never plain HTTP but on loopback, where HTTPS is tried first. Credentials go to the registry, or to the token server that the registry
itself names; never along on a redirect to another host.
"""

import base64
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bumper.address import is_loopback, may_carry_credentials, origin
from bumper.dataclasses import replace
from bumper.errors import NoAccess, NotConnected
from bumper.systems.http.client import Answer, Client, Limits, Question
from bumper.systems.registry.distribution import MAX_DOCUMENT_BYTES
from bumper.systems.registry.docker_config import Credential

if TYPE_CHECKING:
    import httpx

ANSWER_LIMIT_S = 60.0


def is_local(registry: str) -> bool:
    """Whether `registry` (host and port) is this machine itself."""
    return is_loopback(f"https://{registry}")


class Connection:
    """Finds the registry's origin and asks there."""

    def __init__(
        self,
        registry: str,
        *,
        environ: Mapping[str, str],
        now: Callable[[], float],
        timeout_s: float,
        transport: "httpx.BaseTransport | None" = None,
    ) -> None:
        self.registry = registry
        self._client = Client(
            Limits(MAX_DOCUMENT_BYTES, ANSWER_LIMIT_S, timeout_s),
            now=now,
            environ=environ,
            admit=self._refuse_plain_http,
            transport=transport,
        )
        host = "registry-1.docker.io" if registry == "docker.io" else registry
        self._origins = [f"https://{host}", f"http://{host}"] if is_local(registry) else [f"https://{host}"]

    @property
    def origin(self) -> str:
        """Scheme, host and port; certain once an answer has come."""
        return self._origins[0]

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def knock(self) -> str:
        """The challenge (`WWW-Authenticate`) that a caller without a credential gets; empty where the registry has none."""
        answer = self.ask(self.registry, "/v2/", {})
        return answer.headers.get("www-authenticate", "") if answer.status == 401 else ""

    def ask(self, subject: str, path: str, headers: Mapping[str, str]) -> Answer:
        """The registry's answer to a GET, redirects followed."""
        tried, *others = self._origins
        try:
            answer = self._ask(subject, Question("GET", tried + path, headers, follows_redirects=True))
        except NotConnected:
            if not others:
                raise
            self._origins = others
            return self.ask(subject, path, headers)
        self._origins = [tried]
        return answer

    def ask_for_token(
        self, subject: str, realm: str, query: Mapping[str, str], credential: Credential
    ) -> Answer:
        """The token server's answer. A refresh token is posted and never follows a redirect."""
        if credential.refresh_token:
            form = {
                "grant_type": "refresh_token",
                "client_id": "bump",
                "refresh_token": credential.refresh_token,
            }
            return self._ask(subject, Question("POST", realm, form={**query, **form}))
        headers = {"Authorization": basic(credential)} if credential.password else {}
        return self._ask(subject, Question("GET", realm, headers, query, follows_redirects=True))

    def _ask(self, subject: str, question: Question) -> Answer:
        answer = self._client.ask(subject, question)
        if origin(answer.url) == origin(question.url):
            return answer
        # Another host's challenge is none of ours to answer.
        own = {name: value for name, value in answer.headers.items() if name != "www-authenticate"}
        return replace(answer, headers=own)

    def _refuse_plain_http(self, url: str) -> None:
        split_url = urlsplit(url)
        # A registry elsewhere must not send its callers to a port of this machine without TLS.
        if split_url.scheme != "https" and not (is_local(self.registry) and may_carry_credentials(url)):
            raise NoAccess(
                f"{self.registry}: leads to {split_url.scheme}://{split_url.hostname or ''}, expected https",
                hint="only a registry on this machine may be asked without TLS",
            )


def basic(credential: Credential) -> str:
    """The value of `Authorization` for a user name and password."""
    return "Basic " + base64.b64encode(f"{credential.username}:{credential.password}".encode()).decode()
