"""The streams of this process, which may be gone before the run is: a reader that has read enough, a full disk.

Law: whoever follows a deploy goes on without them, takes it back where that was asked for, and notes how it ended: only the words are
lost. Nobody is told of that on a stream that is gone.
"""

import io
import os
from typing import TextIO

_STDERR = 2


class LastingStream(io.TextIOWrapper):
    """A text stream whose writes do not fail. `is_lost`: from now on nobody reads what is written."""

    is_lost = False

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError:
            self._lose()
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError:
            self._lose()

    def _lose(self) -> None:
        self.is_lost = True
        # What is still to be written, also by the interpreter at its end, goes nowhere.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def lasting(stream: TextIO | None, descriptor: int) -> TextIO:
    """The stream of this descriptor as one that lasts; one that goes nowhere for a descriptor that was closed before we began."""
    if isinstance(stream, io.TextIOWrapper):
        # Nothing may fail for want of a letter after a file was changed.
        return LastingStream(
            stream.buffer,
            encoding=stream.encoding,
            errors="backslashreplace",
            line_buffering=stream.line_buffering,
        )
    return stream or os.fdopen(descriptor, "w", encoding="utf-8", closefd=False)


def occupy() -> None:
    """Opens what was closed of the first three descriptors, so that no file or socket gets their number and what is written there."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def is_lost(stream: TextIO) -> bool:
    """Whether nobody reads what is written there any more."""
    return isinstance(stream, LastingStream) and stream.is_lost
