"""What a run reports of its sites once each has a verdict: the same for a deploy, for following, and for a recording of either."""

from collections.abc import Sequence
from dataclasses import replace

from bumper.errors import Outcome
from bumper.follow.loop import Followed
from bumper.progress import Journal
from bumper.publish import report
from bumper.publish.report import Report, SiteReport
from bumper.recording import Subject
from bumper.rollout import Verdict


def account(
    subjects: Sequence[Subject], followed: Sequence[Followed], journal: Journal, diff: str = ""
) -> Report:
    """The report on all sites in all clusters, in the order in which they were followed. `diff` is that of a dry run."""
    by_site = {subject.desired.site: subject for subject in subjects}
    sites = [_site(by_site[one.site], one, journal) for one in followed]
    return Report(tuple(sites), journal.seconds, tuple(journal.notices), diff)


def _site(subject: Subject, one: Followed, journal: Journal) -> SiteReport:
    steps = journal.steps(one.site) + (journal.steps(one.label) if one.label != one.site else ())
    image, is_written = subject.desired.image, subject.is_written
    verdict = report.unless_unchanged(_with_way_back(subject, one.verdict), image, is_written=is_written)
    return SiteReport(
        site=one.label,
        previous=subject.previous,
        image=image,
        place=subject.place,
        revision=subject.revision,
        verdict=verdict,
        steps=steps,
        url=subject.url,
        timeline=report.whole_timeline(steps, one.timeline, is_written=is_written),
        context=one.context if one.label != one.site else "",
        order=subject.order,
    )


def _with_way_back(subject: Subject, verdict: Verdict) -> Verdict:
    """The same with the command that takes it back, where a rollout failed that something came before."""
    if verdict.outcome is not Outcome.FAILED or not subject.previous.tag:
        return verdict
    command = f"bump rollback --site {subject.desired.site}"
    return replace(verdict, hint="; or: ".join(filter(None, (verdict.hint, command))))
