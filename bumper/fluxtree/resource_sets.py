"""What the Flux Operator makes of a ResourceSet whose inputs stand in it, or in a ResourceSetInputProvider of the same build.

Law: an object is made exactly as the operator would make it, or not at all: what needs a function or a statement that is not known
here, or inputs that only the cluster has, is a gap with its line. A text that takes its tag from an input is decided by that input, so
that an edit goes there.

Source: flux-operator (commit of 2026-08-19) `internal/builder/resourceset.go` (Go templates with `<<` and `>>`, one pass for each set
of inputs, an object of the same group, kind, namespace and name only once), `internal/inputs/` (the order of the providers, Permute)
and docs/api/v1/resourceset.md (inputs, functions, steps), resourcesetinputprovider.md (a provider of type Static gives its default
values as one set of inputs, and an id of the cluster's own).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import product
from math import prod
from typing import Any, NamedTuple
from zlib import adler32

from bumper.dataclasses import dataclass, field
from bumper.errors import NotYaml
from bumper.fluxtree.go_template import Piece, Template, Unknown, parse
from bumper.fluxtree.layers import Gap
from bumper.fluxtree.leaves import Leaf, Reader, leaf, near_to
from bumper.fluxtree.patches import inside
from bumper.fluxtree.resource import Resource, Route
from bumper.fluxtree.transformers import split
from bumper.manifest.document import is_true, items, mapping, plain, text
from bumper.manifest.yamltext import Scalar, Source, compose
from bumper.objects import Object

GROUP = "fluxcd.controlplane.io"
KIND = "ResourceSet"
_RECONCILE = f"{GROUP}/reconcile"
# What reads in YAML as it is written, wherever it is put.
_HARMLESS = re.compile(r"[\w./:@+-]*(?<!:)")
_STATIC, _PROVIDER = "Static", "ResourceSetInputProvider"
_PERMUTE = "Permute"
# The operator's own limit.
_MOST_PERMUTATIONS = 10_000
# What a template makes of one set of inputs.
_Made = Callable[[Object], list[Object]]


@dataclass
class Expansion:
    """The objects that are made, and what of them is not known."""

    resources: list[Resource] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    _seen: set[tuple[str, str, str, str]] = field(default_factory=set)

    def add(self, made: Resource) -> None:
        identity = (made.group, made.kind, made.namespace, made.name)
        is_off = text(mapping(made.at("metadata", "annotations")).get(_RECONCILE)) == "disabled"
        if identity not in self._seen and not is_off:
            self._seen.add(identity)
            self.resources.append(made)


def is_resource_set(resource: Resource) -> bool:
    return resource.group == GROUP and resource.kind == KIND


def expanded(resource_set: Resource, beside: Sequence[Resource] = ()) -> Expansion:
    """What is made of a ResourceSet; its inputs may come from `beside`, what the same Kustomization builds."""
    expansion = Expansion()
    for route, why in _hidden_inputs(resource_set, beside):
        expansion.gaps.append(_gap(resource_set, ("spec", *route), why))
    inputs = list(_inputs(resource_set, beside))
    for route, make in _templates(resource_set, expansion):
        for known in inputs:
            try:
                several = [_with_metadata(each, resource_set) for each in make(known)]
            except Unknown as unknown:
                expansion.gaps.append(_gap(resource_set, route, str(unknown)))
                break
            for made in several:
                name = text(mapping(made.get("metadata")).get("name"))
                doubts = resource_set.doubts
                expansion.add(
                    Resource(resource_set.document, made, frozenset([name]), root=route, doubts=doubts)
                )
    return expansion


def _gap(resource_set: Resource, route: Route, why: str) -> Gap:
    return Gap(resource_set.path, resource_set.line(*route), f"{resource_set} {why}")


def _hidden_inputs(resource_set: Resource, beside: Sequence[Resource]) -> Iterator[tuple[Route, str]]:
    for at, reference in enumerate(map(mapping, items(resource_set.at("spec", "inputsFrom")))):
        providers = _providers(resource_set, reference, beside)
        called = text(reference.get("name")) or "that its selector names"
        if not providers:
            yield ("inputsFrom", at), f"takes inputs from {_PROVIDER} {called}, which is not built beside it"
        for provider in providers:
            if (kind := text(provider.at("spec", "type"))) != _STATIC:
                yield (
                    ("inputsFrom", at),
                    f"takes inputs from {provider} of type {kind or 'unknown'}, which only the cluster asks for",
                )


def _providers(resource_set: Resource, reference: Object, beside: Sequence[Resource]) -> list[Resource]:
    """The providers of its namespace that a reference means: one by its name, or those with the labels of its selector."""
    name, wanted = text(reference.get("name")), mapping(mapping(reference.get("selector")).get("matchLabels"))
    known = [
        each
        for each in beside
        if (each.group, each.kind, each.namespace) == (GROUP, _PROVIDER, resource_set.namespace)
    ]
    if name:
        return [each for each in known if each.name == name]
    if not wanted or mapping(reference.get("selector")).get("matchExpressions"):
        return []
    return [each for each in known if wanted.items() <= mapping(each.at("metadata", "labels")).items()]


def _inputs(resource_set: Resource, beside: Sequence[Resource]) -> Iterator[Object]:
    """Each set of inputs; one without any where the ResourceSet has none at all."""
    spec = mapping(resource_set.at("spec"))
    own: list[Object] = [
        {**each, "provider": _itself(resource_set)} for each in map(mapping, items(spec.get("inputs")))
    ]
    providers = {
        provider.name: provider
        for reference in map(mapping, items(spec.get("inputsFrom")))
        for provider in _providers(resource_set, reference, beside)
    }
    given: list[tuple[str, list[Object]]] = [(resource_set.name, own)]
    for name, provider in sorted(providers.items()):
        values = mapping(provider.at("spec", "defaultValues"))
        is_static = text(provider.at("spec", "type")) == _STATIC
        given.append((name, [{**values, "provider": _itself(provider)}] if is_static else []))
    if text(mapping(spec.get("inputStrategy")).get("name")) == _PERMUTE:
        is_hidden = any(_hidden_inputs(resource_set, beside))
        yield from (
            () if is_hidden else _permuted(given, is_true(spec["inputStrategy"].get("includeEmptyProviders")))
        )
    elif spec.get("inputs") or spec.get("inputsFrom"):
        yield from (inputs for _, several in given for inputs in several)
    else:
        yield {}


def _permuted(given: Iterable[tuple[str, list[Object]]], with_empty: bool) -> Iterator[Object]:
    """Every choice of one set of inputs of each provider, below the provider's name; none where the operator refuses so many."""
    known = [(_normalized(name), several) for name, several in given if several or with_empty]
    count = prod(len(several) for _, several in known)
    if not known or count > _MOST_PERMUTATIONS:
        return
    for chosen in product(*(list(enumerate(several)) for _, several in known)):
        permutation: Object = {name: inputs for (name, _), (_, inputs) in zip(known, chosen, strict=True)}
        written = "/".join(f"{name}={at}" for (name, _), (at, _) in zip(known, chosen, strict=True))
        yield {**permutation, "id": leaf(str(adler32(written.encode())))}


def _normalized(name: str) -> str:
    """The name of a provider as a template says it: letters, digits and single underscores."""
    kept = (each if each.isascii() and each.isalnum() else "_" for each in name.lower())
    return "_".join(filter(None, "".join(kept).split("_")))


def _itself(provider: Resource) -> Object:
    """What a template may say of who gives its inputs."""
    return {
        "apiVersion": leaf(f"{GROUP}/v1"),
        "kind": leaf(provider.kind),
        "name": leaf(provider.name),
        "namespace": leaf(provider.namespace),
    }


def _templates(resource_set: Resource, expansion: Expansion) -> Iterator[tuple[Route, _Made]]:
    """The templates, each with its place; those of steps in their order."""
    steps = [("spec", "steps", at) for at, _ in enumerate(items(resource_set.at("spec", "steps")))]
    places: list[Route] = [("spec",), *steps]
    for place in places:
        for at, template in enumerate(items(resource_set.at(*place, "resources"))):
            yield (*place, "resources", at), partial(_object, template)
        written = resource_set.at(*place, "resourcesTemplate")
        if written:
            route = (*place, "resourcesTemplate")
            try:
                yield from ((route, make) for make in _of_several(resource_set, route, written))
            except Unknown as unknown:
                expansion.gaps.append(_gap(resource_set, route, str(unknown)))


def _object(template: Any, inputs: Object) -> list[Object]:
    return [mapping(_filled(template, inputs))]


def _of_several(resource_set: Resource, route: Route, written: Any) -> list[_Made]:
    """What a text makes, one object after the other where it is YAML before it is filled in: then its own words can be edited."""
    template = parse(str(written))
    if not isinstance(written, Leaf) or written.origin is None:
        raise Unknown("has a template that is put together of several texts, which is not followed")
    content = inside(written, resource_set.line(*route))
    if not template.has_statements:
        try:
            source = compose(content.content, content.path)
        except NotYaml:
            return [partial(_rendered, template, written)]
        roots = [plain(root, Reader(content)) for root in source.documents]
        return [partial(_object, root) for root in roots if isinstance(root, dict)]
    return [partial(_rendered, template, written)]


def _rendered(template: Template, written: Leaf, inputs: Object) -> list[Object]:
    """The objects of the whole text as it is filled in."""
    pieces = template.filled(inputs)
    made = "".join(piece.text for piece in pieces)
    try:
        source = compose(made.encode(), "")
    except NotYaml as error:
        raise Unknown(f"makes what is no YAML ({error.message.lstrip(':')})") from None
    roots = [plain(root, _Rendered(source, _spans(pieces), written)) for root in source.documents]
    objects: list[Object] = [root for root in roots if isinstance(root, dict)]
    if any(text(each.get("kind")).endswith("List") for each in objects):
        raise Unknown("makes a list of objects, which is not followed")
    return objects


class _Span(NamedTuple):
    """The characters that an action made, without its quotes."""

    start: int
    end: int
    value: Leaf | None


def _spans(pieces: Iterable[Piece]) -> list[_Span]:
    spans, end = [], 0
    for piece in pieces:
        start, end = end, end + len(piece.text)
        if piece.is_made:
            spans.append(_Span(start + piece.is_quoted, end - piece.is_quoted, piece.value))
    return spans


@dataclass(frozen=True)
class _Rendered:
    """Reads a scalar of a text that was filled in: what stands behind its last colon, or all of it, may be a value of the inputs."""

    source: Source
    spans: Sequence[_Span]
    template: Leaf

    def __call__(self, scalar: Scalar) -> Leaf:
        start, end = self.source.inner(scalar) or (scalar.start, scalar.end)
        inside_it = [span for span in self.spans if span.start < end and start < span.end]
        last = inside_it[-1] if inside_it else _Span(0, 0, None)
        before = self.source.text[start : last.start]
        is_tag = last.end == end and last.start >= start and (not before or before.endswith(":"))
        if is_tag and last.value is not None:
            return leaf(scalar.shown, decider=last.value.decider or last.value)
        near = near_to(last.value) or near_to(self.template)
        return leaf(scalar.shown, near=near, is_null=scalar.is_null)


def _with_metadata(made: Object, resource_set: Resource) -> Object:
    if not text(made.get("kind")) or not text(mapping(made.get("metadata")).get("name")):
        raise Unknown("has a template that gives no object with kind and name")
    metadata = dict(mapping(made.get("metadata")))
    for key in ("labels", "annotations"):
        if common := mapping(resource_set.at("spec", "commonMetadata", key)):
            metadata[key] = {**mapping(metadata.get(key)), **common}
    return {**made, "metadata": metadata}


def _filled(value: Any, inputs: Object) -> Any:
    if isinstance(value, dict):
        if unread := next((key for key in value if "<<" in key), None):
            raise Unknown(f"fills in the key {unread}, which is not followed")
        return {key: _filled(inner, inputs) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, inputs) for inner in value]
    return _filled_text(value, inputs) if isinstance(value, Leaf) and "<<" in value else value


def _filled_text(value: Leaf, inputs: Object) -> Leaf:
    template = parse(str(value))
    pieces = template.filled(inputs)
    for piece in filter(lambda piece: piece.is_made, pieces):
        _require_same_in_yaml(piece, is_whole=len(pieces) == 1)
    spans = _spans(pieces)
    new = "".join(piece.text for piece in pieces)
    if len(pieces) == 1 and pieces[0].is_quoted:
        new, spans = new[1:-1], [span._replace(start=0, end=len(new) - 2) for span in spans]
    last = spans[-1] if spans else _Span(0, 0, None)
    before = new[: last.start]
    if last.value is not None and last.end == len(new) and (not before or before.endswith(":")):
        return leaf(new, value.origin, decider=last.value.decider or last.value)
    tag = len(new) - len("".join(split(new)[1:]))
    if template.has_statements or any(span.end > tag for span in spans):
        return leaf(new, near=near_to(last.value) or near_to(value))
    return leaf(new, value.origin, decider=value.decider)


def _require_same_in_yaml(piece: Piece, *, is_whole: bool) -> None:
    """The template is YAML by then: a value that reads otherwise there would make something else of it."""
    if piece.is_quoted and not is_whole:
        raise Unknown(f"puts quotes around {piece.text} inside of a text, which is not followed")
    if not piece.is_quoted and not _HARMLESS.fullmatch(piece.text):
        raise Unknown(f"fills in {piece.text}, which may read otherwise in YAML: write | quote behind it")
