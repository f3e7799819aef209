"""The files of a working tree as git would commit them now: what it tracks, and what is new and not ignored.

Law: what an ignore rule hides is not there, nor are submodules; links are listed and never followed (Flux leaves them out of its
artifact). Outside of any checkout every file counts but those below `.git`.
"""

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from os import walk
from pathlib import Path
from posixpath import join

from bumper.errors import UsageError
from bumper.ports.git import MOST_FILE_BYTES, Entry
from bumper.systems.file import is_directory
from bumper.systems.git.checkout import ask, checkout_root, origin_of


class WorkTree:
    """The checkout that `directory` is in, from its root; the directory itself where it is in none. A `ports.Tree`.

    Nothing is read but what is asked for. UsageError where there is no such directory.
    """

    def __init__(self, directory: Path, environ: Mapping[str, str]) -> None:
        if not is_directory(directory):
            raise UsageError(
                f"{directory}: no such directory", hint="name a directory of the platform repository"
            )
        self._environ = environ
        top = checkout_root(directory, environ)
        self.root = top or directory.resolve()
        names = _tracked(self.root, environ) if top else _below(self.root)
        self._children: dict[str, dict[str, Entry]] = {}
        for path in names:
            self._add(path)

    @cached_property
    def url(self) -> str:
        """The address of its origin, empty where it has none; may hold a credential, so nobody prints it."""
        return origin_of(self.root, self._environ) or ""

    def list(self, directory: str) -> Sequence[Entry]:
        """What is right inside, in the order of names; empty where there is no such directory."""
        children = sorted(self._children.get(directory, {}).items())
        return [entry for _, entry in children]

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]:
        """The contents as they are on the disk, cut off as by git; a path that is no file of the tree is left out."""
        return {path: _beginning(f"{self.root}/{path}") for path in paths if self._holds(path)}

    def _holds(self, path: str) -> bool:
        directory, _, name = path.rpartition("/")
        entry = self._children.get(directory, {}).get(name)
        return entry is not None and not (entry.is_directory or entry.is_link)

    def _add(self, path: str) -> None:
        """Adds a file or a link; what git tracks and the disk does not hold, and a submodule, is none."""
        try:
            mode = os.lstat(f"{self.root}/{path}").st_mode
        except (OSError, ValueError):
            return
        is_link = stat.S_ISLNK(mode)
        if not (is_link or stat.S_ISREG(mode)):
            return
        directory, _, name = path.rpartition("/")
        entry = Entry(name, is_directory=False, is_link=is_link)
        while True:
            is_known = directory in self._children
            self._children.setdefault(directory, {})[name] = entry
            if is_known or not directory:
                return
            directory, _, name = directory.rpartition("/")
            entry = Entry(name, is_directory=True)


def _beginning(file: str) -> bytes:
    try:
        with open(file, "rb") as stream:  # noqa: PTH123 (a path of pathlib takes as long as the file)
            return stream.read(MOST_FILE_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"{file}: {error.strerror}, expected a file that can be read",
            hint="it is a part of the tree, as git would commit it now",
        ) from None


def _tracked(root: Path, environ: Mapping[str, str]) -> list[str]:
    output = ask(root, environ, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if output.status:
        raise UsageError(f"{root}: git does not list its files: {output.stderr.strip()}")
    return [name for name in output.stdout.split("\0") if name]


def _below(root: Path) -> list[str]:
    paths: list[str] = []
    for place, directories, names in walk(root):
        directories[:] = [name for name in directories if name != ".git"]
        links = [name for name in directories if (Path(place) / name).is_symlink()]
        inner = Path(place).relative_to(root).as_posix()
        paths += [join(inner, name) if inner != "." else name for name in (*names, *links)]
    return paths
