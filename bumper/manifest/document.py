"""The objects of a YAML file as plain values, and the line of each value.

Law: a scalar keeps the text that is written (`true`, `10m0s`, `0123`), since what it means is its reader's business; null
reads as empty text. A merge key (`<<`) brings what is not there; of a repeated key the last one counts, as in every loader.
"""

from collections.abc import Callable, Iterator
from functools import cached_property, lru_cache
from operator import attrgetter
from typing import Any

from bumper.dataclasses import dataclass, field
from bumper.manifest.yamltext import (
    Alias,
    Collection,
    Mapping,
    Node,
    Scalar,
    Sequence,
    Source,
    compose,
    name_of,
    require_few_values,
    resolved,
)
from bumper.objects import Object, ObjectKey

Leaf = Callable[[Scalar], Any]
_TRUE = frozenset({"true", "yes", "on", "y"})  # YAML 1.1, which Kubernetes' own reader follows


@dataclass(frozen=True, eq=False)
class Document:
    """One object of a file; `value` is a mapping of text, mappings and lists.

    `route` leads to it: the index of its document, and for an item of a `List` also `items` and its index.
    """

    path: str
    route: tuple[str | int, ...]
    value: Object
    _source: Source = field(repr=False)
    _node: Node = field(repr=False)

    @cached_property
    def key(self) -> ObjectKey:
        """Which object it describes; what is written in another form than Kubernetes takes is empty."""
        metadata = mapping(self.value.get("metadata"))
        kind, namespace, name = self.value.get("kind"), metadata.get("namespace"), metadata.get("name")
        return ObjectKey(text(kind), text(namespace), text(name))

    @property
    def group(self) -> str:
        """The API group, without the version; empty for the core group."""
        group, slash, _ = text(self.value.get("apiVersion")).rpartition("/")
        return group if slash else ""

    def read(self, leaf: Leaf) -> Any:
        """The value once more, with `leaf` of each scalar in the place of its text."""
        return plain(self._node, leaf)

    def repeated_keys(self) -> Iterator[tuple[int, str]]:
        """Line and name of each key that its mapping has already, which kustomize refuses; what a merge key brings is none."""
        for node in self._mappings():
            if len(set(node.names)) < len(node.names):
                seen: set[str] = set()
                for key, _ in node.pairs:
                    if (name := name_of(key)) in seen and isinstance(key, Scalar):
                        yield self._source.line(key.start), name
                    seen.add(name)

    @cached_property
    def keys_of_no_text(self) -> tuple[tuple[int, str], ...]:
        """Line and name of each key that is a number, a boolean or null: kustomize can't write an object with one."""
        from bumper.manifest import go_yaml  # what only edits a file asks for none of it

        if not go_yaml.may_have_keys_of_no_text(self._source.text[self._node.start : self._node.end]):
            return ()
        keys = (key for node in self._mappings() for key, _ in node.pairs if isinstance(key, Scalar))
        return tuple((self._source.line(key.start), key.value) for key in keys if not go_yaml.is_text(key))

    def _mappings(self) -> Iterator[Mapping]:
        waiting: list[Node] = [self._node]
        while waiting:
            node = waiting.pop()
            if isinstance(node, Mapping):
                yield node
            if isinstance(node, Collection):
                waiting += [inner for inner in node.items if type(inner) is not Scalar]  # most are

    def line(self, *route: str | int) -> int:
        """The 1-based line of what stands under the route, or of the nearest above it that is there."""
        node = self._node
        for step in route:
            inner = _below(resolved(node), step)
            if inner is None:
                break
            node = inner
        return self._source.line(node.start)


@lru_cache(maxsize=1 << 14)  # several sites of one tree are found through the same files
def documents(content: bytes, path: str) -> tuple[Document, ...]:
    """Every mapping of the file, the items of a `List` one by one; NotYaml where it cannot be read."""
    source = compose(content, path)
    require_few_values(source)
    return tuple(
        Document(source.path, (at, *route), plain(node), source, node)
        for at, root in enumerate(source.documents)
        for route, node in _objects(root)
    )


def forget() -> None:
    """Forgets every file that was read, for whoever goes on for hours: most of them were replaced since."""
    documents.cache_clear()


def text(value: Any) -> str:
    """The value where it is text, else empty."""
    return value if isinstance(value, str) else ""


def items(value: Any) -> list[Any]:
    """The value where it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def mapping(value: Any) -> dict[str, Any]:
    """The value where it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def is_true(value: Any) -> bool:
    """Whether Kubernetes reads the text as true."""
    return text(value).lower() in _TRUE


def below(value: Any, *route: str | int) -> Any:
    """What stands under the route, or None."""
    for step in route:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def plain(node: Node, leaf: Leaf = attrgetter("shown")) -> Any:
    """Text, mappings and lists of a node; each alias stands for the very value of its anchor. `leaf` makes the text of a scalar."""
    return _plain(node, {}, leaf)


def _objects(root: Node) -> Iterator[tuple[tuple[str | int, ...], Node]]:
    target = resolved(root)
    if not isinstance(target, Mapping):
        return
    listed = _below(target, "items")
    entries = resolved(listed) if listed else None
    kind = _below(target, "kind")
    is_listed = isinstance(entries, Sequence) or (isinstance(entries, Scalar) and entries.is_null)
    if kind and text(plain(kind)).endswith("List") and is_listed:
        for at, entry in enumerate(entries.items if isinstance(entries, Sequence) else ()):
            if isinstance(resolved(entry), Mapping):
                yield ("items", at), entry
    else:
        yield (), root


def _below(node: Scalar | Sequence | Mapping, step: str | int) -> Node | None:
    if isinstance(node, Mapping):
        nodes = [value for name, value in zip(node.names, node.items[1::2], strict=True) if name == step]
        return nodes[-1] if nodes else None
    if isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
        return node.items[step]
    return None


def _plain(node: Node, known: dict[int, Any], leaf: Leaf) -> Any:
    """`known` holds what is read already, so that aliases stay linear and an alias inside its own anchor ends."""
    if isinstance(node, Scalar):
        value: Any = leaf(node)
        known[id(node)] = value
        return value
    if isinstance(node, Alias):
        return known.get(id(node.target), "")
    if isinstance(node, Sequence):
        listed = [_plain(item, known, leaf) for item in node.items]
        known[id(node)] = listed
        return listed
    own: dict[str, Any] = {}
    merged: dict[str, Any] = {}
    for key, inner in node.pairs:
        value = _plain(inner, known, leaf)
        if (name := name_of(key)) != "<<":
            own[name] = value
            continue
        for merge_source in value if isinstance(value, list) else [value]:
            merged = mapping(merge_source) | merged
    known[id(node)] = merged | own
    return known[id(node)]
