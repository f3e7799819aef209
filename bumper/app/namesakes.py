"""What the clusters themselves build under a name that the repository has several times.

Law: asked only where the repository leaves a choice. A cluster that can't be read decides nothing.
"""

from collections.abc import Iterable
from functools import cache

from bumper.errors import BumpError
from bumper.image import ImageReference
from bumper.objects import NO_OBJECT, ObjectKey, at
from bumper.observation import Desired
from bumper.ports import Cluster
from bumper.request import Live, LiveBuild


def live_builds(clusters: Iterable[Cluster]) -> Live:
    """What is built under the name of a Kustomization, in each cluster that has it."""
    asked = tuple(clusters)

    @cache
    def of(namespace: str, name: str) -> frozenset[LiveBuild]:
        key = ObjectKey("Kustomization", namespace, name)
        # Which source is looked at beside it does not matter: that of the Kustomization is to be learned.
        source = ObjectKey("GitRepository", namespace, name)
        desired = Desired(name, ImageReference(""), None, None, key, source, NO_OBJECT, "")
        builds = (_live(cluster, desired) for cluster in asked)
        return frozenset(build for build in builds if build)

    return of


def _live(cluster: Cluster, desired: Desired) -> LiveBuild | None:
    try:
        (look,) = cluster.observe([desired])
    except BumpError:
        return None
    if look.kustomization is None:
        return None
    source = at(look.kustomization, "spec", "sourceRef") or {}
    namespace = source.get("namespace") or desired.kustomization.namespace
    key = ObjectKey(str(source.get("kind", "")), str(namespace), str(source.get("name", "")))
    return LiveBuild(str(at(look.kustomization, "spec", "path") or ""), str(key))
