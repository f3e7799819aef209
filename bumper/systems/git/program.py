"""The git program: one run of it, with an end in time, and one that goes on answering which object is what.

Law: git gets the variables that it is given and no others, speaks English, and asks nobody. No process outlives its call but the one
of `ObjectReader`, which ends with what it reads from.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import NamedTuple

from bumper.errors import Transient, Unreachable, UsageError
from bumper.ports.deadline import left_s
from bumper.ports.git import MOST_FILE_BYTES
from bumper.safe_text import printable
from bumper.systems.process import Ended, TooMuch, end, finished, started

# Of a whole history with its notes; a tree of 100,000 files is a tenth of that.
_MOST_BYTES = 256_000_000
_CHUNK = 1 << 16
# A command that needs no network waits for nobody but a disk, a hook or a program that signs.
_LOCAL_S = 60.0
_OLDEST = (2, 31)  # GIT_CONFIG_COUNT
_VERSION = re.compile(r"\b(\d{1,4})\.(\d{1,4})(?:\.\d{1,4})*")
_VERSION_S = 10.0
_SHOWN = 100
# What says which git that is, and where its configuration lies.
_PLACES = (
    "PATH",
    "HOME",
    "XDG_CONFIG_HOME",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
)
# Set in a hook that receives a push: as long as git knows of that, it moves no ref of any repository.
_QUARANTINE = "GIT_QUARANTINE_PATH"
_ENGLISH = {"LC_ALL": "C", "LANGUAGE": "C"}
_USABLE: set[tuple[str, ...]] = set()


class Output(NamedTuple):
    """How git ended."""

    status: int
    stdout: str
    stderr: str


class Failure(Exception):
    """What git said before it failed."""


class Git:
    """Git in one directory, with these variables; `UsageError` where there is none that can be used."""

    def __init__(self, directory: Path, environ: Mapping[str, str]) -> None:
        _require_usable(environ)
        self.directory = directory
        self._environ = {
            name: value for name, value in {**environ, **_ENGLISH}.items() if name != _QUARANTINE
        }

    def add(self, variables: Mapping[str, str]) -> None:
        """Adds variables, or replaces them."""
        self._environ.update(variables)

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        environ: Mapping[str, str] | None = None,
        timeout_s: float = _LOCAL_S,
        place: object = "",
    ) -> Output:
        """Runs git to its end. `Transient` where that does not come in time; then its processes are gone.

        `environ` is added to its variables; `place` is what it works on, as people know it.
        """
        ended = self.run_bytes(*arguments, stdin=stdin, environ=environ, timeout_s=timeout_s, place=place)
        return Output(ended.status, text_of(ended.stdout), text_of(ended.stderr))

    def run_bytes(
        self,
        *arguments: str,
        stdin: bytes = b"",
        environ: Mapping[str, str] | None = None,
        timeout_s: float = _LOCAL_S,
        place: object = "",
    ) -> Ended:
        """The same, with what git wrote byte for byte."""
        place = place or self.directory
        limit_s = left_s(timeout_s)
        process = self.start(*arguments, environ=environ)
        what = f"git {command_of(arguments)} ({place})"
        try:
            return finished(process, stdin, limit_s=limit_s, most_bytes=_MOST_BYTES, what=what)
        except TimeoutError:
            raise _late(place, arguments, limit_s) from None
        except TooMuch:
            raise Unreachable(
                f"{place}: git {command_of(arguments)} wrote more than {_MOST_BYTES} bytes, expected less"
            ) from None

    def stream(self, *arguments: str) -> Iterator[str]:
        """What git writes between two NULs, while it goes on; git ends when its reader does.

        `Failure` with its words where it fails, or with ours where what it writes has no end.
        """
        with self.start(*arguments) as process:
            try:
                rest = b""
                assert process.stdout, "a pipe"
                while chunk := process.stdout.read1(_CHUNK):  # type: ignore[attr-defined]
                    whole, null, rest = (rest + chunk).rpartition(b"\0")
                    if null:
                        yield from text_of(whole).split("\0")
                    if len(rest) > MOST_FILE_BYTES:
                        raise Failure(f"found a text of more than {MOST_FILE_BYTES:,} bytes, expected less")
                _, stderr = process.communicate()
            except BaseException:
                end(process)
                raise
        if process.returncode:
            raise Failure(text_of(stderr))
        if rest:
            yield text_of(rest)

    def start(
        self, *arguments: str, environ: Mapping[str, str] | None = None, stderr: int = PIPE
    ) -> "Popen[bytes]":
        """A process of git; `UsageError` where the system starts none."""
        variables = {**self._environ, **(environ or {})}
        try:
            return started(["git", *arguments], variables, self.directory, stderr)
        except FileNotFoundError as error:
            raise _absent() if error.filename == "git" else _unfit(self.directory, error) from None
        except (OSError, ValueError) as error:
            raise _not_started(error, arguments, variables) from None


class Object(NamedTuple):
    """An object of git: `kind` is `blob`, `tree`, `commit` or `tag`. Of `size` bytes `content` holds those that were read."""

    sha: str
    kind: str
    size: int
    content: bytes


class ObjectReader:
    """Reads objects one after another, by one process of git that is started when it is first asked."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._process: Popen[bytes] | None = None

    def read(self, name: str) -> Object | None:
        """The object that `name` stands for, cut off behind `MOST_FILE_BYTES`; None where it is not here."""
        process = self._process or self._git.start("cat-file", "--batch", stderr=DEVNULL)
        self._process = process
        assert process.stdin, "a pipe"
        assert process.stdout, "a pipe"
        try:
            process.stdin.write(f"{name}\n".encode())
            process.stdin.flush()
            line = process.stdout.readline().decode("ascii", "replace")
            sha, _, described = line.strip().partition(" ")
            kind, _, size = described.partition(" ")
            if line and not size.isdecimal():  # `missing`, `ambiguous`
                return None
            content = process.stdout.read(min(int(size), MOST_FILE_BYTES) + 1) if line else b""
        except OSError:
            self.close()
            return None
        is_whole = line and len(content) == int(size) + 1
        if is_whole:
            return Object(sha, kind, int(size), content[:-1])
        # The rest is read by nobody; or git is gone, as over a missing object of a partial repository.
        self.close()
        is_cut = len(content) > MOST_FILE_BYTES
        return Object(sha, kind, int(size), content) if is_cut else None

    def close(self) -> None:
        """Ends the process, if any."""
        process, self._process = self._process, None
        if process is None:
            return
        end(process)
        for stream in (process.stdin, process.stdout, process.stderr):
            with suppress(OSError):  # what was still to be written
                if stream:
                    stream.close()


def text_of(output: bytes) -> str:
    """What git wrote, as text."""
    return output.decode("utf-8", "replace")


def command_of(arguments: Sequence[str]) -> str:
    """`fetch` of `-c x=y fetch …`."""
    return next(
        (
            argument
            for before, argument in pairwise(("", *arguments))
            if before != "-c" and not argument.startswith("-")
        ),
        "",
    )


def _late(place: object, arguments: Sequence[str], limit_s: float) -> Transient:
    command = command_of(arguments)
    hint = "is gpg, or whatever signs commits here, waiting for somebody?" if command == "commit-tree" else ""
    return Transient(f"{place}: git {command} had not ended after {round(limit_s, 1):g} s", hint=hint)


def _require_usable(environ: Mapping[str, str]) -> None:
    """`UsageError` where the git program is absent, too old or never ends, as where its configuration is a pipe.

    Asked once for each place that git and its configuration may be in.
    """
    place = tuple(environ.get(name, "") for name in _PLACES)
    if place in _USABLE:
        return
    limit_s = left_s(_VERSION_S)
    try:
        ended = finished(
            started(["git", "version"], environ),
            b"",
            limit_s=limit_s,
            most_bytes=_MOST_BYTES,
            what="git version",
        )
    except FileNotFoundError:
        raise _absent() from None
    except TimeoutError:
        raise _unusable(f"`git version` had not ended after {round(limit_s, 1):g} s") from None
    except OSError as error:  # which a TimeoutError is, too
        raise _not_started(error, ["version"], environ) from None
    except TooMuch:
        raise _unusable("`git version` has no end") from None
    if ended.status:
        raise _unusable(text_of(ended.stderr))
    _require_version(text_of(ended.stdout))
    _USABLE.add(place)


def _require_version(text: str) -> None:
    """`UsageError` unless this is the answer of a git that is new enough: `git version 2.39.5 (Apple Git-154)`."""
    match = _VERSION.search(text)
    if match is None:
        raise _unusable(f"`git version` says {printable(text)[:_SHOWN]!r}")
    if (int(match[1]), int(match[2])) < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        raise UsageError(f"git: found version {match[0]}, expected {oldest} or newer", hint=_install())


def _not_started(
    error: OSError | ValueError, arguments: Sequence[str], environ: Mapping[str, str]
) -> UsageError:
    """The error for a git that the system does not start: what it is handed is too long, or there is no room for a process."""
    reason = error.strerror if isinstance(error, OSError) else str(error)
    longest = max(environ, key=lambda name: len(environ[name]), default="")
    argument = max(map(len, arguments), default=0)
    sizes = f"its longest argument has {argument:,} characters, its longest variable"
    # The name of a setting that we add says nothing to anybody, and its value may be a credential.
    name = "" if longest.startswith("GIT_CONFIG_VALUE_") else f" ({longest})"
    return UsageError(
        f"git {command_of(arguments)}: cannot be started: {reason}; {sizes}{name} {len(environ.get(longest, '')):,}",
        hint="shorten what is that long: a system hands on some hundred kilobytes",
    )


def _unfit(directory: Path, error: OSError) -> UsageError:
    return UsageError(f"{directory}: {error.strerror}", hint="git works in this directory")


def _absent() -> UsageError:
    return UsageError("git: not found; bump needs the git program", hint=_install())


def _unusable(complaint: str) -> UsageError:
    """Git cannot even tell its version: nearly always a configuration that it cannot read."""
    reason = complaint.strip() or "ends before it says its version"
    return UsageError(
        f"git: {reason}, expected a git that runs",
        hint="correct git's configuration (~/.gitconfig, /etc/gitconfig, GIT_CONFIG_* variables) until `git version` works",
    )


def _install() -> str:
    return "install it: apt-get install git, apk add git, dnf install git or brew install git"
