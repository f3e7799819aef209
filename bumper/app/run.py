"""One job carried out from beginning to end, for every command that writes: planned, committed, followed and told.

Law: whatever could make a run impossible (a kubeconfig, a channel to GitHub) is opened before anything is written. A dry run plans
and writes nothing. However a run ends, it is said where everything stands.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from bumper.app.output import Output, Result
from bumper.app.shortage import shortage
from bumper.dataclasses import dataclass
from bumper.deploy.commit.push import Landed, Proposal
from bumper.errors import BumpError, Refused, Unfinished, Unreachable, UsageError
from bumper.fluxtree.proof import Proof
from bumper.follow.loop import Followed
from bumper.progress import Journal
from bumper.publish import report
from bumper.publish.report import Report, RollbackReport, SiteReport
from bumper.recording.encoding import Subject
from bumper.request import Choice
from bumper.rollout.verdict import Verdict

NO_PLAN = Proof()
P = TypeVar("P", bound=Proposal)


class Job(ABC, Generic[P]):
    """What is to be written, and how it is told. Each step may raise a BumpError, which ends the run."""

    def open(self) -> None:
        """Opens whatever is needed after the plan: what could not be committed or followed is not begun."""

    @abstractmethod
    def plan(self) -> P:
        """What is to be committed on the branch as it stands. Writes nothing."""

    @abstractmethod
    def planned(self, plan: P) -> Result:
        """How a dry run ends."""

    def unanswered(self, error: Unreachable) -> Result | None:
        """How a dry run ends that could not ask all it needs; None where the error is all there is to say."""
        return None

    def confirm(self, plan: P) -> Result | None:
        """How the run ends before the commit, if it does; None where it goes on. Refused where somebody must agree and does not."""
        return None

    @abstractmethod
    def land(self, plan: P) -> Landed[P]:
        """Puts the plan on the branch, planning again after each lost race."""

    @abstractmethod
    def follow(self, landed: Landed[P]) -> Result:
        """How it goes on after the commit, to its end."""

    def on_failure(self) -> "Recovery | None":
        """What is done about a rollout that failed; None where nothing is, or nothing failed."""
        return None

    @abstractmethod
    def standing(self, landed: Landed[P] | None) -> list[str]:
        """Where everything stands, for whoever interrupted: a line each."""


@dataclass(frozen=True)
class Recovery:
    """Another job, carried out once, about the sites that failed. `failures` says by site what failed."""

    failures: Mapping[str, str]
    job: Job[Any]


@dataclass
class Run(Generic[P]):
    """How far a job has come: `landed` is what stands on the branch, None as long as nothing does.

    `is_writing` from the moment on in which something may stand there.
    """

    job: Job[P]
    landed: Landed[P] | None = None
    is_writing: bool = False

    def carry_out(self, *, dry_run: bool = False) -> Result:
        """The result, at whichever step the job ends.

        What this machine is short of is a UsageError as long as nothing is written, and `Unfinished` after that.
        """
        with self._in_words():
            return self._carried_out(dry_run=dry_run)

    def _carried_out(self, *, dry_run: bool) -> Result:
        self.job.open()
        if dry_run:
            return self._planned()
        plan = self.job.plan()
        if ended := self.job.confirm(plan):
            return ended
        self.is_writing = True
        self.landed = self.job.land(plan)
        return self.job.follow(self.landed)

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            short = shortage(error)
            # What refuses before the commit says that nothing was written: after it that would be false.
            ended = error if self.landed and isinstance(error, UsageError | Refused) else short
            if ended and self.is_writing:
                raise Unfinished(ended.message, hint="; ".join(self.standing)) from error
            if short:
                raise short from error
            error.add_note("\n".join(self.standing))
            raise

    def _planned(self) -> Result:
        try:
            return self.job.planned(self.job.plan())
        except Unreachable as error:
            if result := self.job.unanswered(error):
                return result
            raise

    @property
    def standing(self) -> list[str]:
        """Where everything stands now, a line each."""
        return self.job.standing(self.landed)


def carry_out(job: Job[P], output: Output, *, dry_run: bool = False) -> int:
    """Carries out the job and tells how it ended; returns the exit code.

    What failed is handed to the job's own recovery, once; how that ends changes nothing of the exit code.
    """
    run = Run(job)
    try:
        result = run.carry_out(dry_run=dry_run)
    except KeyboardInterrupt:
        return output.interrupt(run.standing)
    recovery = job.on_failure()
    if recovery and result.report:
        return _recover(recovery, result.report, output)
    return output.finish(result)


def _recover(recovery: Recovery, outcome: Report, output: Output) -> int:
    run = Run(recovery.job)
    try:
        rollback = RollbackReport(run.carry_out().report)
    except BumpError as error:
        rollback = RollbackReport(error=error)
    except KeyboardInterrupt:
        return output.interrupt([*recovery.failures.values(), *run.standing])
    return output.finish(Result.of(report.with_rollback(outcome, rollback, recovery.failures)))


def report_of(
    subjects: Sequence[Subject],
    followed: Sequence[Followed],
    journal: Journal,
    diff: str = "",
    *,
    choice: Choice | None = None,
    plan: Proof = NO_PLAN,
    running: Mapping[str, str] = MappingProxyType({}),
) -> Report:
    """The report on all sites in all clusters, in the order in which they were followed. `diff` is that of a dry run.

    `choice` is how the sites were named: a command that names one again says the same. `running` are the tags that were found running
    before the push, by site.
    """
    by_site = {subject.desired.label: subject for subject in subjects}
    sites = [
        _site_report(by_site[ended.site], ended, journal, choice or Choice(), running) for ended in followed
    ]
    return Report(tuple(sites), journal.seconds, tuple(journal.notices), diff, plan=plan)


def _site_report(
    subject: Subject, ended: Followed, journal: Journal, choice: Choice, running: Mapping[str, str]
) -> SiteReport:
    steps = journal.steps(ended.site) + (journal.steps(ended.label) if ended.label != ended.site else ())
    image, is_written = subject.desired.image, subject.is_written
    verdict = report.unless_unchanged(
        _with_way_back(subject, ended.verdict, choice), image, is_written=is_written
    )
    return SiteReport(
        site=ended.label,
        name=subject.desired.site,
        previous=subject.previous,
        image=image,
        place=subject.place,
        revision=subject.revision,
        verdict=verdict,
        steps=steps,
        url=subject.url,
        timeline=report.whole_timeline(steps, ended.timeline, is_written=is_written),
        context=ended.context if ended.label != ended.site else "",
        order=subject.order,
        kustomization=subject.desired.identity,
        places=subject.places,
        stays=subject.stays,
        workloads=ended.workloads,
        found_running=subject.is_written and running.get(ended.site) == subject.previous.tag,
        has_namesakes=bool(subject.desired.where),
    )


def _with_way_back(subject: Subject, verdict: Verdict, choice: Choice) -> Verdict:
    """The same with the command that takes it back, where a rollout failed that something came before."""
    if not subject.previous.tag:
        return verdict
    desired = subject.desired
    options = choice.site_options(desired.site, desired.named or choice.kustomization)
    return verdict.with_way_back(f"bump rollback {options}")
