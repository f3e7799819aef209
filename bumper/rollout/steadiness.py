"""Whether new pods have run for a while: what Ready is worth where no probe asks the container.

Law: without a readiness probe the kubelet calls a container ready the moment it runs (or its startup probe has passed once), so that
one that exits after a second was Ready before. It must run for `STEADY_S` without a restart: by the cluster's own clock where a look
shows it, else by ours, from our first look at this very run of the container. A readiness probe, or a `minReadySeconds` of the
author's own, is taken at its word. Other containers of the pod are asked only once they were restarted: what was deployed is ours.
Where no pod shows a run, Ready itself must stand for as long.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from bumper.objects import Object, at
from bumper.observation import Desired, Observation
from bumper.rollout import cluster_clock
from bumper.rollout.patience import Finding
from bumper.rollout.pods import is_alive, own_pods
from bumper.rollout.template import containers
from bumper.rollout.verdict import Sighting, Sightings, Verdict
from bumper.rollout.workload import waits_for_pods

STEADY_S = 10.0
# These run to an end, and their end is what counts.
_RUNS_TO_AN_END = ("Job", "CronJob")
# The key of what can't be seen: runs that no pod shows.
_UNSEEN = "Steady, unseen"


def awaited(desired: Desired, observation: Observation, ready: Verdict) -> Finding | None:
    """`ready`, to be believed once the new pods have run for long enough; None where they have, or a probe has said so."""
    if not desired.workload.kind or desired.workload.kind in _RUNS_TO_AN_END:
        return None
    if at(observation.workload, "spec", "minReadySeconds"):
        return None
    pending = _pending(desired, observation)
    if not pending:
        return Finding(_UNSEEN, ready, STEADY_S) if _is_unseen(desired, observation) else None
    return Finding(
        f"Steady {', '.join(sorted(run.name for run in pending))}",
        ready,
        STEADY_S,
        stood_s=min(run.seconds for run in pending),
    )


def text(desired: Desired, observation: Observation) -> str:
    """What is waited for, in words."""
    until = f"waiting until it has run for {STEADY_S:g} s"
    if _is_unseen(desired, observation):
        return f"its pods can't be seen: waiting until it has stood so for {STEADY_S:g} s"
    restarted = next((run.container for run in _pending(desired, observation) if not run.is_ours), "")
    if restarted:
        return f"{restarted} was restarted, and no probe asks it: {until}"
    return f"no readinessProbe asks {desired.container or 'the container'}: {until}"


def without_unseen(sightings: Mapping[str, Sighting]) -> Mapping[str, Sighting]:
    """The sightings without that of runs which no pod shows: where it was not Ready in between, they were other ones."""
    if _UNSEEN not in sightings:
        return sightings
    kept = Sightings({key: sighting for key, sighting in sightings.items() if key != _UNSEEN})
    if isinstance(sightings, Sightings):
        kept.last, kept.last_s = sightings.last, sightings.last_s
    return kept


def _is_unseen(desired: Desired, observation: Observation) -> bool:
    """Whether no pod shows how long a container has run that nothing asks: they can't be read, or Helm waits for none."""
    if observation.canary is not None:
        return False
    if desired.workload.kind == "HelmRelease":
        return not waits_for_pods(observation.workload) and not own_pods(desired, observation)
    template = at(observation.workload, "spec", "template", "spec")
    return "Pod" in observation.unreadable and any(
        not container.get("readinessProbe") for container in containers(desired, template)
    )


class _Run(NamedTuple):
    """One run of a container that nothing asks whether it is ready, by the cluster's clock."""

    name: str
    container: str
    is_ours: bool
    seconds: float


def _pending(desired: Desired, observation: Observation) -> list[_Run]:
    """The runs that are shorter than they must be."""
    now = cluster_clock.now(observation)
    runs = [
        run for pod in own_pods(desired, observation) if is_alive(pod) for run in _unasked(desired, pod, now)
    ]
    return [run for run in runs if run.seconds < STEADY_S]


def _unasked(desired: Desired, pod: Object, now: datetime | None) -> Iterator[_Run]:
    """The containers that run in a pod and that no probe asks: ours, and whichever else was restarted, as long as it runs on."""
    name, spec = at(pod, "metadata", "name") or "", at(pod, "spec")
    ours = list(containers(desired, spec))
    specs = [
        *(at(spec, "containers") or ()),
        *(each for each in at(spec, "initContainers") or () if each.get("restartPolicy") == "Always"),
    ]
    statuses = {
        status.get("name"): status
        for field in ("initContainerStatuses", "containerStatuses")
        for status in at(pod, "status", field) or ()
    }
    for container in specs:
        status = statuses.get(container.get("name"))
        if not status or container.get("readinessProbe"):
            continue
        is_ours, restarts = container in ours, status.get("restartCount") or 0
        if is_ours or restarts:
            run = status.get("containerID") or f"{container.get('name')} {restarts}"
            yield _Run(f"{name} {run}", str(container.get("name")), is_ours, _ran_s(status, now))


def _ran_s(status: Mapping[str, Any], now: datetime | None) -> float:
    """How long a container has run at least, by the cluster's clock."""
    started = cluster_clock.time_of(at(status, "state", "running", "startedAt"))
    return (now - started).total_seconds() if started and now else 0.0
