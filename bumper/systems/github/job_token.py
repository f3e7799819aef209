"""The job's own OIDC token, which GitHub Actions gives to a step: for a few minutes, and for the audience that is asked for.

Law: it is asked for where the job says, by TLS or on loopback, and stands in no text.
Source: GitHub's documentation, "OpenID Connect reference" (a job asks at ACTIONS_ID_TOKEN_REQUEST_URL, with an audience).
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from bumper.address import may_carry_credentials
from bumper.errors import NoAccess, Transient, UsageError
from bumper.systems.http.client import Client, Limits, Question
from bumper.systems.http.document import parse_object

if TYPE_CHECKING:
    import httpx

_LIMITS = Limits(content_bytes=65_536, answer_s=10.0, wait_s=10.0)
_URL = "ACTIONS_ID_TOKEN_REQUEST_URL"
PERMISSION = "permissions: id-token: write"


class JobTokens:
    """Asks for the job's tokens. `now` is monotonic seconds; `url` and `bearer` are empty where nothing gives one."""

    def __init__(
        self,
        url: str,
        bearer: str,
        *,
        now: Callable[[], float],
        environ: Mapping[str, str] | None = None,
        transport: "httpx.BaseTransport | None" = None,
    ) -> None:
        self._url = url
        self._bearer = bearer
        self._now = now
        self._environ = environ
        self._transport = transport

    def __repr__(self) -> str:
        return "JobTokens()"

    @property
    def are_given(self) -> bool:
        """Whether the job may have one at all."""
        return bool(self._url and self._bearer)

    def ask(self, audience: str) -> str:
        """The token for that audience; NoAccess where the job may have none, Transient where GitHub may heal."""
        if not self.are_given:
            raise NoAccess(f"the job has no OIDC token: it needs {PERMISSION}")
        if not may_carry_credentials(self._url):
            raise UsageError(f"{_URL} is not https")
        client = Client(_LIMITS, now=self._now, environ=self._environ, transport=self._transport)
        headers = {"Authorization": f"Bearer {self._bearer}"}
        try:
            answer = client.ask("GitHub", Question("GET", self._url, headers, {"audience": audience}))
        finally:
            client.close()
        token = (parse_object(answer.content) or {}).get("value") if answer.status == 200 else ""
        if isinstance(token, str) and token:
            return token
        message = f"GitHub gave no OIDC token for the job ({answer.status})"
        if answer.status >= 500 or answer.status == 429:
            raise Transient(message)
        raise NoAccess(f"{message}: it needs {PERMISSION}")
