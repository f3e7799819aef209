"""The objects of a YAML file as kustomize reads them, and kustomize's words for a file that it cannot read. Pure.

Law: a scalar gets the type that go-yaml gives it, and the text of an error is go-yaml's, because both are libyaml in other clothes:
ruamel.yaml's C parser supplies the problem, `_go_error` its line as go-yaml counts it. Held against kustomize v5.8.1 by running it.
One difference is left: go-yaml writes a plain timestamp anew, here it stays as it stands.
Sources: go.yaml.in/yaml/v3 decode.go (`fail`) and resolve.go; sigs.k8s.io/kustomize/kyaml v0.21.1 kio/byteio_reader.go.
"""

import math
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.scanner import ScannerError

_SEPARATOR = re.compile(r"\n---(.*)\n")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INTEGER = re.compile(
    r"(?P<sign>[-+]?)(?:0b(?P<b>[01]+)|0o?(?P<o>[0-7]+)|0x(?P<x>[0-9a-fA-F]+)|(?P<d>0|[1-9][0-9]*))"
)
_CONSTANTS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_BASES = {"b": 2, "o": 8, "x": 16, "d": 10}


# What YAML 1.1 reads as booleans beside those. kustomize reads its own file so, manifests not.
_CONSTANTS_1_1 = {
    form: value
    for value, forms in ((True, ("y", "yes", "on")), (False, ("n", "no", "off")))
    for word in forms
    for form in (word, word.capitalize(), word.upper())
}


class Malformed(Exception):
    """The file is not YAML, or holds what is no Kubernetes object. The text is kustomize's."""


class DuplicateKey(Exception):
    """A key stands twice in a mapping. The text is go-yaml's."""


def parse(content: bytes, *, yaml_1_1: bool = False) -> list[Any]:
    """The values of all documents that are not empty."""
    text = content.decode("utf-8", errors="replace").replace("\r\n", "\n")
    constants = {**_CONSTANTS, **_CONSTANTS_1_1} if yaml_1_1 else _CONSTANTS
    values = [value for document in _split(text) for value in _Document(document, constants).values()]
    return [value for value in values if value is not None]


def scalar(text: str) -> Any:
    """What a plain scalar is read as."""
    return _CONSTANTS[text] if text in _CONSTANTS else _plain(text)


def objects(content: bytes) -> list[dict[str, Any]]:
    """The Kubernetes objects of a file; lists are taken apart."""
    manifests: list[dict[str, Any]] = []
    for value in parse(content):
        manifests += _objects(value)
    return manifests


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(value, dict) or not ("kind" in value or "apiVersion" in value or "metadata" in value):
        raise Malformed("missing Resource metadata")
    kind, items = value.get("kind") or "", value.get("items")
    if not kind:
        raise Malformed(f"missing kind in object {_go_metadata(value)}")
    if kind.endswith("List") and isinstance(items, list):
        for item in items:
            yield from _objects(item)
    elif not (value.get("metadata") or {}).get("name"):
        raise Malformed(f"missing metadata.name in object {_go_metadata(value)}")
    else:
        yield value


def _go_metadata(value: dict[str, Any]) -> str:
    # How Go prints kyaml's ResourceMeta.
    metadata = value.get("metadata") or {}
    name, namespace = metadata.get("name") or "", metadata.get("namespace") or ""
    return f"{{{{{value.get('apiVersion') or ''} {value.get('kind') or ''}}} {{{{{name} {namespace}}} map[] map[]}}}}"


def _split(text: str) -> Iterator[str]:
    start = 0
    for match in _SEPARATOR.finditer(text):
        rest = match[1].strip()
        if rest and not rest.startswith("#"):
            raise Malformed(f"invalid document separator: {match[0].strip()}")
        yield text[start : match.start()]
        start = match.end()
    yield text[start:]


# Flux builds every Kustomization of a source anew for each revision, and hardly a file has changed.
@lru_cache(maxsize=4096)
def _composed(text: str, *, pure: bool) -> tuple[Node | None, ...]:
    reader = YAML(typ="safe", pure=pure)
    reader.Composer = _Composer
    return tuple(reader.compose_all(text))


class _Composer(Composer):
    """An anchor may be defined anew: YAML allows it, and so do the readers of a cluster."""

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader=loader)
        self.warn_double_anchors = False


class _Document:
    """One part between two separators: lines are counted from its start, as kyaml does."""

    def __init__(self, text: str, constants: Mapping[str, Any]) -> None:
        self._text = text
        self._constants = constants

    def values(self) -> list[Any]:
        try:
            roots = _composed(self._text, pure=False)
        except YAMLError as error:
            # The C parser is older than go-yaml, and refuses some flow collections that both newer ones read.
            try:
                roots = _composed(self._text, pure=True)
            except YAMLError:
                raise Malformed(f"MalformedYAMLError: yaml: {self._go_error(error)}") from None
        return [self._value(root) for root in roots if root is not None]

    def _go_error(self, error: YAMLError) -> str:
        if not isinstance(error, MarkedYAMLError):
            return str(error)
        problem, mark = error.problem, error.problem_mark
        if problem == "found undefined alias" and mark:
            alias = re.compile(r"\*(\S+)").match(self._text, mark.index)
            return f"unknown anchor '{alias[1] if alias else ''}' referenced"
        # go-yaml prints lines that start at 0, and adds one for errors of the scanner alone.
        line = (error.context_mark.line if error.context_mark else 0) or (mark.line if mark else 0)
        if line and isinstance(error, ScannerError):
            line += 1
        return f"line {line}: {problem}" if line else str(problem)

    def _value(self, node: Node) -> Any:
        if isinstance(node, SequenceNode):
            return [self._value(item) for item in node.value]
        if isinstance(node, MappingNode):
            return self._mapping(node)
        is_plain = (
            isinstance(node, ScalarNode)
            and not node.style
            and self._text[node.start_mark.index : node.start_mark.index + 1] != "!"
        )
        if is_plain and node.value in self._constants:
            return self._constants[node.value]
        return _plain(node.value) if is_plain else node.value

    def _mapping(self, node: MappingNode) -> dict[str, Any]:
        made: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            key, line = key_node.value, key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                raise Malformed("missing Resource metadata")
            if key in lines:
                raise DuplicateKey(
                    f'yaml: unmarshal errors:\n  line {line}: mapping key "{key}" already defined at line {lines[key]}'
                )
            lines[key] = line
            value = self._value(value_node)
            if key == "<<":
                for mapping in value if isinstance(value, list) else [value]:
                    merged = {**mapping, **merged}
            else:
                made[key] = value
        return {**merged, **made}


def _plain(text: str) -> Any:
    digits = text.replace("_", "")
    if match := _INTEGER.fullmatch(digits):
        base = next(name for name in "boxd" if match[name] is not None)
        return int(match["sign"] + match[base], _BASES[base])
    if _FLOAT.fullmatch(digits):
        number = float(digits)
        # Go refuses what overflows, and the scalar stays a string. JSON writes whole numbers without a point.
        return text if math.isinf(number) else int(number) if number.is_integer() else number
    return text
