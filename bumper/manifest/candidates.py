"""What a YAML file says of images, before it is known whether it can be edited.

Law: found by the positions of YAML nodes alone, in the order of the file, in linear time. An image stands
- in `image` of an entry of `containers`, `initContainers` or `ephemeralContainers`, at any depth of any kind;
- in `newTag` (and `digest`) of an entry of `images`, as kustomize, Flux's Kustomization and a HelmRelease's
  post-renderer have it;
- in Helm values (`values` of a HelmRelease, or a file that is no Kubernetes object) in an `image` that is text, and in
  `tag` (and `digest`) beside `repository` (or beside an `image` without a tag).
Texts in ConfigMaps, annotations, labels, environment variables and schemas are none of these.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from bumper.image import ImageReference
from bumper.manifest.yamltext import (
    Alias,
    Hit,
    Mapping,
    Node,
    Scalar,
    Sequence,
    Source,
    lookup,
    name_of,
    resolved,
)
from bumper.objects import ObjectKey

_CONTAINERS = frozenset({"containers", "initContainers", "ephemeralContainers"})
_VALUES = frozenset({"values", "valuesObject", "valuesInline"})  # of Flux and Fleet, of Argo CD, of kustomize
_TAGS_APART = ("imageTag", "image_tag", "imageVersion")  # beside an `image` without a tag, in older charts
_FREE_TEXT = ("annotations", "labels", "env")  # how keys of Helm values end under which any key may stand


class FieldKind(StrEnum):
    """Where an image stands; the value is the key of the field."""

    IMAGE = "image"
    NEW_TAG = "newTag"
    HELM_TAG = "tag"


@dataclass(slots=True)
class Place:
    """A node on the way down. `list_key` is the key of the list that it is an entry of.

    `through` (the alias that leads here) and `unsafe` (why nothing below can be edited) are inherited.
    """

    node: Node
    parent: "Place | None"
    step: str | int
    workload: ObjectKey
    list_key: str = ""
    in_values: bool = False
    through: str = ""
    unsafe: str = ""

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
    """One image in one mapping. `hit` is the scalar that names it, or its tag; `digest` the separate scalar that pins the tag."""

    place: Place
    kind: FieldKind
    hit: Hit
    image: ImageReference
    rendered: str
    container: str = ""
    digest: Hit | None = None
    unsafe: str = ""

    @property
    def hits(self) -> tuple[Hit, ...]:
        """The scalars that an edit would change."""
        return (self.hit, self.digest) if self.digest else (self.hit,)


def candidates(source: Source) -> Iterator[Candidate]:
    """Every image that the file names, in order."""
    for place, mapping in _mappings(source):
        if place.list_key in _CONTAINERS:
            yield from _image_text(place, mapping, _text(mapping, "name"))
        elif place.list_key == "images" and any(
            lookup(mapping, key) for key in ("newTag", "newName", "digest")
        ):
            yield from _kustomize_entry(place, mapping)
        elif place.in_values:
            yield from _helm_values(place, mapping)


def _mappings(source: Source) -> Iterator[tuple[Place, Mapping]]:
    """Every mapping, in order. What aliases stand for is entered once more, however many there are: the work stays linear."""
    nowhere = ObjectKey("", "", "")
    stack = [Place(root, None, at, nowhere) for at, root in enumerate(source.documents)][::-1]
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
            names = [name_of(key) for key, _ in place.node.pairs]
            _enter(place, place.node, names)
            yield place, place.node
            stack.extend(reversed(list(_below_mapping(place, place.node, names))))
        elif isinstance(place.node, Sequence):
            stack.extend(reversed(list(_below_sequence(place, place.node))))


def _enter(place: Place, mapping: Mapping, names: list[str]) -> None:
    """Notes the Kubernetes object that begins here, or that the document is none and so holds Helm values."""
    if place.parent is None and "kind" not in names and "apiVersion" not in names:
        place.in_values = True
    elif "kind" in names and (place.parent is None or "metadata" in names):
        metadata = next((resolved(node) for key, node in mapping.pairs if name_of(key) == "metadata"), None)
        name, namespace = (
            _text(metadata, key) if isinstance(metadata, Mapping) else "" for key in ("name", "namespace")
        )
        place.workload = ObjectKey(_text(mapping, "kind"), namespace, name)


def _below_mapping(place: Place, mapping: Mapping, names: list[str]) -> Iterator[Place]:
    count = Counter(names) if len(set(names)) < len(names) else {}
    for name, (_, node) in zip(names, mapping.pairs, strict=True):
        if isinstance(node, Scalar):
            continue
        below = _below(place, name, node)
        if count.get(name, 0) > 1:
            below.unsafe = (
                f"the key {name}, on the way to this image, stands twice in the same mapping, expected once"
            )
        if name in _VALUES:
            below.in_values = True
        elif below.in_values and name.lower().endswith(_FREE_TEXT):
            below.in_values = False
        yield below


def _below_sequence(place: Place, sequence: Sequence) -> Iterator[Place]:
    for at, item in enumerate(sequence.items):
        if not isinstance(item, Scalar):
            yield _below(place, at, item, str(place.step))


def _below(place: Place, step: str | int, node: Node, list_key: str = "") -> Place:
    return Place(node, place, step, place.workload, list_key, place.in_values, place.through, place.unsafe)


def _image_text(place: Place, mapping: Mapping, container: str = "") -> Iterator[Candidate]:
    for hit in lookup(mapping, "image"):
        if hit.scalar.text:
            image = ImageReference.split(hit.scalar.text)
            yield Candidate(place, FieldKind.IMAGE, hit, image, image.repository, container)


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
        for candidate in _image_text(place, mapping):
            # The chart joins the two: a tag appended to the image would make it name:new:old.
            is_split = apart and not (candidate.image.tag or candidate.image.digest)
            yield (
                candidate._replace(unsafe=f"its tag stands in {apart}, expected it in the image")
                if is_split
                else candidate
            )


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
