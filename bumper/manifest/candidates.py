"""What a YAML file says of images, before it is known whether it can be edited.

Law: found by the positions of YAML nodes alone, in the order of the file, in linear time. An image stands
- in `image` of an entry of `containers`, `initContainers` or `ephemeralContainers`, at any depth of any kind;
- in `image.reference` of an entry of `volumes` (an image volume), at any depth of any kind;
- in the fields of custom resources that `custom_resources` lists;
- in `newTag` (and `digest`) of an entry of `images`, as kustomize, Flux's Kustomization and a HelmRelease's
  post-renderer have it;
- in the `value` of an operation of a JSON patch (RFC 6902) whose path leads to one of these;
- in Helm values (`values` of a HelmRelease, or a file that is no Kubernetes object) in an `image` that is text, and in
  `tag` (and `digest`) beside `repository` (or beside an `image` without a tag).
Texts in ConfigMaps, annotations, labels, environment variables and schemas are none of these.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple

from bumper.image import ImageReference
from bumper.manifest import custom_resources
from bumper.manifest.yamltext import (
    Alias,
    Hit,
    Mapping,
    Node,
    Scalar,
    Sequence,
    lookup,
    name_of,
    resolved,
)
from bumper.objects import NO_OBJECT, ObjectKey

_CONTAINERS = frozenset({"containers", "initContainers", "ephemeralContainers"})
_VALUES = frozenset({"values", "valuesObject", "valuesInline"})  # of Flux and Fleet, of Argo CD, of kustomize
_TAGS_APART = ("imageTag", "image_tag", "imageVersion")  # beside an `image` without a tag, in older charts
# What decides the tag of an untagged image that a chart puts together, beside it or above it.
_VERSION = r"(?i)(?:image|app|default|chart|release)?[_-]?(?:tag|version)"
# The keys below which an image may stand, in an object of a kind without image fields of its own.
_TELLING = _CONTAINERS | _VALUES | {"volumes", "images"}
_OPERATIONS = frozenset({"add", "replace"})
# The root of each document, with its index in the file.
Roots = Iterable[tuple[int, Node]]
_FREE_TEXT = ("annotations", "labels", "env")  # how keys of Helm values end under which any key may stand


class FieldKind(StrEnum):
    """Where an image stands; the value is the key of the field."""

    IMAGE = "image"
    NEW_TAG = "newTag"
    HELM_TAG = "tag"


class Place:
    """A node on the way down. `key` is the key that it stands under, `list_key` that of the list that it is an entry of.

    Inherited, until something on the way says otherwise: `in_values`; `paths`, which lead from here to the image fields of the custom
    resource that it is a part of; `version`, a key above it that a chart or an operator may take for the tag; `through`, the alias
    that leads here; `unsafe`, why nothing below can be edited.
    """

    in_values: bool
    paths: tuple[custom_resources.Path, ...]
    version: str
    through: str
    unsafe: str

    def __init__(
        self,
        node: Node,
        parent: "Place | None",
        step: str | int,
        workload: ObjectKey,
        key: str = "",
        list_key: str = "",
    ) -> None:
        self.node, self.parent, self.step, self.workload = node, parent, step, workload
        self.key, self.list_key = key, list_key
        self.in_values = parent.in_values if parent else False
        self.paths = custom_resources.below(parent.paths, step) if parent and parent.paths else ()
        self.version = parent.version if parent else ""
        self.through = parent.through if parent else ""
        self.unsafe = parent.unsafe if parent else ""

    @property
    def route(self) -> tuple[str | int, ...]:
        """The keys and indexes from the root; the first is the index of the document."""
        steps: list[str | int] = []
        place: Place | None = self
        while place:
            steps.append(place.step)
            place = place.parent
        return tuple(reversed(steps))


class Candidate(NamedTuple):
    """One image in one mapping. `hit` is the scalar under `key` that names it, or its tag; `digest` the scalar that pins the tag."""

    place: Place
    kind: FieldKind
    hit: Hit
    image: ImageReference
    rendered: str
    container: str = ""
    digest: Hit | None = None
    unsafe: str = ""
    key: str = ""

    @property
    def route(self) -> tuple[str | int, ...]:
        """The keys and indexes from the root to the field."""
        return (*self.place.route, self.key or self.kind.value)

    @property
    def hits(self) -> tuple[Hit, ...]:
        """The scalars that an edit would change."""
        return (self.hit, self.digest) if self.digest else (self.hit,)


def candidates(roots: Roots) -> Iterator[Candidate]:
    """Every image that the documents name, in order."""
    for place, mapping in _mappings(roots):
        if place.list_key in _CONTAINERS:
            yield from _image_text(place, mapping, container=_text(mapping, "name"))
        elif _is_image_volume(place):
            yield from _image_text(place, mapping, "reference")
        elif place.list_key == "images" and any(
            lookup(mapping, key) for key in ("newTag", "newName", "digest")
        ):
            yield from _kustomize_entry(place, mapping)
        elif keys := [path[0] for path in place.paths if len(path) == 1]:
            for key in keys:
                yield from _custom_field(place, mapping, key)
        elif place.in_values:
            yield from _helm_values(place, mapping)
        elif place.key == "" and _step_of_operation(mapping) == "image":
            yield from _image_text(place, mapping, "value")


@cache
def telling_words() -> tuple[str, ...]:
    """Words of which one is read in every document that has candidates, or a text that holds a patch."""
    others = (entry.group for entry in custom_resources.ENTRIES if not all(map(_tells, entry.paths)))
    return ("image", "Image", "repository", "patch", *dict.fromkeys(others))


def _tells(path: str) -> bool:
    return "image" in path or "Image" in path


def may_name_images(value: Any) -> bool:
    """Whether a value can have candidates at all, by its keys alone: most objects of a tree have none of these."""
    if not (isinstance(value, dict) and "kind" in value):
        return True  # values of a chart, an operation of a patch
    waiting: list[Any] = [value]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, list):
            waiting += [each for each in inner if isinstance(each, dict | list)]
            continue
        if not _TELLING.isdisjoint(inner) or ("value" in inner and "path" in inner):
            return True
        kind = inner.get("kind")
        if isinstance(kind, str) and (kind in custom_resources.kinds() or "${" in kind):
            return True
        waiting += [each for each in inner.values() if isinstance(each, dict | list)]
    return False


def patch_texts(roots: Roots) -> Iterator[Scalar]:
    """Every text of the documents that holds a patch, of a kustomization, a Flux Kustomization or a post-renderer of a HelmRelease."""
    for place, mapping in _mappings(roots):
        if place.list_key in ("patches", "patchesJson6902"):
            yield from (hit.scalar for hit in lookup(mapping, "patch"))
        for key, node in mapping.pairs:
            if name_of(key) == "patchesStrategicMerge" and isinstance(node, Sequence):
                yield from (item for item in node.items if isinstance(item, Scalar) and "\n" in item.value)


def _mappings(roots: Roots) -> Iterator[tuple[Place, Mapping]]:
    """Every mapping, in order. What aliases stand for is entered once more, however many there are: the work stays linear."""
    stack = [Place(root, None, at, NO_OBJECT) for at, root in roots][::-1]
    entered = set()
    while stack:
        place = stack.pop()
        if isinstance(place.node, Alias):
            place.through = place.through or f"the alias *{place.node.name}"
            place.node = place.node.target
            visit = (id(place.node), place.list_key, place.in_values)
            if visit in entered:
                continue
            entered.add(visit)
        if isinstance(place.node, Mapping):
            _enter(place, place.node)
            yield place, place.node
            stack.extend(reversed(list(_below_mapping(place, place.node))))
        elif isinstance(place.node, Sequence):
            stack.extend(reversed(list(_below_sequence(place, place.node))))


def _enter(place: Place, mapping: Mapping) -> None:
    """Notes the Kubernetes object that begins here, or that the document is none and so holds Helm values."""
    names = mapping.names
    if place.parent is None and "kind" not in names and "apiVersion" not in names:
        place.in_values = True
    elif "kind" in names and (place.parent is None or "metadata" in names):
        metadata = next((resolved(node) for key, node in mapping.pairs if name_of(key) == "metadata"), None)
        name, namespace = (
            _text(metadata, key) if isinstance(metadata, Mapping) else "" for key in ("name", "namespace")
        )
        place.workload = ObjectKey(_text(mapping, "kind"), namespace, name)
        group, slash, _ = _text(mapping, "apiVersion").rpartition("/")
        place.paths = custom_resources.image_paths(group if slash else "", place.workload.kind)


def _below_mapping(place: Place, mapping: Mapping) -> Iterator[Place]:
    names = mapping.names
    count = Counter(names) if len(set(names)) < len(names) else {}
    # The same for all that is below, and looked for among all keys.
    version: str | None = None
    for name, node in zip(names, mapping.items[1::2], strict=True):
        if isinstance(node, Scalar):
            continue
        below = Place(node, place, name, place.workload, key=name)
        if count.get(name, 0) > 1:
            below.unsafe = (
                f"the key {name}, on the way to this image, stands twice in the same mapping, expected once"
            )
        if name in _VALUES:
            below.in_values = True
        elif below.in_values and name.lower().endswith(_FREE_TEXT):
            below.in_values = False
        if below.in_values or below.paths:
            version = _version(mapping) if version is None else version
            below.version = version or place.version
        if name == "value" and (written := _text(mapping, "path")):
            _as_target(below, written)
        yield below


def _as_target(value: Place, path: str) -> None:
    """Has the value of an operation of a JSON patch stand where its path leads."""
    steps = path.split("/")
    is_entry = steps[-1] == "-" or steps[-1].isdigit()
    value.key, value.list_key = ("", steps[-2]) if is_entry and len(steps) > 1 else (steps[-1], "")
    value.in_values = not _VALUES.isdisjoint(steps)
    if value.key == "values":
        value.in_values = True


def _step_of_operation(mapping: Mapping) -> str:
    """The last step of the path of an operation of a JSON patch that sets something; empty for any other mapping."""
    return _text(mapping, "path").rpartition("/")[2] if _text(mapping, "op") in _OPERATIONS else ""


def _version(mapping: Mapping) -> str:
    """The key of a mapping that a chart may take for the tag of an image below."""
    return next((name for name in mapping.names if re.fullmatch(_VERSION, name) and _text(mapping, name)), "")


def _below_sequence(place: Place, sequence: Sequence) -> Iterator[Place]:
    for at, item in enumerate(sequence.items):
        if not isinstance(item, Scalar):
            yield Place(item, place, at, place.workload, list_key=place.key)


def _is_image_volume(place: Place) -> bool:
    """Whether it is the `image` of an entry of `volumes` (core/v1 ImageVolumeSource, Kubernetes 1.31)."""
    return place.key == "image" and place.parent is not None and place.parent.list_key == "volumes"


def _image_text(
    place: Place, mapping: Mapping, key: str = "image", *, container: str = ""
) -> Iterator[Candidate]:
    for hit in lookup(mapping, key):
        if hit.scalar.text:
            image = ImageReference.split(hit.scalar.text)
            yield Candidate(place, FieldKind.IMAGE, hit, image, image.repository, container, key=key)


def _custom_field(place: Place, mapping: Mapping, key: str) -> Iterator[Candidate]:
    """The image field of a custom resource: a tag beside its repository, or the whole reference."""
    if key == FieldKind.HELM_TAG:
        if repository := _text(mapping, "repository"):
            yield from _tag_alone(place, mapping, FieldKind.HELM_TAG, repository, repository)
    # A version alone is none, where a kind takes either.
    elif key != "version" or "/" in _text(mapping, key):
        apart = _version(mapping) or place.version
        for candidate in _image_text(place, mapping, key):
            is_joined = apart and not (candidate.image.tag or candidate.image.digest)
            yield candidate._replace(unsafe=_why_untagged(apart)) if is_joined else candidate


def _kustomize_entry(place: Place, mapping: Mapping) -> Iterator[Candidate]:
    """An entry with `name`, `newName`, `newTag`, `digest` (sigs.k8s.io/kustomize/api/types/image.go)."""
    if name := _text(mapping, "name"):
        rendered = _text(mapping, "newName") or name
        yield from _tag_alone(place, mapping, FieldKind.NEW_TAG, name, rendered)


def _helm_values(place: Place, mapping: Mapping) -> Iterator[Candidate]:
    """The two conventions of charts: the image as one text, or a tag beside the name that it belongs to."""
    registry, repository, image = (_text(mapping, key) for key in ("registry", "repository", "image"))
    has_tag = lookup(mapping, "tag") or _text(mapping, "digest")
    if has_tag and (repository or image) and not ImageReference.split(image).tag:
        rendered = "/".join(filter(None, (registry, repository, image)))
        yield from _tag_alone(place, mapping, FieldKind.HELM_TAG, repository or image, rendered)
    else:
        apart = next((key for key in _TAGS_APART if _text(mapping, key)), "")
        apart = apart or _version(mapping) or place.version
        for candidate in _image_text(place, mapping):
            # The chart may join the two: a tag appended to the image would make it name:new:old.
            is_untagged = not (candidate.image.tag or candidate.image.digest)
            yield candidate._replace(unsafe=_why_untagged(apart)) if is_untagged else candidate


def _why_untagged(apart: str) -> str:
    if apart:
        return f"its tag stands in {apart}, expected it in the image"
    return "it has no tag, and the chart may add one of its own, expected the tag in the image"


def _tag_alone(
    place: Place, mapping: Mapping, kind: FieldKind, name: str, rendered: str
) -> Iterator[Candidate]:
    digest = next((hit for hit in lookup(mapping, "digest") if hit.scalar.text), None)
    separate = digest.scalar.text if digest else ""
    tags = lookup(mapping, kind.value)
    for hit in tags:
        tag, _, inside = hit.scalar.text.partition("@")
        image = ImageReference(name, tag, inside or separate)
        pinned = kind is FieldKind.HELM_TAG and _text(mapping, "sha")
        unsafe = "the tag is pinned by sha beside it, which would win over a new tag" if pinned else ""
        yield Candidate(place, kind, hit, image, rendered, digest=digest, unsafe=unsafe)
    if not tags:
        hit = digest or lookup(mapping, "name")[0]
        unsafe = f"{name} has no {kind.value} here, expected one to change"
        yield Candidate(place, kind, hit, ImageReference(name, "", separate), rendered, unsafe=unsafe)


def _text(mapping: Mapping, key: str) -> str:
    return next((hit.scalar.text for hit in lookup(mapping, key)), "")
