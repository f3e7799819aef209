"""A checkout of the source repository: which of two commits came first, as far as its own history tells.

Law: nothing is fetched, nothing is written, and what the checkout does not hold is UNKNOWN. A way from one commit to the other proves
an order in any clone; that there is none proves something only in a clone that is not shallow.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bumper.address import repository_key
from bumper.build_order import Decision, Order, Witness, by_common_ancestor
from bumper.errors import BumpError, UsageError
from bumper.systems.file import is_directory
from bumper.systems.git.checkout import ask, checkout_root, local, origin_of
from bumper.systems.git.program import Output, run

# Nobody asked for this checkout: a run goes on without it.
_TIMEOUT_S = 10.0
# A partial clone must not fetch what it lacks, nor a replaced commit stand for another.
_ALONE = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_TERMINAL_PROMPT": "0",
}


class Checkout:
    """The checkout, or bare repository, around a directory. Asked one thing at a time."""

    def __init__(self, directory: Path, environ: Mapping[str, str], origin: str = "") -> None:
        self._directory = directory
        self._origin = origin
        self._environ = {**environ, **_ALONE}

    @classmethod
    def at(cls, directory: Path, environ: Mapping[str, str]) -> "Checkout":
        """The checkout at a directory that a person named; `UsageError` where there is none."""
        if ask(directory, environ, "rev-parse", "--git-dir").status if is_directory(directory) else True:
            raise UsageError(
                f"--source {directory}: not a git repository", hint="name a checkout of the source repository"
            )
        return cls(directory, environ)

    @classmethod
    def around(cls, directory: Path, environ: Mapping[str, str]) -> "Checkout | None":
        """The checkout that `directory` is in; None outside of any."""
        try:
            root = checkout_root(directory, environ, timeout_s=_TIMEOUT_S)
            return cls(root, environ, origin_of(root, environ) or "") if root else None
        except BumpError:
            return None

    def is_of(self, url: str) -> bool:
        """Whether it is the repository at this address, or a checkout of that one."""
        places = (self._origin, str(self._directory))
        return repository_key(url) in [repository_key(place) for place in places if place]

    def order(self, before: str, after: str) -> Decision:
        """How the commit `after` stands to `before`; both are SHAs, short or full."""
        try:
            return self._order(before, after)
        except BumpError:
            return Decision(Order.UNKNOWN, f"{self}: git gave no answer")

    def between(self, before: str, after: str, most: int) -> tuple[int, tuple[str, ...]] | None:
        """How many commits `after` has that `before` has not, and the newest of them; None where this clone does not tell."""
        first, second = self._commits(before, after)
        if not (first and second):
            return None
        if self._git("rev-parse", "--is-shallow-repository").stdout.strip() != "false":
            return None
        count = self._git("rev-list", "--count", second, f"^{first}").stdout.strip()
        shown = self._git("log", f"--max-count={most}", "--format=%h %s", second, f"^{first}").stdout
        return (int(count), tuple(shown.splitlines())) if count.isdigit() else None

    def message(self, commit: str) -> str:
        """The message of a commit by its SHA, short or full; empty where it is not here."""
        return self._shown("%B", commit)

    def parents(self, commit: str) -> Sequence[str]:
        """The commits that it was made on; empty where it is not here."""
        return self._shown("%P", commit).split()

    def committed_at(self, commit: str) -> datetime | None:
        """When a commit was made; None where it is not here, or claims a time that is none."""
        try:
            return datetime.fromtimestamp(int(self._shown("%ct", commit)), UTC)
        except (BumpError, ValueError, OverflowError, OSError):
            return None

    def _shown(self, form: str, commit: str) -> str:
        [sha] = self._commits(commit)
        return self._git("show", "--no-patch", f"--format={form}", sha).stdout if sha else ""

    def __str__(self) -> str:
        return f"the checkout {self._directory}"

    def _order(self, before: str, after: str) -> Decision:
        first, second = self._commits(before, after)
        missing = [name for name, sha in ((before, first), (after, second)) if not sha]
        if missing:
            return Decision(Order.UNKNOWN, f"{self} does not hold {' and '.join(missing)}")
        output = self._git("merge-base", first, second)
        if output.status not in (0, 1):
            return Decision(Order.UNKNOWN, f"{self}: its history cannot be read")
        is_whole = self._git("rev-parse", "--is-shallow-repository").stdout.strip() == "false"
        order = by_common_ancestor(first, second, output.stdout.strip(), is_whole=is_whole)
        if order is Order.UNKNOWN:
            return Decision(order, f"{self} is shallow and shows no way from one to the other")
        return Decision(order, f"ancestry in {self}", Witness.CHECKOUT)

    def _commits(self, *names: str) -> list[str]:
        """The full SHAs, empty for what is not there, not a commit, or more than one."""
        asked = "".join(f"{name}^{{commit}}\n" for name in names).encode()
        lines = self._git("cat-file", "--batch-check=%(objectname)", stdin=asked).stdout.splitlines()
        # A branch may be called like a SHA; git would take it first.
        shas = [
            line if line.startswith(name) and " " not in line else ""
            for name, line in zip(names, lines, strict=False)
        ]
        return shas + [""] * (len(names) - len(shas))

    def _git(self, *arguments: str, stdin: bytes = b"") -> Output:
        return run(local(self._directory, self._environ), *arguments, stdin=stdin, timeout_s=_TIMEOUT_S)
