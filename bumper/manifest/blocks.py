"""A YAML text inside a scalar of another YAML file, as the patches of a kustomization are often written.

Law: the text stands in the file byte for byte in runs: the lines of a literal block (`|`) or a folded one (`>`) without their
indentation, what is between the escapes and the breaks of a quoted text. So each byte of a run has its place in the file, and a value
inside of one run can be edited as if the text were a file. That is checked run by run; where it does not hold, there is no block.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from bumper.dataclasses import dataclass
from bumper.manifest.sops import why_sealed
from bumper.manifest.yamltext import Scalar, Source, Span, Text

# What a quoted text writes otherwise than it is read.
_ESCAPES = {"'": "''", '"': r"\\(?:x..|u.{4}|U.{8}|.|$)"}


class Run(NamedTuple):
    """Bytes that are the same in the text and in its file."""

    inner: int
    outer: int
    length: int
    line: int


@dataclass(frozen=True)
class Block:
    """`content` is the text inside. `runs` holds, of each run, its first byte in `content` and in the file, its length and its line.

    `line` is the line of the file that the text begins in. `unsafe` says why nothing in the file can be edited.
    """

    content: bytes
    runs: tuple[Run, ...]
    line: int
    unsafe: str = ""

    def outward(self, span: Span) -> Span:
        """The place in the file of a span of `content`; one byte of the file at most where it is not within one run (`holds`)."""
        run = self._run(span.start)
        shift = run.outer - run.inner
        end = span.end + shift if self.holds(span) else span.start + shift
        return Span(span.start + shift, end, run.line)

    def holds(self, span: Span) -> bool:
        """Whether a span of `content` stands in the file as it is."""
        run = self._run(span.start)
        return run.inner <= span.start and span.end <= run.inner + run.length

    def inward(self, at: int) -> int | None:
        """The byte of `content` at a byte of the file; None between two runs."""
        run = self.runs[max(bisect_right(self.runs, at, key=lambda run: run.outer) - 1, 0)]
        return run.inner + at - run.outer if 0 <= at - run.outer <= run.length else None

    def _run(self, at: int) -> Run:
        return self.runs[max(bisect_right(self.runs, at, key=lambda run: run.inner) - 1, 0)]


def block(source: Source, scalar: Scalar) -> Block | None:
    """The text that stands in a scalar; None where it is plain, or not run for run in the file."""
    runs = runs_of(source, scalar)
    return Block(scalar.value.encode(), tuple(runs), runs[0].line, why_sealed(source)) if runs else None


def runs_of(text: Text, scalar: Scalar) -> list[Run]:
    """The runs of the text that stands in a scalar; none where it is plain, or not run for run in the file."""
    return _literal(text, scalar) if scalar.style == "|" else _flowing(text, scalar)


def _literal(text: Text, scalar: Scalar) -> list[Run]:
    """The lines of a literal block; none where one of them is not as it is written."""
    header = text.text.find("\n", text.opening(scalar.start, scalar.end))
    lines = scalar.value.removesuffix("\n").split("\n")
    written = text.text[header + 1 : scalar.end].split("\n")
    first = next((line for line in written if line.strip(" ")), "")
    indent = len(first) - len(lines[_first(lines)] if lines else "") if first else 0
    runs: list[Run] = []
    at, inner = header + 1, 0
    for value, line in zip(lines, written, strict=False):
        if line != " " * indent + value and (value or line.strip(" ")):
            return []
        length = len(value.encode())
        start = min(at + indent, len(text.text))
        runs.append(Run(inner, text.byte(start), length, text.line(at)))
        at += len(line) + 1
        inner += length + 1
    return runs if header >= 0 and len(runs) == len(lines) else []


def _flowing(text: Text, scalar: Scalar) -> list[Run]:
    """The runs of a folded or quoted text; none where one of them is not the next in what is read."""
    runs: list[Run] = []
    at = 0
    for start, written in _pieces(text, scalar):
        while not scalar.value.startswith(written, at):
            # Between two runs stands what an escape or a break is read as, one character of either or several breaks.
            at += 1
            if at >= len(scalar.value):
                return []
        inner = len(scalar.value[:at].encode())
        runs.append(Run(inner, text.byte(start), len(written.encode()), text.line(start)))
        at += len(written)
    return runs


def _pieces(text: Text, scalar: Scalar) -> Iterator[tuple[int, str]]:
    """What is written between the breaks and escapes of a scalar, with the character where it begins."""
    start, end = text.opening(scalar.start, scalar.end), scalar.end
    if scalar.style == ">":
        start = text.text.find("\n", start, end) + 1 or end
    elif scalar.style:
        start, end = start + 1, end - 1
    else:
        return
    escape = _ESCAPES.get(scalar.style)
    for line in re.finditer(r"[^\r\n]+", text.text[start:end]):
        first = start + line.start()
        for match in re.finditer(escape, line[0]) if escape else ():
            yield from _trimmed(first, text.text[first : start + line.start() + match.start()])
            first = start + line.start() + match.end()
        yield from _trimmed(first, text.text[first : start + line.end()])


def _trimmed(start: int, written: str) -> Iterator[tuple[int, str]]:
    """Without the blanks at both ends, of which a break takes some along."""
    if piece := written.strip(" \t"):
        yield start + written.index(piece), piece


def _first(lines: list[str]) -> int:
    return next((at for at, line in enumerate(lines) if line.strip(" ")), 0)
