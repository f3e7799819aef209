"""JSON from outside: bounded in depth, and of the shape that its reader expects, or an error that says what came instead."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

from bumper.errors import Unreachable

# Deeper than what Kubernetes, GitHub or a registry writes, and far from where readers that call themselves would end.
MAX_DEPTH = 100
_TOO_DEEP = f"it is nested deeper than {MAX_DEPTH} levels"
_NO_MARKS = bytes(set(range(256)) - set(b'[]{}"'))
_SQUARE = bytes.maketrans(b"{}", b"[]")
_HALF_A_CHARACTER = b"\\ud"
_KINDS = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a number",
    type(None): "nothing",
}


@dataclass(frozen=True)
class Maybe:
    """A value of this shape, or none: null, or a key that is not there."""

    shape: "Shape"


# `str`, `int` and `bool` stand for a value, a mapping for an object with at least these keys, a list of one for a list of such.
Shape: TypeAlias = type | Maybe | Mapping[str, "Shape"] | Sequence["Shape"]


def shaped(subject: str, value: Any, shape: Shape) -> Any:
    """`value`, which must be of this shape, with None for each key that may be absent and is. `subject` names who answered what."""
    if isinstance(shape, Maybe):
        return None if value is None else shaped(subject, value, shape.shape)
    if isinstance(shape, Mapping):
        fields = expect_object(subject, value)
        return {**fields, **{key: shaped(f"{subject}: {key}", fields.get(key), shape[key]) for key in shape}}
    if isinstance(shape, Sequence):
        entries = value if isinstance(value, list) else _refuse(subject, value, "a list")
        return [shaped(f"{subject}[{place}]", entry, shape[0]) for place, entry in enumerate(entries)]
    is_it = isinstance(value, shape) and isinstance(value, bool) == (shape is bool)
    return value if is_it else _refuse(subject, value, _KINDS.get(shape, "a number"))


def _refuse(subject: str, value: Any, expected: str) -> NoReturn:
    raise Unreachable(f"{subject}: found {_kind(value)}, expected {expected}")


def parse(content: bytes) -> Any:
    """The value that `content` holds.

    ValueError where it is no JSON in UTF-8 (NaN is none, nor is half a character), or nested deeper than `MAX_DEPTH`.
    """
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


def expect_object(subject: str, value: Any, *, hint: str = "") -> dict[str, Any]:
    """`value`, which must be a JSON object. `subject` names who answered what."""
    if not isinstance(value, dict):
        raise Unreachable(f"{subject}: found {_kind(value)}, expected a JSON object", hint=hint)
    return value


def expect_objects(subject: str, value: Any, *, hint: str = "") -> list[dict[str, Any]]:
    """`value`, which must be a list of JSON objects."""
    if not isinstance(value, list):
        raise Unreachable(f"{subject}: found {_kind(value)}, expected a list", hint=hint)
    return [expect_object(f"{subject}[{place}]", entry, hint=hint) for place, entry in enumerate(value)]


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "a number")


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
