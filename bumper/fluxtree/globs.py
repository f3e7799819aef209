"""Whether a path is meant by a pattern, as Go's `path.Match` and the doublestar library read one.

Sources: Go 1.26 path/match.go; github.com/bmatcuk/doublestar v4.10.0, `match.go`: `**` stands for any number of directories where it
is a whole step and is `*` otherwise, `{a,b}` for either; a path that ends in `/**` means the directory itself, too.
"""

import re
from functools import lru_cache

WILD = "*?[]"
_CLASS = re.compile(r"\[(?P<not>[\^!]?)(?P<chars>(?:\\.|[^\]\\])+)\]")


def is_glob(text: str) -> bool:
    """Whether source-watcher takes it for a pattern (`containsGlobChars`)."""
    return any(letter in WILD for letter in text)


@lru_cache(maxsize=1 << 16)  # the few rules of a repository meet the same names in each of its directories
def step_matches(pattern: str, name: str) -> bool:
    """Whether a name is meant by one step of a pattern of `path.Match`."""
    return _compiled(_escaped_braces(pattern)).fullmatch(name) is not None


def path_matches(pattern: str, path: str) -> bool:
    """Whether a path is meant by a pattern of doublestar."""
    return _compiled(pattern).fullmatch(path) is not None


def _escaped_braces(pattern: str) -> str:
    return re.sub(r"(?<!\\)[{},]", r"\\\g<0>", pattern)


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str]:
    steps = pattern.split("/")
    written = ""
    for at, step in enumerate(steps):
        is_last = at == len(steps) - 1
        if step != "**":
            written += _step(step) + ("" if is_last or steps[at + 1 :] == ["**"] else "/")
        elif not is_last:
            written += "(?:[^/]+/)*"
        else:
            written += "(?:/.*)?" if at else ".*"
    return re.compile(written, re.DOTALL)


def _step(pattern: str) -> str:
    """One step as a regular expression."""
    written, at, depth = "", 0, 0
    while at < len(pattern):
        letter = pattern[at]
        if match := _CLASS.match(pattern, at):
            written += f"(?!/)[{'^' if match['not'] else ''}{match['chars']}]"
            at = match.end()
            continue
        if letter == "\\" and at + 1 < len(pattern):
            at += 1
            written += re.escape(pattern[at])
        elif letter in "{},":
            depth += {"{": 1, "}": -1}.get(letter, 0)
            written += {"{": "(?:", "}": ")"}.get(letter, "|" if depth else ",")
        else:
            written += {"*": "[^/]*", "?": "[^/]"}.get(letter, re.escape(letter))
        at += 1
    return written
