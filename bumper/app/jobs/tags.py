"""Changing the tags of sites: the job of a deploy and of a rollback."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache, partial
from typing import TypeAlias

from bumper.app.context import Context
from bumper.app.output import Output, Result
from bumper.app.run import Job, Recovery, carry_out, report_of
from bumper.app.settings import DeploySettings, RollbackSettings, RunSettings
from bumper.app.tracker import Tracker
from bumper.app.wiring import Systems
from bumper.dataclasses import replace
from bumper.deploy import pipeline
from bumper.deploy.freeze_guard import FreezeGuard
from bumper.deploy.hold_guard import HoldGuard
from bumper.deploy.loop_guard import LoopGuard
from bumper.deploy.order_guard import OrderGuard
from bumper.deploy.pipeline import Amend, Change, Guard, GuardedRequest, Landed, Plan
from bumper.deploy.rollback import Rollbacks
from bumper.errors import BumpError, Outcome, Unreachable
from bumper.fluxtree.sites import overrides
from bumper.fluxtree.sites.deploys import of_target
from bumper.fluxtree.sites.find import Target
from bumper.follow.loop import Followed
from bumper.history.message import dated
from bumper.image import ImageManifest
from bumper.observation import Desired
from bumper.ports.git import Tree
from bumper.progress import Journal
from bumper.publish.story import Landing
from bumper.record import Recorded
from bumper.recording.encoding import Subject
from bumper.request import Choice, Request
from bumper.revision import Revision
from bumper.rollout.verdict import Verdict

# So many are read; all of them are in the report.
_MOST_LISTED = 8
Failed: TypeAlias = Sequence[tuple[Change, Verdict]]
# What the job asks for, found out when the run begins: it may depend on what git and the registry say.
Ask: TypeAlias = Callable[[], GuardedRequest]
# The job that is carried out about changes that failed.
Recover: TypeAlias = "Callable[[Failed], TagChange]"


def deploy(settings: DeploySettings, context: Context) -> int:
    """Deploys, tells how it ended, and returns the exit code of the worst outcome."""
    run, asked = settings.run, settings.request
    with (
        Systems(context, run.repository, run.permissions) as systems,
        Output(systems, run.output) as output,
    ):
        tracker = Tracker(systems, run.follow, asked.choice)
        asked = replace(asked, choice=tracker.choice)
        several = len(asked.wanted) * max(1, len(run.follow.contexts)) > 1
        journal = output.begin(name_sites=several)

        def ask() -> GuardedRequest:
            source = context.surroundings.source_url(systems.repository.url)
            request = replace(asked, source=source)
            commit = context.surroundings.built_from(request.wanted, systems.repository.url)
            amend = with_source_date(commit, settings.source_checkout, systems)
            return GuardedRequest(request, guards(request, settings, systems, journal), amend)

        recover = recovery(asked, settings, systems, tracker, output)
        job = TagChange(ask, systems, run, tracker, journal, output.landed, recover)
        return carry_out(job, output, dry_run=run.dry_run)


def roll_back(settings: RollbackSettings, context: Context) -> int:
    """Rolls back, tells how it ended, and returns the exit code of the outcome."""
    run, asked = settings.run, settings.request
    with (
        Systems(context, run.repository, run.permissions) as systems,
        Output(systems, run.output) as output,
    ):
        tracker = Tracker(systems, run.follow, asked.choice)
        asked = replace(asked, choice=tracker.choice)
        journal = output.begin(name_sites=len(asked.wanted) * max(1, len(run.follow.contexts)) > 1)
        job = TagChange(
            lambda: _rollbacks(asked, systems, journal).named(asked, settings.to),
            systems,
            run,
            tracker,
            journal,
            output.landed,
        )
        return carry_out(job, output, dry_run=run.dry_run)


def recovery(
    asked: Request, settings: DeploySettings, systems: Systems, tracker: Tracker, output: Output
) -> "Recover | None":
    """What is done about changes that fail, where that was asked for."""

    def roll_back_failed(failed: Failed) -> TagChange:
        second = output.new_journal()
        return TagChange(
            lambda: _rollbacks(asked, systems, second).after_failure(asked, failed, tracker.found_running()),
            systems,
            settings.run,
            tracker,
            second,
        )

    return roll_back_failed if settings.auto_rollback else None


def guards(request: Request, settings: DeploySettings, systems: Systems, journal: Journal) -> list[Guard]:
    """Whatever may refuse a deploy."""
    wanted = {site.key: site for site in request.wanted}
    source_checkout = settings.source_checkout
    ancestries = systems.ancestries(source_checkout)
    repository = systems.repository
    history = repository.history(request.branch)

    def deploys(target: Target, tip: str) -> Sequence[Recorded]:
        return of_target(history.all(), target, repository.tree(tip))

    order = OrderGuard(wanted, ancestries, systems.registry, journal, request.force, deploys, request.choice)
    wall = systems.context.clock.wall
    pushed = systems.context.surroundings.pushed_to(repository.url)
    loop = LoopGuard(order.commit, repository, systems.checkouts(source_checkout), pushed, request.force)
    freeze = FreezeGuard(
        repository.tree,
        wall,
        timedelta(seconds=request.deadlines.rollout_s + settings.run.commit.waits_s),
        journal,
        request.origin.requested_by,
        lambda key, held: systems.labels_of(order.commit(key, held)),
        request.force,
    )
    return [loop, HoldGuard(order, journal, wall, request.force), freeze, order]


def with_source_date(commit: str, source_checkout: str, systems: Systems) -> Amend:
    """Writes into the message when the deployed commit was made; looked up once, and only of what no guard refuses.

    `commit` is empty where nothing names it.
    """

    @cache
    def source_at() -> datetime | None:
        dates = systems.commit_dates(source_checkout) if commit else ()
        return next(filter(None, (each.committed_at(commit) for each in dates)), None)

    def amend(planned: Plan, tree: Tree) -> Plan:
        at = source_at() if planned.message else None
        return replace(planned, message=dated(planned.message, at)) if at else planned

    return amend


def _rollbacks(asked: Request, systems: Systems, journal: Journal) -> Rollbacks:
    repository = systems.repository
    history = repository.history(asked.branch)
    return Rollbacks(
        repository, history, systems.registry, systems.clock, journal, systems.context.clock.wall
    )


class TagChange(Job[Plan]):
    """The tags of some sites, in one commit.

    `tell_landed` hears what is on the branch for each site and is followed from now on. `recover` makes the job that is carried out
    about changes that failed.
    """

    def __init__(
        self,
        ask: Ask,
        systems: Systems,
        settings: RunSettings,
        tracker: Tracker,
        journal: Journal,
        tell_landed: Callable[[Mapping[str, Landing]], None] = lambda landings: None,
        recover: "Recover | None" = None,
    ) -> None:
        self._ask = ask
        self._systems = systems
        self._settings = settings
        self._tracker = tracker
        self._journal = journal
        self._tell_landed = tell_landed
        self._recover = recover
        self._guarded: GuardedRequest | None = None
        self._manifests: Mapping[str, ImageManifest] = {}
        self._failed: Failed = ()
        self._sketch: Plan | None = None

    def open(self) -> None:
        self._tracker.open()

    def plan(self) -> Plan:
        self._guarded = guarded = self._ask()
        request, journal, systems = guarded.request, self._journal, self._systems
        nodes = tuple if request.platforms else self._tracker.nodes(journal)
        plan, self._manifests = pipeline.prepare(
            request,
            systems.repository,
            systems.registry,
            systems.clock,
            journal,
            nodes,
            guarded.guards,
            guarded.amend,
            self._tracker.look_ahead,
            self._keep if self._settings.dry_run else None,
        )
        for change in plan.changes if self._settings.follow.is_wanted or self._settings.dry_run else ():
            self._tracker.expect(change.target, change.image.tag, change.target.image.tag)
        self._tell_findings(plan)
        return plan

    def _tell_findings(self, plan: Plan) -> None:
        """What the files say of a plan."""
        journal = self._journal
        _tell_overrides(plan, self._settings.repository.branch, journal)
        _tell_plan(plan, journal)
        for gap in () if self._settings.dry_run else plan.proof.unproved:
            journal.notice(f"not proved: {gap}")
        _tell_stays(plan, journal)
        _tell_not_followed(plan, journal)

    def planned(self, plan: Plan) -> Result:
        return self._told(plan, _planned)

    def unanswered(self, error: Unreachable) -> Result | None:
        sketch = self._sketch
        return self._told(sketch, partial(_sketched, error=error)) if sketch else None

    def _keep(self, sketch: Plan) -> None:
        self._sketch = sketch
        self._tell_findings(sketch)
        by_key = {change.key: change for change in sketch.changes}
        for wanted in self._guarded.request.wanted if self._guarded else ():
            change = by_key[wanted.key]
            if wanted.version != change.image.tag:
                self._journal.notice(
                    f"{change.site}: {change.image.tag} stands here for the tag of {wanted.version}, which the registry tells"
                )

    def _told(self, plan: Plan, verdict: Callable[[Change], Verdict]) -> Result:
        subjects = [_subject(change, None, self._journal) for change in plan.changes]
        ended = [Followed(change.site, "", change.site, verdict(change)) for change in plan.changes]
        report = report_of(subjects, ended, self._journal, plan.diff(), choice=self._choice, plan=plan.proof)
        return Result.of(report)

    def land(self, plan: Plan) -> Landed:
        guarded, systems = self._guarded, self._systems
        assert guarded, "planned before it lands"
        self._tracker.require_clusters(self._journal)
        landed = pipeline.land(
            guarded.request,
            plan,
            self._manifests,
            systems.repository,
            systems.writer(self._settings.commit, partial(self._tell, plan)),
            systems.clock,
            self._journal,
            guarded.guards,
            guarded.amend,
        )
        # The tip that it landed on may hold another tag in a place that moved before.
        _tell_stays(landed.plan, self._journal)
        self._tell_already_there(landed)
        self._tell_landed(
            {
                change.site: self._tracker.landing(change.target, change.image.tag, landed.revision)
                for change in landed.plan.changes
            }
        )
        return landed

    def _tell_already_there(self, landed: Landed) -> None:
        """Says of each site that needed no change who made it, when, and how that ended: a job that runs again does nothing."""
        unchanged = [change for change in landed.plan.changes if not change.edits]
        if not unchanged:
            return
        repository, branch = self._systems.repository, landed.revision.name
        try:
            tree, logged = repository.tree(landed.revision.sha), list(repository.history(branch).all())
            for change in unchanged:
                deploys = of_target(logged, change.target, tree)
                self._journal.notice(f"{change.site}: {_already_there(change, deploys)}")
        except BumpError as error:
            self._journal.notice(f"who set the tag that is there already could not be read: {error.message}")

    def follow(self, landed: Landed) -> Result:
        changes = landed.plan.changes
        subjects = [_subject(change, landed.revision, self._journal) for change in changes]
        if not self._settings.follow.is_wanted:
            ended = [_pushed(change, landed) for change in changes]
        else:
            targets = [change.target for change in changes]
            ended = self._tracker.follow(subjects, targets, self._journal, parent=landed.plan.tip)
        self._failed = _failed(changes, ended)
        report = report_of(
            subjects,
            ended,
            self._journal,
            choice=self._choice,
            plan=landed.plan.proof,
            running=self._tracker.found_running(),
        )
        return Result.of(report)

    @property
    def _choice(self) -> Choice:
        """How the sites were named."""
        return self._guarded.request.choice if self._guarded else Choice()

    def on_failure(self) -> Recovery | None:
        if not (self._recover and self._failed):
            return None
        failures = {change.site: f"{change.site}: {change.image.tag} failed" for change, _ in self._failed}
        return Recovery(failures, self._recover(self._failed))

    def standing(self, landed: Landed | None) -> list[str]:
        if landed:
            return [line for change in landed.plan.changes for line in self._standing_of(change, landed)]
        if "commit" in self._journal.stages:
            return ["a push was under way and may have arrived: running the same command again is harmless"]
        return ["nothing was written"]

    def _standing_of(self, change: Change, landed: Landed) -> list[str]:
        last = self._journal.steps(change.site)[-1:]
        at = f", {last[0].stage}: {last[0].detail}" if last else ""
        site = change.target.site
        options = self._choice.site_options(site.name, site.named)
        command = f"bump track {options} --commit {landed.revision.sha}"
        return [
            f"{change.site}: {change.image.tag} is on the branch as {landed.revision.short}{at}",
            f"the cluster goes on by itself; to follow again: {command}",
        ]

    def _tell(self, plan: Plan, text: str) -> None:
        """Shows at every site what becomes of the commit that they share."""
        for change in plan.changes:
            self._journal.moving(change.site, "commit", text)


def _already_there(change: Change, deploys: Sequence[Recorded]) -> str:
    written = f"{change.place} holds {change.image.tag} already, so nothing is written"
    deploy = next((deploy for deploy in deploys if deploy.record.tag == change.image.tag), None)
    if deploy is None:
        return f"{written}; no deploy of it is recorded"
    record, ending = deploy.record, deploy.ending
    ended = f"that ended {ending.outcome} ({ending.reason})" if ending else "nobody noted how that ended"
    return f"{written}: commit {record.commit[:7]} set it at {record.at:%Y-%m-%d %H:%M} UTC for {record.who}, and {ended}"


def _failed(changes: Sequence[Change], ended: Sequence[Followed]) -> Failed:
    """The changes that were written and that failed by what they brought, in whichever cluster."""
    by_site = {change.site: change for change in changes}
    verdicts = {site.site: site.verdict for site in ended if _is_its_own_failure(site.verdict)}
    return [(by_site[site], verdict) for site, verdict in verdicts.items() if by_site[site].edits]


def _is_its_own_failure(verdict: Verdict) -> bool:
    return verdict.outcome is Outcome.FAILED and verdict.helps_to_go_back


def _desired(change: Change, revision: Revision | None) -> tuple[Desired, ...]:
    target, written = change.target, revision if change.edits else None
    return target.desired(written, image=change.image, previous=target.image)


def _subject(change: Change, revision: Revision | None, journal: Journal) -> Subject:
    """One change as it stands on the branch, or with no revision as it would."""
    return Subject(
        followed=_desired(change, revision),
        places=change.target.all_places,
        stays=tuple(map(str, change.target.stays)),
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


def _tell_overrides(plan: Plan, branch: str, journal: Journal) -> None:
    before = {path: content or b"" for path, (content, _) in plan.files.items()}
    for change in plan.changes:
        for notice in overrides.notices(change.target, before, branch):
            journal.notice(f"{change.site}: {notice}")


def _tell_plan(plan: Plan, journal: Journal) -> None:
    """What a plan does beside what it is for."""
    for bystander in plan.bystanders:
        journal.notice(f"{bystander.aim.name}: {bystander}")
    for change in plan.proof.changes:
        if change.is_another_image:
            journal.notice(
                f"{change.site.label}: the same field decides another image, which nobody asked for: {change}"
            )


def _tell_stays(plan: Plan, journal: Journal) -> None:
    for change in plan.changes:
        stays = change.target.stays
        for mention in stays[:_MOST_LISTED]:
            journal.notice(f"{change.site}: names the image too and stays: {mention}")
        if more := len(stays) - len(stays[:_MOST_LISTED]):
            journal.notice(f"{change.site}: {more} more places name the image and stay")


def _tell_not_followed(plan: Plan, journal: Journal) -> None:
    for change in plan.changes:
        for workload in change.target.not_followed:
            why = f"no rule says when a {workload.kind} is done"
            journal.notice(f"{change.site}: {workload} gets the image too and is not followed: {why}")


def _planned(change: Change) -> Verdict:
    if not change.edits:
        return Verdict(
            Outcome.UNCHANGED, "AlreadyThere", f"{change.target.places} already holds {change.image.tag}"
        )
    note = f", {change.note}" if change.note else ""
    return Verdict(
        Outcome.PLANNED,
        "DryRun",
        f"{change.target.places} would go to {change.image.tag}{note}; nothing was written",
    )


def _sketched(change: Change, error: Unreachable) -> Verdict:
    """Of a change whose image could not be looked up."""
    would = f"would go to {change.image.tag}" if change.edits else f"already holds {change.image.tag}"
    return Verdict(
        Outcome.UNKNOWN,
        "ImageNotLookedUp",
        f"{change.place} {would}; nothing was written, and neither image, holds nor order were looked at: {error.message}",
        hint=error.hint,
    )


def _pushed(change: Change, landed: Landed) -> Followed:
    message = f"{change.image.tag} is on the branch as {landed.revision.short}; not followed"
    verdict = Verdict(Outcome.PUSHED, "Pushed", message) if change.edits else _planned(change)
    return Followed(change.site, "", change.site, verdict)
