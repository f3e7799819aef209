"""Rules about Flux's own objects: order, sources, suspension."""

from collections.abc import Iterator

from bumper.check import unbuilt
from bumper.check.cluster import Cluster, depends_on
from bumper.check.finding import ERROR, WARNING, rule
from bumper.check.kinds import FLUX, is_flux
from bumper.fluxtree.build import Build
from bumper.fluxtree.resource import Fault, Resource, is_variable
from bumper.fluxtree.sites import annotations
from bumper.fluxtree.sites.expectation import SERVES
from bumper.manifest.document import is_true, mapping, text
from bumper.ports.site import Expectation

# Where the reference of each kind stands; one of several places is enough.
_SOURCED = {
    "Kustomization": (("spec", "sourceRef"),),
    "HelmRelease": (("spec", "chart", "spec", "sourceRef"), ("spec", "chartRef")),
    "ImageUpdateAutomation": (("spec", "sourceRef"),),
}
_ANNOTATIONS = ("metadata", "annotations")
_ROOT_SOURCE = ("flux-system", "flux-system")


@rule(
    "depends-on-unknown",
    ERROR,
    why="Flux waits for a Kustomization that does not exist, for ever: nothing of this one is applied.",
    fix="Correct the name in dependsOn; one in another namespace needs its namespace beside it.",
)
def unknown_dependency(cluster: Cluster) -> Iterator[Fault]:
    names = sorted({built.name for built in cluster.builds})
    for built in cluster.builds:
        for at, key in depends_on(built.owner):
            is_there = cluster.build_of(key) or key in cluster.owners
            # Nobody can apply one whose name is still to be filled in: it is a template of one.
            if not is_there and built.owner.is_named and not _may_exist(cluster, key.namespace, key.name):
                yield built.owner.fault(
                    f"Kustomization {built.name} depends on {key.namespace}/{key.name}, which this tree does not have"
                    f" (found: {', '.join(names)})",
                    "spec",
                    "dependsOn",
                    at,
                )


def _may_exist(cluster: Cluster, namespace: str, name: str) -> bool:
    hidden = cluster.is_elsewhere or any(built.is_open for built in cluster.builds)
    is_instance = bool(cluster.of_kind("FluxInstance")) or not cluster.is_bootstrapped
    return hidden or is_variable(name) or is_variable(namespace) or (is_instance and name == "flux-system")


@rule(
    "depends-on-cycle",
    ERROR,
    why="Each of these waits for the other to be Ready, so none is ever applied.",
    fix="Take one of the dependsOn entries away.",
)
def cycle(cluster: Cluster) -> Iterator[Fault]:
    for ring in _rings(cluster):
        first = min(ring, key=lambda built: (built.owner.path, built.owner.line()))
        at = ring.index(first)
        names = [built.name for built in (*ring[at:], *ring[:at], first)]
        yield first.owner.fault(f"{' → '.join(names)} depend on each other in a ring", "spec", "dependsOn")


def _rings(cluster: Cluster) -> Iterator[list[Build]]:
    """Each ring of dependsOn once."""
    done: set[int] = set()
    for start in cluster.builds:
        rings: list[list[Build]] = []
        _follow(cluster, start, [], done, rings)
        yield from rings


def _follow(
    cluster: Cluster, built: Build, way: list[Build], done: set[int], rings: list[list[Build]]
) -> None:
    if built in way:
        rings.append(way[way.index(built) :])
    elif id(built) not in done:
        way.append(built)
        for _, key in depends_on(built.owner):
            below = cluster.build_of(key)
            if below:
                _follow(cluster, below, way, done, rings)
        way.pop()
        done.add(id(built))


@rule(
    "source-unknown",
    ERROR,
    why="Flux has nowhere to fetch from, so this object never becomes Ready.",
    fix="Correct kind, name or namespace of the reference; add it, or the source, where it is missing.",
)
def unknown_source(cluster: Cluster) -> Iterator[Fault]:
    for kind, routes in _SOURCED.items():
        for resource in filter(is_flux, cluster.of_kind(kind)):
            named = [route for route in routes if text(resource.at(*route, "name"))]
            for route in named:
                yield from _without_source(cluster, resource, route)
            if not named and resource.is_named:
                yield resource.fault(f"{resource} names no source that it is fetched from", *routes[0])


def _without_source(cluster: Cluster, resource: Resource, route: tuple[str, ...]) -> Iterator[Fault]:
    reference = mapping(resource.at(*route))
    kind, name = text(reference.get("kind")), text(reference.get("name"))
    space = text(reference.get("namespace")) or resource.namespace
    if (space, name) == _ROOT_SOURCE and not cluster.named(kind, space, name):
        return
    if kind == "ExternalArtifact" or cluster.has(kind, space, name) or not resource.is_named:
        return
    if (kind, name) in _sources_of_roots(cluster):
        return
    # Another beginning of the same cluster may apply it.
    if name in unbuilt.names(cluster.reading, kind, cluster.directories):
        return
    sources = sorted({f"{other.namespace}/{other.name}" for other in cluster.of_kind(kind)})
    yield resource.fault(
        f"{resource} is fetched from {kind} {space}/{name}, which this tree does not have (found: {', '.join(sources) or 'none'})",
        *route,
        "name",
    )


def _sources_of_roots(cluster: Cluster) -> set[tuple[str, str]]:
    """What roots are fetched from that no file of `flux bootstrap` holds, in whatever namespace: whoever made them made that, too."""
    roots = (built.site for built in cluster.builds if id(built) not in cluster.parents)
    return {
        (root.source.kind, root.source.name)
        for root in roots
        if root.is_assumed or not cluster.is_bootstrapped
    }


@rule(
    "suspended",
    WARNING,
    why="Flux leaves a suspended object as it is: commits do not reach the cluster.",
    fix="Set spec.suspend to false, or take it away.",
)
def suspended(cluster: Cluster) -> Iterator[Fault]:
    for resource in cluster.resources:
        if resource.group.endswith(FLUX) and is_true(resource.at("spec", "suspend")):
            yield resource.fault(f"{resource} is suspended", "spec", "suspend")


@rule(
    "serves-invalid",
    ERROR,
    why="Whoever deploys a site refuses an expectation that can't be read, before anything is written.",
    fix="Correct it, or write it anew: bump adopt SITE --serves SPEC.",
)
def unreadable_expectation(cluster: Cluster) -> Iterator[Fault]:
    for resource in cluster.resources:
        if not (resource.kind == "Kustomization" and resource.group.endswith(FLUX)):
            continue
        for key, value in mapping(resource.at("metadata", "annotations")).items():
            if key == annotations.key(SERVES) or annotations.site_of(key, SERVES):
                problem = _problem(value)
                if problem:
                    yield resource.fault(f"{key} of {resource} is {value!r}: {problem}", *_ANNOTATIONS, key)


def _problem(value: object) -> str:
    """What is wrong with an expectation; empty where it can be read, or where only Flux knows it."""
    if is_variable(value):
        return ""
    try:
        Expectation.parse(value if isinstance(value, str) else "")
    except ValueError as error:
        return str(error)
    return ""
