"""Lines of styled text: what a display colours and a log prints plainly.

Law: a line is one line. Whatever its texts hold (a name of the repository, an answer of a server), it begins no second line, where a
runner would take `::error::` for a command, and nothing in it speaks to the terminal.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from bumper.errors import Outcome
from bumper.safe_text import visible

# Of a text that is to be copied into a terminal.
COMMAND = "command"
# Of the labels in front of what is told of a site.
LABEL_WIDTH = 13


class Span(NamedTuple):
    """Some text in one of the styles `good`, `bad`, `warn`, `quiet`, `strong`, `command`, or in none (empty)."""

    text: str
    style: str = ""


Line = tuple[Span, ...]

STYLES = {Outcome.READY: "good", Outcome.UNCHANGED: "good", Outcome.PUSHED: "good", Outcome.PLANNED: "good"}
STYLES |= {
    Outcome.SERVING: "good",
    Outcome.REMOVED: "good",
    Outcome.APPLIED: "warn",
    Outcome.SUPERSEDED: "warn",
    Outcome.TIMED_OUT: "warn",
    Outcome.SUSPENDED: "warn",
    Outcome.BLOCKED: "warn",
}


def paragraph(name: Span, title: Span, rows: Iterable[tuple[str, str]]) -> list[Line]:
    """A name with what became of it, and below it the rows of label and text that have a text."""
    return [(name, Span("   "), title), *labelled(rows, 8)]


def labelled(rows: Iterable[tuple[str, str]], width: int = LABEL_WIDTH) -> list[Line]:
    """A line for each row of label and text that has a text."""
    return [(margin(label, width), Span(text)) for label, text in rows if text]


def margin(label: str, width: int = LABEL_WIDTH) -> Span:
    """A label in front of its text."""
    return Span(f"  {label:<{width}}", "quiet")


def wrapped(line: Line, width: int) -> list[Line]:
    """The line as lines of at most `width` columns, broken between words; what follows stands below the first text after the label,
    or two columns further in than a line without one.

    A word that is longer than that stays whole. Spans keep their styles.
    """
    indent = _indent(line)
    if indent * 2 > width or sum(len(span.text) for span in line) <= width:
        return [line]
    lines: list[list[Span]] = [[]]
    column = 0
    for span in line:
        for word in _WORDS.findall(span.text):
            if column > indent and column + len(word.rstrip()) > width:
                lines.append([Span(" " * indent)])
                column, word = indent, word.lstrip()
            lines[-1].append(Span(word, span.style))
            column += len(word)
    return [tuple(spans) for spans in lines]


def prose(text: str, width: int) -> list[Line]:
    """The lines of a text, broken as `wrapped` does behind what stands in front as a label; 0 is a width that needs no breaks.

    A command (`$ …`) stays whole: it is to be copied.
    """
    lines: list[Line] = []
    for row in text.split("\n"):
        label = _LABEL.match(row)
        at = label.end() if label else 0
        line = tuple(Span(cut) for cut in (row[:at], row[at:]) if cut)
        lines += wrapped(line, width) if width and not row.startswith("$ ") else [line]
    return lines


_LABEL = re.compile(r"  \w+ +")
# A word with the spaces before it.
_WORDS = re.compile(r"\s*\S+|\s+")


def _indent(line: Line) -> int:
    """Where the text of a line goes on: behind its label, which stands alone in the first span, or two columns in."""
    label = line[0].text if len(line) > 1 else ""
    if label.strip() and label.startswith("  ") and label.endswith(" "):
        return len(label)
    text = "".join(span.text for span in line)
    return len(text) - len(text.lstrip()) + 2


def duration(seconds: float) -> str:
    """`0.3 s`, `12.4 s`, `3 min 5 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def amount(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def plain(line: Sequence[Span]) -> str:
    """The line without its styles."""
    return visible("".join([span.text for span in line]))


def shown_time(time: datetime) -> str:
    """For people: `2026-12-01 08:00 UTC`."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def written_time(time: datetime | None) -> str:
    """RFC 3339 in UTC, to the second; empty for None."""
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if time else ""
