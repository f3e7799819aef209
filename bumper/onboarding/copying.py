"""A file of one site as the file of another, in the hand in which the first is written.

Law: the bytes are spliced, never dumped. What a reader finds in the copy is exactly the model's data with names and hosts replaced
(`Renaming.data`), document by document; everything else (order, indentation, quotes, comments, line ends) is the model's. A copy that
would read otherwise is refused with `Uncarried`.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from bumper.dataclasses import dataclass, field
from bumper.errors import FieldUnsafe, NotYaml
from bumper.manifest.document import plain
from bumper.manifest.insertion import insert_item, remove
from bumper.manifest.layout import Layout
from bumper.manifest.yamltext import (
    Mapping,
    Node,
    Scalar,
    Sequence,
    Source,
    compose,
    name_of,
    reads_otherwise,
)
from bumper.onboarding.renaming import Path, Renaming, Uncarried

_COMMENT = re.compile(r"(?<!\S)#[^\r\n]*")
_BY_HAND = "name another site with --like SITE, or take the plain form: --plain"

# What takes the place of the characters from start to end.
_Splice = tuple[int, int, str]


def copy(content: bytes, path: str, renaming: Renaming) -> bytes:
    """The bytes of the new site's file; Uncarried, with the line, for what cannot be carried over."""
    source = compose(content, path)
    copying = _Copying(source, renaming)
    for at, root in enumerate(source.documents):
        copying.walk(root, (at,))
    wanted = [renaming.data(plain(root), (at,)) for at, root in enumerate(source.documents)]
    edited = _spliced(source, [*copying.splices, *copying.comments()])
    try:
        for grow in copying.lists:
            edited = grow.applied(edited, path, renaming.new_hosts)
        documents = [plain(root) for root in compose(edited, path).documents]
    except (NotYaml, FieldUnsafe) as error:
        raise Uncarried(f"{error.message}, in the copy of {path}", hint=_BY_HAND) from None
    if documents != wanted:
        line = next(
            (
                source.line(root.start)
                for root, a, b in zip(source.documents, documents, wanted, strict=False)
                if a != b
            ),
            1,
        )
        raise Uncarried(f"{path}:{line}: the copy would not be read as it is meant", hint=_BY_HAND)
    return edited


@dataclass(frozen=True)
class _List:
    """A list with an entry for each host, `has` of them; the route leads to it in the copy."""

    route: Path
    has: int
    of_rules: bool

    def applied(self, content: bytes, path: str, hosts: tuple[str, ...]) -> bytes:
        """The content with an entry for each of the hosts: missing entries are made like the last entry."""
        for at in range(self.has - 1, len(hosts) - 1, -1):
            content = remove(content, path, (*self.route, at))
        for at in range(self.has, len(hosts)):
            content = (
                _with_rule_like_last(content, path, self.route, hosts[at])
                if self.of_rules
                else insert_item(content, path, self.route, hosts[at])
            )
        return content


@dataclass
class _Copying:
    """Finds what has to be spliced in one file."""

    source: Source
    renaming: Renaming
    splices: list[_Splice] = field(default_factory=list)
    lists: list[_List] = field(default_factory=list)

    def walk(self, node: Node, path: Path) -> None:
        if isinstance(node, Scalar):
            with self._placed(node.start):
                self._scalar(node, self.renaming.data(_value(node), path))
        elif isinstance(node, Mapping):
            for key, below in node.pairs:
                with self._placed(key.start):
                    if isinstance(key, Scalar):
                        self._scalar(key, self.renaming.words(key.value))
                self.walk(below, (*path, name_of(key)))
        elif isinstance(node, Sequence):
            self._sequence(node, path)

    def comments(self) -> Iterator[_Splice]:
        """What comments say of the site."""
        end = 0
        for scalar in (*self.source.scalars, None):
            until = scalar.start if scalar else len(self.source.text)
            for comment in _COMMENT.finditer(self.source.text, end, until):
                with self._placed(comment.start()):
                    yield comment.start(), comment.end(), self.renaming.words(comment[0])
            end = scalar.end if scalar else until

    @contextmanager
    def _placed(self, at: int) -> Iterator[None]:
        try:
            yield
        except Uncarried as error:
            raise Uncarried(
                f"{self.source.path}:{self.source.line(at)}: {error.message}", hint=_BY_HAND
            ) from None

    def _sequence(self, node: Sequence, path: Path) -> None:
        value, hosts = plain(node), self.renaming.new_hosts
        with self._placed(node.start):
            of_hosts, of_rules = self.renaming.are_hosts(value), bool(self.renaming.rule_of_each_host(value))
        for at, item in enumerate(node.items):
            if of_hosts or of_rules:
                if at < len(hosts):
                    self._entry_of_host(item, hosts[at], (*path, 0 if of_rules else at))
            else:
                self.walk(item, (*path, at))
        if (of_hosts or of_rules) and len(node.items) != len(hosts):
            route = tuple(self.renaming.words(step) if isinstance(step, str) else step for step in path)
            self.lists.append(_List(route, len(node.items), of_rules))

    def _entry_of_host(self, item: Node, host: str, path: Path) -> None:
        if isinstance(item, Scalar):
            self._scalar(item, host)
        elif isinstance(item, Mapping):
            for key, below in item.pairs:
                if name_of(key) == "host" and isinstance(below, Scalar):
                    self._scalar(below, host)
                else:
                    self.walk(below, (*path, name_of(key)))

    def _scalar(self, scalar: Scalar, new: str) -> None:
        if new == _value(scalar):
            return
        inner = self.source.inner(scalar)
        if inner and (scalar.style or not reads_otherwise(new)):
            self.splices.append((*inner, new))
        elif inner:
            self.splices.append((*inner, f'"{new}"'))
        else:
            # Written on several lines: each of them for itself; whether that reads as it is meant is proved at the end.
            written = self.source.text[scalar.start : scalar.end]
            self.splices.append((scalar.start, scalar.end, self.renaming.words(written)))


def _value(scalar: Scalar) -> str:
    value = plain(scalar)
    assert isinstance(value, str)
    return value


def _spliced(source: Source, splices: list[_Splice]) -> bytes:
    pieces, end = [], 0
    for start, stop, new in sorted(splices):
        first = source.byte(start)
        pieces += [source.content[end:first], new.encode()]
        end = source.byte(stop)
    return b"".join([*pieces, source.content[end:]])


def _with_rule_like_last(content: bytes, path: str, route: Path, host: str) -> bytes:
    """The content with the last rule of an Ingress once more, for another host."""
    layout = Layout(compose(content, path))
    rules = layout.reach(route)[0][-1]
    if not isinstance(rules, Sequence) or not layout.is_block(rules):
        raise Uncarried(
            f"{path}: the rules of an Ingress stand in brackets, expected lines of their own", hint=_BY_HAND
        )
    last = layout.entries(rules)[-1]
    assert isinstance(last.value, Mapping)
    old = next(below for key, below in last.value.pairs if name_of(key) == "host")
    end = layout.line_end(last.end)
    start = layout.line_start(last.start)
    text = layout.text
    copied = text[start : old.start] + host + text[old.end : end] if isinstance(old, Scalar) else ""
    return _spliced(layout.source, [(end, end, layout.line_break(last.start) + copied)])
