"""A TCP proxy in front of a server on loopback, which delays, cuts, or tells of each chunk that passes."""

import random
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

_CHUNK = 1 << 14
# Called with the number of the chunk before it goes on; False cuts the connection there.
Watch = Callable[[int], bool]


@dataclass(frozen=True)
class Weather:
    """How the way is: each chunk takes up to `delay_s`, and of all connections `share` are cut, somewhere."""

    delay_s: float = 0.0
    share: float = 0.0
    seed: int = 0


@dataclass
class Proxy:
    """Listens on a port of its own, and leads to `port`."""

    port: int
    weather: Weather = field(default_factory=Weather)
    watch: Watch = lambda number: True

    def __enter__(self) -> Self:
        self.chunks = self.connections = self.cuts = 0
        self._lock = threading.Lock()
        self._random = random.Random(self.weather.seed)
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                proxy._serve(self.request)

        socketserver.ThreadingTCPServer.daemon_threads = True
        socketserver.ThreadingTCPServer.request_queue_size = 256
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def _serve(self, client: socket.socket) -> None:
        with self._lock:
            self.connections += 1
            # A connection that fails ends within its first chunks, before or after the server got them.
            cut_at = self._random.randrange(1, 6) if self._random.random() < self.weather.share else 0
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)) as server:
            way = _Way(self, cut_at)
            back = threading.Thread(target=way.carry, args=(server, client), daemon=True)
            back.start()
            way.carry(client, server)
            back.join()

    def passes(self, count: int, cut_at: int) -> bool:
        """Whether the next chunk goes on; waits as long as the weather has it."""
        with self._lock:
            self.chunks += 1
            number = self.chunks
            wait_s = self._random.random() * self.weather.delay_s
            self.cuts += count == cut_at
        if wait_s:
            time.sleep(wait_s)
        return self.watch(number) and count != cut_at


@dataclass
class _Way:
    proxy: Proxy
    cut_at: int
    count: int = 0

    def carry(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while chunk := source.recv(_CHUNK):
                self.count += 1
                if not self.proxy.passes(self.count, self.cut_at):
                    _reset(source)
                    _reset(sink)
                    return
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            for end in (source, sink):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)


def _reset(connection: socket.socket) -> None:
    """Ends it as a machine that fell over does; the next word is answered with a reset."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
