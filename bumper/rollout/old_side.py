"""What holds a rollout from the old side: a pod of the version before that does not end, or that its controller waits for in vain.

Law: none of it is this deploy's fault, and another version would wait just so. Only where the controller really waits for old pods:
Kubernetes 1.36.1 pkg/controller/deployment/recreate.go (oldPodsRunning), statefulset/stateful_set_control.go (processReplica with
`monotonic`, and kubernetes#67250), daemon/update.go (one pod on each node).
"""

from collections.abc import Iterator

from bumper.errors import Outcome
from bumper.objects import Object, at, condition
from bumper.observation import Desired, Observation
from bumper.rollout.patience import Finding
from bumper.rollout.pods import is_ready, old_pods, own_pods
from bumper.rollout.verdict import Stage, Verdict

_PATIENCE_S = 60.0
# core/v1 defaults.go, terminationGracePeriodSeconds.
_GRACE_PERIOD_S = 30


def findings(desired: Desired, observation: Observation) -> list[Finding]:
    """The old pods that our template waits for, one finding for each cause."""
    return [*_being_terminated(desired, observation), *_not_ready(desired, observation)]


def _being_terminated(desired: Desired, observation: Observation) -> Iterator[Finding]:
    workload, kind = observation.workload, desired.workload.kind
    is_recreated = at(workload, "spec", "strategy", "type") == "Recreate"
    if kind not in ("StatefulSet", "DaemonSet") and not (kind == "Deployment" and is_recreated):
        return
    if kind == "Deployment" and own_pods(desired, observation):
        return
    leaving = [pod for pod in old_pods(desired, observation) if at(pod, "metadata", "deletionTimestamp")]
    if leaving:
        yield _stuck(desired, leaving[0])
    elif "Pod" in observation.unreadable and (count := at(workload, "status", "terminatingReplicas")):
        hint = f"kubectl get pods -n {desired.workload.namespace}"
        text = f"{desired.workload} waits for the end of {count} old {'pod' if count == 1 else 'pods'}"
        yield _finding("OldPodTerminating", text, hint, _PATIENCE_S + _GRACE_PERIOD_S)


def _stuck(desired: Desired, pod: Object) -> Finding:
    name, namespace = at(pod, "metadata", "name"), desired.workload.namespace
    node, finalizers = at(pod, "spec", "nodeName"), at(pod, "metadata", "finalizers") or ()
    held = f", held by its finalizers {', '.join(finalizers)}" if finalizers else ""
    text = (
        f"pod {name} of the old version has been terminating since {at(pod, 'metadata', 'deletionTimestamp')} (cluster time)"
        f"{f' on node {node}' if node else ''}{held}, and {desired.workload} makes no new one before it is gone"
    )
    hint = f"kubectl describe pod {name} -n {namespace}" + (f"; kubectl describe node {node}" if node else "")
    allowed_s = at(pod, "metadata", "deletionGracePeriodSeconds")
    return _finding(
        "OldPodTerminating", text, hint, _PATIENCE_S + (_GRACE_PERIOD_S if allowed_s is None else allowed_s)
    )


def _not_ready(desired: Desired, observation: Observation) -> Iterator[Finding]:
    spec = at(observation.workload, "spec")
    # The API server writes the default, so that an absent field proves nothing.
    if desired.workload.kind != "StatefulSet" or at(spec, "podManagementPolicy") != "OrderedReady":
        return
    for pod in old_pods(desired, observation):
        if not at(pod, "metadata", "deletionTimestamp") and not is_ready(pod):
            name = at(pod, "metadata", "name")
            text = (
                f"pod {name} of the old version is not Ready ({_why(pod)}), and {desired.workload} waits for it before it "
                "replaces any pod (podManagementPolicy OrderedReady, kubernetes#67250)"
            )
            hint = f"kubectl delete pod {name} -n {desired.workload.namespace}: it comes back with the new template"
            yield _finding("OldPodNotReady", text, hint, _PATIENCE_S)
            return


def _finding(reason: str, message: str, hint: str, grace_s: float) -> Finding:
    return Finding(reason, Verdict(Outcome.BLOCKED, reason, message, hint, stage=Stage.ROLLED_OUT), grace_s)


def _why(pod: Object) -> str:
    """The first thing that a container waits for, else what the pod's conditions say."""
    for field in ("initContainerStatuses", "containerStatuses"):
        for status in at(pod, "status", field) or ():
            if reason := at(status, "state", "waiting", "reason"):
                return str(reason)
    for condition_type in ("PodScheduled", "Ready"):
        state = condition(pod, condition_type)
        if state and state.status != "True":
            return ": ".join(text for text in (state.reason, state.message) if text) or condition_type
    return str(at(pod, "status", "phase") or "no status")
