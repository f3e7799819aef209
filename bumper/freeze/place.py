"""Where the file of freeze windows lies. Whoever has none loads nothing but this, and asks for nothing."""

from typing import TYPE_CHECKING

from bumper.ports.git import Entry, Tree

if TYPE_CHECKING:
    from bumper.freeze.windows import Calendar

PATH = ".bump/freeze.yaml"
# Whoever wrote that means to freeze.
_MISSPELT = "freeze.yml"


def calendar_of(tree: Tree) -> "Calendar | None":
    """The calendar of a commit; None where it has none, which costs no request: all directories of a commit are there."""
    directory, _, name = PATH.rpartition("/")
    folder = _entries(tree, "").get(directory)
    there = _entries(tree, directory)
    if not (name in there or _MISSPELT in there or (folder and folder.is_link)):
        return None
    from bumper.freeze import file

    content = tree.read([PATH]).get(PATH)
    return file.unreadable(_obstacle(folder, there.get(name))) if content is None else file.read(content)


def _entries(tree: Tree, directory: str) -> dict[str, Entry]:
    return {entry.name: entry for entry in tree.list(directory)}


def _obstacle(folder: Entry | None, entry: Entry | None) -> str:
    """Why what is there is no file of windows."""
    if folder and folder.is_link:
        return f"{folder.name} is a symbolic link, expected a directory"
    if entry is None:
        return f"found {_MISSPELT} beside it, expected {PATH.rpartition('/')[2]}"
    return f"found a {'symbolic link' if entry.is_link else 'directory'}, expected a file"
