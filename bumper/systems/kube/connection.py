"""The connection to one API server as the user of one context: TLS, proxy, credentials, and who renews them.

Law: the sender of a request never sees a credential: what has expired or was refused is renewed here, once for all who wait for it.
Once the server has accepted us, a refusal counts as passing for a while: a server that starts, or a token that is being rotated,
refuses for some seconds. For one event loop.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from bumper.dataclasses import dataclass
from bumper.errors import NoAccess, Transient, Unreachable, UsageError
from bumper.ports.run import WallClock
from bumper.systems.http.client import Answer
from bumper.systems.http.content import ENCODINGS, Content
from bumper.systems.kube import credentials, tls
from bumper.systems.kube.config import Access
from bumper.systems.kube.credentials import Credential
from bumper.systems.kube.refusals import refusal, unreached

if TYPE_CHECKING:
    import httpcore
    import httpx


# A page of 500 objects is 5 MB or less; of a collection that can't be read page by page, ten times that.
MAX_ANSWER_BYTES = 64_000_000
_MAX_REFUSAL_BYTES = 1_000_000
# How long the end waits for what is being closed.
_LAST_WORDS_S = 0.2


@dataclass(frozen=True)
class Timeouts:
    """Seconds. `refusal_s` is how long a refusal is taken as passing after the server had accepted us. At the end the connections
    have `farewell_s` to close, and the loop `last_step_s`: what it still unpacks or parses is nobody's any more.
    """

    connect_s: float = 10.0
    answer_s: float = 20.0
    plugin_s: float = 60.0
    renewal_s: float = 1.0
    refusal_s: float = 30.0
    watch_s: float = 240.0
    first_pause_s: float = 0.2
    longest_pause_s: float = 4.0
    forbidden_s: float = 60.0
    poll_s: float = 5.0
    settle_s: float = 0.03
    farewell_s: float = 0.5
    last_step_s: float = 0.1


@dataclass(frozen=True)
class _Identity:
    access: Access
    credential: Credential
    client: "httpx.AsyncClient"


class Connection:
    """`reload` gives the access afresh, of the same context, since kubeconfig files are rewritten while we wait."""

    def __init__(
        self,
        access: Access,
        reload: Callable[[], Access],
        environ: Mapping[str, str],
        clock: WallClock,
        timeouts: Timeouts,
    ) -> None:
        self.name = access.name
        # What the server's clock showed in its last answer, as HTTP's `Date` writes it.
        self.date = ""
        self._access = access
        self._reload = reload
        self._environ = environ
        self._clock = clock
        self._timeouts = timeouts
        self._identity: _Identity | None = None
        self._clients: list[httpx.AsyncClient] = []
        self._sending: set[asyncio.Task[httpx.Response]] = set()
        self._dropping: set[asyncio.Task[None]] = set()
        self._renewing = asyncio.Lock()
        self._renewed_s = float("-inf")
        self._is_accepted = False
        self._refused_since_s: float | None = None

    async def aclose(self) -> None:
        """Ends what is on its way, and closes all connections."""
        for sending in self._sending:
            sending.cancel()
        for tasks in (self._sending, self._dropping):
            if tasks:
                await asyncio.wait(tasks, timeout=_LAST_WORDS_S)
        for client in self._clients:
            await client.aclose()

    async def read(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        *,
        change: Mapping[str, Any] | None = None,
        limit: int = MAX_ANSWER_BYTES,
    ) -> Answer:
        """The whole answer to an accepted request, of at most `limit` bytes and within `answer_s`; else as `exchange`."""
        async with self.exchange(method, path, query, change=change) as response:
            content = await self._content(response, limit)
            self.date = response.headers.get("date") or self.date
            return Answer(response.status_code, response.headers, content)

    @asynccontextmanager
    async def exchange(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        *,
        change: Mapping[str, Any] | None = None,
        idle_s: float | None = None,
    ) -> "AsyncIterator[httpx.Response]":
        """An accepted request (2xx) with its body still to be read; `change` is sent as JSON, with PATCH as a merge patch.

        Whole answers end within `answer_s`. With `idle_s` it is a stream, which has no end but is never silent for longer than that.
        Raises the errors of `refusals`, also for what breaks while the body is read.
        """
        import httpx

        timeout = httpx.Timeout(self._timeouts.connect_s, read=idle_s or self._timeouts.answer_s, pool=None)
        try:
            async with asyncio.timeout(None) as answer:
                headers = _headers(method, change, is_stream=bool(idle_s))
                response = await self._send(method, path, query, timeout, change, headers, answer)
                try:
                    if response.status_code >= 300:
                        body = self._scrubbed(await self._content(response, _MAX_REFUSAL_BYTES))
                        raise refusal(
                            self.name, response.status_code, response.headers, body, hint=self._access.remark
                        )
                    if idle_s:
                        answer.reschedule(None)
                    yield response
                finally:
                    await response.aclose()
        except httpx.RequestError as error:
            raise self._weighed(unreached(self._access, error)) from None
        except TimeoutError:
            raise Transient(
                f"{self.name}: {self._access.endpoint.server}: the answer was not complete after "
                f"{self._timeouts.connect_s + self._timeouts.answer_s:g} s"
            ) from None

    def _scrubbed(self, body: bytes) -> bytes:
        return self._identity.credential.scrub(body) if self._identity else body

    async def _content(self, response: "httpx.Response", limit: int) -> bytes:
        import httpx

        content = Content(self.name, response.headers, limit)
        # The stream itself: what httpx unpacks has no limit.
        assert isinstance(response.stream, httpx.AsyncByteStream), "an asynchronous client reads such streams"
        async for piece in response.stream:
            content.add(piece)
        return content.whole()

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        timeout: "httpx.Timeout",
        change: Mapping[str, Any] | None,
        headers: list[tuple[str, str]],
        answer: asyncio.Timeout,
    ) -> "httpx.Response":
        while True:
            identity = await self._current()
            request = identity.client.build_request(
                method,
                identity.access.endpoint.server + path,
                params=query,
                content=None if change is None else json.dumps(change).encode(),
                headers=[*identity.credential.headers(), *headers],
                timeout=timeout,
            )
            # A plugin that signs in has a limit of its own: only what the server takes counts here.
            answer.reschedule(
                asyncio.get_running_loop().time() + self._timeouts.connect_s + self._timeouts.answer_s
            )
            response = await self._head(identity.client, request, answer)
            if response.status_code != 401:
                self._is_accepted, self._refused_since_s = True, None
                return response
            await response.aclose()
            answer.reschedule(None)
            if not await self._renew(identity):
                raise self._weighed(
                    NoAccess(
                        f"{self.name}: the API server does not accept our credentials (401 Unauthorized)",
                        hint=self._access.remark
                        or "they have expired or are not for this cluster: log in again",
                    )
                )

    async def _head(
        self, client: "httpx.AsyncClient", request: "httpx.Request", answer: asyncio.Timeout
    ) -> "httpx.Response":
        """The answer up to its body. A caller that is cancelled leaves at once, the request goes on for as long as this takes.

        httpcore 1.0.9 keeps a connection for ever whose first request is cancelled right after the handshake.
        """
        sending = asyncio.ensure_future(_sent(client, request))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)
        try:
            return await asyncio.shield(sending)
        except asyncio.CancelledError:
            if answer.expired():
                # Long after any handshake: what still comes is a header that has no end.
                sending.cancel()
            else:
                sending.add_done_callback(self._drop)
            raise

    def _drop(self, sent: "asyncio.Task[httpx.Response]") -> None:
        if not sent.cancelled() and sent.exception() is None:
            closing = asyncio.ensure_future(sent.result().aclose())
            self._dropping.add(closing)
            closing.add_done_callback(self._dropping.discard)

    async def _current(self) -> _Identity:
        async with self._renewing:
            if self._identity is None or self._identity.credential.expires_s <= self._clock.now():
                self._identity = await self._identify()
            return self._identity

    async def _renew(self, refused: _Identity) -> bool:
        """Whether there is another identity now than the refused one."""
        async with self._renewing:
            if self._identity is not refused:
                return True
            now_s = self._clock.now()
            if now_s - self._renewed_s < self._timeouts.renewal_s:
                return False
            self._renewed_s = now_s
            self._access = self._reload()
            self._identity = await self._identify()
            return True

    async def _identify(self) -> _Identity:
        try:
            credential = await credentials.obtain(
                self._access, self._environ, self._clock, self._timeouts.plugin_s
            )
        except NoAccess as error:
            raise self._weighed(error) from None
        old = self._identity
        if (
            old
            and old.access.endpoint == self._access.endpoint
            and old.credential.certificate == credential.certificate
        ):
            return _Identity(self._access, credential, old.client)
        # The old client stays open until the end: watches may still run on it.
        return _Identity(self._access, credential, self._connect(credential))

    def _connect(self, credential: Credential) -> "httpx.AsyncClient":
        import httpx

        _forget_sniffio()
        endpoint = self._access.endpoint
        try:
            client = httpx.AsyncClient(
                verify=tls.context(endpoint, credential.certificate, self._environ),
                proxy=endpoint.proxy or None,
                trust_env=False,
                headers={"User-Agent": "bump", "Accept": "application/json"},
                # httpcore 1.0.9 counts the busy ones (watches) against those that are kept, too: each look would connect anew. How
                # many there are is bounded by who asks (`reading`, `feeds`).
                limits=httpx.Limits(
                    max_connections=None, max_keepalive_connections=None, keepalive_expiry=30.0
                ),
            )
        except (ImportError, ValueError, httpx.InvalidURL):
            # A proxy's address may hold a password: it is not shown. SOCKS needs a library that we do not bring.
            raise UsageError(f"{self.name}: the proxy cannot be used, expected http://HOST:PORT") from None
        self._clients.append(client)
        return client

    def _weighed(self, error: Unreachable) -> Unreachable:
        if not isinstance(error, NoAccess) or not self._is_accepted:
            return error
        now_s = self._clock.now()
        if self._refused_since_s is None:
            self._refused_since_s = now_s
        is_passing = now_s - self._refused_since_s < self._timeouts.refusal_s
        return Transient(error.message, hint=error.hint) if is_passing else error


def _forget_sniffio() -> None:
    """Notes once that there is no such module, which httpcore 1.0.9 looks for on the whole path at each of its steps, thirty times
    a look. None in `sys.modules` is how Python is told so (reference, "The module cache").
    """
    if "sniffio" not in sys.modules and find_spec("sniffio") is None:
        sys.modules["sniffio"] = cast(ModuleType, None)


async def _sent(client: "httpx.AsyncClient", request: "httpx.Request") -> "httpx.Response":
    """The answer up to its body. Who is cancelled closes the socket, which httpcore 1.0.9 loses in a TLS handshake."""
    in_handshake: list[httpcore.AsyncNetworkStream] = []

    async def note(event: str, details: Mapping[str, Any]) -> None:
        if event.endswith(".connect_tcp.complete"):
            in_handshake.append(details["return_value"])
        elif event.endswith(".start_tls.complete"):
            in_handshake.clear()

    request.extensions["trace"] = note
    try:
        return await client.send(request, stream=True)
    except asyncio.CancelledError:
        for stream in in_handshake:
            await stream.aclose()
        raise


def _headers(method: str, change: Mapping[str, Any] | None, *, is_stream: bool) -> list[tuple[str, str]]:
    # What is packed comes in blocks: an event of a stream would wait for the next ones.
    encoding = [("Accept-Encoding", "identity" if is_stream else ENCODINGS)]
    media_type = "application/merge-patch+json" if method == "PATCH" else "application/json"
    return encoding if change is None else [*encoding, ("Content-Type", media_type)]
