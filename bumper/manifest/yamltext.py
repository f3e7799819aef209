"""A YAML file as its readers see it, with the place in the bytes of every value.

Law: nothing is ever dumped. `compose` gives the nodes of a file, each scalar with its place, and `shape`: one entry for each event
of the reader (kind, anchor, tag, style, value), so that two files hold the same YAML exactly when their shapes are equal.
Refused with `NotYaml` and the line: what no reader accepts, and what is not UTF-8.

Read by libyaml, which accepts what the cluster's readers accept (a tab before a comment) and is seven times as fast. Where libyaml
0.1.7, the version inside ruamel.yaml.clib, is too old for what go-yaml reads, ruamel.yaml's own parser has the last word; elsewhere it
would accept what go-yaml refuses. Events rather than composed nodes: they show aliases where they stand, allow an anchor name to be
defined again, and need no recursion.
"""

import re
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, TypeVar

from bumper.dataclasses import dataclass
from bumper.errors import NotYaml
from bumper.ports.git import MOST_FILE_BYTES

_BOM = b"\xef\xbb\xbf"
_UTF16_OR_32 = (b"\xff\xfe", b"\xfe\xff", b"\x00")
_LINE_BREAK = re.compile(rb"\r\n?|\n")
PROPERTIES = re.compile(r"(?:[&!]\S*(?:\s+|#[^\r\n]*)*)*")
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
_SCALAR = "ScalarEvent"
_STARTS: dict[str, type[Sequence] | type[Mapping]] = {
    "SequenceStartEvent": Sequence,
    "MappingStartEvent": Mapping,
}
Node = Scalar | Sequence | Mapping | Alias


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

    def inner(self, scalar: Scalar) -> tuple[int, int] | None:
        """The characters of a scalar without quotes, anchor, tag or block header; None where they cannot be told apart."""
        properties = PROPERTIES.match(self.text, scalar.start, scalar.end)
        start, end = properties.end() if properties else scalar.start, scalar.end
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
        return array("Q", (0, *(match.end() for match in _LINE_BREAK.finditer(self.content))))

    @cached_property
    def _chunk_starts(self) -> list[int]:
        starts = [len(self.content) - len(self.text.encode())]
        for at in range(0, len(self.text), _CHUNK):
            starts.append(starts[-1] + len(self.text[at : at + _CHUNK].encode()))
        return starts


@dataclass(frozen=True, eq=False)
class Source(Text):
    """One file that was read. `documents` holds the root of each document, empty ones included."""

    documents: tuple[Node, ...]
    scalars: tuple[Scalar, ...]
    shape: tuple[Shape, ...]

    @cached_property
    def values(self) -> int:
        """How many values the documents hold once each alias is what it stands for; nothing is followed twice to find out."""
        sizes: dict[int, int] = {}
        return sum(_size(root, sizes) for root in self.documents)


@lru_cache(maxsize=16)  # locating, following patches and proving read the same few files in turn
def compose(content: bytes, path: str) -> Source:
    """The nodes of a file; NotYaml, with the line, where it stops being YAML in UTF-8."""
    return _read(content, path, _composed)


def reread(
    content: bytes, before: Source, changed: Iterable[Scalar]
) -> tuple[Text, dict[int, Scalar]] | None:
    """An edited file, and by its ordinal what has become of each scalar that was changed; NotYaml as for `compose`.

    None where anything else is read than before, or a changed scalar as it was. Nothing but those scalars is kept: a large file is not
    in memory twice.
    """
    by_ordinal = {scalar.ordinal: scalar for scalar in changed}

    def compared(events: Iterable[Any], text: Text) -> tuple[Text, dict[int, Scalar]] | None:
        now: dict[int, Scalar] = {}
        entries = iter(before.shape)
        for at, event in enumerate(events):
            entry, was = _entry(event), next(entries, None)
            if at in by_ordinal and entry != was and entry[0] == _SCALAR:
                _, _, tag, style, value = entry
                start, end = event.start_mark.index, event.end_mark.index
                now[at] = Scalar(start, end, value, style, tag, at, by_ordinal[at].is_key)
            elif at in by_ordinal or entry != was:
                return None
        return (text, now) if next(entries, None) is None else None

    return _read(content, before.path, compared)


def _read(content: bytes, path: str, made: Callable[[Iterable[Any], Text], Made]) -> Made:
    """What is made of the events of the first reader that accepts the file."""
    _refuse_large(content, path)
    text = Text(path, content, _decoded(content, path))
    from ruamel.yaml.error import YAMLError

    try:
        return made(_events_of_libyaml(text.text), text)
    except YAMLError as refusal:
        if not _may_be_read(refusal, text.text):
            raise _not_yaml(refusal, text.text, path) from None
        try:
            return made(_events(text.text), text)
        except (YAMLError, *UNREADABLE):
            raise _not_yaml(refusal, text.text, path) from None


def _may_be_read(refusal: Any, text: str) -> bool:
    """Whether go-yaml may read what libyaml 0.1.7 refuses: `[web:1]`, and a byte order mark before a later document."""
    return getattr(refusal, "problem", None) == "found unexpected ':'" or _BOM.decode() in text


def _refuse_large(content: bytes, path: str) -> None:
    documents = content.count(b"\n---") + 1
    for size, most, what in (
        (len(content), MOST_FILE_BYTES, "bytes"),
        (documents, _MOST_DOCUMENTS, "documents"),
    ):
        if size > most:
            raise NotYaml(
                f"{path}: found more than {most:,} {what}, expected a manifest of that many at most"
            )


def _events_of_libyaml(text: str) -> Iterator[Any]:
    """Asked at its own door: `YAML.parse` makes a class for each file and looks for plug-ins on the disk, half of the work.

    The module's loaders are this parser, and a constructor and a resolver that events do without.
    """
    try:
        from ruamel.yaml import cyaml
    except ImportError:  # no compiled library for this Python
        yield from _events(text)
        return
    parser = vars(cyaml)["CParser"](text)
    try:
        while event := parser.get_event():
            yield event
    finally:
        parser.dispose()


def _events(text: str) -> Iterator[Any]:
    from ruamel.yaml import YAML

    yield from YAML(typ="safe", pure=True, plug_ins=[]).parse(text)


def _decoded(content: bytes, path: str) -> str:
    if content.startswith(_UTF16_OR_32) or content[1:2] == b"\x00":
        raise NotYaml(
            f"{path}:1: UTF-16 or UTF-32 text, expected UTF-8",
            hint="save the file as UTF-8; Flux reads nothing else",
        )
    try:
        return content.removeprefix(_BOM).decode()
    except UnicodeDecodeError as error:
        bom = len(content) - len(content.removeprefix(_BOM))
        line = len(_LINE_BREAK.findall(content[: error.start + bom])) + 1
        raise NotYaml(
            f"{path}:{line}: byte 0x{error.object[error.start]:02x} is not UTF-8, expected UTF-8 text",
            hint="save the file as UTF-8",
        ) from None


def _line_at(text: str, character: int) -> int:
    return len(_LINE_BREAK.findall(text[:character].encode())) + 1


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
    return kind, event.anchor if kind == "AliasEvent" else "", "", "", ""


def _composed(events: Iterable[Any], text: Text) -> Source:
    documents = Sequence(0)
    scalars: list[Scalar] = []
    shape: list[Shape] = []
    parents: list[Mapping | Sequence] = [documents]
    anchors: dict[str, Scalar | Sequence | Mapping] = {}
    # Most of a manifest is there many times: keys, short values, the ends of mappings.
    known: dict[Shape, Shape] = {}
    for event in events:
        entry = _entry(event)
        entry = known.setdefault(entry, entry)
        kind, anchor, tag, style, value = entry
        parent = parents[-1]
        if kind == _SCALAR:
            is_key = type(parent) is Mapping and len(parent.items) % 2 == 0
            start, end = event.start_mark.index, event.end_mark.index
            scalar = Scalar(start, end, value, style, tag, len(shape), is_key)
            scalars.append(scalar)
            parent.items.append(scalar)
            if anchor:
                anchors[anchor] = scalar
        elif kind in _STARTS:
            node = _STARTS[kind](event.start_mark.index, len(shape))
            parent.items.append(node)
            parents.append(node)
            if len(parents) > MAX_DEPTH:
                raise NotYaml(
                    f"{text.path}:{_line_at(text.text, node.start)}: nested deeper than {MAX_DEPTH} levels, expected a manifest",
                    hint="correct the file: no Kubernetes object is nested that deeply",
                )
            if anchor:
                anchors[anchor] = node
        elif kind == "AliasEvent":
            if anchor not in anchors:
                line = _line_at(text.text, event.start_mark.index)
                raise NotYaml(f"{text.path}:{line}: not YAML: the alias *{anchor} has no anchor before it")
            end = event.end_mark.index
            parent.items.append(Alias(event.start_mark.index, anchor, anchors[anchor], end, len(shape)))
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            ended = parents.pop()
            ended.end, ended.end_ordinal = event.end_mark.index, len(shape)
        elif kind == "DocumentStartEvent":
            anchors.clear()
        shape.append(entry)
    return Source(text.path, text.content, text.text, tuple(documents.items), tuple(scalars), tuple(shape))


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
