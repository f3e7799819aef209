"""Which image a site is, where its name alone does not tell: an annotation of its Flux Kustomization.

Law: the choice is made once and stands in git, so that every verb makes it alike. An option on the command line counts for more, what
convention finds for less. A value that can't be read is refused with its line, never passed over.

    bump/image: REPOSITORY [container=NAME]… [field=PATH]         of the site that is named as the Kustomization
    bump/image.SITE: REPOSITORY [container=NAME]… [field=PATH]    of a site of another name, which this Kustomization builds as well;
                                                                  on a ResourceSet of the Kustomization SITE that it makes

A repository is written whole, registry included, without a tag, as it reaches the cluster. `container` is for an image that others
run as well, which shall not move with it; `field`, which comes last, for a field that no table knows.
"""

from bumper.dataclasses import dataclass
from bumper.errors import FieldMissing
from bumper.fluxtree.resource_sets import KIND as RESOURCE_SET
from bumper.fluxtree.sites import annotations
from bumper.image import ImageReference
from bumper.manifest.document import Document
from bumper.request import FieldPath

_WORD = "image"
_CONTAINER = "container="
_FIELD = " field="


@dataclass(frozen=True)
class Adoption:
    """One site's choice. `place` is the file and line where it stands; empty for one that is being made."""

    repository: str
    containers: tuple[str, ...] = ()
    field: FieldPath | None = None
    place: str = ""

    def __str__(self) -> str:
        """The value of the annotation."""
        containers = "".join(f" {_CONTAINER}{name}" for name in self.containers)
        return f"{self.repository}{containers}{f'{_FIELD}{self.field}' if self.field else ''}"


def site_names(document: Document) -> tuple[str, ...]:
    """The sites that a Kustomization's annotations name, in their order: its own name first where it has a choice itself.

    None for a ResourceSet: its annotations name Kustomizations that it makes, each of which has its own name already.
    """
    if document.key.kind == RESOURCE_SET:
        return ()
    known = annotations.read(document)
    own = [document.key.name] if annotations.key(_WORD) in known else []
    return (*own, *filter(None, (annotations.site_of(key, _WORD) for key in known)))


def of_site(document: Document, site: str) -> Adoption | None:
    """The choice for one site; None where convention is left to find it, FieldMissing for a value that is none."""
    key = annotations.key_of(document, _WORD, site)
    value = annotations.read(document).get(key)
    return None if value is None else _read(value, annotations.place(document, key), key)


def apply(content: bytes, document: Document, site: str, adoption: Adoption, path: str = "") -> bytes:
    """The bytes of the document's file with this choice, in place of the one that may be there; as `annotations.write`.

    `path` is the directory that the Kustomization is built from, where its source is pushed from this repository.
    """
    built_from = {annotations.key("path"): path} if path else {}
    return annotations.write(
        content, document, {annotations.key_of(document, _WORD, site): str(adoption), **built_from}
    )


def is_repository(text: str) -> bool:
    """Whether a text can be the repository of a choice: without a tag, a digest, a space, or what Flux takes for a variable."""
    split = ImageReference.split(text)
    return bool(text) and not (split.tag or split.digest or "${" in text or text.split() != [text])


def _read(value: object, place: str, key: str) -> Adoption:
    choice, has_field, path = value.partition(_FIELD) if isinstance(value, str) else ("", "", "")
    field = FieldPath.parse(path.strip())
    repository, *rest = choice.split() or [""]
    containers = tuple(each.removeprefix(_CONTAINER) for each in rest if each.startswith(_CONTAINER))
    is_read = is_repository(repository) and len(rest) == len(containers) and all(containers)
    if not is_read or bool(has_field) != bool(field):
        raise FieldMissing(
            f"{place}: {key} is {value!r}, expected REPOSITORY, behind it container=NAME for each that moves, or field=PATH",
            hint="correct it there, or write it anew: bump adopt SITE --image REPOSITORY",
        )
    return Adoption(repository, containers, field, place)
