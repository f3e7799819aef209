"""Git notes: texts that hang on commits without changing them, kept in a branch-like ref of their own.

Law: a note is only appended to, and the ref only moves from the commit that was read (compare and swap), so that of two runs that
write at once none loses a line. Every tree that git makes is read right: a note's path is the commit's SHA, with a slash after any
number of pairs of its digits (`fanout`, notes.c); ours is written so that git finds it.
"""

from collections.abc import Mapping, Sequence

from bumper.history.ending import appended, news
from bumper.systems.git.commits import commit_tree
from bumper.systems.git.objects import DIRECTORY, FILE, TreeEntry, format_tree, parse_commit
from bumper.systems.git.rejections import MissingRef
from bumper.systems.git.repository import Repository
from bumper.systems.git.tree import Objects

# A directory with more notes than this is spread over one for each pair of digits.
_MOST = 256
_MESSAGE = "Notes added by 'bump'\n"


def append(
    repository: Repository,
    objects: Objects,
    environ: Mapping[str, str],
    ref: str,
    commit: str,
    lines: Sequence[str],
    first: Sequence[str] = (),
    *,
    only_news: bool = False,
) -> None:
    """Adds the lines that are not there yet to the commit's note in `ref`, and pushes: one try.

    Those of `first` too, unless there are notes on other commits. With `only_news` those alone that end a deploy otherwise than the
    note says by then.

    `LostRace` where another push came first, `Denied` where the host refuses the ref, `Transient` where it cannot be told whether the
    push landed; to do it again is harmless in each case.
    """
    parent, root = _tip(repository, ref)
    places = _places(objects, root, commit) if root else []
    blobs = objects.blobs([sha for _, sha in places])
    # Git puts a note that stands in two places together, too.
    before = b"".join(blobs[sha] for _, sha in places)
    is_first = root is None or objects.tree(root).keys() <= {commit}
    lines = [*lines, *first] if is_first else lines
    after = appended(before, news(before, lines) if only_news else lines)
    if after == before:
        return
    tree = _put(objects, root, commit, objects.store("blob", after))
    made = commit_tree(repository, environ, tree, [parent] if parent else [], _MESSAGE)
    if error := repository.push(made, ref, parent):
        raise error


def _tip(repository: Repository, ref: str) -> tuple[str, str | None]:
    """The ref's commit and its tree; an empty text and None where the ref is not there yet."""
    try:
        tip = repository.fetch_tip(ref, is_to_push=True)
    except MissingRef:
        return "", None
    return tip, repository.parsed(tip, parse_commit)[1].tree


def _places(objects: Objects, tree: str, digits: str) -> list[tuple[str, str]]:
    """Where below `tree` a note for these digits stands, as name and blob: mostly nowhere or once."""
    entries = objects.tree(tree)
    here = entries.get(digits)
    notes = [(digits, here.sha)] if here and here.is_file else []
    below = entries.get(digits[:2])
    return notes + (_places(objects, below.sha, digits[2:]) if below and below.is_directory else [])


def _put(objects: Objects, tree: str | None, digits: str, blob: str) -> str:
    """The sha of the tree in which the note stands exactly once."""
    entries = dict(objects.tree(tree)) if tree else {}
    entries.pop(digits, None)
    below = entries.get(digits[:2])
    if len(digits) > 2 and (below.is_directory if below else _is_spread(entries)):
        inner = below.sha if below else None
        entries[digits[:2]] = TreeEntry(DIRECTORY, _put(objects, inner, digits[2:], blob))
    else:
        entries[digits] = TreeEntry(FILE, blob)
        entries = _spread(objects, entries, len(digits))
    return objects.store("tree", format_tree(entries.items()))


def _spread(objects: Objects, entries: dict[str, TreeEntry], length: int) -> dict[str, TreeEntry]:
    """The same notes in directories, if they are too many for one. What is no note of this length stays where it is."""
    notes = {name: entry for name, entry in entries.items() if len(name) == length and _is_hex(name)}
    if len(notes) <= _MOST or length <= 2:
        return entries
    below: dict[str, dict[str, TreeEntry]] = {}
    for name, entry in notes.items():
        below.setdefault(name[:2], {})[name[2:]] = entry
    others = {name: entry for name, entry in entries.items() if name not in notes}
    spread = {
        name: TreeEntry(DIRECTORY, objects.store("tree", format_tree(inside.items())))
        for name, inside in below.items()
    }
    return {**others, **spread}


def _is_spread(entries: Mapping[str, TreeEntry]) -> bool:
    return any(len(name) == 2 and entry.is_directory and _is_hex(name) for name, entry in entries.items())


def _is_hex(name: str) -> bool:
    return all(char in "0123456789abcdef" for char in name)
