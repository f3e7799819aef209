"""What a rollback asks for: of `bump rollback`, and of a deploy that failed with `--auto-rollback`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from bumper.app.run import Delivery, Errand
from bumper.build_order import commit_in
from bumper.deploy.pipeline import Change
from bumper.deploy.rollback import Rejection, Return, RollbackGuard, way_back
from bumper.errors import BumpError, Refused
from bumper.fluxtree.sites.choose import find_target
from bumper.fluxtree.sites.find import Target
from bumper.history.trailers import one_line
from bumper.progress import Journal
from bumper.record import Recorded
from bumper.request import Request, Wanted
from bumper.retry import answered
from bumper.rollout import Verdict

# A cause may quote a pod's last words; the commit and the hold need no more of it.
_LONGEST = 300


def rollback(asked: Request, delivery: Delivery, to: str) -> Errand:
    """The rollback of the one site of `asked` to the tag `to`, or where it is empty to what worked last."""
    (wanted,) = asked.wanted
    repository = delivery.repository

    def look() -> tuple[str, Target, Sequence[Recorded]]:
        tip = repository.fetch(asked.branch)
        target = find_target(wanted.site, asked.choice, repository.tree(tip))
        return tip, target, repository.history(asked.branch).deploys(wanted.site)

    tip, target, deploys = answered(look, delivery.clock, asked.deadlines.push_s)
    place = f"{target.field.path}:{target.field.span.line}"
    way = way_back(wanted.site, place, target.image, deploys, to)
    return _errand(asked, {wanted.site: _labelled(way, delivery)}, tip, delivery, delivery.journal)


def remedy(
    asked: Request, delivery: Delivery, failed: Sequence[tuple[Change, Verdict]], journal: Journal
) -> Errand:
    """The rollback of everything that failed and has been Ready before, in one commit; Refused where nothing has."""
    repository = delivery.repository
    tip = repository.fetch(asked.branch)
    history = repository.history(asked.branch)
    ways: dict[str, Return] = {}
    refusals: list[Refused] = []
    for change, _ in failed:
        try:
            deploys = history.deploys(change.site)
            ways[change.site] = way_back(change.site, change.place, change.image, deploys, only_ready=True)
        except Refused as refusal:
            refusals.append(refusal)
            journal.notice(f"{change.site}: not rolled back: {refusal.message}")
    if not ways:
        raise refusals[0]
    causes = [(change.site, verdict.message) for change, verdict in failed if change.site in ways]
    told = "; ".join(f"{site}: {cause}" if len(causes) > 1 else cause for site, cause in causes)
    labelled = {site: _labelled(way, delivery) for site, way in ways.items()}
    return _errand(replace(asked, reason=_shortened(f"automatic: {told}")), labelled, tip, delivery, journal)


def _errand(
    asked: Request, ways: Mapping[str, Return], tip: str, delivery: Delivery, journal: Journal
) -> Errand:
    for way in ways.values():
        if way.notice:
            journal.notice(f"{way.site}: {way.notice}")
    first = next(iter(ways.values()))
    request = replace(
        asked,
        wanted=tuple(Wanted(way.site, way.tag) for way in ways.values()),
        origin=replace(asked.origin, source_commit=_source_commit(ways)),
        rollback_of=first.taken_back(tip),
        platforms=(),
        pin=False,
    )
    guard = RollbackGuard(ways, journal, _now, asked.force)
    return Errand(request, [guard], Rejection(ways, asked.origin.requested_by, asked.reason, _now))


def _source_commit(ways: Mapping[str, Return]) -> str:
    """The commit that the sites go back to: not the one whose workflow runs."""
    found = {way.earlier.record.origin.source_commit if way.earlier else "" for way in ways.values()}
    return found.pop() if len(found) == 1 else ""


def _labelled(way: Return, delivery: Delivery) -> Return:
    """With what the image that is left says of its commit, where its tag says nothing."""
    if commit_in(way.left.tag):
        return way
    try:
        return replace(way, label=delivery.registry.resolve(way.left).revision)
    except BumpError:  # it may be gone: then its tag is what is rejected
        return way


def _shortened(text: str) -> str:
    words = one_line(text)
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…"


def _now() -> datetime:
    return datetime.now(UTC)
