"""Texts that remember where they are written, on their way from a file through every patch to the object that reaches the cluster.

Law: a leaf is equal to its text; wherever a transformer puts it, it still knows its file and its scalar. So the field that decides a
value is never searched for: it is the one that the value came from.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from bumper.dataclasses import dataclass
from bumper.manifest import go_yaml
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


class Rival(NamedTuple):
    """What may go over a value and is not known here, since git does not hold it, or holds it encrypted: as `owner` names it at `path`
    and `line`. Nothing goes over what stands in the owner's `own` field.

    A ConfigMap that the owner needs is there for certain (`forbids`), and holds settings, as the value is one. A Secret holds what is
    secret, and what is optional may be absent: many trees name one of them behind their settings.
    """

    name: str
    owner: str
    path: str
    line: int
    own: str
    forbids: bool = False

    @property
    def remedy(self) -> str:
        """What settles in git whose the value is."""
        return f"write the value into {self.own} of {self.owner} ({self.path}:{self.line}), or list {self.name} before it there"

    def __str__(self) -> str:
        return f"{self.name}, whose content is not known here, may set it again: {self.owner} reads it later"


class Leaf(str):
    """A scalar of an object. `decider` is set where another scalar than its origin decides the tag of the image that it names: that of
    an `images:` entry, or the one that a replacement or a substitution took the tag from. `near` is a scalar that it was made from a
    part of, where it has no origin. `file` is the file that it is the whole of, as a generator of ConfigMaps brings it. `rival` is
    what may go over it. `is_plain` says that it is written without quotes, so that it may be a number or a boolean.
    """

    __slots__ = ("decider", "file", "is_null", "is_plain", "near", "origin", "rival")
    origin: Origin | None
    decider: "Leaf | None"
    near: Origin | None
    file: Text | None
    is_null: bool
    is_plain: bool
    rival: Rival | None


def leaf(
    value: str,
    origin: Origin | None = None,
    *,
    decider: Leaf | None = None,
    near: Origin | None = None,
    file: Text | None = None,
    is_null: bool = False,
    is_plain: bool = False,
    rival: Rival | None = None,
) -> Leaf:
    """A leaf with what is known of it."""
    made = Leaf(value)
    made.origin, made.decider, made.near, made.file, made.is_null = origin, decider, near, file, is_null
    made.rival, made.is_plain = rival, is_plain
    return made


def each_scalar(value: Any, change: Callable[[Any], Any]) -> Any:
    """A value with what `change` makes of each of its scalars, however deep it stands."""
    if isinstance(value, dict):
        return {key: each_scalar(inner, change) for key, inner in value.items()}
    if isinstance(value, list):
        return [each_scalar(inner, change) for inner in value]
    return change(value)


def rivalled(value: Any, rival: Rival) -> Any:
    """A value whose scalars another one may go over, where none is known that forbids more."""

    def change(scalar: Any) -> Any:
        if not isinstance(scalar, Leaf) or (scalar.rival and (scalar.rival.forbids or not rival.forbids)):
            return scalar
        return _changed(scalar, rival=rival)

    return each_scalar(value, change)


def reworded(value: Any) -> Any:
    """A value whose numbers and booleans are written as go-yaml writes them anew (`go_yaml`)."""

    def change(scalar: Any) -> Any:
        is_plain = isinstance(scalar, Leaf) and scalar.is_plain
        return _changed(scalar, go_yaml.as_json(scalar)) if is_plain else scalar

    return each_scalar(value, change)


def _changed(value: Leaf, text: str | None = None, rival: Rival | None = None) -> Leaf:
    """The same scalar with another text, or with a rival."""
    return leaf(
        value if text is None else text,
        value.origin,
        decider=value.decider,
        near=value.near,
        file=value.file,
        is_null=value.is_null,
        is_plain=value.is_plain,
        rival=rival or value.rival,
    )


def rivals_of(value: Leaf) -> Iterator[Rival]:
    """What may go over a scalar, or over what decides it."""
    decided: Leaf | None = value
    while decided is not None:
        if decided.rival:
            yield decided.rival
        decided = decided.decider


@dataclass(frozen=True, eq=False)
class Reader:
    text: Text

    def __call__(self, scalar: Scalar) -> Leaf:
        is_null = scalar.is_null
        is_plain = not (scalar.style or scalar.tag)
        origin = Origin(self.text, scalar.ordinal)
        return leaf("" if is_null else scalar.value, origin, is_null=is_null, is_plain=is_plain)


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
