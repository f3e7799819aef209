"""The pipe after the push: revision → observation → verdict, for several sites in several clusters.

Law: a site is judged by one look at all of its workloads and by nothing older; what goes from look to look is only when a cause was
first seen, and the timeline. Each workload is judged by itself, and the verdict on a site is that of all of them (`rollout.site`).
"""

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice

from bumper.dataclasses import dataclass, field, replace
from bumper.errors import BumpError, Outcome
from bumper.follow.baseline import Known, key_of
from bumper.follow.loop import FRESH_S, Case, Followed, Loop, label, refusal
from bumper.follow.revisions import revisions_of
from bumper.follow.threads import in_each
from bumper.objects import ObjectKey
from bumper.observation import Baseline, Desired, Observation
from bumper.ports.kubernetes import Cluster, Facts, Tape
from bumper.ports.run import Clock, Progress
from bumper.request import site_options
from bumper.rollout import site as combined
from bumper.rollout.rules import judge, timed_out
from bumper.rollout.site import WorkloadEnd
from bumper.rollout.timeline import Timeline
from bumper.rollout.verdict import Judgement, Sighting, Stage, Verdict


@dataclass(kw_only=True)
class _Workload:
    """What is remembered of one workload from look to look."""

    desired: Desired
    timeline: Timeline
    before: Baseline | None = None
    sightings: Mapping[str, Sighting] = field(default_factory=dict)
    judgement: Judgement | None = None
    observation: Observation | None = None

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

    @property
    def key(self) -> ObjectKey:
        return self.desired.workload

    def timed_out(self) -> Verdict:
        """Its verdict at the deadline, judged by the last look."""
        assert self.observation, "what was not seen is unreachable"
        assert self.judgement, "what was seen was judged"
        return self.judgement.verdict or timed_out(self.desired, self.observation, self.judgement)


@dataclass(kw_only=True)
class _Rollout(Case):
    """One site: its workloads, the leading one first, and the stages that all of them have behind them."""

    workloads: Sequence[_Workload]
    reached: tuple[Stage, ...] = ()

    def is_due_at(self, now_s: float) -> bool:
        """Whether a look is worth its while although nothing has changed: it was never judged, or a grace is over."""
        return (self.due_s is not None and self.due_s <= now_s) or not all(
            workload.judgement for workload in self.workloads
        )

    @property
    def site(self) -> str:
        """Its label, whatever the cluster."""
        return self.workloads[0].desired.label

    @property
    def command_options(self) -> str:
        """What names it in a command."""
        desired = self.workloads[0].desired
        return site_options(desired.site, desired.named)


class _Rollouts:
    """Judges the rollouts of some sites in one cluster (`loop.Follower`)."""

    def __init__(
        self, cluster: Cluster, facts: Facts, clock: Clock, deadline_s: float, progress: Progress
    ) -> None:
        self._cluster = cluster
        self._facts = facts
        self._clock = clock
        self._deadline_s = deadline_s
        self._progress = progress

    def look(self, sites: Sequence[_Rollout]) -> Iterator[Followed | None]:
        now_s = self._clock.now()
        # What ends at the deadline is judged by its last look, which may be cut off: the one before it has everybody, too.
        is_last = now_s > self._deadline_s - FRESH_S
        is_due = [is_last or site.is_due_at(now_s) for site in sites for _ in site.workloads]
        followed = [workload.desired for site in sites for workload in site.workloads]
        seen = iter(self._cluster.observe_changed(followed, is_due))
        for site in sites:
            looks = [look for look in islice(seen, len(site.workloads)) if look]
            if len(looks) < len(site.workloads):
                yield None
                continue
            judgements = list(map(self._judged, site.workloads, looks))
            site.due_s = min((each.due_s for each in judgements if each.due_s is not None), default=None)
            ends = self._ends(site, [judgement.verdict for judgement in judgements])
            verdict = combined.verdict(ends) if combined.has_ended(ends) else None
            self._tell(site, judgements, verdict)
            yield self._ended(site, ends) if verdict else None

    def timed_out(self, site: _Rollout) -> Followed:
        return self._ended(site, self._ends(site, [workload.timed_out() for workload in site.workloads]))

    def unreachable(self, site: _Rollout, error: BumpError) -> Followed:
        verdict = unreachable(
            error, f"the commit is on the branch; to go on: bump track {site.command_options}"
        )
        return self._ended(site, self._ends(site, [verdict] * len(site.workloads)))

    def refused(self, site: _Rollout, error: BumpError) -> Followed:
        return self._ended(site, self._ends(site, [refusal(error)] * len(site.workloads)))

    def _judged(self, workload: _Workload, seen: Observation) -> Judgement:
        ours = workload.desired.revision
        waits = workload.judgement is not None and Stage.FETCHED not in workload.judgement.reached
        asked = revisions_of(seen) | ({ours.sha} if ours and waits else set())
        facts = self._facts.facts(workload.desired, asked)
        looked = replace(seen, revisions=facts, before=workload.before)
        if workload.judgement is None or not workload.is_settled_at(looked):
            workload.observation = looked
            workload.judgement = judge(workload.desired, looked, workload.sightings)
            workload.sightings = workload.judgement.sightings
            workload.timeline.see(workload.judgement.milestones, self._clock.now())
        return workload.judgement

    def _tell(self, site: _Rollout, judgements: Sequence[Judgement], verdict: Verdict | None) -> None:
        for notice in dict.fromkeys(notice for judgement in judgements for notice in judgement.notices):
            self._progress.notice(f"{site.label}: {notice}")
        reached = tuple(stage for stage in Stage if all(stage in each.reached for each in judgements))
        for stage in reached:
            if stage not in site.reached:
                self._progress.done(site.label, stage, _detail(site, judgements, stage))
        site.reached = reached
        following = next((stage for stage in Stage if stage not in reached), None)
        site.stage = following or site.stage
        if verdict and following and verdict.outcome not in (Outcome.READY, Outcome.SUPERSEDED):
            self._progress.failed(site.label, verdict.stage or following, verdict.reason)
        elif following and not verdict:
            self._progress.moving(site.label, following, _detail(site, judgements, following))

    def _ends(self, site: _Rollout, verdicts: Sequence[Verdict | None]) -> list[WorkloadEnd]:
        now_s = self._clock.now()
        return [
            WorkloadEnd(
                workload.key,
                verdict,
                workload.judgement.doing if workload.judgement else "",
                workload.judgement is not None and workload.judgement.is_rolled_out,
                workload.timeline.moments(now_s),
            )
            for workload, verdict in zip(site.workloads, verdicts, strict=True)
        ]

    def _ended(self, site: _Rollout, ends: Sequence[WorkloadEnd]) -> Followed:
        return Followed(
            site.site,
            self._cluster.name,
            site.label,
            combined.verdict(ends),
            ends[combined.decisive(ends)].timeline,
            tuple(ends) if len(ends) > 1 else (),
        )


def _detail(site: _Rollout, judgements: Sequence[Judgement], stage: Stage) -> str:
    """What is said of a stage: by each workload that has not reached it; of a stage that is over who has, or what all say alike."""
    texts = {
        _name(workload, site): (judgement.detail.get(stage, ""), stage in judgement.reached)
        for workload, judgement in zip(site.workloads, judgements, strict=True)
    }
    is_over = all(reached for _, reached in texts.values())
    shown = {name: text for name, (text, reached) in texts.items() if text and reached == is_over}
    if len(set(shown.values())) == 1 and len(shown) == len(texts):
        return next(iter(shown.values()))
    if is_over and len(texts) > 1:
        # The report has a line for each.
        return ", ".join(texts)
    return "; ".join(f"{name}: {text}" if len(texts) > 1 else text for name, text in shown.items())


def follow(
    desired: Sequence[Desired],
    clusters: Sequence[Cluster],
    facts: Facts,
    clock: Clock,
    timeout_s: float,
    progress: Progress,
    tape: Tape | None = None,
    baselines: Known | None = None,
    elsewhere: Mapping[str, Collection[str]] | None = None,
) -> list[Followed]:
    """The verdicts of all sites in all clusters; `desired` has one for each workload, of each site the leading one first.

    `baselines` say how they stood before the push, by context, and `elsewhere` which sites, by their labels, a cluster does not have.
    """
    began_s = clock.now()

    def run(cluster: Cluster, stop: threading.Event | None) -> list[Followed]:
        played = tape.around(cluster) if tape else cluster
        known = tape.facts(cluster.name, facts) if tape else facts
        seen_before = (baselines or {}).get(cluster.name) or {}
        before: Sequence[Baseline | None] = [seen_before.get(key_of(each)) for each in desired]
        before = tape.before(cluster.name, before) if tape else before
        stood = {key_of(each): baseline for each, baseline in zip(desired, before, strict=True)}
        sites = [
            _Rollout(
                label=label(workloads[0].label, cluster.name, is_alone=len(clusters) == 1),
                stage=Stage.FETCHED,
                workloads=[
                    _Workload(desired=each, timeline=Timeline(began_s), before=stood[key_of(each)])
                    for each in workloads
                ],
            )
            for workloads in _by_site(desired)
            if workloads[0].label not in (elsewhere or {}).get(cluster.name, ())
        ]
        followed = [workload.desired for site in sites for workload in site.workloads]
        wanted = {each.fetched for each in followed}
        begin(played, sites, sorted(wanted), progress)
        rollouts = _Rollouts(played, known, clock, began_s + timeout_s, progress)
        return Loop(played, rollouts, sites, clock, progress, stop=stop).run(began_s, began_s + timeout_s)

    return in_each(clusters, run, one_by_one=bool(tape and tape.one_by_one))


def _name(workload: _Workload, site: _Rollout) -> str:
    """What tells a workload from the others of its site."""
    key = workload.key
    is_alone = sum(each.key.name == key.name for each in site.workloads) == 1
    return key.name if is_alone else f"{key.kind} {key.name}"


def _by_site(desired: Sequence[Desired]) -> list[list[Desired]]:
    """What makes up each site, in the order in which the sites are first named."""
    sites: dict[tuple[str, ObjectKey], list[Desired]] = {}
    for each in desired:
        sites.setdefault((each.label, each.kustomization), []).append(each)
    return list(sites.values())


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
