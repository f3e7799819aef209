"""What the pods that are not ready say of themselves, word for word: what is left to quote where no cause has a name.

Law: nothing is matched and nothing left out for its meaning, only for its length: the first pods, the last lines of each log.
"""

from collections.abc import Iterator

from bumper.objects import Object, at
from bumper.observation import Desired, Observation
from bumper.rollout.pods import is_ready, own_pods
from bumper.rollout.serving import pod_events
from bumper.safe_text import mask

PODS, LOG_LINES, EVENTS = 3, 5, 2


def quotes(desired: Desired, observation: Observation) -> tuple[str, ...]:
    """Phase, conditions that are not True, containers that are not ready, their logs and the last warnings, for each of our pods."""
    pods = [pod for pod in own_pods(desired, observation) if not is_ready(pod)]
    return tuple(line for pod in pods[:PODS] for line in _of_pod(pod, observation))


def _of_pod(pod: Object, observation: Observation) -> Iterator[str]:
    name = at(pod, "metadata", "name") or ""
    phase, status = at(pod, "status", "phase") or "not started", at(pod, "status") or {}
    yield f"pod {name}: {_joined(phase, status.get('reason'), status.get('message'))}"
    for condition in status.get("conditions") or ():
        if condition.get("status") != "True":
            state = f"{condition.get('type')} is {condition.get('status')}"
            yield f"pod {name}: {_joined(state, condition.get('reason'), condition.get('message'))}"
    for field in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(field) or ():
            if container.get("ready") is not True:
                yield f"container {container.get('name')}: {_state(container)}"
                log = observation.logs.get(f"{name}/{container.get('name')}", "")
                yield from (f"log: {line}" for line in mask(log).splitlines()[-LOG_LINES:])
    warnings = [event for event in pod_events(observation, name) if event.get("type") == "Warning"]
    for event in warnings[-EVENTS:]:
        yield f"{event.get('reason')}: {event.get('message')}"


def _state(container: Object) -> str:
    """`waiting: PodInitializing`, `terminated: Error, exit code 1`, `running, not ready, 3 restarts`."""
    waiting, ended = at(container, "state", "waiting"), at(container, "state", "terminated")
    if waiting:
        text = _joined("waiting", waiting.get("reason"), waiting.get("message"))
    elif ended:
        text = _joined("terminated", ended.get("reason"), ended.get("message"))
        text += f", exit code {ended.get('exitCode')}"
    else:
        text = "running, not ready" if at(container, "state", "running") is not None else "no state"
        text += ", not started" if container.get("started") is False else ""
    count = container.get("restartCount") or 0
    return text + (f", {count} restarts" if count else "")


def _joined(*texts: str | None) -> str:
    return ": ".join(text.strip() for text in texts if text)
