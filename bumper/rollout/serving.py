"""What visitors see now, and what the newest pod is busy with: facts for people, which decide nothing."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from bumper.image import ImageReference
from bumper.objects import Object, at, condition
from bumper.observation import Desired, Observation
from bumper.rollout.pods import is_alive, is_ready, own_pods
from bumper.rollout.template import pod_image, template_image
from bumper.rollout.workload import completion

_SERVING_KINDS = ("Deployment", "StatefulSet", "DaemonSet", "Pod", "HelmRelease", "Rollout", "Service")
# kubelet 1.36 pkg/kubelet/images/image_manager.go, since 1.27 with the waiting time and since 1.30 with the size.
_PULLED = re.compile(
    r"Successfully pulled image .* in (?P<took>\S+)(?: \(.*\))?(?:\. Image size: (?P<bytes>\d+) bytes\.)?"
)


def serving(desired: Desired, observation: Observation) -> str:
    """`08a2c8e, 1/1 available: visitors see the old version`; empty for a workload that serves nobody here (a Job)."""
    kind = desired.workload.kind
    # What a HelmRelease installs in another cluster serves there, and nobody has looked.
    if kind not in _SERVING_KINDS or at(observation.workload, "spec", "kubeConfig"):
        return ""
    if observation.workload is None:
        why = observation.unreadable.get(kind)
        return (
            f"not known: {kind} could not be read ({why})"
            if why
            else "nothing: the workload is not in the cluster"
        )
    available = _available(desired, observation)
    if available is None:
        return "not known: the pods could not be read"
    if not available:
        return "nothing: no pod is available"
    # During an analysis the pods of two workloads are counted, each with a number of its own.
    wanted = at(observation.workload, "spec", "replicas") if observation.canary is None else None
    if len(available) > 1:
        tags = " and ".join(f"{tag} ({count} available)" for tag, count in sorted(available.items()))
        return f"{tags}: visitors see both versions"
    ((tag, count),) = available.items()
    which = "new" if tag == (desired.image.tag or desired.image.digest) else "old"
    of = f"/{wanted}" if wanted is not None else ""
    return f"{tag}, {count}{of} available: visitors see the {which} version"


def _available(desired: Desired, observation: Observation) -> Counter[str] | None:
    """How many pods are available, by tag; None where neither ReplicaSets nor pods could be read."""
    counts: Iterable[tuple[ImageReference | None, int]]
    if observation.canary is not None:
        # What an analysis sends to the target is counted by its pods; at rest it has none.
        ready = [(pod_image(desired, pod), int(is_ready(pod))) for pod in observation.pods]
        primary = observation.primary
        counts = [(template_image(desired, primary), at(primary, "status", "availableReplicas") or 0), *ready]
    elif observation.replica_sets:
        counts = [
            (template_image(desired, replica_set), at(replica_set, "status", "availableReplicas") or 0)
            for replica_set in observation.replica_sets
        ]
    elif "Pod" in observation.unreadable:
        return None
    else:
        counts = [(pod_image(desired, pod), int(is_ready(pod))) for pod in observation.pods]
    available: Counter[str] = Counter()
    for image, count in counts:
        if image and count:
            available[image.tag or image.digest] += count
    return available


def activity(desired: Desired, observation: Observation) -> str:
    """What the first of our pods that is not ready is doing: `pod web-7c9fd pulling the image`. Empty where none is awaited."""
    for pod in own_pods(desired, observation):
        if is_alive(pod) and not is_ready(pod):
            name = at(pod, "metadata", "name") or ""
            return f"pod {name} {_doing(pod, pod_events(observation, name))}"
    return ""


def _doing(pod: Object, events: list[Object]) -> str:
    statuses = at(pod, "status", "containerStatuses") or ()
    waiting = next(
        (reason for status in statuses if (reason := at(status, "state", "waiting", "reason"))), ""
    )
    if waiting and waiting not in ("ContainerCreating", "PodInitializing"):
        return str(waiting)
    if any(at(status, "state", "running") is not None for status in statuses):
        return "running, not ready yet"
    last = next((event for event in reversed(events) if event.get("reason") in ("Pulling", "Pulled")), None)
    if last is None:
        scheduled = condition(pod, "PodScheduled")
        return "starting" if scheduled and scheduled.status == "True" else "waiting for a node"
    return "pulling the image" if last.get("reason") == "Pulling" else _pulled(last.get("message") or "")


def _pulled(message: str) -> str:
    taken = pulled(message)
    return f"starting, image pulled ({taken})" if taken else "starting"


def pulled(message: str) -> str:
    """`45.7 MB in 1.2s`, from the kubelet's event; empty where it does not tell."""
    match = _PULLED.match(message)
    if not match:
        return ""
    return f"{_size(int(match['bytes']))} in {match['took']}" if match["bytes"] else f"in {match['took']}"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


def pod_events(observation: Observation, name: str) -> list[Object]:
    """The events of a pod, the oldest first."""
    return events_about(observation, "Pod", name)


def claim_events(observation: Observation, pod: Object) -> list[Object]:
    """The events of the volume claims that a pod mounts, the oldest first."""
    return events_about(observation, "PersistentVolumeClaim", *claims(pod))


def events_about(observation: Observation, kind: str, *names: str) -> list[Object]:
    """The events of the objects of a kind that have these names, the oldest first."""
    events = [
        event
        for event in observation.events
        if at(event, "involvedObject", "kind") == kind and at(event, "involvedObject", "name") in names
    ]
    return sorted(events, key=last_time)


def claims(pod: Object) -> Iterator[str]:
    """The names of the volume claims that a pod mounts, those of its own template included (core/v1, EphemeralVolumeSource)."""
    for volume in at(pod, "spec", "volumes") or ():
        if name := at(volume, "persistentVolumeClaim", "claimName"):
            yield name
        elif volume.get("ephemeral"):
            yield f"{at(pod, 'metadata', 'name')}-{volume.get('name')}"


def last_time(event: Object) -> str:
    """When the event was last seen, as the cluster wrote it: these texts sort by time, and are compared among themselves only."""
    return str(
        at(event, "series", "lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or ""
    )


def ours_is_fine(desired: Desired, observation: Observation) -> str:
    """`. Deployment web/web itself is fine: …`, where our workload is not the trouble; empty where it may be."""
    if observation.workload is None or not completion(observation.workload).is_complete:
        return ""
    runs = template_image(desired, observation.workload)
    which = "the new" if desired.is_met_by(runs) else "still the old"
    counts = completion(observation.workload).text
    return f". {desired.workload} itself is fine: it runs {which} image {runs.tag if runs else ''} ({counts})"
