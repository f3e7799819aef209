"""What Flux builds for one Kustomization: its objects after all overlays, as far as the repository tells.

Law: transformations are those of kustomize and in its order: inner kustomizations first, components on what is there so far, then
patches, namespace, names, labels and images. What may hold more than is seen here (remote bases, generators, Helm charts that
kustomize inflates, another repository, a file that is missing or no YAML) makes a build open.

Source: sigs.k8s.io/kustomize/api v0.21.1, `internal/target/kusttarget_configplugin.go`; fluxcd/pkg/kustomize v1.35.6,
`kustomize_generator.go`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bumper.errors import NotYaml
from bumper.fluxtree import patches
from bumper.fluxtree.discovery import Site
from bumper.fluxtree.layers import Gap, Layer, Reading, expand, within
from bumper.fluxtree.patches import Change
from bumper.fluxtree.resource import Resource
from bumper.fluxtree.scopes import is_cluster_scoped
from bumper.manifest.document import Document, is_true, items, mapping, text
from bumper.ports import Tree

_KEPT_NAMES = ("CustomResourceDefinition", "APIService", "Namespace")
_OPENING = ("generators", "helmCharts", "helmChartInflationGenerator")
_KUSTOMIZE = "kustomize.config.k8s.io"
_IMAGE = ("name", "newName", "newTag", "digest")


class Forgiving(Reading):
    """A reading that remembers which files are no YAML, and goes on as if they were empty."""

    def __init__(self, tree: Tree) -> None:
        super().__init__(tree)
        self.broken: dict[str, NotYaml] = {}

    def documents(self, path: str) -> tuple[Document, ...]:
        if path in self.broken:
            return ()
        try:
            return super().documents(path)
        except NotYaml as error:
            self.broken[path] = error
            return ()


@dataclass(frozen=True, eq=False)
class Build:
    """One Flux Kustomization; `owner` is its own object.

    `layers` are the kustomizations that it is made of, inner ones too, `gaps` what they name and what is not there. `missing_path`
    says that `spec.path` is no directory. `is_open` says that there may be more than `resources`: in `open_namespace`, or anywhere
    where that is empty.
    """

    site: Site
    owner: Resource
    resources: tuple[Resource, ...] = ()
    layers: tuple[Layer, ...] = ()
    gaps: tuple[Gap, ...] = ()
    missing_path: bool = False
    is_open: bool = False
    open_namespace: str = ""

    @property
    def name(self) -> str:
        return self.owner.name

    @property
    def files(self) -> tuple[str, ...]:
        """The manifests that it is built from."""
        return tuple(dict.fromkeys(path for layer in self.layers for path in layer.files))


def resource_of(document: Document) -> Resource | None:
    """The object of a document as it is written; None for what is no object, as values of a chart are."""
    kind, name = text(document.value.get("kind")), document.key.name
    if not kind or not text(document.value.get("apiVersion")) or document.group == _KUSTOMIZE:
        return None
    name = text(name)
    return Resource(document, kind, document.group, text(document.key.namespace), name, frozenset([name]))


def build(reading: Forgiving, site: Site, owner: Resource, given: Sequence[Change]) -> Build:
    """The build of a Kustomization; `given` are the changes that patches of its parents write into it."""
    target = site.target_namespace or ""
    opened = Build(site, owner, is_open=True, open_namespace=target)
    if not site.is_ours or not owner.knows("spec", "path"):
        return opened
    if site.leads_outside or not reading.is_directory(site.path):
        return replace(opened, missing_path=True)
    wanted, missing = _components(reading, site, owner)
    expanded = expand(reading, [site.path, *wanted])
    found = _collected(reading, expanded[site.path], [])
    for place in wanted:
        found = _collected(reading, expanded[place], found)
    own = [*given, *patches.changes(reading, site.document, "spec")]
    found = _patched(found, own)
    found = _named(found, target, text(site.spec.get("namePrefix")), text(site.spec.get("nameSuffix")))
    found = _retagged(found, items(site.spec.get("images")))
    layers = [one for layer in expanded.values() for one in _walk(layer)]
    gaps = dict.fromkeys([*missing, *(gap for layer in layers for gap in layer.gaps)])
    is_open = bool(gaps) or any(one.has_remote or _opens(reading, one) for one in layers)
    return Build(
        site, owner, tuple(found), tuple(layers), tuple(gaps), is_open=is_open, open_namespace=target
    )


def every_change(reading: Reading, built: Build) -> Iterator[tuple[Change, str]]:
    """The changes that the patches anywhere in a build make, each with the file that lists it."""
    for layer in built.layers:
        if document := kustomization(reading, layer):
            yield from ((change, document.path) for change in patches.changes(reading, document))
    yield from (
        (change, built.owner.path) for change in patches.changes(reading, built.site.document, "spec")
    )


def kustomization(reading: Reading, layer: Layer) -> Document | None:
    """The kustomization of a layer; None where Flux generates one, or where it cannot be read."""
    found = reading.documents(layer.path) if layer.path else ()
    return found[0] if found else None


def _walk(layer: Layer) -> Iterator[Layer]:
    yield layer
    for inner in (*layer.inner, *layer.components):
        yield from _walk(inner)


def _opens(reading: Forgiving, layer: Layer) -> bool:
    """Whether a generator, or a file that is no YAML, hides what is in the layer."""
    document = kustomization(reading, layer)
    hidden = any(path in reading.broken for path in (layer.path, *layer.files))
    return hidden or (document is not None and any(document.value.get(key) for key in _OPENING))


def _components(reading: Reading, site: Site, owner: Resource) -> tuple[list[str], list[Gap]]:
    found: list[str] = []
    missing: list[Gap] = []
    for at, written in enumerate(map(text, items(site.spec.get("components")))):
        place = within(site.path, written)
        if place is not None and reading.is_directory(place):
            found.append(place)
        elif not is_true(site.spec.get("ignoreMissingComponents")) and owner.knows("spec", "components"):
            line = site.document.line("spec", "components", at)
            missing.append(Gap(owner.path, line, f"spec.components names {written}, which does not exist"))
    return found, missing


def _collected(reading: Reading, layer: Layer, before: list[Resource]) -> list[Resource]:
    found = [*before]
    for path in layer.files:
        found += filter(None, map(resource_of, reading.documents(path)))
    for inner in layer.inner:
        found += _collected(reading, inner, [])
    document = kustomization(reading, layer)
    if document:
        found += _generated(document)
    for component in layer.components:
        found = _collected(reading, component, found)
    if not document:
        return found
    found = _patched(found, patches.changes(reading, document))
    found = _named(found, layer.namespace, layer.prefix, layer.suffix)
    found = _labelled(found, document.value)
    return _retagged(found, items(document.value.get("images")))


def _generated(document: Document) -> Iterator[Resource]:
    for key, kind in (("configMapGenerator", "ConfigMap"), ("secretGenerator", "Secret")):
        for at, entry in enumerate(map(mapping, items(document.value.get(key)))):
            name = text(entry.get("name"))
            if text(entry.get("behavior")) in ("", "create"):
                space = text(entry.get("namespace"))
                yield Resource(document, kind, "", space, name, frozenset([name]), root=(key, at))


def _patched(found: list[Resource], changes: Iterable[Change]) -> list[Resource]:
    for change in changes:
        found = [change.on(one) for one in found]
    return found


def _named(found: list[Resource], namespace: str, prefix: str, suffix: str) -> list[Resource]:
    return [_renamed(one, namespace, prefix, suffix) for one in found]


def _renamed(one: Resource, namespace: str, prefix: str, suffix: str) -> Resource:
    if namespace and one.kind == "Namespace" and not one.group:
        return replace(one, name=namespace, names=frozenset([namespace]))
    if namespace and not is_cluster_scoped(one.kind, one.group):
        one = replace(one, namespace=namespace)
    if (prefix or suffix) and one.kind not in _KEPT_NAMES:
        name = f"{prefix}{one.name}{suffix}"
        one = replace(one, name=name, names=one.names | {name})
    return one


def _labelled(found: list[Resource], value: Mapping[str, Any]) -> list[Resource]:
    both, templates = dict(mapping(value.get("commonLabels"))), dict(mapping(value.get("commonLabels")))
    for entry in map(mapping, items(value.get("labels"))):
        pairs = mapping(entry.get("pairs"))
        if is_true(entry.get("includeSelectors")):
            both |= pairs
        if is_true(entry.get("includeSelectors")) or is_true(entry.get("includeTemplates")):
            templates |= pairs
    if not templates:
        return found
    return [
        replace(
            one,
            template_labels={**one.template_labels, **templates},
            selector_labels={**one.selector_labels, **both},
        )
        for one in found
    ]


def _retagged(found: list[Resource], entries: list[Any]) -> list[Resource]:
    if not entries:
        return found
    added = tuple({key: text(mapping(entry).get(key)) for key in _IMAGE} for entry in entries)
    return [replace(one, images=(*one.images, *added)) for one in found]
