"""Why a pod of ours does not come up: a table of causes, each with its grace, what shows it, what to say and what helps.

Law: only pods of the new template are asked. The first row that a container shows is its cause. Causes that heal by themselves
(a registry out of reach, no room on the nodes, a probe that does not pass yet) wait longer than certain ones. Only a row that proves
the image itself at fault (`blames_image`) sends anybody back to the version before, and not even that where the pods of the version
before are not Ready either. What the rows match, and where those texts come from, is the matter of `symptoms`.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from bumper.errors import Outcome
from bumper.image import ImageReference
from bumper.objects import Object, at
from bumper.observation import Desired, Observation
from bumper.rollout import cluster_clock, symptoms
from bumper.rollout.patience import Finding
from bumper.rollout.pods import is_alive, is_ready, old_pods, own_pods
from bumper.rollout.serving import claim_events, pod_events
from bumper.rollout.symptoms import See, Seen, Sight
from bumper.rollout.verdict import Stage, Verdict
from bumper.safe_text import mask

LOG_LINES = 5


class Cause(NamedTuple):
    """A row: believed after `grace_s` or `enough_tries`. `says` and `hint` may name {image}, {container}, {pod}, {fact}, {tries}, …

    `blames_image`: it is the image's own fault, so that the version before would not fail just so.
    """

    reason: str
    grace_s: float
    see: See
    says: str
    hint: str
    enough_tries: int | None = None
    outcome: Outcome = Outcome.FAILED
    blames_image: bool = False


_DESCRIBE = "kubectl describe pod {pod} -n {namespace}"
_LOGS = "kubectl logs {pod} -n {namespace} -c {container} --previous"
_AGAIN = "the pods try again by themselves, and the same bump follows them"
_BUILD = "build and push the image for the node's platform (kubectl get nodes -o wide), then bump its tag"

# The certain causes first. The kubelet pulls again after 10 s, then 20 s, 40 s, … (its back-off), so 15 s grant one more try
# and 120 s about four.
CAUSES: tuple[Cause, ...] = (
    Cause(
        "InvalidImageName", 3, symptoms.waiting("InvalidImageName"), "{image} is no valid image name", _DESCRIBE,
        blames_image=True,
    ),
    Cause(
        "WrongArchitecture", 5, symptoms.pull(symptoms.NO_PLATFORM),
        "{image} has no variant for the node's platform ({fact})", _BUILD, blames_image=True,
    ),
    Cause(
        "ImageFormat", 5, symptoms.pull(symptoms.OLD_FORMAT),
        "{image} has a form that the node does not take: {fact}", "rebuild and push the image, then bump its tag",
        blames_image=True,
    ),
    Cause(
        "NoSuchRepository", 5, symptoms.pull(symptoms.NO_REPOSITORY),
        "{repository} is not in the registry ({fact}, {tries})", f"push the image; {_AGAIN}", blames_image=True,
    ),
    # The registry had it a moment ago: that a replica or a mirror lags is no fault of the image.
    Cause(
        "TagGone", 15, symptoms.tag_gone,
        "the registry had {image} when asked, but the node does not find it ({fact}, {tries})",
        f"push it again if the tag was deleted; wait if the node pulls from a replica or mirror; {_AGAIN}",
    ),
    Cause(
        "NoSuchTag", 5, symptoms.no_tag,
        "{image} is not in the registry ({fact}, {tries})", f"push the image; {_AGAIN}", blames_image=True,
    ),
    # The node's disk, whatever the image: the kubelet clears it, or the scheduler takes another node.
    Cause(
        "NodeDisk", 120, symptoms.pull(symptoms.NODE_DISK),
        "the node can't store {image}: {fact} ({tries})", f"kubectl describe nodes; {_DESCRIBE}",
        outcome=Outcome.BLOCKED,
    ),
    Cause(
        "RuntimeUnavailable", 120, symptoms.runtime_away,
        "the node's container runtime does not do its work: {fact}", f"kubectl describe nodes; {_DESCRIBE}",
        outcome=Outcome.BLOCKED,
    ),
    Cause(
        "RegistryUnreachable", 120, symptoms.pull(symptoms.UNREACHABLE),
        "the node can't reach the registry of {image}: {fact} ({tries})",
        f"check the node's DNS, proxy, firewall and certificates, and the registry itself; {_DESCRIBE}",
    ),
    Cause(
        "PullDenied", 20, symptoms.pull(symptoms.DENIED),
        "the node may not pull {image}: {fact}",
        f"give the node's identity or the pod's imagePullSecrets the right to pull; {_AGAIN}",
    ),
    Cause(
        "SignatureRejected", 10, symptoms.waiting("SignatureValidationFailed"),
        "the node rejects the signature of {image}: {fact}", f"sign the image as the node's policy asks; {_AGAIN}",
        blames_image=True,
    ),
    Cause(
        "ImageNeverPulled", 5, symptoms.waiting("ErrImageNeverPull"),
        "{image} is not on the node, and imagePullPolicy is Never", "set imagePullPolicy to IfNotPresent",
        blames_image=True,
    ),
    Cause(
        "ImagePullFailed", 30, symptoms.waiting(*symptoms.PULL_REASONS, "ImageInspectError"),
        "{image} can't be pulled: {fact}", _DESCRIBE,
    ),
    Cause(
        "MissingConfig", 20, symptoms.missing_config,
        "pod {pod} can't start: {fact}",
        f"create it in namespace {{namespace}}, or correct its name in the manifest; {_AGAIN}",
    ),
    # kubelet kuberuntime/kuberuntime_container.go, container/sync_result.go
    Cause(
        "ContainerConfigFailed", 5, symptoms.wrong_user,
        "container {container} can't be configured: {fact}", _DESCRIBE, blames_image=True,
    ),
    Cause(
        "ContainerConfigFailed", 5, symptoms.user_forbidden,
        "container {container} can't be configured: {fact}", "correct securityContext in the manifest and push",
    ),
    Cause(
        "ContainerConfigFailed", 60, symptoms.waiting("CreateContainerConfigError"),
        "container {container} can't be configured: {fact}", _DESCRIBE,
    ),
    Cause(
        "WrongArchitecture", 5, symptoms.wrong_executable,
        "{image} is not built for the node's platform ({fact})", _BUILD, blames_image=True,
    ),
    Cause(
        "ContainerStartFailed", 5, symptoms.no_start_of_image,
        "container {container} can't start: {fact}", _DESCRIBE, blames_image=True,
    ),
    Cause(
        "ContainerStartFailed", 20, symptoms.hook_failed,
        "container {container} can't start: {fact}", _DESCRIBE, enough_tries=3, blames_image=True,
    ),
    Cause(
        "ContainerStartFailed", 20, symptoms.no_start,
        "container {container} can't start: {fact}", _DESCRIBE,
    ),
    Cause(
        "OOMKilled", 20, symptoms.out_of_memory,
        "container {container} was killed {times} for its use of memory ({fact})",
        "raise resources.limits.memory, or find what uses it", enough_tries=3, blames_image=True,
    ),
    Cause(
        "KilledByProbe", 60, symptoms.killed_by_probe,
        "container {container} was restarted {times} by its {fact}", _LOGS, enough_tries=3, blames_image=True,
    ),
    Cause(
        "NodeLost", 60, symptoms.lost,
        "the node no longer knows what became of container {container}: {fact}", f"kubectl describe nodes; {_DESCRIBE}",
        outcome=Outcome.BLOCKED,
    ),
    Cause(
        "CrashLoop", 20, symptoms.crash,
        "container {container} crashed {times} ({fact})", _LOGS, enough_tries=3, blames_image=True,
    ),
    Cause(
        "VolumeMountFailed", 90, symptoms.event("FailedMount", "FailedAttachVolume"), "pod {pod}: {fact}", _DESCRIBE
    ),
    # The node's network or runtime, not what was deployed.
    Cause(
        "SandboxFailed", 90, symptoms.event("FailedCreatePodSandBox"), "pod {pod}: {fact}", _DESCRIBE,
        outcome=Outcome.BLOCKED,
    ),
    Cause(
        "ClaimMissing", 20, symptoms.claim_missing,
        "no node takes pod {pod}: {fact}", f"kubectl get pvc -n {{namespace}}; {_AGAIN}",
    ),
    Cause(
        "StorageClassMissing", 5, symptoms.class_missing,
        "no node takes pod {pod}, since its claims have no volume: {fact}",
        f"kubectl get storageclass; name one of them in the claim, or make this one; {_AGAIN}",
    ),
    # The scheduler says the same of a volume that is being made and of one that nobody makes.
    Cause(
        "VolumeNotBound", 120, symptoms.unbound,
        "no node takes pod {pod}, since its claims have no volume: {fact}",
        "is the storage class of the claim there? kubectl get storageclass; kubectl describe pvc -n {namespace}",
    ),
    # Whatever the pod asks for: the nodes come back, or a person lets pods onto them again.
    Cause(
        "Unschedulable", 120, symptoms.nodes_out,
        "no node takes pod {pod}, nor any other: {fact}", "kubectl get nodes", outcome=Outcome.BLOCKED,
    ),
    Cause(
        "Unschedulable", 120, symptoms.no_room,
        "no node takes pod {pod}: {fact}", f"add capacity, or lower the pod's requests; {_DESCRIBE}",
    ),
    Cause(
        "Unschedulable", 120, symptoms.unschedulable,
        "no node takes pod {pod}: {fact}",
        f"compare the pod's selectors, affinity and tolerations with the nodes: kubectl get nodes --show-labels; {_DESCRIBE}",
    ),
    Cause(
        "SchedulerError", 120, symptoms.scheduler_error,
        "the scheduler fails for pod {pod}: {fact}", _DESCRIBE, outcome=Outcome.BLOCKED,
    ),
    # Neither proves that nobody will: they are named at the deadline.
    Cause(
        "NotScheduled", 900, symptoms.never_looked_at,
        "no scheduler has looked at pod {pod} (its schedulerName is {fact})",
        "does that scheduler run? kubectl get pods -n kube-system", outcome=Outcome.BLOCKED,
    ),
    Cause(
        "NodeSilent", 900, symptoms.node_silent,
        "the kubelet of node {fact} has not begun with pod {pod}", "kubectl get nodes", outcome=Outcome.BLOCKED,
    ),
    Cause(
        "SchedulingGated", 60, symptoms.gated,
        "pod {pod} is kept from the scheduler by its scheduling gates: {fact}",
        f"the controller that set them must take them away; {_DESCRIBE}", outcome=Outcome.BLOCKED,
    ),
    # The node's doing: where it does not come back, the pod is made anew elsewhere after five minutes.
    Cause(
        "NodeNotReady", 60, symptoms.node_not_ready,
        "the node of pod {pod} is not Ready: {fact}", "kubectl get nodes", outcome=Outcome.BLOCKED,
    ),
    # How long an init container or a slow start takes is the author's to say, so both get twice and a half the usual patience.
    Cause(
        "InitRunning", 300, symptoms.initializing,
        "init container {container} is still running ({fact}): the containers of pod {pod} wait for it",
        "kubectl logs {pod} -n {namespace} -c {container}", outcome=Outcome.BLOCKED,
    ),
    Cause(
        "NotStarted", 300, symptoms.not_started,
        "container {container} runs but has not started: {fact} ({tries})",
        "kubectl logs {pod} -n {namespace} -c {container}", blames_image=True,
    ),
    Cause(
        "NotReady", 120, symptoms.not_ready,
        "container {container} runs but is not ready: {fact} ({tries})",
        "kubectl logs {pod} -n {namespace} -c {container}", blames_image=True,
    ),
    Cause("ReadinessGate", 120, symptoms.gate_closed, "pod {pod}: readiness gate {fact}", _DESCRIBE),
    Cause(
        "ReadinessGateSilent", 120, symptoms.gate_unanswered,
        "pod {pod}: nothing reports its readiness gate {fact}",
        f"the controller that sets this condition must run; {_DESCRIBE}", outcome=Outcome.BLOCKED,
    ),
    Cause("Evicted", 120, symptoms.evicted, "pod {pod} was evicted: {fact}", "kubectl describe nodes"),
    # The node's doing, whatever the image: its controller makes another pod.
    Cause(
        "PodRejected", 120, symptoms.rejected, "the node put pod {pod} out: {fact}",
        f"kubectl describe nodes; {_DESCRIBE}", outcome=Outcome.BLOCKED,
    ),
)  # fmt: skip


def findings(desired: Desired, observation: Observation) -> list[Finding]:
    """The causes that our pods show, in the order of the table, one for each cause and container."""
    ranked_findings: dict[str, tuple[int, Finding]] = {}
    is_old_down = _is_old_down(desired, observation)
    for sight in _sights(desired, observation):
        for rank, cause in enumerate(CAUSES):
            seen = cause.see(sight)
            if seen:
                finding = _finding(cause, sight, seen, is_old_down=is_old_down)
                before = ranked_findings.get(finding.key)
                if before is None or finding.tries > before[1].tries:
                    ranked_findings[finding.key] = rank, finding
                break
    return [finding for _, finding in sorted(ranked_findings.values(), key=lambda ranked: ranked[0])]


def _is_old_down(desired: Desired, observation: Observation) -> bool:
    """Whether there are pods of the version before that shall stay, and none of them is Ready: then it is not the image alone."""
    staying = [pod for pod in old_pods(desired, observation) if not at(pod, "metadata", "deletionTimestamp")]
    return bool(staying) and not any(is_ready(pod) for pod in staying)


def _sights(desired: Desired, observation: Observation) -> Iterator[Sight]:
    pods, now = own_pods(desired, observation), cluster_clock.now(observation)
    # One that was put out stays in the list for long; the pod that came instead tells how it goes on.
    is_replaced = any(is_alive(pod) and not is_ready(pod) for pod in pods)
    for pod in pods:
        name = at(pod, "metadata", "name") or ""
        events = pod_events(observation, name)
        if symptoms.is_put_out(pod):
            # What its containers say is the end of the pod, not its cause.
            if not is_replaced:
                yield Sight(desired, pod, {}, {}, events, "")
            continue
        for specs, statuses in (
            ("initContainers", "initContainerStatuses"),
            ("containers", "containerStatuses"),
        ):
            by_name = {spec.get("name"): spec for spec in at(pod, "spec", specs) or ()}
            for status in at(pod, "status", statuses) or ():
                container = status.get("name") or ""
                log = observation.logs.get(f"{name}/{container}", "")
                spec: Any = by_name.get(container) or {"name": container}
                yield Sight(desired, pod, spec, status, events, log, specs == "initContainers")
        claims = claim_events(observation, pod)
        yield Sight(desired, pod, {}, {}, events, "", of_claims=claims, age_s=_age_s(pod, now))


def _age_s(pod: Object, now: datetime | None) -> float:
    made = cluster_clock.time_of(at(pod, "metadata", "creationTimestamp"))
    return (now - made).total_seconds() if made and now else 0.0


def _finding(cause: Cause, sight: Sight, seen: Seen, *, is_old_down: bool) -> Finding:
    image = ImageReference.parse(sight.spec.get("image") or "") or sight.desired.image
    container = sight.spec.get("name") or ""
    fields = {
        "image": sight.spec.get("image") or str(image.with_tag(image.tag) if image.tag else image),
        "repository": image.repository,
        "container": container,
        "pod": at(sight.pod, "metadata", "name") or "",
        "namespace": at(sight.pod, "metadata", "namespace") or sight.desired.workload.namespace,
        "fact": seen.fact,
        "tries": "1 try" if seen.tries == 1 else f"{seen.tries} tries",
        "times": "once" if seen.tries == 1 else f"{seen.tries} times",
    }
    other = (
        "" if sight.is_ours or not container else f" (container {container} is not what this deploy changes)"
    )
    is_of_image = cause.blames_image and (sight.is_ours or not container)
    either = "; the pods of the version before are not Ready either" if is_of_image and is_old_down else ""
    return Finding(
        # Two rows of one reason have graces of their own.
        key=f"{cause.reason} {container} {cause.grace_s:g}{' of the image' if cause.blames_image else ''}",
        grace_s=cause.grace_s,
        tries=seen.tries,
        enough_tries=cause.enough_tries,
        verdict=Verdict(
            cause.outcome,
            cause.reason,
            cause.says.format_map(fields) + other + either,
            hint=cause.hint.format_map(fields),
            evidence=_evidence(sight),
            stage=Stage.ROLLED_OUT,
            helps_to_go_back=is_of_image and not is_old_down,
        ),
    )


def _evidence(sight: Sight) -> tuple[str, ...]:
    warnings = [event for event in sight.events if event.get("type") == "Warning"]
    lines = [f"{event.get('reason')}: {event.get('message')}" for event in warnings[-2:]]
    if sight.message and not any(sight.message in line for line in lines):
        lines.insert(0, f"{sight.waiting}: {sight.message}")
    return (*lines, *(f"log: {line}" for line in mask(sight.log).splitlines()[-LOG_LINES:]))
