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
