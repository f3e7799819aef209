"""What the clusters themselves build under a name that the repository has several times.

Law: asked only where the repository leaves a choice. A cluster that can't be read decides nothing: a site is followed in every cluster
that is not known to build another one under its name.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache

from bumper.errors import BumpError, UsageError
from bumper.fluxtree.sites.find import Site, Target
from bumper.fluxtree.sites.selection import is_of_namesake, live_build
from bumper.image import ImageReference
from bumper.objects import NO_OBJECT, ObjectKey
from bumper.observation import Desired
from bumper.ports.kubernetes import Cluster
from bumper.request import Live, LiveBuild


def live_builds(clusters: Iterable[Cluster]) -> Live:
    """What is built under the name of a Kustomization, in each cluster that has it."""
    asked = tuple(clusters)

    @cache
    def of(namespace: str, name: str) -> frozenset[LiveBuild]:
        builds = (build_in(cluster, namespace, name) for cluster in asked)
        return frozenset(build for build in builds if build)

    return of


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
    source = ObjectKey("GitRepository", namespace, name)
    desired = Desired(name, ImageReference(""), None, None, key, source, NO_OBJECT, "")
    try:
        (look,) = cluster.observe([desired])
    except BumpError:
        return None
    return live_build(look.kustomization, namespace)
