"""The `replacements` of a kustomization: a value of one object copied into others.

Law: what is copied remembers where it was written; where only the tag of an image is replaced, that scalar decides the tag. What
kustomize refuses (no source, two sources, a field that is not there) is `Refusal`; a value that is not in the repository (of a
generator), and a path that leads into a text, leave a doubt in what they would change.

Source: sigs.k8s.io/kustomize/api v0.21.1, `filters/replacement/replacement.go`, `types/replacement.go`; kyaml v0.21.1,
`utils/pathsplitter.go`, `yaml/match.go`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bumper.dataclasses import replace
from bumper.fluxtree.layers import Gap
from bumper.fluxtree.leaves import Leaf, leaf, near_to, origin_of
from bumper.fluxtree.patches import Refusal
from bumper.fluxtree.resource import Resource, Route
from bumper.fluxtree.selectors import Identity, Selector, Undecided, effective, labelled, whole
from bumper.fluxtree.transformers import split, with_value_at
from bumper.manifest.document import below, is_true, items, mapping, text
from bumper.ports.shape import whole_number

_DEFAULT = "metadata.name"
_ANOTHER = "0"
_ENTRY = re.compile(r"\[([^=\]]+)=(.*)\]")


def replaced(entry: Mapping[str, Any], place: Gap, resources: list[Resource]) -> list[Resource]:
    """The objects after one replacement; Refusal."""
    try:
        value = _value(resources, entry, place)
    except Undecided as reason:
        value = reason
    for target in map(mapping, items(entry.get("targets"))):
        resources = [_with_target(known, target, value, place) for known in resources]
    return resources


def _value(resources: list[Resource], entry: Mapping[str, Any], place: Gap) -> Any:
    """What is copied."""
    if "sourceValue" in entry:
        return entry["sourceValue"]
    source = mapping(entry.get("source"))
    known = _source(resources, source, place)
    path = text(source.get("fieldPath")) or _DEFAULT
    routes = list(_routes(known.value, steps(path), create=False))
    value = below(known.value, *routes[0]) if len(routes) == 1 else None
    if known.root[:1] == ("secretGenerator",) and path != _DEFAULT:
        raise Undecided(f"what {known} holds, the source of a replacement, is not followed")
    if value is None or value == "":
        raise Refusal(replace(place, message=f"the source of a replacement, {known}, has no {path}"))
    if known.doubts:
        value = leaf(str(value), near=near_to(value))
    options = mapping(source.get("options"))
    return _piece(value, options, place) if text(options.get("delimiter")) else value


def _source(resources: list[Resource], source: Mapping[str, Any], place: Gap) -> Resource:
    wanted = Selector.read(source)
    matching = [known for known in resources if any(_is_source(each, wanted) for each in known.identities)]
    if len(matching) != 1:
        raise Refusal(
            replace(place, message=f"{len(matching)} objects are the source of a replacement, expected one")
        )
    return matching[0]


def _is_source(known: Identity, wanted: Selector) -> bool:
    """Compared as texts: a source is no pattern."""
    space = effective(known.group, known.kind, wanted.namespace)
    pairs = (
        (wanted.group, known.group),
        (wanted.version, known.version),
        (wanted.kind, known.kind),
        (wanted.name, known.name),
        (wanted.namespace and space, known.space),
    )
    return all(pattern in ("", value) for pattern, value in pairs)


def _piece(value: Any, options: Mapping[str, Any], place: Gap) -> Any:
    pieces = str(value).split(text(options.get("delimiter")))
    at = _index(options)
    if not 0 <= at < len(pieces):
        raise Refusal(
            replace(place, message=f"a replacement wants piece {at} of {value}, which has {len(pieces)}")
        )
    # A piece can be edited where it is the tag of an image that stands whole in its field.
    whole_image = value if isinstance(value, Leaf) and pieces[at] == split(value)[1] else None
    return leaf(pieces[at], origin_of(whole_image), decider=whole_image, near=near_to(value))


def _index(options: Mapping[str, Any]) -> int:
    return whole_number(text(options.get("index"))) or 0


def _with_target(resource: Resource, target: Mapping[str, Any], value: Any, place: Gap) -> Resource:
    try:
        if not _selects(resource, target):
            return resource
        if isinstance(value, Undecided):
            raise value
        return _written(resource, target, value, place)
    except Undecided as reason:
        return resource.doubted(replace(place, message=str(reason)))


def _selects(resource: Resource, target: Mapping[str, Any]) -> bool:
    wanted = Selector.read(target.get("select"))
    rejected = [Selector.read(entry) for entry in items(target.get("reject"))]
    metadata = mapping(resource.value.get("metadata"))
    own = text(metadata.get("namespace"))
    known = [*((each, each.space) for each in resource.identities[:-1]), (resource.now, own)]
    if not _finds(wanted, metadata) or any(
        (each.labels or each.annotations) and _finds(each, metadata) for each in rejected
    ):
        return False
    by_identity = [each for each in rejected if any(each[:5])]
    return any(wanted.names(each, space) for each, space in known) and not any(
        no.names(each, space) for no in by_identity for each, space in known
    )


def _finds(selector: Selector, metadata: Mapping[str, Any]) -> bool:
    return labelled(selector.labels, mapping(metadata.get("labels"))) and labelled(
        selector.annotations, mapping(metadata.get("annotations"))
    )


def _written(resource: Resource, target: Mapping[str, Any], value: Any, place: Gap) -> Resource:
    options = mapping(target.get("options"))
    for path in map(text, items(target.get("fieldPaths")) or [_DEFAULT]):
        routes = list(_routes(resource.value, steps(path), create=is_true(options.get("create"))))
        if not routes:
            raise Refusal(replace(place, message=f"a replacement finds no {path} in {resource}"))
        for route in routes:
            new = _new(below(resource.value, *route), value, options)
            resource = resource.with_value(with_value_at(resource.value, route, new))
            plain = tuple(step for step in route if isinstance(step, str))
            resource = replace(resource, changed=resource.changed | {plain[: len(_before_list(route))]})
    return resource


def _before_list(route: Route) -> Route:
    return next((route[:at] for at, step in enumerate(route) if isinstance(step, int)), route)


def _new(old: Any, value: Any, options: Mapping[str, Any]) -> Any:
    delimiter = text(options.get("delimiter"))
    if not delimiter:
        return value
    if not isinstance(old, str) or not isinstance(value, str):
        raise Undecided("a replacement with a delimiter is for a field that is no text")
    pieces, at = str(old).split(delimiter), _index(options)
    new, other = (
        delimiter.join(_with_piece(pieces, at, piece)) for piece in (str(value), f"{value}{_ANOTHER}")
    )
    return _composed(old, value, new, other)


def _with_piece(pieces: list[str], at: int, piece: str) -> list[str]:
    if at < 0:
        return [piece, *pieces]
    if at >= len(pieces):
        return [*pieces, piece]
    return [*pieces[:at], piece, *pieces[at + 1 :]]


def _composed(old: str, value: str, new: str, other: str) -> Leaf:
    """A text of which a part is new: as an image, its tag is decided by what brought it, even where it was the same.

    `other` is the text with another value, which tells whether the value is in the tag.
    """
    after = split(new)
    decider = old.decider if isinstance(old, Leaf) else None
    origin = origin_of(old)
    if after[1:] != split(other)[1:]:
        if after[1] != value:
            return leaf(new, near=near_to(value) or near_to(old))
        given = value if isinstance(value, Leaf) else leaf(value)
        decider = given.decider or given
        origin = origin if origin_of(given) else None
    return leaf(new, origin, decider=decider)


def steps(path: str) -> list[str]:
    """The steps of a path: dots part them, but not in brackets, which hold a key with dots together or select an entry of a list.

    `\\.` is a dot. Source: kyaml v0.21.1, `utils/pathsplitter.go` (SmarterPathSplitter).
    """
    done: list[str] = []
    current: list[str] = []
    depth, at, is_parted = 0, 0, False
    while at < len(path):
        character = path[at]
        if character == "\\" and path[at + 1 : at + 2] == ".":
            current.append(".")
            at += 2
            continue
        depth += (character == "[") - (character == "]" and depth > 0)
        if character == "." and not depth:
            done.append(_named("".join(current), is_parted))
            current, is_parted = [], False
        else:
            current.append(character)
            is_parted = is_parted or character == "."
        at += 1
    done.append(_named("".join(current), is_parted))
    return [step for step in done if step]


def _named(step: str, is_parted: bool) -> str:
    """A step without the brackets that hold its dots together."""
    return step.strip("[]") if is_parted and step.startswith("[") and "=" not in step else step


def _routes(value: Any, path: Sequence[str], create: bool, above: Route = ()) -> Iterator[Route]:
    """The routes of all fields that a path leads to; Undecided where it leads into a text, or would make an entry of a list."""
    if not path:
        yield above
        return
    step, rest = path[0], path[1:]
    if isinstance(value, list):
        matching = [at for at, inner in enumerate(value) if _is_entry(inner, at, step)]
        if create and not matching:
            raise Undecided("a replacement makes an entry of a list, which is not followed")
        for at in matching:
            yield from _routes(value[at], rest, create, (*above, at))
    elif isinstance(value, dict) and step in value:
        yield from _routes(value[step], rest, create, (*above, step))
    elif isinstance(value, dict | None) and create and not _ENTRY.fullmatch(step) and not step.isdigit():
        yield from _routes(None, rest, create, (*above, step))
    elif isinstance(value, str):
        raise Undecided("a replacement leads into a text, which is not followed")


def _is_entry(inner: Any, at: int, step: str) -> bool:
    """The value after `=` is a regular expression that may match anywhere: `[name=web]` is for `webhook` too."""
    entry = _ENTRY.fullmatch(step)
    if entry is None:
        return step in ("*", str(at))
    written = mapping(inner).get(entry[1])
    return isinstance(written, str) and bool(whole(entry[2]).search(written))
