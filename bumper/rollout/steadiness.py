"""Whether new pods have run for a while: what Ready is worth where no probe asks the container.

Law: without a readiness probe the kubelet calls a container ready the moment it runs, so that one that exits after a second was Ready
before. It must run for `STEADY_S` without a restart: by the cluster's own clock where a look shows it, else by ours, from our first
look at this very run of the container. A probe, or a `minReadySeconds` of the author's own, is taken at its word. Sidecars and init
containers are not asked: what was deployed is.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from bumper.objects import Object, at
from bumper.observation import Desired, Observation
from bumper.rollout.patience import Finding
from bumper.rollout.pods import is_alive, own_pods
from bumper.rollout.template import containers
from bumper.rollout.verdict import Verdict

STEADY_S = 10.0
# These run to an end, and their end is what counts.
_RUNS_TO_AN_END = ("Job", "CronJob")
_PROBES = ("readinessProbe", "startupProbe")


def awaited(desired: Desired, observation: Observation, ready: Verdict) -> Finding | None:
    """`ready`, to be believed once the new pods have run for long enough; None where they have, or a probe has said so."""
    if not desired.workload.kind or desired.workload.kind in _RUNS_TO_AN_END:
        return None
    if at(observation.workload, "spec", "minReadySeconds"):
        return None
    runs = [run for pod in own_pods(desired, observation) if is_alive(pod) for run in _unasked(desired, pod)]
    latest = _latest(observation)
    ran_s = {name: _ran_s(status, latest) for name, status in runs}
    pending = sorted(name for name, seconds in ran_s.items() if seconds < STEADY_S)
    if not pending:
        return None
    return Finding(f"Steady {', '.join(pending)}", ready, STEADY_S, stood_s=min(ran_s.values()))


def text(desired: Desired) -> str:
    """What is waited for, in words."""
    return f"no readinessProbe asks {desired.container or 'the container'}: waiting until it has run for {STEADY_S:g} s"


def _unasked(desired: Desired, pod: Object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Our containers of a pod that nothing asks whether they are ready: a name for this very run, and its status."""
    name = at(pod, "metadata", "name") or ""
    ours = [
        spec
        for spec in at(pod, "spec", "containers") or ()
        if spec in list(containers(desired, at(pod, "spec")))
    ]
    statuses = {status.get("name"): status for status in at(pod, "status", "containerStatuses") or ()}
    for spec in ours:
        status = statuses.get(spec.get("name"))
        if status and not any(spec.get(probe) for probe in _PROBES):
            run = status.get("containerID") or f"{spec.get('name')} {status.get('restartCount') or 0}"
            yield f"{name} {run}", status


def _ran_s(status: Mapping[str, Any], latest: datetime | None) -> float:
    """How long a container has run at least, by the cluster's clock."""
    started = _time(at(status, "state", "running", "startedAt"))
    return (latest - started).total_seconds() if started and latest else 0.0


def _latest(observation: Observation) -> datetime | None:
    """The latest moment that the cluster itself speaks of, which is no later than its present."""
    times = [_time(text) for text in (observation.cluster_time, *_moments(observation))]
    return max((time for time in times if time), default=None)


def _moments(observation: Observation) -> Iterator[Any]:
    single = (observation.source, observation.kustomization, observation.workload)
    for cluster_object in (*single, *observation.replica_sets, *observation.pods):
        for condition in at(cluster_object, "status", "conditions") or ():
            yield condition.get("lastTransitionTime")
            yield condition.get("lastUpdateTime")
    for event in observation.events:
        yield event.get("lastTimestamp")


def _time(text: Any) -> datetime | None:
    try:
        time = datetime.fromisoformat(text) if isinstance(text, str) and text else None
    except ValueError:
        return None
    return time if time and time.tzinfo else None
