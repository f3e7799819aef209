"""The systems that the pipe talks to, as far as it needs them: nothing in the pipe knows more of them."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from bumper.build_order import Decision
from bumper.history import Recorded
from bumper.image import ImageReference, Manifest
from bumper.revision import Revision
from bumper.tree import Tree


class Clock(Protocol):
    """Monotonic seconds, and waiting."""

    def now(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


class Writer(Protocol):
    """Puts a commit on a branch; `git.Remote` pushes it.

    `changes` holds the whole new content of each file, None for one that goes. `LostRace` where the branch is not at `parent` now.
    """

    def write(
        self, parent: str, changes: Mapping[str, bytes | None], message: str, branch: str
    ) -> Revision: ...


class Repository(Protocol):
    """The platform repository, to be read; `git.Remote` is the real one."""

    def fetch(self, branch: str) -> str: ...
    def tree(self, commit: str) -> Tree: ...
    def contains(self, descendant: str, ancestor: str) -> bool | None: ...
    def subject(self, commit: str) -> str: ...
    def author(self, commit: str) -> str: ...
    def message(self, commit: str) -> str: ...


class Ancestry(Protocol):
    """Which of two commits of a source repository is the newer one; `git.Checkout` and `github.Comparison` are the real ones.

    `order` says how the commit `after` stands to `before`, both SHAs, short or full; it raises nothing.
    """

    def order(self, before: str, after: str) -> Decision: ...


class Registry(Protocol):
    """Where the images are; `registry.Registry` is the real one."""

    def resolve(self, image: ImageReference) -> Manifest: ...
    def tag_for(self, repository: ImageReference, sha: str) -> Manifest: ...
    def near(self, image: ImageReference) -> str: ...


class History(Protocol):
    """The deploys that the branch's commits record, with the outcomes noted on them; `git.History` is the real one."""

    def deploys(self, site: str) -> Sequence[Recorded]:
        """Those of one site, newest first."""


class Notes(Protocol):
    """Where it is written down how a deploy ended; `git.Remote` is the real one."""

    def note(self, commit: str, lines: Sequence[str]) -> None:
        """Adds lines to the commit's note, unless they are there. `LostRace` where another run wrote first: to be done again."""


class Progress(Protocol):
    """Hears of each stage of each site while it happens; `terminal.Terminal` is the real one."""

    def begin(self, site: str, previous: str, wanted: str) -> None: ...
    def moving(self, site: str, stage: str, detail: str) -> None: ...
    def done(self, site: str, stage: str, detail: str) -> None: ...
    def failed(self, site: str, stage: str, detail: str) -> None: ...
    def notice(self, text: str) -> None: ...
