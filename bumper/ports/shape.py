"""Values from outside, held to the shape that their reader expects.

Law: what does not fit is said with its place, what was found and what was expected; what is not read is not looked at.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from bumper.dataclasses import dataclass

_KINDS = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "nothing",
}

# Python refuses to read more than 4,300 digits (`sys.set_int_max_str_digits`), and 18 are whole in 64 bits.
_WHOLE = re.compile(r"-?[0-9]{1,18}")


class Misshapen(ValueError):
    """A value of another shape: where, what was found, and what was expected."""


@dataclass(frozen=True)
class Maybe:
    """A value of this shape, or none: null, or a key that is not there."""

    shape: "Shape"


@dataclass(frozen=True)
class Each:
    """An object whose keys anybody may choose, each with a value of this shape."""

    shape: "Shape"


# `str`, `int`, `float` and `bool` stand for a value, a mapping for an object with at least these keys, a list of one shape for a list
# of such.
Shape: TypeAlias = type | Maybe | Each | Mapping[str, "Shape"] | Sequence["Shape"]


def held_to(shape: Shape, value: Any, place: str) -> Any:
    """`value`, with None for each key that may be absent and is. `Misshapen` where it is of another shape."""
    if isinstance(shape, Maybe):
        return None if value is None else held_to(shape.shape, value, place)
    if isinstance(shape, Each | Mapping):
        return _object(shape, value, place)
    if isinstance(shape, Sequence):
        if not isinstance(value, list):
            raise _misshapen(place, value, "a list")
        return [held_to(shape[0], entry, f"{place}[{at}]") for at, entry in enumerate(value)]
    if not _is_of(shape, value):
        raise _misshapen(place, value, expected_kind(shape))
    return value


def whole_number(text: str) -> int | None:
    """The number that a text from outside is, None for anything else: no letters, no digits that only Unicode knows, at most 18."""
    return int(text) if _WHOLE.fullmatch(text) else None


def kind_of(value: Any) -> str:
    """What a value of JSON is, in a sentence."""
    return _KINDS.get(type(value), "a number")


def expected_kind(kind: type) -> str:
    """The same of what is expected."""
    return "a whole number" if kind is int else _KINDS[kind]


def _object(shape: "Each | Mapping[str, Shape]", value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _misshapen(place, value, "a JSON object")
    named = dict.fromkeys(value, shape.shape) if isinstance(shape, Each) else shape
    return {
        **value,
        **{key: held_to(inner, value.get(key), f"{place}: {key}") for key, inner in named.items()},
    }


def _is_of(shape: type, value: Any) -> bool:
    if isinstance(value, bool):
        return shape is bool
    if shape is float:
        # Neither NaN nor infinity, nor a whole number that no fraction reaches.
        return isinstance(value, int | float) and abs(value) <= sys.float_info.max
    return isinstance(value, shape)


def _misshapen(place: str, value: Any, expected: str) -> Misshapen:
    return Misshapen(f"{place}: found {kind_of(value)}, expected {expected}")
