"""What the workload's own controller says against a rollout: told not to roll, can't make pods, gave up.

Law: a status counts only once it has seen the current generation; before that it speaks of the old template. Fields and reasons:
Kubernetes 1.36.1 (pkg/controller/deployment/util, replicaset/replica_set_utils.go, statefulset/stateful_pod_control.go,
controller_utils.go), helm-controller 1.6.4 (api/v2/condition_types.go, internal/reconcile/atomic_release.go).
"""

import math
import re
from collections.abc import Iterator, Sequence

from bumper.dataclasses import replace
from bumper.errors import Outcome
from bumper.objects import Condition, Object, ObjectKey, at, condition
from bumper.observation import Desired, Observation
from bumper.rollout import canary, promotion
from bumper.rollout.look import is_held_at_zero
from bumper.rollout.patience import Finding
from bumper.rollout.pods import has_started, is_ready, new_replica_set, own_pods, released_replica_sets
from bumper.rollout.refusals import blames_cluster, fixed_fields, without_objects
from bumper.rollout.serving import events_about, last_time
from bumper.rollout.symptoms import is_put_out
from bumper.rollout.template import template_image
from bumper.rollout.verdict import Stage, Verdict
from bumper.rollout.workload import completion, is_seen

_CERTAIN_S, _RETRY_S, _SCALING_S, _OUTAGE_S = 5.0, 20.0, 30.0, 60.0

# Why the API server refuses to create pods, in its own words: apiserver plugin/resourcequota/controller.go,
# plugin/webhook/errors/statuserror.go, plugin/policy/validating/dispatcher.go, plugin/namespace/lifecycle/admission.go,
# pod-security-admission admission.go; kubernetes plugin/pkg/admission/{limitranger,serviceaccount,priority,runtimeclass}/admission.go.
# What is said of an image, too; all else would be said of any version, whose pods are made from the same template.
_DENIED = re.compile(
    r"admission webhook \S+ denied the request|olicy \S+(?: with binding \S+)? denied request: "
)
_QUOTA = re.compile(r"(?:exceeded|failed) quota: |insufficient quota to ")
_LIMIT = re.compile(r"(?:min|max)imum \S+ usage per |limit to request ratio per ")
_REFUSALS = (
    (re.compile(r"because it is being terminated"), "NamespaceTerminating", "kubectl get namespace {namespace} -o yaml"),
    (_QUOTA, "QuotaExceeded", "raise it or lower the requests: kubectl describe quota -n {namespace}"),
    (_LIMIT, "LimitExceeded", "kubectl describe limitrange -n {namespace}"),
    (_DENIED, "AdmissionDenied", "make the pod follow its rule"),
    (re.compile(r"violates PodSecurity"), "AdmissionDenied", "make the pod follow the namespace's security standard"),
    (re.compile(r"error looking up service account"), "ServiceAccountMissing", "create the service account in namespace {namespace}"),
    (re.compile(r"no PriorityClass with name "), "PriorityClassMissing", "kubectl get priorityclass"),
    (re.compile(r"pod rejected: RuntimeClass "), "RuntimeClassMissing", "kubectl get runtimeclass"),
)  # fmt: skip


# With each of these some pods may be new, and those are followed first.
_KEEPS_OLD_PODS = ("OnDelete", "Partition")


def held_back(desired: Desired, observation: Observation) -> Finding | None:
    """The setting that keeps the workload from rolling, None where there is none: only a person can change it."""
    held = _held_by_setting(desired, observation)
    if held and held.key in _KEEPS_OLD_PODS and _is_coming_up(desired, observation):
        return None
    # Until our commit is in the object, git may be about to change it with what was just pushed.
    is_ours = observation.workload is not None and _runs_ours(desired, observation.workload)
    return replace(held, grace_s=_OUTAGE_S) if held and observation.before and not is_ours else held


def _is_coming_up(desired: Desired, observation: Observation) -> bool:
    """Whether some pods are new all the same, and not Ready yet: how they end says more than that the others stay old."""
    return any(not is_ready(pod) and not is_put_out(pod) for pod in own_pods(desired, observation))


def _held_by_setting(desired: Desired, observation: Observation) -> Finding | None:
    workload = observation.workload
    kind, name = at(workload, "kind"), desired.workload.name
    namespace = desired.workload.namespace
    if kind == "Deployment" and at(workload, "spec", "paused"):
        hint = f"kubectl rollout resume deployment {name} -n {namespace}"
        return _held("Paused", f"{desired.workload} is paused: it makes no new pods", hint)
    if kind in ("Job", "HelmRelease") and at(workload, "spec", "suspend"):
        hint = (
            f"flux resume helmrelease {name} -n {namespace}"
            if kind == "HelmRelease"
            else f'kubectl patch job {name} -n {namespace} -p \'{{"spec":{{"suspend":false}}}}\''
        )
        return _held("Suspended", f"{desired.workload} is suspended", hint)
    if workload is None or not is_seen(workload) or not _runs_ours(desired, workload):
        return None
    if held := promotion.held_back(desired, workload):
        return held
    partition = at(workload, "spec", "updateStrategy", "rollingUpdate", "partition")
    counts = completion(workload).text
    if at(workload, "spec", "updateStrategy", "type") == "OnDelete":
        hint = f"delete its old pods one by one: kubectl get pods -n {namespace}"
        return _held(
            "OnDelete", f"{desired.workload} replaces a pod only when someone deletes it ({counts})", hint
        )
    updated = at(workload, "status", "updatedReplicas") or 0
    # Until the pods above the partition are new, there is still something to wait for.
    if kind == "StatefulSet" and partition and updated + partition >= (at(workload, "spec", "replicas") or 1):
        hint = "lower spec.updateStrategy.rollingUpdate.partition in its manifest"
        return _held("Partition", f"{desired.workload} keeps its first {partition} pods old ({counts})", hint)
    return None


def _held(reason: str, message: str, hint: str) -> Finding:
    return Finding(reason, Verdict(Outcome.SUSPENDED, reason, message, hint=hint, stage=Stage.ROLLED_OUT), 0)


def findings(desired: Desired, observation: Observation, causes: Sequence[Finding]) -> list[Finding]:
    """What the controllers report of our template. `causes` are the findings of its pods: they say why a controller gave up."""
    workload = observation.workload
    if workload is None or not _runs_ours(desired, workload):
        return []
    kind = desired.workload.kind
    controller_findings = [
        *canary.findings(desired, observation),
        *canary.not_known(desired, observation),
        *promotion.findings(desired, workload),
        *_held_at_zero(desired, observation),
        *_being_deleted(desired, workload),
        *_not_created(desired, observation),
    ]
    if kind == "Deployment":
        # Pods that can't be created are why it gave up too, and may be nobody's fault here.
        controller_findings += _deadline(desired, observation, [*causes, *controller_findings])
    elif kind == "Job":
        controller_findings += _job(desired, observation)
    elif kind == "HelmRelease":
        controller_findings += _helm_release(desired, workload, causes)
    return controller_findings


def _held_at_zero(desired: Desired, observation: Observation) -> Iterator[Finding]:
    if not is_held_at_zero(desired, observation):
        return
    key = desired.workload
    text = (
        f"{key} has replicas 0 though git asks for {desired.replicas}: something else in the cluster holds it there (Flagger, KEDA, "
        f"an autoscaler, a person), and no pod of it runs {desired.image.tag or desired.image.digest}"
    )
    hint = f"who wrote spec.replicas: kubectl get {key.kind} {key.name} -n {key.namespace} -o yaml --show-managed-fields"
    verdict = Verdict(Outcome.UNKNOWN, "HeldAtZero", text, hint, stage=Stage.ROLLED_OUT)
    yield Finding("HeldAtZero", verdict, _SCALING_S)


def _being_deleted(desired: Desired, workload: Object) -> Iterator[Finding]:
    since = at(workload, "metadata", "deletionTimestamp")
    if not since:
        return
    finalizers = ", ".join(at(workload, "metadata", "finalizers") or ())
    text = f"{desired.workload} is being deleted since {since} (cluster time)" + (
        f", held by its finalizers {finalizers}" if finalizers else ""
    )
    hint = (
        f"kubectl get {desired.workload.kind} {desired.workload.name} -n {desired.workload.namespace} -o yaml"
    )
    verdict = Verdict(Outcome.BLOCKED, "BeingDeleted", text, hint, stage=Stage.ROLLED_OUT)
    yield Finding("BeingDeleted", verdict, _OUTAGE_S)


def _runs_ours(desired: Desired, workload: Object) -> bool:
    return desired.is_met_by(template_image(desired, workload))


def _deadline(desired: Desired, observation: Observation, causes: Sequence[Finding]) -> Iterator[Finding]:
    workload = observation.workload
    progressing = condition(workload, "Progressing")
    if workload is None or not is_seen(workload):
        return
    if not progressing or progressing.reason != "ProgressDeadlineExceeded":
        return
    limit = f"progressDeadlineSeconds of {at(workload, 'spec', 'progressDeadlineSeconds')} s are over"
    verdict = Verdict(
        Outcome.FAILED,
        "ProgressDeadlineExceeded",
        f"{desired.workload} made no progress ({completion(workload).text}): its {limit}",
        hint=f"kubectl describe deployment {desired.workload.name} -n {desired.workload.namespace}",
        evidence=(progressing.message,),
        stage=Stage.ROLLED_OUT,
        helps_to_go_back=has_started(desired, observation),
    )
    if causes:
        known = causes[0].verdict
        verdict = replace(known, message=f"{known.message}; the {limit}")
    yield Finding("ProgressDeadlineExceeded", verdict, 0)


def _not_created(desired: Desired, observation: Observation) -> Iterator[Finding]:
    """Pods that the API server refuses to create: a condition of the ReplicaSet, an event of the other kinds."""
    if desired.workload.kind == "Deployment":
        failure = condition(new_replica_set(desired, observation), "ReplicaFailure")
        # The Deployment repeats the condition of its ReplicaSets, of older ones too: it counts where they may not be read.
        is_unread = "ReplicaSet" in observation.unreadable
        if failure is None and is_unread and observation.workload and is_seen(observation.workload):
            failure = condition(observation.workload, "ReplicaFailure")
        text = failure.message if failure and failure.status == "True" else ""
    elif desired.workload.kind == "HelmRelease":
        failures = (condition(each, "ReplicaFailure") for each in released_replica_sets(desired, observation))
        text = next((each.message for each in failures if each and each.status == "True"), "")
    else:
        text = _failed_create(desired, observation)
    if not text:
        return
    unknown = ("PodsNotCreated", "kubectl get events -n {namespace}")
    reason, hint = next(
        (reason_and_hint for pattern, *reason_and_hint in _REFUSALS if pattern.search(text)), unknown
    )
    is_outage = blames_cluster(text)
    verdict = Verdict(
        Outcome.BLOCKED if is_outage else Outcome.FAILED,
        reason,
        f"{desired.workload} can't create its pods: {text}",
        hint=hint.format(namespace=desired.workload.namespace),
        stage=Stage.ROLLED_OUT,
        helps_to_go_back=_DENIED.search(text) is not None,
    )
    finding = _weighed_by_blame(verdict, is_outage=is_outage)
    # A policy does not change its mind, and only pods on their way out free a quota.
    is_certain = reason == "AdmissionDenied" or (
        reason == "QuotaExceeded"
        and not any(at(pod, "metadata", "deletionTimestamp") for pod in observation.pods)
    )
    yield replace(finding, grace_s=_CERTAIN_S) if is_certain and not is_outage else finding


def _weighed_by_blame(verdict: Verdict, *, is_outage: bool) -> Finding:
    # Two keys: the time of an outage does not count for what is refused afterwards.
    if is_outage:
        return Finding(f"{verdict.reason}, cluster", verdict, _OUTAGE_S)
    return Finding(verdict.reason, verdict, _RETRY_S)


def _failed_create(desired: Desired, observation: Observation) -> str:
    mine = events_about(observation, desired.workload.kind, desired.workload.name)
    # Events live for an hour: one from before our artifact was stored tells of another template, a later success that it is over.
    newest = mine[-1] if mine else {}
    stored = at(observation.source, "status", "artifact", "lastUpdateTime") or ""
    is_ours = newest.get("reason") == "FailedCreate" and last_time(newest) >= stored
    return (newest.get("message") or "") if is_ours else ""


def _job(desired: Desired, observation: Observation) -> Iterator[Finding]:
    # FailureTarget says so first: Failed follows once its pods have ended (batch/v1, JobFailureTarget).
    ends = [condition(observation.workload, name) for name in ("Failed", "FailureTarget")]
    failed = next((end for end in ends if end and end.status == "True"), None)
    if failed is None:
        return
    ended = [
        at(status, "state", "terminated") or {}
        for pod in own_pods(desired, observation)
        for status in at(pod, "status", "containerStatuses") or ()
    ]
    codes = sorted({str(end["exitCode"]) for end in ended if end.get("exitCode") is not None})
    oom = ", OOMKilled" if any(end.get("reason") == "OOMKilled" for end in ended) else ""
    exits = f" (exit code {', '.join(codes)}{oom})" if codes else ""
    verdict = Verdict(
        Outcome.FAILED,
        "JobFailed",
        f"{desired.workload} failed{exits}: {failed.reason}: {failed.message}",
        hint=f"kubectl logs job/{desired.workload.name} -n {desired.workload.namespace}",
        evidence=tuple(line for log in observation.logs.values() for line in log.splitlines()[-5:]),
        stage=Stage.ROLLED_OUT,
    )
    yield Finding("JobFailed", verdict, 0)


# A hook that failed, in the words of Helm 4.2 (pkg/kube/statuswait.go).
_FAILED_JOB = re.compile(r"Job/(?P<namespace>[^/\s]+)/(?P<name>\S+) status: 'Failed'")
# Of a chart's release; ArtifactFailed and DependencyNotReady are another object's fault.
_RELEASE_FAILED = re.compile(
    r"(?:Install|Upgrade|Test|Rollback|Uninstall)Failed|(?:Rollback|Uninstall)Succeeded"
)


# helm pkg/action/action.go: another run holds the release, whatever it is given.
_IN_PROGRESS = "another operation (install/upgrade/rollback) is in progress"


# What no other image would change: the chart, its values, its name, a field that somebody else owns (helm 4.2.4 pkg/engine/engine.go,
# pkg/action/{action,install,upgrade}.go, pkg/chart/common/util/values.go, pkg/kube/client.go).
_OF_CHART = re.compile(
    r"execution error at \(|: template: |YAML parse error on |unable to build kubernetes objects |chart requires kubeVersion: "
    r"|has no deployed releases|cannot reuse a name|values don't meet the specifications|conflict occurred while applying object "
)


def _release_story(workload: Object) -> tuple[str, ...]:
    """What went wrong with a release, then what Helm did about it: a remedy takes the place of its cause in `Ready`."""
    generation = at(workload, "metadata", "generation")
    own = (condition(workload, kind) for kind in ("Released", "TestSuccess", "Remediated"))
    attempts = [each for each in own if each and each.observed_generation in (None, generation)]
    ready = condition(workload, "Ready")
    messages = [
        *(each.message for each in attempts if each.status == "False" or each.type == "Remediated"),
        ready.message if ready and ready.status == "False" else "",
    ]
    return tuple(dict.fromkeys(filter(None, messages if _is_attempted(workload) else messages[-1:])))


def _is_attempted(workload: Object) -> bool:
    attempted = at(workload, "status", "lastAttemptedGeneration")
    return bool(attempted == at(workload, "metadata", "generation"))


def _is_held_before(workload: Object, ready: Condition) -> bool:
    """Whether something else keeps the present spec from its first attempt: its dependencies, its chart, its values."""
    is_of_release = _RELEASE_FAILED.fullmatch(ready.reason) is not None
    return not is_of_release and bool(ready.observed_generation == at(workload, "metadata", "generation"))


def _helm_release(desired: Desired, workload: Object, causes: Sequence[Finding]) -> Iterator[Finding]:
    ready, stalled = condition(workload, "Ready"), condition(workload, "Stalled")
    if ready is None or not (_is_attempted(workload) or _is_held_before(workload, ready)):
        return
    story = _release_story(workload)
    cause = without_objects(story[0]) if story else ready.reason
    fixed = fixed_fields(story[0]) if story else ()
    is_outage = any(blames_cluster(message) or _IN_PROGRESS in message for message in story)
    hint = _release_hint(desired.workload, cause, fixed)
    is_of_image = not fixed and _OF_CHART.search(cause) is None
    if stalled and stalled.status == "True":
        text = f"{desired.workload} has given up: {stalled.message}: {cause}"
        outcome = Outcome.BLOCKED if is_outage else Outcome.FAILED
        verdict = Verdict(
            outcome,
            stalled.reason,
            text,
            hint,
            evidence=story,
            stage=Stage.ROLLED_OUT,
            helps_to_go_back=is_of_image,
        )
        yield Finding(stalled.reason, _because_of_pods(verdict, causes), 0)
    elif ready.status == "False":
        # Helm passes on what the API server answered.
        is_ours = _RELEASE_FAILED.fullmatch(ready.reason) is not None and not is_outage
        outcome = Outcome.FAILED if is_ours else Outcome.BLOCKED
        text = f"{desired.workload}: {cause}"
        verdict = Verdict(
            outcome,
            ready.reason,
            text,
            hint,
            evidence=story[1:],
            stage=Stage.ROLLED_OUT,
            helps_to_go_back=is_of_image,
        )
        yield _weighed_by_blame(_because_of_pods(verdict, causes), is_outage=not is_ours)
    elif story:
        # An attempt has failed, and the next one is on its way.
        released = condition(workload, "Released")
        reason = released.reason if released and released.status == "False" else ready.reason
        text = f"{desired.workload} is tried again ({ready.message}): {cause}"
        verdict = Verdict(Outcome.FAILED, reason, text, hint, evidence=story[1:], stage=Stage.ROLLED_OUT)
        yield Finding(f"{reason}, again", verdict, math.inf)


def _because_of_pods(verdict: Verdict, causes: Sequence[Finding]) -> Verdict:
    """What Helm says of a release that failed, with what its pods show: that is why, and whose fault it is."""
    if verdict.outcome is not Outcome.FAILED or not causes:
        return verdict
    known = causes[0].verdict
    return replace(
        verdict,
        outcome=Outcome.BLOCKED if known.outcome is Outcome.BLOCKED else verdict.outcome,
        message=f"{verdict.message}; {known.message}",
        hint=f"{known.hint}; {verdict.hint}",
        evidence=(*verdict.evidence, *known.evidence),
        helps_to_go_back=known.helps_to_go_back,
    )


def _release_hint(key: ObjectKey, cause: str, fixed: Sequence[str]) -> str:
    """Where to look next; at the log of a hook that failed, which Helm does not quote."""
    if fixed:
        return (
            f"{' and '.join(fixed)} can't be changed while the object is there: put it back, or let Helm replace the object: "
            f"spec.upgrade.force of {key}"
        )
    job = _FAILED_JOB.search(cause)
    log = f"kubectl logs job/{job['name']} -n {job['namespace']}; " if job else ""
    return f"{log}flux get helmrelease {key.name} -n {key.namespace}"
