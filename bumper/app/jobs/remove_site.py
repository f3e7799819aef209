"""Taking a site away until it is gone from the cluster: the job of `bump remove-site`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bumper.app.context import Context
from bumper.app.output import Output, Result
from bumper.app.run import Job, carry_out
from bumper.app.settings import RemoveSiteSettings
from bumper.app.wiring import Systems
from bumper.deploy.commit import push
from bumper.deploy.commit.push import Landed
from bumper.errors import Refused, worst_exit_code
from bumper.follow.baseline import WITHOUT, BaselineLook
from bumper.follow.loop import Followed
from bumper.follow.removal import follow_removal
from bumper.onboarding import proposal
from bumper.onboarding.proposal import SiteRemoval
from bumper.publish import report
from bumper.retry import answered
from bumper.revision import Revision
from bumper.rollout.verdict import Verdict
from bumper.style import STYLES, Line, Span, labelled

if TYPE_CHECKING:
    from bumper.systems.kube import Cluster


def remove_site(settings: RemoveSiteSettings, context: Context) -> int:
    """Says what goes, asks, takes the site away and follows until it is gone; returns the exit code."""
    run = settings.run
    with (
        Systems(context, run.repository, run.permissions) as systems,
        Output(systems, run.output) as output,
    ):
        clusters = systems.clusters(run.follow.contexts, remedy=WITHOUT) if run.follow.is_wanted else ()
        output.begin(name_sites=len(clusters) > 1)
        return carry_out(_RemoveSite(settings, systems, clusters, output), output, dry_run=run.dry_run)


class _RemoveSite(Job[SiteRemoval]):
    def __init__(
        self,
        settings: RemoveSiteSettings,
        systems: Systems,
        clusters: "Sequence[Cluster]",
        output: Output,
    ) -> None:
        self._settings = settings
        self._run = settings.run
        self._name = settings.name
        self._systems = systems
        self._clusters = clusters
        self._output = output
        self._terminal = output.terminal
        self._journal = output.new_journal()
        self._origin = systems.context.surroundings.origin()

    def plan(self) -> SiteRemoval:
        plan = answered(self._propose, self._systems.clock, self._run.commit.push_timeout_s)
        self._terminal.write([(Span(line),) for line in plan.removal.described()])
        return plan

    def planned(self, plan: SiteRemoval) -> Result:
        self._terminal.write(report.diff_lines(plan.diff()))
        return _result(plan, None, [self._unfollowed(plan.planned())])

    def confirm(self, plan: SiteRemoval) -> Result | None:
        if not self._settings.is_agreed and not self._agrees():
            raise Refused(f"{self._name}: not removed", hint="only the word yes removes it")
        return None

    def land(self, plan: SiteRemoval) -> Landed[SiteRemoval]:
        BaselineLook.begin(self._clusters, [plan.desired(None)], self._systems.clock).known(
            self._systems.repository
        )
        # How long somebody thought it over is no part of the removal.
        self._journal = self._output.new_journal()
        self._journal.begin(self._name, "present", "removed")
        branch, commit = self._run.repository.branch, self._run.commit
        landed = push.land(
            plan,
            lambda: self._propose_again(plan),
            self._systems.writer(commit, self._tell),
            branch,
            self._systems.clock,
            commit.push_s,
            lambda _, text: self._tell(text),
        )
        place = landed.plan.removal.site.path
        self._journal.done(self._name, "commit", f"{landed.revision.short}   {place}")
        return landed

    def follow(self, landed: Landed[SiteRemoval]) -> Result:
        return _result(landed.plan, landed.revision, self._followed(landed))

    def standing(self, landed: Landed[SiteRemoval] | None) -> list[str]:
        if landed:
            at = f"{self._name} is off the branch as of {landed.revision.short}"
            return [at, "the cluster goes on by itself"]
        return [
            "the site is still there, unless a push was under way: look at the branch before trying again"
        ]

    def _followed(self, landed: Landed[SiteRemoval]) -> list[Followed]:
        plan, revision = landed.plan, landed.revision
        if not self._run.follow.is_wanted:
            return [self._unfollowed(plan.pushed(revision))]
        if plan.removal.why_kept:
            return [self._unfollowed(plan.not_pruned(revision))]
        clock, timeout_s = self._systems.clock, self._run.follow.timeout_s
        return follow_removal(plan.desired(revision), self._clusters, clock, timeout_s, self._journal)

    def _unfollowed(self, verdict: Verdict) -> Followed:
        """The site without a look at any cluster."""
        return Followed(self._name, "", self._name, verdict)

    def _propose(self) -> SiteRemoval:
        repository, branch = self._systems.repository, self._run.repository.branch
        return proposal.remove(
            self._name, repository, branch, self._origin, self._systems.context.clock.wall()
        )

    def _propose_again(self, agreed: SiteRemoval) -> SiteRemoval:
        """The removal on a new tip; `Refused` where it would delete more than was said."""
        plan = self._propose()
        agreed.require_no_more(plan)
        return plan

    def _agrees(self) -> bool:
        self._terminal.write([(Span(f"Remove {self._name}? Only yes removes it: ", "strong"),)])
        stdin = self._systems.context.stdin
        return stdin is not None and stdin.readline().strip() == "yes"

    def _tell(self, text: str) -> None:
        self._journal.moving(self._name, "commit", text)


def _result(plan: SiteRemoval, revision: Revision | None, followed: Sequence[Followed]) -> Result:
    code = worst_exit_code([ended.verdict.outcome for ended in followed])
    several = len(followed) > 1
    lines = [line for ended in followed for line in _lines(ended.label if several else "", ended.verdict)]
    return Result(lines, _as_data(plan, revision, followed, code), code)


def _lines(label: str, verdict: Verdict) -> list[Line]:
    name = (Span(f"{label}: ", "strong"),) if label else ()
    title = verdict.outcome.value.replace("-", " ").capitalize()
    head = (*name, Span(title, STYLES.get(verdict.outcome, "bad")), Span(f": {verdict.message}"))
    return [head, *labelled([("next", verdict.hint)])]


def _as_data(
    plan: SiteRemoval, revision: Revision | None, followed: Sequence[Followed], code: int
) -> dict[str, Any]:
    removal = plan.removal
    outcomes = [ended.verdict.outcome for ended in followed]
    return {
        "outcome": next(outcome.value for outcome in outcomes if worst_exit_code([outcome]) == code),
        "exitCode": code,
        "site": removal.name,
        "commit": revision.sha if revision else None,
        "deletes": [str(built.key) for built in removal.deleted],
        "keeps": [str(built.key) for built in removal.kept],
        "losses": removal.losses,
        "whyKept": removal.why_kept,
        "files": sorted(plan.files),
        "sites": [
            {"site": ended.label, "context": ended.context, **report.verdict_as_data(ended.verdict)}
            for ended in followed
        ],
        **({} if revision else {"diff": plan.diff()}),
    }
