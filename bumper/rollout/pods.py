"""Which pods are ours, which are older, and what they run.

Law: a pod belongs to its owner, by `ownerReferences`, and to the newest template; an old pod that crashes is not this deploy's.
"""

import re

from bumper.objects import Object, at, condition
from bumper.observation import Desired, Observation
from bumper.ports.shape import whole_number
from bumper.rollout.template import containers, pod_image, template_image

# knative serving 1.x, pkg/apis/serving/register.go.
KNATIVE_REVISION = "serving.knative.dev/revision"
# Without a repository before it, an imageID is the digest of the image's configuration: no registry knows the image by it.
_DIGEST = re.compile(r"(?<=@)sha256:[0-9a-f]{64}$")


def new_replica_set(desired: Desired, observation: Observation) -> Object | None:
    """The ReplicaSet of the Deployment's current template, None before its controller has made it."""
    owned = [
        replica_set
        for replica_set in observation.replica_sets
        if _is_owned_by(replica_set, observation.workload)
    ]
    runs_ours = [
        replica_set for replica_set in owned if desired.is_met_by(template_image(desired, replica_set))
    ]
    return max(runs_ours, key=_deployment_revision, default=None)


def _deployment_revision(replica_set: Object) -> int:
    text = at(replica_set, "metadata", "annotations", "deployment.kubernetes.io/revision") or ""
    return whole_number(text) or 0


def _is_owned_by(obj: Object, owner: Object | None) -> bool:
    uid = at(owner, "metadata", "uid")
    owners = at(obj, "metadata", "ownerReferences") or ()
    return any(
        reference.get("uid") == uid
        if uid and reference.get("uid")
        else (reference.get("kind"), reference.get("name"))
        == (at(owner, "kind"), at(owner, "metadata", "name"))
        for reference in owners
    )


def is_alive(pod: Object) -> bool:
    """Whether a pod is there to serve: not on its way out, and not at its end."""
    return not at(pod, "metadata", "deletionTimestamp") and at(pod, "status", "phase") not in (
        "Succeeded",
        "Failed",
    )


def is_ready(pod: Object) -> bool:
    """Whether a pod takes requests."""
    ready = condition(pod, "Ready")
    return is_alive(pod) and ready is not None and ready.status == "True"


def own_pods(desired: Desired, observation: Observation) -> list[Object]:
    """The pods of the new template that are not being deleted. An old pod that crashes is not this deploy's."""
    staying = [pod for pod in observation.pods if not at(pod, "metadata", "deletionTimestamp")]
    kind = desired.workload.kind
    if kind == "Deployment" and "ReplicaSet" not in observation.unreadable:
        newest = new_replica_set(desired, observation)
        return [pod for pod in staying if newest is not None and _is_owned_by(pod, newest)]
    if kind == "Service":
        # Knative resolves the tag: its pods run a digest, and say of which revision they are.
        newest_name = at(observation.workload, "status", "latestCreatedRevisionName")
        return [
            pod
            for pod in staying
            if newest_name and at(pod, "metadata", "labels", KNATIVE_REVISION) == newest_name
        ]
    if kind in ("StatefulSet", "DaemonSet", "Job"):
        staying = [pod for pod in staying if _is_owned_by(pod, observation.workload)]
    if kind == "StatefulSet" and (revision := at(observation.workload, "status", "updateRevision")):
        return [
            pod
            for pod in staying
            if at(pod, "metadata", "labels", "controller-revision-hash") == revision
            and _runs_ours(desired, pod)
        ]
    return [pod for pod in staying if _runs_ours(desired, pod)]


def _runs_ours(desired: Desired, pod: Object) -> bool:
    """Whether a pod runs our image, be it that a webhook has it pulled from a mirror: then its tag is still ours."""
    image = pod_image(desired, pod)
    if image is None or image.repository == desired.image.repository:
        return desired.is_met_by(image)
    return image.tag == desired.image.tag != ""


def has_started(desired: Desired, observation: Observation) -> bool:
    """Whether our image has been started in one of our pods, be it that it ended: what comes after that is its own doing."""
    statuses = [
        status
        for pod in own_pods(desired, observation)
        for status in at(pod, "status", "containerStatuses") or ()
        if not desired.container or status.get("name") in (desired.container, *desired.beside)
    ]
    return any(
        at(status, field, state) is not None
        for status in statuses
        for field in ("state", "lastState")
        for state in ("running", "terminated")
    )


def released_replica_sets(desired: Desired, observation: Observation) -> list[Object]:
    """The ReplicaSets of a HelmRelease whose template runs our image; none for other kinds, which count for themselves."""
    if desired.workload.kind != "HelmRelease":
        return []
    return [each for each in observation.replica_sets if desired.is_met_by(template_image(desired, each))]


def lacks_pods(replica_set: Object) -> bool:
    """Whether fewer pods of a ReplicaSet are available than it shall have."""
    wanted, available = at(replica_set, "spec", "replicas"), at(replica_set, "status", "availableReplicas")
    return (wanted or 0) > (available or 0)


def lagging_pods(desired: Desired, observation: Observation) -> list[Object]:
    """The living pods of an older template: while there are any, the rollout is not over, whatever the counts say."""
    kind = desired.workload.kind
    if kind == "Deployment":
        return [pod for pod in _of_older_replica_sets(desired, observation) if is_alive(pod)]
    if kind not in ("StatefulSet", "DaemonSet", "HelmRelease"):
        return []
    alive = [pod for pod in observation.pods if is_alive(pod)]
    if kind != "HelmRelease":
        alive = [pod for pod in alive if _is_owned_by(pod, observation.workload)]
    # A webhook may have pods pull from a mirror: only another tag of the same repository is an older template.
    ours = [
        (pod, image)
        for pod in alive
        if (image := pod_image(desired, pod)) and image.repository == desired.image.repository
    ]
    # A release has no counts of its own, and with `disableWait` it is Ready before its pods are.
    must_be_ready = kind == "HelmRelease"
    return [
        pod for pod, image in ours if not desired.is_met_by(image) or (must_be_ready and not is_ready(pod))
    ]


def old_pods(desired: Desired, observation: Observation) -> list[Object]:
    """The pods of older templates that have not ended, those on their way out too: a new one may have to wait for their end."""
    pods = [pod for pod in observation.pods if at(pod, "status", "phase") not in ("Succeeded", "Failed")]
    kind = desired.workload.kind
    if kind == "Deployment" and "ReplicaSet" not in observation.unreadable:
        of_older = _of_older_replica_sets(desired, observation)
        return [pod for pod in pods if pod in of_older]
    if kind in ("StatefulSet", "DaemonSet"):
        pods = [pod for pod in pods if _is_owned_by(pod, observation.workload)]
    if kind == "StatefulSet" and (revision := at(observation.workload, "status", "updateRevision")):
        return [pod for pod in pods if at(pod, "metadata", "labels", "controller-revision-hash") != revision]
    return [pod for pod in pods if not _runs_ours(desired, pod)]


def _of_older_replica_sets(desired: Desired, observation: Observation) -> list[Object]:
    older = _older_replica_sets(desired, observation)
    return [pod for pod in observation.pods if any(_is_owned_by(pod, replica_set) for replica_set in older)]


def serving_replica_set(desired: Desired, observation: Observation) -> Object | None:
    """The newest of the older ReplicaSets of a Deployment that still has pods, None where there is none."""
    if desired.workload.kind != "Deployment":
        return None
    older = [each for each in _older_replica_sets(desired, observation) if at(each, "spec", "replicas")]
    return max(older, key=_deployment_revision, default=None)


def _older_replica_sets(desired: Desired, observation: Observation) -> list[Object]:
    newest = new_replica_set(desired, observation)
    return [
        replica_set
        for replica_set in observation.replica_sets
        if replica_set is not newest and _is_owned_by(replica_set, observation.workload)
    ]


def restarts(pods: list[Object]) -> int:
    """How often the containers of these pods were restarted in all."""
    return sum(
        status.get("restartCount") or 0
        for pod in pods
        for status in at(pod, "status", "containerStatuses") or ()
    )


def image_digests(desired: Desired, pods: list[Object]) -> set[str]:
    """The digests that the runtimes report for our container, empty text where one reports none."""
    digests = set()
    for pod in pods:
        names = {container.get("name") for container in containers(desired, at(pod, "spec"))}
        for field in ("initContainerStatuses", "containerStatuses"):
            for status in at(pod, "status", field) or ():
                if status.get("name") in names:
                    digest = _DIGEST.search(status.get("imageID") or "")
                    digests.add(digest[0] if digest else "")
    return digests
