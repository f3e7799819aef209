"""Bringing to one environment what another one is known to run well: the job of `bump promote`."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING

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
from bumper.errors import BumpError, Outcome
from bumper.fluxtree.sites.find import Target
from bumper.follow.revisions import Revisions
from bumper.ports.git import CommitRange
from bumper.ports.kubernetes import Cluster
from bumper.progress import Journal
from bumper.request import Origin, Request, Wanted
from bumper.retry import answered
from bumper.revision import Revision
from bumper.style import amount

if TYPE_CHECKING:
    from bumper.status.table import Row

# Nobody waits for a table here: a cluster that is busy for a moment keeps nobody from promoting.
_PATIENCE_S = 30.0
# What the first environment has an option of its own for.
_OPTION = re.compile(r"(?<![\w-])--(repo|branch)(?![\w-])")


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
        source = _Source(settings, systems if settings.is_one_branch else elsewhere, journal)
        promoting = _Promoting(settings, systems, source, journal)
        recover = recovery(asked, settings.deploy, systems, tracker, output)
        job = TagChange(promoting.ask, systems, run, tracker, journal, output.landed, recover)
        return carry_out(job, output, dry_run=run.dry_run)


@dataclass
class _Source:
    """The environment that builds come from, all sites of a promotion at once."""

    settings: PromoteSettings
    systems: Systems
    journal: Journal

    def running(self) -> tuple[Revision, dict[str, Candidate]]:
        """What the sites run there, as git and its record say, and as the clusters show it, with the tip that was read."""
        tip, candidates = self.recorded()
        clusters = self._clusters()
        if not clusters:
            return tip, candidates
        rows = self._rows(list(candidates.values()), tip, clusters)
        return tip, {
            name: _seen(each, of_site) for (name, each), of_site in zip(candidates.items(), rows, strict=True)
        }

    def recorded(self) -> tuple[Revision, dict[str, Candidate]]:
        """The same by git alone."""
        try:
            return self._recorded()
        except BumpError as error:
            error.reword(self._in_its_options)
            raise

    def _in_its_options(self, text: str) -> str:
        """What is said of a repository or a branch, with the option that names those of the first environment."""
        here, there = self.settings.deploy.run.repository, self.settings.origin
        if there.repo != here.repo:
            text = _OPTION.sub(r"--from-\1", text)
        elif there.branch != here.branch:
            text = _OPTION.sub(lambda match: "--from-branch" if match[1] == "branch" else match[0], text)
        return text

    def _recorded(self) -> tuple[Revision, dict[str, Candidate]]:
        branch, repository = self.settings.origin.branch, self.systems.repository
        tip = Revision(branch, repository.fetch(branch))
        tree, deploys = repository.tree(tip.sha), list(repository.history(branch).all())
        choice, environment = self.settings.deploy.request.choice, self.settings.from_environment
        return tip, {
            name: promotion.candidate_in(tree, deploys, name, environment, choice)
            for name in self.settings.sites
        }

    def _clusters(self) -> Sequence[Cluster]:
        """Those that tell whether it still runs; none where no cluster shall be asked."""
        follow = self.settings.deploy.run.follow
        if follow.via is FollowVia.GITHUB:
            self.journal.notice(
                "no cluster is asked whether it still runs there (--follow github): git wants it still, and no newer verdict is noted"
            )
            return ()
        # A dry run and one that does not wait ask them as well: nothing but this leaves them alone.
        remedy = "--from-context NAME is the first environment's; to ask no cluster whether it still runs: --follow github"
        return self.systems.clusters(self.settings.contexts or follow.contexts, remedy=remedy)

    def _rows(
        self, candidates: Sequence[Candidate], tip: Revision, clusters: Sequence[Cluster]
    ) -> list[list["Row"]]:
        """How each of them stands in the clusters."""
        from bumper.status import look, sites

        choice, repository, clock = (
            self.settings.deploy.request.choice,
            self.systems.repository,
            self.systems.clock,
        )
        tree = repository.tree(tip.sha)
        entries = [
            entry
            for each in candidates
            for entry in sites.read(
                tree, tip, each.target.site.name, [choice.named(each.target.site.identity)]
            )
        ]
        rows = look.look(clusters, entries, Revisions(repository, choice, clock), clock, _PATIENCE_S)
        # A row for each entry in each cluster, in order.
        return [rows[number :: len(entries)] for number in range(len(candidates))]


def _seen(candidate: Candidate, rows: Sequence["Row"]) -> Candidate:
    why_not = next(filter(None, (_against(row, candidate) for row in rows)), "")
    return promotion.seen(candidate, why_not, chain.from_iterable(row.state.digests for row in rows))


def _against(row: "Row", candidate: Candidate) -> str:
    where = f" in {row.context}" if row.context else ""
    if row.verdict is None:
        return f"it is moving there{where}: {row.detail}"
    if row.verdict.outcome is not Outcome.READY:
        return f"it does not run well there{where} now: {row.verdict.outcome} ({row.verdict.reason}), {row.verdict.message}"
    if candidate.target.image.tag not in row.state.running:
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
        tip, candidates = self.source.running()
        promotions = self._promotions(candidates)
        targets = answered(self._targets, self.systems.clock, asked.deadlines.push_s)
        # Repositories and branches of the same files are two environments: only within one of them a place is known by its name.
        for name, each in promotions.items() if settings.is_one_branch else ():
            promotion.require_other(each.candidate, targets[name])
        wanted = {name: promotion.wanted_in(targets[name], each.tag) for name, each in promotions.items()}
        request = self._request(list(wanted.values()), list(promotions.values()))
        ranges = self.systems.ancestries(settings.deploy.source_checkout)
        self._tell(promotions, targets, ranges)
        names = {each.key: name for name, each in wanted.items()}
        guard = PromotionGuard(
            lambda: _by_key(self._again(), names),
            # A tip of the second environment is one of the first then, too.
            {tip.sha: _by_key(promotions, names)} if settings.is_one_branch else {},
            ranges,
            self._criteria,
            {key: promotions[name].candidate.running for key, name in names.items()},
        )
        others = guards(request, settings.deploy, self.systems, self.journal)
        commit = request.origin.source_commit
        amend = with_source_date(commit, settings.deploy.source_checkout, self.systems)
        return GuardedRequest(request, [guard, *others], amend)

    def _request(self, wanted: Sequence[Wanted], promotions: Sequence[Promotion]) -> Request:
        asked = self.settings.deploy.request
        return replace(
            asked,
            wanted=tuple(wanted),
            origin=_origin(asked.origin, promotions),
            reason=asked.reason or _reason(self.settings, promotions),
        )

    @property
    def _criteria(self) -> Criteria:
        settings = self.settings
        return Criteria(timedelta(seconds=settings.soak_s), settings.requires_serving, settings.most_behind)

    def _promotions(self, candidates: Mapping[str, Candidate]) -> dict[str, Promotion]:
        criteria, now = self._criteria, self.systems.context.clock.wall()
        return {name: Promotion(each, each.promoted(criteria, now)) for name, each in candidates.items()}

    def _again(self) -> dict[str, Promotion]:
        """The promotions anew, by git alone: a look at the clusters would make the race longer."""
        _, candidates = self.source.recorded()
        return self._promotions(candidates)

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
            self.journal.notice(f"{name}: {amount(number, 'commit')} come along, {before} to {after[:7]}")
            for subject in subjects:
                self.journal.notice(f"{name}: {subject}")
            if more := number - len(subjects):
                self.journal.notice(f"{name}: and {more} more")


def _by_key(promotions: Mapping[str, Promotion], names: Mapping[str, str]) -> dict[str, Promotion]:
    return {key: promotions[name] for key, name in names.items()}


def _origin(asked: Origin, promotions: Sequence[Promotion]) -> Origin:
    """That of the run, with the source that the builds were made from where all have one."""
    origins = [each.deploy.record.origin for each in promotions]
    sources = {(origin.source_repository, origin.source_commit) for origin in origins}
    repository, commit = next(iter(sources)) if len(sources) == 1 else ("", "")
    return replace(asked, source_repository=repository, source_commit=commit)


def _reason(settings: PromoteSettings, promotions: Sequence[Promotion]) -> str:
    origin = settings.from_environment or settings.origin.branch
    return f"promoted from {origin}" if len(promotions) > 1 else f"promoted from {promotions[0].evidence}"
