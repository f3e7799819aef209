"""Rules about names: what Kubernetes refuses, and one object that two places claim."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

from bumper.check.cluster import Cluster, key_of
from bumper.check.finding import ERROR, rule
from bumper.fluxtree.build import Build
from bumper.fluxtree.resource import Fault, Resource
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
    for resource in cluster.resources:
        grammar, expected = _GRAMMARS.get(resource.kind, _ANY) if not resource.group else _ANY
        if (
            resource.kind not in _FREE
            and resource.is_named
            and not resource.root
            and not grammar.fullmatch(resource.name)
        ):
            what = f"has the name {resource.name!r}" if resource.name else "has no name"
            if resource.name or not resource.at("metadata", "generateName"):
                yield resource.fault(f"{resource.kind} {what}, expected {expected}", "metadata", "name")
        for route, container in resource.containers():
            name = text(container.get("name"))
            if not _LABEL.fullmatch(name):
                yield resource.fault(
                    f"the container of {resource} has the name {name!r}, expected {_GRAMMARS['Namespace'][1]}",
                    *route,
                    "name",
                )
            for at, port in enumerate(map(mapping, items(container.get("ports")))):
                named = text(port.get("name"))
                if named and not _PORT.fullmatch(named):
                    yield resource.fault(
                        f"a port of {resource} has the name {named!r}, expected at most 15 of a-z, 0-9 and '-' with a letter"
                        " among them",
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
        faults: dict[tuple[str, int], Fault] = {}
        for resource in built.resources:
            if (other := first.get(_key(resource))) is None:
                first[_key(resource)] = resource
            elif resource.is_named and resource.name:
                message = f"{resource} is there already: {other.path}:{other.line()}"
                fault = resource.fault(message, "metadata", "name")
                faults[fault.path, fault.line] = fault
        # What kustomize itself refuses on the way, of objects without a namespace, too.
        for gap in built.collisions:
            faults.setdefault((gap.path, gap.line), Fault.of(gap))
        yield from faults.values()


@rule(
    "two-owners",
    ERROR,
    why="Two Kustomizations that apply one object take it from each other at each interval, and pruning one deletes it.",
    fix="Let one of them own it; mark what is meant to be shared with kustomize.toolkit.fluxcd.io/ssa: Merge.",
)
def two_owners(cluster: Cluster) -> Iterator[Fault]:
    owners: dict[Key, list[tuple[Build, Resource]]] = defaultdict(list)
    for built in _certain(cluster):
        for resource in {_key(resource): resource for resource in built.resources}.values():
            if resource.is_named and resource.name and not _is_shared(resource):
                owners[_key(resource)].append((built, resource))
    for several in owners.values():
        yield from _shared_by(several)


def _certain(cluster: Cluster) -> Iterator[Build]:
    """The builds without the root that nobody wrote down, where a Kustomization is there that builds the same: it may be the root."""
    paths = Counter(built.site.path for built in cluster.builds)
    yield from (
        built for built in cluster.builds if not (built.site.is_assumed and paths[built.site.path] > 1)
    )


def _shared_by(owners: list[tuple[Build, Resource]]) -> Iterator[Fault]:
    """One fault for each place where an object is written that another Kustomization applies first, whoever builds that place."""
    (first, resource), *others = owners
    places: dict[tuple[str, int], list[tuple[Build, Resource]]] = defaultdict(list)
    # A Kustomization that stands in the tree twice is one in the cluster.
    for built, other in others:
        if key_of(built) == key_of(first):
            continue
        places[other.path, other.line()].append((built, other))
    for several in places.values():
        names = ", ".join(dict.fromkeys(built.name for built, _ in several))
        other = several[0][1]
        yield other.fault(
            f"{other} is applied by Kustomization {names} and by {first.name} ({resource.path}:{resource.line()})",
            "metadata",
            "name",
        )


def _key(resource: Resource) -> Key:
    return resource.group, resource.kind, resource.namespace, resource.name


def _is_shared(resource: Resource) -> bool:
    metadata = {
        **mapping(resource.at("metadata", "annotations")),
        **mapping(resource.at("metadata", "labels")),
    }
    return metadata.get("kustomize.toolkit.fluxcd.io/ssa") in _SHARED
