"""What to watch for the sites of a look.

Law: the number of streams is bounded whatever the number of sites: up to `_FEW` objects of a kind each have a stream of their own
(which a role for named objects allows), more share one for each namespace, and many namespaces share one for all.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from bumper.objects import ObjectKey, at
from bumper.observation import Desired, Observation
from bumper.systems.kube.kinds import (
    EVENT,
    HELM_RELEASE,
    JOB,
    KINDS,
    KUSTOMIZATION,
    POD,
    PODS_OWNERS,
    REPLICA_SET,
    ROLLOUT,
    Resource,
)
from bumper.systems.kube.news import SiteKey, site_key
from bumper.systems.kube.watch import Feed, Interest

_FEW = 3
_FEW_NAMESPACES = 8
# What brings a workload's kind to life, beside its pods and the events about it.
OWNED = {
    "Deployment": (REPLICA_SET,),
    "CronJob": (JOB,),
    ROLLOUT.kind: (REPLICA_SET,),
    HELM_RELEASE.kind: (REPLICA_SET, *PODS_OWNERS),
}


class Need(NamedTuple):
    """What one look showed that must be watched for a workload of a site: objects by name, and in the namespace `place` kinds that
    belong to `workload` (empty: to any of that namespace).
    """

    site: SiteKey
    keys: frozenset[ObjectKey]
    place: str = ""
    workload: str = ""
    owned: tuple[Resource, ...] = ()


def need(site: Desired, seen: Observation) -> Need:
    """What to watch for a workload, by how it was seen."""
    keys = {key for key in (*site.makers, site.source, site.kustomization, site.workload) if key.name}
    keys |= {ObjectKey.of(promoting) for promoting in (seen.canary, seen.primary) if promoting is not None}
    keys |= {
        ObjectKey(KUSTOMIZATION.kind, entry.get("namespace") or site.kustomization.namespace, entry["name"])
        for entry in at(seen.kustomization, "spec", "dependsOn") or ()
    }
    key = site.workload
    if key.kind not in KINDS:
        return Need(site_key(site), frozenset(keys))
    is_helm = key.kind == HELM_RELEASE.kind
    target = at(seen.workload, "spec", "targetNamespace") if is_helm else None
    owned = (POD, EVENT, *OWNED.get(key.kind, ()))
    # A release's pods may have any name.
    name = "" if is_helm else key.name
    return Need(site_key(site), frozenset(keys), target or key.namespace, name, owned)


def of(needs: Iterable[Need]) -> tuple[set[Feed], Interest]:
    """The streams to keep open, and whose changes matter in them."""
    keys: dict[ObjectKey, set[SiteKey]] = defaultdict(set)
    workloads: dict[str, dict[str, set[SiteKey]]] = defaultdict(lambda: defaultdict(set))
    places: dict[str, set[str]] = defaultdict(set)
    for each in needs:
        for key in each.keys:
            keys[key].add(each.site)
        for resource in each.owned:
            places[resource.kind].add(each.place)
        if each.owned:
            workloads[each.place][each.workload].add(each.site)
    watched = set(_named(keys))
    for kind, namespaces in places.items():
        watched |= set(_by_namespace(kind, namespaces))
    return watched, Interest(dict(keys), {place: dict(names) for place, names in workloads.items()})


def _named(keys: Iterable[ObjectKey]) -> Iterable[Feed]:
    by_kind: dict[str, list[ObjectKey]] = defaultdict(list)
    for key in keys:
        if key.kind in KINDS:
            by_kind[key.kind].append(key)
    for kind, named in by_kind.items():
        if len(named) <= _FEW:
            yield from (Feed(KINDS[kind], key.namespace, key.name) for key in named)
        else:
            yield from _by_namespace(kind, {key.namespace for key in named})


def _by_namespace(kind: str, namespaces: set[str]) -> Iterable[Feed]:
    if len(namespaces) > _FEW_NAMESPACES:
        yield Feed(KINDS[kind])
    else:
        yield from (Feed(KINDS[kind], namespace) for namespace in namespaces)
