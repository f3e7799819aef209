"""The deploys on a branch, from its commits and the notes on them.

Law: one pass of `git log`, in the order in which the branch got its commits: what a merge brought in stands right below it. A merge
itself records nothing, since it may quote what it merges. A checkout that is at hand is read and never written to: what it has is
not fetched, what is new is fetched to a place of our own.
Source: git-log(1), "pretty formats"; `%N` is the note as it is, found by git itself at any fanout.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from bumper.errors import UsageError
from bumper.history import ending
from bumper.history.message import is_within_reach
from bumper.history.past import Logged, past
from bumper.history.record import records
from bumper.record import Recorded
from bumper.systems.file import is_directory
from bumper.systems.git.address import is_url
from bumper.systems.git.checkout import local
from bumper.systems.git.program import Failure, Output, run, stream
from bumper.systems.git.rejections import MissingRef

if TYPE_CHECKING:
    from bumper.systems.git.repository import Repository

_TIP = "refs/bump/history"
_FIELDS = ("%H %P", "%an", "%ct", "%B", "%N")
# What the user's configuration could add to or take from the format is turned off; notes are those of our ref alone.
_LOG = (
    *("log", "--topo-order", "-z", "--no-color", "--no-show-signature", "--no-mailmap", "--encoding=UTF-8"),
    *(f"--notes={ending.REF}", f"--notes={ending.SITES}/*", f"--format={'%x00'.join(_FIELDS)}"),
)
# `fetch` always names a filter: this one keeps every note.
_NOTES = "blob:limit=1g"
_BEGIN = datetime.fromtimestamp(0, UTC)
# A deploy of a thousand sites has 300 kB. Whatever is longer was not written by us.
_MOST_CHARACTERS = 1_000_000


class Branch:
    """A branch of a remote, fetched to a repository of its own anew each time it is asked: commits without trees, and the notes.

    `opened` gives that repository; most runs that may ask do not. What has not changed since it was asked last is not read again.
    """

    def __init__(self, opened: "Callable[[], Repository]", branch: str, hint: Callable[[], str]) -> None:
        self._opened = opened
        self._branch = branch
        self._hint = hint
        self._refs = ""
        self._deploys: Iterable[Recorded] = ()

    def all(self) -> Iterator[Recorded]:
        """The deploys of all sites, newest first."""
        repository = self._opened()
        try:
            repository.fetch(f"+refs/heads/{self._branch}:{_TIP}", keep="tree:0")
        except MissingRef:
            raise UsageError(f"{repository}: no branch {self._branch!r}", hint=self._hint()) from None
        with suppress(MissingRef):  # nobody has noted anything yet
            repository.fetch(ending.REFSPEC, depth=1, keep=_NOTES)
        refs = repository.run("for-each-ref", _TIP, ending.REF, ending.SITES).stdout
        if refs != self._refs:
            texts = iter(repository.run(*_LOG, _TIP, "--").stdout.split("\0"))
            self._refs, self._deploys = refs, _Kept(past(_logged(texts)))
        return iter(self._deploys)

    def notices(self) -> list[str]:
        """Nothing: it is all there, or `all` has raised."""
        return []


class _Kept:
    """What an iterator gives, kept for whoever asks again; as much of it as somebody has asked for."""

    def __init__(self, deploys: Iterator[Recorded]) -> None:
        self._coming = deploys
        self._kept: list[Recorded] = []

    def __iter__(self) -> Iterator[Recorded]:
        for number in count():
            if number == len(self._kept):
                if (deploy := next(self._coming, None)) is None:
                    return
                self._kept.append(deploy)
            yield self._kept[number]


class Clone:
    """A clone as it is on this machine, read without the network: what was last fetched of its origin.

    Its own branch where it has no origin, or where `reads_own` asks for that.
    """

    def __init__(
        self, directory: Path, branch: str, environ: Mapping[str, str], *, reads_own: bool = False
    ) -> None:
        """`UsageError` where there is no such clone."""
        if is_url(str(directory)):
            raise UsageError(
                f"{directory}: --offline reads a clone on this machine",
                hint="leave it out, or name a directory",
            )
        if not is_directory(directory):
            raise UsageError(f"{directory}: neither a URL nor a directory", hint="check --repo")
        self._git = local(directory, {**environ, "GIT_ALLOW_PROTOCOL": "none", "GIT_OPTIONAL_LOCKS": "0"})
        seen = self._ask("rev-parse", "--is-bare-repository", "--is-shallow-repository")
        if seen.status:
            raise UsageError(
                f"{directory}: not a git repository that can be read: {seen.stderr.strip()}",
                hint="check --repo",
            )
        bare, shallow = seen.stdout.split()
        self._has_origin = not self._ask("config", "--get", "remote.origin.url").status
        reads_own = reads_own or bare == "true" or not self._has_origin
        self._folder = "refs/heads/" if reads_own else "refs/remotes/origin/"
        self._branch = branch
        self._is_shallow = shallow == "true"

    def all(self) -> Iterator[Recorded]:
        """The deploys of all sites, newest first."""
        return past(_logged(self._fields()))

    def _fields(self) -> Iterator[str]:
        # As they come: reading goes on while git does, and a caller that wants a few ends it early.
        try:
            yield from stream(self._git, *_LOG, f"{self._folder}{self._branch}", "--")
        except Failure as failure:
            why = str(failure).strip().removeprefix("fatal: ")
            raise UsageError(
                f"{self._git.directory}: {self._folder}{self._branch} cannot be read: {why}",
                hint=self._way_to_read(),
            ) from None

    def _way_to_read(self) -> str:
        names = self._ask("for-each-ref", "--format=%(refname)", self._folder).stdout.split()
        known = [name.removeprefix(self._folder) for name in names if not name.endswith("/HEAD")]
        there = [f"name one of those there by --branch: {', '.join(known)}"] if known else []
        if self._folder != "refs/heads/":
            return "; or ".join(["git fetch origin brings it if the origin has it", *there])
        return "".join(there) or "this repository has no commit yet"

    def notices(self) -> list[str]:
        """What this clone does not have."""
        notices = []
        if self._is_shallow:
            notices.append(
                "this clone is shallow: older deploys are not in it"
                + ("; git fetch --unshallow brings them" if self._has_origin else "")
            )
        if not self._ask("for-each-ref", "--count=1", ending.REF, ending.SITES).stdout:
            fetch = f"; git fetch origin '{ending.REFSPEC}' brings them" if self._has_origin else ""
            notices.append(f"this clone has no {ending.REF}*: outcomes are not shown{fetch}")
        return notices

    def _ask(self, *arguments: str) -> Output:
        return run(self._git, *arguments)


def lend(directory: Path, environ: Mapping[str, str], repository: "Repository") -> None:
    """Lets `repository` use the objects of the checkout in `directory`, unless the checkout is shallow: then commits are cut off."""
    asked = ("rev-parse", "--is-shallow-repository", "--path-format=absolute", "--git-path", "objects")
    output = run(local(directory, environ), *asked)
    shallow, _, objects = output.stdout.removesuffix("\n").partition("\n")
    if output.status == 0 and shallow == "false":
        repository.borrow(Path(objects))


def _logged(texts: Iterator[str]) -> Iterator[Logged]:
    for head, author, seconds, message, note in zip(*[texts] * len(_FIELDS), strict=False):
        sha, *parents = head.split()
        is_ours = len(parents) < 2 and len(message) <= _MOST_CHARACTERS
        commit_records = records(sha, author, _time(seconds), message) if is_ours else ()
        notes = ending.parse(note) if 0 < len(note) <= _MOST_CHARACTERS else ()
        yield Logged(sha, commit_records, notes)


def _time(seconds: str) -> datetime:
    try:
        at = datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):  # a commit may claim any time
        return _BEGIN
    return at if is_within_reach(at) else _BEGIN
