"""One look at one site, with what every rule needs of it: how far our commit has come."""

from functools import cached_property

from bumper.dataclasses import replace
from bumper.objects import at
from bumper.observation import Desired, Observation
from bumper.rollout import canary
from bumper.rollout.flux import Carries, Standing, standing
from bumper.rollout.pods import lacks_pods, lagging_pods, released_replica_sets
from bumper.rollout.template import template_image
from bumper.rollout.verdict import Stage
from bumper.rollout.workload import Completion, completion


class Look:
    """What was wanted and seen, and the claims that follow from both. Nothing in it changes."""

    def __init__(self, desired: Desired, observation: Observation) -> None:
        self.desired = desired
        if is_elsewhere(observation):
            observation = _without_namesakes(desired, replace(observation, workload=None))
        elif is_released_elsewhere(observation):
            observation = _without_namesakes(desired, observation)
        self.observation = observation

    @cached_property
    def flux(self) -> Standing:
        return standing(self.desired, self.observation)

    @cached_property
    def completion(self) -> Completion | None:
        workload = self.observation.workload
        if workload is not None and self.observation.canary is not None:
            return canary.rollout(self.desired, self.observation)
        return completion(workload) if workload is not None else None

    @cached_property
    def runs_ours(self) -> bool:
        """Whether the workload's template holds our image; its pods may still be others."""
        return self.desired.is_met_by(template_image(self.desired, self.observation.workload))

    @property
    def is_applied(self) -> bool:
        """Whether Flux calls our commit, and nothing older, Ready."""
        return self.flux.applied is Carries.OURS and self.flux.is_settled

    @property
    def is_in_cluster(self) -> bool:
        """Whether our manifests are in the cluster: with `wait` long before Flux calls them applied."""
        if not self.desired.workload.kind or self.observation.workload is None:
            return self.is_applied
        return self.runs_ours and self.flux.is_tried

    @cached_property
    def is_rolled_out(self) -> bool:
        """Whether the workload runs our image and nothing else."""
        is_complete = self.completion is not None and self.completion.is_complete
        if self.observation.canary is not None:
            # The primary serves: the pods of the target come and go with each analysis.
            return self.runs_ours and is_complete
        is_held = is_held_at_zero(self.desired, self.observation)
        return (
            self.runs_ours
            and is_complete
            and not is_held
            and not is_released_elsewhere(self.observation)
            and not canary.unreadable(self.desired, self.observation)
            and not lagging_pods(self.desired, self.observation)
            and not any(lacks_pods(each) for each in released_replica_sets(self.desired, self.observation))
        )

    def reached(self, *, is_ready: bool) -> tuple[Stage, ...]:
        """The stages behind us. The last one is over only with Ready: until Flux agrees, it goes on."""
        claims = (
            (Stage.FETCHED, self.flux.is_fetched),
            (Stage.APPLIED, self.flux.is_fetched and self.is_in_cluster),
            (Stage.ROLLED_OUT, is_ready),
        )
        return tuple(stage for stage, holds in claims if holds)


def is_held_at_zero(desired: Desired, observation: Observation) -> bool:
    """Whether git asks for pods and the cluster keeps the workload without any: complete by its counts, and proof of nothing."""
    is_at_zero = bool(desired.replicas) and at(observation.workload, "spec", "replicas") == 0
    return is_at_zero and observation.canary is None


def is_elsewhere(observation: Observation) -> bool:
    """Whether Flux applies to another cluster than the one that was looked at (`spec.kubeConfig` of the Kustomization, API 1.9.4)."""
    return bool(at(observation.kustomization, "spec", "kubeConfig"))


def is_released_elsewhere(observation: Observation) -> bool:
    """Whether helm-controller installs the chart in another cluster (`spec.kubeConfig` of the HelmRelease, API 1.6.4)."""
    workload = observation.workload
    return at(workload, "kind") == "HelmRelease" and bool(at(workload, "spec", "kubeConfig"))


def _without_namesakes(desired: Desired, observation: Observation) -> Observation:
    """What was seen, without pods and whatever else may have the same name: they are another site's, and prove nothing."""
    flux_kinds = (desired.kustomization.kind, desired.source.kind)
    unreadable = {kind: why for kind, why in observation.unreadable.items() if kind in flux_kinds}
    return replace(
        observation,
        canary=None,
        primary=None,
        replica_sets=(),
        pods=(),
        events=(),
        logs={},
        unreadable=unreadable,
    )
