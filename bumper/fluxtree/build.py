"""What Flux builds for one Kustomization: its objects after all overlays, as far as the repository tells.

Law: the one model of kustomize: the finder of a site's image, the checks and onboarding all ask here. The order is kustomize's: inner
kustomizations first, generators, components on what is there so far, then strategic merges, patches, namespace, names, labels,
annotations, JSON patches, replicas, images, replacements. What may hold more than is seen here (remote bases, generators, Helm charts
that kustomize inflates, another repository, a file that is missing or no YAML) makes a build open; what may change an object and is
not followed (transformers) is a doubt in it; what kustomize refuses is a refusal of the build.

Source: sigs.k8s.io/kustomize/api v0.21.1, `internal/target/kusttarget.go`, `kusttarget_configplugin.go`; fluxcd/pkg/kustomize v1.35.4,
`kustomize_generator.go` (what a Flux Kustomization adds, it adds to the top layer's own kustomization).
"""

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property, partial
from posixpath import dirname, join
from typing import Any

from bumper.dataclasses import dataclass, field, replace
from bumper.errors import NotYaml
from bumper.fluxtree import patches, replacements, schema, transformers
from bumper.fluxtree.discovery import BY_PATH, Site
from bumper.fluxtree.layers import (
    FILE_NAMES,
    Gap,
    Layer,
    Reading,
    expand,
    first_document,
    generator_files,
    is_read,
    is_remote,
    is_yaml,
    why_missing,
    within,
)
from bumper.fluxtree.leaves import Reader, leaf, near_to
from bumper.fluxtree.patches import Refusal
from bumper.fluxtree.resource import Resource, is_variable
from bumper.fluxtree.resource_sets import expanded as expanded_set
from bumper.fluxtree.resource_sets import is_resource_set
from bumper.fluxtree.selectors import Identity, identity
from bumper.fluxtree.transformers import ImageEntry, ImageSpec
from bumper.manifest import go_yaml
from bumper.manifest.document import Document, documents, is_true, items, mapping, plain, text
from bumper.manifest.yamltext import compose, require_few_values
from bumper.objects import Object

_OPENING = ("generators", "helmCharts", "helmChartInflationGenerator")
_NAMED_FILES = ("crds", "configurations", "generators", "transformers", "validators")
_HOLDS_LAYERS = ("resources", "bases", "components")
_KUSTOMIZE = "kustomize.config.k8s.io"
_LOCAL = "config.kubernetes.io/local-config"
# What names a key of a ConfigMap, in YAML as in JSON.
_NAMED = re.compile(rb"""(?:valuesKey|fieldPath)["']?\s*:\s*["']?([^\n\r"'#]+)""", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Build:
    """One Flux Kustomization; `owner` is its own object.

    `layers` are the kustomizations that it is made of, inner ones too, `gaps` what they name and what is not there, `refusals`
    why kustomize builds nothing, of which `collisions` are those for two objects of one name, `repeated` those for a key that
    stands twice. `mistyped` is the same of numbers and booleans where it expects a text, which an edit may take the place of,
    `rewritten` what Flux writes otherwise, or leaves out. `missing_path` says that `spec.path` is no directory. `is_open` says
    that there may be more than `resources`: in `open_namespace`, or anywhere where that is empty. `remote` are the `images:`
    entries that change none of them, and so perhaps what a remote base brings. `unmapped` are the copies of an artifact's
    generator that bring files from elsewhere. `image_specs` are the image fields that its kustomizations state themselves.
    `unexpanded` is what of a ResourceSet is not followed.
    """

    site: Site
    owner: Resource
    resources: tuple[Resource, ...] = ()
    layers: tuple[Layer, ...] = ()
    gaps: tuple[Gap, ...] = ()
    missing_path: bool = False
    is_open: bool = False
    open_namespace: str = ""
    refusals: tuple[Gap, ...] = ()
    collisions: tuple[Gap, ...] = ()
    repeated: tuple[Gap, ...] = ()
    mistyped: tuple[Gap, ...] = ()
    rewritten: tuple[Gap, ...] = ()
    remote: tuple[ImageEntry, ...] = ()
    unmapped: tuple[Gap, ...] = ()
    unexpanded: tuple[Gap, ...] = ()
    image_specs: tuple[ImageSpec, ...] = ()

    @property
    def name(self) -> str:
        return self.owner.name

    @cached_property
    def files(self) -> tuple[str, ...]:
        """The manifests that it is built from."""
        return tuple(dict.fromkeys(path for layer in self.layers for path in layer.files))


def resource_of(reading: Reading, document: Document) -> Resource | None:
    """The object of a document as it is written, one for each tree; None for what is no object, as values of a chart are."""
    key = ("resource", document.path, document.route)
    made: Resource | None = reading.once(key, partial(_resource, reading, document))
    return made


def _resource(reading: Reading, document: Document) -> Resource | None:
    kind, name = text(document.value.get("kind")), document.key.name
    if not kind or not text(document.value.get("apiVersion")) or document.group == _KUSTOMIZE:
        return None
    return Resource(document, reading.traced(document), frozenset([text(name)]))


def _is_local(resource: Resource) -> bool:
    """Whether it is for programs that read the repository: kustomize leaves it out. Source: `resource/factory.go`, DropLocalNodes."""
    return text(resource.at("metadata", "annotations", _LOCAL)) not in ("", "false")


def _is_empty(kustomization: Document | None) -> bool:
    """Whether a kustomization says nothing; an empty list is something. Source: `types/kustomization.go`, CheckEmpty."""
    value = kustomization.value if kustomization else {}
    return all(key in ("apiVersion", "kind") or given == "" for key, given in value.items())


def _lacks(document: Document) -> str:
    """What every object has, and a document has not: kustomize takes nothing but objects, and what is empty. A list needs no name."""
    if document.value and not document.key.kind:
        return "kind"
    is_list = document.key.kind.endswith("List")
    return "metadata.name" if document.value and not (document.key.name or is_list) else ""


def build(reading: Reading, site: Site, owner: Resource) -> Build:
    """The build of a Kustomization, whose object `owner` has what its parents' patches made of it."""
    target = text(owner.at("spec", "targetNamespace"))
    opened = Build(site, owner, is_open=True, open_namespace=target)
    if not site.is_ours or is_variable(site.path):
        return opened
    whole, reading = reading, site.view(reading)
    if not reading.is_directory(site.path):
        return replace(opened, missing_path=True)
    components, missing = _components(reading, site, owner)
    expanded = expand(reading, [site.path, *components])
    top = expanded[site.path]
    top = replace(top, components=(*top.components, *(expanded[place] for place in components)))
    layers = tuple(layer for each in expanded.values() for layer in _walk(each))
    gaps = dict.fromkeys([*missing, *(gap for layer in layers for gap in layer.gaps)])
    unmapped = tuple(site.artifact.problems) if site.artifact else ()
    brought = _brought_in(whole, site, layers)
    is_open = bool(gaps or unmapped or brought) or any(
        layer.has_remote or _opens(reading, layer) for layer in layers
    )
    making = _Making(reading, is_open, any(layer.has_remote for layer in layers), layers)
    resources = making.top(top, owner)
    for doubt in making.recased:
        resources = [known.doubted(doubt) for known in resources]
    expansions = [expanded_set(each, resources) for each in resources if is_resource_set(each)]
    unexpanded = tuple(gap for expansion in expansions for gap in expansion.gaps)
    is_open = is_open or bool(unexpanded)
    resources += [made for expansion in expansions for made in expansion.resources]
    return Build(
        site,
        owner,
        tuple(resources),
        layers,
        tuple(gaps),
        is_open=is_open,
        open_namespace=target,
        refusals=tuple(dict.fromkeys([*making.refusals, *making.collisions, *making.repeated])),
        collisions=tuple(dict.fromkeys(making.collisions)),
        repeated=tuple(dict.fromkeys(making.repeated)),
        mistyped=tuple(dict.fromkeys(making.mistyped)),
        rewritten=tuple(dict.fromkeys(making.rewritten)),
        remote=tuple(making.remote),
        unmapped=unmapped,
        unexpanded=unexpanded,
        image_specs=_image_specs(reading, top),
    )


def sources(reading: Reading, site: Site, owner: Resource) -> list[str]:
    """The directories that Flux builds for a Kustomization: that of `spec.path`, and those of `spec.components`."""
    return [site.path, *_components(reading, site, owner)[0]]


def openings(reading: Reading, built: Build) -> tuple[Gap, ...]:
    """Why there may be more than the build shows, or something else, each with its place; none where it shows everything."""
    hidden = (gap for layer in built.layers for gap in _hidden(reading, layer))
    brought = _brought_in(reading, built.site, built.layers)
    known = [*built.gaps, *built.unmapped, *built.refusals, *_guesses(built.site), *brought]
    return tuple(dict.fromkeys([*known, *hidden]))


def _brought_in(whole: Reading, site: Site, layers: Iterable[Layer]) -> list[Gap]:
    """What says that files of other repositories may lie among those of the layers."""
    source = site.origin
    if source is None:
        return []
    included = source.included(layer.directory for layer in layers)
    return [*included, *([source.submodules] if source.submodules and whole.is_file(".gitmodules") else [])]


def _guesses(site: Site) -> Iterator[Gap]:
    """That nothing says whether the source is this repository, or what the Kustomization itself adds."""
    if site.known_by == BY_PATH:
        message = (
            f"Kustomization {site.kustomization.name} is in no file, and no cluster was asked what it adds"
        )
        yield Gap(site.document.path, 1, message)
    if site.is_likely and site.origin:
        path, _, line = site.origin.place.rpartition(":")
        message = (
            f"whether {site.source} ({site.origin.url}) is this repository is not known: neither a gotk-sync.yaml nor the address "
            "that it is read from says so"
        )
        yield Gap(path, int(line), message)


def _hidden(reading: Reading, layer: Layer) -> Iterator[Gap]:
    broken = filter(reading.is_broken, filter(None, (layer.path, *layer.files)))
    yield from (Gap(path, 1, "is no YAML, so that what it holds is not known") for path in broken)
    document = kustomization(reading, layer)
    if document is None:
        return
    for key in _OPENING:
        if document.value.get(key):
            yield Gap(layer.path, document.line(key), f"{key} make objects that are not seen here")
    if document.value.get("vars"):
        yield Gap(
            layer.path, document.line("vars"), "vars put values into other fields, which are not followed"
        )
    for key in _HOLDS_LAYERS if layer.has_remote else ():
        for at, written in enumerate(map(text, items(document.value.get(key)))):
            if is_remote(reading, layer.directory, written):
                yield Gap(layer.path, document.line(key, at), f"{written} is not in this repository")


def kustomization(reading: Reading, layer: Layer) -> Document | None:
    """The kustomization of a layer; None where Flux generates one, or where it cannot be read."""
    return first_document(reading, layer.path) if layer.path else None


def _image_specs(reading: Reading, layer: Layer) -> tuple[ImageSpec, ...]:
    """The image fields that the configurations of a layer state, and those of the layers that it is made of (`MergeAccumulator`)."""
    files = (
        place
        for each in _walk(layer)
        if (document := kustomization(reading, each))
        for written in items(document.value.get("configurations"))
        if (place := within(each.directory, text(written))) and reading.is_file(place)
    )
    listed = (
        entry
        for file in dict.fromkeys(files)
        for document in reading.documents(file)
        for entry in items(document.value.get("images"))
    )
    return tuple(dict.fromkeys(map(ImageSpec.read, listed)))


def _walk(layer: Layer) -> Iterator[Layer]:
    yield layer
    for inner in (*layer.inner, *layer.components):
        yield from _walk(inner)


def _opens(reading: Reading, layer: Layer) -> bool:
    """Whether a generator, or a file that is no YAML, hides what is in the layer."""
    document = kustomization(reading, layer)
    hidden = any(map(reading.is_broken, filter(None, (layer.path, *layer.files))))
    return hidden or (document is not None and any(document.value.get(key) for key in _OPENING))


def _components(reading: Reading, site: Site, owner: Resource) -> tuple[list[str], list[Gap]]:
    """The directories of `spec.components`, which are written relative to `spec.path`."""
    places: list[str] = []
    missing: list[Gap] = []
    for at, written in enumerate(map(text, items(owner.at("spec", "components")))):
        place = within(site.path, written)
        if place is not None and reading.is_directory(place):
            places.append(place)
        elif not is_true(owner.at("spec", "ignoreMissingComponents")) and owner.knows("spec", "components"):
            line = owner.line("spec", "components", at)
            why = why_missing(reading, place)
            missing.append(Gap(owner.path, line, f"spec.components names {written}, {why}"))
    return places, missing


@dataclass
class _Making:
    """How the objects of a build come together. The lists grow on the way."""

    reading: Reading
    is_open: bool
    has_remote: bool
    layers: tuple[Layer, ...]
    refusals: list[Gap] = field(default_factory=list)
    collisions: list[Gap] = field(default_factory=list)
    repeated: list[Gap] = field(default_factory=list)
    mistyped: list[Gap] = field(default_factory=list)
    rewritten: list[Gap] = field(default_factory=list)
    recased: list[Gap] = field(default_factory=list)
    remote: list[ImageEntry] = field(default_factory=list)

    def top(self, layer: Layer, owner: Resource) -> list[Resource]:
        """The objects of the top layer, with what the Flux Kustomization adds to its kustomization."""
        document = kustomization(self.reading, layer)
        self._read_strictly(layer, document, by_flux=True)
        spec = mapping(owner.at("spec"))
        own = self.reading.traced(document) if document else {}
        resources = self._brought(layer, document, [])
        specs = _image_specs(self.reading, layer)
        path = layer.path or owner.path
        resources = self._transformed(resources, _with_flux(own, spec), path, specs, owner, spec)
        resources = [known for known in resources if not _is_local(known)]
        self.refusals += [
            Gap(known.path, line, f"the key {key} without quotes is no text, and kustomize writes no other")
            for known in resources
            if not known.root
            for line, key in known.document.keys_of_no_text
        ]
        # What changes the Kustomization in a way that is not followed may change all that it builds.
        for doubt in owner.doubts:
            resources = [known.doubted(doubt) for known in resources]
        return resources

    def _layer(self, layer: Layer, before: list[Resource], *, is_component: bool = False) -> list[Resource]:
        document = kustomization(self.reading, layer)
        resources = self._brought(layer, document, before)
        self._read_strictly(layer, document, is_component=is_component)
        if not document:
            return resources
        specs = _image_specs(self.reading, layer)
        return self._transformed(resources, self.reading.traced(document), layer.path, specs, None, {})

    def _read_strictly(
        self, layer: Layer, document: Document | None, *, by_flux: bool = False, is_component: bool = False
    ) -> None:
        """Notes what kustomize refuses in the file of a kustomization; `by_flux` says that Flux reads it first."""
        entries = self.reading.entries(layer.directory)
        names = [name for name in FILE_NAMES if entries.get(name) is False]
        for other in names[1:]:
            message = f"{names[0]} lies beside it, and kustomize takes one alone"
            self.refusals.append(Gap(join(layer.directory, other), 1, message))
        if not by_flux and layer.path and _is_empty(document) and not self.reading.is_broken(layer.path):
            self.refusals.append(Gap(layer.path, 1, "is an empty kustomization, which kustomize refuses"))
        kind = text(document.value.get("kind")) if document else ""
        if document and not by_flux and (kind == schema.COMPONENT) != is_component:
            listed = "components" if is_component else "resources"
            message = f"its kind is {kind or 'Kustomization'}, and it is listed in {listed}"
            self.refusals.append(Gap(document.path, document.line("kind"), message))
        if document:
            self._require_files(document)
        for mismatch in self._mismatches(document) if document else ():
            if mismatch.is_recased:
                self.recased.append(mismatch.gap)
            elif by_flux and mismatch.is_scalar:
                self.rewritten += mismatch.rewritten
            elif by_flux and mismatch.is_dropped:
                message = f"{mismatch.unknown_key} is no key that kustomize knows: Flux leaves it out"
                self.rewritten.append(replace(mismatch.gap, message=message))
            else:
                (self.mistyped if mismatch.is_scalar else self.refusals).append(mismatch.gap)

    def _require_files(self, document: Document) -> None:
        """Refuses what is named for other purposes than to be built, and is not there."""
        listed: list[tuple[str, str | int, Any]] = [
            (key, at, written)
            for key in _NAMED_FILES
            for at, written in enumerate(items(document.value.get(key)))
        ]
        openapi = [("openapi", "path", mapping(document.value.get("openapi")).get("path"))]
        for key, at, written in (*listed, *openapi):
            named = text(written)
            place = within(dirname(document.path), named)
            is_there = place is not None and (self.reading.is_file(place) or self.reading.is_directory(place))
            if (
                named
                and "\n" not in named
                and not is_there
                and not is_remote(self.reading, dirname(document.path), named)
            ):
                gap = Gap(document.path, document.line(key, at), key)
                self._refuse(gap, f"names {named}, {why_missing(self.reading, place)}")

    def _mismatches(self, document: Document) -> tuple[schema.Mismatch, ...]:
        key = ("mismatches", document.path)
        known: tuple[schema.Mismatch, ...] = self.reading.once(
            key, lambda: tuple(schema.mismatches(document))
        )
        return known

    def _brought(self, layer: Layer, document: Document | None, before: list[Resource]) -> list[Resource]:
        resources = [*before]
        for path in layer.files:
            for each in self.reading.documents(path):
                if made := resource_of(self.reading, each):
                    resources.append(made)
            refusals, repeated = self.reading.once(("refusals", path), partial(self._read, path))
            self.refusals += refusals
            self.repeated += repeated
        for inner in layer.inner:
            resources += self._layer(inner, [])
        self._require_apart(resources)
        if document:
            resources = self._with_generated(resources, document)
        for component in layer.components:
            resources = self._layer(component, resources, is_component=True)
        return resources

    def _read(self, path: str) -> tuple[list[Gap], list[Gap]]:
        """What kustomize refuses in a file of objects, and the keys that it has twice."""
        refusals, repeated = [], []
        for each in self.reading.documents(path):
            if lacking := _lacks(each):
                message = f"an object without {lacking}: kustomize refuses the build"
                refusals.append(Gap(path, each.line(), message))
            repeated += [
                Gap(path, line, f"the key {key} stands twice in the same mapping")
                for line, key in each.repeated_keys()
            ]
        if not self.reading.is_broken(path):
            content = self.reading.content(path)
            refusals += [Gap(path, line, message) for line, message in go_yaml.unread(content, path)]
        return refusals, repeated

    def _require_apart(self, resources: Iterable[Resource]) -> None:
        """Refuses two objects of one name, as they come together or get into one namespace.

        Source: api v0.21.1, `resmap/reswrangler.go` (Append), `internal/builtins/NamespaceTransformer.go`.
        """
        known: dict[Identity, Resource] = {}
        for each in resources:
            # The same object twice is two, where a base is listed twice.
            if (other := known.get(each.now)) is None:
                known[each.now] = each
            elif each.name:
                message = f"{each} is there already: {other.path}:{other.line()}"
                self.collisions.append(Gap(each.path, each.line("metadata", "name"), message))

    def _with_generated(self, resources: list[Resource], document: Document) -> list[Resource]:
        """The objects with the ConfigMaps and Secrets that a kustomization generates, or merges into those that it has."""
        value = self.reading.traced(document)
        for key, kind in (("configMapGenerator", "ConfigMap"), ("secretGenerator", "Secret")):
            for at, entry in enumerate(map(mapping, items(value.get(key)))):
                place = Gap(document.path, document.line(key, at), key)
                data = self._generated_data(document, entry, place)
                if kind == "Secret":
                    data = dict.fromkeys(data, leaf(""))
                noted = _noted(entry, value)
                behavior, name = text(entry.get("behavior")), text(entry.get("name"))
                placed = {"namespace": space} if (space := text(entry.get("namespace"))) else {}
                metadata = {"name": name, **placed, **noted}
                made = {"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": _known(data)}
                wanted = identity(made)
                matching = [known for known in resources if wanted in known.identities]
                merges = behavior in ("merge", "replace")
                if bool(matching) != merges and not (merges and self.is_open):
                    is_there = "is there already" if matching else "is not there to be changed"
                    message = f"{key}: {kind} {name} {is_there}, which kustomize refuses"
                    self.refusals.append(replace(place, message=message))
                if matching:
                    resources = [
                        _regenerated(known, data, behavior, noted) if known in matching else known
                        for known in resources
                    ]
                elif not merges:
                    resources = [*resources, Resource(document, made, frozenset([name]), root=(key, at))]
        return resources

    def _generated_data(self, document: Document, entry: Object, place: Gap) -> dict[str, Any]:
        """What a generator puts into a ConfigMap or a Secret; None for what is not read (`is_read`).

        Where a literal or a line of an `envs` file is written is known, and not how to edit a part of it.
        """
        pairs: list[tuple[str, Any]] = []
        if not text(entry.get("name")):
            self._refuse(place, "makes something without a name")
        for key, named, written in generator_files(entry):
            path = within(dirname(document.path), named)
            if text(written).count("=") > bool(key) or (key and text(written).startswith("=")):
                self._refuse(place, f"has the file {text(written)}, expected KEY=FILE")
                continue
            is_there = path is not None and self.reading.is_file(path)
            if not is_there and not is_remote(self.reading, dirname(document.path), named):
                self._refuse(place, f"names {named}, {why_missing(self.reading, path)}")
            is_wanted = not key or is_read(key, named) or key in self.named_keys
            file = self.reading.file(path) if path and is_there and is_wanted else None
            content = file.content.decode(errors="replace") if file else ""
            if not key:
                pairs += [(name, leaf(value, near=near_to(written))) for name, value in _lines(content)]
            elif file and is_yaml(named):
                pairs.append((key, leaf(content, file=file)))
            else:
                pairs.append((key, leaf(content, near=near_to(written)) if file else None))
        for literal in items(entry.get("literals")):
            name, sign, given = text(literal).partition("=")
            if not (name and sign):
                self._refuse(place, f"has the literal {text(literal)}, expected KEY=VALUE")
            pairs.append((name, leaf(_unquoted(given), near=near_to(literal))))
        data = dict(pairs)
        for name in data if len(data) < len(pairs) else ():
            if sum(name == other for other, _ in pairs) > 1:
                self._refuse(place, f"has the key {name} twice")
        return data

    def _refuse(self, place: Gap, message: str) -> None:
        self.refusals.append(replace(place, message=f"{place.message} {message}"))

    @cached_property
    def is_configured(self) -> bool:
        """Whether a kustomization says itself which fields its transformers write."""
        documents = (kustomization(self.reading, layer) for layer in self.layers)
        return any(document is not None and document.value.get("configurations") for document in documents)

    @cached_property
    def named_keys(self) -> frozenset[str]:
        """The last steps of the fields that replacements read, and the keys that charts take their values from."""
        paths = dict.fromkeys(
            path for layer in self.layers for path in (layer.path, *layer.files, *layer.used) if path
        )
        written = (_NAMED.findall(self.reading.content(path)) for path in paths)
        named = (name.decode(errors="replace").strip() for names in written for name in names)
        return frozenset(step for name in named for step in replacements.steps(name)[-1:])

    def _transformed(
        self,
        resources: list[Resource],
        value: Object,
        path: str,
        specs: tuple[ImageSpec, ...],
        owner: Resource | None,
        spec: Object,
    ) -> list[Resource]:
        """The objects after the transformers of a kustomization at `path`."""
        here = Gap(path, 1, "")
        resources = self._patched(resources, value, "patchesStrategicMerge", path)
        resources = self._patched(resources, value, "patches", path)
        if namespace := text(value.get("namespace")):
            resources = [transformers.placed(known, namespace) for known in resources]
            self._require_apart(resources)
        prefix, suffix = text(value.get("namePrefix")), text(value.get("nameSuffix"))
        resources = [transformers.named(known, prefix, suffix) for known in resources]
        for labels in transformers.labels_of(value):
            resources = [labels.on(known) for known in resources]
        if annotations := mapping(value.get("commonAnnotations")):
            resources = [transformers.annotated(known, annotations) for known in resources]
        resources = self._patched(resources, value, "patchesJson6902", path, is_remembered=False)
        for entry in map(mapping, items(value.get("replicas"))):
            scaled = [transformers.scaled(known, entry) for known in resources]
            is_told = self.is_open or self.is_configured
            if all(map(operator.is_, scaled, resources)) and not is_told:
                place = replace(here, message="replicas")
                self._refuse(place, f"names {text(entry.get('name'))}, which no workload is called")
            resources = scaled
        resources = self._retagged(resources, value, specs, spec, here, owner)
        for entry in items(value.get("replacements")):
            resources = self._replaced(resources, entry, path)
        for entry in items(value.get("transformers")):
            resources = self._configured(resources, text(entry), path)
        # Vars fill in `$(NAME)`; a tag with one cannot be edited, as `manifest` sees itself.
        return [known.varied() for known in resources] if value.get("vars") else resources

    def _configured(self, resources: list[Resource], entry: str, path: str) -> list[Resource]:
        """The objects after one entry of `transformers:`: of those that are followed (`Setting`), any other is a doubt."""
        settings = [transformers.Setting.read(config) for config in self._configs(entry, path)]
        if not settings or None in settings:
            message = f"transformers of a kustomization may change it, which are not followed: {entry.strip().partition(chr(10))[0]}"
            return [known.doubted(Gap(path, 1, message)) for known in resources]
        for setting in filter(None, settings):
            resources = [setting.on(known) for known in resources]
        return resources

    def _configs(self, entry: str, path: str) -> list[Resource]:
        """The configurations that an entry of `transformers:` is or names, in a file or a kustomization; none where none is seen."""
        if "\n" in entry:
            try:
                return [Resource(each, each.value) for each in documents(entry.encode(), path)]
            except NotYaml:
                return []
        place = within(dirname(path), entry)
        if not place:
            return []
        if self.reading.is_directory(place):
            layer = expand(self.reading, [place])[place]
            return [] if layer.gaps or layer.has_remote else self._layer(layer, [])
        written = self.reading.documents(place) if self.reading.is_file(place) else ()
        return [known for document in written if (known := resource_of(self.reading, document))]

    def _patched(
        self, resources: list[Resource], value: Object, key: str, path: str, *, is_remembered: bool = True
    ) -> list[Resource]:
        for entry in items(value.get(key)):
            listed = partial(
                patches.listed, self.reading, Gap(path, 1, key), entry, is_remembered=is_remembered
            )
            resources = self._tried(resources, partial(_in_turn, listed, self._may_be))
        return resources

    def _may_be(self, wanted: Identity) -> bool:
        """Whether there may be an object of that name which is not read here: in a build that brings more, or among Flux's own."""
        return self.is_open or any(self._is_in_generated(layer.generated, wanted) for layer in self.layers)

    def _is_in_generated(self, path: str, wanted: Identity) -> bool:
        if not path or not self.reading.is_file(path):
            return path != ""
        named = f"name: {wanted.name}".encode()
        return any(line.strip() == named for line in self.reading.content(path).splitlines())

    def _tried(
        self, resources: list[Resource], change: Callable[[list[Resource]], list[Resource]]
    ) -> list[Resource]:
        try:
            return change(resources)
        except Refusal as refusal:
            self.refusals.append(refusal.gap)
            return [known.doubted(refusal.gap) for known in resources] if self.is_open else resources

    def _retagged(
        self,
        resources: list[Resource],
        value: Object,
        specs: tuple[ImageSpec, ...],
        spec: Object,
        here: Gap,
        owner: Resource | None,
    ) -> list[Resource]:
        own = [
            transformers.image_entry(each, here)
            for key in ("images", "imageTags")
            for each in items(value.get(key))
        ]
        there = Gap(owner.path, owner.line("spec", "images"), "") if owner else here
        added = [transformers.image_entry(each, there) for each in items(spec.get("images"))]
        for entry in transformers.join(own, added):
            changed = [transformers.retagged(known, entry, specs) for known in resources]
            seen = any(new is not old for new, old in zip(changed, resources, strict=True))
            resources = changed
            if not seen and self.has_remote and entry.decider is not None:
                self.remote.append(entry)
        return resources

    def _replaced(self, resources: list[Resource], entry: Any, path: str) -> list[Resource]:
        file = within(dirname(path), text(mapping(entry).get("path"))) if mapping(entry).get("path") else None
        entries: list[Any] = [entry]
        place = Gap(path, 1, "")
        if file and self.reading.is_file(file):
            source = compose(self.reading.content(file), file)
            require_few_values(source)
            roots = [plain(root, Reader(self.reading.file(file))) for root in source.documents]
            entries = [each for root in roots for each in (root if isinstance(root, list) else [root])]
            place = Gap(file, 1, "")
        elif mapping(entry).get("path"):
            written = text(mapping(entry).get("path"))
            why = why_missing(self.reading, file)
            self.refusals.append(replace(place, message=f"replacements names {written}, {why}"))
            return resources
        for each in entries:
            resources = self._tried(resources, partial(replacements.replaced, mapping(each), place))
        return resources


def _in_turn(
    listed: Callable[[], Iterator[patches.Patch]],
    may_be: Callable[[Identity], bool],
    resources: list[Resource],
) -> list[Resource]:
    for patch in listed():
        resources = patch.applied(resources, may_be)
    return resources


def _with_flux(value: Mapping[str, Any], spec: Object) -> Object:
    """A kustomization with what Flux writes into it; images are joined apart."""
    result = dict(value)
    for key in ("patches", "patchesStrategicMerge", "patchesJson6902"):
        if added := items(spec.get(key)):
            result[key] = [*items(result.get(key)), *added]
    for key, given in (
        ("namespace", "targetNamespace"),
        ("namePrefix", "namePrefix"),
        ("nameSuffix", "nameSuffix"),
    ):
        if text(spec.get(given)):
            result[key] = spec[given]
    return result


def _noted(entry: Object, kustomization: Object) -> dict[str, Object]:
    """The labels and annotations of what a generator makes: its own come before those of the whole kustomization."""
    own, common = mapping(entry.get("options")), mapping(kustomization.get("generatorOptions"))
    pairs = {key: {**mapping(common.get(key)), **mapping(own.get(key))} for key in ("labels", "annotations")}
    return {key: value for key, value in pairs.items() if value}


def _regenerated(known: Resource, data: Object, behavior: str, noted: Mapping[str, Object]) -> Resource:
    """A ConfigMap after a generator that merges into it, or takes its place."""
    before = mapping(known.value.get("data")) if behavior == "merge" else {}
    metadata = mapping(known.value.get("metadata"))
    metadata = {**metadata, **{key: {**mapping(metadata.get(key)), **pairs} for key, pairs in noted.items()}}
    return known.with_value({**known.value, "metadata": metadata, "data": _known({**before, **data})})


def _known(data: Object) -> Object:
    return {key: value for key, value in data.items() if value is not None}


def _unquoted(given: str) -> str:
    """The value of a literal without the quotes around it. Source: `api/kv/kv.go`, `removeQuotes`."""
    is_quoted = len(given) > 1 and given[0] == given[-1] and given[0] in "\"'"
    return given[1:-1] if is_quoted else given


def _lines(content: str) -> Iterator[tuple[str, str]]:
    """The variables of an `envs` file; empty where a line has no `=`. Source: `api/kv/kv.go`, `keyValuesFromLine`."""
    for line in content.removeprefix("\ufeff").split("\n"):
        name, _, given = line.removesuffix("\r").lstrip().partition("=")
        if name and not name.startswith("#"):
            yield name, given
