"""A site of a test: a web server on this machine that says what it is told to say, over HTTP or HTTPS."""

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Page = tuple[int, Mapping[str, str], bytes]


@dataclass
class Pages:
    """A web server: `pages` by path, and what it was asked, headers in lower case."""

    pages: dict[str, Page]
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    port: int = 0


@contextmanager
def serving(
    pages: dict[str, Page], address: str = "127.0.0.1", port: int = 0, tls: Path | None = None
) -> Iterator[Pages]:
    site = Pages(pages)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            status, headers, content = site.pages.get(self.path, (404, {}, b"not here"))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer((address, port), Handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    site.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
