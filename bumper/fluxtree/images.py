"""The images of a build, and the field that decides each.

Law: an image is found in the object that reaches the cluster, by the same positions as in a file, and its field is where its tag was
written: in a manifest, a patch, an `images:` entry or a replacement's source. A field that cannot be edited alone says why; so does
that of an object that something may change which is not followed. What is ambiguous is for the caller to refuse.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from bumper import manifest
from bumper.dataclasses import dataclass, replace
from bumper.errors import NotYaml
from bumper.fluxtree import chart_values, immutable
from bumper.fluxtree.build import Build
from bumper.fluxtree.layers import Gap, Reading
from bumper.fluxtree.leaves import Leaf, Origin, Reader, Text, leaf, near_to, origin_of, rivals_of, span_of
from bumper.fluxtree.patches import inside
from bumper.fluxtree.resource import Resource, Route
from bumper.fluxtree.resource_sets import is_resource_set
from bumper.fluxtree.substitution import NAMED, Variables, is_left_alone, last_given, put_in
from bumper.fluxtree.transformers import ImageEntry, split
from bumper.image import ImageReference
from bumper.manifest import Field, FieldKind
from bumper.manifest.candidates import Candidate, Place, candidates, may_name_images
from bumper.manifest.document import items, mapping, plain, text
from bumper.manifest.yamltext import Hit, Mapping, Node, Scalar, Sequence, Span, compose, name_of
from bumper.objects import NO_OBJECT, ObjectKey


@dataclass(frozen=True)
class Image:
    """One image as it reaches the cluster.

    `value` is what stands there, `field` what decides its tag, `route` where it stands in the object. `repository` is what is pulled;
    `written` the repository in the manifest. `workload` has the namespace and name that it gets, empty for an image of a remote base;
    `name` is its name in the manifest, and `path` the manifest. `replicas` is how many pods the build asks for,
    None where the kind has no such number, or nobody has asked for it. `is_elsewhere`: a HelmRelease installs it in another cluster.
    `unsure` says what of the cluster alone may go over its tag.
    """

    field: Field
    repository: str
    written: str
    workload: ObjectKey
    container: str = ""
    name: str = ""
    path: str = ""
    value: str = ""
    route: tuple[str | int, ...] = ()
    replicas: int | None = None
    is_elsewhere: bool = False
    unsure: Gap | None = None

    @property
    def is_init(self) -> bool:
        return "initContainers" in self.route


def images(reading: Reading, built: Build) -> tuple[Image, ...]:
    """The images of a build, those of a remote base last, as far as an `images:` entry names them."""
    known = [image for each in in_cluster(built) for image in images_of(reading, each, built)]
    return (*known, *(_remote(reading, entry) for entry in built.remote))


def in_cluster(built: Build) -> Iterator[Resource]:
    """The objects whose images are those of the build, with all values of charts. A Flux Kustomization has those of its own build."""
    yield from (seen for _, seen in with_values(built))


def with_values(built: Build) -> Iterator[tuple[Resource, Resource]]:
    """The same objects, each as it is built and with all values of charts."""
    for each in built.resources:
        if each.kind not in ("Kustomization", "CustomResourceDefinition") and not is_resource_set(each):
            is_release = each.kind == "HelmRelease" and each.group == chart_values.GROUP
            yield each, chart_values.with_all_values(each, built.resources) if is_release else each


def image_at(reading: Reading, built: Build, resource: Resource, route: Route, repository: str) -> Image:
    """The image in any field of an object; with `repository`, which is that of the image, the field holds the tag alone."""
    known: list[Leaf] = []
    node = _node(resource.value, known, filled_in(resource, built))
    place = Place(node, None, 0, resource.key)
    for step in route:
        node = place.node
        pairs = node.pairs if isinstance(node, Mapping) else ()
        listed = node.items if isinstance(node, Sequence) else ()
        named = {name_of(key): inner for key, inner in pairs}
        place = Place(listed[step] if isinstance(step, int) else named[step], place, step, resource.key)
    scalar, above = place.node, place.parent
    assert isinstance(scalar, Scalar), "a field is a text"
    assert above is not None, "it has a key"
    kind = FieldKind.HELM_TAG if repository else FieldKind.IMAGE
    tag, _, digest = scalar.value.partition("@")
    image = ImageReference(repository, tag, digest) if repository else ImageReference.split(scalar.value)
    hit = Hit(scalar, scalar.start)
    candidate = Candidate(above, kind, hit, image, image.repository, key=str(route[-1]))
    return _kept(_image(reading, resource, candidate, known), immutable.why_kept(resource, built.owner))


def filled_in(resource: Resource, built: Build) -> Variables:
    """The variables that Flux fills into an object: none where it is told not to."""
    known = built.site.variables
    if not known.values:
        known = replace(known, values=mapping(built.owner.at("spec", "postBuild", "substitute")))
    return Variables() if is_left_alone(resource) else known


def images_of(reading: Reading, resource: Resource, built: Build) -> Iterator[Image]:
    """The images of one object."""
    reason = immutable.why_kept(resource, built.owner)
    variables = filled_in(resource, built)
    seen: set[Route] = set()
    for value in (resource.value, *_values_of_patches(reading, resource)):
        if not may_name_images(value):
            continue
        known: list[Leaf] = []
        root = _node(value, known, variables)
        for candidate in candidates([(0, root)]):
            seen.add(candidate.route[1:])
            image = _image(reading, resource, candidate, known)
            yield _kept(image if is_left_alone(resource) else _with_way_to_value(image, built), reason)
    for spec in built.image_specs:
        for route in dict.fromkeys(spec.routes(resource)):
            if route not in seen:
                yield image_at(reading, built, resource, route, "")


def _with_way_to_value(image: Image, built: Build) -> Image:
    """The image with what to do where nothing in git sets the variable that decides its tag."""
    written = image.field.image
    variable = NAMED.search(written.tag or written.repository)
    if not (image.field.unsafe and written.tag_is_variable and variable) or image.field.remedy:
        return image
    owner = built.owner
    remedy = (
        f"give {variable['name']} its value in spec.postBuild.substitute of Kustomization {owner.name} "
        f"({owner.path}:{owner.line()}), where it is edited from then on"
    )
    return replace(image, field=replace(image.field, remedy=remedy))


def _kept(image: Image, reason: str) -> Image:
    """The image as one that stays as it is, where there is a reason."""
    if not reason or image.field.unsafe:
        return image
    return replace(image, field=replace(image.field, unsafe=reason, remedy=immutable.REMEDY))


def _values_of_patches(reading: Reading, resource: Resource) -> Iterator[Any]:
    """What stands in the patches of a HelmRelease's post-renderers, which are texts of the object."""
    for renderer in map(mapping, items(resource.at("spec", "postRenderers"))):
        kustomize = mapping(renderer.get("kustomize"))
        for entry in [*items(kustomize.get("patches")), *items(kustomize.get("patchesStrategicMerge"))]:
            written = mapping(entry).get("patch") if isinstance(entry, dict) else entry
            if isinstance(written, Leaf) and origin_of(written):
                yield from reading.once(("texts", written.origin), partial(_values_inside, written))


def _values_inside(written: Leaf) -> list[Any]:
    content = inside(written, 1)
    try:
        source = compose(content.content, content.path)
    except NotYaml:
        return []
    return [plain(root, Reader(content)) for root in source.documents]


def _image(reading: Reading, resource: Resource, candidate: Candidate, known: list[Leaf]) -> Image:
    decided = known[candidate.hit.scalar.ordinal]
    field = _field(reading, decided, candidate)
    digest = known[candidate.digest.scalar.ordinal] if candidate.digest else None
    if digest is not None and not field.unsafe and not _is_beside(digest, decided):
        field = replace(field, unsafe="its digest stands in another file, expected it beside the tag")
    rivals = [rival for each in (decided, digest) if each is not None for rival in rivals_of(each)]
    rival = next(iter(sorted(rivals, key=lambda rival: not rival.forbids)), None)
    if rival and rival.forbids and not field.unsafe:
        field = replace(field, unsafe=str(rival), remedy=rival.remedy)
    if resource.doubts:
        field = _doubtful(field, resource.doubts[0])
    return Image(
        field,
        candidate.rendered,
        _written(reading, resource, candidate),
        resource.key,
        candidate.container,
        text(mapping(resource.document.value.get("metadata")).get("name")),
        resource.path,
        str(candidate.image),
        candidate.route[1:],
        is_elsewhere=resource.kind == "HelmRelease" and bool(resource.at("spec", "kubeConfig")),
        unsure=rival and Gap(rival.path, rival.line, f"{rival}: to settle it, {rival.remedy}"),
    )


def _is_beside(digest: Leaf, decided: Leaf) -> bool:
    first, second = origin_of(digest), origin_of(decided)
    return first is not None and second is not None and first.text is second.text


def _field(reading: Reading, decided: Leaf, candidate: Candidate) -> Field:
    """The field that decides an image; `decided` is its scalar, or that of its tag."""
    kind = candidate.kind
    while decided.decider is not None:
        decided, kind = decided.decider, FieldKind.NEW_TAG
    origin = origin_of(decided)
    if origin is None:
        return _nowhere(candidate, near_to(decided))
    field = _known(reading, origin, kind, candidate)
    if field is None and kind is not candidate.kind and split(decided)[1]:
        kind = candidate.kind  # a replacement took the tag out of a whole image
        field = _known(reading, origin, kind, candidate)
    return field or _new(origin, kind, decided, candidate)


def _known(reading: Reading, origin: Origin, kind: FieldKind, candidate: Candidate) -> Field | None:
    """The field as its own file shows it: with every reason why it can't be edited."""
    matching = [
        field for field in _fields(reading, origin.text) if _holds(field, origin) and field.kind is kind
    ]
    unsafe = [field for field in matching if field.unsafe]
    named = [field for field in matching if field.container == candidate.container]
    return next(iter([*unsafe, *named, *matching]), None)


def _holds(field: Field, origin: Origin) -> bool:
    return field.written.scalar.ordinal == origin.ordinal


def _fields(reading: Reading, content: Text) -> tuple[Field, ...]:
    fields: tuple[Field, ...] = reading.once(("fields", content), lambda: _all_fields(content))
    return fields


def _all_fields(content: Text) -> tuple[Field, ...]:
    if content.block:
        return manifest.fields_inside(content.block, content.path)
    fields = manifest.own_fields(content.content, content.path)
    return (
        tuple(manifest.fixed(field, content.fixed, content.line) for field in fields)
        if content.fixed
        else fields
    )


def _new(origin: Origin, kind: FieldKind, decided: Leaf, candidate: Candidate) -> Field:
    """The field that a scalar is of which its file alone does not show that it holds an image: of a JSON patch, say."""
    content = origin.text
    stands = (
        ImageReference.split(decided) if kind is FieldKind.IMAGE else candidate.image.with_tag(str(decided))
    )
    field = manifest.field_of(
        content.content, content.path, origin.ordinal, kind, stands, candidate.container, content.block
    )
    return manifest.fixed(field, content.fixed, content.line) if content.fixed else field


def _doubtful(field: Field, doubt: Gap) -> Field:
    written = replace(field.written, span=Span(0, 0, doubt.line))
    return replace(field, path=doubt.path, written=written, digest=None, unsafe=doubt.message)


def _nowhere(candidate: Candidate, near: Origin | None) -> Field:
    """A field that cannot be edited, at the scalar that the tag is taken out of."""
    reason = "the tag is a part of a longer text here, or put together of several, expected it in a text of its own"
    line = span_of(near).line if near else 0
    place = candidate.place
    return Field(
        near.text.path if near else "",
        candidate.kind,
        place.route,
        candidate.image,
        candidate.rendered,
        candidate.container,
        place.workload,
        manifest.Written(Span(0, 0, line), candidate.hit.scalar),
        None,
        reason,
    )


def _remote(reading: Reading, entry: ImageEntry) -> Image:
    decider = entry.decider
    origin = origin_of(decider)
    assert decider is not None, "an entry that only renames names no image"
    assert origin is not None, "an entry is written"
    repository = entry.new_name or entry.name
    field = next(
        field
        for field in _fields(reading, origin.text)
        if _holds(field, origin) and field.kind is FieldKind.NEW_TAG
    )
    return Image(field, repository, entry.name, NO_OBJECT)


def _written(reading: Reading, resource: Resource, candidate: Candidate) -> str:
    """The repository of the image before every overlay; empty where it was not there."""
    if resource.root:
        return ""
    route = candidate.route[1:]
    own = [
        field
        for field in _fields(reading, reading.file(resource.path))
        if field.route[: len(resource.document.route)] == resource.document.route
    ]
    same = [field for field in own if field.container == candidate.container and field.container]
    same += [field for field in own if field.route[len(resource.document.route) :] == route]
    return same[0].image.repository if same else ""


def _node(value: Any, known: list[Leaf], variables: Variables) -> Node:
    """A value as the nodes that a file would have; `known` gets its scalars, by their ordinal."""
    if isinstance(value, dict):
        mapped = Mapping(0)
        for key, inner in value.items():
            mapped.items += [_scalar(leaf(str(key)), known, is_key=True), _node(inner, known, variables)]
        return mapped
    if isinstance(value, list):
        listed = Sequence(0)
        listed.items += [_node(inner, known, variables) for inner in value]
        return listed
    text = value if isinstance(value, Leaf) else leaf("" if value is None else str(value))
    return _scalar(_substituted(text, variables) if "$" in text else text, known)


def _substituted(value: Leaf, variables: Variables) -> Leaf:
    """The text after Flux's substitution; the variable that is its tag, or all of it, decides."""
    last = last_given(value, variables)
    if last is None or not isinstance(given := variables.values[last["name"]], Leaf):
        return value
    new = put_in(value, variables)
    before = value[: last.start()]
    is_tag = last.end() == len(value) and (not before or before.endswith(":"))
    if is_tag:
        return leaf(new, value.origin, decider=given.decider or given, rival=given.rival or value.rival)
    if "${" in "".join(split(value)[1:]):
        return leaf(new, near=near_to(given))
    return leaf(new, value.origin, decider=value.decider, rival=value.rival)


def _scalar(value: Leaf, known: list[Leaf], *, is_key: bool = False) -> Scalar:
    known.append(value)
    return Scalar(0, 0, value, "" if value.is_null else "'", "", len(known) - 1, is_key)
