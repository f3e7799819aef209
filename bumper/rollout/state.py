"""What one site is at, deploy or not: what Flux applied, what runs, since when, and where that differs from git.

Law: facts of one look, which decide nothing. Times are the cluster's, to be shown as an age and never to be reasoned with.
"""

from collections.abc import Iterator

from bumper.dataclasses import dataclass
from bumper.image import ImageReference
from bumper.objects import at, condition
from bumper.observation import Desired, Observation
from bumper.revision import Revision
from bumper.rollout.flux import Carries, carries, short
from bumper.rollout.pods import image_digests, is_alive, new_replica_set, own_pods
from bumper.rollout.template import pod_image, template_image


@dataclass(frozen=True)
class State:
    """`applied` is Flux's own form, `running` the tags of the living pods, `since` is RFC 3339; empty where not known.

    `digests` are what the nodes of the newest of them report of the container, empty text among them where one reports none.
    """

    applied: str
    running: tuple[str, ...]
    since: str
    drift: tuple[str, ...]
    digests: tuple[str, ...] = ()


def state(desired: Desired, observation: Observation) -> State:
    """The state of a site whose wanted image is `desired.image`."""
    return State(
        applied=at(observation.kustomization, "status", "lastAppliedRevision") or "",
        running=_running(desired, observation),
        since=_since(desired, observation),
        drift=tuple(_drift(desired, observation)),
        digests=tuple(sorted(image_digests(desired, list(filter(is_alive, own_pods(desired, observation)))))),
    )


def _running(desired: Desired, observation: Observation) -> tuple[str, ...]:
    images = [pod_image(desired, pod) for pod in observation.pods if is_alive(pod)]
    if observation.primary is not None:
        images.append(template_image(desired, observation.primary))
    if not observation.pods and "Pod" in observation.unreadable:
        images = [template_image(desired, observation.workload)]
    return tuple(sorted({_version(image) for image in images if image}))


def _version(image: ImageReference) -> str:
    return image.tag or image.digest


def _since(desired: Desired, observation: Observation) -> str:
    """When the template that is now in the cluster came there: that is, its ReplicaSet, or the oldest of its pods."""
    newest = new_replica_set(desired, observation)
    born = [at(pod, "metadata", "creationTimestamp") or "" for pod in observation.pods if is_alive(pod)]
    ready = condition(observation.kustomization, "Ready")
    return str(
        at(newest, "metadata", "creationTimestamp")
        or min(filter(None, born), default="")
        or (ready.last_transition_time if ready and not desired.workload.kind else "")
    )


def _drift(desired: Desired, observation: Observation) -> Iterator[str]:
    applied = at(observation.kustomization, "status", "lastAppliedRevision") or ""
    revision = Revision.parse(applied)
    if revision and carries(desired, observation.revisions, applied) is Carries.NOT_OURS:
        facts = observation.revisions.get(revision.sha)
        holds = f", which holds {_version(facts.image)}" if facts and facts.image else ""
        yield f"Flux has applied {short(applied)}{holds}"
    if observation.workload is None or not desired.workload.kind:
        return
    image = template_image(desired, observation.workload)
    if not desired.is_met_by(image):
        yield f"{desired.workload} has {image or 'no such container'}, git wants {_version(desired.image)}"
    others = [version for version in _running(desired, observation) if version != _version(desired.image)]
    if others and desired.is_met_by(image):
        yield f"pods still run {', '.join(others)}"
