"""Files that are written while a run goes on, and pipes in their place."""

import fcntl
import io
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bumper.app.clock import SystemClock
from bumper.app.stream import LastingStream
from bumper.ports.deadline import until
from bumper.systems.file import Impatient, content, writable

LINES = 2000
CLOCK = SystemClock()


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A named pipe that holds one page, and the end to read from."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with suppress(AttributeError):  # Linux alone
        fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    yield path, reader
    os.close(reader)


def opened(path: Path) -> LastingStream:
    return LastingStream(
        io.BufferedWriter(Impatient(writable(path), CLOCK.now)), encoding="utf-8", line_buffering=True
    )


def nobody(reader: int) -> None:
    """Reads nothing."""


def in_drops(reader: int) -> None:
    """Reads a little, again and again, for two seconds."""
    for _ in range(100):
        time.sleep(0.02)
        with suppress(BlockingIOError):
            os.read(reader, 100)


@pytest.mark.parametrize("reads", [nobody, in_drops])
def test_a_reader_that_stalls_holds_nobody_up_beyond_the_deadline(
    pipe: tuple[Path, int], reads: Callable[[int], None]
) -> None:
    path, reader = pipe
    reading = threading.Thread(target=reads, args=(reader,))
    reading.start()
    began_s = time.monotonic()
    with until(CLOCK, CLOCK.now() + 0.2), opened(path) as stream:
        for _ in range(LINES):
            stream.write("x" * 200 + "\n")
        assert stream.is_lost
    assert time.monotonic() - began_s < 5
    reading.join()


def test_a_reader_that_is_only_slow_gets_it_all(pipe: tuple[Path, int]) -> None:
    path, reader = pipe
    pieces: list[bytes] = []

    def read() -> None:
        os.set_blocking(reader, True)
        while piece := os.read(reader, 1000):
            pieces.append(piece)

    with opened(path) as stream:
        reading = threading.Thread(target=read)
        reading.start()
        for _ in range(LINES):
            stream.write("x" * 200 + "\n")
        stream.flush()
        assert not stream.is_lost
    reading.join()
    assert b"".join(pieces) == (b"x" * 200 + b"\n") * LINES


def test_what_waits_in_a_pipe_for_its_reader_is_read(tmp_path: Path) -> None:
    for number in range(20):
        path = tmp_path / str(number)
        os.mkfifo(path)
        writing = threading.Thread(target=path.write_bytes, args=(b"secret",), daemon=True)
        writing.start()
        time.sleep(0.01)
        assert content(path, 100) == b"secret"
        writing.join()
