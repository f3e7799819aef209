"""What a repository cannot tell of its cluster, said once for each run."""

from collections import Counter
from collections.abc import Iterator
from posixpath import basename

from bumper.check.cluster import Cluster
from bumper.check.rules import apis, files

# From here on a commit is felt: four workers, each held while it waits for health.
_MANY = 8


def of(cluster: Cluster) -> Iterator[str]:
    """One sentence each."""
    where = cluster.directory or "this tree"
    if cluster.is_bootstrapped and not cluster.components and not cluster.of_kind("FluxInstance"):
        controllers = ", ".join(controller.removesuffix("-controller") for controller in apis.needed(cluster))
        yield f"{where}: gotk-components.yaml is not committed here; bootstrap commits it, with these controllers: {controllers}"
    groups = apis.unexplained(cluster)
    if groups and not cluster.is_elsewhere:
        yield f"{where}: the cluster must bring what nothing here installs: {', '.join(groups)}"
    yield from _reconciled_together(cluster, where)
    foreign = [built.name for built in cluster.builds if not built.site.is_ours]
    if foreign:
        yield f"{where}: built from other repositories and not checked: {', '.join(sorted(set(foreign)))}"
    yield from _kept_beside(cluster)


def _kept_beside(cluster: Cluster) -> Iterator[str]:
    """The manifests beside a kustomization that lists no file of its own directory."""
    by_kustomization: dict[str, list[str]] = {}
    for layer, path in files.left_out(cluster):
        if not files.lists_siblings(layer):
            by_kustomization.setdefault(layer.path, []).append(basename(path))
    for path, names in by_kustomization.items():
        yield f"{path}: Flux does not apply what stands beside it: {', '.join(names)}"


def _reconciled_together(cluster: Cluster, where: str) -> Iterator[str]:
    """How many Kustomizations one commit reconciles, whatever it changes (all of a source that has a new revision)."""
    shared = Counter(
        built.site.source for built in cluster.builds if built.site.is_ours and not built.site.makers
    )
    alone = sum(bool(built.site.makers) for built in cluster.builds)
    for source, count in sorted(shared.items()):
        if count < 2:
            continue
        isolated = f"; {alone} more only what changes for them" if alone else ""
        advice = "; bump isolate ends that for a site" if count > _MANY else ""
        yield f"{where}: each commit reconciles {count} Kustomizations, all of {source}{isolated}{advice}"
