"""Smart HTTP around `git http-backend`: every coding of bodies that git uses, a token, faults, and an end that leaves nothing."""

import base64
import binascii
import hmac
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import unquote, urlsplit

_CHUNK = 1 << 16
_PLAIN = {"Content-Type": "text/plain"}


@dataclass
class Faults:
    """What goes wrong, until it is set back. Change it while the server runs."""

    outage: bool = False  # every request is answered 503
    delay_s: float = 0.0  # every answer comes that much later
    lost_push_answers: int = 0  # so many pushes are accepted, and the connection is cut instead of the answer


@dataclass(frozen=True)
class Request:
    """One request as it was answered. `status` is 0 where the connection was cut; `sent` counts the bytes of the answer's body."""

    method: str
    target: str
    status: int
    sent: int


class GitHTTP(ThreadingHTTPServer):
    """Serves the repositories below `root`. `environ` is the environment of git, `settings` its configuration for all of them."""

    # Every thread is joined when the server closes; `abort` sees to it that none of them waits for its client.
    daemon_threads = False
    request_queue_size = 128

    def __init__(
        self,
        root: Path,
        token: str,
        environ: Mapping[str, str],
        settings: Mapping[str, str],
        faults: Faults,
        address: str = "127.0.0.1",
    ) -> None:
        super().__init__((address, 0), _Handler)
        self.requests: list[Request] = []
        self.accepted = 0
        self.faults = faults
        self.stopping = threading.Event()
        self._root = root
        self._token = token
        self.knows: Callable[[str], bool] = lambda _: False
        self._environ = environ
        self._settings = settings
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._processes: set[subprocess.Popen[bytes]] = set()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        with self._lock:
            self._connections.add(connection)
            self.accepted += 1
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of clients that went away; everything else is a bug and is shown."""
        if not isinstance(sys.exc_info()[1], ConnectionError) and not self.stopping.is_set():
            super().handle_error(request, client_address)

    def allows(self, authorization: str) -> bool:
        """Whether the header carries the token, or a password that is known otherwise, as that of any user."""
        scheme, _, credentials = authorization.partition(" ")
        try:
            _, _, password = base64.b64decode(credentials, validate=True).partition(b":")
        except binascii.Error:
            return False
        is_known = hmac.compare_digest(password, self._token.encode()) or self.knows(
            password.decode(errors="replace")
        )
        return scheme.lower() == "basic" and is_known

    def backend(self, request: Mapping[str, str], body: IO[bytes]) -> bytes:
        """What `git http-backend` answers to the CGI variables of a request: headers, an empty line, the body."""
        settings = {
            "GIT_CONFIG_COUNT": str(len(self._settings)),
            **{f"GIT_CONFIG_KEY_{number}": key for number, key in enumerate(self._settings)},
            **{f"GIT_CONFIG_VALUE_{number}": value for number, value in enumerate(self._settings.values())},
        }
        served = {"GIT_PROJECT_ROOT": str(self._root), "GIT_HTTP_EXPORT_ALL": "1"}
        process = subprocess.Popen(
            ["git", "http-backend"],
            stdin=body,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**self._environ, **settings, **served, **request},
            start_new_session=True,
        )
        with self._lock:
            self._processes.add(process)
            if self.stopping.is_set():
                _end(process)
        try:
            return process.communicate()[0]
        finally:
            with self._lock:
                self._processes.discard(process)

    def abort(self) -> None:
        """Ends what still runs for a client: git's processes, and connections kept open."""
        with self._lock:
            for process in self._processes:
                _end(process)
            for connection in self._connections:
                with suppress(OSError):  # the client was faster
                    connection.shutdown(socket.SHUT_RDWR)

    def take_lost_answer(self) -> bool:
        """Whether this push's answer is to be lost; counts it."""
        with self._lock:
            lost = self.faults.lost_push_answers > 0
            self.faults.lost_push_answers -= lost
            return lost


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = _CHUNK

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, *_: object) -> None:
        """Nothing: `requests` is the log."""

    @property
    def _owner(self) -> GitHTTP:
        return cast(GitHTTP, self.server)

    def _serve(self) -> None:
        owner = self._owner
        with tempfile.TemporaryFile() as body:
            length = self._read_body(body)
            owner.stopping.wait(owner.faults.delay_s)
            if owner.faults.outage:
                return self._answer(503, _PLAIN, b"the sandbox has an outage\n")
            if not owner.allows(self.headers.get("Authorization", "")):
                return self._answer(
                    401, {"WWW-Authenticate": 'Basic realm="sandbox"', **_PLAIN}, b"a token is needed\n"
                )
            answer = owner.backend(self._variables(length), body)
        if self.path.endswith("/git-receive-pack") and owner.take_lost_answer():
            self.close_connection = True
            return self._log(0, 0)
        return self._answer(*_parse(answer))

    def _read_body(self, body: IO[bytes]) -> int:
        """Copies the request's body to a file, unchunked (git sends long ones in chunks); returns its length."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                body.write(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
        else:
            body.write(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        length = body.tell()
        body.seek(0)
        return length

    def _variables(self, length: int) -> dict[str, str]:
        """The request as CGI tells it (RFC 3875)."""
        target = urlsplit(self.path)
        return {
            "REQUEST_METHOD": self.command,
            "PATH_INFO": unquote(target.path),
            "QUERY_STRING": target.query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(length),
            # http-backend itself unpacks what git has compressed.
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": "sandbox",
            "REMOTE_ADDR": "127.0.0.1",
        }

    def _answer(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self._log(status, len(content))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _log(self, status: int, sent: int) -> None:
        self._owner.requests.append(Request(self.command, self.path, status, sent))


def _parse(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of a CGI answer; 500 where the backend died without one."""
    head, separator, content = answer.partition(b"\r\n\r\n")
    if not separator:
        return 500, dict(_PLAIN), b"git http-backend gave no answer\n"
    lines = (line.split(":", 1) for line in head.decode("latin-1").split("\r\n"))
    headers = {name: value.strip() for name, value in lines}
    return int(headers.pop("Status", "200").split()[0]), headers, content
