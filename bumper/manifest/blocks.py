"""A YAML text inside a literal block of another YAML file, as the patches of a kustomization are often written.

Law: the text of a literal block (`|`) stands in the file byte for byte, less its indentation: so each byte of the one has its place in
the other, and a value inside can be edited as if the block were a file. That is checked line by line; where it does not hold (folded
or quoted text, CRLF), there is no block.
"""

from bisect import bisect_right
from dataclasses import dataclass

from bumper.manifest.sops import why_sealed
from bumper.manifest.yamltext import PROPERTIES, Scalar, Source, Span


@dataclass(frozen=True)
class Block:
    """`content` is the text of the block. `starts` holds, of each of its lines, the first byte in `content` and in the file.

    `line` is the line of the file that the first line stands in. `unsafe` says why nothing in the file can be edited.
    """

    content: bytes
    starts: tuple[tuple[int, int], ...]
    line: int
    unsafe: str = ""

    def outward(self, span: Span) -> Span:
        """The place in the file of a span of `content` within one line."""
        at = bisect_right(self.starts, span.start, key=lambda start: start[0]) - 1
        inner, outer = self.starts[at]
        shift = outer - inner
        return Span(span.start + shift, span.end + shift, span.line + self.line - 1)

    def inward(self, at: int) -> int | None:
        """The byte of `content` at a byte of the file; None in the indentation."""
        line = bisect_right(self.starts, at, key=lambda start: start[1]) - 1
        inner, outer = self.starts[max(line, 0)]
        end = self.starts[line + 1][0] if line + 1 < len(self.starts) else len(self.content) + 1
        return inner + at - outer if 0 <= at - outer < end - inner else None


def block(source: Source, scalar: Scalar) -> Block | None:
    """The literal block that a scalar is; None where it is none, or not byte for byte in the file."""
    if scalar.style != "|":
        return None
    properties = PROPERTIES.match(source.text, scalar.start, scalar.end)
    header = source.text.find("\n", properties.end() if properties else scalar.start)
    lines = scalar.value.removesuffix("\n").split("\n")
    written = source.text[header + 1 : scalar.end].split("\n")
    first = next((line for line in written if line.strip(" ")), "")
    indent = len(first) - len(lines[_first(lines)] if lines else "") if first else 0
    starts: list[tuple[int, int]] = []
    at, inner = header + 1, 0
    for value, line in zip(lines, written, strict=False):
        if line != " " * indent + value and (value or line.strip(" ")):
            return None
        starts.append((inner, source.byte(min(at + indent, len(source.text)))))
        at += len(line) + 1
        inner += len(value.encode()) + 1
    if header < 0 or len(starts) < len(lines):
        return None
    return Block(scalar.value.encode(), tuple(starts), source.line(header + 1), why_sealed(source))


def _first(lines: list[str]) -> int:
    return next((at for at, line in enumerate(lines) if line.strip(" ")), 0)
