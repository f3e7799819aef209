"""When a workload is rolled out, by its kind.

Law: an absent status field counts as zero or as not yet, so that removing one never makes a workload complete. Each kind is a table of
claims in the order in which kstatus asks them (fluxcd/cli-utils 1.2.2, pkg/kstatus/status/core.go); where we ask for more, a comment
says so. A workload that is told not to roll (paused, OnDelete, a partition) is not complete. A gradual rollout is complete when it is
promoted: nothing serves but the new version.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from bumper.objects import Object, at, condition

# batch/v1 and v1 have no status.observedGeneration that could be asked.
_WITHOUT_GENERATION = ("Job", "CronJob", "Pod")
_MAX_INT32 = 2**31 - 1


class Completion(NamedTuple):
    """Whether the rollout is complete, with its counts, and what is awaited next if it is not."""

    is_complete: bool
    text: str


class _Claim(NamedTuple):
    holds: bool
    awaited: str


def completion(workload: Object) -> Completion:
    """How far the rollout of the workload's present template has come."""
    kind = at(workload, "kind") or ""
    claims, counts = _CLAIMS.get(kind, _unknown_kind)(workload)
    for claim in _generic(workload, kind):
        if not claim.holds:
            # The counts are those of the old template.
            return Completion(False, claim.awaited)
    for claim in claims:
        if not claim.holds:
            return Completion(False, ", ".join(part for part in (counts, claim.awaited) if part))
    return Completion(True, counts)


def _generic(workload: Object, kind: str) -> list[_Claim]:
    deleted = at(workload, "metadata", "deletionTimestamp")
    return [
        _Claim(not deleted, "it is being deleted"),
        _Claim(
            kind in _WITHOUT_GENERATION or is_seen(workload),
            "its controller has not seen the new template yet",
        ),
    ]


def is_seen(workload: Object | None) -> bool:
    """Whether the status speaks of the present template.

    kstatus passes where observedGeneration is absent; a Deployment that its controller has not met yet has none either. A Rollout
    writes it as text (argo-rollouts 1.8, utils/rollout/rolloututil.go).
    """
    generation = at(workload, "metadata", "generation")
    return generation is not None and str(at(workload, "status", "observedGeneration")) == str(generation)


def _count(workload: Object, field: str) -> int:
    return at(workload, "status", field) or 0


def _wanted(workload: Object) -> int:
    # Absent means 1 for every kind that has it; a written 0 is meant.
    replicas = at(workload, "spec", "replicas")
    return 1 if replicas is None else int(replicas)


def _deployment(workload: Object) -> tuple[list[_Claim], str]:
    wanted, existing = _wanted(workload), _count(workload, "replicas")
    updated, available = _count(workload, "updatedReplicas"), _count(workload, "availableReplicas")
    progressing, is_available = condition(workload, "Progressing"), condition(workload, "Available")
    deadline_s = at(workload, "spec", "progressDeadlineSeconds")
    has_progressed = (
        progressing is not None
        and progressing.status == "True"
        and progressing.reason == "NewReplicaSetAvailable"
    )
    return [
        _Claim(existing >= wanted, "waiting for pods to be created"),
        _Claim(updated >= wanted, "waiting for pods to be replaced"),
        _Claim(existing <= wanted, f"{existing - wanted} old still running"),
        _Claim(available >= updated, "waiting for them to be available"),
        _Claim(_count(workload, "readyReplicas") >= wanted, "waiting for them to be ready"),
        _Claim(
            has_progressed or deadline_s in (None, _MAX_INT32), "waiting for its controller to call it done"
        ),
        _Claim(is_available is not None and is_available.status == "True", "not Available yet"),
    ], f"{updated}/{wanted} updated, {available}/{wanted} available"


def _stateful_set(workload: Object) -> tuple[list[_Claim], str]:
    wanted, existing = _wanted(workload), _count(workload, "replicas")
    updated, ready = _count(workload, "updatedReplicas"), _count(workload, "readyReplicas")
    available = _count(workload, "availableReplicas")
    current = at(workload, "status", "currentRevision") or ""
    # The controller moves currentRevision on for this strategy only (1.36 stateful_set_utils.go, completeRollingUpdate).
    is_rolling = at(workload, "spec", "updateStrategy", "type") in (None, "RollingUpdate")
    is_moved_on = current != "" and current == at(workload, "status", "updateRevision")
    return [
        _Claim(existing >= wanted, "waiting for pods to be created"),
        # kstatus is content with OnDelete at once and with a partition's share; then old pods go on serving, so we are not.
        _Claim(updated >= wanted, "waiting for pods to be replaced"),
        _Claim(existing <= wanted, f"{existing - wanted} old still running"),
        _Claim(ready >= wanted, "waiting for them to be ready"),
        _Claim(available >= wanted, "waiting for them to be available"),
        _Claim(is_moved_on or not is_rolling, "waiting for its controller to call it done"),
    ], f"{updated}/{wanted} updated, {available}/{wanted} available"


def _daemon_set(workload: Object) -> tuple[list[_Claim], str]:
    wanted = at(workload, "status", "desiredNumberScheduled")
    updated, available = _count(workload, "updatedNumberScheduled"), _count(workload, "numberAvailable")
    nodes = wanted or 0
    return [
        _Claim(wanted is not None, "waiting for its controller to count the nodes"),
        _Claim(_count(workload, "currentNumberScheduled") >= nodes, "waiting for pods to be created"),
        _Claim(updated >= nodes, "waiting for pods to be replaced"),
        _Claim(available >= nodes, "waiting for them to be available"),
        _Claim(_count(workload, "numberReady") >= nodes, "waiting for them to be ready"),
    ], f"{updated}/{nodes} updated, {available}/{nodes} available"


def _job(workload: Object) -> tuple[list[_Claim], str]:
    # kstatus calls a running Job current; we wait for its end, or a Job that fails would have been Ready.
    complete = condition(workload, "Complete")
    wanted = at(workload, "spec", "completions") or at(workload, "spec", "parallelism") or 1
    return [
        _Claim(complete is not None and complete.status == "True", f"{_count(workload, 'active')} running"),
    ], f"{_count(workload, 'succeeded')}/{wanted} succeeded"


def _cron_job(workload: Object) -> tuple[list[_Claim], str]:
    # Its template is all there is to roll out: the next run takes it.
    return [], f"runs at '{at(workload, 'spec', 'schedule') or ''}'"


def _pod(workload: Object) -> tuple[list[_Claim], str]:
    ready, phase = condition(workload, "Ready"), at(workload, "status", "phase") or ""
    is_up = phase == "Running" and ready is not None and ready.status == "True"
    return [_Claim(is_up or phase == "Succeeded", "waiting for it to be ready")], phase or "not started"


def _by_ready_condition(workload: Object) -> tuple[list[_Claim], str]:
    """HelmRelease, whose controller waits for what it installs."""
    ready = condition(workload, "Ready")
    is_ready = ready is not None and ready.status == "True"
    if ready is None:
        return [_Claim(False, f"a {at(workload, 'kind')} without a Ready condition yet")], ""
    return [_Claim(is_ready, ready.message)], ready.reason


def waits_for_pods(release: Object | None) -> bool:
    """Whether helm-controller calls a HelmRelease Ready only once its pods are (helm-controller 1.6.4, api/v2, GetDisableWait)."""
    return not any(at(release, "spec", action, "disableWait") for action in ("install", "upgrade"))


def _rollout(workload: Object) -> tuple[list[_Claim], str]:
    """A Rollout of Argo Rollouts 1.8: its controller writes the phase (utils/rollout/rolloututil.go, GetRolloutPhase)."""
    wanted, updated = _wanted(workload), _count(workload, "updatedReplicas")
    status = at(workload, "status") or {}
    phase, current = status.get("phase") or "", status.get("currentPodHash") or ""
    step, steps = status.get("currentStepIndex"), at(workload, "spec", "strategy", "canary", "steps") or ()
    counts = f"{updated}/{wanted} updated, {_count(workload, 'availableReplicas')}/{wanted} available"
    at_step = f", step {step} of {len(steps)}" if isinstance(step, int) and steps else ""
    doing = ": ".join(filter(None, (phase or "no phase yet", status.get("message"))))
    return [
        _Claim(phase == "Healthy", doing),
        _Claim(
            current != "" and current == status.get("stableRS"), "waiting for it to be the stable version"
        ),
    ], counts + at_step


def _knative_service(workload: Object) -> tuple[list[_Claim], str]:
    """A Service of Knative Serving 1.x (serving.knative.dev/v1, service_lifecycle.go)."""
    created = at(workload, "status", "latestCreatedRevisionName") or ""
    share = traffic_percent(workload, created)
    conditions = [condition(workload, name) for name in ("ConfigurationsReady", "RoutesReady", "Ready")]
    awaited = next((each for each in conditions if each is None or each.status != "True"), None)
    text = ": ".join(filter(None, (awaited.reason, awaited.message))) if awaited else ""
    is_ready = all(each is not None and each.status == "True" for each in conditions)
    is_newest = created != "" and created == at(workload, "status", "latestReadyRevisionName")
    return [
        _Claim(is_ready, text or "waiting for its controller to call it Ready"),
        _Claim(is_newest, f"waiting for {created or 'a revision'} to be ready"),
        _Claim(share == 100, "waiting for the rest of the traffic"),
    ], f"{share} % of the traffic to {created}" if created else ""


def traffic_percent(service: Object, revision: str) -> int:
    """How much of the traffic a Knative Service gives to that revision."""
    entries = at(service, "status", "traffic") or ()
    return sum(entry.get("percent") or 0 for entry in entries if entry.get("revisionName") == revision)


def _unknown_kind(workload: Object) -> tuple[list[_Claim], str]:
    # A `Ready` condition says what its own controller means by it: of a canary that is half way, too.
    return [_Claim(False, f"{at(workload, 'kind')} is no kind whose end is known here")], ""


_CLAIMS: Mapping[str, Callable[[Object], tuple[list[_Claim], str]]] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "Job": _job,
    "CronJob": _cron_job,
    "Pod": _pod,
    "HelmRelease": _by_ready_condition,
    "Rollout": _rollout,
    # The core kind of this name holds no image.
    "Service": _knative_service,
}
# The kinds whose rollout can be followed to its end.
FOLLOWED_KINDS = frozenset(_CLAIMS)
