"""One conversation with GitHub's GraphQL API.

Law: errors are told apart by the `type` that GitHub gives them, and an answer that holds an error is no answer: nothing of its data is
used. What may have been done all the same (no answer, 5xx, "Something went wrong") is Transient, and the caller that wrote must look.
Source: GitHub's GraphQL schema (npm `@octokit/graphql-schema`), to which each request and answer of the tests is held, and
"Rate limits and query limits for the GraphQL API". The types of errors stand in no document: those here were met in public issues.
"""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import urlsplit

from bumper.address import repository_name
from bumper.dataclasses import dataclass
from bumper.errors import BumpError, NoAccess, Transient, Unreachable, UsageError
from bumper.safe_text import printable
from bumper.systems.github.api import Api
from bumper.systems.http.document import Shape, expect_objects, shaped

if TYPE_CHECKING:
    import httpx

_PUBLIC_SERVER = "https://github.com"
_PUBLIC_API = "https://api.github.com"
_OPERATION = re.compile(r"(?:query|mutation) (\w+)")
_RATE_LIMITS = {"RATE_LIMITED", "RATE_LIMIT"}
# Errors without a type come from GitHub's own failures: "Something went wrong while executing your query …".
_FAILURES = {"", "INTERNAL", "SERVICE_UNAVAILABLE", "TIMEOUT"}
# "If no header tells how long: wait for at least one minute."
_RATE_LIMIT_S = 60.0
PERMISSIONS = "BUMP_TOKEN must be valid and have the permissions contents: write and pull-requests: write on this repository"


class Declined(Unreachable):
    """GitHub understood, and says no. `kind` is its own word for why (STALE_DATA, FORBIDDEN …), `reason` its sentence."""

    def __init__(self, message: str, kind: str, reason: str) -> None:
        super().__init__(message, hint=PERMISSIONS if kind in ("FORBIDDEN", "INSUFFICIENT_SCOPES") else "")
        self.kind = kind
        self.reason = reason


class Operation(NamedTuple):
    """A query or mutation with a name, and the shape of its data as far as it is read."""

    text: str
    answer: Mapping[str, Shape]


@dataclass(frozen=True)
class Home:
    """Where a repository is at home: its `owner/name`, and the address of the GraphQL API that serves it."""

    name: str
    graphql_url: str

    @classmethod
    def find(cls, url: str, server_url: str = _PUBLIC_SERVER, api_url: str = _PUBLIC_API) -> Self:
        """The home of the repository at this git URL: on this server, or on github.com; UsageError where it is elsewhere."""
        for candidate, api in ((server_url, api_url), (_PUBLIC_SERVER, _PUBLIC_API)):
            host = repository_name(f"{candidate}/owner/name").removesuffix("owner/name")
            name = repository_name(url)
            if host and name.startswith(host) and name.count("/") == 2:
                return cls(name.removeprefix(host), graphql_url(api))
        raise UsageError(
            f"{url}: found no repository of {urlsplit(server_url).netloc}, expected one where commits are made by GitHub's API",
            hint="--commit-via git pushes to any host; for an Enterprise Server set GITHUB_SERVER_URL and GITHUB_API_URL",
        )


def graphql_url(api_url: str) -> str:
    """`https://api.github.com/graphql`, or `https://HOST/api/graphql` of an Enterprise Server, whose REST API ends with /v3."""
    return api_url.rstrip("/").removesuffix("/v3") + "/graphql"


class GraphQL:
    """Named operations in, their data out. Nothing is retried here."""

    def __init__(
        self,
        url: str,
        *,
        token: str | Callable[[], str],
        now: Callable[[], float],
        timeout_s: float = 30.0,
        environ: Mapping[str, str] | None = None,
        transport: "httpx.BaseTransport | None" = None,
    ) -> None:
        origin, _, self._path = url.rpartition("/")
        self._path = f"/{self._path}"
        self._api = Api(
            origin, token=token, now=now, timeout_s=timeout_s, environ=environ, transport=transport
        )

    def close(self) -> None:
        """Closes the connections."""
        self._api.close()

    def ask(self, operation: Operation, **variables: Any) -> dict[str, Any]:
        """The data of one operation; Declined, NoAccess or Transient for the first error in the answer."""
        match = _OPERATION.search(operation.text)
        assert match, "an operation has a name: errors are told by it"
        subject = f"GitHub: {match[1]}"
        try:
            answer, wait_s = self._api.query(
                self._path, {"query": operation.text, "operationName": match[1], "variables": variables}
            )
        except NoAccess as error:
            raise NoAccess(error.message, hint=PERMISSIONS) from None
        if not isinstance(answer, dict):
            raise Transient(f"{subject}: the answer is no object")
        errors = expect_objects(f"{subject}: errors", answer.get("errors") or [])
        if errors:
            raise _error(subject, errors, wait_s)
        data: dict[str, Any] = shaped(f"{subject}: data", answer.get("data"), operation.answer)
        return data


def _error(subject: str, errors: list[dict[str, Any]], wait_s: float | None) -> BumpError:
    kind = str(errors[0].get("type") or "")
    reason = "; ".join(
        dict.fromkeys(printable(" ".join(str(error.get("message") or "").split())) for error in errors)
    )
    message = f"{subject}: {reason}"
    if kind in _RATE_LIMITS or "secondary rate limit" in reason.lower():
        return Transient(f"{message}: rate limit", retry_after_s=wait_s or _RATE_LIMIT_S)
    if kind == "NOT_FOUND":
        # GitHub answers so to a token that may not know what is there, too.
        return NoAccess(message, hint=PERMISSIONS)
    if kind in _FAILURES:
        return Transient(message, retry_after_s=wait_s)
    return Declined(message, kind, reason)
