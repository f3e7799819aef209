"""Files of this machine that somebody named: read to their end, but not further than they may be long, nor for ever."""

import errno
from pathlib import Path

from bumper.systems.http.deadline import within

_READ_S = 10.0


def content(path: Path, most_bytes: int) -> bytes:
    """What the file holds. OSError where it cannot be read, is longer, or is a pipe that nobody writes to."""
    try:
        return within(_READ_S, lambda: _read(path, most_bytes), str(path))
    except TimeoutError:
        raise OSError(errno.ETIMEDOUT, f"has no end after {_READ_S:.0f} s") from None


def _read(path: Path, most_bytes: int) -> bytes:
    with path.open("rb") as stream:
        read = stream.read(most_bytes + 1)
    if len(read) > most_bytes:
        raise OSError(errno.EFBIG, f"is longer than {most_bytes} bytes")
    return read
