"""One change carried out from beginning to end: prepared, committed, followed and reported, for every command that changes a tag.

Law: whatever could make a run impossible (a kubeconfig, a channel to GitHub) is opened before anything is written. An interruption
says where each site stands.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from bumper.app.account import account
from bumper.app.tracker import Following
from bumper.app.wiring import Assembly
from bumper.deploy import pipeline
from bumper.deploy.image_policy import Nodes
from bumper.deploy.pipeline import Amend, Change, Guard, Landed, Plan
from bumper.errors import BumpError, Outcome
from bumper.fluxtree.sites import overrides
from bumper.follow.loop import Followed
from bumper.image import ImageManifest
from bumper.observation import Desired
from bumper.ports import Clock
from bumper.progress import Journal
from bumper.publish import report
from bumper.publish.report import Report, Sequel
from bumper.publish.story import Landing
from bumper.recording import Subject
from bumper.request import Request
from bumper.revision import Revision
from bumper.rollout import Verdict

if TYPE_CHECKING:
    from bumper.systems.git import Remote
    from bumper.systems.kube import Cluster
    from bumper.systems.registry import Registry


@dataclass(frozen=True)
class Errand:
    """What shall be done. `guards` may refuse it; `amend` says what else belongs into the same commit."""

    request: Request
    guards: Sequence[Guard] = ()
    amend: Amend = lambda planned, tree: planned


# What is done about changes that failed, and the journal to tell of it.
Remedy: TypeAlias = Callable[[Sequence[tuple[Change, Verdict]], Journal], Errand]


@dataclass
class Course:
    """How far an errand has come. `followed` has a verdict for each site and cluster, in the order of the report's sites."""

    errand: Errand
    journal: Journal
    landed: Landed | None = None
    followed: Sequence[Followed] = ()

    @property
    def failed(self) -> list[tuple[Change, Verdict]]:
        """The changes that this errand wrote and whose rollout failed, in whichever cluster."""
        changes = {change.site: change for change in self.landed.plan.changes} if self.landed else {}
        verdicts = {one.site: one.verdict for one in self.followed if one.verdict.outcome is Outcome.FAILED}
        return [(changes[site], verdict) for site, verdict in verdicts.items() if changes[site].edits]

    def report(self) -> Report:
        assert self.landed, "nothing was committed"
        return account(_subjects(self.landed, self.journal), self.followed, self.journal)


class Delivery:
    """The systems of one run. What is opened here first must be known to work before anything is written."""

    def __init__(self, parts: Assembly, *, name_sites: bool) -> None:
        self._parts = parts
        self._arguments = parts.arguments
        self._is_followed = not (self._arguments.no_wait or self._arguments.dry_run)
        self._following = Following(parts, is_wanted=self._is_followed)
        self._terminal = parts.terminal(name_sites=name_sites)
        self.journal = parts.journal(self._terminal)

    @property
    def clock(self) -> Clock:
        return self._parts.clock

    @cached_property
    def repository(self) -> "Remote":
        return self._parts.repository()

    @cached_property
    def registry(self) -> "Registry":
        return self._parts.registry()

    def run(self, ask: Callable[[], Errand], remedy: Remedy | None = None) -> int:
        """Carries out what `ask` comes up with, prints the report, and returns the exit code of its worst outcome.

        What failed and was written by us is handed to `remedy`, once; how that ends changes nothing of the exit code.
        """
        course: Course | None = None
        try:
            self._following.open(self.repository)
            course = Course(ask(), self.journal)
            plan, manifests = self._prepared(course)
            if self._arguments.dry_run:
                return self._parts.finish(_dry_run(plan, self.journal), self._terminal)
            self._carry_out(course, plan, manifests)
        except KeyboardInterrupt:
            return self._parts.interrupt(_standing(course), self._terminal)
        outcome = course.report()
        failed = course.failed
        if remedy and failed:
            second = Course(Errand(course.errand.request), self._parts.quiet_journal(self._terminal))
            try:
                sequel = self._remedied(second, lambda: remedy(failed, second.journal))
            except KeyboardInterrupt:
                words = [f"{change.site}: {change.image.tag} failed" for change, _ in failed]
                return self._parts.interrupt([*words, *_standing(second)], self._terminal)
            outcome = report.with_rollback(outcome, sequel, {change.site for change, _ in failed})
        return self._parts.finish(outcome, self._terminal)

    def _remedied(self, course: Course, ask: Callable[[], Errand]) -> Sequel:
        try:
            course.errand = ask()
            self._carry_out(course, *self._prepared(course))
        except BumpError as error:
            return Sequel(error=error)
        return Sequel(course.report())

    def _prepared(self, course: Course) -> tuple[Plan, dict[str, ImageManifest]]:
        request, journal = course.errand.request, course.journal
        nodes = nodes_of([] if request.platforms else self._following.clusters, journal)
        plan, manifests = pipeline.prepare(
            request,
            self.repository,
            self.registry,
            self._parts.clock,
            journal,
            nodes,
            course.errand.guards,
            course.errand.amend,
        )
        _tell_overrides(plan, journal)
        return plan, manifests

    def _carry_out(self, course: Course, plan: Plan, manifests: Mapping[str, ImageManifest]) -> None:
        request, journal = course.errand.request, course.journal
        course.landed = pipeline.land(
            request,
            plan,
            manifests,
            self.repository,
            self._parts.writer(self.repository, _telling(request, journal)),
            self._parts.clock,
            journal,
            course.errand.guards,
            course.errand.amend,
        )
        if course.journal is self.journal:
            landed = course.landed
            self._parts.landed({change.site: _landing(change, landed) for change in landed.plan.changes})
        course.followed = self._followed(course, course.landed)

    def _followed(self, course: Course, landed: Landed) -> list[Followed]:
        changes = landed.plan.changes
        if not self._is_followed:
            return [_pushed(change, landed) for change in changes]
        subjects = _subjects(landed, course.journal)
        targets = [change.target for change in changes]
        return self._following.follow(subjects, targets, self.repository, course.journal)


def _telling(request: Request, journal: Journal) -> Callable[[str], None]:
    """Shows at every site what becomes of the commit that they share."""

    def tell(words: str) -> None:
        for wanted in request.wanted:
            journal.moving(wanted.site, "commit", words)

    return tell


def nodes_of(clusters: Sequence["Cluster"], journal: Journal) -> Callable[[], list[Nodes]]:
    """What the clusters run on: asked for at once, waited for when it is called. What cannot be read is told, and known no better."""
    asked = {cluster.name: cluster.platforms() for cluster in clusters}

    def known() -> list[Nodes]:
        found = []
        for name, answer in asked.items():
            try:
                found.append(Nodes(name, answer.result()))
            except BumpError as error:
                journal.notice(
                    f"{name}: the nodes can't be read ({error.message}): not known whether the image can run there; "
                    "--platform says what must be there"
                )
        return found

    return known


def _desired(change: Change, revision: Revision | None) -> Desired:
    target, written = change.target, revision if change.edits else None
    return target.desired(written, image=change.image, previous=target.image)


def _landing(change: Change, landed: Landed) -> Landing:
    return Landing(change.image.tag, landed.revision, change.target.url)


def _subjects(landed: Landed, journal: Journal) -> list[Subject]:
    return [_subject(change, landed.revision, journal) for change in landed.plan.changes]


def _subject(change: Change, revision: Revision | None, journal: Journal) -> Subject:
    """One change as it stands on the branch, or with no revision as it would."""
    return Subject(
        desired=_desired(change, revision),
        previous=change.target.image,
        place=change.place,
        revision=revision,
        url=change.target.url,
        header=(change.target.image.tag, change.image.tag),
        is_written=bool(revision and change.edits),
        steps=journal.steps(change.site),
        since_s=journal.since(change.site),
        order=change.order,
    )


def _tell_overrides(plan: Plan, journal: Journal) -> None:
    for change in plan.changes:
        before, _ = plan.files.get(change.target.field.path, (b"", b""))
        for notice in overrides.notices(change.target, before or b""):
            journal.notice(f"{change.site}: {notice}")


def _dry_run(plan: Plan, journal: Journal) -> Report:
    subjects = [_subject(change, None, journal) for change in plan.changes]
    planned = [Followed(change.site, "", change.site, _planned(change)) for change in plan.changes]
    return account(subjects, planned, journal, plan.diff())


def _planned(change: Change) -> Verdict:
    if not change.edits:
        return Verdict(Outcome.UNCHANGED, "AlreadyThere", f"{change.place} already holds {change.image.tag}")
    note = f", {change.note}" if change.note else ""
    return Verdict(
        Outcome.PLANNED, "DryRun", f"{change.place} would go to {change.image.tag}{note}; nothing was written"
    )


def _pushed(change: Change, landed: Landed) -> Followed:
    if change.edits:
        verdict = Verdict(
            Outcome.PUSHED,
            "Pushed",
            f"{change.image.tag} is on the branch as {landed.revision.short}; not followed",
        )
    else:
        verdict = _planned(change)
    return Followed(change.site, "", change.site, verdict)


def _standing(course: Course | None) -> list[str]:
    """Where each site stands, for whoever interrupted."""
    if course is None:
        return ["nothing was written"]
    request, landed, journal = course.errand.request, course.landed, course.journal
    if landed is None:
        pushing = any(
            step.stage == "commit" for wanted in request.wanted for step in journal.steps(wanted.site)
        )
        if pushing:
            return ["a push was under way and may have arrived: running the same command again is harmless"]
        return ["nothing was written"]
    lines = []
    for change in landed.plan.changes:
        last = journal.steps(change.site)[-1:]
        at = f", {last[0].stage}: {last[0].detail}" if last else ""
        lines.append(f"{change.site}: {change.image.tag} is on the branch as {landed.revision.short}{at}")
        lines.append(
            f"the cluster goes on by itself; to follow again: bump track --site {change.site} --commit {landed.revision.sha}"
        )
    return lines
