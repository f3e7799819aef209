"""What the fields of a kustomization beside its patches make of objects: namespace, names, labels, annotations and images.

Law: as kustomize, each as a new object; what is equal is shared. An image that an `images:` entry changes remembers the field that
decides its tag.

Source: sigs.k8s.io/kustomize/api v0.21.1, `filters/namespace`, `filters/imagetag/{legacy,updater}.go`, `internal/image/image.go`,
`internal/builtins/PrefixTransformer.go`, `internal/konfig/builtinpluginconsts/{commonlabels,metadatalabels,commonannotations}.go`;
how Flux joins images: fluxcd/pkg/kustomize v1.35.4, `kustomize_generator.go`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bumper.dataclasses import dataclass, field, replace
from bumper.fluxtree.layers import Gap
from bumper.fluxtree.leaves import Leaf, leaf
from bumper.fluxtree.resource import Resource, Route
from bumper.fluxtree.scopes import is_cluster_scoped_built_in
from bumper.fluxtree.selectors import Undecided, whole
from bumper.manifest.document import below, is_true, items, mapping, text

# What each transformer that is followed has of its own.
_OF_SETTINGS = {
    "NamespaceTransformer": "unsetOnly",
    "LabelTransformer": "labels",
    "AnnotationsTransformer": "annotations",
}
_OF_EACH_SETTING = frozenset({"apiVersion", "kind", "metadata", "fieldSpecs"})
_KEPT_NAMES = ("CustomResourceDefinition", "APIService", "Namespace")
_SCALED = frozenset({"Deployment", "ReplicationController", "ReplicaSet", "StatefulSet"})
_IMAGE_LISTS = frozenset({"containers", "initContainers"})
_TAG = r"(:[a-zA-Z0-9_.{}-]*)?(@sha256:[a-zA-Z0-9_.{}-]*)?"
_TEMPLATES: Mapping[str, tuple[Route, ...]] = {
    **dict.fromkeys(
        ("Deployment", "ReplicaSet", "DaemonSet", "StatefulSet", "ReplicationController", "Job"),
        (("spec", "template"),),
    ),
    "CronJob": (("spec", "jobTemplate"), ("spec", "jobTemplate", "spec", "template")),
}
_SELECTORS: Mapping[str, Route] = {
    **dict.fromkeys(
        ("Deployment", "ReplicaSet", "DaemonSet", "StatefulSet"), ("spec", "selector", "matchLabels")
    ),
    **dict.fromkeys(("Service", "ReplicationController"), ("spec", "selector")),
}
_SELECTORS_THAT_ARE_THERE: Mapping[str, Route] = {
    "Job": ("spec", "selector", "matchLabels"),
    "CronJob": ("spec", "jobTemplate", "spec", "selector", "matchLabels"),
    "PodDisruptionBudget": ("spec", "selector", "matchLabels"),
    "NetworkPolicy": ("spec", "podSelector", "matchLabels"),
}


def with_value_at(value: Any, route: Route, new: Any) -> Any:
    """`value` with `new` under the route; mappings that are missing on the way are made."""
    if not route:
        return new
    step, rest = route[0], route[1:]
    if isinstance(step, int):
        return [
            with_value_at(each, rest, new) if at == step else each for at, each in enumerate(items(value))
        ]
    known = mapping(value)
    return {**known, step: with_value_at(known.get(step), rest, new)}


def placed(resource: Resource, namespace: str) -> Resource:
    """The object in a namespace, where it has one."""
    resource = resource.known()
    if resource.kind == "Namespace" and not resource.group:
        moved = resource.with_value(with_value_at(resource.value, ("metadata", "name"), namespace))
        return replace(moved, names=frozenset([str(namespace)]))
    if is_cluster_scoped_built_in(resource.kind, resource.group):
        return resource
    return resource.with_value(with_value_at(resource.value, ("metadata", "namespace"), namespace))


def named(resource: Resource, prefix: str, suffix: str) -> Resource:
    """The object with the prefix and the suffix before and after its name."""
    if resource.first.kind in _KEPT_NAMES:
        return resource
    for before, after in ((prefix, ""), ("", suffix)):
        if before or after:
            resource = resource.known()
            name = f"{before}{resource.name}{after}"
            resource = resource.with_value(with_value_at(resource.value, ("metadata", "name"), name))
    return resource


@dataclass(frozen=True)
class Labels:
    """Labels to add, and where beside the object's own: `elsewhere` are the `fields` that an entry of `labels:` states itself."""

    pairs: Mapping[str, str]
    in_templates: bool
    in_selectors: bool
    elsewhere: "tuple[tuple[ImageSpec, bool], ...]" = ()

    def on(self, resource: Resource) -> Resource:
        routes: list[Route] = [("metadata", "labels")]
        if self.in_templates or self.in_selectors:
            routes += [(*template, "metadata", "labels") for template in _TEMPLATES.get(resource.kind, ())]
        if self.in_selectors:
            routes += _selectors(resource)
        return Setting(self.elsewhere, pairs=self.pairs).on(_extended(resource, routes, self.pairs))


def labels_of(value: Mapping[str, Any]) -> list[Labels]:
    """The labels that a kustomization adds, in kustomize's order."""
    listed = [
        Labels(
            mapping(entry.get("pairs")),
            is_true(entry.get("includeTemplates")),
            is_true(entry.get("includeSelectors")),
            _field_specs(entry.get("fields")),
        )
        for entry in map(mapping, items(value.get("labels")))
    ]
    common = mapping(value.get("commonLabels"))
    return [*listed, Labels(common, True, True)] if common else listed


def annotated(resource: Resource, pairs: Mapping[str, str]) -> Resource:
    """The object with `commonAnnotations`."""
    templates = _TEMPLATES.get(resource.kind, ())
    return _extended(
        resource,
        [("metadata", "annotations"), *((*template, "metadata", "annotations") for template in templates)],
        pairs,
    )


def _selectors(resource: Resource) -> list[Route]:
    route = _SELECTORS.get(resource.kind)
    if route:
        return [route]
    route = _SELECTORS_THAT_ARE_THERE.get(resource.kind)
    return [route] if route and below(resource.value, *route) is not None else []


def _extended(resource: Resource, routes: Iterable[Route], pairs: Mapping[str, str]) -> Resource:
    value = resource.value
    for route in routes:
        value = with_value_at(value, route, {**mapping(below(value, *route)), **pairs})
    return resource.with_value(value)


def scaled(resource: Resource, entry: Mapping[str, Any]) -> Resource:
    """The object with the `count` of an entry of `replicas`, where it has that name or had it."""
    names = {known.name for known in resource.identities}
    if resource.kind not in _SCALED or text(entry.get("name")) not in names:
        return resource
    return resource.with_value(with_value_at(resource.value, ("spec", "replicas"), entry.get("count")))


@dataclass(frozen=True)
class ImageSpec:
    """A field of some kinds that holds an image, as the `configurations` of a kustomization state it; what is empty is any.

    Source: kyaml v0.21.1, `resid/gvk.go` (IsSelected), `filters/fieldspec`: lists on the way are entered.
    """

    path: tuple[str, ...]
    kind: str = ""
    group: str = ""
    version: str = ""

    @classmethod
    def read(cls, entry: Any) -> "ImageSpec":
        fields = mapping(entry)
        path = text(fields.get("path")).replace("[]", "").strip("/")
        kind, group, version = (text(fields.get(key)) for key in ("kind", "group", "version"))
        return cls(tuple(path.split("/")), kind, group, version)

    def selects(self, resource: Resource) -> bool:
        """Whether it speaks of this object."""
        now = resource.now
        pairs = ((self.kind, resource.kind), (self.group, now.group), (self.version, now.version))
        return all(wanted in ("", given) for wanted, given in pairs)

    def routes(self, resource: Resource) -> tuple[Route, ...]:
        """Where such a field stands in the object; nowhere in an object of another kind."""
        return tuple(_routes(resource.value, self.path, ())) if self.selects(resource) else ()


# The fields of image volumes that it knows itself (api v0.21.1, `internal/konfig/builtinpluginconsts/images.go`).
_VOLUMES = tuple(
    ImageSpec((*above, "volumes", "image", "reference"))
    for above in (("spec",), ("spec", "template", "spec"))
)


@dataclass(frozen=True)
class Setting:
    """A transformer that a kustomization lists in `transformers:` and that writes a namespace, labels or annotations.

    `fields` are its fieldSpecs, each with `create`; `namespace` is None for one that adds `pairs`.
    Source: api v0.21.1, `internal/builtins/{Namespace,Label,Annotations}Transformer.go`, `filters/namespace/namespace.go`:
    metadata.namespace is set in whatever has one, further fields as the fieldSpecs say; those of `namespace:` are not added.
    """

    fields: tuple[tuple[ImageSpec, bool], ...]
    namespace: str | None = None
    only_unset: bool = False
    pairs: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, config: Resource) -> "Setting | None":
        """What a configuration says; None for another transformer, and for what is not followed."""
        written = [mapping(entry) for entry in items(config.at("fieldSpecs"))]
        known = _OF_SETTINGS.get(config.kind, "") if text(config.at("apiVersion")) == "builtin" else ""
        is_plain = config.value.keys() <= {*_OF_EACH_SETTING, known} and not any(
            set("[]\\") & {*text(entry.get("path"))} for entry in written
        )
        if not (known and is_plain):
            return None
        fields = _field_specs(written)
        if known != "unsetOnly":
            return cls(fields, pairs=mapping(config.at(known)))
        return cls(fields, text(config.at("metadata", "namespace")), is_true(config.at("unsetOnly")))

    def on(self, resource: Resource) -> Resource:
        """The object with what is set in its fields; as it is where there is nothing to set."""
        if not self.namespace and not self.pairs:
            return resource
        fields = [(spec.path, create) for spec, create in self.fields if spec.selects(resource)]
        if self.namespace is not None:
            fields = [(path, create) for path, create in fields if path != ("metadata", "namespace")]
            if not is_cluster_scoped_built_in(resource.kind, resource.group):
                fields = [(("metadata", "namespace"), True), *fields]
        changed = resource.known() if self.namespace else resource
        for path, create in fields:
            changed = changed.with_value(self._set(changed.value, path, create))
        is_renamed = changed.name != resource.name
        return replace(changed, names=frozenset([changed.name])) if is_renamed else changed

    def _set(self, value: Any, path: tuple[str, ...], create: bool) -> Any:
        """A value with what is set below it, in each entry of the lists on the way; the very same where there is no such field."""
        if isinstance(value, list):
            return [self._set(each, path, create) for each in value]
        if not path:
            return self._new(value)
        known, (step, *rest) = mapping(value), path
        is_there = known.get(step) is not None
        if not (is_there or create) or (value is not None and not isinstance(value, dict)):
            return value
        return {**known, step: self._set(known.get(step), tuple(rest), create)}

    def _new(self, there: Any) -> Any:
        if self.namespace is None:
            return {**mapping(there), **self.pairs}
        return self.namespace if self.namespace and not (self.only_unset and text(there)) else there


def _field_specs(listed: Any) -> tuple[tuple[ImageSpec, bool], ...]:
    """Fields with whether each is made where it is missing."""
    entries = map(mapping, items(listed))
    return tuple((ImageSpec.read(entry), is_true(entry.get("create"))) for entry in entries)


def _routes(value: Any, path: tuple[str, ...], above: Route) -> Iterator[Route]:
    if isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _routes(inner, path, (*above, at))
    elif path and isinstance(value, dict):
        yield from _routes(value.get(path[0]), path[1:], (*above, path[0]))
    elif not path and isinstance(value, str):
        yield above


@dataclass(frozen=True)
class ImageEntry:
    """An entry of `images:`, whose texts are leaves. `place` is where it stands."""

    name: str
    new_name: str
    new_tag: str
    digest: str
    tag_suffix: str
    place: Gap

    @property
    def decider(self) -> Leaf | None:
        """The scalar that decides the tag; None where the entry only renames."""
        return next((each for each in (self.new_tag, self.digest) if isinstance(each, Leaf) and each), None)

    def joined(self, other: "ImageEntry") -> "ImageEntry":
        """This entry with what another one of the same name says, as Flux joins them."""
        decides = other.new_tag or other.digest
        return replace(
            self,
            new_name=other.new_name or self.new_name,
            new_tag=other.new_tag if decides else self.new_tag,
            digest=other.digest if decides else self.digest,
        )

    def changes(self, image: str) -> bool:
        """Whether it is for this image: its name is a regular expression to kustomize."""
        if image == self.name or image.startswith((f"{self.name}:", f"{self.name}@")):
            return bool(whole(_TAG).fullmatch(image[len(self.name) :]))
        return bool(whole(self.name + _TAG).fullmatch(image))

    def on(self, written: str) -> Leaf:
        """The image after the entry."""
        image = written if isinstance(written, Leaf) else leaf(written)
        name, tag, digest = split(image)
        if self.new_tag or self.digest:
            tag, digest = self.new_tag, self.digest
        new = (self.new_name or name) + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
        return leaf(new, image.origin, decider=self.decider or image.decider)


def image_entry(entry: Any, place: Gap) -> ImageEntry:
    fields = mapping(entry)
    keys = ("name", "newName", "newTag", "digest", "tagSuffix")
    name, new_name, new_tag, digest, suffix = (text(fields.get(key)) for key in keys)
    return ImageEntry(name, new_name, new_tag, digest, suffix, place)


def join(entries: Iterable[ImageEntry], extra: Iterable[ImageEntry]) -> list[ImageEntry]:
    """The images of a kustomization with those of the Flux Kustomization: the first of the same name is changed, any other added."""
    joined = list(entries)
    for added in extra:
        at = next((at for at, known in enumerate(joined) if known.name == added.name), None)
        if at is None:
            joined.append(added)
        else:
            joined[at] = joined[at].joined(added)
    return joined


def split(image: str) -> tuple[str, str, str]:
    """Name, tag and digest as kustomize takes them apart."""
    slash = max(image.find("/"), 0)
    at, colon = image.find("@", slash), image.find(":", slash)
    if at >= 0 and (at < colon or colon < 0):
        return image[:at], "", image[at + 1 :]
    if colon < 0:
        return image, "", ""
    end = at if at >= 0 else len(image)
    return image[:colon], image[colon + 1 : end], image[end + 1 :]


def retagged(resource: Resource, entry: ImageEntry, specs: Iterable[ImageSpec] = ()) -> Resource:
    """The object after an `images:` entry; the very same where the entry is for none of its images, those of `specs` among them."""
    if resource.kind == "CustomResourceDefinition":
        return resource
    try:
        value = _retagged(resource.value, entry)
        for route in (route for spec in (*_VOLUMES, *specs) for route in spec.routes(resource)):
            if entry.changes(image := below(value, *route)):
                value = with_value_at(value, route, entry.on(image))
    except Undecided as reason:
        return resource.doubted(replace(entry.place, message=str(reason)))
    if value is not resource.value and entry.tag_suffix:
        return resource.doubted(replace(entry.place, message="a tagSuffix changes the tag of its images"))
    return resource if value is resource.value else resource.with_value(value)


def _retagged(value: Any, entry: ImageEntry, key: str = "") -> Any:
    """The same value where nothing in it changes."""
    if isinstance(value, dict):
        new = {name: _retagged(inner, entry, name) for name, inner in value.items()}
        return new if any(new[name] is not inner for name, inner in value.items()) else value
    if isinstance(value, list):
        listed = [_retagged(inner, entry) for inner in value]
        if key in _IMAGE_LISTS:
            listed = [_with_image(inner, entry) for inner in listed]
        return listed if any(new is not old for new, old in zip(listed, value, strict=True)) else value
    return value


def _with_image(container: Any, entry: ImageEntry) -> Any:
    image = mapping(container).get("image")
    if not isinstance(image, str) or not entry.changes(image):
        return container
    return {**container, "image": entry.on(image)}
