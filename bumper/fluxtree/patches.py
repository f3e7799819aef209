"""Which fields of which objects a patch may write.

Law: never too little. A target counts by kind and name alone, as regular expressions; its other selectors may only make it narrower.
Lists are not followed: a patch that touches one makes all of it unknown, and a patch that cannot be read may write everything.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from posixpath import dirname
from typing import Any

from bumper.errors import NotYaml
from bumper.fluxtree.layers import Reading, within
from bumper.fluxtree.resource import Path, Resource, is_variable
from bumper.manifest.document import Document, items, mapping, plain, text
from bumper.manifest.yamltext import compose

_LISTS = ("patches", "patchesStrategicMerge", "patchesJson6902")
# What decides for objects that the kustomization does not name one by one.
_BROAD = ("replacements", "transformers", "vars")
_IDENTITY = (("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace"))
_STEP = re.compile(r"\d+|-")


@dataclass(frozen=True)
class Change:
    """What one patch writes. `kind` and `name` are regular expressions, empty for any; `inner` are the values that it writes."""

    kind: str
    name: str
    paths: frozenset[Path]
    written: tuple[Any, ...] = ()

    def selects(self, resource: Resource) -> bool:
        return _matches(self.kind, resource.kind) and any(
            _matches(self.name, name) for name in resource.names | {resource.name}
        )

    def on(self, resource: Resource) -> Resource:
        return (
            replace(resource, changed=resource.changed | self.paths) if self.selects(resource) else resource
        )


EVERYTHING = Change("", "", frozenset({()}))


def changes(reading: Reading, document: Document, *route: str) -> Iterator[Change]:
    """The changes that the lists of patches under `route` make: those of a kustomization, or of `spec` of a Flux Kustomization."""
    fields: Any = document.value
    for step in route:
        fields = mapping(fields).get(step)
    if any(mapping(fields).get(key) for key in _BROAD):
        yield EVERYTHING
    for key in _LISTS:
        for entry in items(mapping(fields).get(key)):
            yield from _read(reading, document.path, entry)


def inherited(change: Change, path: str) -> Iterator[Change]:
    """The changes of the patches that `change` writes into a Flux Kustomization itself: they reach what that builds."""
    for value in change.written:
        for entry in items(mapping(mapping(value).get("spec")).get("patches")):
            yield from _parsed(text(mapping(entry).get("patch")).encode(), path, mapping(entry).get("target"))
    if any(
        path_[:2] == ("spec", "patches") or path_ in ((), ("spec",)) for path_ in change.paths
    ) and not any(mapping(mapping(value).get("spec")).get("patches") for value in change.written):
        yield EVERYTHING


def _read(reading: Reading, path: str, entry: Any) -> Iterator[Change]:
    fields = mapping(entry)
    place = within(dirname(path), text(fields.get("path")) or text(entry) or "\n")
    if place and "\n" not in place and reading.is_file(place):
        yield from _parsed(reading.content(place), place, fields.get("target"))
    else:
        yield from _parsed((text(fields.get("patch")) or text(entry)).encode(), path, fields.get("target"))


def _parsed(content: bytes, path: str, target: Any) -> Iterator[Change]:
    selected = mapping(target)
    kind, name = text(selected.get("kind")), text(selected.get("name"))
    try:
        roots = [plain(root) for root in compose(content, path).documents]
    except NotYaml:
        yield Change(kind, name, EVERYTHING.paths)
        return
    for root in roots:
        if isinstance(root, list):
            written = [(_pointer(text(mapping(one).get("path"))), mapping(one).get("value")) for one in root]
            yield Change(
                kind,
                name,
                frozenset(at for at, _ in written),
                tuple(_nested(at, value) for at, value in written),
            )
        elif isinstance(root, dict):
            own_name = text(mapping(root.get("metadata")).get("name"))
            paths = frozenset(one for one in _leaves(root, ()) if one not in _IDENTITY)
            if selected:
                yield Change(kind, name, paths, (root,))
            else:
                named = "" if is_variable(own_name) else re.escape(own_name)
                yield Change(re.escape(text(root.get("kind"))), named, paths, (root,))


def _leaves(value: dict[str, Any], above: Path) -> Iterator[Path]:
    for key, inner in value.items():
        if key == "$patch":
            yield above
        elif isinstance(inner, dict) and inner:
            yield from _leaves(inner, (*above, key))
        else:
            yield (*above, key)


def _pointer(written: str) -> Path:
    found: list[str] = []
    for step in written.split("/")[1:]:
        if _STEP.fullmatch(step):
            break
        found.append(step.replace("~1", "/").replace("~0", "~"))
    return tuple(found)


def _nested(path: Path, value: Any) -> Any:
    for step in reversed(path):
        value = {step: value}
    return value


def _matches(pattern: str, value: str) -> bool:
    if not pattern:
        return True
    try:
        return re.fullmatch(pattern, value) is not None
    except re.error:
        return True
