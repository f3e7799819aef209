"""What the Flux Operator makes of a ResourceSet whose inputs stand in it, or in a ResourceSetInputProvider of the same build.

Law: an object is made exactly as the operator would make it, or not at all: what needs a function or a statement that is not known
here, or inputs that only the cluster has, is a gap with its line. A text that takes its tag from an input is decided by that input, so
that an edit goes there.

Source: flux-operator (commit of 2026-08-19) `internal/builder/resourceset.go` (Go templates with `<<` and `>>`, one pass for each set
of inputs, an object of the same group, kind, namespace and name only once) and docs/api/v1/resourceset.md (inputs, functions, steps),
resourcesetinputprovider.md (a provider of type Static gives its default values as one set of inputs, and an id of the cluster's own).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bumper.dataclasses import dataclass, field
from bumper.errors import NotYaml
from bumper.fluxtree.layers import Gap
from bumper.fluxtree.leaves import Leaf, Reader, leaf, near_to
from bumper.fluxtree.patches import inside
from bumper.fluxtree.resource import Resource, Route
from bumper.fluxtree.transformers import split
from bumper.manifest.document import items, mapping, plain, text
from bumper.manifest.yamltext import compose
from bumper.objects import Object

GROUP = "fluxcd.controlplane.io"
KIND = "ResourceSet"
_RECONCILE = f"{GROUP}/reconcile"
_ACTION = re.compile(r"<<(?P<expression>.*?)>>", re.DOTALL)
_VALUE = re.compile(
    r"""\s*inputs(?P<path>(?:\.\w+)+)(?P<functions>(?:\s*\|\s*(?:default\s+"[^"]*"|\w+))*)\s*"""
)
# What reads in YAML as it is written, wherever it is put.
_HARMLESS = re.compile(r"[\w./:@+-]*(?<!:)")
_INTEGER = re.compile(r"-?(?:0|[1-9]\d*)")
# Functions that leave some texts as they are (slim-sprig): only of those they are followed.
_SAME: Mapping[str, Callable[[str], bool]] = {
    "int": lambda value: bool(_INTEGER.fullmatch(value)),
    "bool": lambda value: value in ("true", "false"),
    "lower": lambda value: value == value.lower(),
    "upper": lambda value: value == value.upper(),
    "trim": lambda value: value == value.strip(),
    "toString": lambda value: True,
    "default": bool,
}
_STATIC, _PROVIDER = "Static", "ResourceSetInputProvider"


class _Unknown(Exception):
    """Why a template is not followed."""


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
    for route, template in _templates(resource_set, expansion):
        for known in inputs:
            try:
                made = _with_metadata(mapping(_filled(template, known)), resource_set)
            except _Unknown as unknown:
                expansion.gaps.append(_gap(resource_set, route, str(unknown)))
                break
            name = text(mapping(made.get("metadata")).get("name"))
            expansion.add(
                Resource(
                    resource_set.document, made, frozenset([name]), root=route, doubts=resource_set.doubts
                )
            )
    return expansion


def _gap(resource_set: Resource, route: Route, why: str) -> Gap:
    return Gap(resource_set.path, resource_set.line(*route), f"{resource_set} {why}")


def _hidden_inputs(resource_set: Resource, beside: Sequence[Resource]) -> Iterator[tuple[Route, str]]:
    if text(resource_set.at("spec", "inputStrategy", "name")) == "Permute":
        yield ("inputStrategy",), "permutes its inputs, which is not followed"
        return
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
    if text(mapping(spec.get("inputStrategy")).get("name")) == "Permute":
        return
    for each in map(mapping, items(spec.get("inputs"))):
        yield {**each, "provider": _itself(resource_set)}
    for reference in map(mapping, items(spec.get("inputsFrom"))):
        for provider in _providers(resource_set, reference, beside):
            if text(provider.at("spec", "type")) == _STATIC:
                yield {**mapping(provider.at("spec", "defaultValues")), "provider": _itself(provider)}
    if not spec.get("inputs") and not spec.get("inputsFrom"):
        yield {}


def _itself(provider: Resource) -> Object:
    """What a template may say of who gives its inputs."""
    return {
        "apiVersion": leaf(f"{GROUP}/v1"),
        "kind": leaf(provider.kind),
        "name": leaf(provider.name),
        "namespace": leaf(provider.namespace),
    }


def _templates(resource_set: Resource, expansion: Expansion) -> Iterator[tuple[Route, Any]]:
    """The templates of single objects, each with its place; those of steps in their order."""
    steps = [("spec", "steps", at) for at, _ in enumerate(items(resource_set.at("spec", "steps")))]
    places: list[Route] = [("spec",), *steps]
    for place in places:
        for at, template in enumerate(items(resource_set.at(*place, "resources"))):
            yield (*place, "resources", at), template
        written = resource_set.at(*place, "resourcesTemplate")
        if written:
            route = (*place, "resourcesTemplate")
            try:
                yield from ((route, root) for root in _roots(resource_set, route, written))
            except _Unknown as unknown:
                expansion.gaps.append(_gap(resource_set, route, str(unknown)))


def _roots(resource_set: Resource, route: Route, written: Any) -> list[Any]:
    """The objects of a template of several, as long as it has no statements: then it is YAML before it is filled in."""
    for action in _ACTION.finditer(str(written)):
        _parsed(action)
    if not isinstance(written, Leaf) or written.origin is None:
        raise _Unknown("has a template that is put together of several texts, which is not followed")
    content = inside(written, resource_set.line(*route))
    try:
        source = compose(content.content, content.path)
    except NotYaml as error:
        raise _Unknown(f"has a template that is no YAML before it is filled in ({error.message})") from None
    roots = [plain(root, Reader(content)) for root in source.documents]
    return [root for root in roots if isinstance(root, dict)]


def _with_metadata(made: Object, resource_set: Resource) -> Object:
    if not text(made.get("kind")) or not text(mapping(made.get("metadata")).get("name")):
        raise _Unknown("has a template that gives no object with kind and name")
    metadata = dict(mapping(made.get("metadata")))
    for key in ("labels", "annotations"):
        if common := mapping(resource_set.at("spec", "commonMetadata", key)):
            metadata[key] = {**mapping(metadata.get(key)), **common}
    return {**made, "metadata": metadata}


def _filled(value: Any, inputs: Object) -> Any:
    if isinstance(value, dict):
        if unread := next((key for key in value if "<<" in key), None):
            raise _Unknown(f"fills in the key {unread}, which is not followed")
        return {key: _filled(inner, inputs) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, inputs) for inner in value]
    return _filled_text(value, inputs) if isinstance(value, Leaf) and "<<" in value else value


def _filled_text(value: Leaf, inputs: Object) -> Leaf:
    actions = list(_ACTION.finditer(value))
    if not actions:
        raise _Unknown(f"has {value!s}, which is not followed")
    given = {action.start(): _value(action, inputs, is_whole=action[0] == value) for action in actions}
    new = _ACTION.sub(lambda action: str(given[action.start()]), value)
    last, decides = actions[-1], given[actions[-1].start()]
    before = value[: last.start()]
    if last.end() == len(value) and (not before or before.endswith(":")):
        return leaf(new, value.origin, decider=decides.decider or decides)
    if "<<" in "".join(split(value)[1:]):
        return leaf(new, near=near_to(decides))
    return leaf(new, value.origin, decider=value.decider)


def _parsed(action: re.Match[str]) -> re.Match[str]:
    match = _VALUE.fullmatch(action["expression"])
    if match is None:
        raise _Unknown(f"has {action[0]}, which is not followed: only << inputs.NAME >> is")
    return match


def _value(action: re.Match[str], inputs: Object, *, is_whole: bool) -> Leaf:
    match = _parsed(action)
    value: Any = inputs
    for step in match["path"].split(".")[1:]:
        value = value.get(step) if isinstance(value, Mapping) else None
    if not isinstance(value, Leaf) or value.is_null:
        raise _Unknown(f"has {action[0]}, which its inputs do not hold as a text")
    functions = [call.split()[0] for call in match["functions"].split("|")[1:]]
    for name in functions:
        is_same = name in _SAME and _SAME[name](value)
        if not (name == "quote" and is_whole) and not is_same:
            raise _Unknown(f"has {action[0]}, whose function {name} is not followed here")
    if "quote" not in functions and not _HARMLESS.fullmatch(value):
        raise _Unknown(
            f"has {action[0]}, whose value {value} may read otherwise in YAML: write | quote behind it"
        )
    return value
