"""A git server on loopback: smart HTTP by `git http-backend`, behind a token, with the faults that a real host has.

It is a real remote: every clone, fetch and push of it is git's own code on both sides. Whoever has the token as the password of
basic authentication (any user name) may read and push; everyone else is answered 401, as GitHub does.
"""

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from bumper_sandbox.git.fast_import import commit
from bumper_sandbox.git.http import Faults, GitHTTP, Request

_SETTINGS = {
    "http.receivepack": "true",
    "uploadpack.allowFilter": "true",
    "uploadpack.allowReachableSHA1InWant": "true",
    "uploadpack.allowAnySHA1InWant": "true",
    # Nothing may run on in the background once an answer has been given.
    "receive.autogc": "false",
    "gc.auto": "0",
}


@dataclass
class GitServer:
    """Serves bare repositories below a temporary directory, on `address` (loopback unless told) and a free port.

    `environ` is what git's processes get, less its GIT_ variables: neither the caller's repository nor the user's configuration
    may reach them. `settings` are git's configuration for all repositories; they go before what a repository itself says.
    """

    token: str = field(repr=False)
    environ: Mapping[str, str] = field(repr=False)
    settings: dict[str, str] = field(default_factory=lambda: dict(_SETTINGS))
    faults: Faults = field(default_factory=Faults)
    address: str = "127.0.0.1"

    def __post_init__(self) -> None:
        kept = {name: value for name, value in self.environ.items() if not name.startswith("GIT_")}
        self._environ = {**kept, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
        self._root = Path(tempfile.mkdtemp(prefix="bump-git-server-"))
        self._http = GitHTTP(self._root, self.token, self._environ, self.settings, self.faults, self.address)
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The origin, `http://ADDRESS:PORT`; a repository's URL is that, `/` and its name."""
        return f"http://{self.address}:{self._http.server_address[1]}"

    @property
    def requests(self) -> list[Request]:
        """All requests so far, in the order of their answers."""
        return self._http.requests

    @property
    def accepted(self) -> int:
        """How many connections were made so far."""
        return self._http.accepted

    def admit(self, knows: Callable[[str], bool]) -> None:
        """Lets in, besides the token, every password that is known to somebody else, such as what GitHub gave to an App."""
        self._http.knows = knows

    def path(self, name: str) -> Path:
        """The bare repository on disk: for hooks, settings and a look at what was pushed."""
        return self._root / name

    def create(self, name: str, files: Mapping[str, bytes], *, modes: Mapping[str, str] | None = None) -> str:
        """Makes a bare repository with one commit on `main` that holds `files`; returns its URL.

        `modes` gives git's mode (`100755`, `120000`) for the paths that are no plain files.
        """
        repository = self.path(name)
        self._git("init", "--quiet", "--bare", "--template=", "--initial-branch=main", str(repository))
        self._import(name, commit(files, modes or {}, "Seed"))
        return f"{self.url}/{name}"

    def commit(self, name: str, files: Mapping[str, bytes], subject: str) -> None:
        """Adds or replaces these files at the tip of `main`, as if somebody had pushed them."""
        self._import(name, commit(files, {}, subject, on_tip=True))

    def start(self) -> Self:
        """Begins to answer; the port has been taken since construction."""
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), name="git-server")
        self._thread.start()
        return self

    def stop(self) -> None:
        """Ends every request, process, thread and socket, and removes the repositories."""
        self._http.stopping.set()
        if self._thread:
            self._http.shutdown()
            self._thread.join()
            self._thread = None
        self._http.abort()
        self._http.server_close()
        shutil.rmtree(self._root, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _import(self, name: str, stream: bytes) -> None:
        self._git("-C", str(self.path(name)), "fast-import", "--quiet", "--date-format=now", stdin=stream)

    def _git(self, *arguments: str, stdin: bytes = b"") -> None:
        subprocess.run(["git", *arguments], input=stdin, env=self._environ, check=True, capture_output=True)
