"""Child processes that are never left behind, whatever happens to the test run.

Each part runs in a process group of its own. A warden, one more process, holds the reading end of a pipe whose writing end
only we hold: when we are gone, however that came (a kill -9 included), the pipe ends, and the warden kills the groups
it was told of and removes their folder.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

# Runs by itself: it must not need the package, the virtual environment or the folder it was started in.
_WARDEN = """
import json, os, shutil, signal, subprocess, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
groups, folders, commands = set(), [sys.argv[1]], []
for line in sys.stdin:
    word, _, value = line.strip().partition(" ")
    if word == "watch":
        groups.add(int(value))
    elif word == "forget":
        groups.discard(int(value))
    elif word == "remove":
        folders.append(value)
    elif word == "after":
        commands.append(json.loads(value))
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass
for command in commands:
    subprocess.run(command)
for folder in folders:
    shutil.rmtree(folder, ignore_errors=True)
"""


class PartError(Exception):
    """A part ended, or did not become ready: the message ends with the last lines of its log."""


class Warden:
    """Kills process groups and removes `folder` as soon as this process is gone; `close` does the same at once."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _WARDEN, str(folder)],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def watch(self, group: int) -> None:
        self._tell(f"watch {group}")

    def forget(self, group: int) -> None:
        self._tell(f"forget {group}")

    def remove(self, folder: Path) -> None:
        """One more folder to be removed."""
        self._tell(f"remove {folder}")

    def after(self, command: Sequence[str]) -> None:
        """A command to be run once all groups are gone."""
        self._tell(f"after {json.dumps(list(command))}")

    def close(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()


class Part:
    """One program of the stack: its command, its log, and how to tell that it is ready."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        warden: Warden,
        ready: Callable[[], bool],
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._command = [str(word) for word in command]
        self._environ = {**os.environ, **(environ or {})}
        self._ready = ready
        self._warden = warden
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process' id, or None while it does not run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Starts the program and returns at once: `wait_ready` waits for it."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                env=self._environ,
                cwd=self.log.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._warden.watch(self._process.pid)

    def wait_ready(self, timeout_s: float) -> None:
        """Returns once the part is ready; PartError if it ended or was not ready in time."""
        deadline = time.monotonic() + timeout_s
        while True:
            if self.pid is None:
                code = None if self._process is None else self._process.returncode
                raise PartError(f"{self.name} ended with exit code {code}\n{self.last_lines()}")
            if self._ready():
                return
            if time.monotonic() > deadline:
                raise PartError(f"{self.name} was not ready after {timeout_s:.0f} s\n{self.last_lines()}")
            time.sleep(0.02)

    def stop(self, *, how: signal.Signals = signal.SIGTERM, patience_s: float = 1.0) -> None:
        """Ends the whole process group: asks first, then kills."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._warden.forget(process.pid)

    def last_lines(self, count: int = 30) -> str:
        """The end of the part's log."""
        if not self.log.exists():
            return "(no log)"
        return "\n".join([f"--- {self.log}", *self.log.read_text(errors="replace").splitlines()[-count:]])
