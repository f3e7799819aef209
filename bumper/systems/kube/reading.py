"""One look at the cluster: the objects of some sites, read afresh.

Law: causes are read before their effects: the source, the Kustomization, its dependencies and the workload, then what the workload
owns. So no effect is older than the cause it is judged with: a Kustomization that lags behind the artifact seen with it did lag, and
a Deployment holds at least what the applied revision seen with it put there. The reverse happens and is harmless: an effect may be
newer than its cause. One site is read object by object; from `_FEW` objects of a kind on they are listed, so that the number of
requests does not grow with the number of sites.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence

from bumper.dataclasses import dataclass, field, replace
from bumper.objects import Object, ObjectKey, at
from bumper.observation import Desired, Observation
from bumper.rollout import canary
from bumper.rollout.serving import claims
from bumper.systems.kube.api import Api
from bumper.systems.kube.kinds import (
    CANARY,
    EVENT,
    HELM_RELEASE,
    JOB,
    KINDS,
    KNATIVE_SERVICE,
    POD,
    PODS_OWNERS,
    REPLICA_SET,
    ROLLOUT,
    Resource,
)
from bumper.systems.kube.logs import Logs
from bumper.systems.kube.refusals import Forbidden, Missing

# From this many objects of one kind on, and from this many namespaces on, one list is cheaper than asking one by one.
_FEW = 4
_FEW_NAMESPACES = 8
_REQUESTS_AT_ONCE = 8
# knative serving 1.x, pkg/apis/serving/register.go: a Service's pods belong to Deployments of its revisions.
_KNATIVE_SERVICE_LABEL = "serving.knative.dev/service"


@dataclass
class _Read:
    """What was read: single objects by key, collections by kind and namespace; and why some of it could not be."""

    objects: dict[ObjectKey, Object] = field(default_factory=dict)
    members: dict[tuple[str, str], list[Object]] = field(default_factory=lambda: defaultdict(list))
    unreadable_objects: dict[ObjectKey, str] = field(default_factory=dict)
    unreadable_members: dict[tuple[str, str], str] = field(default_factory=dict)


class Reader:
    """Remembers between looks only what saves requests: logs that were read, that a list of all namespaces is forbidden, whether the
    cluster has Flagger."""

    def __init__(self, api: Api, now: Callable[[], float]) -> None:
        self.logs = Logs(api)
        self._api = api
        self._now = now
        self._namespaced_only: set[Resource] = set()
        self._has_canaries: bool | None = None
        self._slots = asyncio.Semaphore(_REQUESTS_AT_ONCE)

    async def look(self, desired: Sequence[Desired]) -> list[Observation]:
        """One observation for each site, in order, without `revisions`."""
        read = _Read()
        await self._read_objects(read, {key for site in desired for key in (*site.makers, site.source)})
        await self._read_objects(read, {site.kustomization for site in desired})
        dependencies = [_dependencies(site, read) for site in desired]
        workloads = {site.workload for site in desired if site.workload.name}
        needed = {key for keys in dependencies for key in keys} - read.objects.keys()
        await _together([self._read_objects(read, needed), self._read_objects(read, workloads)])
        present = [read.objects[key] for key in sorted(workloads) if key in read.objects]
        await self._read_canaries(read, [key for key in sorted(workloads) if key in read.objects])
        await self._read_owned(read, present)
        observations = [
            _observation(site, keys, read) for site, keys in zip(desired, dependencies, strict=True)
        ]
        cluster_time = self._api.time()
        await self.logs.read(
            {site.workload: seen.pods for site, seen in zip(desired, observations, strict=True)}
        )
        return [
            replace(
                observation,
                logs=self.logs.of(observation.pods),
                at_s=self._now(),
                cluster_time=cluster_time,
            )
            for observation in observations
        ]

    async def _read_objects(self, read: _Read, keys: Collection[ObjectKey]) -> None:
        by_kind: dict[str, list[ObjectKey]] = defaultdict(list)
        for key in sorted(keys):
            by_kind[key.kind].append(key)
        await _together([self._read_kind(read, kind, named) for kind, named in by_kind.items()])

    async def _read_kind(self, read: _Read, kind: str, keys: list[ObjectKey]) -> None:
        resource = KINDS.get(kind)
        if resource is None:
            for key in keys:
                read.unreadable_objects[key] = f"{kind} is no kind of workload that can be followed"
        elif len(keys) < _FEW:
            await _together([self._read_one(read, resource, key) for key in keys])
        else:
            await self._read_members(read, resource, dict.fromkeys((key.namespace for key in keys), ""))
            places = {key.namespace for key in keys}
            listed = {
                ObjectKey.of(listed_object): listed_object
                for place in places
                for listed_object in read.members[kind, place]
            }
            read.objects.update((key, listed[key]) for key in keys if key in listed)
            unread = read.unreadable_members
            read.unreadable_objects.update(
                (key, unread[kind, key.namespace]) for key in keys if (kind, key.namespace) in unread
            )

    async def _read_one(self, read: _Read, resource: Resource, key: ObjectKey) -> None:
        try:
            async with self._slots:
                cluster_object = await self._api.get(resource, key.namespace, key.name)
        except (Forbidden, Missing) as error:
            read.unreadable_objects[key] = error.message
        else:
            if cluster_object is not None:
                read.objects[key] = cluster_object

    async def _read_members(self, read: _Read, resource: Resource, selectors: Mapping[str, str]) -> None:
        """All objects of one kind, by namespace; each namespace has its label selector, empty for none."""
        if len(selectors) > _FEW_NAMESPACES and resource not in self._namespaced_only:
            try:
                async with self._slots:
                    everywhere = await self._api.list(resource)
            except Forbidden:
                self._namespaced_only.add(resource)
            except Missing as error:
                missing = {(resource.kind, namespace): error.message for namespace in selectors}
                read.unreadable_members.update(missing)
                return
            else:
                for cluster_object in everywhere.items:
                    read.members[resource.kind, at(cluster_object, "metadata", "namespace") or ""].append(
                        cluster_object
                    )
                return
        await _together(
            [self._read_namespace(read, resource, place, text) for place, text in selectors.items()]
        )

    async def _read_namespace(self, read: _Read, resource: Resource, namespace: str, selector: str) -> None:
        try:
            async with self._slots:
                listing = await self._api.list(resource, namespace, labelSelector=selector)
            read.members[resource.kind, namespace] += listing.items
        except (Forbidden, Missing) as error:
            read.unreadable_members[resource.kind, namespace] = error.message

    async def _read_canaries(self, read: _Read, workloads: Sequence[ObjectKey]) -> None:
        """The Canaries that may target these workloads, then what Flagger made of them; nothing where the cluster has no Flagger."""
        targeted = [key for key in workloads if key.kind in canary.TARGETS]
        if not targeted:
            return
        if self._has_canaries is None:
            self._has_canaries = await self._api.serves(CANARY.group)
        if not self._has_canaries:
            return
        await self._read_members(read, CANARY, dict.fromkeys((key.namespace for key in targeted), ""))
        primaries = {canary.primary_of(key) for key in targeted if _canary_of(key, read)}
        await self._read_objects(read, primaries - read.objects.keys())

    async def _read_owned(self, read: _Read, workloads: Sequence[Object]) -> None:
        """What the workloads own, directly or not, and the events about all of it."""
        selectors: dict[str, list[str]] = defaultdict(list)
        by_kind: dict[str, set[str]] = defaultdict(set)
        for workload in workloads:
            namespace = _namespace(workload)
            selectors[namespace].append(_selector(workload))
            by_kind[workload["kind"]].add(namespace)
        helm = by_kind[HELM_RELEASE.kind]
        # A selector narrows the list only where it speaks for the namespace's one workload.
        narrow = {place: texts[0] if len(texts) == 1 else "" for place, texts in selectors.items()}
        wide = dict.fromkeys(selectors, "")
        owners = [(resource, dict.fromkeys(helm, "")) for resource in PODS_OWNERS]
        with_sets = by_kind["Deployment"] | by_kind[ROLLOUT.kind] | helm
        jobs = (JOB, dict.fromkeys(by_kind["CronJob"], ""))
        sets = (REPLICA_SET, {place: narrow[place] for place in with_sets})
        await _together(
            [
                self._read_members(read, resource, places)
                for resource, places in (*owners, jobs, sets, (POD, narrow), (EVENT, wide))
                if places
            ]
        )


def _dependencies(site: Desired, read: _Read) -> list[ObjectKey]:
    own = read.objects.get(site.kustomization)
    return [
        ObjectKey(
            site.kustomization.kind, entry.get("namespace") or site.kustomization.namespace, entry["name"]
        )
        for entry in at(own, "spec", "dependsOn") or ()
    ]


def _observation(site: Desired, dependencies: list[ObjectKey], read: _Read) -> Observation:
    """What was read of one site, without the logs."""
    workload = read.objects.get(site.workload)
    place = _namespace(workload) if workload else site.workload.namespace
    tops = [workload, *_helm_owned(workload, place, read)] if workload else []
    jobs = _owned_by(tops, read.members[JOB.kind, place])
    replica_sets = _owned_by(tops, read.members[REPLICA_SET.kind, place])
    pods = _owned_by([*tops, *jobs, *replica_sets], read.members[POD.kind, place])
    if site.workload.kind == KNATIVE_SERVICE.kind:
        pods = [pod for pod in read.members[POD.kind, place] if _is_of_service(pod, site.workload.name)]
    promoting = _canary_of(site.workload, read)
    subjects = {_uid(subject) for subject in (*tops, *jobs, *replica_sets, *pods, promoting) if subject}
    claimed = {name for pod in pods for name in claims(pod)}
    unreadable = {kind: why for (kind, where), why in read.unreadable_members.items() if where == place}
    # A dependency that may not be read is left out: its kind is that of the site's own Kustomization, which may well be read.
    for key in (*site.makers, site.source, site.kustomization, site.workload):
        if key in read.unreadable_objects:
            unreadable[key.kind] = read.unreadable_objects[key]
    return Observation(
        at_s=0.0,
        source=read.objects.get(site.source),
        kustomization=read.objects.get(site.kustomization),
        dependencies=tuple(read.objects[key] for key in dependencies if key in read.objects),
        makers=tuple(read.objects[key] for key in site.makers if key in read.objects),
        workload=workload,
        replica_sets=tuple(replica_sets),
        pods=tuple(pods),
        events=tuple(
            event
            for event in read.members[EVENT.kind, place]
            if at(event, "involvedObject", "uid") in subjects or _is_of_claim(event, claimed)
        ),
        unreadable=unreadable,
        canary=promoting,
        primary=read.objects.get(canary.primary_of(site.workload)) if promoting else None,
    )


def _is_of_claim(event: Object, names: Collection[str]) -> bool:
    """Whether an event tells of a volume claim of that name, which itself need not be read."""
    about = at(event, "involvedObject") or {}
    return about.get("kind") == "PersistentVolumeClaim" and about.get("name") in names


def _canary_of(workload: ObjectKey, read: _Read) -> Object | None:
    candidates = read.members[CANARY.kind, workload.namespace]
    return next((each for each in candidates if canary.targets(each, workload)), None)


def _is_of_service(pod: Object, name: str) -> bool:
    return bool(at(pod, "metadata", "labels", _KNATIVE_SERVICE_LABEL) == name)


def _helm_owned(workload: Object, place: str, read: _Read) -> list[Object]:
    """The workloads that helm-controller labelled as this release's (helm-controller 1.6.0, internal/postrender)."""
    if workload["kind"] != HELM_RELEASE.kind:
        return []
    metadata = workload["metadata"]
    origin = {
        f"{HELM_RELEASE.group}/name": metadata.get("name"),
        f"{HELM_RELEASE.group}/namespace": metadata.get("namespace"),
    }
    return [
        candidate
        for resource in PODS_OWNERS
        for candidate in read.members[resource.kind, place]
        if origin.items() <= (at(candidate, "metadata", "labels") or {}).items()
    ]


def _owned_by(owners: Iterable[Object], candidates: Iterable[Object]) -> list[Object]:
    uids = {_uid(owner) for owner in owners}
    return [
        candidate
        for candidate in candidates
        if any(
            reference.get("uid") in uids for reference in at(candidate, "metadata", "ownerReferences") or ()
        )
    ]


def _uid(obj: Object) -> str:
    return str(at(obj, "metadata", "uid") or "")


def _namespace(workload: Object) -> str:
    """Where the pods are: a HelmRelease may install into another namespace than its own."""
    target = at(workload, "spec", "targetNamespace") if workload["kind"] == HELM_RELEASE.kind else None
    return str(target or at(workload, "metadata", "namespace") or "")


def _selector(workload: Object) -> str:
    """The label selector of the workload's pods, as a URL writes it."""
    if workload["kind"] == KNATIVE_SERVICE.kind:
        return f"{_KNATIVE_SERVICE_LABEL}={workload['metadata'].get('name')}"
    return selector_text(at(workload, "spec", "selector"))


def selector_text(selector: Object | None) -> str:
    """A label selector as a URL writes it, empty for none: `app=web,tier in (a,b),!canary`."""
    requirements = [f"{key}={value}" for key, value in (at(selector, "matchLabels") or {}).items()]
    for rule in at(selector, "matchExpressions") or ():
        key, values = rule["key"], ",".join(rule.get("values") or ())
        requirements.append(
            {
                "In": f"{key} in ({values})",
                "NotIn": f"{key} notin ({values})",
                "Exists": key,
                "DoesNotExist": f"!{key}",
            }[rule["operator"]]
        )
    return ",".join(requirements)


async def _together(requests: Sequence[Awaitable[None]]) -> None:
    """All at once. The first error ends the others before it is raised."""
    tasks = [asyncio.ensure_future(request) for request in requests]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
