"""A folder for as long as a run takes, and what runs that were killed have left of theirs.

Law: a folder is removed by whoever made it, or by the next run once its maker is gone. The kernel's lock on the folder itself tells
who is: it ends with the process, in whatever container that is. A folder gets its name when it is locked, so that one of this name
without a lock is nobody's.
"""

import fcntl
import functools
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from bumper.dataclasses import dataclass
from bumper.errors import UsageError

ROOM = "set TMPDIR to a folder with some free megabytes"
PREFIX = "bump-run-"
# Before it is locked. A process that is killed there leaves an empty folder; a young one is on its way.
_NEW_PREFIX, _YOUNG_S = "bump-new-", 60.0
# A folder for temporary files may hold a lot that is not ours.
_MOST_LOOKED_AT = 10_000


@dataclass(frozen=True)
class Folder:
    """An empty folder of this run's own. `lock` is a descriptor."""

    path: Path
    lock: int

    @classmethod
    def new(cls, place: Path | None = None) -> Self:
        """A new one in the folder `place`, by default the one for temporary files. UsageError where it takes none."""
        with room():
            place = place or Path(tempfile.gettempdir())
            _remove_left_over(place)
            made = Path(tempfile.mkdtemp(prefix=_NEW_PREFIX, dir=place))
            lock = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
            # A file system without locks leaves folders behind, where a run is killed.
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return cls(made.rename(made.with_name(made.name.replace(_NEW_PREFIX, PREFIX, 1))), lock)

    def write(self, name: str, content: bytes) -> Path:
        """A file in it that its owner alone can read. UsageError where there is no room."""
        file = self.path / name
        with room():
            file.touch(0o600)
            file.write_bytes(content)
        return file

    def remove(self) -> None:
        """Removes it with all it holds; what a program that still runs there keeps in it is the next run's."""
        shutil.rmtree(self.path, ignore_errors=True)
        with suppress(OSError):
            os.close(self.lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


@contextmanager
def room() -> Iterator[None]:
    """`UsageError` where the folder for temporary files takes no more."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"{error.filename or 'TMPDIR'}: {error.strerror}, expected a folder for temporary files that can be written to",
            hint=ROOM,
        ) from error


@functools.cache
def _remove_left_over(place: Path) -> None:
    """Once for a process: removes what runs of the same user left here that are gone."""
    with suppress(OSError), os.scandir(place) as entries:
        for entry, _ in zip(entries, range(_MOST_LOOKED_AT), strict=False):
            with suppress(OSError):
                if entry.name.startswith(PREFIX) and _is_ours(entry):
                    _remove_unlocked(Path(entry.path))
                elif entry.name.startswith(_NEW_PREFIX) and _is_ours(entry):
                    _remove_old(Path(entry.path), place)


def _is_ours(entry: "os.DirEntry[str]") -> bool:
    status = entry.stat(follow_symlinks=False)
    return status.st_uid == os.getuid() and stat.S_ISDIR(status.st_mode)


def _remove_unlocked(path: Path) -> None:
    """Removes the folder unless somebody holds its lock."""
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(lock)


def _remove_old(path: Path, place: Path) -> None:
    """Removes an empty folder that nobody can be about to lock."""
    # The time by the clock that dates the files there.
    with tempfile.TemporaryFile(dir=place) as file:
        now_s = os.fstat(file.fileno()).st_mtime
    if now_s - path.stat().st_mtime > _YOUNG_S:
        path.rmdir()
