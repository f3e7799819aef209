"""Real git around the tests of `systems.git`: a hermetic environment, looks into a server's repository, a server that redirects."""

import os
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bumper.systems.git.remote import Remote
from bumper_sandbox.git.server import GitServer

TOKEN = "tok-3f9d2ab7-secret"
# With it, a `Remote` speaks smart HTTP by itself; None leaves that to git.
NOW: Callable[[], float] | None = time.monotonic
FILES = {
    "README.md": b"# Platform\n",
    "k8s/web/deployment.yaml": b"image: registry.example/web:0000000\n",
    "k8s/web/service.yaml": b"kind: Service\n",
    "k8s/blog/deployment.yaml": b"image: registry.example/blog:0000000\n",
}
WEB = "k8s/web/deployment.yaml"


def hermetic(home: Path) -> dict[str, str]:
    """An environment in which git knows no user, no machine and no configuration but `home/.gitconfig`."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
    }


def remote(server: GitServer, name: str = "platform.git", **more: object) -> Remote:
    """A `Remote` with the token, for a repository of the server."""
    options: dict[str, object] = {"token": TOKEN, "environ": server.environ, "now": NOW, **more}
    return Remote(f"{server.url}/{name}", **options)  # type: ignore[arg-type]


def git(
    directory: Path, *arguments: str, stdin: bytes = b"", environ: Mapping[str, str] | None = None
) -> str:
    """Runs plain git in `directory`, as somebody."""
    somebody = {"GIT_AUTHOR_NAME": "Somebody", "GIT_AUTHOR_EMAIL": "some@body.example"}
    somebody |= {key.replace("AUTHOR", "COMMITTER"): value for key, value in somebody.items()}
    ran = subprocess.run(
        ["git", "-C", str(directory), *arguments],
        input=stdin,
        env={**hermetic(directory), **somebody, **(environ or {})},
        check=True,
        capture_output=True,
    )
    return ran.stdout.decode().strip()


def commit_directly(repository: Path, *parents: str, branch: str = "", message: str = "Else") -> str:
    """A commit made on the server itself, with the tree of its first parent; moves `branch` to it where one is named."""
    flags = [flag for parent in parents for flag in ("-p", parent)]
    commit = git(repository, "commit-tree", f"{parents[0]}^{{tree}}", *flags, "-m", message)
    if branch:
        git(repository, "update-ref", f"refs/heads/{branch}", commit)
    return commit


def commit_change(checkout: Path, message: str, file: str = "file") -> str:
    """The SHA of a commit in a checkout that adds a line to a file."""
    with (checkout / file).open("a") as opened:
        opened.write("line\n")
    git(checkout, "add", file)
    git(checkout, "commit", "--quiet", "--file=-", stdin=message.encode())
    return git(checkout, "rev-parse", "HEAD")


def content(repository: Path, path: str, branch: str = "main") -> bytes:
    """A file as the server's branch has it."""
    command = ["git", "-C", str(repository), "cat-file", "blob", f"{branch}:{path}"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def hook(repository: Path, name: str, script: str) -> None:
    """Installs a hook on the server."""
    path = repository / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def objects(remote: Remote, kind: str) -> set[str]:
    """The objects of one kind that have been fetched or made."""
    listing = remote._repository.run(
        "cat-file", "--batch-all-objects", "--batch-check=%(objecttype) %(objectname)"
    )
    lines = [line.split() for line in listing.stdout.splitlines()]
    received = [(held.kind, sha) for sha, held in remote._repository._received.items()]
    return {sha for object_kind, sha in [*map(tuple, lines), *received] if object_kind == kind}


def command_lines() -> list[str]:
    """The command lines of all processes of this machine."""
    if Path("/proc/self/cmdline").exists():
        return [_read(path).replace("\0", " ") for path in Path("/proc").glob("[0-9]*/cmdline")]
    listing = subprocess.run(["ps", "-A", "-o", "args="], check=True, capture_output=True, text=True)
    return listing.stdout.splitlines()


def left_running(text: str) -> list[str]:
    """The command lines with `text`, when the kernel has had its time to end what was killed."""
    end_s = time.monotonic() + 10
    while (lines := [line for line in command_lines() if text in line]) and time.monotonic() < end_s:
        time.sleep(0.02)
    return lines


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # ended in the meantime
        return ""


@dataclass
class Foreign:
    """A server that redirects to `target`, or has a `page` for everybody, or else speaks enough of git for a client to go on.

    Keeps what it was sent. A page is its type and its content.
    """

    target: str = ""
    page: tuple[str, bytes] | None = None
    seen: list[tuple[str, str]] = field(default_factory=list)  # request line, Authorization
    url: str = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        self.seen.append((f"{handler.command} {handler.path}", handler.headers.get("Authorization") or ""))
        body = b""
        if self.target:
            handler.send_response(302)
            handler.send_header("Location", self.target + handler.path)
        elif self.page:
            content_type, body = self.page
            handler.send_response(200)
            handler.send_header("Content-Type", content_type)
        elif handler.command == "GET":
            lines = [
                b"# service=git-upload-pack\n",
                b"",
                b"version 2\n",
                b"ls-refs\n",
                b"fetch=shallow filter\n",
                b"",
            ]
            body = b"".join(b"%04x%b" % (len(line) + 4, line) if line else b"0000" for line in lines)
            handler.send_response(200)
            handler.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
        else:
            handler.send_response(500)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


@contextmanager
def foreign(target: str = "", context: ssl.SSLContext | None = None) -> Iterator[Foreign]:
    """Runs a `Foreign` server on its own origin; with TLS where there is a context."""
    described = Foreign(target)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            described.answer(self)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = False
        if context:
            http.socket = context.wrap_socket(http.socket, server_side=True)
        described.url = f"{'https' if context else 'http'}://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield described
        finally:
            http.shutdown()
            thread.join()
