"""Rules about namespaces: written at all, made by something, made in time."""

from collections.abc import Iterator

from bumper.check import unbuilt
from bumper.check.cluster import Cluster
from bumper.check.finding import ERROR, WARNING, rule
from bumper.check.kinds import CHART_NAMESPACES, NAMESPACES, is_flux
from bumper.fluxtree.build import Build
from bumper.fluxtree.resource import Fault, Resource
from bumper.fluxtree.scopes import BUILT_IN_GROUPS, is_cluster_scoped
from bumper.manifest.document import is_true, text


@rule(
    "namespace-unset",
    ERROR,
    why="Flux refuses an object of this kind without a namespace, and with it the whole Kustomization.",
    fix="Write metadata.namespace, or set targetNamespace on the Flux Kustomization.",
)
def unset(cluster: Cluster) -> Iterator[Fault]:
    for built in cluster.builds:
        for resource in built.resources:
            is_native = resource.group in BUILT_IN_GROUPS or is_flux(resource)
            known = built.owner.knows("spec", "targetNamespace")
            if (
                is_native
                and known
                and not resource.namespace
                and not is_cluster_scoped(resource.kind, resource.group)
            ):
                yield resource.fault(f"{resource} has no namespace", "metadata", "namespace")


@rule(
    "namespace-missing",
    ERROR,
    why="An object in a namespace that does not exist is refused, and Flux applies nothing of its Kustomization.",
    fix="Add the Namespace to this build or to one that it depends on, or correct the name.",
)
def missing(cluster: Cluster) -> Iterator[Fault]:
    for _, resource, makers in _used(cluster):
        if not makers and not _may_exist(cluster, resource.namespace):
            namespaces = sorted({other.name for other in cluster.of_kind("Namespace")})
            yield resource.fault(
                f"nothing makes the namespace {resource.namespace} of {resource.kind} {resource.name}"
                f" (found: {', '.join(namespaces) or 'none'})",
                "metadata",
                "namespace",
            )


@rule(
    "namespace-unordered",
    WARNING,
    why="On a new cluster the first tries fail until the namespace happens to exist.",
    fix="Add the Kustomization that makes it to spec.dependsOn.",
)
def unordered(cluster: Cluster) -> Iterator[Fault]:
    for built, resource, makers in _used(cluster):
        if makers and cluster.before(built).keys().isdisjoint(map(id, makers)):
            names = ", ".join(sorted({maker.name for maker in makers}))
            yield resource.fault(
                f"the namespace {resource.namespace} of {resource.kind} {resource.name} is made by Kustomization {names},"
                f" which {built.name} does not depend on",
                "metadata",
                "namespace",
            )


def _used(cluster: Cluster) -> Iterator[tuple[Build, Resource, list[Build]]]:
    """The first object of each namespace in each build that does not make it, and the builds that do."""
    makers: dict[str, list[Build]] = {}
    for built in cluster.builds:
        for resource in built.resources:
            if resource.kind == "Namespace" and not resource.group:
                for name in resource.names:
                    makers.setdefault(name, []).append(built)
    begun = _of_roots(cluster)
    for built in cluster.builds:
        seen = {*NAMESPACES, *begun}
        for resource in built.resources:
            space = resource.namespace
            if (
                space
                and space not in seen
                and resource.is_named
                and not is_cluster_scoped(resource.kind, resource.group)
            ):
                seen.add(space)
                if built not in makers.get(space, []):
                    yield built, resource, makers.get(space, [])


def _may_exist(cluster: Cluster, namespace: str) -> bool:
    """Whether something makes the namespace that no build shows: a chart, or whoever applies what Flux does not build.

    Where no `flux bootstrap` began the cluster, the namespaces of its roots, at least, were made by whoever did.
    """
    if not cluster.is_bootstrapped or cluster.may_hold("Namespace", ""):
        return True
    releases = cluster.of_kind("HelmRelease")
    charts = {chart for release in releases for chart in cluster.charts_of(release)}
    made = {name for chart in charts for name in CHART_NAMESPACES.get(chart, ())}
    created = {
        text(release.at("spec", "targetNamespace")) or release.namespace
        for release in releases
        if is_true(release.at("spec", "install", "createNamespace"))
    }
    return namespace in made | created or namespace in _applied_by_hand(cluster)


def _of_roots(cluster: Cluster) -> set[str]:
    """The namespaces of roots, which are there before anything is built: `flux bootstrap --namespace` makes that of Flux."""
    return {built.owner.namespace for built in cluster.builds if id(built) not in cluster.parents}


def _applied_by_hand(cluster: Cluster) -> frozenset[str]:
    return unbuilt.names(cluster.reading, "Namespace", cluster.directories)
