"""Bringing to one environment what another one is known to run well: the job of `bump promote`."""

from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property

from bumper.app.context import Context
from bumper.app.jobs.tags import TagChange, guards, recovery, with_source_date
from bumper.app.output import Output
from bumper.app.permissions import READ_ONLY
from bumper.app.run import carry_out
from bumper.app.settings import FollowVia, PromoteSettings
from bumper.app.tracker import Tracker
from bumper.app.wiring import Systems
from bumper.dataclasses import dataclass, replace
from bumper.deploy import promotion
from bumper.deploy.pipeline import GuardedRequest
from bumper.deploy.promotion import Candidate, Criteria, Promotion, PromotionGuard
from bumper.errors import Outcome
from bumper.fluxtree.sites.find import Target
from bumper.follow.revisions import Revisions
from bumper.ports.git import CommitRange, Repository
from bumper.ports.kubernetes import Cluster
from bumper.progress import Journal
from bumper.record import Recorded
from bumper.request import Choice, Origin
from bumper.retry import answered
from bumper.revision import Revision


def promote(settings: PromoteSettings, context: Context) -> int:
    """Promotes, tells how it ended, and returns the exit code of the worst outcome."""
    run, asked = settings.deploy.run, settings.deploy.request
    with (
        Systems(context, run.repository, run.permissions) as systems,
        Systems(context, settings.origin, READ_ONLY) as elsewhere,
        Output(systems, run.output) as output,
    ):
        tracker = Tracker(systems, run.follow, asked.choice)
        journal = output.begin(name_sites=len(settings.sites) > 1)
        is_here = settings.origin == run.repository
        source = _Source(settings, systems if is_here else elsewhere, journal)
        promoting = _Promoting(settings, systems, source, journal)
        recover = recovery(asked, settings.deploy, systems, tracker, output)
        job = TagChange(promoting.ask, systems, run, tracker, journal, output.landed, recover)
        return carry_out(job, output, dry_run=run.dry_run)


@dataclass
class _Source:
    """The environment that builds come from."""

    settings: PromoteSettings
    systems: Systems
    journal: Journal

    @cached_property
    def clusters(self) -> Sequence[Cluster]:
        """Those that tell whether it still runs; none where no cluster shall be asked."""
        follow = self.settings.deploy.run.follow
        if follow.via is FollowVia.GITHUB:
            self.journal.notice(
                "no cluster is asked whether it still runs there (--follow github): git wants it still, and no newer verdict is noted"
            )
            return ()
        return self.systems.clusters(self.settings.contexts or follow.contexts)

    @property
    def repository(self) -> Repository:
        return self.systems.repository

    def candidate(self, name: str, *, asks_clusters: bool) -> Candidate:
        """What a site runs there; with `asks_clusters` as they show it."""
        branch, choice = self.settings.origin.branch, self.settings.deploy.request.choice
        tip = self.repository.fetch(branch)
        tree = self.repository.tree(tip)
        candidate = promotion.candidate_in(tree, self._deploys, name, self.settings.from_environment, choice)
        if not (asks_clusters and self.clusters):
            return candidate
        return promotion.without_running(
            candidate, self._why_not_running(candidate, Revision(branch, tip), choice)
        )

    def _deploys(self) -> list[Recorded]:
        return list(self.systems.repository.history(self.settings.origin.branch).all())

    def _why_not_running(self, candidate: Candidate, tip: Revision, choice: Choice) -> str:
        from bumper.status import look, sites

        target, repository = candidate.target, self.repository
        named = choice.named(target.site.identity)
        entries = sites.read(repository.tree(tip.sha), tip, target.site.name, [named])
        clock = self.systems.clock
        rows = look.look(self.clusters, entries, Revisions(repository, named, clock), clock)
        for row in rows:
            where = f" in {row.context}" if row.context else ""
            if row.verdict is None:
                return f"it is moving there{where}: {row.detail}"
            if row.verdict.outcome is not Outcome.READY:
                return f"it does not run well there{where} now: {row.verdict.outcome} ({row.verdict.reason}), {row.verdict.message}"
            if target.image.tag not in row.state.running:
                return f"it does not run there{where}: {', '.join(row.state.running) or 'nothing'} does"
        return ""


@dataclass
class _Promoting:
    """What a promotion asks for: the sites at the tags that are known to run well, with whatever may refuse it."""

    settings: PromoteSettings
    systems: Systems
    source: _Source
    journal: Journal

    def ask(self) -> GuardedRequest:
        settings, asked = self.settings, self.settings.deploy.request
        promotions = {name: self._promotion(name, asks_clusters=True) for name in settings.sites}
        targets = answered(self._targets, self.systems.clock, asked.deadlines.push_s)
        for name, each in promotions.items():
            promotion.require_other(each.candidate, targets[name])
        wanted = {name: promotion.wanted_in(targets[name], each.tag) for name, each in promotions.items()}
        request = replace(
            asked,
            wanted=tuple(wanted.values()),
            origin=_origin(asked.origin, list(promotions.values())),
            reason=asked.reason or _reason(settings, list(promotions.values())),
        )
        names = {each.key: name for name, each in wanted.items()}
        ranges = self.systems.ancestries(settings.deploy.source_checkout)
        self._tell(promotions, targets, ranges)
        guard = PromotionGuard(
            {key: promotions[name] for key, name in names.items()},
            lambda key: self._promotion(names[key], asks_clusters=False),
            ranges,
            self._criteria,
        )
        others = guards(request, settings.deploy, self.systems, self.journal)
        commit = request.origin.source_commit
        amend = with_source_date(commit, settings.deploy.source_checkout, self.systems)
        return GuardedRequest(request, [guard, *others], amend)

    @property
    def _criteria(self) -> Criteria:
        settings = self.settings
        return Criteria(timedelta(seconds=settings.soak_s), settings.requires_serving, settings.most_behind)

    def _promotion(self, name: str, *, asks_clusters: bool) -> Promotion:
        candidate = self.source.candidate(name, asks_clusters=asks_clusters)
        return Promotion(candidate, candidate.promoted(self._criteria, self.systems.context.clock.wall()))

    def _targets(self) -> dict[str, Target]:
        asked = self.settings.deploy.request
        tree = self.systems.repository.tree(self.systems.repository.fetch(asked.branch))
        return {
            name: promotion.target_in(tree, name, self.settings.to_environment, asked.choice)
            for name in self.settings.sites
        }

    def _tell(
        self, promotions: dict[str, Promotion], targets: dict[str, Target], ranges: Sequence[CommitRange]
    ) -> None:
        """What it rests on, and which commits come along."""
        for name, each in promotions.items():
            self.journal.notice(each.evidence)
            before, after = promotion.ends(targets[name], each)
            if targets[name].image.tag == each.tag:
                continue
            number, subjects = promotion.commits_between(ranges, before, after)
            if number is None:
                self.journal.notice(
                    f"{name}: which commits come along is not known: neither a checkout (--source) nor GitHub tells"
                )
                continue
            self.journal.notice(
                f"{name}: {number} commit{'s' if number != 1 else ''} come along, {before} to {after[:7]}"
            )
            for subject in subjects:
                self.journal.notice(f"{name}: {subject}")
            if more := number - len(subjects):
                self.journal.notice(f"{name}: and {more} more")


def _origin(asked: Origin, promotions: Sequence[Promotion]) -> Origin:
    """That of the run, with the source that the builds were made from where all have one."""
    origins = [each.deploy.record.origin for each in promotions]
    sources = {(origin.source_repository, origin.source_commit) for origin in origins}
    repository, commit = next(iter(sources)) if len(sources) == 1 else ("", "")
    return replace(asked, source_repository=repository, source_commit=commit)


def _reason(settings: PromoteSettings, promotions: Sequence[Promotion]) -> str:
    origin = settings.from_environment or settings.origin.branch
    return f"promoted from {origin}" if len(promotions) > 1 else f"promoted from {promotions[0].evidence}"
