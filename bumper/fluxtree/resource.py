"""One object as it reaches the cluster, as far as its repository tells.

Law: `value` is what kustomize makes of it; every scalar in it remembers where it is written. What a patch wrote (`changed`) is not
judged by the place of the object, what a substitution (`${…}`) may still change is unknown, and `knows` says so of both. What could
not be followed is a doubt, with its place.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple, Self

from bumper.dataclasses import dataclass, field, replace
from bumper.fluxtree.layers import Gap
from bumper.fluxtree.leaves import Rival
from bumper.fluxtree.scopes import is_cluster_scoped
from bumper.fluxtree.selectors import Identity, identity
from bumper.image import ImageReference
from bumper.manifest.document import Document, below, is_true, items, mapping, text
from bumper.objects import Object, ObjectKey

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


def written(route: Route) -> str:
    """A route as people write it."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in route)
    return "".join(steps).removeprefix(".")


class Fault(NamedTuple):
    """What is wrong at one place. `is_certain` is False where a patch or a substitution may still change what stands there."""

    path: str
    line: int
    message: str
    is_certain: bool = True

    @classmethod
    def of(cls, gap: Gap) -> Self:
        """The same of a build; what its message quotes with a variable is not what the cluster gets."""
        return cls(gap.path, gap.line, gap.message, "${" not in gap.message)


def is_encrypted(value: str) -> bool:
    """Whether SOPS encrypted the text, which Flux decrypts before it builds."""
    return value.startswith("ENC[")


def is_variable(value: Any) -> bool:
    """Whether Flux fills in something here (`spec.postBuild`), or below; each part is looked at once, whatever aliases lead there."""
    waiting, seen = [value], set[int]()
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, str):
            if "${" in inner and _VARIABLE.search(inner):
                return True
        elif isinstance(inner, dict | list) and id(inner) not in seen:
            seen.add(id(inner))
            waiting += inner.values() if isinstance(inner, dict) else inner
    return False


def scalars(value: Any, route: Route = ()) -> Iterator[tuple[Route, Any]]:
    """Every scalar in a value, with the way to it; none for null."""
    if isinstance(value, dict | list):
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from scalars(inner, (*route, step))
    elif value is not None:
        yield route, value


@dataclass(frozen=True, eq=False)
class Resource:
    """`names` are all that it is called by, before and after prefixes, `previous` what kustomize knew it as, the oldest first.

    `changed` are the fields that patches write, where () stands for everything. `doubts` are what may still change it and could not be
    followed. `root` leads to it inside the document, for what a generator of a kustomization makes.
    """

    document: Document
    value: Object
    names: frozenset[str] = frozenset()
    changed: frozenset[Path] = frozenset()
    root: Route = ()
    previous: tuple[Identity, ...] = ()
    doubts: tuple[Gap, ...] = field(default=())

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    @property
    def path(self) -> str:
        return self.document.path

    @cached_property
    def kind(self) -> str:
        return text(self.value.get("kind"))

    @cached_property
    def group(self) -> str:
        """The API group, without the version; empty for the core group."""
        return self.now.group

    @cached_property
    def name(self) -> str:
        return text(mapping(self.value.get("metadata")).get("name"))

    @cached_property
    def namespace(self) -> str:
        """Its namespace; kustomize writes one into custom kinds that have none, which the API server drops."""
        own = (
            self.document.value if is_cluster_scoped(self.kind, self.group) and not self.root else self.value
        )
        return text(mapping(own.get("metadata")).get("namespace"))

    @property
    def key(self) -> ObjectKey:
        return ObjectKey(self.kind, self.namespace, self.name)

    @cached_property
    def now(self) -> Identity:
        """What kustomize knows it as."""
        return identity(self.value)

    @property
    def first(self) -> Identity:
        """What kustomize knew it as before everything."""
        return self.identities[0]

    @cached_property
    def identities(self) -> tuple[Identity, ...]:
        """All that kustomize knows it as, the oldest first; group and version are those of now."""
        now = self.now
        return (*(old._replace(group=now.group, version=now.version) for old in self.previous), now)

    def known(self) -> "Resource":
        """The same, which is still found by what it is called now."""
        return replace(self, previous=(*self.previous, self.now))

    def with_value(self, value: Object) -> "Resource":
        name = text(mapping(value.get("metadata")).get("name"))
        return replace(self, value=value, names=self.names | {name})

    def doubted(self, doubt: Gap) -> "Resource":
        """The same where something may have changed anything in it."""
        return replace(self, doubts=(*self.doubts, doubt), changed=self.changed | {_ANY})

    def varied(self) -> "Resource":
        """The same where any text in it may be filled in."""
        return replace(self, changed=self.changed | {_ANY})

    def at(self, *route: str | int) -> Any:
        """The value that reaches the cluster there, or None."""
        return below(self.value, *route)

    def line(self, *route: str | int) -> int:
        return self.document.line(*self.root, *route)

    def knows(self, *route: str | int) -> bool:
        """Whether what is written there is what the cluster gets."""
        steps = _path(route)
        return not any(path[: len(steps)] == steps[: len(path)] for path in self.changed) and not is_variable(
            self.at(*route)
        )

    @cached_property
    def is_named(self) -> bool:
        """Whether its name is known, and the namespace that it needs."""
        is_placed = self.namespace or is_cluster_scoped(self.kind, self.group)
        is_open = any(is_variable(name) or is_encrypted(name) for name in (self.name, self.namespace))
        return bool(is_placed) and _ANY not in self.changed and not is_open

    def fault(self, message: str, *route: str | int) -> Fault:
        """A fault at the line of the route, or of the nearest thing above it that is there."""
        return Fault(self.path, self.line(*route), message, self.knows(*route))

    def rival(self, reference: Object, own: str, *route: str | int) -> Rival:
        """What a reference of it to a ConfigMap or a Secret, which stands at the route, brings over what others have brought."""
        kind = text(reference.get("kind"))
        forbids = kind == "ConfigMap" and not is_true(reference.get("optional"))
        name = f"{kind} {text(reference.get('name'))}"
        return Rival(name, str(self), self.path, self.line(*route), own, forbids)

    def image(self, written: str) -> ImageReference:
        """The parts of an image of the object."""
        return ImageReference.split(written)

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
        return {key: text(value) for key, value in written.items()}


def _path(route: Route) -> Path:
    """The route up to the first list in it: of lists it is not kept which entry a patch wrote."""
    steps: list[str] = []
    for step in route:
        if isinstance(step, int):
            break
        steps.append(step)
    return tuple(steps)
