"""The difference of two versions of a file, as `git diff` shows it and `git apply` takes it.

Law: applied to the old bytes it gives the new ones, whatever changed: lines, the whole file, the break at the end of the last line. It
need not be the shortest. Linear in the size of the file as long as the changes stand between lines that occur once, or no line is
added or taken away.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_CONTEXT = 3  # lines around a change
_BINARY_WITHIN = 8000  # git looks for a NUL in as many bytes (xdiff-interface.c, FIRST_FEW_BYTES)
_MOST_COMPARED = 1_000_000  # pairs of lines that are looked at, where no line occurs once
_ESCAPES = {"\t": "\\t", "\n": "\\n", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


class Change(NamedTuple):
    """Lines of the old file from `start` to `end` that give way to those of the new one from `new_start` to `new_end`."""

    start: int
    end: int
    new_start: int
    new_end: int


def diff(path: str, before: bytes | None, after: bytes | None) -> str:
    """The unified diff without an index line; None stands for a file that is not there. Empty where nothing changed.

    A binary file, and a file that is not UTF-8 in the lines shown, can be read in it and not be applied from it.
    """
    if before == after:
        return ""
    path = path.lstrip("/")
    old, new = (_quoted(f"{side}/{path}") for side in "ab")
    header = ""
    if before is None or after is None:
        kind = "new" if before is None else "deleted"
        header = f"diff --git {old} {new}\n{kind} file mode 100644\n"
    names = ["/dev/null" if before is None else old, "/dev/null" if after is None else new]
    if any(b"\0" in (content or b"")[:_BINARY_WITHIN] for content in (before, after)):
        return f"{header}Binary files {names[0]} and {names[1]} differ\n"
    hunks = "".join(_hunks(_lines(before or b""), _lines(after or b"")))
    if not hunks:
        return header
    # A name with a space ends with a tab, so that `patch` sees where it ends.
    ends = ["\t\n" if " " in name else "\n" for name in names]
    return f"{header}--- {names[0]}{ends[0]}+++ {names[1]}{ends[1]}{hunks}"


def _hunks(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    for group in _groups(list(_changes(old, new, 0, 0))):
        start, new_start = (max(0, at - _CONTEXT) for at in (group[0].start, group[0].new_start))
        end = min(len(old), group[-1].end + _CONTEXT)
        new_end = min(len(new), group[-1].new_end + _CONTEXT)
        yield f"@@ -{_range(start, end)} +{_range(new_start, new_end)} @@\n"
        at = start
        for change in group:
            yield from (_line(" ", line) for line in old[at : change.start])
            yield from (_line("-", line) for line in old[change.start : change.end])
            yield from (_line("+", line) for line in new[change.new_start : change.new_end])
            at = change.end
        yield from (_line(" ", line) for line in old[at:end])


def _groups(changes: Sequence[Change]) -> Iterator[list[Change]]:
    group: list[Change] = []
    for change in changes:
        if group and change.start - group[-1].end > 2 * _CONTEXT:
            yield group
            group = []
        group.append(change)
    if group:
        yield group


def _changes(old: Sequence[str], new: Sequence[str], at: int, new_at: int) -> Iterator[Change]:
    """The changes between two runs of lines, which begin at `at` and `new_at` of their files."""
    head = _equal(old, new)
    at, new_at, old, new = at + head, new_at + head, old[head:], new[head:]
    tail = _equal(old[::-1], new[::-1])
    old, new = old[: len(old) - tail], new[: len(new) - tail]
    if not old or not new:
        if old or new:
            yield Change(at, at + len(old), new_at, new_at + len(new))
        return
    anchors = _anchors(old, new) or _few_anchors(old, new)
    done, new_done = 0, 0
    for old_end, new_end in [*anchors, (len(old), len(new))] if anchors else ():
        yield from _changes(old[done:old_end], new[new_done:new_end], at + done, new_at + new_done)
        done, new_done = old_end, new_end
    if not anchors:
        yield Change(at, at + len(old), new_at, new_at + len(new))


def _equal(old: Sequence[str], new: Sequence[str]) -> int:
    """How many lines at the start are the same."""
    pairs = enumerate(zip(old, new, strict=False))
    return next((at for at, (old_line, new_line) in pairs if old_line != new_line), min(len(old), len(new)))


def _anchors(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """The places of lines that occur once in both runs, the most of them that are in the same order (patience diff)."""
    once, new_once = Counter(old), Counter(new)
    places = {line: at for at, line in enumerate(new) if new_once[line] == 1 and once[line] == 1}
    pairs = [(at, places[line]) for at, line in enumerate(old) if line in places]
    ends: list[int] = []  # of each length, the smallest place in `new` that a run in order ends with
    before: list[int] = []
    last: list[int] = []
    for number, (_, place) in enumerate(pairs):
        length = bisect_left(ends, place)
        before.append(last[length - 1] if length else -1)
        ends[length : length + 1] = [place]
        last[length : length + 1] = [number]
    anchors = []
    number = last[-1] if last else -1
    while number >= 0:
        anchors.append(pairs[number])
        number = before[number]
    return anchors[::-1]


def _few_anchors(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """The places of equal lines where none occurs once: line by line where their number is the same, else as difflib finds them."""
    if len(old) == len(new):
        return [
            (at, at)
            for at, (old_line, new_line) in enumerate(zip(old, new, strict=True))
            if old_line == new_line
        ]
    if len(old) * len(new) > _MOST_COMPARED:
        return []
    from difflib import SequenceMatcher  # only where lines were added or taken away

    blocks = SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    return [(block.a + at, block.b + at) for block in blocks for at in range(block.size)]


def _lines(content: bytes) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+", content.decode(errors="replace"))


def _range(start: int, end: int) -> str:
    """How a hunk names its lines: an empty range by the line before it, a single line without its number."""
    number = start + 1 if end > start else start
    return f"{number}" if end - start == 1 else f"{number},{end - start}"


def _line(mark: str, line: str) -> str:
    return f"{mark}{line}" if line.endswith("\n") else f"{mark}{line}\n\\ No newline at end of file\n"


def _quoted(name: str) -> str:
    """A name as git writes it (core.quotePath): in quotes, with C escapes, where it holds more than plain ASCII."""
    if all(" " <= character <= "~" and character not in _ESCAPES for character in name):
        return name
    return '"' + "".join(_ESCAPES.get(character) or _octal(character) for character in name) + '"'


def _octal(character: str) -> str:
    if " " <= character <= "~":
        return character
    return "".join(f"\\{byte:03o}" for byte in character.encode(errors="surrogateescape"))
