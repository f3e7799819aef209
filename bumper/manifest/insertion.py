"""Lines that are added to a YAML file, and taken from it again, proved.

Law: every byte that was there stays, in its order, and a reader finds the new entry and nothing else different (values, styles, tags,
anchors, aliases, structure, documents). `remove` is the inverse of `insert_item` and `set_entry`: it gives back the bytes from
before, but for a key that held nothing. Anything else is refused with `FieldUnsafe` and the line.

A route begins with the index of the document (`Field.route`, `Document.route`): `(0, "resources")`, `(1, "metadata", "annotations")`.
A value is a text, or lists and mappings of texts: numbers and booleans are not written. The entry comes last, in the hand of its
neighbours: their indentation, their dashes, their quotes, their brackets, their line ends.
"""

import re
from collections.abc import Iterable
from typing import TypeAlias

from bumper.errors import FieldMissing, FieldUnsafe, NotYaml
from bumper.manifest import spelling
from bumper.manifest.layout import BY_HAND, Layout, Route
from bumper.manifest.spelling import Value
from bumper.manifest.yamltext import Collection, Mapping, Node, Scalar, Sequence, Shape, compose

__all__ = ["Route", "Value", "insert_item", "remove", "set_entry"]

# What takes the place of the characters from start to end.
_Splice = tuple[int, int, str]
_Added: TypeAlias = "list[Value] | dict[str, Value]"
_SEPARATOR = re.compile(r",[ ]*")


def insert_item(content: bytes, path: str, route: Route, value: Value) -> bytes:
    """The bytes with one more entry in the list at `route`, last; the list is made where its key is absent or holds nothing.

    Comments behind the last entry stay behind it if they are indented deeper than its dash, else they follow the new entry.
    """
    layout = Layout(compose(content, path))
    way, missing = layout.reach(route)
    if not missing and isinstance(way[-1], Sequence):
        return _grown(layout, way, [value])
    return _grown_below(layout, way, missing, route, [value])


def set_entry(content: bytes, path: str, route: Route, key: str, value: str) -> bytes:
    """The bytes with `key: value` in the mapping at `route`: replaced where the key is there, else added last.

    Mappings that are absent on the way are made. The same bytes where the key holds that text already.
    """
    layout = Layout(compose(content, path))
    way, missing = layout.reach((*route, key))
    if not missing:
        return _replaced(layout, way, value)
    if len(missing) == 1 and isinstance(way[-1], Mapping):
        return _grown(layout, way, {key: value})
    return _grown_below(layout, way, missing[:-1], route, {key: value})


def remove(content: bytes, path: str, route: Route) -> bytes:
    """The bytes without what the route leads to: the entry of a mapping or of a list; FieldMissing where there is none.

    A list or mapping that it leaves empty goes with its key; only a collection in brackets inside of a block stays, as `[]` or `{}`.
    """
    layout = Layout(compose(content, path))
    way, missing = layout.reach(route)
    if missing:
        at = layout.source.line(way[-1].start)
        raise FieldMissing(f"{path}:{at}: nothing stands at {'.'.join(map(str, missing))} here")
    while len(way) > 2 and _goes_with_its_last(layout, way[-3], way[-2]):
        way.pop()
    if len(way) < 2:
        raise layout.refuse(way[0].start, "this is a whole document, expected an entry of one")
    above, entry = way[-2], way[-1]
    assert isinstance(above, Collection)
    if layout.is_block(above) and len(layout.entries(above)) == 1:
        raise layout.refuse(entry.start, "this is the only entry of what holds it, which would be left empty")
    at = next(at for at, node in enumerate(above.items) if node is entry)
    first = above.items[at - 1] if isinstance(above, Mapping) else entry
    number = at // 2 if isinstance(above, Mapping) else at
    splices = list((_taken_lines if layout.is_block(above) else _taken_text)(layout, above, number))
    shape = layout.source.shape
    return _proved(layout, splices, [*shape[: first.ordinal], *shape[_end_ordinal(entry) + 1 :]], entry.start)


def _grown(layout: Layout, way: list[Node], value: _Added) -> bytes:
    """With the entries of `value` behind those of the last node of the way."""
    here, hand = way[-1], layout.hand(way)
    assert isinstance(here, Collection)
    is_flow = layout.is_flow(here)
    if is_flow:
        written = spelling.pairs(value, hand) if isinstance(value, dict) else spelling.flow(value[0], hand)
        splices = _added_text(layout, here, written)
    else:
        splices = [_added_lines(layout, here, spelling.block(value, hand))]
    shape = layout.source.shape
    events = spelling.entry_events(value, hand, is_flow=is_flow)
    return _proved(
        layout, splices, [*shape[: here.end_ordinal], *events, *shape[here.end_ordinal :]], here.start
    )


def _grown_below(layout: Layout, way: list[Node], missing: Route, route: Route, value: _Added) -> bytes:
    """With `value` under keys that are absent, or under a key that holds nothing yet."""
    nested: Value = value
    for step in reversed(missing):
        if not isinstance(step, str):
            raise FieldMissing(
                f"{layout.source.path}: no entry {step} on the way {'.'.join(map(str, route))}"
            )
        nested = {step: nested}
    here = way[-1]
    if missing and isinstance(here, Mapping):
        assert isinstance(nested, dict)
        return _grown(layout, way, nested)
    if not (layout.is_absent(here) and len(way) > 1 and layout.is_block(way[-2])):
        wanted = "a list" if isinstance(nested, list) else "a mapping"
        raise layout.refuse(here.start, f"found a value that is not {wanted}, expected {wanted} or nothing")
    above, hand = way[-2], layout.hand(way[:-1])
    if not isinstance(above, Mapping):
        raise layout.refuse(here.start, "this entry of a list is empty, expected a mapping")
    indent = hand.step if isinstance(nested, dict) else hand.list_step
    column = layout.column(above.items[0].start) + indent
    splice = _lines_after(layout, layout.line_end(here.end), column, spelling.block(nested, hand))
    shape = layout.source.shape
    events = spelling.events(nested, hand, is_flow=False)
    return _proved(
        layout, [splice], [*shape[: here.ordinal], *events, *shape[here.ordinal + 1 :]], here.start
    )


def _replaced(layout: Layout, way: list[Node], value: str) -> bytes:
    """With another text in a scalar, which keeps its quotes."""
    old, is_flow = way[-1], layout.is_flow(way[-2])
    if not isinstance(old, Scalar) or old.style in ("|", ">") or not old.takes_text:
        raise layout.refuse(old.start, "found no plain or quoted text here, expected one to replace")
    if old.value == value and old.reads_as_text(value):
        return layout.source.content
    start = layout.opening(old)
    written, style = spelling.scalar(value, old.style, is_flow=is_flow)
    gap = " " if layout.text[start - 1 : start] == ":" else ""
    shape = layout.source.shape
    kind, anchor, tag, _, _ = shape[old.ordinal]
    event = (kind, anchor, tag, style, value)
    expected = [*shape[: old.ordinal], event, *shape[old.ordinal + 1 :]]
    return _proved(layout, [(start, old.end, gap + written)], expected, old.start)


def _added_lines(layout: Layout, here: Collection, lines: list[str]) -> _Splice:
    entries = layout.entries(here)
    column = layout.column(entries[0].start)
    return _lines_after(layout, layout.with_comments(entries[-1].end, column), column, lines)


def _lines_after(layout: Layout, at: int, column: int, lines: list[str]) -> _Splice:
    """New lines behind the line that ends at `at`: by its end, so that a file without a last line break stays one."""
    line_break, indent = layout.line_break(at), " " * column
    return at, at, "".join(f"{line_break}{indent}{line}" for line in lines)


def _added_text(layout: Layout, here: Collection, written: str) -> list[_Splice]:
    """A new entry inside of brackets: on a line of its own where the last one has one."""
    entries = layout.entries(here)
    if not entries:
        at = layout.opening(here) + 1
        return [(at, at, written)]
    last = entries[-1]
    after = layout.after_gap(last.end)
    has_comma = layout.text[after] == ","
    end = after + 1 if has_comma else last.end
    if layout.begins_line(last.start):
        at = layout.line_end(end) if layout.ends_line(end) else end
        indent = layout.text[layout.line_start(last.start) : last.start]
        line = f"{layout.line_break(last.start)}{indent}{written}"
        return [(at, at, line + ",")] if has_comma else [(last.end, last.end, ","), (at, at, line)]
    between = layout.text[entries[-2].end : last.start] if len(entries) > 1 else ""
    separator = between if _SEPARATOR.fullmatch(between) else ", "
    return [(end, end, f"{separator[1:]}{written}," if has_comma else f"{separator}{written}")]


def _goes_with_its_last(layout: Layout, above: Node, here: Node) -> bool:
    """Whether a list or mapping with one entry is taken away as a whole when its entry is."""
    assert isinstance(here, Collection)
    is_last = len(here.items) == (2 if isinstance(here, Mapping) else 1)
    return is_last and isinstance(above, Mapping) and (layout.is_block(here) or layout.is_flow(above))


def _taken_lines(layout: Layout, above: Collection, number: int) -> Iterable[_Splice]:
    entry = layout.entries(above)[number]
    if not layout.begins_line(entry.start) or not layout.ends_line(entry.end):
        raise layout.refuse(
            entry.start, "this entry shares its line with what holds it, expected lines of its own"
        )
    end = layout.with_comments(entry.end, layout.column(entry.start))
    start = layout.break_before(entry.start)
    if start is None:
        yield 0, end + len(layout.line_break(end)), ""
    else:
        yield start, end, ""


def _taken_text(layout: Layout, above: Collection, number: int) -> Iterable[_Splice]:
    entries = layout.entries(above)
    entry = entries[number]
    after = layout.after_gap(entry.end)
    has_comma = layout.text[after] == ","
    end = after + 1 if has_comma else entry.end
    is_last = number == len(entries) - 1
    start = layout.break_before(entry.start)
    if layout.begins_line(entry.start) and start is not None:
        yield start, layout.line_end(end) if layout.ends_line(end) else end, ""
        if is_last and number and not has_comma:
            comma = layout.after_gap(entries[number - 1].end)
            yield comma, comma + 1, ""
    elif not is_last:
        yield entry.start, entries[number + 1].start, ""
    elif not number:
        yield entry.start, end, ""
    elif has_comma:
        yield layout.after_gap(entries[number - 1].end) + 1, end, ""
    else:
        yield entries[number - 1].end, end, ""


def _end_ordinal(node: Node) -> int:
    return node.end_ordinal if isinstance(node, Collection) else node.ordinal


def _proved(layout: Layout, splices: Iterable[_Splice], expected: list[Shape], at: int) -> bytes:
    """The bytes after the splices; FieldUnsafe unless a reader finds in them what is expected, event by event."""
    source = layout.source
    line = source.line(at)
    pieces, end = [], 0
    for start, stop, new in sorted(splices, key=lambda splice: splice[0]):
        first = source.byte(start)
        pieces += [source.content[end:first], _encoded(new, f"{source.path}:{line}")]
        end = source.byte(stop)
    edited = b"".join([*pieces, source.content[end:]])
    try:
        after = compose(edited, source.path)
    except NotYaml as error:
        raise FieldUnsafe(
            f"{source.path}:{line}: the edited file would not be YAML ({error.message})", hint=BY_HAND
        ) from None
    if list(after.shape) != expected:
        raise FieldUnsafe(f"{source.path}:{line}: the edit would change something else too", hint=BY_HAND)
    return edited


def _encoded(text: str, place: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise FieldUnsafe(f"{place}: the new value {text!a} is no Unicode text, expected one") from None
