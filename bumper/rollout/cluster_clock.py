"""The cluster's own clock: its moments are compared with each other, never with ours."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from bumper.objects import at
from bumper.observation import Observation


def now(observation: Observation) -> datetime | None:
    """The latest moment that the cluster itself speaks of, which is no later than its present."""
    times = [time_of(text) for text in (observation.cluster_time, *_moments(observation))]
    return max((time for time in times if time), default=None)


def time_of(text: Any) -> datetime | None:
    """A moment as the API writes it (RFC 3339); None for anything else."""
    try:
        time = datetime.fromisoformat(text) if isinstance(text, str) and text else None
    except ValueError:
        return None
    return time if time and time.tzinfo else None


def _moments(observation: Observation) -> Iterator[Any]:
    single = (observation.source, observation.kustomization, observation.workload)
    for cluster_object in (*single, *observation.replica_sets, *observation.pods):
        for condition in at(cluster_object, "status", "conditions") or ():
            yield condition.get("lastTransitionTime")
            yield condition.get("lastUpdateTime")
    for event in observation.events:
        yield event.get("lastTimestamp")
