"""What a repository cannot tell of its cluster, said once for each run."""

from collections.abc import Iterator

from bumper.check.cluster import Cluster
from bumper.check.rules import apis


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
