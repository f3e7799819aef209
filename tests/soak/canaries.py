"""A secret in every place that holds one, and peers that repeat whatever they are sent: no output holds it, after any failing path."""

import base64
import json
import secrets
import ssl
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path
from typing import Any

import commandline
from systems.kube.certificates import authority
from systems.kube.kubeconfigs import write_config

from .platform import TOKEN, Platform, platform
from .secrets import forms
from .table import Tally

_SYSTEMS = ("git", "registry", "kubernetes", "github")
_STATUSES = (401, 403, 404, 422, 500, 302, 200)
_FORMS = ("headers", "json", "bare", "kubernetes", "oci", "graphql")
_DEPLOY = ("--site", "web", "--sha", "abc1234", "--push-timeout", "2s", "--wait-for-image", "1s")
_VERBS: Mapping[str, tuple[str, ...]] = {
    "deploy": (*_DEPLOY, "--timeout", "2s"),
    "api": (*_DEPLOY, "--timeout", "2s", "--commit-via", "api"),
    "track": ("track", "web", "--timeout", "2s"),
    "status": ("status", "web"),
    "doctor": ("doctor", "--timeout", "2s"),
    "history": ("history",),
    "dry run": (*_DEPLOY, "--dry-run"),
}
_CASES = list(product(_SYSTEMS, _STATUSES, _FORMS, _VERBS))
TARGET, SLICE, SHORT = len(_CASES), 20, 2
_STRIDE = 101  # no divisor of their number: neighbours differ in all four


def run(start: int, cases: int) -> Tally:
    """The cases of these numbers."""
    faults: list[str] = []
    with platform(["web"]) as place:
        place.registry.push("web", "abc1234")
        for number in range(start, start + cases):
            faults += _faults(place, *_CASES[number * _STRIDE % len(_CASES)])
    return Tally(tuple(faults), {"combinations": len(_CASES)})


def _faults(place: Platform, system: str, status: int, form: str, verb: str) -> Iterator[str]:
    case = f"{verb}, {system} answers {status} with its {form}"
    with tempfile.TemporaryDirectory() as name, _echo(status, form, is_tls=system == "kubernetes") as echo:
        folder, planted = Path(name), _planted()
        environ = _environ(place, folder, planted, system, echo.url)
        repository = f"{echo.url}/o/platform.git" if system == "git" else place.url
        command = [*_VERBS[verb], "--repo", repository]
        if verb in ("deploy", "api", "track"):
            command += ["--record", str(folder / "record"), "--publish", "comment,summary,status"]
        try:
            ran = commandline.bump(*command, environ=environ, cwd=folder)
        except Exception as error:
            yield f"{case}: {type(error).__name__}: {error}"
            return
        if ran.code == 1:
            yield f"{case}: a bug of ours: {ran.stderr[-300:]}"
        outputs = {"stdout": ran.stdout, "stderr": ran.stderr, "what GitHub got": "\n".join(echo.bodies)}
        outputs |= {
            file.name: file.read_text(errors="replace") for file in folder.rglob("*") if _is_output(file)
        }
        for place_of_secret, secret in planted.items():
            for output, text in outputs.items():
                if any(form_of_secret in text for form_of_secret in forms(secret)):
                    yield f"{case}: {place_of_secret} stands in {output}"


def _planted() -> dict[str, str]:
    # The healthy git host knows its own token alone.
    return {"BUMP_TOKEN": TOKEN} | {
        name: f"cn{secrets.token_hex(12)}"
        for name in (
            "GITHUB_TOKEN",
            "BUMP_RECEIVER_TOKEN",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
            "kubeconfig",
            "docker",
        )
    }


def _is_output(file: Path) -> bool:
    return file.is_file() and file.name not in ("config", "config.json")


def _environ(
    place: Platform, folder: Path, planted: Mapping[str, str], system: str, url: str
) -> dict[str, str]:
    auth = base64.b64encode(f"user:{planted['docker']}".encode()).decode()
    host = url.rpartition("/")[2]
    registries = {name: {"auth": auth} for name in (host, place.registry.host)}
    (folder / "config.json").write_text(json.dumps({"auths": registries}))
    server = url if system == "kubernetes" else "https://127.0.0.1:1"
    config = write_config(folder / "config", server, {"token": planted["kubeconfig"]})
    environ = {
        **place.environ(),
        **{name: secret for name, secret in planted.items() if name.isupper()},
        "KUBECONFIG": str(config),
        "DOCKER_CONFIG": str(folder),
        "TMPDIR": str(folder),
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{url}/oidc",
        "GITHUB_REPOSITORY": "octo/web",
        "GITHUB_SHA": "a" * 40,
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
    }
    github = url if system == "github" else "http://127.0.0.1:1"
    return {
        **environ,
        "GITHUB_API_URL": github,
        "GITHUB_SERVER_URL": place.git.url if system != "git" else url,
    }


class _Echo(ThreadingHTTPServer):
    """Answers each request with what was sent: headers, path and body."""

    def __init__(self, status: int, form: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.form = status, form
        self.bodies: list[str] = []
        self.scheme = "http"

    def encrypt(self, folder: Path) -> None:
        """Speaks TLS from now on, by the authority that the kubeconfig trusts."""
        for file, content in zip(("certificate", "key"), authority().issue("echo", "127.0.0.1"), strict=True):
            (folder / file).write_bytes(content)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(folder / "certificate", folder / "key")
        self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.scheme = "https"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of clients that went away; everything else is a bug and is shown."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, _Echo)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode(errors="replace")
        self.server.bodies.append(body)
        content_type, content = _written(
            self.server.form, self.headers.items(), self.headers.get("Authorization", "")
        )
        self.send_response(self.server.status, "Refused " + self.headers.get("Authorization", ""))
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        if self.server.status == 302:
            self.send_header("Location", f"/again?{self.headers.get('Authorization', '').replace(' ', '+')}")
        if self.server.status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="soak"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing."""


def _written(form: str, headers: list[tuple[str, str]], authorization: str) -> tuple[str, bytes]:
    text = "\n".join(f"{name}: {value}" for name, value in headers)
    refusal = f"this is not allowed with {authorization}"
    data: Mapping[str, object] = {
        "json": {"message": refusal, "errors": [{"message": text}]},
        "kubernetes": {
            "kind": "Status",
            "status": "Failure",
            "message": refusal,
            "reason": "Forbidden",
            "details": {"causes": [{"message": text}]},
        },
        "oci": {"errors": [{"code": "DENIED", "message": refusal, "detail": text}]},
        "graphql": {"data": None, "errors": [{"type": "FORBIDDEN", "message": refusal}]},
    }
    if form in data:
        return "application/json", json.dumps(data[form]).encode()
    return "text/plain", (text if form == "headers" else authorization).encode()


@contextmanager
def _echo(status: int, form: str, *, is_tls: bool) -> Iterator[_Echo]:
    server = _Echo(status, form)
    if is_tls:
        with tempfile.TemporaryDirectory() as folder:
            server.encrypt(Path(folder))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
