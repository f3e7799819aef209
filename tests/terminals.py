"""A program on a pseudo-terminal: what it writes, frame by frame, while the window changes its size."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

HOME = "\x1b[H"
ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"
ERASE = re.compile(r"\x1b\[[0-3]?J")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """Runs a command until it ends. `size` is lines and columns."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], size: tuple[int, int]) -> None:
        self._command = list(command)
        # Whoever runs the tests may have said how large their own terminal is.
        kept = {name: value for name, value in environ.items() if name not in ("LINES", "COLUMNS")}
        self._environ = {**kept, "TERM": "xterm-256color"}
        self._size = size
        self.written = ""
        self.code: int | None = None

    def __enter__(self) -> Self:
        self._pid, self._file = pty.fork()
        if self._pid == 0:
            os.execve(self._command[0], self._command, self._environ)
        self.resize(*self._size)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.code is None:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        os.close(self._file)

    def resize(self, lines: int, columns: int) -> None:
        fcntl.ioctl(self._file, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def until(self, seen: Callable[[str], bool], timeout_s: float = 30.0) -> None:
        """Reads on until `seen` of the last frame, as people see it."""
        deadline_s = time.monotonic() + timeout_s
        while not seen(self.frames()[-1]):
            assert time.monotonic() < deadline_s, self.frames()[-1]
            self._read()

    def interrupt(self) -> str:
        """Ctrl-C; returns what was written from then on."""
        before = len(self.written)
        os.write(self._file, b"\x03")
        deadline_s = time.monotonic() + 20.0
        while time.monotonic() < deadline_s:
            self._read()
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
                break
        self._read()
        return self.written[before:]

    def frames(self) -> list[str]:
        """The pictures so far, without colours; each was drawn from the upper left corner."""
        return [shown(frame) for frame in self.written.split(HOME)]

    def _read(self) -> None:
        ready, _, _ = select.select([self._file], [], [], 0.1)
        if ready:
            try:
                self.written += os.read(self._file, 1 << 16).decode(errors="replace")
            except OSError:  # the program has closed its side
                return


def shown(text: str) -> str:
    """The text without what a terminal obeys."""
    return _CONTROL.sub("", text).replace("\r\n", "\n")
