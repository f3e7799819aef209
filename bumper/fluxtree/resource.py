"""One object as it reaches the cluster, as far as its repository tells.

Law: what a patch or a substitution (`${…}`) may still change is unknown, and `knows` says so. Namespace, name, labels and images are
those after all kustomizations above the file.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bumper.fluxtree.scopes import is_cluster_scoped
from bumper.image import ImageReference
from bumper.manifest.document import Document, items, mapping, text

Route = tuple[str | int, ...]
Path = tuple[str, ...]

_VARIABLE = re.compile(r"\$\{\w")
_ANY: Path = ()
POD_TEMPLATES: Mapping[str, Route] = {
    "Pod": (),
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "ReplicationController": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
_POD_GROUPS = frozenset({"", "apps", "batch"})


class Fault(NamedTuple):
    """What is wrong at one place. `is_certain` is False where a patch or a substitution may still change what stands there."""

    path: str
    line: int
    message: str
    is_certain: bool = True


def is_variable(value: Any) -> bool:
    """Whether Flux fills in something here (`spec.postBuild`), or below."""
    if isinstance(value, str):
        return bool(_VARIABLE.search(value))
    if isinstance(value, dict):
        return any(map(is_variable, value.values()))
    return isinstance(value, list) and any(map(is_variable, value))


def below(value: Any, *route: str | int) -> Any:
    """What stands under the route, or None."""
    for step in route:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


@dataclass(frozen=True, eq=False)
class Resource:
    """`names` are all that a reference may call it by; `changed` are the paths that patches write to, the empty one being everything.

    `root` leads to it inside the document, for what a generator of a kustomization makes.
    """

    document: Document
    kind: str
    group: str
    namespace: str
    name: str
    names: frozenset[str] = frozenset()
    changed: frozenset[Path] = frozenset()
    root: Route = ()
    images: tuple[Mapping[str, str], ...] = ()
    template_labels: Mapping[str, str] = field(default_factory=dict)
    selector_labels: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    @property
    def path(self) -> str:
        return self.document.path

    def at(self, *route: str | int) -> Any:
        """The value that is written there, or None."""
        return below(self.document.value, *self.root, *route)

    def line(self, *route: str | int) -> int:
        return self.document.line(*self.root, *route)

    def knows(self, *route: str | int) -> bool:
        """Whether what is written there is what the cluster gets."""
        steps = _path(route)
        return not any(one[: len(steps)] == steps[: len(one)] for one in self.changed) and not is_variable(
            self.at(*route)
        )

    @property
    def is_named(self) -> bool:
        """Whether its name is known, and the namespace that it needs."""
        is_placed = self.namespace or is_cluster_scoped(self.kind, self.group)
        is_open = is_variable(self.name) or is_variable(self.namespace)
        return bool(is_placed) and _ANY not in self.changed and not is_open

    def fault(self, message: str, *route: str | int) -> Fault:
        """A fault at the line of the route, or of the nearest thing above it that is there."""
        return Fault(self.path, self.line(*route), message, self.knows(*route))

    def image(self, written: str) -> ImageReference:
        """The image after all `images:` entries above the file."""
        image = ImageReference.split(written)
        for entry in self.images:
            if entry["name"] == image.repository:
                tag, digest = entry["newTag"], entry["digest"]
                decided = (tag, digest) if tag or digest else (image.tag, image.digest)
                image = ImageReference.split(
                    (entry["newName"] or image.repository)
                    + (f":{decided[0]}" if decided[0] else "")
                    + (f"@{decided[1]}" if decided[1] else "")
                )
        return image

    @property
    def pod(self) -> Route | None:
        """Where its pod template stands; None where it makes no pods."""
        return POD_TEMPLATES.get(self.kind) if self.group in _POD_GROUPS else None

    def containers(self) -> Iterator[tuple[Route, dict[str, Any]]]:
        """Route and fields of each container, those that run first included."""
        if self.pod is None:
            return
        for key in ("initContainers", "containers"):
            route = (*self.pod, "spec", key)
            for at, container in enumerate(items(self.at(*route))):
                yield (*route, at), mapping(container)

    @property
    def pod_labels(self) -> dict[str, str]:
        """The labels of its pods."""
        written = mapping(self.at(*(self.pod or ()), "metadata", "labels"))
        return {**{key: text(value) for key, value in written.items()}, **self.template_labels}


def _path(route: Route) -> Path:
    """The route up to the first list in it: patches are not followed into lists."""
    found: list[str] = []
    for step in route:
        if isinstance(step, int):
            break
        found.append(step)
    return tuple(found)
