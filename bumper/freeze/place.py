"""Where the file of freeze windows lies. Whoever has none loads nothing but this, and asks for nothing."""

from typing import TYPE_CHECKING

from bumper.ports.git import Tree

if TYPE_CHECKING:
    from bumper.freeze.windows import Calendar

PATH = ".bump/freeze.yaml"
# Whoever wrote that means to freeze.
_MISSPELT = "freeze.yml"


def calendar_of(tree: Tree) -> "Calendar | None":
    """The calendar of a commit; None where it has none, which costs no request: all directories of a commit are there."""
    directory, _, name = PATH.rpartition("/")
    there = {entry.name: entry for entry in tree.list(directory)}
    entry = there.get(name)
    if entry is None and _MISSPELT not in there:
        return None
    from bumper.freeze import file

    if entry is None:
        return file.unreadable(f"found {_MISSPELT} beside it, expected {name}")
    content = tree.read([PATH]).get(PATH)
    if content is None:
        return file.unreadable(
            f"found a {'symbolic link' if entry.is_link else 'directory'}, expected a file"
        )
    return file.read(content)
