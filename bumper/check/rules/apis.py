"""Rules about kinds: who installs their definition and their controller, and whether that comes first.

Source: fluxcd/pkg/ssa v0.76.2, `manager_apply.go`: CRDs and Namespaces of a Kustomization are applied first, then all else
together, and none of that when the dry run of one object fails.
"""

import re
from collections import defaultdict
from collections.abc import Iterator

from bumper.check import kinds
from bumper.check.build import Build
from bumper.check.cluster import Cluster
from bumper.check.finding import ERROR, WARNING, Fault, rule
from bumper.check.resource import Resource
from bumper.check.scopes import BUILT_IN_GROUPS
from bumper.manifest.document import text

_NAME = re.compile(rb"^  name: [\"']?([\w.-]+)", re.MULTILINE)
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
        used = [one for one in cluster.of_kind(kind) if kinds.is_flux(one)]
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
    parts = cluster.reading.content(cluster.components).split(b"\n---")
    names = [match[1].decode() for part in parts if _DEPLOYMENT in part and (match := _NAME.search(part))]
    return frozenset(names) & frozenset(kinds.CONTROLLERS.values())


def needed(cluster: Cluster) -> list[str]:
    """The Flux controllers that the tree's own objects need, in the order of the table."""
    used = {kind for kind in kinds.CONTROLLERS if any(map(kinds.is_flux, cluster.of_kind(kind)))}
    return list(dict.fromkeys(name for kind, name in kinds.CONTROLLERS.items() if kind in used))


def _deployed(cluster: Cluster, controller: str) -> bool:
    return any(controller in one.names for one in cluster.of_kind("Deployment"))


@rule(
    "crd-deadlock",
    ERROR,
    why="A new cluster refuses the object until the chart has defined its kind, and while one object of a Kustomization is refused"
    " Flux applies none of them: not the chart either.",
    fix="Put the object into a Kustomization of its own that depends on the one with the chart.",
)
def deadlock(cluster: Cluster) -> Iterator[Fault]:
    for built, one, installers in _custom(cluster):
        if (
            installers
            and cluster.has_order(built)
            and all(_waits(cluster, other, built) for other in installers)
        ):
            names = sorted({other.name for other in installers})
            where = (
                "this same Kustomization"
                if names == [built.name]
                else f"Kustomization {', '.join(names)}, which waits for this one"
            )
            yield one.fault(f"{one.kind} ({one.group}) is defined by a chart in {where}", "kind")


@rule(
    "crd-unordered",
    WARNING,
    why="On a new cluster the first tries fail until the kind happens to be defined.",
    fix="Add the Kustomization that installs it to spec.dependsOn.",
)
def unordered(cluster: Cluster) -> Iterator[Fault]:
    found: dict[str, list[tuple[Build, Resource, list[Build]]]] = defaultdict(list)
    for built, one, installers in _custom(cluster):
        before = cluster.before(built)
        after = [other for other in installers if not _waits(cluster, other, built)]
        if after and cluster.has_order(built) and not any(id(other) in before for other in installers):
            found[one.group].append((built, one, after))
    for several in found.values():
        for built, one, after in several:
            # What depends on another that is told of already is put right with it.
            if any(id(other) in cluster.before(built) for other, _, _ in several):
                continue
            names = ", ".join(sorted({other.name for other in after}))
            yield one.fault(
                f"{one.kind} ({one.group}) is defined by Kustomization {names}, which {built.name} does not depend on",
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
    for _, one, installers in _custom(cluster):
        charts = kinds.CHARTS.get(one.group)
        if not installers and charts and one.group not in kinds.BROUGHT_BY_DISTRIBUTIONS:
            yield one.fault(
                f"{one.kind} ({one.group}) is defined by nothing in this tree, expected the chart {' or '.join(charts)}",
                "kind",
            )


def unexplained(cluster: Cluster) -> list[str]:
    """The custom API groups that nothing in the tree installs and no rule speaks of."""
    found = {
        one.group
        for _, one, installers in _custom(cluster)
        if not installers and (one.group not in kinds.CHARTS or one.group in kinds.BROUGHT_BY_DISTRIBUTIONS)
    }
    return sorted(found)


def _custom(cluster: Cluster) -> Iterator[tuple[Build, Resource, list[Build]]]:
    """The first object of each custom kind in each build, and the builds that define it; a build with the CRD itself is left out.

    None where something else than `flux bootstrap` began the cluster: it may have brought the CRDs too.
    """
    if not cluster.is_bootstrapped:
        return
    defining = _defining(cluster)
    by_chart = _by_chart(cluster)
    for built in cluster.builds:
        seen: set[tuple[str, str]] = set()
        for one in built.resources:
            key = (one.group, one.kind)
            if one.group in BUILT_IN_GROUPS or kinds.is_flux(one) or key in seen:
                continue
            seen.add(key)
            raw = defining.get(key, [])
            if built not in raw:
                yield built, one, [*raw, *by_chart.get(one.group, [])]


def _defining(cluster: Cluster) -> dict[tuple[str, str], list[Build]]:
    found: dict[tuple[str, str], list[Build]] = defaultdict(list)
    for built in cluster.builds:
        for one in built.resources:
            if one.kind == "CustomResourceDefinition":
                found[text(one.at("spec", "group")), text(one.at("spec", "names", "kind"))].append(built)
    return found


def _by_chart(cluster: Cluster) -> dict[str, list[Build]]:
    found: dict[str, list[Build]] = defaultdict(list)
    for built in cluster.builds:
        charts = {kinds.chart_of(one) for one in built.resources if one.kind == "HelmRelease"}
        for group, names in kinds.CHARTS.items():
            if charts.intersection(names):
                found[group].append(built)
    return found


def _waits(cluster: Cluster, one: Build, built: Build) -> bool:
    """Whether `one` is not applied before `built` is: it is the same, or depends on it."""
    return one is built or id(built) in cluster.before(one)
