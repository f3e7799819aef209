"""The body of an answer, piece by piece, and never more of it than was asked for.

Law: a limit counts what comes out of a compression, not what goes in: a few kilobytes can hold a gigabyte. So it is unpacked here,
with a bound on each step; httpx unpacks each piece as a whole, and one encoding inside another too.
"""

import zlib
from collections.abc import Mapping

from bumper.errors import Transient, Unreachable

# What is asked for, and all that is read: `gzip` saves most of a long list.
ENCODINGS = "gzip"
_GZIP = 16 + zlib.MAX_WBITS


class Content:
    """Collects one body of at most `limit` bytes. `subject` names who answered what, in errors."""

    def __init__(self, subject: str, headers: Mapping[str, str], limit: int) -> None:
        encoding = headers.get("content-encoding", "").strip().lower()
        if encoding not in ("", "identity", "gzip", "x-gzip"):
            raise Unreachable(
                f"{subject}: found an answer encoded as {encoding[:50]!r}, expected {ENCODINGS} or none"
            )
        self._subject = subject
        self._limit = limit
        self._gzip = zlib.decompressobj(_GZIP) if encoding.endswith("gzip") else None
        self._content = bytearray()
        self._has_begun = False

    def add(self, piece: bytes) -> None:
        """Takes the next piece as it came. Raises Unreachable where the body is longer than the limit."""
        self._has_begun = self._has_begun or bool(piece)
        self._content += self._unpacked(piece)
        if len(self._content) > self._limit:
            raise Unreachable(f"{self._subject}: the answer is longer than {self._limit} bytes")

    def whole(self) -> bytes:
        """The body after its last piece. Raises Transient where what was packed ends too early."""
        if self._gzip and self._has_begun and not self._gzip.eof:
            raise Transient(f"{self._subject}: the answer was cut off")
        return bytes(self._content)

    def _unpacked(self, piece: bytes) -> bytes:
        if self._gzip is None or not piece:
            return piece
        try:
            return self._gzip.decompress(piece, self._limit - len(self._content) + 1)
        except zlib.error:
            raise Transient(f"{self._subject}: the answer is not {ENCODINGS}, as it says it is") from None
