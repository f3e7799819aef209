"""Where the image stands in the template of a workload, in a pod, or in the values of a chart."""

from collections.abc import Iterator, Mapping
from typing import Any

from bumper.image import ImageReference
from bumper.objects import Object, at
from bumper.observation import Desired

_POD_SPEC = {
    "Pod": ("spec",),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}
# Of the other kinds that hold a pod template, all hold it there (apps/v1, batch/v1, and the custom ones that copy them).
_TEMPLATE = ("spec", "template", "spec")


def template_image(desired: Desired, workload: Object | None) -> ImageReference | None:
    """The image in the workload's template: that of the container wanted, or of our repository where no name is given."""
    if at(workload, "kind") == "HelmRelease":
        images = list(_images_in_values(at(workload, "spec", "values"), desired.image.repository))
        ours = [image for image in images if desired.is_met_by(image)]
        return next(iter(ours or images), None)
    return _image_in(desired, at(workload, *_POD_SPEC.get(at(workload, "kind") or "", _TEMPLATE)))


def pod_image(desired: Desired, pod: Object) -> ImageReference | None:
    """The same for one pod."""
    return _image_in(desired, at(pod, "spec"))


def changes_beside_image(desired: Desired, before: Object | None, now: Object | None) -> tuple[str, ...]:
    """What else than images differs between two templates of the workload, as its API names it: `env of container web`.

    Where our tag stands in other fields too (a label, a variable), it moves along and is no difference.
    """
    if before is None or now is None or at(before, "kind") == "HelmRelease":
        # The values of a chart name the image in ways of their own, and its templates are not seen.
        return ()
    place = _POD_SPEC.get(at(now, "kind") or "", _TEMPLATE)
    old, new = (_without_tags(desired, at(each, *place) or {}) for each in (before, now))
    fields = [
        field for field in (*new, *old) if field not in _CONTAINERS and old.get(field) != new.get(field)
    ]
    for section in _CONTAINERS:
        of_old, of_new = ({each.get("name"): each for each in of.get(section) or ()} for of in (old, new))
        for name in (*of_new, *(name for name in of_old if name not in of_new)):
            if name not in of_old or name not in of_new:
                fields.append(f"container {name}")
                continue
            ours, theirs = of_new[name], of_old[name]
            fields += [
                f"{field} of container {name}"
                for field in (*ours, *theirs)
                if field != "image" and ours.get(field) != theirs.get(field)
            ]
    return tuple(dict.fromkeys(fields))


_CONTAINERS = ("initContainers", "containers")


def _without_tags(desired: Desired, value: Any) -> Any:
    """The value with our tag and the one before it as the same text."""
    tags = [image.tag for image in (desired.image, desired.previous) if image and image.tag]
    if isinstance(value, Mapping):
        return {key: _without_tags(desired, each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_tags(desired, each) for each in value]
    if isinstance(value, str):
        for tag in tags:
            value = value.replace(tag, "")
    return value


def _image_in(desired: Desired, pod_spec: Any) -> ImageReference | None:
    # Taken apart, not checked: what no runtime can pull stands in a template all the same, and is ours.
    images = [
        ImageReference.split(container["image"]) if container.get("image") else None
        for container in containers(desired, pod_spec)
    ]
    # Of several that must run the image the one that does not is what counts.
    return next((image for image in images if not desired.is_met_by(image)), images[0] if images else None)


def containers(desired: Desired, pod_spec: Any) -> Iterator[Object]:
    """The containers wanted by name, or the containers of our repository where no name is given."""
    for container in (*(at(pod_spec, "initContainers") or ()), *(at(pod_spec, "containers") or ())):
        image = ImageReference.split(container.get("image") or "")
        named = container.get("name") in (desired.container, *desired.beside)
        if named or (not desired.container and image.repository == desired.image.repository):
            yield container


def _images_in_values(values: Any, repository: str) -> Iterator[ImageReference]:
    """Images in chart values: `repository` with `tag` (and `registry`) side by side, or a whole reference as one text."""
    if isinstance(values, Mapping):
        if isinstance(values.get("repository"), str):
            path = [values.get("registry") or "", values["repository"]]
            if "/".join(part for part in path if part) == repository:
                yield ImageReference(
                    repository, str(values.get("tag") or ""), str(values.get("digest") or "")
                )
        for value in values.values():
            yield from _images_in_values(value, repository)
    elif isinstance(values, list):
        for value in values:
            yield from _images_in_values(value, repository)
    elif isinstance(values, str):
        image = ImageReference.parse(values)
        if image and image.repository == repository and (image.tag or image.digest):
            yield image
