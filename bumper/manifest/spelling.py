"""Values as YAML text, in the hand of the file that they are written into.

Law: what is spelled is read by every reader as exactly the value: text stays text. A text is quoted where it must be, and where all
its neighbours are.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from bumper.dataclasses import dataclass
from bumper.manifest.yamltext import Shape, reads_otherwise

Value: TypeAlias = "str | Sequence[Value] | Mapping[str, Value]"

# What cannot begin a plain scalar (YAML 1.2, 5.3), or is read as something else when it does.
_INDICATORS = "-?:,[]{}#&*!|>'\"%@`"
# libyaml before 0.2.2, which is still inside of some readers, ends a plain scalar of a flow collection at any ':' and '?'.
_NOT_IN_FLOW = re.compile(r"[,\[\]{}:?]")
_NAMED_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}


class Literal(str):
    """A number or a boolean in the form that shall be written."""


@dataclass(frozen=True)
class Hand:
    """How a file is written: the quotes of its values and keys (empty for plain), the columns that a mapping is indented by, those
    that a list is indented by, and what stands between a dash and its entry."""

    quote: str = ""
    key_quote: str = ""
    step: int = 2
    list_step: int = 0
    gap: str = " "


def scalar(text: str, quote: str, *, is_flow: bool) -> tuple[str, str]:
    """The written text and its style: plain where `quote` is empty and every reader takes that for the text, else quoted."""
    if isinstance(text, Literal) or (not quote and reads_plain(text, is_flow=is_flow)):
        return text, ""
    if quote == "'" and text.isprintable():
        return "'" + text.replace("'", "''") + "'", "'"
    return '"' + "".join(map(_escaped, text)) + '"', '"'


def block(value: Value, hand: Hand) -> list[str]:
    """The lines of a value in block style, not indented."""
    if isinstance(value, str) or not value:
        return [flow(value, hand, is_flow=False)]
    if isinstance(value, Mapping):
        return [line for key, below in value.items() for line in _pair(key, below, hand)]
    return [line for item in value for line in _item(item, hand)]


def flow(value: Value, hand: Hand, *, is_flow: bool = True) -> str:
    """The value on one line."""
    if isinstance(value, str):
        return scalar(value, hand.quote, is_flow=is_flow)[0]
    if isinstance(value, Mapping):
        return "{" + pairs(value, hand) + "}"
    return "[" + ", ".join(flow(item, hand) for item in value) + "]"


def pairs(value: Mapping[str, Value], hand: Hand) -> str:
    """The entries of a mapping on one line, without its braces."""
    return ", ".join(
        f"{scalar(key, hand.key_quote, is_flow=True)[0]}: {flow(below, hand)}" for key, below in value.items()
    )


def events(value: Value, hand: Hand, *, is_flow: bool) -> Iterator[Shape]:
    """What a reader finds there, as `Source.shape` has it."""
    if isinstance(value, str):
        yield _scalar_event(value, hand.quote, is_flow=is_flow)
        return
    kind = "Mapping" if isinstance(value, Mapping) else "Sequence"
    is_flow = is_flow or not value
    yield f"{kind}StartEvent", "", "", str(is_flow), ""
    yield from entry_events(value, hand, is_flow=is_flow)
    yield f"{kind}EndEvent", "", "", "", ""


def entry_events(
    value: Sequence[Value] | Mapping[str, Value], hand: Hand, *, is_flow: bool
) -> Iterator[Shape]:
    """What a reader finds inside of a list or mapping."""
    for entry in value:
        if isinstance(value, Mapping) and isinstance(entry, str):
            yield _scalar_event(entry, hand.key_quote, is_flow=is_flow)
            yield from events(value[entry], hand, is_flow=is_flow)
        else:
            yield from events(entry, hand, is_flow=is_flow)


def reads_plain(text: str, *, is_flow: bool) -> bool:
    """Whether every reader takes this plain scalar for the text that it is."""
    begins_well = text[:1] not in _INDICATORS or (
        text[:1] == "-" and not is_flow and text[1:2] not in ("", " ", "-")
    )
    return (
        begins_well
        and text.isprintable()
        and text == text.strip()
        and not reads_otherwise(text)
        and ": " not in text
        and " #" not in text
        and not text.endswith(":")
        and not (is_flow and _NOT_IN_FLOW.search(text))
    )


def _pair(key: str, below: Value, hand: Hand) -> list[str]:
    name = scalar(key, hand.key_quote, is_flow=False)[0]
    lines = block(below, hand)
    if isinstance(below, str) or not below:
        return [f"{name}: {lines[0]}"]
    indent = " " * (hand.step if isinstance(below, Mapping) else hand.list_step)
    return [f"{name}:", *(indent + line for line in lines)]


def _item(item: Value, hand: Hand) -> list[str]:
    first, *others = block(item, hand)
    indent = " " * (1 + len(hand.gap))
    return [f"-{hand.gap}{first}", *(indent + line for line in others)]


def _scalar_event(text: str, quote: str, *, is_flow: bool) -> Shape:
    return "ScalarEvent", "", "", scalar(text, quote, is_flow=is_flow)[1], text


def _escaped(character: str) -> str:
    # Half of a surrogate pair has no escape either: encoding the text refuses it later.
    if character in _NAMED_ESCAPES or character.isprintable() or "\ud800" <= character <= "\udfff":
        return _NAMED_ESCAPES.get(character, character)
    return f"\\u{ord(character):04x}" if ord(character) <= 0xFFFF else f"\\U{ord(character):08x}"
