"""The images that a platform tree names with a tag: what its registry must hold. Pure.

Law: too many is harmless, too few is a node that waits. A file that is no YAML names none: Flux, not the seeding, says what is wrong
with it. Written apart from `bumper.manifest`, which must be right to the byte.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bumper.image import ImageReference
from bumper_sandbox.flux.documents import DuplicateKey, Malformed, parse

_MANIFESTS = (".yaml", ".yml", ".json")
# Without one of them nothing names an image, as `_of_mapping` reads it.
_WORDS = (b"image", b"newTag", b"repository")


def images(files: Mapping[str, bytes]) -> set[ImageReference]:
    """Every image of every file."""
    named = {text for value in mentioning(files, *_WORDS) for text in _texts(value)}
    references = (ImageReference.parse(text) for text in named)
    return {reference for reference in references if reference and reference.tag}


def mentioning(files: Mapping[str, bytes], *names: bytes) -> Iterator[Any]:
    """The documents of the manifests in which one of these words stands: to read a large repository whole takes a minute."""
    for path, content in files.items():
        if path.endswith(_MANIFESTS) and any(name in content for name in names):
            yield from values(content)


def values(content: bytes) -> list[Any]:
    """The YAML documents of a file, none where it is not YAML."""
    try:
        return parse(content)
    except (Malformed, DuplicateKey):
        return []


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from _of_mapping(value)
        yield from _of_each(value.values())
    elif isinstance(value, list):
        yield from _of_each(value)


def _of_each(inner: Iterable[Any]) -> Iterator[str]:
    for value in inner:
        yield from _texts(value)


def _of_mapping(mapping: Mapping[str, Any]) -> Iterator[str]:
    """A container or a chart's one-line value; an entry of kustomize's `images`; a chart's value in two or three lines."""
    if isinstance(mapping.get("image"), str):
        yield mapping["image"]
    if "newTag" in mapping:
        yield f"{mapping.get('newName') or mapping.get('name')}:{mapping['newTag']}"
    if "repository" in mapping and "tag" in mapping:
        host = f"{mapping['registry']}/" if mapping.get("registry") else ""
        yield f"{host}{mapping['repository']}:{mapping['tag']}"
