"""An API server for the odd cases: it answers what the test says, over TLS that the test chooses, and keeps what it was asked."""

import contextlib
import json
import queue
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from systems.kube.certificates import authority

RECORDED = Path(__file__).parents[2] / "data" / "api"
TOKEN = "the-token-of-this-test"


@dataclass(frozen=True)
class Request:
    """What was asked. `subject` is the common name of the client's certificate."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    subject: str

    @property
    def token(self) -> str:
        return self.headers.get("authorization", "").partition(" ")[2]


class Stream:
    """The body of a watch, written by the test while it runs."""

    def __init__(self) -> None:
        self._parts: queue.Queue[bytes | None] = queue.Queue()
        self.is_cut = False

    def send(self, event_type: str, obj: Mapping[str, Any]) -> None:
        """One event on a line of its own, as Go's encoder writes it: other characters than ASCII stay as they are."""
        self.write(json.dumps({"type": event_type, "object": obj}, ensure_ascii=False).encode() + b"\n")

    def write(self, content: bytes) -> None:
        self._parts.put(content)

    def end(self) -> None:
        """As the server does after `timeoutSeconds`."""
        self._parts.put(None)

    def cut(self) -> None:
        """As a broken connection does: without the end that HTTP wants."""
        self.is_cut = True
        self._parts.put(None)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._parts.get, None)


@dataclass
class Answer:
    """`body` is sent as JSON unless it is bytes; a `Stream` is sent in chunks until it ends."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


def recorded(name: str) -> Answer:
    """What a real API server answered, from `tests/data/api`: status, type and body."""
    head, _, body = (RECORDED / f"api.{name}.txt").read_bytes().partition(b"\n\n\n")
    lines = head.decode().splitlines()
    headers = dict(line.split(": ", 1) for line in lines[2:])
    return Answer(int(lines[1].removeprefix("HTTP ")), body, {"Content-Type": headers["Content-Type"]})


class Server:
    """Serves from `with` to its end. `answer` may be replaced at any time."""

    def __init__(self, answer: Callable[[Request], Answer], *hosts: str, tls: bool = True) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self.failures: list[BaseException] = []
        self._streams: list[Stream] = []
        self._server = _Server(self, _server_context(*hosts or ("127.0.0.1",)) if tls else None)
        self.port = self._server.server_address[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for stream in self._streams:
            stream.cut()
        self._server.shutdown()
        self._server.drop_connections()
        self._thread.join()
        self._server.server_close()
        if self.failures:
            raise self.failures[0]

    def drop_connections(self) -> None:
        """Breaks every connection, as a crash of the server does."""
        self._server.drop_connections()

    def take(self, request: Request) -> Answer:
        self.requests.append(request)
        answer = self.answer(request)
        if isinstance(answer.body, Stream):
            self._streams.append(answer.body)
        return answer


def _server_context(*hosts: str) -> ssl.SSLContext:
    certificate, key = authority().issue("server", *hosts)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=authority().pem.decode())
    _load_chain(context, certificate + key)
    return context


def _load_chain(context: ssl.SSLContext, chain: bytes) -> None:
    import tempfile

    with tempfile.NamedTemporaryFile() as file:
        file.write(chain)
        file.flush()
        context.load_cert_chain(file.name)


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 64

    def __init__(self, owner: Server, context: ssl.SSLContext | None) -> None:
        self.owner = owner
        self._context = context
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Connection)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, peer = super().get_request()
        if self._context:
            connection = self._context.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        self._connections.add(connection)
        return connection, peer

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def drop_connections(self) -> None:
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        import sys

        error = sys.exc_info()[1]
        if error and not isinstance(error, OSError):
            self.owner.failures.append(error)


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body are two writes: with it on, the second waits 40 ms for the first to be acknowledged.
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        target = urlsplit(self.path)
        server: Any = self.server
        request = Request(
            self.command,
            target.path,
            dict(parse_qsl(target.query)),
            {key.lower(): value for key, value in self.headers.items()},
            self.rfile.read(int(self.headers.get("Content-Length") or 0)),
            _subject(self.connection),
        )
        answer = server.owner.take(request)
        self.send_response_only(answer.status)
        for key, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(key, value)
        if isinstance(answer.body, Stream):
            self._stream(answer.body)
            return
        content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_PATCH = do_GET

    def _stream(self, stream: Stream) -> None:
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in stream:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.close_connection = stream.is_cut
        if not stream.is_cut:
            self.wfile.write(b"0\r\n\r\n")


def _subject(connection: socket.socket) -> str:
    peer: Any = connection.getpeercert() if isinstance(connection, ssl.SSLSocket) else None
    return str(dict(pair[0] for pair in (peer or {}).get("subject", ())).get("commonName", ""))


class Proxy:
    """An HTTP proxy that knows CONNECT. `targets` are what it was asked for."""

    def __init__(self) -> None:
        self.targets: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = False
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        targets = self.targets

        class Tunnel(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:
                pass

            def do_CONNECT(self) -> None:
                targets.append(self.path)
                host, _, port = self.path.rpartition(":")
                with socket.create_connection((host, int(port))) as beyond:
                    self.send_response_only(200)
                    self.end_headers()
                    _join(self.connection, beyond)

        return Tunnel


def _join(client: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            for ready in select.select([client, other], [], [])[0]:
                content = ready.recv(65536)
                if not content:
                    return
                (other if ready is client else client).sendall(content)


def accepting(*tokens: str) -> Callable[[Request], Answer]:
    """Answers a pod to whoever shows one of the tokens, or a certificate of `alice`; 401 to anyone else."""

    def answer(request: Request) -> Answer:
        known = request.token in tokens or request.subject == "alice"
        return Answer(body={"kind": "Pod", "metadata": {"name": "web"}}) if known else recorded("401")

    return answer
