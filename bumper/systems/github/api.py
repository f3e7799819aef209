"""One conversation with GitHub's REST API, by httpx.

Law: the token goes to the API's own origin and nowhere else, never without TLS but on loopback. What GitHub asks us to wait is handed
on in Transient and never slept here.

A token is a text, or a `Token` that is called for each request: its owner renews a token that expires (`app.App.token`).
Source: GitHub's documentation, "Rate limits for the REST API" and "Best practices for using the REST API".
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bumper.address import host_of, may_carry_credentials, origin
from bumper.dataclasses import replace
from bumper.errors import BumpError, NoAccess, Transient, Unreachable, UsageError
from bumper.safe_text import printable
from bumper.systems.http.client import Answer, Client, Limits, Question
from bumper.systems.http.document import expect_object, expect_objects, parse, parse_object
from bumper.systems.http.headers import date_s, meant, next_page, number, retry_after_s
from bumper.systems.http.paging import Pages

if TYPE_CHECKING:
    import httpx

# Called for each request (and for each call of git that goes to the network); may raise a BumpError.
Token = Callable[[], str]

_VERSION = "2022-11-28"
_PAGE = 100
_MAX_ANSWER_BYTES = 20_000_000
# "If no header tells how long: wait for at least one minute."
_SECONDARY_LIMIT_S = 60.0
_ANSWER_LIMIT_S = 30.0
_PERMISSIONS = {"/deployments": "deployments: write", "/statuses/": "statuses: write"}


class Unknown(NoAccess):
    """401: GitHub does not know the token."""


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
        environ: Mapping[str, str] | None = None,
        transport: "httpx.BaseTransport | None" = None,
    ) -> None:
        self._url = url.rstrip("/")
        if not may_carry_credentials(self._url):
            raise UsageError(
                f"{_without_user(self._url)}: no token is sent there, expected an https address",
                hint="GITHUB_API_URL names the API of GitHub",
            )
        self._token = token
        self._now = now
        self._client = Client(
            Limits(_MAX_ANSWER_BYTES, _ANSWER_LIMIT_S, timeout_s),
            now=now,
            environ=environ,
            headers={
                "Accept": "application/vnd.github+json",
                "User-Agent": "gitops-bump",
                "X-GitHub-Api-Version": _VERSION,
            },
            admit=self._refuse_strangers,
            transport=transport,
        )
        # Epoch seconds by GitHub's own clock when it answered last; None before.
        self.dated_s: float | None = None

    def __repr__(self) -> str:
        return f"Api({self._url!r})"

    def close(self) -> None:
        """Closes the connections, if any were opened."""
        self._client.close()

    def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """The object that stands there. All of these raise Missing, Invalid, NoAccess, Unreachable, or Transient for what may heal."""
        return self._object(Question("GET", self._url + path, query=query))

    def entries(self, path: str, **query: str | int) -> list[dict[str, Any]]:
        """The objects of a list, of its first page alone; raises as `get` does."""
        subject, answer = self._exchange(Question("GET", self._url + path, query=query))
        return expect_objects(subject, _parsed(subject, answer))

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The object that is answered; raises as `get` does."""
        return self._object(Question("POST", self._url + path, body=body))

    def query(self, path: str, body: Mapping[str, Any]) -> tuple[Any, float | None]:
        """The answer of GraphQL, which tells what went wrong under status 200, and the wait that its headers then ask for."""
        subject, answer = self._exchange(Question("POST", self._url + path, body=body))
        return _parsed(subject, answer), _asked_wait_s(answer, "")

    def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The object that is answered; raises as `get` does."""
        return self._object(Question("PATCH", self._url + path, body=body))

    def delete(self, path: str) -> None:
        """Deletes what is at `path`; raises as `get` does."""
        self._exchange(Question("DELETE", self._url + path))

    def pages(self, path: str) -> Iterator[dict[str, Any]]:
        """The entries of a list through all of its pages."""
        question = Question("GET", self._url + path, query={"per_page": _PAGE})
        pages = Pages(_subject(question), self._now)
        while question.url:
            pages.turn(question.url)
            subject, answer = self._exchange(question)
            yield from expect_objects(subject, _parsed(subject, answer))
            # The next page's address holds its own query.
            question = Question("GET", next_page(answer.headers))

    def _object(self, question: Question) -> dict[str, Any]:
        subject, answer = self._exchange(question)
        return expect_object(subject, _parsed(subject, answer))

    def _refuse_strangers(self, url: str) -> None:
        # A repository that was renamed is redirected to on the same host; pages stay there too.
        if origin(url) != origin(self._url):
            raise Unreachable(f"GitHub: {host_of(self._url)} leads to {host_of(url)}, expected its own host")

    def _exchange(self, question: Question) -> tuple[str, Answer]:
        """What was asked, as a phrase, and the answer to it where it is a good one."""
        subject = _subject(question)
        token = self._token if isinstance(self._token, str) else self._token()
        headers = {"Authorization": f"Bearer {token}"}
        answer = self._client.ask(subject, replace(question, headers=headers, follows_redirects=True))
        self.dated_s = date_s(answer.headers)
        if not 200 <= answer.status < 300:
            raise _refusal(subject, answer)
        return subject, answer


def _subject(question: Question) -> str:
    return f"GitHub: {question.method} {urlsplit(question.url).path}"


def _without_user(url: str) -> str:
    scheme, separator, _ = url.partition("://")
    return f"{scheme}{separator}{host_of(url)}" if separator else printable(url)


def _parsed(subject: str, answer: Answer) -> Any:
    try:
        return parse(answer.content) if answer.content else None
    except ValueError:
        raise Transient(f"{subject}: the answer is not JSON") from None


def _refusal(subject: str, answer: Answer) -> BumpError:
    code, reason = answer.status, _message(answer)
    message = f"{subject}: {code} {reason}".rstrip()
    wait_s = _asked_wait_s(answer, reason)
    if code == 429 or (code == 403 and wait_s is not None):
        return Transient(f"{message}: rate limit", retry_after_s=wait_s or _SECONDARY_LIMIT_S)
    if code >= 500:
        return Transient(message, retry_after_s=wait_s)
    if code == 401:
        return Unknown(message, hint="the token is not valid for this API, or has expired")
    if code == 403:
        return NoAccess(message, hint=_permissions(subject, answer))
    if code in (404, 410):
        return Missing(message)
    return Invalid(message) if code == 422 else Unreachable(message)


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


def _asked_wait_s(answer: Answer, message: str) -> float | None:
    """How long GitHub wants us to wait, in the order in which its documentation says to look; None where it does not say."""
    headers = answer.headers
    wish_s = retry_after_s(headers)
    if wish_s is not None:
        return wish_s
    reset_s = number(headers.get("x-ratelimit-reset", ""))
    if headers.get("x-ratelimit-remaining") == "0" and reset_s is not None:
        # By GitHub's own clock: ours may differ.
        asked_s = date_s(headers)
        wish_s = None if asked_s is None else meant(reset_s - asked_s)
        return _SECONDARY_LIMIT_S if wish_s is None else max(1.0, wish_s)
    return _SECONDARY_LIMIT_S if "rate limit" in message.lower() else None


def _message(answer: Answer) -> str:
    entry = parse_object(answer.content) or {}
    return printable(str(entry.get("message") or ""))
