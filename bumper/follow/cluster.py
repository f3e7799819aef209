"""The pipe after the push: revision → observation → verdict, for several sites in several clusters.

Law: a watch only wakes us up. Each time all objects are read afresh and judged (level-triggered, never edge-triggered), so that a
lost event, a restarted API or a dropped watch costs time and nothing else. Graces and deadlines count on our own clock.
"""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from bumper import rollout
from bumper.errors import BumpError, NoAccess, Outcome, Transient
from bumper.follow.revisions import revisions_of
from bumper.observation import Desired, Observation
from bumper.ports import Clock, Cluster, Facts, Progress, Tape
from bumper.rollout import Judgement, Moment, Sighting, Stage, Timeline, Verdict

# Without any event we look this often: the fallback where watching is forbidden, and how often a CI log hears from us.
PERIOD_S = 5.0


@dataclass(frozen=True)
class Followed:
    """One site in one cluster with its verdict; `label` is how progress names the pair. The timeline begins after the push."""

    site: str
    context: str
    label: str
    verdict: Verdict
    timeline: tuple[Moment, ...] = ()


@dataclass
class _Site:
    """What the loop remembers of one site from look to look."""

    desired: Desired
    label: str
    timeline: Timeline
    sightings: Mapping[str, Sighting] = field(default_factory=dict)
    judgement: Judgement | None = None
    observation: Observation | None = None
    reached: tuple[Stage, ...] = ()
    verdict: Verdict | None = None
    moments: tuple[Moment, ...] = ()

    def is_settled_at(self, looked: Observation) -> bool:
        """Whether judging this look would say what was said before: nothing has changed, and no grace is running.

        With hundreds of sites all but a few are so at each look, and comparing costs a tenth of judging.
        """
        return (
            self.observation is not None
            and self.judgement is not None
            and not self.judgement.sightings
            and replace(looked, at_s=self.observation.at_s) == self.observation
        )

    def end(self, verdict: Verdict, now_s: float) -> None:
        self.verdict = verdict
        self.moments = self.timeline.moments(now_s)


class Follower:
    """Follows some sites in one cluster until each has a verdict or the deadline is there."""

    def __init__(
        self,
        cluster: Cluster,
        lineage: Facts,
        clock: Clock,
        progress: Progress,
        *,
        stop: threading.Event,
        label_context: bool,
    ) -> None:
        self._cluster = cluster
        self._lineage = lineage
        self._clock = clock
        self._progress = progress
        self._stop = stop
        self._label_context = label_context

    def run(self, desired: Sequence[Desired], began_s: float, deadline_s: float) -> list[Followed]:
        """One verdict for each site, in the order asked for; fewer only if stopped."""
        sites = [_Site(one, self._label(one.site), Timeline(began_s)) for one in desired]
        for site in sites:
            self._progress.moving(site.label, Stage.FETCHED, "waiting for Flux to fetch the commit")
        self._request_fetches(desired)
        outage: Transient | None = None
        while (pending := [site for site in sites if not site.verdict]) and not self._stop.is_set():
            left_s = deadline_s - self._clock.now()
            try:
                self._look(pending)
                outage = None
                waiting = [site for site in pending if not site.verdict]
                if waiting and left_s > 0:
                    self._cluster.wait(min(left_s, _until_next_s(waiting, self._clock.now())))
            except Transient as error:
                outage = error
                self._progress.notice(
                    f"{self._cluster.name}: {error.message}; trying again until the deadline"
                )
                self._clock.sleep(max(0.0, min(left_s, error.retry_after_s or 1.0)))
            except BumpError as error:
                for site in pending:
                    site.end(_no_access(error), self._clock.now())
            for notice in self._cluster.notices():
                self._progress.notice(notice)
            if left_s <= 0:
                for site in sites:
                    if not site.verdict:
                        site.end(_at_deadline(site, outage), self._clock.now())
        return [
            Followed(site.desired.site, self._cluster.name, site.label, site.verdict, site.moments)
            for site in sites
            if site.verdict
        ]

    def _label(self, site: str) -> str:
        return f"{site} in {self._cluster.name}" if self._label_context else site

    def _request_fetches(self, desired: Sequence[Desired]) -> None:
        # Once, and of the source alone: a poke at a Kustomization can cancel the health checks of other people's deploys.
        for source in sorted({one.source for one in desired if one.revision}):
            try:
                reason = self._cluster.request_fetch(source)
            except BumpError as error:
                reason = error.message
            if reason:
                self._progress.notice(
                    f"{self._cluster.name}: {source} could not be asked to fetch now ({reason}): waiting for its interval"
                )

    def _look(self, pending: list[_Site]) -> None:
        observations = self._cluster.observe([site.desired for site in pending])
        for site, seen in zip(pending, observations, strict=True):
            facts = self._lineage.facts(site.desired, revisions_of(seen))
            looked = replace(seen, revisions=facts)
            if not site.is_settled_at(looked):
                site.observation = looked
                site.judgement = rollout.judge(site.desired, looked, site.sightings)
                site.sightings = site.judgement.sightings
                site.timeline.see(site.judgement.milestones, self._clock.now())
            assert site.judgement
            self._tell(site, site.judgement)
            if site.judgement.verdict:
                site.end(site.judgement.verdict, self._clock.now())

    def _tell(self, site: _Site, judgement: Judgement) -> None:
        for notice in judgement.notices:
            self._progress.notice(f"{site.label}: {notice}")
        for stage in judgement.reached:
            if stage not in site.reached:
                self._progress.done(site.label, stage, judgement.detail.get(stage, ""))
        site.reached = judgement.reached
        verdict = judgement.verdict
        following = next((stage for stage in Stage if stage not in judgement.reached), None)
        if verdict and following and verdict.outcome not in (Outcome.READY, Outcome.SUPERSEDED):
            self._progress.failed(site.label, verdict.stage or following, verdict.reason)
        elif following and not verdict:
            self._progress.moving(site.label, following, judgement.detail.get(following, ""))


def follow(
    desired: Sequence[Desired],
    clusters: Sequence[Cluster],
    lineage: Facts,
    clock: Clock,
    timeout_s: float,
    progress: Progress,
    tape: Tape | None = None,
) -> list[Followed]:
    """The verdicts of all sites in all clusters. With several clusters, each is followed in a thread of its own."""
    stop = threading.Event()
    followers = [
        Follower(
            tape.around(cluster) if tape else cluster,
            tape.facts(cluster.name, lineage) if tape else lineage,
            clock,
            progress,
            stop=stop,
            label_context=len(clusters) > 1,
        )
        for cluster in clusters
    ]
    began_s = clock.now()
    deadline_s = began_s + timeout_s
    if len(followers) == 1:
        return followers[0].run(desired, began_s, deadline_s)
    with ThreadPoolExecutor(1 if tape and tape.one_by_one else len(followers)) as pool:
        try:
            parts = [pool.submit(follower.run, desired, began_s, deadline_s) for follower in followers]
            return [followed for part in parts for followed in part.result()]
        finally:
            stop.set()


def _until_next_s(waiting: Sequence[_Site], now_s: float) -> float:
    """Until the next look, if nothing wakes us before: no event marks the end of a grace."""
    due_s = [site.judgement.due_s for site in waiting if site.judgement and site.judgement.due_s is not None]
    return max(0.0, min([PERIOD_S, *(due - now_s for due in due_s)]))


def _at_deadline(site: _Site, outage: Transient | None) -> Verdict:
    if outage or not site.observation or not site.judgement:
        why = outage.message if outage else "the cluster was never seen"
        return Verdict(
            Outcome.UNKNOWN,
            "ClusterUnreachable",
            f"the cluster could not be read at the deadline: {why}",
            hint=f"the commit is on the branch; to go on: bump track --site {site.desired.site}",
        )
    return rollout.timed_out(site.desired, site.observation, site.judgement)


def _no_access(error: BumpError) -> Verdict:
    reason = "NoAccess" if isinstance(error, NoAccess) else type(error).__name__
    return Verdict(Outcome.UNKNOWN, reason, error.message, hint=error.hint)
