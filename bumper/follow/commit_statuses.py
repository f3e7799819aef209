"""The pipe after the push where the cluster can't be asked: it listens to the commit statuses that Flux posts.

Law: level-triggered like `follow`: each look reads the branch with all its statuses afresh. Nothing that is missing counts as anything
until the deadline, and what GitHub was asked in vain is told and asked again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bumper.errors import BumpError, NoAccess, Outcome, Transient
from bumper.follow.cluster import Followed
from bumper.observation import Desired
from bumper.platform import Target
from bumper.ports import Announced, Clock, Facts, Progress, StatusBranch
from bumper.rollout import Sighting, Verdict, statuses
from bumper.rollout.statuses import Proof, Telling

STAGE = "reported"
# A look is one request. After some minutes whatever is left takes its time.
PERIOD_S, SLOW_PERIOD_S, _SLOWER_AFTER_S = 5.0, 15.0, 120.0
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
        return cls(desired, Proof.of(site.spec, desired.workload), at)


@dataclass
class _Site:
    awaited: Awaited
    expected: frozenset[str] | None = None
    sightings: Mapping[str, Sighting] = field(default_factory=dict)
    telling: Telling | None = None
    verdict: Verdict | None = None

    @property
    def name(self) -> str:
        return self.awaited.desired.site


def listen(
    awaited: Sequence[Awaited],
    branch: StatusBranch,
    lineage: Facts,
    clock: Clock,
    timeout_s: float,
    progress: Progress,
    poke: Callable[[], str] = lambda: "",
) -> list[Followed]:
    """The verdicts of all sites. `poke` makes Flux fetch now, and returns why it could not (empty where it did)."""
    began_s = clock.now()
    sites = [_Site(one) for one in awaited]
    for site in sites:
        progress.moving(site.name, STAGE, "waiting for Flux's commit status")
        if site.awaited.suspended:
            _end(site, _suspended(site.awaited), progress)
    if any(one.desired.revision for one in awaited) and (why := poke()):
        progress.notice(why)
    shas = frozenset(one.desired.revision.sha for one in awaited if one.desired.revision)
    outage: Transient | None = None
    while pending := [site for site in sites if not site.verdict]:
        left_s = began_s + timeout_s - clock.now()
        asked_s = 0.0
        try:
            commits, outage = branch.announced(shas), None
            for site in pending:
                _look(site, commits, lineage, clock, progress)
        except Transient as error:
            outage, asked_s = error, error.retry_after_s or 0.0
            progress.notice(f"{error.message}; trying again until the deadline")
        except BumpError as error:
            for site in pending:
                _end(site, _no_access(error), progress)
        waiting = [site for site in pending if not site.verdict]
        if waiting and left_s <= 0:
            for site in waiting:
                _end(site, _at_deadline(site, outage), progress)
        elif waiting:
            clock.sleep(max(asked_s, min(left_s, _until_next_s(waiting, clock.now(), began_s))))
    return [Followed(site.name, "", site.name, site.verdict) for site in sites if site.verdict]


def _look(
    site: _Site, commits: Sequence[Announced], lineage: Facts, clock: Clock, progress: Progress
) -> None:
    desired = site.awaited.desired
    known = _with_facts(desired, commits, lineage)
    if site.expected is None:
        site.expected = statuses.expected_contexts(_before(desired, commits), desired.kustomization)
    site.telling = statuses.judge(
        desired, site.awaited.proof, known, site.expected, site.sightings, clock.now()
    )
    site.sightings = site.telling.sightings
    if site.telling.verdict:
        _end(site, site.telling.verdict, progress)
    else:
        progress.moving(site.name, STAGE, site.telling.detail)


def _with_facts(desired: Desired, commits: Sequence[Announced], lineage: Facts) -> list[Announced]:
    """The commits that can say something of the site. Git is asked of no others: a busy branch has hundreds."""
    ours = desired.revision.sha if desired.revision else ""
    spoken = [
        one
        for one in commits
        if one.sha == ours
        or any(statuses.is_about(each.context, desired.kustomization) for each in one.statuses)
    ]
    if ours in (one.sha for one in spoken):
        spoken = spoken[: [one.sha for one in spoken].index(ours) + 1]
    elif not desired.revision:
        spoken = spoken[:_RECENT]
    facts = lineage.facts(desired, [one.sha for one in spoken])
    return [replace(one, facts=facts[one.sha]) for one in spoken]


def _before(desired: Desired, commits: Sequence[Announced]) -> Sequence[Announced]:
    shas = [one.sha for one in commits]
    ours = desired.revision.sha if desired.revision else ""
    return commits[shas.index(ours) + 1 :] if ours in shas else ()


def _until_next_s(waiting: Sequence[_Site], now_s: float, began_s: float) -> float:
    period_s = PERIOD_S if now_s - began_s < _SLOWER_AFTER_S else SLOW_PERIOD_S
    due_s = [site.telling.due_s for site in waiting if site.telling and site.telling.due_s is not None]
    return max(0.0, min([period_s, *(due - now_s for due in due_s)]))


def _end(site: _Site, verdict: Verdict, progress: Progress) -> None:
    site.verdict = verdict
    if verdict.outcome in (Outcome.READY, Outcome.APPLIED, Outcome.SUPERSEDED):
        progress.done(site.name, STAGE, verdict.evidence[0] if verdict.evidence else verdict.message)
    else:
        progress.failed(site.name, STAGE, verdict.reason)


def _suspended(awaited: Awaited) -> Verdict:
    return Verdict(
        Outcome.SUSPENDED,
        "Suspended",
        f"{awaited.suspended}: {awaited.desired.kustomization} is suspended: Flux does not take the commit",
        hint="set spec.suspend to false in git",
    )


def _at_deadline(site: _Site, outage: Transient | None) -> Verdict:
    if outage or not site.telling:
        why = outage.message if outage else "GitHub was never asked"
        return Verdict(
            Outcome.UNKNOWN,
            "GitHubUnreachable",
            f"the commit statuses could not be read at the deadline: {why}",
            hint=f"the commit is on the branch; to go on: bump track --site {site.name} --follow github",
        )
    return statuses.timed_out(site.awaited.desired, site.telling)


def _no_access(error: BumpError) -> Verdict:
    reason = "NoAccess" if isinstance(error, NoAccess) else type(error).__name__
    return Verdict(Outcome.UNKNOWN, reason, error.message, hint=error.hint)
