"""Writing down how a deploy ended: a line for each site and cluster, in a git note on its commit.

Law: a note never changes a verdict. It is written once everything has been printed, up to a deadline of its own; what was lost to
another run of the same site that wrote at the same time is read again and added to, so that both are there. What a deploy found
running is written down with the site's first note alone: later ones tell by themselves what ran. What a verdict says is bounded and
holds no secrets: notes are as public as the repository.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from bumper.errors import LostRace, Outcome, Transient
from bumper.history import ending
from bumper.ports.deadline import until
from bumper.ports.git import Notes
from bumper.ports.run import Clock
from bumper.publish.report import Report, SiteReport, name_of, seconds
from bumper.record import FOUND_RUNNING, Ending, StageTime
from bumper.retry import attempts

TIMEOUT_S = 20.0
# Nobody has looked yet at how these end.
_NOT_FOLLOWED = (Outcome.PLANNED, Outcome.PUSHED)


def endings(report: Report, at: datetime, run: str = "") -> dict[str, list[Ending]]:
    """How the sites ended that were followed, by the commit that they were followed at; `at` is when the report was finished."""
    by_commit: dict[str, list[Ending]] = {}
    for site in report.sites:
        if not site.revision or site.verdict.outcome in _NOT_FOLLOWED:
            continue
        by_commit.setdefault(site.revision.sha, []).extend(_of_site(site, report, at, run))
    return by_commit


def _of_site(site: SiteReport, report: Report, at: datetime, run: str) -> Iterator[Ending]:
    """How it ended, and where the version before was found running, that: of a first deploy nothing else tells it."""
    verdict = site.verdict
    taken_s = seconds(site, report)
    ended = Ending(
        site=name_of(site),
        outcome=verdict.outcome.value,
        reason=verdict.reason,
        seconds=taken_s,
        # Sites of one run end one by one, and a rollback may come after.
        at=at - timedelta(seconds=max(0.0, report.seconds - taken_s)),
        tag=site.image.tag,
        context=site.context,
        run=run,
        kustomization=site.kustomization,
        message=ending.message(verdict.outcome, verdict.message),
        stages=tuple(StageTime(step.stage, step.seconds) for step in site.steps),
    )
    yield ended
    if site.found_running:
        yield Ending(
            site=ended.site,
            outcome=Outcome.READY.value,
            reason=FOUND_RUNNING,
            seconds=0.0,
            at=ended.at,
            tag=site.previous.tag,
            context=ended.context,
            run=run,
            kustomization=ended.kustomization,
        )


def namesakes(report: Report) -> set[str]:
    """The names that several sites of the repository bear: their notes stand in one ref."""
    return {name_of(site) for site in report.sites if site.has_namesakes}


def write(
    notes: Notes,
    by_commit: Mapping[str, Sequence[Ending]],
    clock: Clock,
    timeout_s: float = TIMEOUT_S,
    namesakes: Collection[str] = (),
    *,
    only_news: bool = False,
) -> None:
    """Adds the endings to the notes of their commits, again after each lost race until `timeout_s`.

    With `only_news` none that a note says already, by whichever run.
    """
    deadline_s = clock.now() + timeout_s
    for commit, ended in by_commit.items():
        for site in dict.fromkeys(end.site for end in ended):
            lines = {ending.line(end): end.reason for end in ended if end.site == site}
            # Of a name that several bear another site's note is no earlier one of ours.
            is_first_only = site not in namesakes
            first = [line for line, reason in lines.items() if is_first_only and reason == FOUND_RUNNING]
            for attempt in attempts(clock, deadline_s, (LostRace, Transient), max_wait_s=2.0):
                with attempt, until(clock, deadline_s):
                    others = [line for line in lines if line not in first]
                    notes.note(site, commit, others, first, only_news=only_news)
