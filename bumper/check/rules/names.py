"""Rules about names: what Kubernetes refuses, and one object that two places claim."""

import re
from collections import defaultdict
from collections.abc import Iterator

from bumper.check.build import Build
from bumper.check.cluster import Cluster
from bumper.check.finding import ERROR, Fault, rule
from bumper.check.resource import Resource
from bumper.manifest.document import items, mapping, text

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SERVICE = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_PORT = re.compile(r"(?=.{1,15}\Z)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")
_GRAMMARS = {
    "Namespace": (_LABEL, "at most 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit"),
    "Service": (_SERVICE, "at most 63 of a-z, 0-9 and '-', beginning with a letter"),
}
_ANY = (_SUBDOMAIN, "a-z, 0-9, '-' and '.', beginning and ending with a letter or digit")
# Names of these are parts of a path, where nearly everything may stand.
_FREE = frozenset(["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"])
_SHARED = frozenset(["Merge", "IfNotPresent", "Ignore"])


@rule(
    "name-invalid",
    ERROR,
    why="Kubernetes refuses a name that is no DNS name, and Flux applies nothing of its Kustomization.",
    fix="Rename it in that grammar, with everything that refers to it.",
)
def invalid(cluster: Cluster) -> Iterator[Fault]:
    for one in cluster.resources:
        grammar, told = _GRAMMARS.get(one.kind, _ANY) if not one.group else _ANY
        if one.kind not in _FREE and one.is_named and not one.root and not grammar.fullmatch(one.name):
            what = f"has the name {one.name!r}" if one.name else "has no name"
            if one.name or not one.at("metadata", "generateName"):
                yield one.fault(f"{one.kind} {what}, expected {told}", "metadata", "name")
        for route, container in one.containers():
            name = text(container.get("name"))
            if not _LABEL.fullmatch(name):
                yield one.fault(
                    f"the container of {one} has the name {name!r}, expected {_GRAMMARS['Namespace'][1]}",
                    *route,
                    "name",
                )
            for at, port in enumerate(map(mapping, items(container.get("ports")))):
                named = text(port.get("name"))
                if named and not _PORT.fullmatch(named):
                    yield one.fault(
                        f"a port of {one} has the name {named!r}, expected at most 15 of a-z, 0-9 and '-' with a letter among them",
                        *route, "ports", at, "name",
                    )  # fmt: skip


Key = tuple[str, str, str, str]


@rule(
    "duplicate-object",
    ERROR,
    why="kustomize refuses to add one object twice, so Flux applies nothing of the whole Kustomization.",
    fix="Take one of the two away, or rename it.",
)
def duplicate(cluster: Cluster) -> Iterator[Fault]:
    for built in cluster.builds:
        first: dict[Key, Resource] = {}
        for one in built.resources:
            other = first.setdefault(_key(one), one)
            if other is not one and one.is_named and one.name:
                yield one.fault(f"{one} is there already: {other.path}:{other.line()}", "metadata", "name")


@rule(
    "two-owners",
    ERROR,
    why="Two Kustomizations that apply one object take it from each other at each interval, and pruning one deletes it.",
    fix="Let one of them own it; mark what is meant to be shared with kustomize.toolkit.fluxcd.io/ssa: Merge.",
)
def two_owners(cluster: Cluster) -> Iterator[Fault]:
    owners: dict[Key, list[tuple[Build, Resource]]] = defaultdict(list)
    for built in cluster.builds:
        for one in {_key(one): one for one in built.resources}.values():
            owners[_key(one)].append((built, one))
    for several in owners.values():
        first, one = several[0]
        for built, other in several[1:]:
            if (
                one.is_named
                and other.is_named
                and other.name
                and not _is_shared(one)
                and not _is_shared(other)
            ):
                yield other.fault(
                    f"{other} is applied by Kustomization {built.name} and by {first.name} ({one.path}:{one.line()})",
                    "metadata",
                    "name",
                )


def _key(one: Resource) -> Key:
    return one.group, one.kind, one.namespace, one.name


def _is_shared(one: Resource) -> bool:
    metadata = {**mapping(one.at("metadata", "annotations")), **mapping(one.at("metadata", "labels"))}
    return metadata.get("kustomize.toolkit.fluxcd.io/ssa") in _SHARED
