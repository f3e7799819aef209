"""What Argo Rollouts and Knative say against the promotion of a new version, and whom they wait for.

Law: a status counts only once it has seen the present template. What goes on by itself (a pause with a duration, an analysis) is no
finding; what waits for a person is told at once and followed on, since that person may come; what git itself holds back ends it.

Fields, phases and reasons: argo-rollouts 1.8 to 1.10 (pkg/apis/rollouts/v1alpha1/types.go: phases and pause reasons;
utils/rollout/rolloututil.go: the phase's message), knative serving 1.x (pkg/apis/serving/v1/service_lifecycle.go,
configuration_lifecycle.go, route_lifecycle.go).
"""

import math
import re
from collections.abc import Iterator

from bumper.errors import Outcome
from bumper.objects import Object, at, condition
from bumper.observation import Desired
from bumper.rollout.patience import Finding
from bumper.rollout.verdict import Stage, Verdict
from bumper.rollout.workload import is_seen, traffic_percent

# The phase is written a moment after the template was seen; a revision may still be tried again.
_SLIP_S, _RETRY_S, _OUTAGE_S = 3.0, 5.0, 60.0
_WAITS = {
    "CanaryPauseStep": "its pause has no duration",
    "BlueGreenPause": "the new version is not active before",
    "InconclusiveAnalysisRun": "its analysis was inconclusive",
    "InconclusiveExperiment": "its experiment was inconclusive",
}

# What was measured of the new version, or its pods that did not come up; not a person's abort, a spec that is wrong or a metric that
# nobody gives (analysis/analysis.go; utils/conditions/conditions.go, TimedOutReason).
_OF_VERSION = re.compile(r"assessed Failed due to|ProgressDeadlineExceeded")

# Why no pod of a revision came up, in the words of the API server and the scheduler (as in `controllers` and `symptoms`).
_OF_CLUSTER = re.compile(r"exceeded quota: |nodes are available: |no nodes available to schedule pods")
# Knative asks the registry itself (go-containerregistry pkg/v1/remote/transport/error.go; Go's net, net/http and crypto/x509).
_OF_REGISTRY = re.compile(
    r"unexpected status code (?:401|403|429|5\d\d)|dial tcp\b|: no such host|i/o timeout|x509: |UNAUTHORIZED: |DENIED: "
)


def held_back(desired: Desired, workload: Object) -> Finding | None:
    """The setting of git's own that keeps the new version from being promoted, None where there is none."""
    key = desired.workload
    if key.kind == "Rollout" and at(workload, "spec", "paused"):
        hint = f"kubectl argo rollouts resume {key.name} -n {key.namespace}"
        return _suspended("Paused", f"{key} is paused by its spec.paused", hint, 0.0)
    revision = at(workload, "status", "latestReadyRevisionName") or ""
    is_newest = revision != "" and revision == at(workload, "status", "latestCreatedRevisionName")
    if key.kind == "Service" and is_newest and is_seen(workload) and _keeps_traffic(workload):
        share = traffic_percent(workload, revision)
        message = f"{key} gives {share} % of its traffic to the new revision {revision}: its spec.traffic keeps the rest where it is"
        return _suspended("TrafficPinned", message, "give latestRevision 100 percent in spec.traffic", 0.0)
    return None


def _keeps_traffic(service: Object) -> bool:
    entries = at(service, "spec", "traffic") or ()
    latest = sum(
        100 if len(entries) == 1 and entry.get("percent") is None else entry.get("percent") or 0
        for entry in entries
        if entry.get("latestRevision") or not entry.get("revisionName")
    )
    return bool(entries) and latest < 100


def findings(desired: Desired, workload: Object) -> Iterator[Finding]:
    """What the controller reports of our template."""
    if not is_seen(workload):
        return
    if desired.workload.kind == "Rollout":
        yield from _rollout(desired, workload)
    elif desired.workload.kind == "Service":
        yield from _service(desired, workload)


def _rollout(desired: Desired, workload: Object) -> Iterator[Finding]:
    key, phase = desired.workload, at(workload, "status", "phase")
    if phase == "Degraded":
        text = str(at(workload, "status", "message") or "no message")
        named, _, why = text.partition(":")
        reason, why = (named, why.strip()) if named.isalpha() and why else ("RolloutDegraded", text)
        which = "was aborted, the stable version serves" if at(workload, "status", "abort") else "is Degraded"
        hint = f"kubectl argo rollouts get rollout {key.name} -n {key.namespace}"
        verdict = Verdict(
            Outcome.FAILED,
            reason,
            f"{key} {which}: {why}",
            hint,
            stage=Stage.ROLLED_OUT,
            helps_to_go_back=_OF_VERSION.search(text) is not None,
        )
        yield Finding(reason, verdict, _SLIP_S)
    elif phase == "Paused" and (reason := _waits_for_a_person(workload)):
        step = at(workload, "status", "currentStepIndex")
        where = f" at step {step}" if isinstance(step, int) else ""
        message = f"{key} is paused{where} and waits for a person ({reason}: {_WAITS.get(reason, 'it does not go on by itself')})"
        hint = f"kubectl argo rollouts promote {key.name} -n {key.namespace}; to go back: kubectl argo rollouts abort {key.name}"
        yield _suspended(reason, message, hint, math.inf)


def _waits_for_a_person(workload: Object) -> str:
    """The reason of the pause that does not end by itself; empty where it does."""
    for pause in at(workload, "status", "pauseConditions") or ():
        reason = str(pause.get("reason") or "")
        if reason == "CanaryPauseStep" and _has_duration(workload):
            continue
        if reason == "BlueGreenPause" and at(
            workload, "spec", "strategy", "blueGreen", "autoPromotionSeconds"
        ):
            continue
        return reason
    return ""


def _has_duration(workload: Object) -> bool:
    steps = at(workload, "spec", "strategy", "canary", "steps") or ()
    index = at(workload, "status", "currentStepIndex")
    step = steps[index] if isinstance(index, int) and 0 <= index < len(steps) else {}
    return bool(at(step, "pause", "duration"))


def _service(desired: Desired, workload: Object) -> Iterator[Finding]:
    configurations = condition(workload, "ConfigurationsReady")
    routes = condition(workload, "RoutesReady")
    hint = f"kubectl get revision -l serving.knative.dev/service={desired.workload.name} -n {desired.workload.namespace}"
    if configurations and configurations.status == "False":
        message = f"{desired.workload}: {configurations.message}"
        verdict = Verdict(
            Outcome.FAILED,
            configurations.reason,
            message,
            hint,
            stage=Stage.ROLLED_OUT,
            helps_to_go_back=not (_OF_REGISTRY.search(message) or _OF_CLUSTER.search(message)),
        )
        yield Finding(configurations.reason, verdict, _RETRY_S)
    elif routes and routes.status == "False":
        # The revision is good: what leads to it is the cluster's.
        message = f"{desired.workload} has its revision, and no route to it: {routes.message}"
        verdict = Verdict(Outcome.BLOCKED, routes.reason, message, hint, stage=Stage.ROLLED_OUT)
        yield Finding(f"{routes.reason}, route", verdict, _OUTAGE_S)


def _suspended(reason: str, message: str, hint: str, grace_s: float) -> Finding:
    return Finding(reason, Verdict(Outcome.SUSPENDED, reason, message, hint, stage=Stage.ROLLED_OUT), grace_s)
