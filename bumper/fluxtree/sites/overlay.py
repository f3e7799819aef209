"""Where the tag of each image is decided that a build sends to the cluster.

Law: for each image of a workload, the field whose value reaches the cluster: its own, or that of the last patch or `images:`
entry above it that sets it. The order is kustomize's: inner layers first, components on what is there so far, then patches,
namespace, prefix and suffix, images. What is decided where nothing can be spliced (in an inline patch) comes back as a field
that says so in `unsafe`. Not followed: replacements, transformers in files, and what a Helm chart does with its values.

Source: sigs.k8s.io/kustomize/api v0.21.1, `internal/target/kusttarget_configplugin.go`, `filters/imagetag/updater.go`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bumper import manifest
from bumper.fluxtree.layers import Layer, Patch, Reading
from bumper.image import ImageReference
from bumper.manifest import Field, FieldKind
from bumper.manifest.document import items, mapping, plain, text
from bumper.manifest.yamltext import Span, compose
from bumper.objects import ObjectKey

# The lists that kustomize's image transformer changes, in any kind.
_TRANSFORMED = frozenset({"containers", "initContainers"})
_NOTHING = ObjectKey("", "", "")


@dataclass(frozen=True)
class Image:
    """One image as it reaches the cluster. `base` is the field in the manifest, `field` the one that decides the tag.

    `workload` has the namespace and name that it gets, empty for an image of a remote base.
    """

    field: Field
    base: Field
    repository: str
    workload: ObjectKey

    @property
    def is_init(self) -> bool:
        return "initContainers" in self.base.route


@dataclass(frozen=True)
class Override:
    """An `images:` entry. `field` is None where it only renames."""

    name: str
    repository: str
    field: Field | None


def images(reading: Reading, layer: Layer, overrides: Sequence[Field] = ()) -> tuple[Image, ...]:
    """The images of a build; `overrides` are the `images:` entries of the Flux Kustomization, which join those of the top layer."""
    return tuple(_collected(reading, layer, [], overrides))


def _collected(reading: Reading, layer: Layer, below: list[Image], extra: Sequence[Field]) -> list[Image]:
    found = [*below, *_own(reading, layer)]
    for inner in layer.inner:
        found += _collected(reading, inner, [], ())
    for component in layer.components:
        found = _collected(reading, component, found, ())
    for patch in layer.patches:
        found = _patched(reading, patch, found)
    found = [_renamed(image, layer) for image in found]
    for override in _joined(_overrides(reading, layer), extra):
        found = _overridden(override, found, may_be_remote=_has_remote(layer))
    return found


def _own(reading: Reading, layer: Layer) -> Iterator[Image]:
    for path in layer.files:
        for field in manifest.fields(reading.content(path), path):
            # A Flux Kustomization among the manifests changes the images of its own build, not of this one.
            if field.workload.kind != "Kustomization":
                yield Image(field, field, field.rendered, field.workload)


def _renamed(image: Image, layer: Layer) -> Image:
    if image.workload == _NOTHING:
        return image
    key = image.workload
    renamed = ObjectKey(key.kind, layer.namespace or key.namespace, f"{layer.prefix}{key.name}{layer.suffix}")
    return replace(image, workload=renamed)


def _overrides(reading: Reading, layer: Layer) -> Iterator[Override]:
    if layer.path:
        for field in manifest.fields(reading.content(layer.path), layer.path):
            if field.kind is FieldKind.NEW_TAG and field.route[1] == "images":
                yield _override(field)


def _override(field: Field) -> Override:
    decides = field.image.tag or field.image.digest
    return Override(field.image.repository, field.rendered, field if decides else None)


def _joined(overrides: Iterable[Override], extra: Sequence[Field]) -> list[Override]:
    """As Flux joins them: an entry of the same name is changed where the other one says something, any other is added."""
    joined = {override.name: override for override in overrides}
    for field in extra:
        added = _override(field)
        known = joined.get(added.name, added)
        repository = added.repository if added.repository != added.name else known.repository
        joined[added.name] = Override(added.name, repository, added.field or known.field)
    return list(joined.values())


def _overridden(override: Override, found: list[Image], *, may_be_remote: bool) -> list[Image]:
    if may_be_remote and override.field and not any(_transforms(override, image) for image in found):
        return [*found, Image(override.field, override.field, override.repository, _NOTHING)]
    return [
        replace(image, field=override.field or image.field, repository=override.repository)
        if _transforms(override, image)
        else image
        for image in found
    ]


def _transforms(override: Override, image: Image) -> bool:
    in_containers = image.base.kind is FieldKind.IMAGE and not _TRANSFORMED.isdisjoint(
        image.base.route[-3:-2]
    )
    return in_containers and image.repository == override.name


def _has_remote(layer: Layer) -> bool:
    return layer.has_remote or any(map(_has_remote, (*layer.inner, *layer.components)))


def _patched(reading: Reading, patch: Patch, found: list[Image]) -> list[Image]:
    content = patch.content or reading.content(patch.path)
    operations = {
        text(mapping(operation).get("path")): text(mapping(operation).get("value"))
        for root in compose(content, patch.path).documents
        for operation in items(plain(root))
    }
    setting = manifest.fields(content, patch.path)
    return [_with_operation(patch, _with_fields(patch, image, setting), operations) for image in found]


def _with_fields(patch: Patch, image: Image, setting: Iterable[Field]) -> Image:
    """As a strategic merge changes it."""
    for field in setting:
        if _selects(patch, field.workload, image) and _same_place(field, image.base):
            decides = _unsafe(patch, field) if patch.content else field
            image = replace(image, field=decides, repository=field.rendered)
    return image


def _with_operation(patch: Patch, image: Image, operations: Mapping[str, str]) -> Image:
    """As a JSON patch changes it, which names the place by its path."""
    value = operations.get("/" + "/".join(map(str, image.base.route[1:])))
    if not value or not _selects(patch, _NOTHING, image):
        return image
    is_whole = image.base.kind is FieldKind.IMAGE
    written = ImageReference.split(value) if is_whole else image.field.image.with_tag(value)
    field = replace(_unsafe(patch, image.field), image=written)
    return replace(image, field=field, repository=written.repository if is_whole else image.repository)


def _selects(patch: Patch, written: ObjectKey, image: Image) -> bool:
    """By the patch's target where it has one, else by the kind and name of the object that the patch itself shows."""
    kind, name = patch.target if any(patch.target) else (written.kind, written.name)
    return kind in ("", image.workload.kind) and name in ("", image.workload.name)


def _same_place(field: Field, base: Field) -> bool:
    if field.container or base.container:
        return field.container == base.container
    return field.kind is base.kind and field.route[1:] == base.route[1:]


def _unsafe(patch: Patch, field: Field) -> Field:
    written = replace(field.written, span=Span(0, 0, patch.line))
    reason = f"a patch here sets the image of {field.workload}, expected it in a manifest, in images: or in a patch file"
    return replace(field, path=patch.path, written=written, unsafe=reason)
