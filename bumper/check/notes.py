"""What a repository cannot tell of its cluster, said once for each run."""

from collections.abc import Iterator
from posixpath import basename

from bumper.check.cluster import Cluster
from bumper.check.rules import apis, files


def of(cluster: Cluster) -> Iterator[str]:
    """One sentence each."""
    where = cluster.directory or "this tree"
    if cluster.is_bootstrapped and not cluster.components and not cluster.of_kind("FluxInstance"):
        controllers = ", ".join(controller.removesuffix("-controller") for controller in apis.needed(cluster))
        yield f"{where}: gotk-components.yaml is not committed here; bootstrap commits it, with these controllers: {controllers}"
    groups = apis.unexplained(cluster)
    if groups and not cluster.is_elsewhere:
        yield f"{where}: the cluster must bring what nothing here installs: {', '.join(groups)}"
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
