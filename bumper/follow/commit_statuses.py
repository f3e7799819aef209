"""The pipe after the push where the cluster can't be asked: it listens to the commit statuses that Flux posts.

Law: each look reads the branch with all its statuses afresh. Nothing that is missing counts as anything until the deadline.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from bumper.dataclasses import dataclass, field, replace
from bumper.errors import BumpError, Outcome
from bumper.fluxtree.sites.find import Target
from bumper.follow.loop import PERIOD_S, Case, Followed, Intervals, Loop, refusal
from bumper.observation import Desired
from bumper.ports.github import Announced, StatusBranch
from bumper.ports.kubernetes import Facts
from bumper.ports.run import Clock, Progress
from bumper.request import site_options
from bumper.rollout import statuses
from bumper.rollout.statuses import Proof, Telling
from bumper.rollout.verdict import Sighting, Verdict

STAGE = "reported"
# A look is one request. After some minutes whatever is left takes its time.
_INTERVALS = Intervals(slow_s=15.0, slow_after_s=120.0, retry_s=PERIOD_S)
# Without a commit of our own, the newest few commits that Flux spoke on decide.
_RECENT = 5


@dataclass(frozen=True)
class Awaited:
    """One site and what a success would prove of it. `suspended` says where git suspends it, empty where it does not."""

    desired: Desired
    proof: Proof
    suspended: str = ""

    @classmethod
    def of(cls, desired: Desired, target: Target) -> "Awaited":
        """What git says of the site's Kustomization."""
        site = target.site
        at = f"{site.document.path}:{site.document.line('spec', 'suspend')}" if site.suspended else ""
        proofs = [Proof.of(site.spec, workload) for workload in target.followed]
        return cls(desired, next((proof for proof in proofs if proof.why), proofs[0]), at)


@dataclass(kw_only=True)
class _Report(Case):
    """What is remembered of one site from look to look."""

    awaited: Awaited
    expected: frozenset[str] | None = None
    sightings: Mapping[str, Sighting] = field(default_factory=dict)
    telling: Telling | None = None


@dataclass(frozen=True)
class _GitHub:
    """GitHub has no watch: waiting is letting time pass (`loop.System`)."""

    clock: Clock
    name: str = "GitHub"

    def wait(self, timeout_s: float) -> None:
        self.clock.sleep(timeout_s)

    def notices(self) -> tuple[str, ...]:
        return ()


class _Reports:
    """Judges sites by the statuses on a branch (`loop.Follower`)."""

    def __init__(
        self, branch: StatusBranch, shas: frozenset[str], facts: Facts, clock: Clock, progress: Progress
    ) -> None:
        self._branch = branch
        self._shas = shas
        self._facts = facts
        self._clock = clock
        self._progress = progress

    def look(self, sites: Sequence[_Report]) -> Iterator[Followed | None]:
        commits = self._branch.announced(self._shas)
        for site in sites:
            telling = self._judged(site, commits)
            if telling.verdict is None:
                self._progress.moving(site.label, STAGE, telling.detail)
            yield self.ended(site, telling.verdict) if telling.verdict else None

    def timed_out(self, site: _Report) -> Followed:
        assert site.telling, "what was not seen is unreachable"
        return self.ended(site, statuses.timed_out(site.awaited.desired, site.telling))

    def unreachable(self, site: _Report, error: BumpError) -> Followed:
        desired = site.awaited.desired
        verdict = Verdict(
            Outcome.UNKNOWN,
            "GitHubUnreachable",
            f"the commit statuses could not be read at the deadline: {error.message}",
            hint=f"the commit is on the branch; to go on: bump track {site_options(desired.site, desired.named)} "
            "--follow github",
        )
        return self.ended(site, verdict)

    def refused(self, site: _Report, error: BumpError) -> Followed:
        return self.ended(site, refusal(error))

    def ended(self, site: _Report, verdict: Verdict) -> Followed:
        if verdict.outcome in (Outcome.READY, Outcome.APPLIED, Outcome.SUPERSEDED):
            detail = verdict.evidence[0] if verdict.evidence else verdict.message
            self._progress.done(site.label, STAGE, detail)
        else:
            self._progress.failed(site.label, STAGE, verdict.reason)
        return Followed(site.awaited.desired.label, "", site.label, verdict)

    def _judged(self, site: _Report, commits: Sequence[Announced]) -> Telling:
        desired = site.awaited.desired
        known = _with_facts(desired, commits, self._facts)
        if site.expected is None:
            site.expected = statuses.expected_contexts(_before(desired, commits), desired.kustomization)
        telling = statuses.judge(
            desired, site.awaited.proof, known, site.expected, site.sightings, self._clock.now()
        )
        site.telling, site.sightings, site.due_s = telling, telling.sightings, telling.due_s
        return telling


def listen(
    awaited: Sequence[Awaited],
    branch: StatusBranch,
    facts: Facts,
    clock: Clock,
    timeout_s: float,
    progress: Progress,
    poke: Callable[[], str] = lambda: "",
) -> list[Followed]:
    """The verdicts of all sites. `poke` makes Flux fetch now, and returns why it could not (empty where it did)."""
    began_s = clock.now()
    shas = frozenset(each.desired.revision.sha for each in awaited if each.desired.revision)
    sites = [_Report(label=each.desired.label, stage=STAGE, awaited=each) for each in awaited]
    reports = _Reports(branch, shas, facts, clock, progress)
    ended: dict[str, Followed] = {}
    for site in sites:
        progress.moving(site.label, STAGE, "waiting for Flux's commit status")
        if site.awaited.suspended:
            ended[site.label] = reports.ended(site, _suspended(site.awaited))
    if shas and (why := poke()):
        progress.notice(why)
    waiting = [site for site in sites if site.label not in ended]
    loop = Loop(_GitHub(clock), reports, waiting, clock, progress, intervals=_INTERVALS)
    followed = loop.run(began_s, began_s + timeout_s)
    ended |= {each.label: each for each in followed}
    return [ended[site.label] for site in sites]


def _with_facts(desired: Desired, commits: Sequence[Announced], facts: Facts) -> list[Announced]:
    """The commits that can say something of the site. Git is asked of no others: a busy branch has hundreds."""
    ours = desired.revision.sha if desired.revision else ""
    spoken = [
        commit
        for commit in commits
        if commit.sha == ours
        or any(statuses.is_about(status.context, desired.kustomization) for status in commit.statuses)
    ]
    shas = [commit.sha for commit in spoken]
    if ours in shas:
        spoken = spoken[: shas.index(ours) + 1]
    elif not desired.revision:
        spoken = spoken[:_RECENT]
    known = facts.facts(desired, [commit.sha for commit in spoken])
    return [replace(commit, facts=known[commit.sha]) for commit in spoken]


def _before(desired: Desired, commits: Sequence[Announced]) -> Sequence[Announced]:
    shas = [commit.sha for commit in commits]
    ours = desired.revision.sha if desired.revision else ""
    return commits[shas.index(ours) + 1 :] if ours in shas else ()


def _suspended(awaited: Awaited) -> Verdict:
    return Verdict(
        Outcome.SUSPENDED,
        "Suspended",
        f"{awaited.suspended}: {awaited.desired.kustomization} is suspended: Flux does not take the commit",
        hint="set spec.suspend to false in git",
    )
