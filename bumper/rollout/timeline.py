"""How far a deploy had come, and when: the milestones that one look shows, and the moments that follow from many looks.

Law: a moment is when we first saw a milestone, on our own clock; how long a node took to pull is what the node itself says. Moments
keep their order, so that their seconds add up to the whole.
"""

from collections.abc import Mapping

from bumper.dataclasses import dataclass
from bumper.objects import at
from bumper.rollout.look import Look
from bumper.rollout.pods import own_pods
from bumper.rollout.serving import pod_events, pulled
from bumper.rollout.verdict import Milestone, Stage
from bumper.safe_text import printable

# kubelet 1.36 pkg/kubelet/images/image_manager.go: what the node had before.
_PRESENT = "already present on machine"


@dataclass(frozen=True)
class Moment:
    """A milestone that was reached `seconds` after the one before it; with `is_open` a milestone that was awaited for that long."""

    name: str
    seconds: float
    detail: str = ""
    is_open: bool = False


def milestones(look: Look, reached: tuple[Stage, ...]) -> dict[Milestone, str]:
    """What this look shows to be behind us, each with a detail or an empty text."""
    details: dict[Milestone, str] = {}
    if Stage.FETCHED in reached:
        details[Milestone.FETCHED] = ""
    if Stage.APPLIED in reached:
        details |= {Milestone.APPLIED: "", **_of_pods(look)}
    if Stage.ROLLED_OUT in reached:
        details[Milestone.READY] = ""
    return {milestone: printable(detail) for milestone, detail in details.items()}


def _of_pods(look: Look) -> dict[Milestone, str]:
    pods = own_pods(look.desired, look.observation)
    if not pods:
        return {}
    details = {Milestone.FIRST_POD: str(at(pods[0], "metadata", "name") or "")}
    for pod in pods:
        events = pod_events(look.observation, at(pod, "metadata", "name") or "")
        messages = [event.get("message") or "" for event in events if event.get("reason") == "Pulled"]
        ours = [message for message in messages if look.desired.image.repository in message]
        if ours:
            # A container that is started again finds the image on the node: the pull itself tells more.
            detail = next(
                filter(None, map(pulled, ours)), "already on the node" if _PRESENT in ours[0] else ""
            )
            return {**details, Milestone.PULLED: detail}
        statuses = at(pod, "status", "containerStatuses") or ()
        # Events are kept for an hour, and may not be readable: a container that runs has its image all the same.
        if statuses and all(at(status, "state", "running") is not None for status in statuses):
            details[Milestone.PULLED] = ""
    return details


class Timeline:
    """What becomes of the milestones of look after look; begins when following begins."""

    def __init__(self, began_s: float) -> None:
        self._last_s = began_s
        self._moments: dict[str, Moment] = {}

    def see(self, shown: Mapping[Milestone, str], at_s: float) -> None:
        """Adds the milestones that are new. Ready is the one that can be lost again, while other workloads are waited for."""
        if Milestone.READY in self._moments and Milestone.READY not in shown:
            self._last_s -= self._moments.pop(Milestone.READY).seconds
        for milestone, detail in shown.items():
            if milestone not in self._moments:
                self._moments[milestone] = Moment(milestone, at_s - self._last_s, detail)
                self._last_s = at_s
            elif detail and not self._moments[milestone].detail:
                # The node's event may come after the state that it speaks of.
                self._moments[milestone] = Moment(milestone, self._moments[milestone].seconds, detail)

    def moments(self, now_s: float) -> tuple[Moment, ...]:
        """In order; the last one is open unless the site is ready."""
        known = tuple(self._moments[milestone] for milestone in Milestone if milestone in self._moments)
        if Milestone.READY in self._moments:
            return known
        # An image that was seen to be pulled has a pod, even if that pod was replaced since.
        furthest = max(
            (list(Milestone).index(milestone) for milestone in Milestone if milestone in self._moments),
            default=-1,
        )
        return (*known, Moment(list(Milestone)[furthest + 1], now_s - self._last_s, is_open=True))
