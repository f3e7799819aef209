"""A folder for as long as a run takes, and what runs that were killed have left of theirs.

Law: a folder is removed by whoever made it, or by the next run once its maker is gone. A lock tells who is: it is the kernel's and
ends with the process, in whatever container that is. What was made a moment ago is left alone, its lock may be on its way.
"""

import fcntl
import functools
import os
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Self

from bumper.dataclasses import dataclass

_PREFIX, _LOCK = "bump-", "bump.lock"
# The key of a client certificate, for the moment in which OpenSSL reads it (`kube.tls`).
_KEY_PREFIX = "bump-key-"
_YOUNG_S = 60.0
# A folder for temporary files may hold a lot that is not ours.
_MOST_LOOKED_AT = 10_000


@dataclass(frozen=True)
class Folder:
    """An empty folder of this run's own. `lock` is a descriptor."""

    path: Path
    lock: int

    @classmethod
    def new(cls, place: Path) -> Self:
        """A new one in the folder `place`. OSError where it takes none."""
        _remove_left_over(place)
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        # A file system without locks leaves folders behind, where a run is killed.
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return cls(path, lock)

    def remove(self) -> None:
        """Removes it with all it holds."""
        shutil.rmtree(self.path, ignore_errors=True)
        with suppress(OSError):
            os.close(self.lock)


@functools.cache
def _remove_left_over(place: Path) -> None:
    """Once for a process: removes what runs of the same user left here that are gone."""
    with suppress(OSError), os.scandir(place) as entries:
        now_s = _now_s(place)
        for entry, _ in zip(entries, range(_MOST_LOOKED_AT), strict=False):
            with suppress(OSError):
                if entry.name.startswith(_PREFIX) and _is_old_and_ours(entry, now_s):
                    _remove(entry)


def _remove(entry: "os.DirEntry[str]") -> None:
    if entry.name.startswith(_KEY_PREFIX) and entry.is_file(follow_symlinks=False):
        Path(entry.path).unlink()
    elif entry.is_dir(follow_symlinks=False):
        _remove_unlocked(Path(entry.path))


def _remove_unlocked(path: Path) -> None:
    """Removes the folder unless somebody holds its lock; one without a lock is none of ours."""
    lock = os.open(path / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(lock)


def _is_old_and_ours(entry: "os.DirEntry[str]", now_s: float) -> bool:
    status = entry.stat(follow_symlinks=False)
    return (
        status.st_uid == os.getuid()
        and not stat.S_ISLNK(status.st_mode)
        and now_s - status.st_mtime > _YOUNG_S
    )


def _now_s(place: Path) -> float:
    """The time by the clock that dates the files there."""
    with tempfile.TemporaryFile(dir=place) as file:
        return os.fstat(file.fileno()).st_mtime
