"""Where the entries of lists and mappings stand in a file, and in which hand they are written.

Law: only told from the places of the nodes and from what stands between them (white space, comments, commas, dashes); what does not
fit that is no layout that lines can be added to or taken from, and is refused with `FieldUnsafe`.
"""

import re
from functools import cached_property
from typing import TypeGuard

from bumper.dataclasses import dataclass
from bumper.errors import FieldMissing, FieldUnsafe
from bumper.manifest.spelling import Hand, reads_plain
from bumper.manifest.yamltext import (
    Alias,
    Collection,
    Mapping,
    Node,
    Scalar,
    Sequence,
    Source,
    name_of,
)

BY_HAND = "change this file by hand"
Route = tuple[str | int, ...]

_BREAK = re.compile(r"\r\n?|\n")
_GAP = re.compile(r"(?:\s|#[^\r\n]*)*")
_COMMENT_LINE = re.compile(r"(?:\r\n?|\n)([ \t]*)#[^\r\n]*")
_REST = re.compile(r"[ \t]*(?:#[^\r\n]*)?(?=[\r\n]|\Z)")


@dataclass(frozen=True)
class Entry:
    """An item or a pair: `start` is the place of its dash or key, `end` is where its last value ends, without comments."""

    start: int
    end: int
    value: Node


@dataclass(frozen=True)
class Layout:
    """The layout of one file. All places count characters of `source.text`."""

    source: Source

    @property
    def text(self) -> str:
        """The text of the file, without a byte order mark."""
        return self.source.text

    def refuse(self, at: int, why: str) -> FieldUnsafe:
        """The error that names the line of a place."""
        return FieldUnsafe(f"{self.source.path}:{self.source.line(at)}: {why}", hint=BY_HAND)

    def reach(self, route: Route) -> tuple[list[Node], Route]:
        """The nodes from a document down to what the route leads to, and the steps for which nothing is there.

        Refused is a way on which a change would show elsewhere too, or not at all: by an alias, a merge key, a key that stands twice.
        """
        if not route or not isinstance(route[0], int) or route[0] >= len(self.source.documents):
            raise FieldMissing(
                f"{self.source.path}: no document {route[:1]}, expected one of {len(self.source.documents)}"
            )
        way = [self.source.documents[route[0]]]
        self._refuse_shared(way[0])
        for at, step in enumerate(route[1:], 1):
            below = self._below(way[-1], step)
            if below is None:
                return way, route[at:]
            self._refuse_shared(below)
            way.append(below)
        return way, ()

    def is_flow(self, node: Node) -> TypeGuard[Collection]:
        """Whether it stands in brackets or braces."""
        return isinstance(node, Collection) and self.source.shape[node.ordinal][3] == "True"

    def is_block(self, node: Node) -> TypeGuard[Collection]:
        """Whether it is a list or mapping by its indentation."""
        return isinstance(node, Collection) and not self.is_flow(node)

    def is_absent(self, node: Node) -> TypeGuard[Scalar]:
        """Whether a key stands there without any value."""
        return isinstance(node, Scalar) and node.start == node.end and not node.style

    def opening(self, node: Node) -> int:
        """Where it begins after its anchor and tag."""
        return self.source.opening(node.start, len(self.text))

    def end(self, node: Node) -> int:
        """Where the text of a node ends: the breaks at the end of a block scalar do not count."""
        while self.is_block(node) or (self.is_flow(node) and self.text[node.end - 1] not in "]}"):
            node = node.items[-1]
        if isinstance(node, Scalar) and node.style in ("|", ">"):
            return node.start + len(self.text[node.start : node.end].rstrip())
        return node.end

    def entries(self, node: Collection) -> list[Entry]:
        """The entries of a list or mapping, in order."""
        if isinstance(node, Mapping):
            return [Entry(key.start, max(self.end(key), self.end(value)), value) for key, value in node.pairs]
        entries: list[Entry] = []
        at = self.opening(node)
        for item in node.items:
            if self.is_flow(node):
                entries.append(Entry(item.start, self.end(item), item))
                continue
            dash = self.after_gap(at)
            if self.text[dash : dash + 1] != "-":
                raise self.refuse(item.start, "no dash found before this entry, expected one")
            at = max(dash + 1, self.end(item))
            entries.append(Entry(dash, at, item))
        return entries

    def after_gap(self, at: int) -> int:
        """The first character from there that is neither white space nor comment."""
        gap = _GAP.match(self.text, at)
        return gap.end() if gap else at

    def line_start(self, at: int) -> int:
        """The first character of the line."""
        return max(self.text.rfind("\n", 0, at), self.text.rfind("\r", 0, at)) + 1

    def line_end(self, at: int) -> int:
        """Where the line ends, without its break."""
        break_match = _BREAK.search(self.text, at)
        return break_match.start() if break_match else len(self.text)

    def break_before(self, at: int) -> int | None:
        """Where the break before the line begins; None in the first line."""
        start = self.line_start(at)
        if not start:
            return None
        return start - (2 if self.text[start - 2 : start] == "\r\n" else 1)

    def line_break(self, at: int) -> str:
        """The break that ends the line, or, in the last line, the first of the file."""
        break_match = _BREAK.match(self.text, self.line_end(at)) or _BREAK.search(self.text)
        return break_match[0] if break_match else "\n"

    def column(self, at: int) -> int:
        """How many characters stand before it in its line."""
        return at - self.line_start(at)

    def begins_line(self, at: int) -> bool:
        """Whether only spaces stand before it in its line."""
        return not self.text[self.line_start(at) : at].strip(" \t")

    def ends_line(self, at: int) -> bool:
        """Whether only a comment may follow in its line."""
        return _REST.match(self.text, at) is not None

    def with_comments(self, at: int, column: int) -> int:
        """The end of the line, or of the comment lines right below it that are indented deeper than `column`."""
        at = self.line_end(at)
        while (comment := _COMMENT_LINE.match(self.text, at)) and len(comment[1]) > column:
            at = comment.end()
        return at

    def hand(self, way: list[Node]) -> Hand:
        """The hand in which the last of these nodes, each inside the one before it, is written."""
        *above, here = [node for node in way if isinstance(node, Collection)]
        # In brackets, as in JSON, all is written in the same hand; in a block the neighbours decide.
        asked = [here, *reversed(above)] if self.is_flow(here) else [here]
        keys, values = (
            [styles for styles in style_sets if styles]
            for style_sets in zip(*map(_styles, asked), strict=True)
        )
        if self.is_flow(here):
            values = [*values, *keys]
        return Hand(
            quote=_common(values),
            key_quote=_common(keys),
            step=self._step([*above, here]),
            list_step=self._list_step([*above, here]),
            gap=self._gap(here),
        )

    def _below(self, node: Node, step: str | int) -> Node | None:
        if isinstance(node, Sequence) and isinstance(step, int):
            return node.items[step] if step < len(node.items) else None
        if isinstance(node, Mapping) and isinstance(step, str):
            values = [value for key, value in node.pairs if name_of(key) == step]
            if len(values) > 1:
                raise self.refuse(
                    values[-1].start, f"the key {step} stands twice in the same mapping, expected once"
                )
            if not values and any(name_of(key) == "<<" for key, _ in node.pairs):
                raise self.refuse(
                    node.start, f"{step} may come by a merge key (<<) here, expected the key itself"
                )
            return values[0] if values else None
        if self.is_absent(node):
            return None
        wanted = "a mapping" if isinstance(step, str) else "a list"
        raise self.refuse(node.start, f"found {_kind(node)} on the way to {step}, expected {wanted}")

    def _refuse_shared(self, node: Node) -> None:
        if isinstance(node, Alias):
            raise self.refuse(node.start, f"found the alias *{node.name}, expected the value itself")
        anchor = self.source.shape[node.ordinal][1]
        if anchor in self._aliases:
            raise self.refuse(
                node.start, f"an alias repeats what has the anchor &{anchor}, expected a value of its own"
            )

    @cached_property
    def _aliases(self) -> frozenset[str]:
        return frozenset(anchor for kind, anchor, *_ in self.source.shape if kind == "AliasEvent")

    def _step(self, way: list[Collection]) -> int:
        """How far a mapping is indented below its key, as it is nearest to the last of these nodes."""
        for above in reversed(way):
            for below in above.items if isinstance(above, Mapping) else ():
                if self.is_block(above) and self.is_block(below) and isinstance(below, Mapping):
                    return self.column(below.items[0].start) - self.column(above.items[0].start)
        return 2

    def _list_step(self, way: list[Collection]) -> int:
        for above in reversed(way):
            for below in above.items if isinstance(above, Mapping) else ():
                if self.is_block(above) and self.is_block(below) and isinstance(below, Sequence):
                    return self.column(self.opening(below)) - self.column(above.items[0].start)
        return 0

    def _gap(self, node: Collection) -> str:
        if isinstance(node, Mapping) or self.is_flow(node):
            return " "
        last = self.entries(node)[-1]
        gap = self.text[last.start + 1 : last.value.start]
        return gap if gap and not gap.strip(" ") else " "


def _styles(node: Collection) -> tuple[set[str], set[str]]:
    """The styles of the keys and values of a mapping, of the last entry of a list, or of the texts of a list."""
    last = node.items[-1] if node.items else None
    if isinstance(node, Sequence) and isinstance(last, Mapping):
        node = last
    keys = node.items[::2] if isinstance(node, Mapping) else []
    values = node.items[1::2] if isinstance(node, Mapping) else node.items
    return _free_styles(keys), _free_styles(values)


def _free_styles(nodes: list[Node]) -> set[str]:
    """The styles of those texts that could as well be plain: the others say nothing of the hand."""
    texts = [node for node in nodes if isinstance(node, Scalar) and reads_plain(node.value, is_flow=False)]
    return {text.style for text in texts}


def _common(styles: list[set[str]]) -> str:
    """The quotes that all of the nearest texts have; empty where they differ or have none."""
    nearest = next(iter(styles), {""})
    return next(iter(nearest)) if nearest in ({'"'}, {"'"}) else ""


def _kind(node: Node) -> str:
    return "a mapping" if isinstance(node, Mapping) else "a list" if isinstance(node, Sequence) else "a value"
