"""What the clusters themselves build under a name that the repository has several times, or not at all.

Law: asked only where the repository leaves a choice, or has nothing. A cluster that can't be read decides nothing: a site is
followed in every cluster that is not known to build another one under its name.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial

from bumper.dataclasses import replace
from bumper.errors import BumpError, UsageError
from bumper.fluxtree.sites.find import Site, Target
from bumper.fluxtree.sites.selection import is_of_namesake, live_build, source_of
from bumper.fluxtree.sources import GIT
from bumper.image import ImageReference
from bumper.objects import NO_OBJECT, ObjectKey, at
from bumper.observation import Desired, Observation
from bumper.ports.kubernetes import Cluster, Listed
from bumper.request import Inventory, Live, LiveBuild


def live_builds(clusters: Iterable[Cluster]) -> Live:
    """What is built under the name of a Kustomization, in each cluster that has it."""
    asked = tuple(clusters)

    @cache
    def of(namespace: str, name: str) -> frozenset[LiveBuild]:
        builds = (build_in(cluster, namespace, name) for cluster in asked)
        return frozenset(build for build in builds if build)

    return of


def inventory(clusters: Iterable[Listed]) -> Inventory:
    """All that clusters build, as far as they let us list it."""
    asked = tuple(clusters)

    def of(namespaces: Sequence[str]) -> list[LiveBuild]:
        return [build for cluster in asked for build in _listed(cluster, namespaces)]

    return of


def _listed(cluster: Listed, namespaces: Sequence[str]) -> Iterator[LiveBuild]:
    try:
        there = cluster.kustomizations(namespaces)
    except BumpError:
        return
    for each in there:
        namespace, name = (str(at(each, "metadata", key) or "") for key in ("namespace", "name"))
        if build := live_build(each, namespace):
            yield _in(cluster, ObjectKey("Kustomization", namespace, name), build)


def _in(cluster: Cluster, key: ObjectKey, build: LiveBuild) -> LiveBuild:
    """What a cluster builds, with the way to its source."""
    source = source_of(build.kustomization, key.namespace)
    return replace(build, cluster=cluster.name, address=partial(_address, cluster, key, source))


def elsewhere(targets: Iterable[Target], build_of: Callable[[Site], LiveBuild | None]) -> frozenset[str]:
    """The labels of the sites whose name stands for another one in the cluster that builds these."""
    sites = [target.site for target in targets]
    return frozenset(site.label for site in sites if site.has_rivals and is_of_namesake(site, build_of(site)))


def require_followed(target: Target, builds: Mapping[str, LiveBuild | None], remedy: str = "") -> None:
    """UsageError where every cluster that is followed builds another site under the name of this one; `builds` are theirs.

    `remedy` is what else helps than to name its cluster.
    """
    site = target.site
    if not builds or not all(is_of_namesake(site, build) for build in builds.values()):
        return
    there = ", ".join(f"{name} builds {build.path}" for name, build in builds.items() if build)
    raise UsageError(
        f"{site.place}: Kustomization {site.kustomization.namespace}/{site.kustomization.name} builds {site.path or '.'}, and no "
        f"cluster that is followed does: {there}",
        hint="; ".join(filter(None, ("name its cluster: --context NAME, repeatable", remedy))),
    )


def build_in(cluster: Cluster, namespace: str, name: str) -> LiveBuild | None:
    """What one cluster builds under the name of a Kustomization; None where that is not known, or it has none."""
    key = ObjectKey("Kustomization", namespace, name)
    # Which source is looked at beside it does not matter: that of the Kustomization is to be learned.
    look = _seen(cluster, key, ObjectKey(GIT, namespace, name))
    build = live_build(look.kustomization, namespace) if look else None
    return _in(cluster, key, build) if build else None


def _address(cluster: Cluster, key: ObjectKey, source: ObjectKey) -> str:
    """The URL of a source, as the cluster has it; empty where that is not known, or it is no GitRepository."""
    look = _seen(cluster, key, source) if source.kind == GIT else None
    return str(at(look.source, "spec", "url") or "") if look and look.source else ""


def _seen(cluster: Cluster, key: ObjectKey, source: ObjectKey) -> Observation | None:
    desired = Desired(key.name, ImageReference(""), None, None, key, source, NO_OBJECT, "")
    try:
        (look,) = cluster.observe([desired])
    except BumpError:
        return None
    return look
