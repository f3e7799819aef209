"""The files of one commit, as whoever searches a repository sees them.

Law: nothing is listed or read that nobody asked for: a repository may hold a hundred thousand files. Paths are relative to the root,
with slashes and without a leading one; "" is the root itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Entry:
    """A file or directory inside a directory."""

    name: str
    is_directory: bool


class Tree(Protocol):
    """All files of one commit."""

    def list(self, directory: str) -> Sequence[Entry]:
        """The immediate children; empty where there is no such directory."""
        ...

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]:
        """The contents, fetched in one batch; paths that are no files are left out."""
        ...
