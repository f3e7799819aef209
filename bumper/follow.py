"""The pipe after the push: revision → observation → verdict, for several sites in several clusters.

Law: a watch only wakes us up. Each time all objects are read afresh and judged (level-triggered, never edge-triggered), so that a
lost event, a restarted API or a dropped watch costs time and nothing else. Graces and deadlines count on our own clock.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Protocol

from bumper import rollout
from bumper.errors import BumpError, NoAccess, Outcome, Transient
from bumper.objects import Object, ObjectKey
from bumper.pipeline import Choice, Clock, Progress, Repository, find_target
from bumper.revision import Revision
from bumper.rollout import Desired, Judgement, Observation, RevisionFacts, Sighting, Stage, Verdict

# Without any event we look this often: the fallback where watching is forbidden, and how often a CI log hears from us.
PERIOD_S = 5.0
# What git could not tell is asked again, but not at each look.
ASK_GIT_AGAIN_S = 5.0


class Cluster(Protocol):
    """One Kubernetes API with a Flux in it; `kube.Cluster` is the real one."""

    @property
    def name(self) -> str: ...
    def observe(self, desired: Sequence[Desired]) -> list[Observation]: ...
    def wait(self, timeout_s: float) -> bool: ...
    def request_fetch(self, source: ObjectKey) -> str: ...
    def notices(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Followed:
    """One site in one cluster with its verdict; `label` is how progress names the pair."""

    site: str
    context: str
    label: str
    verdict: Verdict


class Lineage:
    """What git knows of the revisions that a cluster speaks of. May be asked from several threads."""

    def __init__(self, repository: Repository, choice: Choice, clock: Clock) -> None:
        self._repository = repository
        self._choice = choice
        self._clock = clock
        self._known: dict[tuple[str, str], RevisionFacts] = {}
        self._asked_s: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def facts(self, desired: Desired, shas: Iterable[str]) -> dict[str, RevisionFacts]:
        """The facts of each commit, for the site that `desired` names."""
        with self._lock:
            return {sha: self._facts(desired, sha) for sha in shas}

    def _facts(self, desired: Desired, sha: str) -> RevisionFacts:
        if desired.revision and sha == desired.revision.sha:
            return RevisionFacts(includes_commit=True, image=desired.image)
        key = (desired.site, sha)
        known = self._known.get(key)
        if known and (
            _is_complete(known, desired) or self._clock.now() - self._asked_s[key] < ASK_GIT_AGAIN_S
        ):
            return known
        self._asked_s[key] = self._clock.now()
        self._known[key] = self._ask(desired, sha)
        return self._known[key]

    def _ask(self, desired: Desired, sha: str) -> RevisionFacts:
        includes = self._repository.contains(sha, desired.revision.sha) if desired.revision else None
        if includes is False:
            return RevisionFacts(includes_commit=False, image=None)
        try:
            target = find_target(desired.site, self._choice, self._repository.tree(sha))
        except BumpError:
            # Gone from the branch, moved, or git does not answer: in each case not known, and asked again.
            return RevisionFacts(includes_commit=includes, image=None)
        return RevisionFacts(includes, target.image, self._repository.subject(sha), self._repository.author(sha))


@dataclass
class _Site:
    """What the loop remembers of one site from look to look."""

    desired: Desired
    label: str
    sightings: Mapping[str, Sighting]
    judgement: Judgement | None = None
    observation: Observation | None = None
    reached: tuple[Stage, ...] = ()


class Follower:
    """Follows some sites in one cluster until each has a verdict or the deadline is there."""

    def __init__(
        self,
        cluster: Cluster,
        lineage: Lineage,
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

    def run(self, desired: Sequence[Desired], deadline_s: float) -> list[Followed]:
        """One verdict for each site, in the order asked for; fewer only if stopped."""
        sites = [_Site(one, self._label(one.site), {}) for one in desired]
        verdicts: dict[str, Verdict] = {}
        for site in sites:
            self._progress.moving(site.label, Stage.FETCHED, "waiting for Flux to fetch the commit")
        self._request_fetches(desired)
        outage: Transient | None = None
        while (pending := [site for site in sites if site.label not in verdicts]) and not self._stop.is_set():
            left_s = deadline_s - self._clock.now()
            try:
                self._look(pending, verdicts)
                outage = None
                waiting = [site for site in pending if site.label not in verdicts]
                if waiting and left_s > 0:
                    self._cluster.wait(min(left_s, _until_next_s(waiting, self._clock.now())))
            except Transient as error:
                outage = error
                self._progress.notice(
                    f"{self._cluster.name}: {error.message}; trying again until the deadline"
                )
                self._clock.sleep(max(0.0, min(left_s, error.retry_after_s or 1.0)))
            except BumpError as error:
                verdicts |= {site.label: _no_access(error) for site in pending}
            for notice in self._cluster.notices():
                self._progress.notice(notice)
            if left_s <= 0:
                late = [site for site in sites if site.label not in verdicts]
                verdicts |= {site.label: _at_deadline(site, outage) for site in late}
        return [
            Followed(site.desired.site, self._cluster.name, site.label, verdicts[site.label])
            for site in sites
            if site.label in verdicts
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

    def _look(self, pending: list[_Site], verdicts: dict[str, Verdict]) -> None:
        observations = self._cluster.observe([site.desired for site in pending])
        for site, seen in zip(pending, observations, strict=True):
            facts = self._lineage.facts(site.desired, _revisions(seen))
            site.observation = replace(seen, revisions=facts)
            site.judgement = rollout.judge(site.desired, site.observation, site.sightings)
            site.sightings = site.judgement.sightings
            self._tell(site, site.judgement)
            if site.judgement.verdict:
                verdicts[site.label] = site.judgement.verdict

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
    lineage: Lineage,
    clock: Clock,
    timeout_s: float,
    progress: Progress,
) -> list[Followed]:
    """The verdicts of all sites in all clusters. With several clusters, each is followed in a thread of its own."""
    stop = threading.Event()
    followers = [
        Follower(cluster, lineage, clock, progress, stop=stop, label_context=len(clusters) > 1)
        for cluster in clusters
    ]
    deadline_s = clock.now() + timeout_s
    if len(followers) == 1:
        return followers[0].run(desired, deadline_s)
    with ThreadPoolExecutor(len(followers)) as pool:
        try:
            parts = [pool.submit(follower.run, desired, deadline_s) for follower in followers]
            return [followed for part in parts for followed in part.result()]
        finally:
            stop.set()


def _revisions(observation: Observation) -> set[str]:
    """The commits that the Flux objects speak of."""
    artifact = _status(observation.source).get("artifact") or {}
    status = _status(observation.kustomization)
    texts = [artifact.get("revision"), status.get("lastAppliedRevision"), status.get("lastAttemptedRevision")]
    revisions = [Revision.parse(text) for text in texts if text]
    return {revision.sha for revision in revisions if revision}


def _status(obj: Object | None) -> Mapping[str, Any]:
    return (obj or {}).get("status") or {}


def _is_complete(facts: RevisionFacts, desired: Desired) -> bool:
    if facts.includes_commit is False:
        return True
    return facts.image is not None and (facts.includes_commit is True or desired.revision is None)


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
