"""What differs between two builds of one Kustomization, value by value.

Law: an object is the one that comes from the same document, so that one which gets another name is still known. Compared is what
reaches the cluster, with the variables that Flux fills in. The name of a generated ConfigMap or Secret ends with a hash of its
content: where that differs, so does its name, and whatever refers to it.

Source of the hash and of the references to it: sigs.k8s.io/kustomize/api v0.21.1, `internal/builtins/HashTransformer.go`,
`internal/plugins/builtinconfig/` (namereference.go), `internal/accumulator/namereferencetransformer.go`.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from bumper.dataclasses import dataclass
from bumper.fluxtree.build import Build
from bumper.fluxtree.images import filled_in
from bumper.fluxtree.leaves import Leaf, span_of
from bumper.fluxtree.resource import Resource, Route, scalars
from bumper.fluxtree.substitution import NAMED, Variables, put_in
from bumper.manifest import Span
from bumper.manifest.document import is_true, items, mapping, text

_NAMES = (("metadata", "name"), ("metadata", "namespace"), ("kind",))
# What stands for a hash that only kustomize computes.
_HASH, _NEW_HASH = "-(hash of its content)", "-(hash of its new content)"
# The fields that hold the name of a ConfigMap or Secret as `name`, and as the text itself.
_NAMED_BELOW = {
    "ConfigMap": {"configMap", "configMapRef", "configMapKeyRef"},
    "Secret": {"secret", "secretRef", "secretKeyRef", "imagePullSecrets", "envSecretRef"},
}
_HOLDS_NAME = {"ConfigMap": (), "Secret": ("secretName",)}
# Where the objects stand that kustomize generates; everything else that is made of a document (a ResourceSet's) keeps its name.
_GENERATORS = (("configMapGenerator",), ("secretGenerator",))
_Key = tuple[str, Route, Route]


class Place(NamedTuple):
    """Bytes of a file: a scalar, or the whole of it."""

    path: str
    span: Span


@dataclass(frozen=True, eq=False)
class Difference:
    """One value of one object: `before` and `after` are texts, or None where nothing stands.

    `old` or `new` is None where the whole object is not there; then the route is empty, and both values are None. `sources` are the
    places that the value is made from. `is_renamed`: the object gets another name, so that for the cluster it is another object.
    """

    old: Resource | None
    new: Resource | None
    route: Route = ()
    before: str | None = None
    after: str | None = None
    sources: tuple[Place, ...] = ()
    is_renamed: bool = False

    @property
    def resource(self) -> Resource:
        """The object, as it is afterwards where it is there."""
        resource = self.new or self.old
        assert resource, "a difference is one of some object"
        return resource


def differences(old: Build, new: Build) -> tuple[Difference, ...]:
    """All differences, in the order of the objects."""
    before, after = old.resources, new.resources
    known = [
        difference
        for first, second in pairs(before, after)
        for difference in _of_an_object(first, second, old, new)
    ]
    generated: dict[int, list[Difference]] = defaultdict(list)
    for each in known:
        if each.new and _is_hashed(each.new):
            generated[id(each.new)].append(each)
    return (*known, *(each for of_one in generated.values() for each in _references(of_one, before, after)))


def pairs(
    before: Sequence[Resource], after: Sequence[Resource]
) -> Iterator[tuple[Resource | None, Resource | None]]:
    """Each object before and after; of a document that is built several times, each by its turn."""
    old, new = _by_document(before), _by_document(after)
    for key in dict.fromkeys([*old, *new]):
        yield from zip_longest(old.get(key, ()), new.get(key, ()))


def _by_document(resources: Sequence[Resource]) -> Mapping[_Key, list[Resource]]:
    by_document: dict[_Key, list[Resource]] = defaultdict(list)
    for resource in resources:
        by_document[resource.path, resource.document.route, resource.root].append(resource)
    return by_document


def _of_an_object(
    first: Resource | None, second: Resource | None, before_build: Build, after_build: Build
) -> Iterator[Difference]:
    if first is None or second is None:
        yield Difference(first, second)
        return
    old, new = filled_in(first, before_build), filled_in(second, after_build)
    values = [
        (route, before, after)
        for route, before, after in _values(first.value, second.value, ())
        if _shown(before, old) != _shown(after, new)
    ]
    is_renamed = _is_hashed(second) or any(route in _NAMES for route, _, _ in values)
    for route, before, after in values:
        places = (*_places(before, old), *_places(after, new))
        yield Difference(first, second, route, _shown(before, old), _shown(after, new), places, is_renamed)


def _values(before: Any, after: Any, route: Route) -> Iterator[tuple[Route, Any, Any]]:
    """The values that differ, or may by their variables."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            yield from _values(before.get(key), after.get(key), (*route, key))
    elif isinstance(before, list) and isinstance(after, list):
        for at, (first, second) in enumerate(zip_longest(before, after)):
            yield from _values(first, second, (*route, at))
    elif isinstance(before, dict | list) or isinstance(after, dict | list):
        # What comes, goes, or takes the place of something of another form.
        yield from ((at, value, None) for at, value in scalars(before, route))
        yield from ((at, None, value) for at, value in scalars(after, route))
    elif before != after or "${" in (after or ""):
        yield route, before, after


def _shown(value: Any, variables: Variables) -> str | None:
    if value is None:
        return None
    return put_in(str(value), variables)


def _places(value: Any, variables: Variables) -> Iterator[Place]:
    """What decides a value, its variables included."""
    waiting = [value, *(variables.values.get(match["name"]) for match in NAMED.finditer(str(value or "")))]
    for each in waiting:
        while isinstance(each, Leaf):
            for origin in filter(None, (each.origin, each.near)):
                yield Place(origin.text.path, span_of(origin))
            if each.file:
                yield Place(each.file.path, Span(0, len(each.file.content), 1))
            each = each.decider


def _is_hashed(made: Resource) -> bool:
    """Whether kustomize puts a hash of the content behind the name of a generated object."""
    if made.root[:1] not in _GENERATORS:
        return False
    generator, at = made.root
    entry = mapping(items(made.document.value.get(str(generator)))[int(at)])
    options = (mapping(entry.get("options")), mapping(made.document.value.get("generatorOptions")))
    return not any(is_true(each.get("disableNameSuffixHash")) for each in options)


def _references(
    content: Sequence[Difference], before: Sequence[Resource], after: Sequence[Resource]
) -> Iterator[Difference]:
    """The name of a generated object whose content differs, and what refers to it."""
    made, places = content[0].resource, tuple(place for each in content for place in each.sources)
    for old, new in pairs(before, after):
        for route, name in _names(new.value, made, ()) if old and new and new is not made else ():
            yield Difference(old, new, route, f"{name}{_HASH}", f"{name}{_NEW_HASH}", places)
        if new is made:
            name = f"{made.name}{_HASH}", f"{made.name}{_NEW_HASH}"
            yield Difference(old, new, ("metadata", "name"), *name, places, is_renamed=True)


def _names(value: Any, made: Resource, route: Route) -> Iterator[tuple[Route, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if (
                isinstance(inner, str)
                and inner in made.names
                and (
                    key in _HOLDS_NAME[made.kind] or (key == "name" and _names_kind(value, route, made.kind))
                )
            ):
                yield (*route, key), inner
            yield from _names(inner, made, (*route, key))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _names(inner, made, (*route, at))


def _names_kind(value: Mapping[str, Any], route: Route, kind: str) -> bool:
    field = next((step for step in reversed(route) if isinstance(step, str)), "")
    return field in _NAMED_BELOW[kind] or text(value.get("kind")) == kind
