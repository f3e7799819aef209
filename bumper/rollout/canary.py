"""What a Flagger Canary says of the workload that it targets.

Law: the target's own counts prove nothing. Flagger keeps the target at no pods between two analyses, and the primary (`NAME-primary`)
is what serves: Ready takes a primary that runs our image and is complete, and a Canary that is at rest. A Canary that failed counts
as ours once it has taken up our template: its `status.lastAppliedSpec`, a hash, is another than before the push, or it failed after
the ReplicaSet of our template was made. Flagger does not analyse anew what it has promoted already, so that a rollback leaves the
phase at Failed, and the primary is right all the same.

Flagger 1.36 to 1.42: pkg/apis/flagger/v1beta1/status.go, canary.go; pkg/canary/status.go (phases, conditions, their messages),
spec.go (what is analysed anew), docs/gitbook/usage/how-it-works.md (the status of a rollout that succeeded).
"""

import math
import re
from collections.abc import Iterator

from bumper.errors import Outcome
from bumper.objects import Object, ObjectKey, at, condition
from bumper.observation import Desired, Observation
from bumper.rollout.flux import seconds
from bumper.rollout.patience import Finding
from bumper.rollout.pods import new_replica_set
from bumper.rollout.serving import last_time
from bumper.rollout.template import template_image
from bumper.rollout.verdict import Stage, Verdict
from bumper.rollout.workload import Completion, completion, is_seen

# What a Canary may target, among the kinds that are followed (pkg/canary/factory.go).
TARGETS = ("Deployment", "DaemonSet")
_AT_REST = ("Initialized", "Succeeded", "Failed")
# What a person decides: the webhooks that are asked in each of these phases.
_GATES = {"Waiting": "confirm-rollout", "WaitingPromotion": "confirm-promotion"}
# Flagger's default and minimum (pkg/apis/flagger/v1beta1/canary.go, GetAnalysisInterval); what it takes to write a status.
_INTERVAL_S, _SHORTEST_S, _SLIP_S, _ACCESS_S = 60.0, 10.0, 10.0, 15.0
_WARNINGS = 4
# What Flagger measured of the new version, or its pods that did not come up; metrics that nobody gives prove nothing
# (pkg/controller/scheduler.go, scheduler_metrics.go, scheduler_hooks.go).
_MEASURED = re.compile(r"advancement (?:.+ [<>] |external check )|progress deadline exceeded")


def phase(canary: Object | None) -> str:
    """The phase of a Canary; empty before Flagger has met it."""
    return at(canary, "status", "phase") or ""


def rollout(desired: Desired, observation: Observation) -> Completion:
    """How far the Canary has come with the workload's present template."""
    workload, canary, primary = observation.workload, observation.canary, observation.primary
    if workload is None or not is_seen(workload):
        return Completion(False, "its controller has not seen the new template yet")
    text = _text(desired, observation)
    if phase(canary) not in _AT_REST or primary is None:
        return Completion(False, text)
    counts = completion(primary)
    is_promoted = desired.is_met_by(template_image(desired, primary))
    return Completion(is_promoted and counts.is_complete, f"{text} ({counts.text})")


def _text(desired: Desired, observation: Observation) -> str:
    """`Canary demo is Progressing, weight 30, 2 failed checks; the primary runs 1.1.0`."""
    canary, primary = observation.canary, observation.primary
    status = at(canary, "status") or {}
    details = [
        f"Canary {at(canary, 'metadata', 'name')} is {phase(canary) or 'not taken up by Flagger yet'}",
        f"weight {status['canaryWeight']}" if status.get("canaryWeight") else "",
        f"{status['failedChecks']} failed checks" if status.get("failedChecks") else "",
    ]
    image = template_image(desired, primary)
    runs = f"the primary runs {image.tag or image.digest}" if image else "there is no primary yet"
    return f"{', '.join(filter(None, details))}; {runs}"


def unreadable(desired: Desired, observation: Observation) -> str:
    """Why nobody can tell whether a Canary targets the workload; empty where it was read, or none can target such a kind."""
    may_be_target = desired.workload.kind in TARGETS and observation.canary is None
    return observation.unreadable.get("Canary", "") if may_be_target else ""


def not_known(desired: Desired, observation: Observation) -> Iterator[Finding]:
    """That the workload is complete, and nothing says whether it is what serves."""
    why, workload = unreadable(desired, observation), observation.workload
    if not why or workload is None or not completion(workload).is_complete:
        return
    key = desired.workload
    message = (
        f"{key} is complete, and whether a Canary of Flagger promotes it can't be read ({why}): "
        "if so, its primary serves, and what that runs is not known"
    )
    hint = f"allow list and watch of canaries.flagger.app in {key.namespace}: bump doctor --rbac prints the rights"
    yield _finding(Outcome.UNKNOWN, "NoAccess", message, hint, _ACCESS_S)


def findings(desired: Desired, observation: Observation) -> Iterator[Finding]:
    """What the Canary reports against the promotion, or whom it waits for; nothing where no Canary targets the workload."""
    canary = observation.canary
    if canary is None or rollout(desired, observation).is_complete:
        return
    name, namespace = at(canary, "metadata", "name"), desired.workload.namespace
    if at(canary, "spec", "suspend"):
        message = f"Canary {namespace}/{name} is suspended: Flagger promotes nothing"
        hint = (
            f'kubectl patch canary {name} -n {namespace} --type merge -p \'{{"spec":{{"suspend":false}}}}\''
        )
        yield _finding(Outcome.SUSPENDED, "CanarySuspended", message, hint, 0.0)
    elif phase(canary) in _GATES:
        yield _waiting(canary, namespace)
    elif phase(canary) == "Failed":
        yield _failed(desired, observation, canary)


def _waiting(canary: Object, namespace: str) -> Finding:
    gate = _GATES[phase(canary)]
    hooks = at(canary, "spec", "analysis", "webhooks") or ()
    names = [str(hook.get("name")) for hook in hooks if hook.get("type") == gate]
    whom = f"its {gate} webhook {', '.join(names)}" if names else f"a {gate} webhook"
    name = at(canary, "metadata", "name")
    message = f"Canary {namespace}/{name} waits for approval by {whom}"
    hint = f"approve it there; who is asked: kubectl get canary {name} -n {namespace} -o yaml"
    # It is followed on: a person may approve at any moment.
    return _finding(Outcome.SUSPENDED, f"Canary{phase(canary)}", message, hint, math.inf)


def _failed(desired: Desired, observation: Observation, canary: Object) -> Finding:
    name, namespace = at(canary, "metadata", "name"), desired.workload.namespace
    promoted = condition(canary, "Promoted")
    why = promoted.message if promoted and promoted.status == "False" else "the analysis failed"
    warnings = _warnings(observation, canary)
    verdict = Verdict(
        Outcome.FAILED,
        "CanaryFailed",
        f"Canary {namespace}/{name} did not promote it ({promoted.reason if promoted else 'Failed'}): {why}",
        hint=f"kubectl describe canary {name} -n {namespace}",
        evidence=warnings,
        stage=Stage.ROLLED_OUT,
        helps_to_go_back=not warnings or any(map(_MEASURED.search, warnings)),
    )
    if _is_of_ours(desired, observation, canary):
        return Finding("CanaryFailed", verdict, 0.0)
    # Flagger looks for a new template once in each interval; what failed before is not tried again.
    return Finding("CanaryFailed before", verdict, 2 * interval_s(canary) + _SLIP_S)


def _is_of_ours(desired: Desired, observation: Observation, canary: Object) -> bool:
    """Whether it was our template that failed, and not the one before."""
    if observation.before is not None:
        known = at(observation.before.canary, "status", "lastAppliedSpec")
        return bool(known) and at(canary, "status", "lastAppliedSpec") != known
    made = at(new_replica_set(desired, observation), "metadata", "creationTimestamp") or ""
    promoted = condition(canary, "Promoted")
    # Both are the cluster's own times.
    return bool(made) and promoted is not None and promoted.last_transition_time >= made


def interval_s(canary: Object) -> float:
    """How often Flagger looks at the target, in seconds."""
    analysis = at(canary, "spec", "analysis") or at(canary, "spec", "canaryAnalysis") or {}
    return max(seconds(str(analysis.get("interval") or "")) or _INTERVAL_S, _SHORTEST_S)


def _warnings(observation: Observation, canary: Object) -> tuple[str, ...]:
    """Flagger's last warnings about the Canary: which check failed."""
    uid = at(canary, "metadata", "uid")
    warnings = [
        event
        for event in observation.events
        if event.get("type") == "Warning" and uid and at(event, "involvedObject", "uid") == uid
    ]
    texts = [str(event.get("message") or "") for event in sorted(warnings, key=last_time)]
    return tuple(dict.fromkeys(texts))[-_WARNINGS:]


def _finding(outcome: Outcome, reason: str, message: str, hint: str, grace_s: float) -> Finding:
    return Finding(reason, Verdict(outcome, reason, message, hint, stage=Stage.ROLLED_OUT), grace_s)


def targets(canary: Object, workload: ObjectKey) -> bool:
    """Whether the Canary promotes that workload."""
    reference = at(canary, "spec", "targetRef") or {}
    return (reference.get("kind"), reference.get("name"), at(canary, "metadata", "namespace")) == (
        workload.kind,
        workload.name,
        workload.namespace,
    )


def primary_of(workload: ObjectKey) -> ObjectKey:
    """What serves while a Canary targets the workload (pkg/canary/deployment_controller.go)."""
    return ObjectKey(workload.kind, workload.namespace, f"{workload.name}-primary")
