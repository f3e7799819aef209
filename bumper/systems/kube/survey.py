"""What the cluster says of itself when nothing is deployed: our rights, and how Flux was set up.

Law: nothing is tried that would change anything. A review is a question to the API server, which keeps nothing of it.
"""

import asyncio
from collections.abc import Collection, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from bumper.dataclasses import replace
from bumper.errors import Unreachable
from bumper.objects import Object, at
from bumper.ports.kubernetes import CONTROLLERS, Installation, Right
from bumper.systems.kube.api import Api
from bumper.systems.kube.kinds import ACCESS_REVIEW, CANARY, KINDS, KUSTOMIZATION, RECEIVER, Resource
from bumper.systems.kube.refusals import Forbidden, Missing

_Answer = TypeVar("_Answer")
_REQUESTS_AT_ONCE = 8
# What `flux install`, bootstrap and the operator put on their controllers (flux2 2.9, manifests/install).
_PART_OF_FLUX = "app.kubernetes.io/part-of=flux"


async def denied(api: Api, rights: Sequence[Right]) -> frozenset[Right]:
    """The rights that we do not have. What is allowed everywhere is asked once, whatever the number of namespaces."""
    slots = asyncio.Semaphore(_REQUESTS_AT_ONCE)

    async def ask(right: Right) -> tuple[Right, bool]:
        async with slots:
            return right, await _is_allowed(api, right)

    everywhere = {replace(right, namespace="") for right in rights}
    allowed = {right for right, is_allowed in await _answers(map(ask, sorted(everywhere))) if is_allowed}
    asked = [right for right in rights if right.namespace and replace(right, namespace="") not in allowed]
    answers = await _answers(map(ask, asked))
    refused = {right for right, is_allowed in answers if not is_allowed}
    return frozenset(refused | {right for right in rights if not right.namespace and right not in allowed})


async def kustomizations(api: Api, namespaces: Collection[str]) -> tuple[Object, ...]:
    """Those of the namespaces, of which some may be closed to us."""

    async def read(namespace: str) -> list[Object]:
        try:
            return (await api.list(KUSTOMIZATION, namespace)).items
        except (Forbidden, Missing):
            return []

    listed = await _answers(map(read, namespaces))
    return tuple(each for several in listed for each in several)


async def served(api: Api, rights: Sequence[Right]) -> tuple[Right, ...]:
    """The rights that mean something in this cluster: one without Flagger has no Canaries to read."""
    has_canaries = all(right.group != CANARY.group for right in rights) or await api.serves(CANARY.group)
    return tuple(right for right in rights if has_canaries or right.group != CANARY.group)


async def installation(api: Api, namespaces: Collection[str]) -> Installation:
    """Flux's controllers and Receivers."""
    unreadable: dict[str, str] = {}

    async def read(resource: Resource, namespace: str, selector: str = "") -> list[Object]:
        try:
            return (await api.list(resource, namespace, labelSelector=selector)).items
        except Forbidden as error:
            unreadable[resource.kind] = error.message
        except Missing:
            # A cluster without notification-controller's definitions has no Receivers either.
            if resource != RECEIVER:
                raise
        return []

    controllers, receivers = [], []
    for namespace in sorted(namespaces):
        controllers += await read(KINDS["Deployment"], namespace, _PART_OF_FLUX)
        receivers += await read(RECEIVER, namespace)
    known = [controller for controller in controllers if at(controller, "metadata", "name") in CONTROLLERS]
    return Installation(tuple(known), tuple(receivers), unreadable)


async def _answers(questions: Iterable[Coroutine[Any, Any, _Answer]]) -> list[_Answer]:
    """All of them. The first error ends the others before it is raised."""
    tasks = [asyncio.ensure_future(question) for question in questions]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def _is_allowed(api: Api, right: Right) -> bool:
    resource, _, subresource = right.resource.partition("/")
    attributes = {
        "namespace": right.namespace,
        "group": right.group,
        "resource": resource,
        "subresource": subresource,
        "verb": right.verb,
        "name": right.name,
    }
    review = {
        "apiVersion": f"{ACCESS_REVIEW.group}/{ACCESS_REVIEW.version}",
        "kind": ACCESS_REVIEW.kind,
        "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
    }
    answer = await api.create(ACCESS_REVIEW, review)
    allowed = at(answer, "status", "allowed")
    if not isinstance(allowed, bool):
        raise Unreachable(f"{ACCESS_REVIEW.kind}: answered without status.allowed")
    return allowed
