"""What names a site's image and does not move with it: another tag, a container that was not chosen, an argument, a variable.

Law: nothing here is edited, and nothing is left out: whoever moves a tag reads where the old one stays, with file and line.
"""

from collections.abc import Collection, Iterator

from bumper.dataclasses import dataclass
from bumper.fluxtree.build import Build
from bumper.fluxtree.images import Image
from bumper.fluxtree.leaves import Leaf, near_to, origin_of, span_of
from bumper.fluxtree.patches import inside
from bumper.fluxtree.resource import Resource, Route, scalars
from bumper.image import references_in
from bumper.manifest import Span
from bumper.manifest.document import below, mapping, text

# What these hold is no object of the build: a Kustomization's own build has it, and a schema only describes one.
_OF_OTHERS = ("Kustomization", "CustomResourceDefinition", "ResourceSet")
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")


@dataclass(frozen=True)
class Mention:
    """A place that names the image; `image` is what stands there, `owner` the object and what of it."""

    path: str
    line: int
    image: str
    owner: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.image}" + (f" ({self.owner})" if self.owner else "")


def of_use(use: Image) -> Mention:
    """A use of an image as a place."""
    container = f", container {use.container}" if use.container else ""
    owner = f"{use.workload}{container}" if use.workload.name else ""
    return Mention(use.field.path, use.field.span.line, str(use.field.image), owner)


def in_texts(built: Build, repository: str, known: Collection[Image]) -> Iterator[Mention]:
    """Where a text that is no image field names the repository with a tag or a digest; `known` are the images of the build.

    A text of several lines, as values of a chart or a patch, may hold image fields of its own: those are known by their lines.
    """
    fields = {(use.workload, use.path, use.route) for use in known}
    places = {(use.field.path, use.field.span.line) for use in known}
    for resource in built.resources:
        if resource.kind in _OF_OTHERS:
            continue
        for route, value in scalars(resource.value):
            if not isinstance(value, str) or (resource.key, resource.path, route) in fields:
                continue
            for match in references_in(value, repository):
                path, line = _place(resource, value, match.start())
                if "\n" not in value or (path, line) not in places:
                    yield Mention(path, line, match[0], f"{resource}, {_what(resource, route)}")


def _place(resource: Resource, value: str, at: int) -> tuple[str, int]:
    """File and line of a character of a text."""
    near, before = near_to(value), value.count("\n", 0, at)
    if isinstance(value, Leaf) and value.file is not None:
        return value.file.path, value.file.line + before
    if near is None:
        return resource.path, resource.document.line()
    if "\n" in value and origin_of(value) is not None and (block := inside(value, 1).block):
        start = len(value[:at].encode())
        return near.text.path, block.outward(Span(start, start, 1)).line
    return near.text.path, span_of(near).line


def _what(resource: Resource, route: Route) -> str:
    """`container web, env IMAGE`, `container web, args`, or the key."""
    keys = [step for step in route if isinstance(step, str)]
    here = keys[-1] if keys else ""
    if "env" in route and here == "value":
        here = f"env {_name(resource, route[:-1])}"
    at = next((at for at, step in enumerate(route) if step in _CONTAINERS), None)
    return here if at is None else f"container {_name(resource, route[: at + 2])}, {here}"


def _name(resource: Resource, route: Route) -> str:
    return text(mapping(below(resource.value, *route)).get("name"))
