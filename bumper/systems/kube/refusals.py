"""The API server's refusals, and what stands between it and us, as errors of ours.

Law: by status and reason, never by a text. 404 has two meanings: a `Status` for an object that is not there, a plain text for a whole
API that is not there (recorded from Kubernetes 1.35).
"""

import os
import shlex
import ssl
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bumper.errors import NoAccess, Transient, Unreachable
from bumper.safe_text import printable
from bumper.systems.http.document import parse_object
from bumper.systems.http.headers import retry_after_s
from bumper.systems.kube.config import Access

if TYPE_CHECKING:
    import httpx

_SHOWN_CHARACTERS = 300


class Missing(Unreachable):
    """404. `is_api`: not the object but its kind, or its version, is not there."""

    def __init__(self, message: str, *, is_api: bool) -> None:
        super().__init__(message)
        self.is_api = is_api


class Forbidden(NoAccess):
    """403: known, but not allowed to do this."""


class Gone(Unreachable):
    """410: the version asked for is no longer kept."""


def refusal(
    name: str, status: int, headers: Mapping[str, str], content: bytes, *, hint: str = ""
) -> Unreachable:
    """The error for an answer of 300 or more, other than 401. `name` is the context's, `hint` what else to say of who we are."""
    answer = _status(content)
    text = printable(str(answer.get("message") or "") or content.decode(errors="replace"))[:_SHOWN_CHARACTERS]
    reason = f"{name}: {text or 'no reason given'}"
    if status == 403:
        return Forbidden(reason, hint=hint)
    if status == 404:
        return Missing(reason, is_api=not answer)
    if status == 410:
        return Gone(reason)
    if status == 429 or status >= 500:
        message = f"{name}: the API server answered {status}: {text}".rstrip(": ")
        return Transient(message, retry_after_s=retry_after_s(headers))
    if status < 400:
        return NoAccess(f"{name}: answered {status}, a redirect", hint="is the server a Kubernetes API?")
    return NoAccess(f"{reason} ({status})")


def unreached(access: Access, error: "httpx.RequestError") -> Unreachable:
    """The error for a request that got no answer, or only a part of it."""
    import httpx

    place = f"{access.name}: {access.endpoint.server}"
    causes = list(_causes(error))
    unverified = next((cause for cause in causes if isinstance(cause, ssl.SSLCertVerificationError)), None)
    if unverified:
        return NoAccess(
            f"{place}: its certificate is not trusted: {unverified.verify_message}",
            hint="see certificate-authority and tls-server-name in the kubeconfig",
        )
    # A context of somebody's kubeconfig that is behind a VPN, asleep or gone.
    context = "" if access.is_pod else f" --context {shlex.quote(access.name)}"
    hint = f"see whether it is up and can be reached from here: kubectl get --raw /readyz{context}"
    if isinstance(error, httpx.ConnectTimeout):
        return Transient(f"{place}: no connection in time", hint=hint)
    if isinstance(error, httpx.TimeoutException):
        return Transient(f"{place}: no answer in time")
    reason = next(filter(None, map(_reason, reversed(causes))), None)
    return Transient(
        f"{place}: {reason or str(error) or 'the connection broke'}",
        hint=hint if isinstance(error, httpx.ConnectError) else "",
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            yield from _causes(error.exceptions[0])
        error = error.__cause__ or error.__context__


def _reason(error: BaseException) -> str:
    if not isinstance(error, OSError):
        return ""
    # asyncio writes a text of its own over that of the system; numbers below 1 are those of the resolver.
    is_of_system = (error.errno or 0) > 0 and not isinstance(error, ssl.SSLError)
    return os.strerror(error.errno or 0) if is_of_system else error.strerror or ""


def _status(content: bytes) -> Mapping[str, Any]:
    """The `Status` object that came, or nothing where it was something else."""
    answer = parse_object(content) or {}
    return answer if answer.get("kind") == "Status" else {}
