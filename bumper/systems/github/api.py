"""One conversation with GitHub's REST API, by httpx.

Law: the token goes to the API's own origin and nowhere else, never without TLS but on loopback. What GitHub asks us to wait is handed
on in Transient and never slept here.

A token is a text, or a `Token` that is called for each request: one that expires is renewed by whoever hands it in (`app.App.token`).
Source: GitHub's documentation, "Rate limits for the REST API" and "Best practices for using the REST API".
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bumper.errors import BumpError, NoAccess, Transient, Unreachable, UsageError
from bumper.safe_text import printable
from bumper.systems.http.address import is_loopback, may_carry_credentials

if TYPE_CHECKING:
    import httpx

# Called for each request (and for each call of git that goes to the network); may raise a BumpError.
Token = Callable[[], str]

_VERSION = "2022-11-28"
_PAGE = 100
_MAX_ANSWER_BYTES = 20_000_000
# "If no header tells how long: wait for at least one minute."
_SECONDARY_LIMIT_S = 60.0
# httpx bounds the wait for each piece of an answer; this bounds the whole of it.
_ANSWER_LIMIT_S = 30.0
_PERMISSIONS = {"/deployments": "deployments: write", "/statuses/": "statuses: write"}
_NEXT = re.compile(r'<([^>]+)>;\s*rel="next"')


@dataclass(frozen=True)
class Answer:
    """What GitHub answered. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Unknown(NoAccess):
    """401: GitHub does not know whoever asks."""


class Missing(Unreachable):
    """404 or 410: not there, or not for us to know."""


class Invalid(Unreachable):
    """422: GitHub understands the request, and not what it speaks of."""


class Api:
    """Requests in, parsed JSON out."""

    def __init__(
        self,
        url: str,
        *,
        token: str | Token,
        now: Callable[[], float],
        timeout_s: float,
        transport: "httpx.BaseTransport | None" = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._origin = urlsplit(self._url)
        if not may_carry_credentials(self._url):
            raise UsageError(
                f"{self._origin.scheme}://{self._origin.netloc.rpartition('@')[2]}: no token is sent there, expected an https address",
                hint="GITHUB_API_URL names the API of GitHub",
            )
        self._token = token
        self._now = now
        self._timeout_s = timeout_s
        self._transport = transport
        # Epoch seconds by GitHub's own clock when it answered last; None before.
        self.dated_s: float | None = None

    def __repr__(self) -> str:
        return f"Api({self._url!r})"

    def close(self) -> None:
        if "_client" in self.__dict__:
            self._client.close()

    def get(self, path: str, **query: str | int) -> Any:
        return self._ask("GET", self._url + path, query=query)[0]

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._ask("POST", self._url + path, body=body)[0]

    def query(self, path: str, body: Mapping[str, Any]) -> tuple[Any, float | None]:
        """The answer of GraphQL, which tells what went wrong under status 200, and the wait that its headers then ask for."""
        subject, answer = self._exchange("POST", self._url + path, body=body)
        return _parsed(subject, answer), _asked_wait_s(answer, "")

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._ask("PATCH", self._url + path, body=body)[0]

    def delete(self, path: str) -> None:
        self._ask("DELETE", self._url + path)

    def pages(self, path: str) -> Iterator[Any]:
        """The entries of a list through all of its pages."""
        url, query = self._url + path, {"per_page": _PAGE}
        while url:
            entries, following = self._ask("GET", url, query=query)
            yield from entries
            # The next page's address holds its own query.
            url, query = following, {}

    @cached_property
    def _client(self) -> "httpx.Client":
        import httpx

        return httpx.Client(
            timeout=self._timeout_s,
            transport=self._transport,
            trust_env=not is_loopback(self._url),
            follow_redirects=True,
            event_hooks={"request": [self._refuse_strangers]},
            headers={
                "Accept": "application/vnd.github+json",
                "User-Agent": "gitops-bump",
                "X-GitHub-Api-Version": _VERSION,
            },
        )

    def _refuse_strangers(self, request: "httpx.Request") -> None:
        # A repository that was renamed is redirected to on the same host; pages stay there too.
        if (request.url.scheme, request.url.netloc.decode()) != (self._origin.scheme, self._origin.netloc):
            raise Unreachable(
                f"GitHub: {self._origin.netloc} leads to {request.url.host}, expected its own host"
            )

    def _ask(
        self,
        method: str,
        url: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> tuple[Any, str]:
        """The parsed answer, and the address of the next page (empty where there is none)."""
        subject, answer = self._exchange(method, url, query=query, body=body)
        following = _NEXT.search(answer.headers.get("link", ""))
        return _parsed(subject, answer), following[1] if following else ""

    def _exchange(
        self,
        method: str,
        url: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> tuple[str, Answer]:
        """What was asked, in words, and the answer to it where it is a good one."""
        import httpx

        subject = f"GitHub: {method} {urlsplit(url).path}"
        try:
            headers = {
                "Authorization": f"Bearer {self._token if isinstance(self._token, str) else self._token()}"
            }
            request = self._client.build_request(
                method, url, params=query or None, json=body, headers=headers
            )
            answer = self._read(subject, request)
        except httpx.TransportError as error:
            raise Transient(f"{subject}: {self._origin.netloc} cannot be reached: {_words(error)}") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(f"{subject}: {_words(error)}") from None
        if not 200 <= answer.status < 300:
            raise _refusal(subject, answer)
        return subject, answer

    def _read(self, subject: str, request: "httpx.Request") -> Answer:
        started_s = self._now()
        response = self._client.send(request, stream=True)
        content = b""
        try:
            for piece in response.iter_bytes():
                content += piece
                if len(content) > _MAX_ANSWER_BYTES:
                    raise Unreachable(f"{subject}: the answer is longer than {_MAX_ANSWER_BYTES} bytes")
                if self._now() - started_s > _ANSWER_LIMIT_S:
                    raise Transient(f"{subject}: the answer was not complete after {_ANSWER_LIMIT_S:.0f} s")
        finally:
            response.close()
        self.dated_s = _date_s(response.headers.get("date", ""))
        return Answer(response.status_code, dict(response.headers), content)


def _parsed(subject: str, answer: Answer) -> Any:
    try:
        return json.loads(answer.content) if answer.content else None
    except ValueError:
        raise Transient(f"{subject}: the answer is not JSON") from None


def _refusal(subject: str, answer: Answer) -> BumpError:
    code, words = answer.status, _message(answer)
    told = f"{subject}: {code} {words}".rstrip()
    wait_s = _asked_wait_s(answer, words)
    if code == 429 or (code == 403 and wait_s is not None):
        return Transient(f"{told}: rate limit", retry_after_s=wait_s or _SECONDARY_LIMIT_S)
    if code >= 500:
        return Transient(told, retry_after_s=wait_s)
    if code == 401:
        return Unknown(told, hint="the token is not valid for this API, or has expired")
    if code == 403:
        return NoAccess(told, hint=_permissions(subject, answer))
    if code in (404, 410):
        return Missing(told)
    return Invalid(told) if code == 422 else Unreachable(told)


def _permissions(subject: str, answer: Answer) -> str:
    """Which permission helps: in GitHub's own words where it says so, as it does to tokens with permissions of their own."""
    accepted = (
        printable(answer.headers.get("x-accepted-github-permissions", ""))
        .replace("=", ": ")
        .replace("_", "-")
    )
    for part, permission in _PERMISSIONS.items():
        if part in subject:
            return f"the job needs permissions: {accepted or permission}"
    return f"the job needs permissions: {accepted or 'pull-requests: write, contents: read'}"


def _asked_wait_s(answer: Answer, words: str) -> float | None:
    """How long GitHub wants us to wait, in the order in which its documentation says to look; None where it does not say."""
    headers = answer.headers
    if headers.get("retry-after", "").isdigit():
        return float(headers["retry-after"])
    if headers.get("x-ratelimit-remaining") == "0" and headers.get("x-ratelimit-reset", "").isdigit():
        # By GitHub's own clock: ours may differ.
        asked_s = _date_s(headers.get("date", ""))
        return (
            _SECONDARY_LIMIT_S if asked_s is None else max(1.0, float(headers["x-ratelimit-reset"]) - asked_s)
        )
    return _SECONDARY_LIMIT_S if "rate limit" in words.lower() else None


def _date_s(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None


def _message(answer: Answer) -> str:
    try:
        entry = json.loads(answer.content)
    except ValueError:
        return ""
    return printable(str(entry.get("message") or "")) if isinstance(entry, dict) else ""


def _words(error: Exception) -> str:
    return printable(str(error)) or type(error).__name__
