"""Registries that have nothing for anybody: real HTTP servers on loopback that refuse, each in the way of a kind of registry."""

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# What a registry with names and passwords of its own asks for, and one that has them from a token service (ACR, Docker Hub, ghcr.io).
BASIC = {"WWW-Authenticate": 'Basic realm="registry"'}
TOKEN = {
    "WWW-Authenticate": 'Bearer realm="http://{host}/oauth2/token",service="{host}",scope="repository:site:pull"'
}
UNAUTHORIZED = '{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}'
DENIED = '{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}'


def refusing_registry(status: int, headers: Mapping[str, str] | None = None, body: str = "") -> str:
    """The host of a registry that answers so whatever it is asked, until this process ends; `{host}` in a header is itself."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = body.encode()
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value.replace("{host}", host))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    host = f"127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, name="refusing registry", daemon=True).start()
    return host
