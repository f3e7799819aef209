"""JSON from outside: bounded in depth, and of the shape that its reader expects, or an error that says what came instead."""

import json
from typing import Any, NoReturn

from bumper.errors import Unreachable
from bumper.ports.shape import Maybe, Misshapen, Shape, held_to, kind_of

__all__ = [
    "MAX_DEPTH",
    "MAX_VALUES",
    "Maybe",
    "Shape",
    "expect_object",
    "expect_objects",
    "parse",
    "parse_object",
    "shaped",
]

# Deeper than what Kubernetes, GitHub or a registry writes, and far from where readers that call themselves would end.
MAX_DEPTH = 100
# Far more than a list of 64 MB holds, and some seconds of reading: `json` lets no other thread work until it has read all.
MAX_VALUES = 2_000_000
_TOO_DEEP = f"it is nested deeper than {MAX_DEPTH} levels"
_NO_MARKS = bytes(set(range(256)) - set(b'[]{}"'))
_SQUARE = bytes.maketrans(b"{}", b"[]")
_HALF_A_CHARACTER = b"\\ud"


def shaped(subject: str, value: Any, shape: Shape) -> Any:
    """`value`, which must be of this shape, with None for each key that may be absent and is. `subject` names who answered what."""
    try:
        return held_to(shape, value, subject)
    except Misshapen as error:
        raise Unreachable(str(error)) from None


def parse(content: bytes) -> Any:
    """The value that `content` holds.

    ValueError where it is no JSON in UTF-8 (NaN is none, nor is half a character), nested deeper than `MAX_DEPTH`, or
    may be of more than `MAX_VALUES` values.
    """
    if len(content) > MAX_VALUES and sum(map(content.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise ValueError(f"it holds more than {MAX_VALUES} values")
    try:
        value = json.loads(content.decode(), parse_constant=_no_number)
        if _HALF_A_CHARACTER in content.lower():
            # Whoever writes it on would fail there.
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    if content.count(b"[") + content.count(b"{") > MAX_DEPTH and _is_too_deep(content):
        raise ValueError(_TOO_DEEP)
    return value


def parse_object(content: bytes) -> dict[str, Any] | None:
    """The JSON object that `content` holds, None where it holds anything else."""
    try:
        value = parse(content)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def expect_object(subject: str, value: Any) -> dict[str, Any]:
    """`value`, which must be a JSON object. `subject` names who answered what."""
    if not isinstance(value, dict):
        raise Unreachable(f"{subject}: found {kind_of(value)}, expected a JSON object")
    return value


def expect_objects(subject: str, value: Any) -> list[dict[str, Any]]:
    """`value`, which must be a list of JSON objects."""
    if not isinstance(value, list):
        raise Unreachable(f"{subject}: found {kind_of(value)}, expected a list")
    return [expect_object(f"{subject}[{place}]", entry) for place, entry in enumerate(value)]


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def _is_too_deep(content: bytes) -> bool:
    """Whether valid JSON is nested deeper than `MAX_DEPTH`, by its brackets: a tenth of what a walk through the values takes."""
    marks = content.replace(b"\\\\", b"").replace(b'\\"', b"").translate(_SQUARE, _NO_MARKS)
    # Texts without a bracket go first: they are nearly all, and what is left is short.
    brackets = b"".join(marks.replace(b'""', b"").split(b'"')[::2])
    for _ in range(MAX_DEPTH):
        # Each turn takes away the innermost pairs.
        brackets = brackets.replace(b"[]", b"")
        if not brackets:
            return False
    return True
