"""What one cluster gets from the repository: the builds that its `gotk-sync.yaml` leads to, in their order.

Law: an object that is in no build may still be there, unless nothing could have made it: `may_hold` says so of a kind in a
namespace, and is asked before anything is called missing. Two clusters of one repository are two: nothing of one is looked for in
the other.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from posixpath import dirname, join

from bumper.check import kinds
from bumper.check.build import Build, Forgiving
from bumper.check.resource import Resource, is_variable
from bumper.manifest.document import items, mapping, text
from bumper.objects import ObjectKey
from bumper.platform.kustomize import GENERATED


@dataclass(eq=False)
class Cluster:
    """`builds` in the order in which they are reached; `loose` are objects beside a root that no build contains.

    `is_bootstrapped` says that a gotk-sync.yaml leads here: then everything in the cluster comes after Flux, from this tree. `parents`
    holds who contains the object of a build.
    """

    directory: str
    is_bootstrapped: bool
    reading: Forgiving
    builds: list[Build] = field(default_factory=list)
    loose: list[Resource] = field(default_factory=list)
    parents: dict[int, Build] = field(default_factory=dict)
    is_elsewhere: bool = False

    @cached_property
    def resources(self) -> tuple[Resource, ...]:
        """Every object, each as often as a build contains it."""
        return (*(one for built in self.builds for one in built.resources), *self.loose)

    @cached_property
    def components(self) -> str:
        """The path of Flux's own generated manifests, empty where they are not committed."""
        places = {dirname(built.owner.path) for built in self.builds}
        places |= {layer.directory for built in self.builds for layer in built.layers}
        return next(
            (join(one, GENERATED) for one in sorted(places) if self.reading.is_file(join(one, GENERATED))), ""
        )

    def of_kind(self, kind: str) -> list[Resource]:
        return self._by_kind.get(kind, [])

    def workloads(self, namespace: str) -> list[Resource]:
        """What makes pods in the namespace."""
        return self._workloads.get(namespace, [])

    def named(self, kind: str, namespace: str, name: str) -> list[Resource]:
        """The objects of that kind that a reference from the namespace can mean."""
        return [one for one in self.of_kind(kind) if one.namespace == namespace and name in one.names]

    def has(self, kind: str, namespace: str, name: str) -> bool:
        """Whether the object is made, or may be by something that is not seen."""
        return (
            (kind, namespace, name) in self._made
            or is_variable(name)
            or is_variable(namespace)
            or self.may_hold(kind, namespace)
            or any(kinds.is_mirrored(one) for one in self._makers.get((kind, name), ()))
        )

    def makes_some(self, kind: str, namespace: str) -> bool:
        """Whether the tree makes any object of the kind in the namespace."""
        return any((made, space) == (kind, namespace) for made, space, _ in self._made)

    def may_hold(self, kind: str, namespace: str) -> bool:
        """Whether objects of the kind may be in the namespace that the repository does not show."""
        return (
            self.is_elsewhere
            or any(one.is_open and one.open_namespace in ("", namespace) for one in self.builds)
            or (kind not in kinds.MADE_BY_HAND and not self._shadows.isdisjoint(("", namespace)))
            or any(
                (not one.is_named and one.namespace in ("", namespace)) or is_variable(one.namespace)
                for one in self.of_kind(kind)
            )
        )

    def before(self, built: Build) -> set[int]:
        """The ids of the builds that Flux applied before it begins with this one: its parents, what they depend on, and so on."""
        found: set[int] = set()
        waiting = self.directly_before(built)
        while waiting:
            one = waiting.pop()
            if id(one) not in found:
                found.add(id(one))
                waiting += self.directly_before(one)
        return found

    def directly_before(self, built: Build) -> list[Build]:
        """Its parent, and what it depends on."""
        parent = self.parents.get(id(built))
        return [
            *([parent] if parent else []),
            *(one for _, key in depends_on(built.owner) if (one := self.build_of(key))),
        ]

    def has_order(self, built: Build) -> bool:
        """Whether all that comes before a build is known, and the build itself does not."""
        before = self.before(built)
        chain = [built, *(one for one in self.builds if id(one) in before)]
        return id(built) not in before and all(
            self.build_of(key) for one in chain for _, key in depends_on(one.owner)
        )

    def build_of(self, key: ObjectKey) -> Build | None:
        return self._by_key.get(key)

    @cached_property
    def _by_key(self) -> dict[ObjectKey, Build]:
        return {
            ObjectKey("Kustomization", one.owner.namespace, name): one
            for one in self.builds
            for name in one.owner.names
        }

    @cached_property
    def _by_kind(self) -> dict[str, list[Resource]]:
        found: dict[str, list[Resource]] = defaultdict(list)
        for one in self.resources:
            found[one.kind].append(one)
        return found

    @cached_property
    def _workloads(self) -> dict[str, list[Resource]]:
        found: dict[str, list[Resource]] = defaultdict(list)
        for one in self.resources:
            if one.pod is not None:
                found[one.namespace].append(one)
        return found

    @cached_property
    def has_stray_workloads(self) -> bool:
        """Whether it is unknown of some workload which name or namespace it gets."""
        return any(not one.is_named for several in self._workloads.values() for one in several)

    @cached_property
    def _made(self) -> set[tuple[str, str, str]]:
        return {key for one in self.resources for key in kinds.made_by(one)} | {
            ("Secret", *kinds.BOOTSTRAP_SECRET)
        }

    @cached_property
    def _makers(self) -> dict[tuple[str, str], list[Resource]]:
        found: dict[tuple[str, str], list[Resource]] = defaultdict(list)
        for one in self.resources:
            for kind, _, name in kinds.made_by(one):
                found[kind, name].append(one)
        return found

    @cached_property
    def _shadows(self) -> set[str]:
        """The namespaces in which a chart or an operator may make what is not seen; the empty one is all of them."""
        found = set()
        for one in self.resources:
            if kinds.may_make_more(one) and not one.at("spec", "kubeConfig"):
                is_release = one.kind == "HelmRelease"
                target = text(one.at("spec", "targetNamespace")) if is_release else ""
                known = one.knows("spec", "targetNamespace") if is_release else True
                space = target or one.namespace
                found.add(space if known and not is_variable(space) else "")
        return found


def depends_on(owner: Resource) -> Iterator[tuple[int, ObjectKey]]:
    """The Kustomizations that one depends on, with their place in the list."""
    for at, entry in enumerate(map(mapping, items(owner.at("spec", "dependsOn")))):
        space = text(entry.get("namespace")) or owner.namespace
        yield at, ObjectKey("Kustomization", space, text(entry.get("name")))
