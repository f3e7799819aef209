"""Files of this machine that somebody named: read to their end or added to, but no further than they may be long, nor for ever."""

import errno
import io
import os
import select
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from bumper.ports.deadline import left_s

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_LIMIT_S = 10.0


def content(path: Path, most_bytes: int) -> bytes:
    """What the file holds. OSError where it cannot be read, is longer, or is a pipe that nobody writes to."""
    try:
        # Of a thousand files, a thread for each takes longer than what is done with them.
        if (stream := _regular(path)) is not None:
            return _read(stream, most_bytes)
        from bumper.ports.threads import within

        return within(_LIMIT_S, lambda: _read(path.open("rb"), most_bytes), str(path))
    except TimeoutError:
        raise OSError(errno.ETIMEDOUT, f"has no end after {_LIMIT_S:.0f} s") from None
    except ValueError:
        raise _no_path() from None


def is_directory(path: Path) -> bool:
    """Whether there is a directory that we may see; False, too, for what no path can be, where `Path.is_dir` raises."""
    return os.path.isdir(path)  # noqa: PTH112


def is_there(path: Path) -> bool:
    """Whether there is something, as far as we may see; False, too, for what no path can be, where `Path.exists` raises."""
    return os.path.exists(path)  # noqa: PTH110


def nearest_with(name: str, folder: Path) -> Path | None:
    """The folder itself, or the nearest one above it, in which something has this name; None where there is none."""
    return next((above for above in (folder, *folder.parents) if is_there(above / name)), None)


def is_missing(path: Path) -> bool:
    """Whether the system says that there is nothing; False where it does not let us look."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def writable(path: Path | str, mode: int = 0o666) -> int:
    """A descriptor that begins what is there anew, or a new file with these rights. OSError where it cannot be had.

    A pipe that nobody reads is refused, and not waited for.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK, mode)
    except ValueError:
        raise _no_path() from None
    os.set_blocking(descriptor, True)
    return descriptor


class Impatient(io.FileIO):
    """What is written while a run goes on: a pipe whose reader keeps it waiting for `_LIMIT_S` in all, or up to the deadline in
    force, is an OSError. `now` is monotonic seconds.
    """

    def __init__(self, descriptor: int, now: Callable[[], float]) -> None:
        super().__init__(descriptor, "wb")
        os.set_blocking(descriptor, False)
        self._now = now
        self._patience_s = _LIMIT_S
        self._room = select.poll()
        self._room.register(descriptor, select.POLLOUT)

    def write(self, data: "ReadableBuffer", /) -> int:
        # None, whatever typeshed declares, where the pipe is full.
        while (written := super().write(data)) is None:
            wait_s = left_s(self._patience_s)
            if wait_s <= 0:
                raise OSError(errno.ETIMEDOUT, "is not read")
            began_s = self._now()
            self._room.poll(wait_s * 1000)
            self._patience_s -= self._now() - began_s
        return written


def append(path: Path, text: str) -> None:
    """Adds the text. OSError where that cannot be done, or where it is a pipe that nobody reads."""
    # Letters that are none (of an argument, say) are no reason to lose the others.
    added = text.encode("utf-8", "backslashreplace")
    from bumper.ports.threads import within

    try:
        within(_LIMIT_S, lambda: _append(path, added), str(path))
    except TimeoutError:
        raise OSError(errno.ETIMEDOUT, f"takes nothing for {_LIMIT_S:.0f} s") from None
    except ValueError:
        raise _no_path() from None


def _no_path() -> OSError:
    return OSError(errno.EINVAL, "is no path, since it holds a NUL or half a character")


def _append(path: Path, added: bytes) -> None:
    with path.open("ab") as stream:
        stream.write(added)


def _regular(path: Path) -> BinaryIO | None:
    """The file, where it is one that ends by itself; None for a pipe, a device or a directory. It is not waited for."""
    # Before it is opened: whoever writes to a pipe would take a look at it for its reader, and lose what is written.
    if not stat.S_ISREG(path.stat().st_mode):
        return None
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb")


def _read(stream: BinaryIO, most_bytes: int) -> bytes:
    with stream:
        read = stream.read(most_bytes + 1)
    if len(read) > most_bytes:
        raise OSError(errno.EFBIG, f"is longer than {most_bytes} bytes")
    return read
