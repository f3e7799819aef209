"""Text that others wrote, made safe to print: on one line, without control sequences, and without secrets."""

import re

MASK = "***"
# Control sequences of ECMA-48 (colours, cursor), operating system commands (titles, links), and other two-character escapes.
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*+[ -/]*+[@-~]|\][^\x07\x1b]*+(?:\x07|\x1b\\)?|[ -~])")
_LONGEST = 1000
# What is read of a text for a line of `_LONGEST`: what is masked may be long.
_LONGEST_READ = 100 * _LONGEST


def mask(text: str) -> str:
    """`text` with every value that looks like a secret replaced by `***`."""
    # Its many patterns are made when something is masked: most runs begin and end without.
    from bumper.safe_text import masking

    return masking.mask(text)


def printable(text: str) -> str:
    """`text` on one line, without secrets, escape sequences, control characters and marks that turn the reading order."""
    text = _readable(text)
    if text.isprintable() and "  " not in text and len(text) <= _LONGEST:
        return mask(text.strip())
    # Line ends are kept up to here: a key in PEM form is known by its lines.
    line = " ".join(mask(_shown(text, kept="\n")).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def visible(text: str) -> str:
    """`text` as a terminal or a log may show it: nothing in it begins a line, moves the cursor or turns the reading order."""
    return text if text.isprintable() else _shown(text)


def _shown(text: str, kept: str = "") -> str:
    # Python calls controls, formats (such as the bidirectional overrides) and everything unassigned not printable.
    return "".join(
        char if char.isprintable() or char == kept else " " if char.isspace() else ""
        for char in _ESCAPE.sub("", text)
    )


def _readable(text: str) -> str:
    """The beginning of a text that is too long, without its last word, which may be half a secret."""
    return text if len(text) <= _LONGEST_READ else text[:_LONGEST_READ].rpartition(" ")[0] + " …"
