"""One connection to the sandbox's Kubernetes API: reads requests and writes what the store answers."""

import contextlib
import json
import uuid
from collections.abc import Callable
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import Any, Protocol, cast

from bumper_sandbox.kubernetes import discovery, failures, rights, routes, watches
from bumper_sandbox.kubernetes.failures import Failure
from bumper_sandbox.kubernetes.json_values import merge_patch
from bumper_sandbox.kubernetes.kinds import POD
from bumper_sandbox.kubernetes.routes import Query, Route
from bumper_sandbox.kubernetes.store import Manifest, Store

# The log of a container: (pod, container or empty for the only one, whether of the instance before).
Logs = Callable[[Manifest, str, bool], str]

_MERGE_PATCH = "application/merge-patch+json"
_BAD_CONTINUE = (
    "invalid continue token: continue key is not valid: invalid character 'i' looking for beginning of value"
)


class Api(Protocol):
    """What a connection needs of its server."""

    store: Store
    logs: Logs
    address: str

    def review(self, asked: Manifest) -> Manifest: ...
    def admit(self, authorization: str, verb: str, route: Route | None) -> None: ...


class Connection(BaseHTTPRequestHandler):
    """Serves the requests of one client, one after the other."""

    protocol_version = "HTTP/1.1"
    # A small answer must not wait for the acknowledgement of the one before it.
    disable_nagle_algorithm = True
    # Go closes idle connections after some minutes; here it bounds how long a thread waits for a client that says nothing.
    timeout = 300

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: stderr belongs to the command that runs the sandbox."""

    @property
    def _api(self) -> Api:
        return cast("Api", cast("Any", self.server).api)

    def _serve(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            self._dispatch(content)
        except Failure as failure:
            self._refuse(failure)

    def _dispatch(self, content: bytes) -> None:
        path, query = routes.split(self.path)
        route = routes.parse(path, self._api.store.kinds)
        verb = route.verb(self.command, watch=query.watch) if route else self.command.lower()
        self._api.admit(self.headers.get("Authorization") or "", verb, route)
        if path == rights.REVIEWS and self.command == "POST":
            self._send_json(201, self._api.review(_parsed(content)))
        elif route is None:
            self._discover(path)
        elif verb == "watch" or (verb == "get" and query.watch):
            self._watch(route, query)
        elif route.subresource == "log":
            self._log(route, query)
        else:
            status = 201 if verb == "create" else 200
            self._send_json(status, self._answer(verb, route, query, content))

    def _discover(self, path: tuple[str, ...]) -> None:
        document = discovery.document(path, self._api.store.kinds, self._api.address)
        if document is None:
            self._send(404, "text/plain; charset=utf-8", b"404 page not found\n", nosniff=True)
        elif path == ("version",):
            self._send(200, "application/json", json.dumps(document, indent=2).encode())
        else:
            self._send_json(200, document)

    def _answer(self, verb: str, route: Route, query: Query, content: bytes) -> Manifest:
        store, kind, namespace, name = self._api.store, route.kind, route.namespace, route.name
        match verb:
            case "list":
                return _list(store, route, query)
            case "get":
                return store.get(kind, namespace, name)
            case "create" if not name:
                manifest = _parsed(content)
                manifest.setdefault("metadata", {})
                if kind.namespaced:
                    manifest["metadata"]["namespace"] = namespace or "default"
                return store.create(kind, manifest)
            case "update" | "patch" if name:
                return store.update(kind, namespace, name, self._change(route, content), route.subresource)
            case "delete" if name:
                grace = (_parsed(content) if content else {}).get("gracePeriodSeconds")
                return store.delete(kind, namespace, name, grace)
        raise failures.method_not_allowed()

    def _change(self, route: Route, content: bytes) -> Callable[[Manifest], None]:
        media_type = (self.headers.get("Content-Type") or "").partition(";")[0].strip()
        is_patch = self.command == "PATCH"
        if is_patch and media_type != _MERGE_PATCH:
            raise failures.unsupported_media_type(route.kind)
        wanted = _parsed(content)

        def change(obj: Manifest) -> None:
            merged = merge_patch(obj, wanted) if is_patch else wanted
            obj.clear()
            obj.update(merged)

        return change

    def _log(self, route: Route, query: Query) -> None:
        pod = self._api.store.get(POD, route.namespace, route.name)
        lines = self._api.logs(pod, query.container, query.previous).splitlines(keepends=True)
        if query.tail_lines is not None:
            lines = lines[max(len(lines) - query.tail_lines, 0) :]
        self._send(200, "text/plain", "".join(lines).encode())

    def _watch(self, route: Route, query: Query) -> None:
        self.send_response_only(200)
        self._send_common("application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in watches.events(self._api.store, route, query, self._is_dropped):
            written = watches.line(event)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(written), written))
        with contextlib.suppress(OSError):
            self.wfile.write(b"0\r\n\r\n")

    def _is_dropped(self) -> bool:
        return not cast("Any", self.server).is_open(self.connection)

    def _refuse(self, failure: Failure) -> None:
        if failure.code == 429:
            # This refusal comes from a filter in front of the API, as plain text.
            self._send(429, "text/plain; charset=utf-8", f"{failure.message}\n".encode(), retry_after=True)
        else:
            self._send(failure.code, "application/json", failure.body, nosniff=failure.code == 403)

    def _send_json(self, code: int, obj: Manifest) -> None:
        self._send(code, "application/json", json.dumps(obj, separators=(",", ":")).encode() + b"\n")

    def _send(
        self, code: int, media_type: str, content: bytes, *, nosniff: bool = False, retry_after: bool = False
    ) -> None:
        self.send_response_only(code)
        self._send_common(media_type)
        if nosniff:
            self.send_header("X-Content-Type-Options", "nosniff")
        if retry_after:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _send_common(self, media_type: str) -> None:
        self.send_header("Audit-Id", str(uuid.uuid4()))
        self.send_header("Cache-Control", "no-cache, private")
        self.send_header("Content-Type", media_type)
        self.send_header("Date", formatdate(usegmt=True))


def _list(store: Store, route: Route, query: Query) -> Manifest:
    if query.continue_token:
        # No list is ever cut here, so there is no token to go on with.
        raise failures.bad_request(_BAD_CONTINUE)
    items, version = store.select(route.kind, route.namespace)
    matching = [item for item in items if query.matches(item)]
    if "." not in route.kind.group:
        # In lists of built-in kinds the items do not repeat their kind; custom resources do.
        matching = [
            {key: item[key] for key in item if key not in ("apiVersion", "kind")} for item in matching
        ]
    return {
        "kind": f"{route.kind.name}List",
        "apiVersion": route.kind.api_version,
        "metadata": {"resourceVersion": str(version)},
        "items": matching,
    }


def _parsed(content: bytes) -> Manifest:
    try:
        parsed = json.loads(content)
    except ValueError as error:
        raise failures.bad_request(f"the body of the request is not JSON: {error}") from None
    if not isinstance(parsed, dict):
        raise failures.bad_request("the body of the request is not a JSON object")
    return parsed
