"""A YAML file as its readers see it, with the place in the bytes of every value.

Law: nothing is ever dumped. `compose` gives the nodes of a file, each scalar with its place, and `shape`: one entry for each event
of the reader (kind, anchor, tag, style, value), so that two files hold the same YAML exactly when their shapes are equal.
Refused with `NotYaml` and the line: what no reader accepts, and what is not UTF-8.

A large file is read in pieces, each of them some whole documents, and only those that somebody asks for are kept as nodes. To libyaml
a line that begins with `---` ends the document before it whatever it stands in: every block ends there, what is in brackets or quotes
is refused there, and no anchor, directive or key goes beyond it. So a piece is a stream of its own: libyaml accepts a file exactly
when it accepts each piece, and what it reads in one depends on the bytes of that piece alone. Pieces whose bytes are the same need no
proof.

Read by libyaml, which accepts what the cluster's readers accept (a tab before a comment) and is seven times as fast. Where libyaml
0.1.7, the version inside ruamel.yaml.clib, is too old for what go-yaml reads, ruamel.yaml's own parser has the last word; elsewhere it
would accept what go-yaml refuses. Events rather than composed nodes: they show aliases where they stand, allow an anchor name to be
defined again, and need no recursion.
"""

import re
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cached_property, lru_cache, partial
from itertools import accumulate, chain, pairwise
from typing import Any, NamedTuple, TypeVar

from bumper.dataclasses import dataclass
from bumper.errors import NotYaml
from bumper.ports.git import MOST_FILE_BYTES

_BOM = b"\xef\xbb\xbf"
_UTF16_OR_32 = (b"\xff\xfe", b"\xfe\xff", b"\x00")
_PROPERTIES = r"(?:[&!]\S*(?:\s+|#[^\r\n]*)*)*"
_STR_TAGS = frozenset({"!", "tag:yaml.org,2002:str"})
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
# What the pure reader raises for an escape that is no character (two ways), for YAML 1.3 and for a file that is nested too deeply.
UNREADABLE = (ValueError, OverflowError, AssertionError, RecursionError)
# Deeper than what Kubernetes objects and Helm values are, and far from where readers that call themselves would end.
MAX_DEPTH = 200
# go-yaml, with which kustomize and Flux read, refuses "excessive aliasing" from 400,000 values on; no manifest comes near to either.
_MOST_VALUES = 50_000
# The definitions of a large operator are some hundred documents.
_MOST_DOCUMENTS = 10_000
_CHUNK = 4096  # characters between two known byte offsets
# Characters of a piece, or as many more as its last document takes: of shorter ones the reader's start would be felt.
_PIECE = 4096
# The start of a document, and a directive, which belongs to the document that follows.
_MARKER = r"(?m)^---(?=[ \t\r\n])"
_DIRECTIVE = "(?m)(?:^|[\r\x85\u2028\u2029])%"

Shape = tuple[str, str, str, str, str]
Made = TypeVar("Made")


@dataclass(frozen=True)
class Span:
    """Byte offsets in the file, and the 1-based line of the first byte as editors count it (LF, CRLF or CR)."""

    start: int
    end: int
    line: int


class Scalar(NamedTuple):
    """`start` and `end` count characters and include quotes, anchor and tag; `style` is empty for a plain scalar.

    `ordinal` is the index of its event in the file's shape.
    """

    start: int
    end: int
    value: str
    style: str
    tag: str
    ordinal: int
    is_key: bool

    @property
    def text(self) -> str:
        """The value; empty for a null. Line ends that a block scalar adds do not count."""
        is_null = not self.style and self.tag not in _STR_TAGS and self.value in _NULL
        return "" if is_null else self.value.rstrip("\n")

    @property
    def is_null(self) -> bool:
        """Whether it stands plain for nothing at all."""
        return not self.style and self.value in _NULL

    @property
    def shown(self) -> str:
        """The value as it is written; empty for a null."""
        return "" if not self.style and self.value in _NULL else self.value

    @property
    def takes_text(self) -> bool:
        """Whether its explicit tag, if any, allows a text."""
        return not self.tag or self.tag in _STR_TAGS

    def reads_as_text(self, value: str) -> bool:
        """Whether every reader would take `value`, written in the style of this scalar, for the text that it is."""
        return bool(self.style) or self.tag in _STR_TAGS or not reads_otherwise(value)


class _Collection:
    """`start` and `end` count characters and include brackets, anchor and tag; in block style `end` is where the next token begins.

    `ordinal` and `end_ordinal` are the indexes of its first and last event in the file's shape.
    """

    __slots__ = ("end", "end_ordinal", "items", "ordinal", "start")

    def __init__(self, start: int, ordinal: int = 0) -> None:
        self.start, self.ordinal = start, ordinal
        self.end = self.end_ordinal = 0
        self.items: list[Node] = []


class Sequence(_Collection):
    """A list."""

    __slots__ = ()


class Mapping(_Collection):
    """`items` holds keys and values in turn."""

    __slots__ = ("_names",)
    _names: tuple[str, ...]

    @property
    def pairs(self) -> "Iterator[tuple[Node, Node]]":
        """Each key with its value, in order."""
        entries = iter(self.items)
        return zip(entries, entries, strict=True)

    @property
    def names(self) -> tuple[str, ...]:
        """The text of each key, in order, empty for one that is no scalar; asked once all entries are there, and kept."""
        try:
            return self._names
        except AttributeError:
            self._names = tuple(map(name_of, self.items[::2]))
            return self._names


class Alias(NamedTuple):
    """`*name` where it stands; `target` is the node of its anchor, `start` and `end` count characters."""

    start: int
    name: str
    target: "Scalar | Sequence | Mapping"
    end: int
    ordinal: int


Collection = Sequence | Mapping
_DOCUMENT, _SCALAR, _ALIAS = "DocumentStartEvent", "ScalarEvent", "AliasEvent"
_STARTS: dict[str, type[Sequence] | type[Mapping]] = {
    "SequenceStartEvent": Sequence,
    "MappingStartEvent": Mapping,
}
_ENDS = frozenset({"SequenceEndEvent", "MappingEndEvent"})
Node = Scalar | Sequence | Mapping | Alias
_Nodes = tuple[tuple[Node, ...], tuple[Scalar, ...], tuple[Shape, ...]]


def resolved(node: Node) -> Scalar | Sequence | Mapping:
    """The node itself, or the node that an alias stands for."""
    return node.target if isinstance(node, Alias) else node


class Hit(NamedTuple):
    """The scalar under a key. `at` is the character where it stands in that mapping, `through` how, if its place is another."""

    scalar: Scalar
    at: int
    through: str = ""
    repeated: bool = False


def _size(node: "Node", sizes: dict[int, int]) -> int:
    """How many values are in a node, itself included; `sizes` holds those that are known, and 0 for one that holds itself."""
    node = resolved(node)
    if isinstance(node, Scalar):
        return 1
    if id(node) not in sizes:
        sizes[id(node)] = 0
        sizes[id(node)] = 1 + sum(_size(inner, sizes) for inner in node.items)
    return sizes[id(node)]


def require_few_values(source: "Source") -> None:
    """Raises NotYaml where aliases make so much of a file that what it holds could not be looked at."""
    if b"*" in source.content and source.values > _MOST_VALUES:
        first = next(at for at, (kind, *_) in enumerate(source.shape) if kind == "AliasEvent")
        before = [scalar for scalar in source.scalars if scalar.ordinal < first]
        line = source.line(before[-1].start) if before else 1
        raise NotYaml(
            f"{source.path}:{line}: its aliases make more than {_MOST_VALUES:,} values of it, expected a manifest",
            hint="write out what the aliases stand for: kustomize and Flux refuse excessive aliasing, too",
        )


def name_of(key: Node) -> str:
    """The text of a key; empty for a key that is no scalar."""
    if type(key) is Scalar:  # nearly all are, and `isinstance` asks twice as long
        return key.value
    target = resolved(key)
    return target.value if isinstance(target, Scalar) else ""


def lookup(mapping: Mapping, key: str) -> list[Hit]:
    """The scalars under `key`: the mapping's own (several where it is repeated), or else the first that a merge key brings.

    Linear: a mapping that many merge keys lead to is looked into once.
    """
    if key in mapping.names:
        return _own(mapping, key)
    if "<<" not in mapping.names:
        return []
    seen = {id(mapping)}
    for name, node in mapping.pairs:
        if name_of(name) == "<<" and (hits := _merged_hits(node, key, seen)):
            return [hit._replace(at=name.start, through="a merge key (<<)") for hit in hits]
    return []


def _own(mapping: Mapping, key: str) -> list[Hit]:
    own = [node for name, node in zip(mapping.names, mapping.items[1::2], strict=True) if name == key]
    return [
        Hit(scalar, node.start, f"the alias *{node.name}" if isinstance(node, Alias) else "", len(own) > 1)
        for node in own
        if isinstance(scalar := resolved(node), Scalar)
    ]


def _merged_hits(node: Node, key: str, seen: set[int]) -> list[Hit]:
    """The first hits below a merge key, in order; `seen` are the mappings that were looked into, which hold the key no more."""
    waiting = list(_merged(node))[::-1]
    while waiting:
        merged = waiting.pop()
        if id(merged) in seen:
            continue
        seen.add(id(merged))
        if hits := _own(merged, key):
            return hits
        if key not in merged.names:
            below = [into for name, value in merged.pairs if name_of(name) == "<<" for into in _merged(value)]
            waiting += below[::-1]
    return []


def _merged(node: Node) -> Iterator[Mapping]:
    target = resolved(node)
    items = [resolved(item) for item in target.items] if isinstance(target, Sequence) else [target]
    yield from (item for item in items if isinstance(item, Mapping))


@dataclass(frozen=True, eq=False)
class Text:
    """The text of a file, with the place in its bytes of every character."""

    path: str
    content: bytes
    text: str

    def line(self, character: int) -> int:
        """The 1-based line of a character."""
        return bisect_right(self._line_starts, self.byte(character))

    def byte(self, character: int) -> int:
        """The offset in the file of a character of `text`, without counting from the start each time."""
        chunk = character // _CHUNK
        start = chunk * _CHUNK
        return self._chunk_starts[chunk] + len(self.text[start:character].encode())

    def opening(self, start: int, end: int) -> int:
        """Where what begins at the character `start`, and ends at most at `end`, is written behind its anchor and tag."""
        if self.text[start : start + 1] not in ("&", "!"):
            return start
        properties = re.compile(_PROPERTIES).match(self.text, start, end)
        return properties.end() if properties else start

    def inner(self, scalar: Scalar) -> tuple[int, int] | None:
        """The characters of a scalar without quotes, anchor, tag or block header; None where they cannot be told apart."""
        start, end = self.opening(scalar.start, scalar.end), scalar.end
        written = self.text[start:end]
        if scalar.style in ("'", '"'):
            return (start + 1, end - 1) if written[:1] == written[-1:] == scalar.style else None
        if scalar.style:
            header = written.partition("\n")[0] if "\n" in written else written.partition("\r")[0]
            body, value = written[len(header) :], scalar.value.rstrip("\n")
            start += len(header) + body.find(value)
            return (start, start + len(value)) if value and body.strip() == value else None
        return (start, end) if written == scalar.value else None

    def span(self, start: int, end: int) -> Span:
        """The span of these characters."""
        return Span(self.byte(start), self.byte(end), self.line(start))

    @cached_property
    def _line_starts(self) -> "array[int]":
        # Of bytes, at LF, CRLF and CR alone; a list would take ten times the memory of the lines of a large file.
        starts = array("Q", accumulate(map(len, self.content.splitlines(keepends=True)), initial=0))
        if not self.content.endswith((b"\n", b"\r")) and self.content:
            starts.pop()
        return starts

    @cached_property
    def _chunk_starts(self) -> list[int]:
        starts = [len(self.content) - len(self.text.encode())]
        for at in range(0, len(self.text), _CHUNK):
            starts.append(starts[-1] + len(self.text[at : at + _CHUNK].encode()))
        return starts


class Piece:
    """Whole documents of a file, from the character `start` to `end`.

    `document` and `event` are the indexes in the file of the first of each; `size` is how many of both there are, None until the piece
    was read. `nodes` are its roots, scalars and shape, None until they were asked for.
    """

    __slots__ = ("document", "end", "event", "nodes", "size", "start")

    def __init__(self, start: int, end: int) -> None:
        self.start, self.end = start, end
        self.document = self.event = 0
        self.size: tuple[int, int] | None = None
        self.nodes: _Nodes | None = None

    @property
    def roots(self) -> Iterator[tuple[int, Node]]:
        """The root of each document, with its index in the file."""
        return enumerate(self._read[0], self.document)

    @property
    def scalars(self) -> tuple[Scalar, ...]:
        """Every scalar, in order."""
        return self._read[1]

    @property
    def shape(self) -> tuple[Shape, ...]:
        """What is read, event by event."""
        return self._read[2]

    @property
    def _read(self) -> _Nodes:
        assert self.nodes, "not asked for"
        return self.nodes


@dataclass(frozen=True, eq=False)
class Source(Text):
    """One file, of which as much is kept as was asked for.

    Whatever is asked for first has all of it read: NotYaml, with the line, where the file stops being YAML in UTF-8.
    """

    pieces: list[Piece]

    @cached_property
    def documents(self) -> tuple[Node, ...]:
        """The root of each document, empty ones included."""
        return tuple(root for _, root in self.whole.roots)

    @property
    def scalars(self) -> tuple[Scalar, ...]:
        """Every scalar, in order."""
        return self.whole.scalars

    @property
    def shape(self) -> tuple[Shape, ...]:
        """What is read, event by event."""
        return self.whole.shape

    @cached_property
    def whole(self) -> Piece:
        """All of the file as one piece."""
        pieces = self._read(lambda _: True)
        if len(pieces) == 1:
            return pieces[0]
        whole = Piece(0, len(self.text))
        whole.nodes = (
            tuple(root for piece in pieces for _, root in piece.roots),
            tuple(chain.from_iterable(piece.scalars for piece in pieces)),
            tuple(chain.from_iterable(piece.shape for piece in pieces)),
        )
        return whole

    def having(self, *texts: str) -> list[Piece]:
        """The pieces in which one of the texts may be read, in a key or a value."""
        # What is written otherwise than it is read is folded, has a quote in it, or an escape.
        if any("'" in text or text.split() != [text] for text in texts):
            texts = ("",)
        find = self.text.find
        return self._read(
            lambda piece: any(find(text, piece.start, piece.end) >= 0 for text in (*texts, "\\"))
        )

    def around(self, places: list[int]) -> list[Piece]:
        """The pieces that one of these bytes stands in, or right behind, in order; so are `places`."""
        return self._read(
            lambda piece: (
                (bisect_right(places, self.byte(piece.start)) if piece.start else 0)
                < bisect_right(places, self.byte(piece.end))
            )
        )

    @cached_property
    def values(self) -> int:
        """How many values the documents hold once each alias is what it stands for; nothing is followed twice to find out."""
        sizes: dict[int, int] = {}
        return sum(_size(root, sizes) for root in self.documents)

    def reading(self, piece: Piece, text: str, made: Callable[[Iterable[Any]], Made]) -> Made:
        """What is made of the events of a text that stands in a piece, or would after an edit; NotYaml where it is none.

        Of the whole file they are those of the first reader that accepts it.
        """
        from ruamel.yaml.error import YAMLError

        try:
            return made(_events_of_libyaml(text))
        except YAMLError as refusal:
            if piece.start == 0 and piece.end == len(self.text) and _may_be_read(refusal, text):
                with suppress(YAMLError, *UNREADABLE):
                    return made(_events(text))
            raise _not_yaml(refusal, text, self.path) from None

    def _read(self, is_wanted: Callable[[Piece], bool]) -> list[Piece]:
        if len(self.pieces) > 1:
            with suppress(NotYaml):
                return self._read_each(is_wanted)
            # Whole it is refused with its line, or read by who has the last word.
            self.pieces[:] = [Piece(0, len(self.text))]
        return self._read_each(is_wanted)

    def _read_each(self, is_wanted: Callable[[Piece], bool]) -> list[Piece]:
        wanted: list[Piece] = []
        # Most of a manifest is there many times: keys, short values, the ends of mappings.
        entries: dict[Shape, Shape] = {}
        documents = events = 0
        for piece in self.pieces:
            piece.document, piece.event = documents, events
            text = self.text[piece.start : piece.end]
            if is_wanted(piece):
                wanted.append(piece)
                if not piece.nodes:
                    piece.nodes = self.reading(piece, text, partial(_composed, self, piece, entries))
                piece.size = len(piece.nodes[0]), len(piece.nodes[2])
            size = piece.size or self.reading(piece, text, partial(_counted, self, piece))
            piece.size = size
            documents, events = documents + size[0], events + size[1]
        return wanted


@lru_cache(maxsize=16)  # locating, following patches and proving read the same few files in turn
def opened(content: bytes, path: str) -> Source:
    """A file of which nothing is read yet; NotYaml where it is too large, or is not UTF-8."""
    refuse_large(content, path)
    text = _decoded(content, path)
    ends = [0, *_cuts(text), len(text)]
    return Source(path, content, text, [Piece(start, end) for start, end in pairwise(ends)])


def compose(content: bytes, path: str) -> Source:
    """A file with all of its nodes; NotYaml, with the line, where it stops being YAML in UTF-8."""
    source = opened(content, path)
    _ = source.whole
    return source


def reread(
    content: bytes, before: Source, piece: Piece, changed: Iterable[Scalar]
) -> tuple[Text, dict[int, Scalar]] | None:
    """What stands in the place of a piece after an edit, and by its ordinal what has become of each scalar that was changed.

    None where anything else is read than before, a changed scalar as it was, or the piece ends elsewhere; NotYaml as for
    `Source.reading`. Nothing but those scalars is kept: a large file is not in memory twice.
    """
    by_ordinal = {scalar.ordinal: scalar for scalar in changed}

    def compared(events: Iterable[Any]) -> dict[int, Scalar] | None:
        now: dict[int, Scalar] = {}
        entries = iter(piece.shape)
        for at, event in enumerate(events, piece.event):
            entry, was = _entry(event), next(entries, None)
            if at in by_ordinal and entry != was and entry[0] == _SCALAR:
                _, _, tag, style, value = entry
                start, end = event.start_mark.index, event.end_mark.index
                now[at] = Scalar(start, end, value, style, tag, at, by_ordinal[at].is_key)
            elif at in by_ordinal or entry != was:
                return None
        return now if next(entries, None) is None else None

    text = Text(before.path, content, _decoded(content, before.path))
    begins = not piece.start or re.match(_MARKER, text.text)
    ends = piece.end == len(before.text) or text.text.endswith("\n")
    now = before.reading(piece, text.text, compared) if begins and ends else None
    return None if now is None else (text, now)


def _cuts(text: str) -> Iterator[int]:
    """Where one piece ends and the next begins."""
    start = before = 0
    for marker in re.finditer(_MARKER, text) if len(text) > _PIECE and _libyaml() else ():
        at = marker.start()
        if at - start >= _PIECE and not re.search(_DIRECTIVE, text[before:at]):
            yield at
            start = at
        before = at


def _may_be_read(refusal: Any, text: str) -> bool:
    """Whether go-yaml may read what libyaml 0.1.7 refuses: `[web:1]`, and a byte order mark before a later document."""
    return getattr(refusal, "problem", None) == "found unexpected ':'" or _BOM.decode() in text


def refuse_large(content: bytes, path: str) -> None:
    documents = content.count(b"\n---") + 1
    for size, most, what in (
        (len(content), MOST_FILE_BYTES, "bytes"),
        (documents, _MOST_DOCUMENTS, "documents"),
    ):
        if size > most:
            raise NotYaml(
                f"{path}: found more than {most:,} {what}, expected a manifest of that many at most"
            )


def _libyaml() -> Any:
    """Its parser, asked for at its own door: `YAML.parse` makes a class for each file and looks for plug-ins on the disk.

    The module's loaders are this parser, and a constructor and a resolver that events do without. None where there is no compiled
    library for this Python.
    """
    try:
        from ruamel.yaml import cyaml
    except ImportError:
        return None
    return vars(cyaml)["CParser"]


def _events_of_libyaml(text: str) -> Iterator[Any]:
    if not (made := _libyaml()):
        yield from _events(text)
        return
    from ruamel.yaml.events import StreamEndEvent

    parser = made(text)
    parser.get_event()
    try:
        while type(event := parser.get_event()) is not StreamEndEvent:
            yield event
    finally:
        parser.dispose()


def _events(text: str) -> Iterator[Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.events import StreamEndEvent, StreamStartEvent

    for event in YAML(typ="safe", pure=True, plug_ins=[]).parse(text):
        if not isinstance(event, StreamStartEvent | StreamEndEvent):
            yield event


def _decoded(content: bytes, path: str) -> str:
    if content.startswith(_UTF16_OR_32) or content[1:2] == b"\x00":
        raise NotYaml(
            f"{path}:1: UTF-16 or UTF-32 text, expected UTF-8",
            hint="save the file as UTF-8; Flux reads nothing else",
        )
    try:
        # Readers drop each mark that begins the text, and count none of them.
        return content.removeprefix(_BOM).decode().lstrip(_BOM.decode())
    except UnicodeDecodeError as error:
        bom = len(content) - len(content.removeprefix(_BOM))
        line = _line_behind(content[: error.start + bom].decode("latin-1"))
        raise NotYaml(
            f"{path}:{line}: byte 0x{error.object[error.start]:02x} is not UTF-8, expected UTF-8 text",
            hint="save the file as UTF-8",
        ) from None


def _line_at(text: str, character: int) -> int:
    return _line_behind(text[:character])


def _line_behind(text: str) -> int:
    """The line in which a text ends, as an editor counts it."""
    return text.count("\n") + text.count("\r") - text.count("\r\n") + 1


def _not_yaml(refusal: Any, text: str, path: str) -> NotYaml:
    """What the reader said, and where, in the form of our messages."""
    mark = getattr(refusal, "problem_mark", None) or getattr(refusal, "context_mark", None)
    index = mark.index if mark else getattr(refusal, "position", 0)
    problem = getattr(refusal, "problem", None) or getattr(refusal, "reason", None) or "cannot be read"
    line, template = _line_at(text, index), text.rfind("{{", 0, index + 2)
    message = f"{path}:{line}: not YAML: {problem}"
    if template < 0 or (beside := _line_at(text, template)) < line - 1:
        return NotYaml(message, hint="correct the file first")
    return NotYaml(
        f"{message} after the template in line {beside}",
        hint="edit the values of the chart instead of its templates",
    )


def _entry(event: Any) -> Shape:
    """What stands in the shape for an event."""
    kind = type(event).__name__
    if kind == _SCALAR:
        tag = "" if event.ctag is None else str(event.ctag)
        return kind, event.anchor or "", tag, event.style or "", event.value
    if kind in _STARTS:
        return kind, event.anchor or "", str(event.tag or ""), str(bool(event.flow_style)), ""
    return kind, event.anchor if kind == _ALIAS else "", "", "", ""


def _composed(source: Text, piece: Piece, entries: dict[Shape, Shape], events: Iterable[Any]) -> _Nodes:
    documents = Sequence(0)
    scalars: list[Scalar] = []
    shape: list[Shape] = []
    parents: list[Mapping | Sequence] = [documents]
    anchors: dict[str, Scalar | Sequence | Mapping] = {}
    first = piece.start
    for ordinal, event in enumerate(events, piece.event):
        entry = _entry(event)
        entry = entries.setdefault(entry, entry)
        kind, anchor, tag, style, value = entry
        parent = parents[-1]
        if kind == _SCALAR:
            is_key = type(parent) is Mapping and len(parent.items) % 2 == 0
            start, end = first + event.start_mark.index, first + event.end_mark.index
            scalar = Scalar(start, end, value, style, tag, ordinal, is_key)
            scalars.append(scalar)
            parent.items.append(scalar)
            if anchor:
                anchors[anchor] = scalar
        elif kind in _STARTS:
            node = _STARTS[kind](first + event.start_mark.index, ordinal)
            parent.items.append(node)
            parents.append(node)
            if len(parents) > MAX_DEPTH:
                raise _too_deep(source, node.start)
            if anchor:
                anchors[anchor] = node
        elif kind == _ALIAS:
            start, end = first + event.start_mark.index, first + event.end_mark.index
            if anchor not in anchors:
                raise _without_anchor(source, start, anchor)
            parent.items.append(Alias(start, anchor, anchors[anchor], end, ordinal))
        elif kind in _ENDS:
            ended = parents.pop()
            ended.end, ended.end_ordinal = first + event.end_mark.index, ordinal
        elif kind == _DOCUMENT:
            anchors.clear()
        shape.append(entry)
    return tuple(documents.items), tuple(scalars), tuple(shape)


def _counted(source: Text, piece: Piece, events: Iterable[Any]) -> tuple[int, int]:
    """How many documents and events there are, refused as what is composed."""
    documents, count, depth = 0, 0, 1
    anchors: set[str] = set()
    for event in events:
        count += 1
        kind = type(event).__name__
        if kind == _SCALAR:
            if event.anchor:
                anchors.add(event.anchor)
        elif kind in _STARTS:
            depth += 1
            if depth > MAX_DEPTH:
                raise _too_deep(source, piece.start + event.start_mark.index)
            if event.anchor:
                anchors.add(event.anchor)
        elif kind in _ENDS:
            depth -= 1
        elif kind == _ALIAS:
            if event.anchor not in anchors:
                raise _without_anchor(source, piece.start + event.start_mark.index, event.anchor)
        elif kind == _DOCUMENT:
            documents += 1
            anchors.clear()
    return documents, count


def _too_deep(source: Text, at: int) -> NotYaml:
    return NotYaml(
        f"{source.path}:{_line_at(source.text, at)}: nested deeper than {MAX_DEPTH} levels, expected a manifest",
        hint="correct the file: no Kubernetes object is nested that deeply",
    )


def _without_anchor(source: Text, at: int, name: str) -> NotYaml:
    line = _line_at(source.text, at)
    return NotYaml(f"{source.path}:{line}: not YAML: the alias *{name} has no anchor before it")


# What some reader takes for something other than text when it stands plain: the union of YAML 1.1 (https://yaml.org/type/), the core
# schema of YAML 1.2 (section 10.3.2) and go-yaml v3 (resolve.go), which kustomize, Flux and helm read with. Case is folded, which is
# wider than any of them.
_WORDS = frozenset(
    (
        "",
        "~",
        "null",
        "y",
        "n",
        "yes",
        "no",
        "on",
        "off",
        "true",
        "false",
        "nan",
        "inf",
        "infinity",
        "=",
        "<<",
    )
)
_NUMBERS = r"""(?x)[-+]?(?:
        0b[01]* | 0o?[0-9]* | 0x[0-9a-f.]*(?:p[-+]?[0-9]+)?  # binary, octal, hexadecimal, hexadecimal float
      | (?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[-+]?[0-9]+)?  # decimal, with a fraction and an exponent
      | [0-9]+(?::[0-5]?[0-9])+(?:\.[0-9]*)?  # base 60
      | \.inf | \.nan
      ) | [0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:(?:t|[ \t]+)[0-9: .tz+-]*)?  # date and time
    """


def reads_otherwise(plain: str) -> bool:
    """Whether some reader takes this plain scalar for a number, a boolean, a date or null."""
    folded = plain.lower()
    # go-yaml drops every underscore before it looks for a number, but one at the start makes a text.
    is_number = not plain.startswith("_") and re.fullmatch(_NUMBERS, folded.replace("_", ""))
    return folded in _WORDS or bool(is_number)
