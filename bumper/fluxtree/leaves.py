"""Texts that remember where they are written, on their way from a file through every patch to the object that reaches the cluster.

Law: a leaf is equal to its text; wherever a transformer puts it, it still knows its file and its scalar. So the field that decides a
value is never searched for: it is the one that the value came from.
"""

from typing import Any, NamedTuple

from bumper.dataclasses import dataclass
from bumper.manifest.blocks import Block
from bumper.manifest.yamltext import Scalar, Span, compose


@dataclass(frozen=True, eq=False)
class Text:
    """A YAML text of the repository: a whole file, or one that stands in a block of it (`block`).

    `line` is where it begins in the file. `fixed` says why nothing in it can be edited; empty where it can.
    """

    path: str
    content: bytes
    block: Block | None = None
    line: int = 1
    fixed: str = ""


class Origin(NamedTuple):
    """A scalar, by its ordinal in its text."""

    text: Text
    ordinal: int


class Leaf(str):
    """A scalar of an object. `decider` is set where another scalar than its origin decides the tag of the image that it names: that of
    an `images:` entry, or the one that a replacement or a substitution took the tag from. `near` is a scalar that it was made from a
    part of, where it has no origin. `file` is the file that it is the whole of, as a generator of ConfigMaps brings it.
    """

    __slots__ = ("decider", "file", "is_null", "near", "origin")
    origin: Origin | None
    decider: "Leaf | None"
    near: Origin | None
    file: Text | None
    is_null: bool


def leaf(
    value: str,
    origin: Origin | None = None,
    *,
    decider: Leaf | None = None,
    near: Origin | None = None,
    file: Text | None = None,
    is_null: bool = False,
) -> Leaf:
    """A leaf with what is known of it."""
    made = Leaf(value)
    made.origin, made.decider, made.near, made.file, made.is_null = origin, decider, near, file, is_null
    return made


@dataclass(frozen=True, eq=False)
class Reader:
    text: Text

    def __call__(self, scalar: Scalar) -> Leaf:
        is_null = scalar.is_null
        return leaf("" if is_null else scalar.value, Origin(self.text, scalar.ordinal), is_null=is_null)


def is_null(value: Any) -> bool:
    """Whether nothing stands there: what a strategic merge takes away."""
    return value is None or (isinstance(value, Leaf) and value.is_null)


def origin_of(value: Any) -> Origin | None:
    return value.origin if isinstance(value, Leaf) else None


def near_to(value: Any) -> Origin | None:
    """A scalar that a value comes from, wholly or in part."""
    return (value.origin or value.near) if isinstance(value, Leaf) else None


def span_of(origin: Origin) -> Span:
    """Where a scalar stands in its file, with its quotes."""
    text = origin.text
    source = compose(text.content, text.path)
    scalar = next(scalar for scalar in source.scalars if scalar.ordinal == origin.ordinal)
    span = source.span(scalar.start, scalar.end)
    if text.block:
        return text.block.outward(span)
    return Span(span.start, span.end, span.line + text.line - 1)
