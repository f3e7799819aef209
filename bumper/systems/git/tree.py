"""The files of a commit, read and replaced object by object.

Symbolic links are listed as what they are and never followed, submodules are not listed: Flux's source-controller leaves both out of
the artifact that it builds from (`Storage.Archive`: "Ignore anything that is not a file or directories e.g. symlinks"), so nothing in
a cluster comes from them.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from posixpath import dirname

from bumper.errors import Refused
from bumper.ports.git import Entry
from bumper.systems.git.objects import DIRECTORY, FILE, SYMBOLIC_LINK, TreeEntry, format_tree, parse_tree
from bumper.systems.git.repository import Repository

# What a Flux tree is read from. A commit with no more of them, in no more directories, is asked for all at once: a file leads to the
# next, and each question would be a fetch of its own.
_MANIFESTS = (".yaml", ".yml", "Kustomization", ".sourceignore")
_MOST_FILES = 500
_MOST_DIRECTORIES = 250
# Of a larger one a directory with no more of them is asked for whole: a kustomization.yaml leads to the files beside it.
_FEW_FILES = 20
# From so many on, two processes that read all of them take less than two questions for each.
_MANY = 100


class Objects:
    """Trees and blobs of a partial repository by their sha, kept once read: most of them are the same on the next tip."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._trees: dict[str, dict[str, TreeEntry]] = {}
        self._blobs: dict[str, bytes] = {}
        self._fetched: set[str] = set()

    def tree(self, sha: str) -> dict[str, TreeEntry]:
        """The entries of one directory. All trees of a fetched commit are here."""
        if sha not in self._trees:
            self._trees[sha] = self._repository.parsed(sha, parse_tree)[1]
        return self._trees[sha]

    def blobs(self, shas: Collection[str], nearby: Callable[[], Iterable[str]] = tuple) -> dict[str, bytes]:
        """The contents. If some were not fetched before, they are now, in one batch with those `nearby`."""
        if not self._fetched.issuperset(shas):
            missing = sorted({*shas, *nearby()} - self._fetched)
            self._repository.fetch_objects(missing)
            self._fetched.update(missing)
        unread = set(shas) - self._blobs.keys()
        if len(unread) >= _MANY:
            self._blobs.update(self._repository.contents(unread))
        self._blobs.update(
            (sha, self._repository.parsed(sha, bytes)[1]) for sha in unread - self._blobs.keys()
        )
        return {sha: self._blobs[sha] for sha in shas}

    def store(self, kind: str, content: bytes) -> str:
        """Writes an object; returns its sha."""
        return self._repository.store(kind, content)


class Tree:
    """All files of one commit; `ports.Tree` is what the pipe asks of it. Paths are relative to the root, with slashes.

    `url` is the repository's address, without any secret.
    """

    def __init__(self, objects: Objects, root: str, url: str = "") -> None:
        self._objects = objects
        self._root = root
        self.url = url

    def list(self, directory: str) -> tuple[Entry, ...]:
        """What is right inside, in git's order; empty where there is no such directory. `""` and `.` are the root."""
        entry = self._find(directory)
        if entry is None or not entry.is_directory:
            return ()
        named = self._objects.tree(entry.sha).items()
        return tuple(
            Entry(name, child.is_directory, child.mode == SYMBOLIC_LINK)
            for name, child in named
            if child.is_directory or child.is_file or child.mode == SYMBOLIC_LINK
        )

    def read(self, paths: Iterable[str]) -> dict[str, bytes]:
        """The contents by path, fetched in one batch; a path that is no file is left out."""
        entries = {path: self._find(path) for path in paths}
        shas = {path: entry.sha for path, entry in entries.items() if entry and entry.is_file}
        contents = self._objects.blobs(shas.values(), lambda: self._nearby(shas))
        return {path: contents[sha] for path, sha in shas.items()}

    def mode(self, path: str) -> str:
        """Git's mode of a file, link or submodule, as `100644`; empty where there is none."""
        entry = self._find(path)
        return "" if entry is None or entry.is_directory else entry.mode.decode()

    def _nearby(self, paths: Iterable[str]) -> Collection[str]:
        """The blobs of what will be asked for after these files: all manifests, or of a large commit those beside them."""
        directories = filter(None, map(self._find, {dirname(path) for path in paths}))
        return _manifests(self._objects, self._root) or [
            sha for entry in directories for sha in _few(self._objects.tree(entry.sha))
        ]

    def _find(self, path: str) -> TreeEntry | None:
        entry: TreeEntry | None = TreeEntry(DIRECTORY, self._root)
        for name in path.split("/"):
            if name in ("", "."):
                continue
            if entry is None or not entry.is_directory:
                return None
            entry = self._objects.tree(entry.sha).get(name)
        return entry


def _manifests(objects: Objects, root: str) -> list[str]:
    """The blobs of all manifests of a commit; none where there are many."""
    manifests: list[str] = []
    directories = [root]
    for directory in directories:
        entries = objects.tree(directory)
        directories += [entry.sha for entry in entries.values() if entry.is_directory]
        manifests += _listed(entries)
        if len(directories) > _MOST_DIRECTORIES or len(manifests) > _MOST_FILES:
            return []
    return manifests


def _few(entries: Mapping[str, TreeEntry]) -> list[str]:
    """The blobs of the manifests in one directory; none where there are many."""
    manifests = _listed(entries)
    return manifests if len(manifests) <= _FEW_FILES else []


def _listed(entries: Mapping[str, TreeEntry]) -> list[str]:
    return [entry.sha for name, entry in entries.items() if entry.is_file and name.endswith(_MANIFESTS)]


def write(objects: Objects, root: str, changes: Mapping[str, bytes | None]) -> str:
    """The sha of the tree that differs from `root` in these files alone. A file keeps its mode; a new one is plain; None goes.

    A directory without files goes too, as git has it.
    """
    below = {tuple(path.split("/")): content for path, content in changes.items()}
    return _write(objects, root, below, "") or objects.store("tree", b"")


_Changes = Mapping[tuple[str, ...], bytes | None]


def _write(objects: Objects, sha: str | None, changes: _Changes, at: str) -> str | None:
    entries = dict(objects.tree(sha)) if sha else {}
    below: dict[str, dict[tuple[str, ...], bytes | None]] = {}
    for (name, *rest), content in changes.items():
        if name in ("", ".", "..", ".git"):
            raise ValueError(f"{at}{name}: not a name that git takes")
        if rest:
            below.setdefault(name, {})[tuple(rest)] = content
            continue
        mode = _mode(entries.get(name), at + name)
        if content is None:
            entries.pop(name, None)
        else:
            entries[name] = TreeEntry(mode, objects.store("blob", content))
    for name, inside in below.items():
        entry = entries.get(name)
        if entry and not entry.is_directory:
            raise Refused(f"{at}{name}: found a {_kind(entry)}, expected a directory")
        written = _write(objects, entry and entry.sha, inside, f"{at}{name}/")
        if written:
            entries[name] = TreeEntry(DIRECTORY, written)
        else:
            entries.pop(name, None)
    return objects.store("tree", format_tree(entries.items())) if entries else None


def _mode(entry: TreeEntry | None, path: str) -> bytes:
    if entry is None:
        return FILE
    if not entry.is_file:
        raise Refused(f"{path}: found a {_kind(entry)}, expected a file")
    return entry.mode


def _kind(entry: TreeEntry) -> str:
    if entry.is_directory:
        return "directory"
    if entry.is_file:
        return "file"
    return "symbolic link" if entry.mode == SYMBOLIC_LINK else "submodule"
