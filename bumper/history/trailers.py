"""Trailers: the `Key: value` lines in which a commit says what programs want to read back.

Law: what is read here of a message's last paragraph is what `git interpret-trailers --parse` prints of it, less what git takes for no
trailers at all. The first paragraph is the title and holds none.
Source: trailer.c of git 2.39 (`find_separator`, `find_trailer_start`, `unfold_value`).
"""

import re
from collections.abc import Sequence

_KEY = r"[A-Za-z0-9-]+"
_BLANK_LINES = r"\n(?:[ \t\r]*\n)+"
# `git merge --squash` (builtin/merge.c) indents each message below this line, the newest first.
_SQUASHED = "Squashed commit of the following:\n"
_INDENTED = "    "


def paragraphs(message: str) -> Sequence[str]:
    """What may hold trailers, the oldest commit's first: every paragraph but the title.

    Git itself looks at the last one only. A squashed commit has the paragraphs of all the commits that went into it, in turn.
    """
    if _SQUASHED in message:
        head, _, tail = message.partition(_SQUASHED)
        if not head or head.endswith("\n"):
            lines = (line.removeprefix(_INDENTED) for line in tail.split("\n"))
            return _split("\n".join(lines))[::-1]
    return _split(message)[1:]


def _split(text: str) -> list[str]:
    """The paragraphs of a text."""
    # Nearly no message has a blank line that is not empty, or several; to look for one at each line end takes five times as long, and
    # for two characters ten times as long as for one.
    text = text.strip()
    has_blanks = "\t" in text or "\r" in text or " \n" in text or "\n\n\n" in text
    return re.split(_BLANK_LINES, text) if has_blanks else text.split("\n\n")


def trailers(paragraph: str) -> list[tuple[str, str]]:
    """Keys, in lower case as git compares them, and values; a folded value is one line again. Other lines are passed over."""
    text = _unfolded(paragraph) if "\n " in paragraph or "\n\t" in paragraph else paragraph
    return [
        (key, value.strip())
        for line in text.split("\n")
        for before, colon, value in (line.partition(":"),)
        if colon and (key := _KEYS[before])
    ]


class _Keys(dict[str, str]):
    """By what stands before a colon the key that it is, in lower case; empty where it is none.

    Ten thousand messages have the same few keys. Many or long ones are not kept: anybody may write a line of any length.
    """

    def __missing__(self, text: str) -> str:
        written = text.rstrip(" \t")
        key = written.lower() if re.fullmatch(_KEY, written) else ""
        if len(text) <= _LONGEST_KNOWN and len(self) < _MOST_KNOWN:
            self[text] = key
        return key


_LONGEST_KNOWN, _MOST_KNOWN = 100, 1_000
_KEYS = _Keys()


def _unfolded(paragraph: str) -> str:
    lines: list[str] = []
    for line in paragraph.split("\n"):
        if line[:1] in (" ", "\t") and lines:
            lines[-1] = f"{lines[-1].rstrip()} {line.strip()}"
        else:
            lines.append(line)
    return "\n".join(lines)


def one_line(value: str) -> str:
    """`value` as a trailer can hold it: a line break would start a trailer of its own, and git refuses a NUL."""
    cleaned = ("".join(char for char in word if char.isprintable()) for word in value.split())
    return " ".join(word for word in cleaned if word)
