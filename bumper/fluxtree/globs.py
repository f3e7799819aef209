"""Whether a path is meant by a pattern, as Go's `path.Match` and the doublestar library read one.

Sources: Go 1.26 path/match.go; github.com/bmatcuk/doublestar v4.10.0, `match.go`: `**` stands for any number of directories where it
is a whole step and is `*` otherwise, `{a,b}` for either; a path that ends in `/**` means the directory itself, too.

Law: whoever writes the pattern and the names, the time grows with the product of their lengths and no faster.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

from bumper.dataclasses import dataclass

WILD = "*?[]"
# Braces within one pattern, and what they stand for together: of more, the first ways to read it count, or their very letters.
_MOST_BRACES, _MOST_ALTERNATIVES = 16, 256


@dataclass(frozen=True)
class _Letters:
    """One letter of a range: of any of them, or of none. Without a range that is none but the slash."""

    ranges: tuple[tuple[str, str], ...] = ()
    is_none_of: bool = True

    def has(self, letter: str) -> bool:
        is_in = any(first <= letter <= last for first, last in self.ranges)
        return letter != "/" and is_in != self.is_none_of


_Token = str | _Letters
# A star is no letter at all.
_ANY, _STAR, _ESCAPE = _Letters(), "", "\\"


def is_glob(text: str) -> bool:
    """Whether source-watcher takes it for a pattern (`containsGlobChars`)."""
    return any(letter in WILD for letter in text)


@lru_cache(maxsize=1 << 16)  # the few rules of a repository meet the same names in each of its directories
def step_matches(pattern: str, name: str) -> bool:
    """Whether a name is meant by one step of a pattern of `path.Match`."""
    # As nearly all are: a whole name, or an ending.
    if _is_plain(pattern):
        return name == pattern
    if pattern[0] == "*" and _is_plain(pattern[1:]) and "/" not in name:
        return name.endswith(pattern[1:])
    tokens = _tokens(pattern)
    at, begun, after_star = 0, 0, None
    while begun < len(name):
        token = tokens[at] if at < len(tokens) else None
        if token == _STAR:
            at, after_star = at + 1, (at + 1, begun)
        elif _is_meant(token, name[begun]):
            at, begun = at + 1, begun + 1
        elif after_star and name[after_star[1]] != "/":
            # The last star takes one letter more; what stands before it is settled.
            after_star = (after_star[0], after_star[1] + 1)
            at, begun = after_star
        else:
            return False
    return all(token == _STAR for token in tokens[at:])


@lru_cache(maxsize=512)
def _is_plain(pattern: str) -> bool:
    return not any(letter in pattern for letter in (*WILD, _ESCAPE))


def path_matches(pattern: str, path: str) -> bool:
    """Whether a path is meant by a pattern of doublestar."""
    steps = path.split("/")
    return any(_meets(each.split("/"), steps) for each in islice(_alternatives(pattern), _MOST_ALTERNATIVES))


def _meets(patterns: list[str], steps: list[str]) -> bool:
    """Whether patterns of steps mean the steps, `**` as many as there are."""
    reached = _on(patterns, {0})
    for step in steps:
        stayed = {at for at in reached if at < len(patterns) and patterns[at] == "**"}
        moved = {at + 1 for at in reached - stayed if at < len(patterns) and step_matches(patterns[at], step)}
        reached = _on(patterns, stayed | moved)
    return len(patterns) in reached


def _on(patterns: list[str], reached: set[int]) -> set[int]:
    """The places in the patterns, and those behind a `**` that stands for nothing."""
    result = set(reached)
    for at, pattern in enumerate(patterns):
        if at in result and pattern == "**":
            result.add(at + 1)
    return result


def _alternatives(pattern: str) -> Iterator[str]:
    """The pattern once for each way to read its braces, the outermost first."""
    opened = _opening(pattern) if pattern.count("{") <= _MOST_BRACES else None
    inside = _inside(pattern, opened) if opened is not None else None
    if opened is None or inside is None:
        yield pattern
        return
    choices, end = inside
    for choice in choices:
        yield from _alternatives(f"{pattern[:opened]}{choice}{pattern[end:]}")


def _opening(pattern: str) -> int | None:
    at = 0
    while at < len(pattern):
        if pattern[at] == "{":
            return at
        at += 2 if pattern[at] == _ESCAPE else 1
    return None


def _inside(pattern: str, opened: int) -> tuple[list[str], int] | None:
    """What stands between the commas of a brace, and the place behind it; None where it is never closed."""
    choices, depth, at, begun = [], 0, opened, opened + 1
    while at < len(pattern):
        letter = pattern[at]
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if (letter == "," and depth == 1) or not depth:
            choices.append(pattern[begun:at])
            begun = at + 1
        if not depth:
            return choices, begun
        at += 2 if letter == _ESCAPE else 1
    return None


def _is_meant(token: _Token | None, letter: str) -> bool:
    return token.has(letter) if isinstance(token, _Letters) else token == letter


@lru_cache(maxsize=512)
def _tokens(pattern: str) -> tuple[_Token, ...]:
    """What each letter of a name has to be, for one step; several stars are one."""
    wild: dict[str, _Token] = {"*": _STAR, "?": _ANY}
    tokens: list[_Token] = []
    at = 0
    while at < len(pattern):
        if letters := _letters(pattern, at):
            token, at = letters
        elif pattern[at] in wild:
            token, at = wild[pattern[at]], at + 1
        else:
            token, at = _letter(pattern, at)
        if token != _STAR or tokens[-1:] != [_STAR]:
            tokens.append(token)
    return tuple(tokens)


def _letters(pattern: str, opened: int) -> tuple[_Token, int] | None:
    """The letters in brackets, and the place behind them; None where there are none, or they are never closed."""
    if pattern[opened] != "[" or pattern.find("]", opened) < 0:
        return None
    at = opened + 1
    is_none_of = pattern[at : at + 1] in ("^", "!")
    at += is_none_of
    ranges: list[tuple[str, str]] = []
    while at < len(pattern) and pattern[at] != "]":
        first, at = _letter(pattern, at)
        last = first
        if pattern[at : at + 1] == "-" and pattern[at + 1 : at + 2] not in ("", "]"):
            last, at = _letter(pattern, at + 1)
        ranges.append((first, last))
    return (_Letters(tuple(ranges), is_none_of), at + 1) if ranges and at < len(pattern) else None


def _letter(pattern: str, at: int) -> tuple[str, int]:
    is_escaped = pattern[at] == _ESCAPE and at + 1 < len(pattern)
    return pattern[at + is_escaped], at + is_escaped + 1
