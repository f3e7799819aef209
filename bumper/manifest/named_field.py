"""The fields that a caller names by their path, in the objects of a file, where no table knows that they hold an image."""

from collections.abc import Iterator
from typing import Any

from bumper.image import ImageReference
from bumper.manifest.candidates import FieldKind
from bumper.manifest.document import Document, below, documents, mapping, text
from bumper.manifest.image_fields import Field, field_of
from bumper.request import FieldPath

# A key that ends so holds a tag alone; any other one the whole reference.
_TAGS = ("tag", "version")


def is_tag_alone(path: FieldPath, written: str) -> bool:
    """Whether a field holds a tag without its repository."""
    is_named_so = str(path.steps[-1]).lower().endswith(_TAGS)
    return is_named_so and "/" not in written and ":" not in written.partition("@")[0]


def repository_beside(values: dict[str, Any]) -> str:
    """The repository that is written beside a tag; empty where there is none."""
    name = text(values.get("repository")) or text(values.get("image"))
    return "/".join(filter(None, (text(values.get("registry")), name))) if name else ""


def named_fields(content: bytes, path: str, wanted: FieldPath, repository: str) -> tuple[Field, ...]:
    """The fields of a file that the path leads to; `repository` is that of a tag which has none beside it."""
    return tuple(
        field
        for document in documents(content, path)
        if wanted.kind in ("", document.key.kind) and wanted.name in ("", document.key.name)
        for field in _field_in(content, document, wanted, repository)
    )


def _field_in(content: bytes, document: Document, wanted: FieldPath, repository: str) -> Iterator[Field]:
    written = text(below(document.value, *wanted.steps))
    if not written:
        return
    kind, image = FieldKind.IMAGE, ImageReference.split(written)
    if is_tag_alone(wanted, written):
        beside = repository_beside(mapping(below(document.value, *wanted.steps[:-1])))
        tag, _, digest = written.partition("@")
        kind, image = FieldKind.HELM_TAG, ImageReference(beside or repository, tag, digest)
    ordinal = int(below(document.read(lambda scalar: str(scalar.ordinal)), *wanted.steps))
    yield field_of(content, document.path, ordinal, kind, image)
