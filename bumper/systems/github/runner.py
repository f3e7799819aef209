"""What a step of a workflow tells its runner: outputs by a file, annotations by lines of its log.

Law: nothing that a cluster or a commit wrote can become a command. While foreign text is printed, commands are stopped; a value in the
file of outputs ends at a line that nobody can guess.
Source: GitHub's documentation, "Workflow commands for GitHub Actions".
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from bumper.systems.file import append

_IN_A_LINE = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_IN_A_PROPERTY = {**_IN_A_LINE, ":": "%3A", ",": "%2C"}


class StoppedCommands:
    """The log of a step in which nothing is read as a command, but for what is said here."""

    def __init__(self, log: TextIO) -> None:
        self._log = log
        self._token = secrets.token_hex(16)

    def stop(self) -> None:
        self._write(f"::stop-commands::{self._token}\n")

    def resume(self) -> None:
        self._write(f"::{self._token}::\n")

    def hide(self, secret: str) -> None:
        """From now on the runner shows `***` in its place."""
        # In one piece, from a line's start: no foreign line comes in between, where commands are read, and no half line before.
        mask = f"::add-mask::{_written(secret, _IN_A_LINE)}"
        self._write(f"\n::{self._token}::\n{mask}\n::stop-commands::{self._token}\n")

    def _write(self, text: str) -> None:
        self._log.write(text)
        self._log.flush()


@contextmanager
def stopped_commands(log: TextIO) -> Iterator[StoppedCommands]:
    """Nothing that is printed inside is read as a command."""
    commands = StoppedCommands(log)
    commands.stop()
    try:
        yield commands
    finally:
        commands.resume()


def annotation(level: str, title: str, text: str, *, path: str = "", line: int = 0) -> str:
    """The line that makes an annotation; `level` is `error`, `warning` or `notice`, `path` counts from the root of the checkout."""
    place = f"file={_written(path, _IN_A_PROPERTY)},line={line}," if path else ""
    return f"::{level} {place}title={_written(title, _IN_A_PROPERTY)}::{_written(text, _IN_A_LINE)}\n"


def append_outputs(path: Path, outputs: Mapping[str, str]) -> None:
    """Adds the outputs of this step to the file that the runner reads. OSError where it takes nothing."""
    end = f"end-{secrets.token_hex(16)}"
    append(path, "".join(f"{name}<<{end}\n{value}\n{end}\n" for name, value in outputs.items()))


def _written(text: str, replaced: Mapping[str, str]) -> str:
    return text.translate({ord(char): written for char, written in replaced.items()})
