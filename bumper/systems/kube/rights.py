"""The rights that following sites takes.

Law: this table and the requests of `reading`, `feeds`, `cluster` and `logs` say the same: a test follows with nothing but these
rights. Of each kind that is read, one object is asked for by name while there are few sites, and the list from then on.
"""

from collections.abc import Iterable, Iterator, Sequence

from bumper.dataclasses import dataclass
from bumper.objects import ObjectKey
from bumper.observation import Desired
from bumper.ports.kubernetes import Right
from bumper.rollout import canary
from bumper.rollout.preflight import LOST
from bumper.systems.kube.feeds import OWNED
from bumper.systems.kube.kinds import CANARY, EVENT, KINDS, NODE, POD, Resource

_POLLED = "changes are not told to us: we look every few seconds instead"


@dataclass(frozen=True)
class Subject:
    """A site to be followed, the Kustomizations that it waits for, and the namespace of its pods."""

    desired: Desired
    depends_on: Sequence[ObjectKey] = ()
    pods_namespace: str = ""


def needed(subjects: Iterable[Subject]) -> tuple[Right, ...]:
    """Every right once, in order; as needed as it is for any of the sites."""
    rights = {_NODES: _NODES}
    for right in (right for subject in subjects for right in _of(subject)):
        if right.is_needed or right not in rights:
            rights[right] = right
    return tuple(rights[right] for right in sorted(rights))


_NODES = Right(
    "", NODE.group, NODE.plural, "list", lost="whether an image can run on the nodes is not asked before"
)


def _of(subject: Subject) -> Iterator[Right]:
    desired = subject.desired
    kustomization, workload, fetched = desired.kustomization, desired.workload, desired.fetched
    for source in (desired.source, *desired.makers):
        if source.kind in KINDS:
            yield from _read(KINDS[source.kind], source.namespace, LOST["GitRepository"])
    if fetched.kind in KINDS:
        yield Right(
            fetched.namespace,
            KINDS[fetched.kind].group,
            KINDS[fetched.kind].plural,
            "patch",
            fetched.name,
            "Flux can't be asked to fetch at once: a commit waits for the source's interval or webhook",
        )
    why = "without the Kustomization nothing can be said of a deploy"
    yield from _read(KINDS[kustomization.kind], kustomization.namespace, why, is_needed=True)
    for dependency in subject.depends_on:
        yield from _read(
            KINDS[dependency.kind], dependency.namespace, "what a deploy waits for can't be told"
        )
    if workload.kind in KINDS:
        why = f"without the {workload.kind} a rollout can't be followed"
        yield from _read(KINDS[workload.kind], workload.namespace, why, is_needed=True)
        place = subject.pods_namespace or workload.namespace
        for resource in (POD, EVENT, *OWNED.get(workload.kind, ())):
            yield from _listed(resource, place)
        if workload.kind in canary.TARGETS:
            yield from _listed(CANARY, workload.namespace)
        yield Right(
            place, POD.group, f"{POD.plural}/log", "get", lost="the last words of a crash are not shown"
        )


def _read(resource: Resource, namespace: str, lost: str, *, is_needed: bool = False) -> Iterator[Right]:
    for verb in ("get", "list"):
        yield Right(namespace, resource.group, resource.plural, verb, lost=lost, is_needed=is_needed)
    yield Right(namespace, resource.group, resource.plural, "watch", lost=_POLLED)


def _listed(resource: Resource, namespace: str) -> Iterator[Right]:
    lost = LOST.get(resource.kind, f"the pods of a {resource.kind} are not found")
    yield Right(namespace, resource.group, resource.plural, "list", lost=lost)
    yield Right(namespace, resource.group, resource.plural, "watch", lost=_POLLED)
