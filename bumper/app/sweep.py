"""Finishing what runs have left open: deploys whose run died, timed out or did not wait, as they stand now. `bump sweep`.

Law: the same judge looks, and nothing is written to a branch. Everything is found out anew by each sweep, so that one that is killed,
or two at once, do no harm: GitHub is told before it is noted, a note gets only what it does not say already, and what was not finished
is found again by the next sweep.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from bumper.address import name_on
from bumper.app import outcome_notes
from bumper.app.channels import Channels
from bumper.app.context import Context
from bumper.app.output import Output, Result
from bumper.app.run import report_of
from bumper.app.settings import ChannelName, PublishSettings, SweepSettings
from bumper.app.surroundings import Surroundings
from bumper.app.tracker import Tracker
from bumper.app.wiring import Systems
from bumper.build_order import commit_in
from bumper.dataclasses import dataclass, replace
from bumper.errors import BumpError, Outcome, did_you_mean, worst_exit_code
from bumper.fluxtree.layers import Reading
from bumper.fluxtree.sites import find
from bumper.fluxtree.sites.find import Target
from bumper.follow.loop import label
from bumper.history import ending
from bumper.history.unfinished import Unfinished, compared, unfinished
from bumper.image import ImageReference
from bumper.ports.git import Tree
from bumper.progress import Journal
from bumper.publish import report
from bumper.publish.report import Report, SiteReport
from bumper.publish.story import Landing, SiteStory
from bumper.record import Ending
from bumper.recording.encoding import Subject
from bumper.request import Choice, Deadlines
from bumper.retry import answered
from bumper.revision import Revision
from bumper.rollout.verdict import Verdict
from bumper.safe_text import visible
from bumper.style import Line, Span

# Many sites may be open after an outage; what does not get in is found again.
_NOTES_TIMEOUT_S = 300.0


def sweep(settings: SweepSettings, context: Context) -> int:
    """Looks, tells how each deploy stands, and finishes its record.

    Returns 0 whatever it finds, 6 where a cluster could not be read, and where asked for the exit code of the worst outcome.
    """
    with (
        Systems(context, settings.repository, settings.permissions) as systems,
        Output(systems, settings.output) as output,
    ):
        tracker = Tracker(systems, settings.follow)
        journal = output.begin(name_sites=True)
        try:
            broom = _Sweep(settings, systems, tracker, journal)
            cases = answered(broom.open, systems.clock, Deadlines.push_s)
            swept = broom.look(cases)
        except KeyboardInterrupt:
            return output.interrupt(["looking stopped; nothing was written"])
        outcome = Report(tuple(each.site for each in swept), journal.seconds, tuple(journal.notices))
        counted = [site.verdict.outcome for site in outcome.sites if _counts(site.verdict, settings)]
        worst = worst_exit_code(counted) if counted else 0
        lines = _lines(swept, output.reworded(outcome), len(cases))
        code = output.finish(Result(lines, _data(swept, outcome, worst), worst))
        if settings.writes:
            _finish([each for each in swept if each.is_news], settings, systems)
        return code


def _counts(verdict: Verdict, settings: SweepSettings) -> bool:
    """Whether the exit code tells of it: without being asked for only of what could not be looked at."""
    return settings.exits_by_verdict or verdict.outcome is Outcome.UNKNOWN


# What tells one site of a record from another: its name, its image and its Kustomization.
_Place = tuple[str, str, str]


def _place(case: Unfinished) -> _Place:
    record = case.deploy.record
    return record.site, record.image, record.kustomization


@dataclass(frozen=True)
class _Open:
    """An unfinished deploy and where its site stands on the branch now; None where it does not stand there any more."""

    case: Unfinished
    target: Target | None

    @property
    def is_superseded(self) -> bool:
        """Whether the branch wants something else for the site by now."""
        record = self.case.deploy.record
        is_gone = self.target is not None and self.target.image.tag != record.tag
        return self.case.newer is not None or is_gone


@dataclass(frozen=True)
class _Swept:
    """A deploy as it stands now, in one cluster."""

    case: Unfinished
    site: SiteReport
    landing: Landing
    age_s: float

    @property
    def before(self) -> str:
        """The outcome that was noted of it in this cluster, empty for none."""
        endings = self.case.deploy.endings
        return next((each.outcome for each in reversed(endings) if each.context == self.site.context), "")

    @property
    def is_news(self) -> bool:
        """Whether it ended otherwise than was noted; a cluster that could not be read tells nothing."""
        return self.site.verdict.outcome not in (self.before, Outcome.UNKNOWN)


class _Sweep:
    def __init__(self, settings: SweepSettings, systems: Systems, tracker: Tracker, journal: Journal) -> None:
        self._settings = settings
        self._systems = systems
        self._tracker = tracker
        self._journal = journal
        self._now = systems.context.clock.wall()
        self._branch = settings.repository.branch

    def open(self) -> list[_Open]:
        """What is unfinished, with its place on the branch as it stands. A failure that went from the branch stays one."""
        repository, settings = self._systems.repository, self._settings
        deploys = list(repository.history(self._branch).all())
        known = {deploy.record.site for deploy in deploys}
        for name in sorted({*settings.sites} - known):
            near = did_you_mean(name, known)
            self._journal.notice(f"{name}: no deploy of it is recorded on {self._branch}{near}")
        cases = unfinished(
            deploys,
            self._now - timedelta(seconds=settings.most_age_s),
            self._now - timedelta(seconds=settings.least_age_s),
        )
        wanted = [case for case in cases if not settings.sites or case.deploy.record.site in settings.sites]
        targets = self._targets(wanted, repository.tree(repository.fetch(self._branch))) if wanted else {}
        opened = [_Open(case, self._target(case, targets[_place(case)])) for case in wanted]
        return [each for each in opened if not (each.case.has_failed and each.is_superseded)]

    def _targets(self, cases: Sequence[Unfinished], tree: Tree) -> dict[_Place, Target | BumpError]:
        """Where each site stands, or why that can't be told: the tree is walked once for all of them."""
        places = list(dict.fromkeys(map(_place, cases)))
        asked = [
            (site, Choice(image, kustomization, live=self._tracker.live))
            for site, image, kustomization in places
        ]
        return dict(zip(places, find.answers(Reading(tree), asked), strict=True))

    def _target(self, case: Unfinished, answer: Target | BumpError) -> Target | None:
        if not isinstance(answer, BumpError):
            return answer
        record = case.deploy.record
        if case.newer is None:
            self._journal.notice(f"{record.site}: {record.tag} is not looked at: {answer.message}")
        return None

    def look(self, cases: Sequence[_Open]) -> list[_Swept]:
        """How each stands now. The newest deploys are followed together, in no more time than one."""
        superseded = [
            self._superseded(each, context)
            for each in cases
            if each.is_superseded
            for context in each.case.contexts
        ]
        targets = [
            (each.case, each.target)
            for each in cases
            if each.target and not each.is_superseded and self._is_here(each.target)
        ]
        return [*superseded, *(self._followed(targets) if targets else ())]

    def _is_here(self, target: Target) -> bool:
        try:
            self._tracker.tell_apart([target], self._journal)
            self._tracker.expect(target, target.image.tag, "")
        except BumpError as error:
            self._journal.notice(f"{target.site.label}: {error.message}")
            return False
        return True

    def _superseded(self, each: _Open, context: str) -> _Swept:
        record, newer = each.case.deploy.record, each.case.newer
        by = f"{newer.record.tag} was deployed" if newer else "the branch holds another tag"
        site = each.target.site if each.target else None
        name = site.label if site else record.site
        revision = Revision(self._branch, record.commit)
        site_report = SiteReport(
            site=label(name, context, is_alone=not context),
            context=context,
            previous=ImageReference(record.image, record.previous),
            image=ImageReference(record.image, record.tag, record.digest),
            place=record.path,
            revision=revision,
            verdict=Verdict(
                Outcome.SUPERSEDED, "Superseded", f"{by}, and nobody noted how {record.tag} ended before that"
            ),
            steps=(),
            kustomization=record.kustomization,
            name=record.site,
            has_namesakes=bool(site and site.where),
        )
        shared = site.name if site and site.where else ""
        landing = Landing(record.tag, revision, "", (), record.kustomization, shared)
        return self._swept(each.case, site_report, landing)

    def _followed(self, targets: Sequence[tuple[Unfinished, Target]]) -> Iterator[_Swept]:
        subjects = [self._subject(case, target) for case, target in targets]
        places = [target for _, target in targets]
        self._tracker.tell_apart(places, self._journal)
        followed = self._tracker.follow(subjects, places, self._journal)
        by_label = {target.site.label: (case, target) for case, target in targets}
        for site in report_of(subjects, followed, self._journal).sites:
            case, target = by_label[report.label(site)]
            record = case.deploy.record
            landing = self._tracker.landing(target, record.tag, Revision(self._branch, record.commit))
            yield self._swept(case, site, landing)

    def _subject(self, case: Unfinished, target: Target) -> Subject:
        record = case.deploy.record
        name, revision = target.site.label, Revision(self._branch, record.commit)
        self._journal.begin(name, record.previous, record.tag)
        return Subject(
            # Judged by what the branch holds: later commits of other sites have moved the revision on.
            followed=target.desired(None),
            places=target.all_places,
            previous=ImageReference(record.image, record.previous),
            place=target.place,
            revision=revision,
            url=target.url,
            header=(record.previous, record.tag),
            since_s=self._journal.since(name),
        )

    def _swept(self, case: Unfinished, site: SiteReport, landing: Landing) -> _Swept:
        age_s = max(0.0, (self._now - case.deploy.record.at).total_seconds())
        swept = _Swept(case, site, landing, age_s)
        later = compared(swept.before, site.verdict.outcome, age_s)
        return replace(swept, site=replace(site, later=later))


def _finish(news: Sequence[_Swept], settings: SweepSettings, systems: Systems) -> None:
    """Tells GitHub, then writes the notes: what is told by a sweep that is killed in between is told once more."""
    by_deploy: dict[tuple[str, str, str], list[_Swept]] = {}
    for swept in news:
        record = swept.case.deploy.record
        by_deploy.setdefault((record.commit, record.site, record.kustomization), []).append(swept)
    problems = [line for deploy in by_deploy.values() for line in _publish(deploy, settings.publish, systems)]
    if news:
        problems += [*_summarize(news, settings.publish, systems), *_note(news, systems)]
    systems.context.stderr.writelines(f"  ! {visible(line)}\n" for line in dict.fromkeys(problems))


def _publish(deploy: Sequence[_Swept], hears: PublishSettings, systems: Systems) -> list[str]:
    """Tells the channels in the site's own repository of one deploy; returns what could not be told."""
    names = tuple(name for name in hears.channels if name != ChannelName.SUMMARY)
    if not names:
        return []
    surroundings, record = systems.context.surroundings, deploy[0].case.deploy.record
    source = name_on(surroundings.server_url, record.origin.source_repository)
    if not source:
        return [f"{record.site}: {', '.join(names)}: its commit names no source repository on GitHub"]
    lines = _tell(
        deploy, replace(hears, channels=names), replace(surroundings, source_repository=source), systems
    )
    takes_app = source != surroundings.repository
    hint = f"; in {source} that takes an App which is installed there" if takes_app else ""
    return [f"{record.site}: {line}{hint}" for line in lines]


def _summarize(news: Sequence[_Swept], hears: PublishSettings, systems: Systems) -> list[str]:
    """Writes the job's summary, of each site its newest deploy."""
    if ChannelName.SUMMARY not in hears.channels:
        return []
    newest = {swept.site.site: swept for swept in news}
    alone = replace(hears, channels=(ChannelName.SUMMARY,))
    return _tell([*newest.values()], alone, systems.context.surroundings, systems)


def _tell(
    news: Sequence[_Swept], hears: PublishSettings, surroundings: Surroundings, systems: Systems
) -> list[str]:
    stories = {report.label(swept.site): _story(swept) for swept in news}
    channels = Channels(
        hears,
        surroundings,
        systems.context.clock.now,
        systems.identity,
        platform_url=systems.settings.repo,
        sites=tuple(stories.values()),
    )
    return channels.finish(Report(tuple(swept.site for swept in news), 0.0))


def _story(swept: _Swept) -> SiteStory:
    record = swept.case.deploy.record
    version = commit_in(record.tag) or record.origin.source_commit or record.tag
    return SiteStory(report.label(swept.site), record.previous, version, landing=swept.landing)


def _note(news: Sequence[_Swept], systems: Systems) -> list[str]:
    context = systems.context
    at, by_commit = context.clock.wall(), dict[str, list[Ending]]()
    for swept in news:
        by_commit.setdefault(swept.case.deploy.record.commit, []).append(
            _ending(swept, at, context.surroundings.run_url)
        )
    try:
        with systems.new_repository(outcome_notes.TIMEOUT_S) as remote:
            outcome_notes.write(remote, by_commit, context.clock, _NOTES_TIMEOUT_S, only_news=True)
    except BumpError as error:
        return [f"not all outcomes were noted, the next sweep finds them again: {error.message}"]
    return []


def _ending(swept: _Swept, at: datetime, run: str) -> Ending:
    """What is noted: how long after its commit the deploy was seen so."""
    record, site = swept.case.deploy.record, swept.site
    return Ending(
        site=record.site,
        outcome=site.verdict.outcome.value,
        reason=site.verdict.reason,
        seconds=swept.age_s,
        at=at,
        tag=record.tag,
        context=site.context,
        run=run,
        kustomization=record.kustomization,
        message=ending.message(site.verdict.outcome, site.verdict.message),
    )


def _lines(swept: Sequence[_Swept], outcome: Report, cases: int) -> list[Line]:
    if not cases:
        return [(Span("every deploy of this period has an end: nothing to sweep"),)]
    if not swept:
        return [(Span(f"{cases} without an end, and none of them could be looked at"),)]
    news = sum(each.is_news for each in swept)
    counted = f"{len(swept)} without an end before, {news} of them with another outcome than was noted"
    return [*report.verdicts(outcome, names_sites=True), (Span(counted, "quiet"),)]


def _data(swept: Sequence[_Swept], outcome: Report, exit_code: int) -> dict[str, Any]:
    return {
        "exitCode": exit_code,
        "deploys": [_deploy_data(each) for each in swept],
        "notices": list(outcome.notices),
    }


def _deploy_data(swept: _Swept) -> dict[str, Any]:
    record, verdict = swept.case.deploy.record, swept.site.verdict
    return {
        "site": swept.site.site,
        "kustomization": record.kustomization,
        "tag": record.tag,
        "commit": record.commit,
        "before": swept.before or None,
        "outcome": verdict.outcome.value,
        "reason": verdict.reason,
        "message": verdict.message,
        "later": swept.site.later,
        "secondsAfterCommit": round(swept.age_s, 3),
        "isNews": swept.is_news,
    }
