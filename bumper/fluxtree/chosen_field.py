"""The field that a caller names by its path, where no table knows that it holds an image.

Law: it is looked for in the objects as they are built, and edited where its text is written, as any other field. One object has it,
or the path is refused with those that do.
"""

from collections.abc import Iterator
from typing import Any, NoReturn

from bumper.errors import FieldAmbiguous, FieldMissing
from bumper.fluxtree.build import Build
from bumper.fluxtree.images import Image, image_at, in_cluster
from bumper.fluxtree.layers import Reading
from bumper.fluxtree.resource import Resource, Route, scalars
from bumper.image import ImageReference
from bumper.manifest.document import below, mapping, text
from bumper.manifest.named_field import is_tag_alone, repository_beside
from bumper.request import FieldPath

_MOST_LISTED = 8
# What stands below these may name an image, and pulls none.
_NEVER = frozenset(["annotations", "args", "command", "data", "env", "labels", "stringData"])


def image(reading: Reading, built: Build, path: FieldPath, repository: str) -> Image:
    """The image in that field; `repository` is that of a field which holds a tag alone, and has none beside it.

    FieldMissing or FieldAmbiguous where that is not one field.
    """
    holders = [each for each in _named(built, path) if text(each.at(*path.steps))]
    if not holders:
        _refuse_missing(built, path)
    if len(holders) > 1:
        listed = ", ".join(_place(each, path) for each in holders[:_MOST_LISTED])
        raise FieldAmbiguous(
            f"--field {path}: {len(holders)} objects have it: {listed}",
            hint=f"name one of them: --field {_full(holders[0], path)}",
        )
    written = text(holders[0].at(*path.steps))
    beside = mapping(below(holders[0].value, *path.steps[:-1]) if len(path.steps) > 1 else {})
    if not is_tag_alone(path, written):
        return image_at(reading, built, holders[0], path.steps, "")
    if not (known := repository or repository_beside(beside)):
        raise FieldMissing(
            f"{_place(holders[0], path)}: {written} is a tag alone, and of which image is not written beside it",
            hint="name the repository that the chart or the operator joins it to: --image REPOSITORY",
        )
    return image_at(reading, built, holders[0], path.steps, known)


def _named(built: Build, path: FieldPath) -> Iterator[Resource]:
    for each in in_cluster(built):
        if path.kind in ("", each.kind) and path.name in ("", *each.names):
            yield each


def _refuse_missing(built: Build, path: FieldPath) -> NoReturn:
    named = list(_named(built, path))
    if path.kind and named:
        known = named[0]
        deepest = next(at for at in range(len(path.steps), -1, -1) if known.at(*path.steps[:at]) is not None)
        above = FieldPath(path.steps[:deepest]) if deepest else "the object"
        keys = _what_is_in(known.at(*path.steps[:deepest]))
        raise FieldMissing(
            f"{known.path}:{known.line(*path.steps)}: {known} has no text at {FieldPath(path.steps)} (found in {above}: {keys})",
            hint="write the path from the root of the object, as it is built",
        )
    there = ", ".join(dict.fromkeys(f"{each.kind}/{each.name}" for each in in_cluster(built))) or "no object"
    raise FieldMissing(
        f"--field {path}: no object of Kustomization {built.name} has it (found: {there})",
        hint="write the path from the root of the object: --field Kind/name:spec.image",
    )


def _what_is_in(value: Any) -> str:
    if isinstance(value, list):
        return f"a list whose last index is [{len(value) - 1}]" if value else "an empty list"
    if isinstance(value, str):
        return "a text"
    return ", ".join(list(mapping(value))[:_MOST_LISTED]) or "no keys"


def _full(resource: Resource, path: FieldPath) -> FieldPath:
    return FieldPath(path.steps, resource.kind, resource.name)


def _place(resource: Resource, path: FieldPath) -> str:
    return f"{resource.path}:{resource.line(*path.steps)} {_full(resource, path)}"


def advice(built: Build, name: str, repository: str) -> tuple[str, str]:
    """What looks like the image that was asked for, or like its tag alone, and the options that make it the field; may be empty."""
    for each in in_cluster(built):
        for route, written in scalars(each.value):
            if not isinstance(written, str) or not _NEVER.isdisjoint(route[:-1]):
                continue
            path = FieldPath(route, each.kind, each.name)
            place = f"{each.path}:{each.line(*route)} {path}"
            if _names(written, name, repository):
                return f"{place} names it, and is no image field that is known", f"--field '{path}'"
            if _is_loose_tag(each, route):
                options = f"--field '{path}' --image {repository or 'REPOSITORY'}"
                return f"{place} is the tag {written} of an image whose repository the chart knows", options
    return "", ""


def _names(written: str, name: str, repository: str) -> bool:
    image = ImageReference.parse(written)
    if image is None or not (image.tag or image.digest):
        return False
    return image.repository == repository if repository else image.repository.rpartition("/")[2] == name


def _is_loose_tag(resource: Resource, route: Route) -> bool:
    """Whether a tag of a chart's image stands there without the repository."""
    return (
        route[-1] == "tag"
        and "values" in route
        and str(route[-2]).lower().endswith("image")
        and not repository_beside(mapping(below(resource.value, *route[:-1])))
    )
