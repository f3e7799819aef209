"""What to watch for the sites of a look.

Law: the number of streams is bounded whatever the number of sites: up to `_FEW` objects of a kind each have a stream of their own
(which a role for named objects allows), more share one for each namespace, and many namespaces share one for all.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

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
)
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


def of(desired: Sequence[Desired], observations: Sequence[Observation]) -> tuple[set[Feed], Interest]:
    """The streams to keep open, and whose changes matter in them."""
    keys = {
        key
        for site in desired
        for key in (*site.makers, site.source, site.kustomization, site.workload)
        if key.name
    }
    keys |= {
        ObjectKey.of(promoting)
        for seen in observations
        for promoting in (seen.canary, seen.primary)
        if promoting is not None
    }
    keys |= {
        ObjectKey(KUSTOMIZATION.kind, entry.get("namespace") or site.kustomization.namespace, entry["name"])
        for site, seen in zip(desired, observations, strict=True)
        for entry in at(seen.kustomization, "spec", "dependsOn") or ()
    }
    places: dict[str, set[str]] = defaultdict(set)
    workloads = set()
    for site, seen in zip(desired, observations, strict=True):
        key = site.workload
        if key.kind not in KINDS:
            continue
        is_helm = key.kind == HELM_RELEASE.kind
        target = at(seen.workload, "spec", "targetNamespace") if is_helm else None
        place = target or key.namespace
        # A release's pods may have any name.
        workloads.add((place, "" if is_helm else key.name))
        for resource in (POD, EVENT, *OWNED.get(key.kind, ())):
            places[resource.kind].add(place)
    watched = set(_named(keys))
    for kind, namespaces in places.items():
        watched |= set(_by_namespace(kind, namespaces))
    return watched, Interest(frozenset(keys), frozenset(workloads))


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
