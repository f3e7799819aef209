"""What is asked of a git repository.

Law: nothing is listed or read that nobody asked for: a repository may hold a hundred thousand files. Paths are relative to the root,
with slashes and without a leading one; "" is the root itself.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from bumper.dataclasses import dataclass

if TYPE_CHECKING:
    from bumper.build_order import Decision
    from bumper.image import ImageManifest
    from bumper.record import Recorded
    from bumper.revision import Revision

# The definitions of a large operator are some megabytes. Of a longer file one byte more is read, so that its reader sees that.
MOST_FILE_BYTES = 10_000_000


@dataclass(frozen=True)
class Entry:
    """A file or directory inside a directory, or a symbolic link, which is neither: Flux leaves links out of what it builds from."""

    name: str
    is_directory: bool
    is_link: bool = False


class Tree(Protocol):
    """All files of one commit."""

    def list(self, directory: str) -> Sequence[Entry]:
        """The immediate children, symbolic links among them; empty where there is no such directory."""
        ...

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]:
        """The contents, fetched in one batch and cut off behind `MOST_FILE_BYTES`; paths that are no files are left out."""
        ...


class TreeOfModes(Protocol):
    """The files of one commit; `git.tree.Tree` is the real one."""

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]: ...
    def mode(self, path: str) -> str: ...


class Writer(Protocol):
    """Puts a commit on a branch; `git.Remote` pushes it.

    `changes` holds the whole new content of each file, None for one that goes. `LostRace` where the branch is not at `parent` now.
    """

    def write(
        self, parent: str, changes: Mapping[str, bytes | None], message: str, branch: str
    ) -> "Revision": ...


class Repository(Protocol):
    """The platform repository, to be read; `git.Remote` is the real one."""

    def fetch(self, branch: str) -> str: ...
    def tree(self, commit: str) -> Tree: ...
    def contains(self, descendant: str, ancestor: str) -> bool | None: ...
    def subject(self, commit: str) -> str: ...
    def author(self, commit: str) -> str: ...
    def message(self, commit: str) -> str: ...


class LastingRepository(Repository, Protocol):
    """One that is read for hours; `git.Remote` is the real one."""

    def renew(self) -> None:
        """Forgets whatever was fetched of earlier commits."""
        ...


class CommitMessages(Protocol):
    """What commits say; `git.Remote` and `git.Checkout` are the real ones."""

    def message(self, commit: str) -> str:
        """The whole message; a checkout knows none of a commit that it does not hold, which is empty."""
        ...

    def parents(self, commit: str) -> Sequence[str]: ...


class CommitDates(Protocol):
    """When commits of a source repository were made; `git.Checkout` and `github.Comparison` are the real ones."""

    def committed_at(self, commit: str) -> datetime | None:
        """The committer's date of a SHA, short or full; None where that is not known here. It raises nothing."""
        ...


class PushAccess(Protocol):
    """`git.Remote` is the real one."""

    @property
    def url(self) -> str: ...
    def ask_to_push(self, commit: str, branch: str) -> None: ...


class Ancestry(Protocol):
    """Which of two commits of a source repository is the newer one; `git.Checkout` and `github.Comparison` are the real ones.

    `order` says how the commit `after` stands to `before`, both SHAs, short or full; it raises nothing.
    """

    def order(self, before: str, after: str) -> "Decision": ...


class CommitRange(Protocol):
    """Tells which commits lie between two of a source repository; `git.Checkout` and `github.Comparison` are the real ones."""

    def between(self, before: str, after: str, most: int) -> tuple[int, tuple[str, ...]] | None:
        """How many commits `after` has that `before` has not, and up to `most` of them in words; None where that is not known."""
        ...


class Comparison(Protocol):
    """Tells how commits of a site's source stand to each other; `order_guard.OrderGuard` is the real one."""

    def commit(self, key: str, held: "ImageManifest") -> str: ...
    def compared(self, before: str, after: str) -> "Iterable[Decision]": ...


class History(Protocol):
    """The deploys that the branch's commits record, with their outcomes; `git.Branch` and `git.Clone` are the real ones."""

    def all(self) -> "Iterator[Recorded]":
        """Those of every site, newest first, as they are read."""
        ...

    def notices(self) -> list[str]:
        """What may be missing, in words."""
        ...


class Notes(Protocol):
    """Where it is written down how a deploy ended; `git.Remote` is the real one."""

    def note(
        self,
        site: str,
        commit: str,
        lines: Sequence[str],
        first: Sequence[str] = (),
        *,
        only_news: bool = False,
    ) -> None:
        """Adds lines to the site's note on the commit, unless they are there; `first` only where no other commit has a note of it.

        With `only_news` a line only where the last one on the same deploy and cluster has another outcome.

        `LostRace` where another run wrote first: to be done again.
        """
