"""Ports on loopback that no other stack on this machine takes at the same time."""

import contextlib
import fcntl
import socket
from pathlib import Path
from typing import IO

from .build import cache_root

# Below the range that Linux and macOS give to outgoing connections (32768 and 49152), so that none of these takes a port of ours away.
_FIRST, _LAST, _BLOCK = 20000, 32000, 40


class PortBlock:
    """A block of ports, ours until `close`: a lock on a file keeps other stacks off it."""

    def __init__(self) -> None:
        folder = cache_root() / "ports"
        folder.mkdir(parents=True, exist_ok=True)
        self._lock, self.first = _lock_a_block(folder)
        self._free = iter(range(self.first, self.first + _BLOCK))

    @property
    def number(self) -> int:
        """Which block it is, from 0 on: no other stack has this number meanwhile."""
        return (self.first - _FIRST) // _BLOCK

    def take(self) -> int:
        """The next port of the block that nobody listens on."""
        for port in self._free:
            if _is_free(port):
                return port
        raise OSError(f"no free port left in a block of {_BLOCK}")

    def close(self) -> None:
        """Gives the block back."""
        self._lock.close()


def is_in_use(first: int) -> bool:
    """Whether a stack has the block that begins there."""
    with (cache_root() / "ports" / str(first)).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _lock_a_block(folder: Path) -> tuple[IO[str], int]:
    for first in range(_FIRST, _LAST, _BLOCK):
        lock = (folder / str(first)).open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        return lock, first
    raise OSError(f"all blocks of ports between {_FIRST} and {_LAST} are in use")


def _is_free(port: int) -> bool:
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
