"""Requests to a peer and its whole answers, by httpx: what the systems have in common when they speak HTTP.

Law: an answer is read whole and within its limits, or it is an error. No redirect is followed unless that is asked for, and each step
of one is shown to `admit` before it is taken. Nobody's proxy stands before this machine itself. No cookie is kept. What httpx raises
ends here.
"""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from bumper.address import host_of, is_loopback
from bumper.dataclasses import dataclass, field
from bumper.errors import NoAccess, NotConnected, Transient, Unreachable, UsageError
from bumper.ports.deadline import left_s
from bumper.ports.threads import within
from bumper.safe_text import printable
from bumper.systems.http.certificates import trusting
from bumper.systems.http.content import ENCODINGS, Content

if TYPE_CHECKING:
    import httpx

_MAX_REDIRECTS = 10
_SHOWN_CHARACTERS = 300


@dataclass(frozen=True)
class Limits:
    """What a peer may take: bytes of an unpacked body, seconds for the whole answer, and for each wait (to connect, for a piece)."""

    content_bytes: int
    answer_s: float
    wait_s: float


@dataclass(frozen=True)
class Answer:
    """One HTTP response, read to its end. Names of headers are in lower case, `url` is where it came from after all redirects."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    url: str = ""


@dataclass(frozen=True)
class Question:
    """What is sent. `query` is added to what the URL has; `body` is sent as JSON, `form` as a form, `content` as it is.

    `spare_s` of the time that there is is left to whoever asks.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str | int] = field(default_factory=dict)
    body: Any = field(default=None, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    content: bytes | None = field(default=None, repr=False)
    follows_redirects: bool = False
    spare_s: float = 0.0


class Garbled(Transient):
    """What came is no HTTP, or broke off; the message quotes it."""


class NoTls(NotConnected):
    """Whoever takes the connection speaks no TLS that we speak."""


class Late(Transient):
    """No whole answer came within the limits."""


class Client:
    """Connections to the peers of one system, which several threads may ask at once. `now` is monotonic seconds; `transport` replaces
    httpx's own.

    Once it is closed, or whoever waits is interrupted, no wait goes on and nothing is sent any more. `environ` may name the
    authorities that are trusted. `admit` is given each address before it is asked, and raises where nothing may
    be sent there.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        now: Callable[[], float],
        environ: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        admit: Callable[[str], None] = lambda url: None,
        transport: "httpx.BaseTransport | None" = None,
    ) -> None:
        self._limits = limits
        self._now = now
        self._environ = environ
        self._headers = {"Accept-Encoding": ENCODINGS, **(headers or {})}
        self._admit = admit
        self._transport = transport
        self._idle: list[_Connections] = []
        self._all: list[_Connections] = []
        self._opening = threading.Lock()
        self._is_closed = False

    def close(self) -> None:
        """Ends all connections, and every wait on them. It cannot be asked any more."""
        with self._opening:
            self._is_closed = True
            self._idle.clear()
            connections, self._all = self._all, []
        for each in connections:
            each.close()

    def ask(self, subject: str, question: Question) -> Answer:
        """The peer's whole answer, whatever its status. `subject` begins the message of every error.

        `NotConnected` where nobody takes a connection, `Transient` where no whole answer came, `NoAccess` for a certificate that is
        not trusted, `Unreachable` for what will not heal.
        """
        is_over = threading.Event()
        limit_s = max(0.0, left_s(self._limits.answer_s) - question.spare_s)
        connections = self._lent()
        with _translated(subject, question.url):
            try:
                return within(
                    limit_s,
                    lambda: self._asked(subject, question, connections, is_over, limit_s),
                    host_of(question.url),
                )
            except (TimeoutError, KeyboardInterrupt) as error:
                is_over.set()
                connections.sockets.shut()
                if isinstance(error, KeyboardInterrupt):
                    raise
                raise _late(subject, limit_s) from None
            finally:
                self._idle.append(connections)

    def _lent(self) -> "_Connections":
        """Those that were used last: they are the likeliest to be open still."""
        with self._opening:
            if self._is_closed:
                # What would be opened now nobody would close.
                raise RuntimeError("the client is closed")
            if self._idle:
                return self._idle.pop()
            connections = _Connections(self._connected)
            self._all.append(connections)
            return connections

    def _asked(
        self,
        subject: str,
        question: Question,
        connections: "_Connections",
        is_over: threading.Event,
        limit_s: float,
    ) -> Answer:
        ends_s = self._now() + limit_s
        connections.client(question.url)
        request = _request(question, connections.headers)
        for _ in range(_MAX_REDIRECTS):
            # As httpx reads it: whoever admits an address sees the one that is asked.
            url = str(request.url)
            self._admit(url)
            request.extensions["trace"] = partial(connections.sockets.note, is_over)
            response = connections.client(url).send(request, stream=True)
            try:
                if not (question.follows_redirects and response.next_request):
                    content = self._read(subject, response, ends_s, limit_s)
                    return Answer(response.status_code, dict(response.headers), content, url)
                request = response.next_request
            finally:
                response.close()
        raise Unreachable(f"{subject}: more than {_MAX_REDIRECTS} redirects")

    def _read(self, subject: str, response: "httpx.Response", ends_s: float, limit_s: float) -> bytes:
        import httpx

        content = Content(subject, response.headers, self._limits.content_bytes)
        # The stream itself: what httpx unpacks has no limit.
        assert isinstance(response.stream, httpx.SyncByteStream), (
            "a client that waits reads streams that wait"
        )
        for piece in response.stream:
            content.add(piece)
            if self._now() > ends_s:
                raise _late(subject, limit_s)
        return content.whole()

    def _connected(self, *, is_here: bool) -> "httpx.Client":
        import httpx

        try:
            return _without_cookies()(
                timeout=self._limits.wait_s,
                transport=self._transport,
                verify=trusting(self._environ or {}),
                trust_env=not is_here,
                follow_redirects=False,
                headers=self._headers,
            )
        except (ImportError, ValueError, httpx.InvalidURL):
            # A proxy's address may hold a password: it is not shown. SOCKS needs a library that we do not bring.
            raise UsageError(
                "the proxy that the environment names cannot be used, expected http://HOST:PORT",
                hint="see HTTPS_PROXY, HTTP_PROXY and ALL_PROXY",
            ) from None


@cache
def _without_cookies() -> "type[httpx.Client]":
    """A client that keeps no cookie, and looks for none: that is an eighth of a request."""
    import httpx

    class NoCookies(httpx.Cookies):
        def extract_cookies(self, response: httpx.Response) -> None:
            return

    none = NoCookies()

    class CookielessClient(httpx.Client):
        @property  # type: ignore[misc]  # nobody sets them
        def cookies(self) -> httpx.Cookies:
            return none

    return CookielessClient


class _Connections:
    """What one question at a time goes over. Questions that are asked at once have connections of their own: httpcore looks through
    all that it keeps, and at the socket of each that is idle, before and after every request.

    `connected` opens a client for this machine itself, or for others.
    """

    def __init__(self, connected: "Callable[..., httpx.Client]") -> None:
        self._connected = connected
        self._clients: dict[bool, httpx.Client] = {}
        self._opening = threading.Lock()
        self._is_closed = False
        self.sockets = _Sockets()
        # What goes along with every question, by the names in lower case.
        self.headers: dict[str, tuple[str, str]] = {}

    def client(self, url: str) -> "httpx.Client":
        is_here = is_loopback(url)
        with self._opening:
            if self._is_closed:
                raise RuntimeError("the client is closed")
            if is_here not in self._clients:
                client = self._clients[is_here] = self._connected(is_here=is_here)
                named = [(name.decode(), value.decode()) for name, value in client.headers.raw]
                self.headers = {name.lower(): (name, value) for name, value in named}
            return self._clients[is_here]

    def close(self) -> None:
        """Ends them, and every wait on them."""
        self.sockets.end()
        with self._opening:
            self._is_closed = True
        for client in self._clients.values():
            client.close()


class _Sockets:
    """The connections that httpx opened and has not closed, as its documentation's `trace` extension tells of them."""

    def __init__(self) -> None:
        self._streams: list[Any] = []
        self._changing = threading.Lock()
        self._is_ended = False

    def note(self, is_over: threading.Event, event: str, details: Mapping[str, Any]) -> None:
        if (is_over.is_set() or self._is_ended) and event.endswith(".send_request_headers.started"):
            # Whoever asked has gone on, and may ask again: nothing is sent any more.
            raise TimeoutError(event)
        stream = details.get("return_value")
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")) and stream is not None:
            with self._changing:
                # Who asks for hours opens a connection for each question that comes late after the one before.
                self._streams = [each for each in self._streams if _socket_of(each).fileno() >= 0]
                self._streams.append(stream)

    def shut(self) -> None:
        """Ends every wait on them at once. They are shut, not closed: the thread that reads from one is to find out by itself."""
        with self._changing:
            streams, self._streams = self._streams, []
        for stream in streams:
            # That of the socket itself: TLS's own would first go on without TLS, and somebody may be about to send.
            with suppress(OSError):
                socket.socket.shutdown(_socket_of(stream), socket.SHUT_RDWR)

    def end(self) -> None:
        """The same, and nothing is sent on a connection that opens afterwards: whoever opened it closes it again."""
        self._is_ended = True
        self.shut()


def _socket_of(stream: Any) -> socket.socket:
    connection: socket.socket = stream.get_extra_info("socket")
    return connection


def _late(subject: str, limit_s: float) -> Late:
    return Late(f"{subject}: the answer was not complete after {round(limit_s, 1):g} s")


def _request(question: Question, defaults: Mapping[str, tuple[str, str]]) -> "httpx.Request":
    """What httpx's client would build of it, without its merging of headers, cookies and parameters one by one."""
    import httpx

    headers = {**defaults, **{name.lower(): (name, value) for name, value in question.headers.items()}}
    # An address may have a query of its own, which httpx's `params` would replace.
    url = httpx.URL(question.url)
    return httpx.Request(
        question.method,
        url.copy_merge_params(dict(question.query)) if question.query else url,
        headers=[*headers.values()],
        json=question.body,
        data=question.form,
        content=question.content,
    )


@contextmanager
def _translated(subject: str, url: str) -> Iterator[None]:
    """Turns what httpx raises into our errors."""
    import httpx

    try:
        yield
    except (httpx.LocalProtocolError, UnicodeEncodeError):
        # Its text would show the header.
        raise Unreachable(
            f"{subject}: the request cannot be sent to {host_of(url)}",
            hint="a token or a password holds a line end, or letters that are not ASCII",
        ) from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _failure(subject, host_of(url), error) from None


def _failure(subject: str, host: str, error: Exception) -> Unreachable:
    import httpx

    reason = printable(str(error))[:_SHOWN_CHARACTERS] or type(error).__name__
    if is_untrusted(error):
        return untrusted(subject, host, reason)
    if isinstance(error, httpx.TimeoutException):
        return Late(f"{subject}: {host} cannot be reached: {reason}")
    if _comes_from(error, ssl.SSLError):
        return NoTls(f"{subject}: {host} speaks no TLS that we speak: {reason}")
    if isinstance(error, httpx.ConnectError):
        return NotConnected(f"{subject}: {host} cannot be reached: {reason}")
    if isinstance(error, httpx.RemoteProtocolError):
        return Garbled(f"{subject}: {host} cannot be reached: {reason}")
    if isinstance(error, httpx.TransportError):
        return Transient(f"{subject}: {host} cannot be reached: {reason}")
    return Unreachable(f"{subject}: {host} leads nowhere: {reason}")


def untrusted(subject: str, host: str, reason: str) -> NoAccess:
    """The error for a certificate that is not trusted."""
    return NoAccess(
        f"{subject}: {host} is not trusted: {reason}",
        hint="name its certificate authority with SSL_CERT_FILE=FILE",
    )


def is_untrusted(error: BaseException | None) -> bool:
    """Whether a certificate that no authority vouches for is what this error comes from."""
    return _comes_from(error, ssl.SSLCertVerificationError)


def _comes_from(error: BaseException | None, kind: type[BaseException]) -> bool:
    while error is not None:
        if isinstance(error, kind):
            return True
        error = error.__cause__ or error.__context__
    return False
