"""A Kubernetes API over HTTPS on loopback: list, get, watch, merge patch and the rest that kubectl and Python clients use.

The answers have the form of a Kubernetes 1.35.4 API server's, which were recorded. What is missing is missing on purpose: no
admission, no server-side apply, no paging (a server may return all items whatever the limit), no tables (kubectl prints name and age).
"""

import base64
import contextlib
import json
import secrets
import socket
import ssl
import sys
import threading
from collections import Counter
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bumper_sandbox.kubernetes import certificate, failures
from bumper_sandbox.kubernetes.answers import Connection, Logs
from bumper_sandbox.kubernetes.failures import Failure
from bumper_sandbox.kubernetes.rights import REVIEWS, Access, Rights, review
from bumper_sandbox.kubernetes.routes import Route
from bumper_sandbox.kubernetes.store import Manifest, Store

# Texts of kube-apiserver's filters (k8s.io/apiserver v0.35.4, pkg/server/filters).
_INJECTED = {
    429: ("TooManyRequests", "Too many requests, please try again later."),
    503: ("ServiceUnavailable", "apiserver is shutting down"),
    504: ("Timeout", "request did not complete within the allowed duration"),
}


class ApiServer:
    """Serves the store from `start` to `stop`. `folder` is private to it."""

    def __init__(self, store: Store, folder: Path, logs: Logs, user: str = "bump") -> None:
        self.store = store
        self.user = user
        self.token = secrets.token_urlsafe(24)
        self.logs = logs
        self.failure: BaseException | None = None
        self._certificate = certificate.for_loopback(folder)
        self.rights = Rights()
        self._failing: list[int] = []
        self._requests: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._server = _Server(self, self._certificate.context)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="sandbox-api")
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"https://{self.address}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns once every connection is closed and every thread has ended. Raises what a request ran into that was our fault."""
        if self._thread.is_alive():
            self._server.shutdown()
            self.restart()
            self._thread.join()
        self._server.server_close()
        if self.failure:
            raise self.failure

    def write_kubeconfig(self, path: Path, context: str = "sandbox", namespace: str = "default") -> Path:
        """Writes a kubeconfig (as JSON, which is YAML) for this server, readable by its owner alone."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": context, "cluster": {"server": self.url, "certificate-authority-data": self._ca()}}
            ],
            "users": [{"name": self.user, "user": {"token": self.token}}],
            "contexts": [
                {"name": context, "context": {"cluster": context, "user": self.user, "namespace": namespace}}
            ],
            "current-context": context,
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        return path

    def forbid(self, verb: str, resource: str) -> None:
        """From now on 403 for that verb on `pods`, `pods/log`, `kustomizations`…"""
        with self._lock:
            self.rights.forbidden.add((verb, resource))

    def allow(self, verb: str, resource: str) -> None:
        """Takes a `forbid` back."""
        with self._lock:
            self.rights.forbidden.discard((verb, resource))

    def fail_next(self, code: int, times: int = 1) -> None:
        """Answers the next requests with 429 or a 5xx."""
        with self._lock:
            self._failing += [code] * times

    def expire_watches(self) -> None:
        """Ends the running watches with 410, and makes every version seen so far too old to watch from."""
        self.store.forget()

    def restart(self) -> None:
        """Drops all connections in the middle of what they do, as a restarted API server does. The objects stay."""
        self._server.drop_connections()
        self.store.wake()

    def requests(self) -> dict[tuple[str, str], int]:
        """How many requests there were of each (verb, resource)."""
        with self._lock:
            return dict(self._requests)

    def connections(self) -> int:
        """How many connections are open now."""
        return self._server.count_connections()

    def accepted(self) -> int:
        """How many connections were made so far."""
        return self._server.accepted

    def review(self, asked: Manifest) -> Manifest:
        """The answer to a SelfSubjectAccessReview."""
        with self._lock:
            self._requests["create", REVIEWS[-1]] += 1
            return review(asked, self.rights)

    def admit(self, authorization: str, verb: str, route: Route | None) -> None:
        """Raises what refuses the request: an injected failure, 401 or 403."""
        with self._lock:
            code = self._failing.pop(0) if self._failing else 0
            if route:
                self._requests[verb, route.kind.plural] += 1
            resource = "/".join(filter(None, (route.kind.plural, route.subresource))) if route else ""
            is_forbidden = route is not None and not self.rights.allows(
                Access(verb, route.kind.group, resource, route.namespace, route.name)
            )
        if code:
            raise Failure(code, *_INJECTED.get(code, ("InternalError", "an error on the server")))
        if not secrets.compare_digest(authorization.encode(), f"Bearer {self.token}".encode()):
            raise failures.unauthorized()
        if route and is_forbidden:
            raise failures.forbidden(
                self.user, verb, route.kind, route.namespace, route.name, route.subresource
            )

    def _ca(self) -> str:
        return base64.b64encode(self._certificate.authority).decode()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 64

    def __init__(self, api: ApiServer, context: ssl.SSLContext) -> None:
        self.api = api
        self._context = context
        self.accepted = 0
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), Connection)

    def get_request(self) -> tuple[socket.socket, Any]:
        plain, peer = super().get_request()
        # The handshake is left to the connection's own thread: a silent client must not hold up the others.
        connection = self._context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        with self._connections_lock:
            self.accepted += 1
            self._connections.add(connection)
        return connection, peer

    def shutdown_request(self, request: Any) -> None:
        with self._connections_lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def is_open(self, connection: Any) -> bool:
        """Whether the connection is still wanted: its thread ends when it is not."""
        with self._connections_lock:
            return connection in self._connections

    def count_connections(self) -> int:
        with self._connections_lock:
            return len(self._connections)

    def drop_connections(self) -> None:
        with self._connections_lock:
            dropped, self._connections = self._connections, set()
            for connection in dropped:
                with contextlib.suppress(OSError):
                    # The plain socket's method: TLS would wait for a farewell.
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A connection that the other side drops is no error of ours; anything else is.
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            self.api.failure = error
