"""Git's tree and commit objects as bytes.

Law: `format_tree(parse_tree(content)) == content`; putting one entry into a tree leaves every other entry as it was.
Source: git's tree-walk.c and commit.c.
"""

from collections.abc import Iterable
from typing import NamedTuple

FILE = b"100644"
DIRECTORY = b"40000"
SYMBOLIC_LINK = b"120000"


class TreeEntry(NamedTuple):
    """One name in one directory. `mode` is as git stores it (octal digits, no leading zero), `sha` has 40 hex digits."""

    mode: bytes
    sha: str

    @property
    def is_directory(self) -> bool:
        """Whether the entry is a tree of its own."""
        return self.mode == DIRECTORY

    @property
    def is_file(self) -> bool:
        """Neither directory, symbolic link nor submodule."""
        return self.mode.startswith(b"100")


def parse_tree(content: bytes) -> dict[str, TreeEntry]:
    """The entries by name. Names that are not UTF-8 keep their bytes as surrogates."""
    entries = {}
    at = 0
    while at < len(content):
        space = content.index(b" ", at)
        null = content.index(b"\0", space)
        name = content[space + 1 : null].decode("utf-8", "surrogateescape")
        entries[name] = TreeEntry(content[at:space], content[null + 1 : null + 21].hex())
        at = null + 21
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
    """The parts of a commit object."""
    head, _, message = content.decode("utf-8", "replace").partition("\n\n")
    fields = [line.partition(" ") for line in head.split("\n")]
    author = next(value for key, _, value in fields if key == "author")
    return CommitObject(
        tree=fields[0][2],
        parents=tuple(value for key, _, value in fields if key == "parent"),
        author=author.rpartition("<")[0].strip(),
        message=message,
        subject=" ".join(message.strip().partition("\n\n")[0].split("\n")),
    )
