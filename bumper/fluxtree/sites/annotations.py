"""What `bump` says of a site in git: annotations of its Flux Kustomization, `bump/WORD` or `bump/WORD.SITE`.

Law: nothing but the annotation changes, to the byte. `bump/WORD` speaks of the site that is named as its Kustomization,
`bump/WORD.SITE` of one with another name, so that each of several sites in one Kustomization has its own. What stands before the
slash and behind it is Kubernetes' to limit: a key has at most 63 letters, digits, '.', '-' and '_' behind its prefix.
Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/#syntax-and-character-set
"""

import re
from collections.abc import Mapping
from typing import Any

from bumper.errors import FieldUnsafe
from bumper.manifest.document import Document, documents, mapping
from bumper.manifest.insertion import Route, remove, set_entry

PREFIX = "bump/"
_ANNOTATIONS = ("metadata", "annotations")
_LONGEST = 63
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


def read(document: Document) -> dict[str, Any]:
    """The annotations of an object; empty where there are none."""
    return mapping(mapping(document.value.get("metadata")).get("annotations"))


def place(document: Document, key: str) -> str:
    """File and line of one annotation, or of the nearest above it that is there."""
    return f"{document.path}:{document.line(*_ANNOTATIONS, key)}"


def key(word: str, site: str = "") -> str:
    """The key of a word for the site of this name, without one for that of the Kustomization; `bump/hold.shop`."""
    return f"{PREFIX}{word}.{site}" if site else f"{PREFIX}{word}"


def key_of(document: Document, word: str, site: str) -> str:
    """The key of a word on this Kustomization that speaks of a site."""
    return key(word, "" if site == document.key.name else site)


def site_of(annotation: str, word: str) -> str:
    """The name of the site in the key of a word; empty for another key, and where it names none."""
    start = f"{PREFIX}{word}."
    return annotation[len(start) :] if annotation.startswith(start) else ""


def write(content: bytes, document: Document, wanted: Mapping[str, str]) -> bytes:
    """The bytes of the document's file with these annotations, and without those whose text is empty.

    `content` may have changed since the document was read, as long as no document came or went. FieldUnsafe for a key that Kubernetes
    would refuse, and as `manifest.insertion`.
    """
    route = (*document.route, *_ANNOTATIONS)
    for name, text in wanted.items():
        if text:
            _require_key(document, name)
            content = set_entry(content, document.path, route, name, text)
    for name, text in wanted.items():
        if not text and name in _standing(content, document.path, document.route):
            content = remove(content, document.path, (*route, name))
    return content


def _standing(content: bytes, path: str, route: Route) -> dict[str, Any]:
    kustomization = next((each for each in documents(content, path) if each.route == route), None)
    return read(kustomization) if kustomization else {}


def is_key(annotation: str) -> bool:
    """Whether Kubernetes takes this key."""
    behind = annotation.removeprefix(PREFIX)
    return len(behind) <= _LONGEST and bool(_NAME.fullmatch(behind))


def _require_key(document: Document, name: str) -> None:
    if not is_key(name):
        raise FieldUnsafe(
            f"{document.path}:{document.line('metadata')}: {name} can't be an annotation, expected at most {_LONGEST} letters, "
            "digits, '.', '-' and '_' behind the slash",
            hint="give the site a shorter name, of letters, digits and '-'",
        )
