"""Peers that do not play by the rules: real servers on this machine that answer byte for byte what a test says."""

import contextlib
import functools
import itertools
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self

# Gives the pieces of an answer to the request's first line, head included. A piece is sent as soon as it is there.
Script = Callable[[str], Iterable[bytes]]


DEEP = b"[" * 100_000 + b"]" * 100_000
ODD = [
    DEEP,
    b"5",
    b"null",
    b"[null]",
    b'"text"',
    b"[[]]",
    b'{"items": 5, "manifests": 5, "errors": 5, "data": 5, "tags": 5}',
]
# A header that goes on for twenty seconds where it drips.
HEAD = b"HTTP/1.1 200 OK\r\nX-Padding: " + b"x" * 1_000

_TLS_HANDSHAKE = b"\x16"


class Peer:
    """Serves from `with` to its end, one connection after another answer, each connection on a thread of its own."""

    def __init__(self, script: Script, *, hangs_up_on_tls: bool = False) -> None:
        self.requests: list[str] = []
        self._hangs_up_on_tls = hangs_up_on_tls
        self.connections = 0
        self._script = script
        self._is_over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"http://{self.host}"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def drip(self, content: bytes, pause_s: float = 0.02) -> Iterator[bytes]:
        """The content byte by byte, for as long as the peer serves."""
        for byte in content:
            if self._is_over.wait(pause_s):
                return
            yield bytes([byte])

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(5.0)
            head = b""
            while b"\r\n\r\n" not in head:
                received = connection.recv(65536)
                if not received:
                    return
                head += received
                if self._hangs_up_on_tls and head[:1] == _TLS_HANDSHAKE:
                    return
            line = head.partition(b"\r\n")[0].decode(errors="replace")
            self.requests.append(head.decode(errors="replace"))
            for piece in self._script(line):
                connection.sendall(piece)


class Dripping(Peer):
    """Sends `before` at once and everything else byte by byte."""

    def __init__(self, before: bytes, dripped: bytes) -> None:
        super().__init__(lambda line: itertools.chain([before], self.drip(dripped)))


def quick(started_s: float) -> bool:
    """Whether it took no longer than a limit of 0.3 s explains on a busy machine; what drips here takes 20 s."""
    return time.monotonic() - started_s < 2.0


def answer(content: bytes, status: int = 200, **headers: str) -> list[bytes]:
    """A whole answer; `content_type` is the header `content-type`."""
    lines = [f"HTTP/1.1 {status} Answer", f"Content-Length: {len(content)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ["\r\n".join(lines).encode() + b"\r\n\r\n", content]


@functools.cache
def bomb(size: int) -> bytes:
    """So many zeros (whole megabytes) packed with gzip: a thousandth of that. Of a big one nobody reads the checksum at its end."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    zeros = bytes(1_000_000)
    # After a full flush the same bytes may follow again.
    block = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)
    count, checksum = size // len(zeros), 0
    for _ in range(count if size < 10_000_000 else 0):
        checksum = zlib.crc32(zeros, checksum)
    head = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"
    return head + block * count + packer.flush() + checksum.to_bytes(4, "little") + size.to_bytes(4, "little")
