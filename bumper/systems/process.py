"""A program of others that is run to its end: git, credential helpers and plugins, and whatever they start.

Law: it ends at the deadline in force, with all its children, and what it writes is bounded. What it leaves behind on purpose (a daemon
that keeps credentials) holds nobody up, though it may hold its streams.
"""

import os
import re
import select
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

from bumper.ports.deadline import in_steps, left_s
from bumper.safe_text import MASK, mask, printable

# Whoever has ended may leave its streams to a child: then what was read is all there is.
_SLICE_S = 0.25
_LATE_S = 10.0
_CHUNK = 1 << 16
_MOST_COMPLAINT_BYTES = 1 << 20
_READ_CHARACTERS = 100_000
_SHOWN_CHARACTERS = 300
# Whoever keeps secrets has some at hand whose form we do not know: beside what is masked everywhere, anything long and opaque. Of 16
# characters on that is what mixes capitals, small letters and digits, or is written in one go with digits among its letters: no UUID
# of a request, no name of an object and no code of an error.
_OPAQUE = re.compile(
    r"(?a)[A-Za-z0-9_+/=-]{40,}"
    r"|(?<![\w+=-])(?=(?:[a-z0-9_+=-]*[A-Z]){2})(?=(?:[A-Z0-9_+=-]*[a-z]){2})(?=(?:[A-Za-z_+=-]*\d){2})[\w+=-]{16,}"
    r"|(?<![\w+=-])(?=(?:[A-Za-z]*\d){3})(?=(?:\d*[A-Za-z]){3})[A-Za-z0-9]{16,}(?![\w+=-])"
)
# What is told begins (+) and ends (-); whatever has not ended when nobody is left to tell it is ended.
_LISTEN = """
trap '' HUP INT TERM
groups=
while read -r sign group; do
  rest=
  for known in $groups; do [ "$known" = "$group" ] || rest="$rest $known"; done
  groups=$rest
  [ "$sign" = - ] || groups="$groups $group"
done
for group in $groups; do kill -s KILL -- "-$group"; done
"""


class Ended(NamedTuple):
    """How it ended; of what it complained of, the end."""

    status: int
    stdout: bytes
    stderr: bytes


class TooMuch(Exception):
    """It wrote more than is read."""


def started(
    command: Sequence[str], environ: Mapping[str, str], directory: Path | None = None
) -> "subprocess.Popen[bytes]":
    """A program with the streams and the session that `finished` expects. OSError or ValueError where it cannot be run."""
    return subprocess.Popen(
        command,
        env=environ,
        cwd=directory,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Of its own session, it has no terminal to ask on, and can be ended with all its children.
        start_new_session=True,
    )


def finished(
    process: "subprocess.Popen[bytes]", stdin: bytes, *, limit_s: float, most_bytes: int, what: str = ""
) -> Ended:
    """How the process ended, whose streams are pipes and whose session is its own. TimeoutError after the limit, or TooMuch.

    `what` is waited for, as people know it. Where this raises, the process and its children are gone.
    """
    with _GUARDIAN.over(process.pid):
        exchange = _Exchange(process, stdin, most_bytes)
        try:
            in_steps(what, left_s(limit_s), exchange.go_on)
            if exchange.is_too_much:
                raise TooMuch
        except BaseException:
            end(process)
            raise
    return Ended(process.returncode, bytes(exchange.stdout), bytes(exchange.stderr))


def end(process: "subprocess.Popen[bytes]") -> None:
    """Ends the process with its children. Their streams are left to whoever still holds them."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def shown(complaint: bytes) -> str:
    """What a program that keeps secrets said last, on one line and without any."""
    # A traceback or a key in PEM form is masked as a whole, before its last lines are chosen.
    text = mask(complaint[-_READ_CHARACTERS:].decode(errors="replace"))
    lines = [printable(line) for line in text.splitlines() if line.strip()]
    return _OPAQUE.sub(MASK, " / ".join(lines[-3:]))[:_SHOWN_CHARACTERS] or "it said nothing"


class _Guardian:
    """Ends what runs here where we are killed ourselves: a shell that hears of each process, and of our end by the end of a pipe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pipe: int | None = None

    @contextmanager
    def over(self, group: int) -> Iterator[None]:
        self._tell(f"+ {group}")
        try:
            yield
        finally:
            self._tell(f"- {group}")

    def _tell(self, line: str) -> None:
        # Without it everything goes on as well, but for the day on which we are killed.
        with self._lock, suppress(OSError, NotImplementedError):
            if self._pipe is None:
                self._pipe = _listening_shell()
            os.write(self._pipe, f"{line}\n".encode())


def _listening_shell() -> int:
    """The end of a pipe that a shell listens at, in a session of its own."""
    theirs, ours = os.pipe()
    streams = [
        (os.POSIX_SPAWN_DUP2, theirs, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    try:
        os.posix_spawn("/bin/sh", ["sh", "-c", _LISTEN], {}, file_actions=streams, setsid=True)
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    return ours


_GUARDIAN = _Guardian()


class _Exchange:
    """Writes and reads the three streams, each on a thread of its own, which ends with the stream."""

    def __init__(self, process: "subprocess.Popen[bytes]", stdin: bytes, most_bytes: int) -> None:
        self.stdout, self.stderr = bytearray(), bytearray()
        self.is_too_much = False
        self._process = process
        self._most_bytes = most_bytes
        self._open = 2
        self._lock = threading.Lock()
        self._is_read = threading.Event()
        assert process.stdin, "a pipe"
        assert process.stdout, "a pipe"
        assert process.stderr, "a pipe"
        for work in (
            partial(_write, process.stdin, stdin),
            partial(self._read, process.stdout, self._keep),
            partial(self._read, process.stderr, self._complain),
        ):
            threading.Thread(target=work, name="program", daemon=True).start()

    def go_on(self, seconds: float) -> None:
        """Waits for the end. TimeoutError where it did not come."""
        waited_s = 0.0
        while not self._has_ended(min(_SLICE_S, seconds - waited_s)):
            waited_s += _SLICE_S
            if waited_s >= seconds:
                raise TimeoutError

    def _has_ended(self, wait_s: float) -> bool:
        if self.is_too_much:
            return True
        if not self._is_read.wait(wait_s):
            if self._process.poll() is None:
                return False
            # Once more, where it ended in between: what it wrote last is on its way.
            ends_s = _LATE_S
            while not self._is_read.wait(_SLICE_S) and self._is_behind() and ends_s > 0:
                ends_s -= _SLICE_S
            return True
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(wait_s)
        return self._process.returncode is not None

    def _is_behind(self) -> bool:
        """Whether something that was written, or its end, is not read yet: on a busy machine the threads that read come late."""
        ready = select.poll()
        for stream in (self._process.stdout, self._process.stderr):
            with suppress(ValueError):  # closed: read to its end
                if stream:
                    ready.register(stream, select.POLLIN)
        return bool(ready.poll(0))

    def _read(self, stream: IO[bytes], keep: Callable[[bytes], None]) -> None:
        with suppress(OSError, ValueError), stream:
            while chunk := os.read(stream.fileno(), _CHUNK):
                keep(chunk)
        with self._lock:
            self._open -= 1
            if not self._open:
                self._is_read.set()

    def _keep(self, chunk: bytes) -> None:
        self.is_too_much = self.is_too_much or len(self.stdout) + len(chunk) > self._most_bytes
        if self.is_too_much:
            self._is_read.set()
        else:
            self.stdout += chunk

    def _complain(self, chunk: bytes) -> None:
        self.stderr += chunk
        del self.stderr[:-_MOST_COMPLAINT_BYTES]


def _write(stream: IO[bytes], content: bytes) -> None:
    # Whoever does not read what it is given has its reasons, and tells them.
    with suppress(OSError, ValueError), stream:
        stream.write(content)
