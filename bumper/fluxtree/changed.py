"""A tree as it would be after a commit, before there is one."""

from collections.abc import Iterable, Mapping, Sequence

from bumper.dataclasses import dataclass, field
from bumper.ports.git import Entry, Tree


@dataclass(frozen=True)
class Changed:
    """A tree with some files written or, for None, taken away (`ports.Tree`)."""

    tree: Tree
    changes: Mapping[str, bytes | None]
    _children: dict[str, set[str]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for path in self.changes:
            directory = path
            while directory:
                directory, _, name = directory.rpartition("/")
                self._children.setdefault(directory, set()).add(name)

    @property
    def url(self) -> str:
        """The address of the repository, as far as the tree knows it."""
        return str(getattr(self.tree, "url", ""))

    def list(self, directory: str) -> Sequence[Entry]:
        """The immediate children; a directory whose last file went has gone too."""
        touched = self._children.get(directory, set())
        kept = {entry.name: entry for entry in self.tree.list(directory)}
        for name in touched:
            path = f"{directory}/{name}" if directory else name
            if path in self.changes:
                kept.pop(name, None)
                if self.changes[path] is not None:
                    kept[name] = Entry(name, is_directory=False)
            elif self.list(path):
                kept[name] = Entry(name, is_directory=True)
            else:
                kept.pop(name, None)
        return list(kept.values())

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]:
        """The contents as they would be."""
        wanted = set(paths)
        contents = dict(self.tree.read(wanted - self.changes.keys()))
        return contents | {path: new for path in wanted if (new := self.changes.get(path)) is not None}
