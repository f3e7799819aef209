"""Git's tree and commit objects as bytes.

Law: `format_tree(parse_tree(content)) == content`; putting one entry into a tree leaves every other entry as it was. What is no such
object is a ValueError: a partial clone takes from a server what that server has not checked, and checks none of it itself.
Source: git's tree-walk.c and commit.c.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from bumper.safe_text import printable

FILE = b"100644"
DIRECTORY = b"40000"
SYMBOLIC_LINK = b"120000"
_SHA_BYTES = 20
_TREE = r"tree ([0-9a-f]{40})"
_SHOWN = 100


class TreeEntry(NamedTuple):
    """One name in one directory. `mode` is as git stores it (octal digits, no leading zero), `sha` has 40 hex digits."""

    mode: bytes
    sha: str

    @property
    def is_directory(self) -> bool:
        """Whether the entry is a tree of its own."""
        # Git reads the octal number: trees of old tools have zeros in front (fsck's zeroPaddedFilemode).
        return self.mode.lstrip(b"0") == DIRECTORY

    @property
    def is_file(self) -> bool:
        """Neither directory, symbolic link nor submodule."""
        return self.mode.lstrip(b"0").startswith(b"100")


def parse_tree(content: bytes) -> dict[str, TreeEntry]:
    """The entries by name. Names that are not UTF-8 keep their bytes as surrogates. ValueError where it is no tree."""
    entries: dict[str, TreeEntry] = {}
    at = 0
    while at < len(content):
        space, null = content.find(b" ", at), content.find(b"\0", at)
        end = null + 1 + _SHA_BYTES
        if not (at < space < null and end <= len(content)):
            raise ValueError(f"found no entry at byte {at} of {len(content)}")
        name = content[space + 1 : null].decode("utf-8", "surrogateescape")
        if name in entries:
            raise ValueError(f"found the name {name!r} twice")
        entries[name] = TreeEntry(content[at:space], content[null + 1 : end].hex())
        at = end
    return entries


def format_tree(entries: Iterable[tuple[str, TreeEntry]]) -> bytes:
    """The object that holds these entries, in git's order: by bytes, a directory as if its name ended in a slash."""
    named = ((name.encode("utf-8", "surrogateescape"), entry) for name, entry in entries)
    ordered = sorted(named, key=lambda pair: pair[0] + b"/" * pair[1].is_directory)
    return b"".join(b"%b %b\0%b" % (entry.mode, name, bytes.fromhex(entry.sha)) for name, entry in ordered)


class CommitObject(NamedTuple):
    """What we ask of a commit. `author` is the name alone, `subject` the first paragraph on one line."""

    tree: str
    parents: tuple[str, ...]
    author: str
    subject: str
    message: str


def parse_commit(content: bytes) -> CommitObject:
    """The parts of a commit object; without an author, as old tools made them, that is empty. ValueError where it is no commit."""
    head, _, message = content.decode("utf-8", "replace").partition("\n\n")
    fields = [line.partition(" ") for line in head.split("\n")]
    tree = re.fullmatch(_TREE, head.partition("\n")[0])
    if tree is None:
        raise ValueError(f"found {printable(head)[:_SHOWN]!r} at its beginning, expected a tree")
    author = next((value for key, _, value in fields if key == "author"), "")
    return CommitObject(
        tree=tree[1],
        parents=tuple(value for key, _, value in fields if key == "parent"),
        author=author.rpartition("<")[0].strip(),
        message=message,
        subject=" ".join(message.strip().partition("\n\n")[0].split("\n")),
    )
