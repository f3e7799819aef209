"""Rules about kinds: who installs their definition and their controller, and whether that comes first.

Source: fluxcd/pkg/ssa v0.76.2, `manager_apply.go`: CRDs and Namespaces of a Kustomization are applied first, then all else
together, and none of that when the dry run of one object fails.
"""

import re
from collections import defaultdict
from collections.abc import Iterator

from bumper.check import kinds, unbuilt
from bumper.check.cluster import Cluster
from bumper.check.finding import ERROR, WARNING, rule
from bumper.fluxtree.build import Build
from bumper.fluxtree.resource import Fault, Resource
from bumper.fluxtree.scopes import BUILT_IN_GROUPS
from bumper.manifest.document import items, mapping, text

_NAME = re.compile(rb"^  name: [\"']?([\w.-]+)", re.MULTILINE)
# Charts whose names are words of every set-up.
_COMMON = {"base", "connect"}
_DEFINITION, _DEPLOYMENT = b"kind: CustomResourceDefinition", b"kind: Deployment"


@rule(
    "controller-missing",
    ERROR,
    why="Flux's own gotk-components.yaml brings neither this kind nor what acts on it, so the object is refused or ignored.",
    fix="Run flux bootstrap or flux install --export again with --components or --components-extra naming the controller.",
)
def controller_missing(cluster: Cluster) -> Iterator[Fault]:
    installed = controllers(cluster)
    if not installed or not cluster.is_bootstrapped or cluster.of_kind("FluxInstance"):
        return
    for kind, controller in kinds.CONTROLLERS.items():
        used = [resource for resource in cluster.of_kind(kind) if kinds.is_flux(resource)]
        if used and controller not in installed and not _deployed(cluster, controller):
            more = f" and {len(used) - 1} more" if len(used) > 1 else ""
            yield used[0].fault(
                f"{used[0]}{more} needs {controller}, which {cluster.components} does not install"
                f" (found: {', '.join(sorted(installed))})",
                "kind",
            )


def controllers(cluster: Cluster) -> frozenset[str]:
    """The Flux controllers that gotk-components.yaml installs; none where it is not committed, or holds no controller at all."""
    if not cluster.components:
        return frozenset()
    # Half a megabyte of generated YAML, always in the same form: looked through, not parsed.
    documents = cluster.reading.content(cluster.components).split(b"\n---")
    names = [
        match[1].decode()
        for document in documents
        if _DEPLOYMENT in document and (match := _NAME.search(document))
    ]
    return frozenset(names) & frozenset(kinds.CONTROLLERS.values())


def needed(cluster: Cluster) -> list[str]:
    """The Flux controllers that the tree's own objects need, in the order of the table."""
    used = {kind for kind in kinds.CONTROLLERS if any(map(kinds.is_flux, cluster.of_kind(kind)))}
    return list(dict.fromkeys(name for kind, name in kinds.CONTROLLERS.items() if kind in used))


def _deployed(cluster: Cluster, controller: str) -> bool:
    return any(controller in deployment.names for deployment in cluster.of_kind("Deployment"))


@rule(
    "crd-deadlock",
    ERROR,
    why="A new cluster refuses the object until the chart has defined its kind, and while one object of a Kustomization is refused"
    " Flux applies none of them: not the chart either.",
    fix="Put the object into a Kustomization of its own that depends on the one with the chart.",
)
def deadlock(cluster: Cluster) -> Iterator[Fault]:
    for built, resource, installers in _custom(cluster):
        if (
            installers
            and cluster.has_order(built)
            and not _may_be_defined(cluster, built)
            and all(_waits(cluster, other, built) for other in installers)
        ):
            names = sorted({other.name for other in installers})
            where = (
                "this same Kustomization"
                if names == [built.name]
                else f"Kustomization {', '.join(names)}, which waits for this one"
            )
            yield resource.fault(
                f"{resource.kind} ({resource.group}) is defined by a chart in {where}", "kind"
            )


@rule(
    "crd-unordered",
    WARNING,
    why="On a new cluster the first tries fail until the kind happens to be defined.",
    fix="Add the Kustomization that installs it to spec.dependsOn.",
)
def unordered(cluster: Cluster) -> Iterator[Fault]:
    by_group: dict[str, list[tuple[Build, Resource, list[Build]]]] = defaultdict(list)
    for built, resource, installers in _custom(cluster):
        before = cluster.before(built)
        after = [other for other in installers if not _waits(cluster, other, built)]
        is_ordered = any(id(other) in before for other in installers) or _may_be_defined(cluster, built)
        is_ordered = is_ordered or _is_awaited(cluster, built, resource.group)
        if after and cluster.has_order(built) and not is_ordered:
            by_group[resource.group].append((built, resource, after))
    for several in by_group.values():
        named = {id(built) for built, _, _ in several}
        for built, resource, after in several:
            # What depends on another that is told of already is put right with it.
            if not named.isdisjoint(cluster.before(built)):
                continue
            names = ", ".join(sorted({other.name for other in after}))
            yield resource.fault(
                f"{resource.kind} ({resource.group}) is defined by Kustomization {names}, which {built.name} does not depend on",
                "kind",
            )


@rule(
    "crd-missing",
    WARNING,
    why="The cluster refuses an object whose kind is not defined, and Flux applies nothing of its Kustomization.",
    fix="Install the chart or the CRDs in a Kustomization that this one depends on.",
)
def crd_missing(cluster: Cluster) -> Iterator[Fault]:
    if cluster.may_hold("CustomResourceDefinition", ""):
        return
    for _, resource, installers in _custom(cluster):
        charts = kinds.CHARTS.get(resource.group)
        if not installers and charts and resource.group not in kinds.BROUGHT_BY_DISTRIBUTIONS:
            yield resource.fault(
                f"{resource.kind} ({resource.group}) is defined by nothing in this tree, expected the chart {' or '.join(charts)}",
                "kind",
            )


def _may_be_defined(cluster: Cluster, built: Build) -> bool:
    """Whether a remote base or another repository, applied no later than the build, may bring definitions."""
    before = cluster.before(built)
    return any(other is built or id(other) in before for other in cluster.open_builds)


def _is_awaited(cluster: Cluster, built: Build, group: str) -> bool:
    """Whether a Kustomization that is Ready before the build checks the health of a definition of the group, whoever installs it."""
    return any(
        text(checked.get("kind")) == "CustomResourceDefinition"
        and text(checked.get("name")).endswith(f".{group}")
        for other in cluster.before(built).values()
        for checked in map(mapping, items(other.owner.at("spec", "healthChecks")))
    )


def unexplained(cluster: Cluster) -> list[str]:
    """The custom API groups that nothing in the tree installs and no rule speaks of."""
    groups = {
        resource.group
        for _, resource, installers in _custom(cluster)
        if not installers
        and (resource.group not in kinds.CHARTS or resource.group in kinds.BROUGHT_BY_DISTRIBUTIONS)
    }
    return sorted(groups)


def _custom(cluster: Cluster) -> tuple[tuple[Build, Resource, list[Build]], ...]:
    """The first object of each custom kind in each build, and the builds that define it; a build with the CRD itself is left out.

    None where something else than `flux bootstrap` began the cluster: it may have brought the CRDs too.
    """
    return cluster.once("custom kinds", lambda: _found_custom(cluster))


def _found_custom(cluster: Cluster) -> Iterator[tuple[Build, Resource, list[Build]]]:
    if not cluster.is_bootstrapped:
        return
    defining = _defining(cluster)
    brought = _brought(cluster)
    by_chart = _by_chart(cluster)
    for built in cluster.builds:
        seen: set[tuple[str, str]] = set()
        for resource in built.resources:
            key = (resource.group, resource.kind)
            if resource.group in BUILT_IN_GROUPS or kinds.is_flux(resource) or key in seen:
                continue
            seen.add(key)
            raw = defining.get(key, [])
            if built not in raw and resource.group not in brought:
                yield built, resource, [*raw, *by_chart.get(resource.group, [])]


def _brought(cluster: Cluster) -> set[str]:
    """The groups that whoever sets the cluster up installs before Flux is there."""
    texts = unbuilt.setups(cluster.reading)
    groups = {resource.group for resource in cluster.resources} - BUILT_IN_GROUPS
    return {group for group in groups if any(_names(written, group) for written in texts)}


def _names(written: str, group: str) -> bool:
    names = {group, *kinds.CHARTS.get(group, ())} - _COMMON
    return any(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", written) for name in names)


def _defining(cluster: Cluster) -> dict[tuple[str, str], list[Build]]:
    definitions: dict[tuple[str, str], list[Build]] = defaultdict(list)
    for built in cluster.builds:
        for resource in built.resources:
            if resource.kind == "CustomResourceDefinition":
                definitions[
                    text(resource.at("spec", "group")), text(resource.at("spec", "names", "kind"))
                ].append(built)
    return definitions


def _by_chart(cluster: Cluster) -> dict[str, list[Build]]:
    builds_by_group: dict[str, list[Build]] = defaultdict(list)
    for built in cluster.builds:
        releases = (resource for resource in built.resources if resource.kind == "HelmRelease")
        charts = {chart for release in releases for chart in cluster.charts_of(release)}
        for group, names in kinds.CHARTS.items():
            if charts.intersection(names):
                builds_by_group[group].append(built)
    return builds_by_group


def _waits(cluster: Cluster, installer: Build, built: Build) -> bool:
    """Whether `installer` is not applied before `built` is: it is the same build, or depends on it."""
    return installer is built or id(built) in cluster.before(installer)
