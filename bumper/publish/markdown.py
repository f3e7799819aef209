"""Foreign text inside GitHub's Markdown.

Law: what a cluster, an image or a commit wrote is shown as it is and does nothing. It stays inside its own element, makes no link, no
emoji, no formula, mentions nobody and refers to no issue. Markdown's signs become character references, which never make structure
(CommonMark 0.31, section 2.5). What GitHub looks for in the finished text (`@name`, `#12`, `GH-12`, `:smile:`) and what its Markdown
links by itself (`https://…`, `www.…`, addresses) is parted by a word joiner, which has no width.
"""

import re
from collections.abc import Callable, Sequence

from bumper.safe_text import mask, printable

_JOINER = "\u2060"
_SIGNS = {ord(sign): f"&#{ord(sign)};" for sign in "&<>*_~`[]|\\$!"}
_PARTED = re.compile(
    r"@|#|\bGH-(?=\d)|:(?=//)|:(?=[a-z0-9_+-]+:)|\bwww(?=\.)|\b(?:mailto|xmpp):", re.IGNORECASE
)
_ADDRESS = re.compile(r"https?://[A-Za-z0-9._~:/%-]+")
_CUT = "…"
_LONGEST, _LONGEST_LINE = 4_000, 1_000
# What a block of code shows without scrolling, of a comment on a phone (390 pixels).
_PHONE = 42
_ARGUMENT = re.compile(r"(?:'[^']*'|\"[^\"]*\"|[^\s'\"])+")


def inline(text: str, limit: int = 2000) -> str:
    """`text` as one line of prose that may stand anywhere but at the beginning of a line; at most `limit` bytes long."""
    return _fitted(" ".join(_told(text).split()), limit, _escaped)


def code(text: str, limit: int = 300) -> str:
    """The same in a typewriter face."""
    return f"<code>{inline(text, limit)}</code>"


def link(text: str, address: str) -> str:
    """`text`, which is Markdown already, as a link; without one where `address` is no plain web address."""
    return f"[{text}]({address})" if _ADDRESS.fullmatch(address) else text


def preformatted(lines: Sequence[str], limit: int) -> str:
    """A block of lines as they are, of at most `limit` bytes: the last lines are left out first, and it says how many."""
    # A block that begins with <pre> ends with </pre> and nowhere else (CommonMark 0.31, section 4.6, kind 1).
    return "<pre>" + "\n".join(_fitting(lines, limit, _escaped_raw)) + "</pre>"


def quoted(lines: Sequence[str], limit: int) -> str:
    """A list of what others said, cut as `preformatted` does. Each line is code that goes on below where a page is narrow:
    GitHub breaks it there, and a block it scrolls."""
    return "\n".join(f"- {line}" for line in _fitting(lines, limit, _span))


def command(line: str) -> str:
    """One command as a block of code, which GitHub offers to copy; whatever stands in it does not end the block.

    What a phone would cut off goes on in the next line, in the shell's own way: what is copied is the same command.
    """
    text = _broken(" ".join(mask(printable(line[:_LONGEST])).split()))
    fence = _longer_than_any(text, 3)
    return f"{fence}sh\n{text}\n{fence}"


def size(text: str) -> int:
    """How long GitHub may find `text` by its strictest reading: in bytes."""
    return len(text.encode())


def _escaped(line: str) -> str:
    return _PARTED.sub(lambda match: match[0] + _JOINER, line).translate(_SIGNS)


def _broken(text: str) -> str:
    """The command in rows that a phone shows, each option with its value; whole where a quote stays open."""
    arguments = _ARGUMENT.findall(text)
    if len(text) <= _PHONE or " ".join(arguments) != text:
        return text
    room = _PHONE - len("   \\")
    first, *options = _by_option(arguments, room)
    rows = [first]
    for option in options:
        longer = f"{rows[-1]} {option}"
        if len(longer) > room:
            rows.append(option)
        else:
            rows[-1] = longer
    return " \\\n  ".join(rows)


def _by_option(arguments: Sequence[str], room: int) -> list[str]:
    """What is called and on what, and then each option with what stands behind it, but for what has no room beside it."""
    groups = [arguments[0]]
    for argument in arguments[1:]:
        is_wide = len(groups) > 1 and len(f"{groups[-1]} {argument}") > room
        if argument.startswith("-") or is_wide:
            groups.append(argument)
        else:
            groups[-1] += f" {argument}"
    return groups


def _fitting(lines: Sequence[str], limit: int, write: Callable[[str], str]) -> list[str]:
    """Each line as `write` has it, up to `limit` bytes, and how many more there are."""
    shown: list[str] = []
    left = limit
    for line in lines:
        shown.append(write(_raw(line)))
        left -= size(shown[-1]) + 1
        if left < 0:
            shown[-1] = f"({len(lines) - len(shown) + 1} more lines)"
            break
    return shown


def _span(line: str) -> str:
    """The line as a code span, whose text is no Markdown (CommonMark 0.31, section 6.1); one space at each side is the sign's."""
    sign = _longer_than_any(line, 1)
    return f"{sign} {line or ' '} {sign}"


def _longer_than_any(text: str, least: int) -> str:
    """As many backticks as end no code that holds `text`."""
    return "`" * max(least, 1 + max((len(run) for run in re.findall("`+", text)), default=0))


def _raw(line: str) -> str:
    # Unlike prose a line of a log or a diff keeps its spaces.
    kept = "".join(char for char in line[:_LONGEST] if char.isprintable())
    return mask(kept)[:_LONGEST_LINE]


def _escaped_raw(line: str) -> str:
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _told(text: str) -> str:
    # What is shown is shorter than this anyway; looking for secrets takes its time in long texts.
    return printable(text[:_LONGEST])


def _fitted(text: str, limit: int, write: Callable[[str], str]) -> str:
    """`write(text)`, or of the longest beginning of `text` that fits."""
    whole = write(text)
    if size(whole) <= limit:
        return whole
    shortest, longest = 0, len(text)
    while shortest < longest:
        middle = (shortest + longest + 1) // 2
        if size(write(text[:middle])) <= limit - size(_CUT):
            shortest = middle
        else:
            longest = middle - 1
    return write(text[:shortest]) + _CUT
