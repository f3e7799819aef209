"""Which of a new site's hosts is which cluster's.

Law: said by the caller (`--host east=shop.example`), or certain: all clusters have the model's same hosts, or each new host is one of
the model's with the new name in it. Anything else is refused with what each cluster has.
"""

from collections.abc import Mapping, Sequence

from bumper.errors import UsageError
from bumper.onboarding.model import Model, Placement
from bumper.onboarding.renaming import Renaming, Uncarried

Hosts = tuple[str, ...]


def assigned(
    model: Model, name: str, hosts: Hosts, of_clusters: Sequence[tuple[str, str]]
) -> Mapping[str, Hosts]:
    """The hosts by the name of the cluster; `hosts` are those for which the caller names none, `of_clusters` clusters with a host."""
    placements = {placement.cluster: placement for placement in model.placements}
    _require_clusters(model, placements, of_clusters)
    named = {
        cluster: tuple(host for other, host in of_clusters if other == cluster) for cluster in placements
    }
    left = [placement for cluster, placement in placements.items() if not named[cluster]]
    return {**named, **_certain(model, name, hosts, left)}


def _require_clusters(
    model: Model, placements: Mapping[str, Placement], of_clusters: Sequence[tuple[str, str]]
) -> None:
    for cluster, host in of_clusters:
        if cluster not in placements or not cluster:
            known = ", ".join(filter(None, placements)) or "one cluster alone"
            raise UsageError(
                f"--host {cluster}={host}: {model.name} is in no cluster {cluster} (found: {known})"
            )


def _certain(model: Model, name: str, hosts: Hosts, placements: Sequence[Placement]) -> Mapping[str, Hosts]:
    had = {placement.cluster: tuple(host.host for host in placement.hosts) for placement in placements}
    if len(set(had.values())) <= 1:
        return dict.fromkeys(had, hosts)
    names = Renaming(model.name, name, (), (), model.foreign)
    derived = {cluster: tuple(map(names.host, each)) for cluster, each in had.items()}
    if {host for each in derived.values() for host in each} == set(hosts):
        return derived
    first = next(cluster for cluster, each in had.items() if each)
    have = "; ".join(f"{cluster} has {', '.join(each) or 'none'}" for cluster, each in had.items())
    raise Uncarried(
        f"{model.name}: which of the new hosts belongs to which cluster is not certain ({have})",
        hint=f"say it for each: --host {first}=HOST",
    )
