"""The pipe after the push: revision → observation → verdict, for several sites in several clusters.

Law: a look is judged as a whole and by itself; what goes from look to look is only when a cause was first seen, and the timeline.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bumper import rollout
from bumper.errors import BumpError, Outcome
from bumper.follow.baseline import Known, key_of
from bumper.follow.loop import Case, Followed, Loop, label, refusal
from bumper.follow.revisions import revisions_of
from bumper.follow.threads import in_each
from bumper.objects import ObjectKey
from bumper.observation import Baseline, Desired, Observation
from bumper.ports import Clock, Cluster, Facts, Progress, Tape
from bumper.rollout import Judgement, Sighting, Stage, Timeline, Verdict


@dataclass(kw_only=True)
class _Rollout(Case):
    """What is remembered of one site from look to look."""

    desired: Desired
    timeline: Timeline
    before: Baseline | None = None
    sightings: Mapping[str, Sighting] = field(default_factory=dict)
    judgement: Judgement | None = None
    observation: Observation | None = None
    reached: tuple[Stage, ...] = ()

    def is_settled_at(self, looked: Observation) -> bool:
        """Whether judging this look would say what was said before: nothing has changed, and no grace is running.

        With hundreds of sites all but a few are so at each look, and comparing costs a tenth of judging.
        """
        return (
            self.observation is not None
            and self.judgement is not None
            and not self.judgement.sightings
            and replace(looked, at_s=self.observation.at_s, cluster_time=self.observation.cluster_time)
            == self.observation
        )


class _Rollouts:
    """Judges the rollouts of some sites in one cluster (`loop.Follower`)."""

    def __init__(self, cluster: Cluster, facts: Facts, clock: Clock, progress: Progress) -> None:
        self._cluster = cluster
        self._facts = facts
        self._clock = clock
        self._progress = progress

    def look(self, sites: Sequence[_Rollout]) -> Iterator[Followed | None]:
        observations = self._cluster.observe([site.desired for site in sites])
        for site, seen in zip(sites, observations, strict=True):
            judgement = self._judged(site, seen)
            self._tell(site, judgement)
            yield self._ended(site, judgement.verdict) if judgement.verdict else None

    def timed_out(self, site: _Rollout) -> Followed:
        assert site.observation, "what was not seen is unreachable"
        assert site.judgement, "what was seen was judged"
        return self._ended(site, rollout.timed_out(site.desired, site.observation, site.judgement))

    def unreachable(self, site: _Rollout, error: BumpError) -> Followed:
        hint = f"the commit is on the branch; to go on: bump track --site {site.desired.site}"
        return self._ended(site, unreachable(error, hint))

    def refused(self, site: _Rollout, error: BumpError) -> Followed:
        return self._ended(site, refusal(error))

    def _judged(self, site: _Rollout, seen: Observation) -> Judgement:
        facts = self._facts.facts(site.desired, revisions_of(seen))
        looked = replace(seen, revisions=facts, before=site.before)
        if site.judgement is None or not site.is_settled_at(looked):
            site.observation = looked
            site.judgement = rollout.judge(site.desired, looked, site.sightings)
            site.sightings, site.due_s = site.judgement.sightings, site.judgement.due_s
            site.timeline.see(site.judgement.milestones, self._clock.now())
        return site.judgement

    def _tell(self, site: _Rollout, judgement: Judgement) -> None:
        for notice in judgement.notices:
            self._progress.notice(f"{site.label}: {notice}")
        for stage in judgement.reached:
            if stage not in site.reached:
                self._progress.done(site.label, stage, judgement.detail.get(stage, ""))
        site.reached = judgement.reached
        verdict = judgement.verdict
        following = next((stage for stage in Stage if stage not in judgement.reached), None)
        site.stage = following or site.stage
        if verdict and following and verdict.outcome not in (Outcome.READY, Outcome.SUPERSEDED):
            self._progress.failed(site.label, verdict.stage or following, verdict.reason)
        elif following and not verdict:
            self._progress.moving(site.label, following, judgement.detail.get(following, ""))

    def _ended(self, site: _Rollout, verdict: Verdict) -> Followed:
        moments = site.timeline.moments(self._clock.now())
        return Followed(site.desired.site, self._cluster.name, site.label, verdict, moments)


def follow(
    desired: Sequence[Desired],
    clusters: Sequence[Cluster],
    facts: Facts,
    clock: Clock,
    timeout_s: float,
    progress: Progress,
    tape: Tape | None = None,
    baselines: Known | None = None,
) -> list[Followed]:
    """The verdicts of all sites in all clusters. `baselines` say how they stood before the push, by context."""
    began_s = clock.now()

    def run(cluster: Cluster, stop: threading.Event | None) -> list[Followed]:
        played = tape.around(cluster) if tape else cluster
        known = tape.facts(cluster.name, facts) if tape else facts
        seen_before = (baselines or {}).get(cluster.name) or {}
        before: Sequence[Baseline | None] = [seen_before.get(key_of(each)) for each in desired]
        before = tape.before(cluster.name, before) if tape else before
        sites = [
            _Rollout(
                label=label(each.site, cluster.name, is_alone=len(clusters) == 1),
                stage=Stage.FETCHED,
                desired=each,
                timeline=Timeline(began_s),
                before=baseline,
            )
            for each, baseline in zip(desired, before, strict=True)
        ]
        wanted = {each.source for each in desired if each.revision}
        begin(played, sites, sorted(wanted), progress)
        rollouts = _Rollouts(played, known, clock, progress)
        return Loop(played, rollouts, sites, clock, progress, stop=stop).run(began_s, began_s + timeout_s)

    return in_each(clusters, run, one_by_one=bool(tape and tape.one_by_one))


def begin(cluster: Cluster, cases: Sequence[Case], sources: Sequence[ObjectKey], progress: Progress) -> None:
    """Says what is waited for first, and asks Flux to fetch the commit: once, and of the sources alone.

    A poke at a Kustomization can cancel the health checks of other people's deploys.
    """
    for case in cases:
        progress.moving(case.label, Stage.FETCHED, "waiting for Flux to fetch the commit")
    for source in sources:
        try:
            reason = cluster.request_fetch(source)
        except BumpError as error:
            reason = error.message
        if reason:
            progress.notice(
                f"{cluster.name}: {source} could not be asked to fetch now ({reason}): waiting for its interval"
            )


def unreachable(error: BumpError, hint: str) -> Verdict:
    """The verdict where a cluster does not answer at the deadline."""
    message = f"the cluster could not be read at the deadline: {error.message}"
    return Verdict(Outcome.UNKNOWN, "ClusterUnreachable", message, hint=hint)
