"""The git program of this machine: asked once whether it can be used, and run to its end under a limit.

Law: nothing prompts, no process outlives its call, and what git writes is bounded. GitPython runs git where it pays: it keeps a
process that reads objects (`Program.reader`).
"""

import errno
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bumper.dataclasses import dataclass, field
from bumper.errors import Transient, Unreachable, UsageError
from bumper.ports.deadline import left_s
from bumper.ports.git import MOST_FILE_BYTES
from bumper.safe_text import printable
from bumper.systems.git.rejections import LIMITS
from bumper.systems.process import Ended, TooMuch, end, finished, started

if TYPE_CHECKING:
    from subprocess import Popen

    from git import Git

# Of a whole history with its notes; a tree of 100,000 files is a tenth of that.
_MOST_BYTES = 256_000_000
# A command that needs no network waits for nobody but a disk, a hook or a program that signs.
LOCAL_S = 60.0
_CHUNK = 1 << 16
_QUARANTINE = "GIT_QUARANTINE_PATH"
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
_USABLE: set[tuple[str, ...]] = set()


class Output(NamedTuple):
    """How git ended."""

    status: int
    stdout: str
    stderr: str


class Failure(Exception):
    """What git said before it failed."""


@dataclass(frozen=True, eq=False)
class Program:
    """Git in a directory. `environ` are the variables of its processes; they may hold a credential."""

    directory: Path
    environ: Mapping[str, str] = field(repr=False)

    @cached_property
    def reader(self) -> "Git":
        """A process of git that reads objects for as long as somebody asks, by GitPython; `clear_cache` ends it."""
        try:
            from git import Git
        except ModuleNotFoundError:
            raise
        except ImportError as error:  # GitPython runs git when it is imported
            raise _absent() from error
        reader = Git(self.directory)
        reader.update_environment(**self.environ)
        return reader

    def variables(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of its processes, with `more`."""
        variables = {**self.environ, **(more or {}), "LANGUAGE": "C", "LC_ALL": "C"}
        # Inside a hook that receives a push: as long as git knows of that, it moves no ref of any repository.
        variables.pop(_QUARANTINE, None)
        return variables


def program(directory: Path, environ: Mapping[str, str]) -> Program:
    """The git program in `directory`; `UsageError` where there is none that can be used."""
    _require_usable(environ)
    return Program(directory, environ)


def _require_usable(environ: Mapping[str, str]) -> None:
    """`UsageError` where the git program is absent, too old or never ends, as where its configuration is a pipe.

    Asked once for each place that git and its configuration may be in, before anybody runs git without a limit.
    """
    place = tuple(environ.get(name, "") for name in _PLACES)
    if place in _USABLE:
        return
    limit_s = left_s(_VERSION_S)
    try:
        answer = finished(
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
    if answer.status:
        raise _unusable(_text(answer.stderr))
    _require_version(_text(answer.stdout))
    _USABLE.add(place)


def _require_version(text: str) -> None:
    """`UsageError` unless this is the answer of a git that is new enough: `git version 2.39.5 (Apple Git-154)`."""
    match = _VERSION.search(text)
    if match is None:
        raise _unusable(f"`git version` says {printable(text)[:_SHOWN]!r}")
    if (int(match[1]), int(match[2])) < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        raise UsageError(f"git: found version {match[0]}, expected {oldest} or newer", hint=_install())


def run(
    git: Program,
    *arguments: str,
    stdin: bytes = b"",
    environ: Mapping[str, str] | None = None,
    timeout_s: float = LOCAL_S,
    place: object = "",
    names_files: bool = False,
) -> Output:
    """Runs git to its end. `Transient` where that does not come in time; then its processes are gone. `place` is what it works on.

    What git says in names of files keeps its bytes, as this system's own functions want them (`os.fsdecode`).
    """
    status, written, complaint = ended(git, arguments, stdin, environ, timeout_s, place)
    return Output(status, os.fsdecode(written) if names_files else _text(written), _text(complaint))


def ended(
    git: Program,
    arguments: Sequence[str],
    stdin: bytes,
    environ: Mapping[str, str] | None,
    timeout_s: float,
    place: object,
) -> Ended:
    place = place or git.directory
    limit_s = left_s(timeout_s)
    try:
        return finished(
            start(git, arguments, environ),
            stdin,
            limit_s=limit_s,
            most_bytes=_MOST_BYTES,
            what=f"git {command_of(arguments)} ({place})",
        )
    except TimeoutError:
        raise _late(place, arguments, limit_s) from None
    except TooMuch:
        raise Unreachable(
            f"{place}: git {command_of(arguments)} wrote more than {_MOST_BYTES} bytes, expected less"
        ) from None


def _late(place: object, arguments: Sequence[str], limit_s: float) -> Transient:
    command = command_of(arguments)
    hint = "is gpg, or whatever signs commits here, waiting for somebody?" if command == "commit-tree" else ""
    return Transient(f"{place}: git {command} had not ended after {round(limit_s, 1):g} s", hint=hint)


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


def stream(git: Program, *arguments: str) -> Iterator[str]:
    """What git writes between two NULs, while it goes on; `Failure` with its words where it fails, or with ours where that has no end.

    Git ends when its reader does.
    """
    rest = b""
    with start(git, arguments) as process:
        assert process.stdout, "a pipe"
        try:
            while chunk := os.read(process.stdout.fileno(), _CHUNK):
                *whole, rest = (rest + chunk).split(b"\0")
                yield from map(_text, whole)
                if len(rest) > MOST_FILE_BYTES:
                    raise Failure(f"found a text of more than {MOST_FILE_BYTES:,} bytes, expected less")
            _, stderr = process.communicate()
        except BaseException:
            end(process)
            raise
    if process.returncode:
        raise Failure(_text(stderr))
    if rest:
        yield _text(rest)


def start(git: Program, arguments: Sequence[str], environ: Mapping[str, str] | None = None) -> "Popen[bytes]":
    variables = git.variables(environ)
    try:
        return started(["git", *arguments], variables, git.directory)
    except FileNotFoundError as error:
        if git.directory.is_dir():
            raise _absent() from error
        raise _not_started(error, arguments, variables) from None
    except (OSError, ValueError) as error:
        raise _not_started(error, arguments, variables) from None


def _not_started(
    error: OSError | ValueError, arguments: Sequence[str], environ: Mapping[str, str]
) -> UsageError:
    """The error for a git that the system does not start: what it is handed is too long, or there is no room for a process."""
    if isinstance(error, OSError) and error.errno != errno.E2BIG:
        return UsageError(f"git {command_of(arguments)}: cannot be started: {error.strerror}", hint=LIMITS)
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


def _text(output: bytes) -> str:
    return output.decode("utf-8", "replace")


def _absent() -> UsageError:
    return UsageError("git: not found; bump needs the git program", hint=_install())


def _unusable(complaint: str) -> UsageError:
    """Git cannot even tell its version: nearly always a configuration that it cannot read."""
    reason = complaint.strip().removeprefix("stderr:").strip(" '\n") or "ends before it says its version"
    return UsageError(
        f"git: {reason}, expected a git that runs",
        hint="correct git's configuration (~/.gitconfig, /etc/gitconfig, GIT_CONFIG_* variables) until `git version` works",
    )


def _install() -> str:
    return "install it: apt-get install git, apk add git, dnf install git or brew install git"


def pairs(text: str) -> list[tuple[str, str]]:
    """The variables that `git config -z` printed; a variable without a value is true."""
    named = (entry.partition("\n") for entry in text.split("\0") if entry)
    return [(key, value if separator else "true") for key, separator, value in named]
