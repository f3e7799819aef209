"""`bump` run in the test's own process: arguments, environment and folder in; exit code and both streams out.

What only a process of its own can show (a signal, a terminal, what is imported) starts one with `process`.
"""

import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from bumper import cli
from bumper.app.context import Context

# What Azure's libraries read of the process itself.
_IDENTITY = ("AZURE_", "IDENTITY_", "MSI_")


class Ran(NamedTuple):
    """How a run ended, and what it wrote."""

    code: int
    stdout: str
    stderr: str


def bump(
    *arguments: str, environ: Mapping[str, str], cwd: Path | None = None, stdin: TextIO | None = None
) -> Ran:
    """Runs one command line to its end."""
    stdout, stderr = io.StringIO(), io.StringIO()
    context = Context(environ, cwd or Path.cwd(), stdout=stdout, stderr=stderr, stdin=stdin)
    with _IDENTITIES.lent(environ):
        code = cli.main(arguments, context)
    return Ran(code, stdout.getvalue(), stderr.getvalue())


def begin(*arguments: str, environ: Mapping[str, str], cwd: Path | None = None) -> Future[Ran]:
    """Lets one command line run beside the test."""
    future: Future[Ran] = Future()

    def run() -> None:
        try:
            future.set_result(bump(*arguments, environ=environ, cwd=cwd))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name=" ".join(["bump", *arguments]), daemon=True).start()
    return future


def process(*arguments: str, environ: Mapping[str, str], cwd: Path | None = None) -> "subprocess.Popen[str]":
    """Starts the program as a process of its own, whose streams are pipes."""
    return subprocess.Popen(
        program(*arguments),
        env=dict(environ),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def program(*arguments: str) -> list[str]:
    """The command that starts the program as a process of its own."""
    return [sys.executable, "-m", "bumper", *arguments]


class _Identities:
    """Gives this process the identity of whoever runs; runs beside each other must have the same one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._before: dict[str, str] = {}

    @contextmanager
    def lent(self, environ: Mapping[str, str]) -> Iterator[None]:
        wanted = _identity(environ)
        with self._lock:
            if not self._running:
                self._before = _identity(os.environ)
                _become(wanted)
            assert _identity(os.environ) == wanted, "runs beside each other have different identities"
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                if not self._running:
                    _become(self._before)


def _identity(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith(_IDENTITY)}


def _become(identity: Mapping[str, str]) -> None:
    for name in _identity(os.environ).keys() - identity.keys():
        del os.environ[name]
    os.environ.update(identity)


_IDENTITIES = _Identities()
