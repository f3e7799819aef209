"""What one cluster gets from the repository: the builds that its `gotk-sync.yaml` leads to, in their order.

Law: an object that is in no build may still be there, unless nothing could have made it: `may_hold` says so of a kind in a
namespace, and is asked before anything is called missing. Two clusters of one repository are two: nothing of one is looked for in
the other.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from posixpath import basename, dirname, join
from typing import TypeVar

from bumper.check import kinds
from bumper.dataclasses import dataclass, field
from bumper.fluxtree.build import Build
from bumper.fluxtree.layers import GENERATED, Reading
from bumper.fluxtree.resource import Resource, is_encrypted, is_variable
from bumper.fluxtree.sources import FLUX_SYSTEM
from bumper.manifest.document import items, mapping, text
from bumper.objects import ObjectKey

_Made = TypeVar("_Made")


@dataclass(eq=False)
class Cluster:
    """`builds` in the order in which they are reached; `loose` are objects beside a root that no build contains.

    `is_bootstrapped` says that a gotk-sync.yaml leads here: then everything in the cluster comes after Flux, from this tree. `parents`
    holds who contains the object of a build. `owners` are all Kustomizations of the cluster, those that apply to others included.
    """

    directory: str
    is_bootstrapped: bool
    reading: Reading
    builds: list[Build] = field(default_factory=list)
    loose: list[Resource] = field(default_factory=list)
    parents: dict[int, Build] = field(default_factory=dict)
    is_elsewhere: bool = False
    owners: frozenset[ObjectKey] = frozenset()

    @cached_property
    def resources(self) -> tuple[Resource, ...]:
        """Every object, each as often as a build contains it."""
        return (*(resource for built in self.builds for resource in built.resources), *self.loose)

    @cached_property
    def directories(self) -> frozenset[str]:
        """Every directory that is built from."""
        return frozenset(layer.directory for built in self.builds for layer in built.layers)

    @cached_property
    def components(self) -> str:
        """The path of Flux's own generated manifests, empty where they are not committed."""
        places = {dirname(built.owner.path) for built in self.builds} | self.directories
        return next(
            (
                join(place, GENERATED)
                for place in sorted(places)
                if self.reading.is_file(join(place, GENERATED))
            ),
            "",
        )

    def once(self, key: str, make: Callable[[], Iterable[_Made]]) -> tuple[_Made, ...]:
        """What `make` gives, made once for each key: several rules ask the same of a cluster."""
        made: tuple[_Made, ...] = self.reading.once((key, id(self)), lambda: tuple(make()))
        return made

    def of_kind(self, kind: str) -> list[Resource]:
        """The objects of a kind, as often as builds contain them."""
        return self._by_kind.get(kind, [])

    def workloads(self, namespace: str) -> list[Resource]:
        """What makes pods in the namespace."""
        return self._workloads.get(namespace, [])

    def named(self, kind: str, namespace: str, name: str) -> list[Resource]:
        """The objects of that kind that a reference from the namespace can mean."""
        return self._by_name.get((kind, namespace, name), [])

    def charts_of(self, release: Resource) -> set[str]:
        """What the chart of a HelmRelease may be called: its name, and the end of the address that its OCIRepository has."""
        kind, name = (text(release.at("spec", "chartRef", key)) for key in ("kind", "name"))
        space = text(release.at("spec", "chartRef", "namespace")) or release.namespace
        urls = (text(source.at("spec", "url")) for source in self.named(kind, space, name))
        return {kinds.chart_of(release), *(basename(url.rstrip("/")) for url in urls)}

    def has(self, kind: str, namespace: str, name: str) -> bool:
        """Whether the object is made, or may be by something that is not seen."""
        return (
            (kind, namespace, name) in self._made
            or any(is_variable(written) or is_encrypted(written) for written in (name, namespace))
            or self.may_hold(kind, namespace)
            or any(kinds.is_mirrored(maker) for maker in self._makers.get((kind, name), ()))
        )

    def makes_some(self, kind: str, namespace: str) -> bool:
        """Whether the tree makes any object of the kind in the namespace."""
        return any((made, space) == (kind, namespace) for made, space, _ in self._made)

    def may_hold(self, kind: str, namespace: str) -> bool:
        """Whether objects of the kind may be in the namespace that the repository does not show."""
        return (
            self.is_elsewhere
            or any(not namespace or space in ("", namespace) for space in self._open_namespaces)
            or (kind not in kinds.MADE_BY_HAND and not self._shadows.isdisjoint(("", namespace)))
            or not self._unnamed.get(kind, frozenset()).isdisjoint(("", namespace))
        )

    def before(self, built: Build) -> dict[int, Build]:
        """By their ids, the builds that Flux applied before it begins with this one: its parents, what they depend on, and so on."""
        earlier: dict[int, Build] = {}
        waiting = self.directly_before(built)
        while waiting:
            ancestor = waiting.pop()
            if id(ancestor) not in earlier:
                earlier[id(ancestor)] = ancestor
                waiting += self.directly_before(ancestor)
        return earlier

    def directly_before(self, built: Build) -> list[Build]:
        """Its parent, and what it depends on."""
        parent = self.parents.get(id(built))
        return [
            *([parent] if parent else []),
            *(dependency for _, key in depends_on(built.owner) if (dependency := self.build_of(key))),
        ]

    def has_order(self, built: Build) -> bool:
        """Whether all that comes before a build is known, and the build itself does not."""
        before = self.before(built)
        return id(built) not in before and all(
            self.build_of(key) for link in (built, *before.values()) for _, key in depends_on(link.owner)
        )

    def build_of(self, key: ObjectKey) -> Build | None:
        """The build of a Flux Kustomization; None where the tree does not have it."""
        return self._by_key.get(key)

    @cached_property
    def _by_key(self) -> dict[ObjectKey, Build]:
        return {
            ObjectKey("Kustomization", built.owner.namespace, name): built
            for built in self.builds
            for name in built.owner.names
        }

    @cached_property
    def _by_kind(self) -> dict[str, list[Resource]]:
        by_kind: dict[str, list[Resource]] = defaultdict(list)
        for resource in self.resources:
            by_kind[resource.kind].append(resource)
        return by_kind

    @cached_property
    def _by_name(self) -> dict[tuple[str, str, str], list[Resource]]:
        by_name: dict[tuple[str, str, str], list[Resource]] = defaultdict(list)
        for resource in self.resources:
            for name in resource.names:
                by_name[resource.kind, resource.namespace, name].append(resource)
        return by_name

    @cached_property
    def open_builds(self) -> list[Build]:
        """Those that may hold more than is seen."""
        return [built for built in self.builds if built.is_open]

    @cached_property
    def _open_namespaces(self) -> set[str]:
        """Where builds may hold more than is seen; the empty namespace is all of them."""
        return {built.open_namespace for built in self.open_builds}

    @cached_property
    def _unnamed(self) -> dict[str, set[str]]:
        """Of each kind, the namespaces with an object whose name is not known; the empty one is all of them."""
        namespaces: dict[str, set[str]] = defaultdict(set)
        for resource in self.resources:
            if is_variable(resource.namespace):
                namespaces[resource.kind].add("")
            elif not resource.is_named:
                namespaces[resource.kind].add(resource.namespace)
        return namespaces

    @cached_property
    def _workloads(self) -> dict[str, list[Resource]]:
        workloads: dict[str, list[Resource]] = defaultdict(list)
        for resource in self.resources:
            if resource.pod is not None:
                workloads[resource.namespace].append(resource)
        return workloads

    @cached_property
    def has_stray_workloads(self) -> bool:
        """Whether it is unknown of some workload which name or namespace it gets."""
        return any(not workload.is_named for several in self._workloads.values() for workload in several)

    @cached_property
    def _made(self) -> set[tuple[str, str, str]]:
        bootstrapped = {built.owner.namespace for built in self.builds if id(built) not in self.parents}
        return {
            *(key for resource in self.resources for key in kinds.made_by(resource)),
            *(key for space in (FLUX_SYSTEM, *bootstrapped) for key in kinds.made_by_bootstrap(space)),
        }

    @cached_property
    def _makers(self) -> dict[tuple[str, str], list[Resource]]:
        makers: dict[tuple[str, str], list[Resource]] = defaultdict(list)
        for resource in self.resources:
            for kind, _, name in kinds.made_by(resource):
                makers[kind, name].append(resource)
        return makers

    @cached_property
    def _shadows(self) -> set[str]:
        """The namespaces in which a chart or an operator may make what is not seen; the empty one is all of them."""
        namespaces = set()
        for resource in self.resources:
            if kinds.may_make_more(resource) and not resource.at("spec", "kubeConfig"):
                is_release = resource.kind == "HelmRelease"
                target = text(resource.at("spec", "targetNamespace")) if is_release else ""
                known = resource.knows("spec", "targetNamespace") if is_release else True
                space = target or resource.namespace
                namespaces.add(space if known and not is_variable(space) else "")
        return namespaces


def key_of(built: Build) -> ObjectKey:
    """The Kustomization that builds it."""
    return ObjectKey("Kustomization", built.owner.namespace, built.owner.name)


def depends_on(owner: Resource) -> Iterator[tuple[int, ObjectKey]]:
    """The Kustomizations that `owner` depends on, with their place in its `spec.dependsOn`."""
    for at, entry in enumerate(map(mapping, items(owner.at("spec", "dependsOn")))):
        space = text(entry.get("namespace")) or owner.namespace
        yield at, ObjectKey("Kustomization", space, text(entry.get("name")))
