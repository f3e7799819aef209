"""DORA's four figures, from deploys and how they ended: how often, how soon, how many fail, how long until the site is well again.

Law: counted is what git says and nothing else. A deploy that nobody followed is neither a success nor a failure, one whose source
commit has no date has no lead time, and both are counted as left out. Time grows with the deploys and no faster than sorting them.
The definitions stand in `DEFINITIONS`, which every output shows.
Source: https://dora.dev/guides/dora-metrics-four-keys/
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import MappingProxyType

from bumper.dataclasses import dataclass, field
from bumper.errors import Outcome
from bumper.history.scopes import Level, Scope, by_site, environments, in_order, scopes
from bumper.record import Recorded, SiteKey

PERCENTILES = (50, 90, 95)
# A deploy whose commit claims to be made after now counts all the same.
BEYOND = datetime.max.replace(tzinfo=UTC)
DEFINITIONS: Mapping[str, str] = {
    "deployFrequency": "deploys that became Ready, rollbacks not counted, by the days of the period; percentiles are of the time "
    "from one to the next",
    "leadTime": "from the date of the source commit (the committer's) to Ready in every cluster that was followed; of the first "
    "deploy of each image to the site that became Ready, rollbacks not counted",
    "changeFailureRate": "deploys that failed, or that a rollback names, among those that became Ready or failed; a rollback is no "
    "change",
    "timeToRestore": "from the first failure of a site (the verdict; for a deploy that was Ready and then rolled back, its Ready) to "
    "the next Ready of that site, by whichever deploy",
}


@dataclass(frozen=True)
class Spread:
    """Durations in seconds, the shortest first."""

    values: tuple[float, ...] = ()

    @property
    def sum_s(self) -> float:
        return math.fsum(self.values)

    def percentile(self, percent: int) -> float | None:
        """The least of them that so many percent do not exceed (nearest rank); None where there are none."""
        rank = math.ceil(percent / 100 * len(self.values))
        return self.values[max(rank, 1) - 1] if self.values else None


@dataclass(frozen=True)
class Figures:
    """The four figures of one scope, and what each leaves out. `days` is the length of the period, one at least.

    `deploys` became Ready; `judged` became Ready or failed, and of those `failed` did. `incidents` are over, `open_incidents` not yet.
    """

    scope: Scope
    days: float
    deploys: int
    intervals: Spread
    lead_times: Spread
    judged: int
    failed: int
    incidents: Spread
    open_incidents: int
    rollbacks: int
    not_judged: int
    undated: int
    dated_after_ready: int

    @property
    def per_day(self) -> float:
        return self.deploys / self.days

    @property
    def failure_rate(self) -> float | None:
        """None where nothing was judged."""
        return self.failed / self.judged if self.judged else None


@dataclass(frozen=True)
class Metrics:
    """All figures of a branch for the deploys from `since` to `now`: of everything, of each environment, of each site."""

    branch: str
    since: datetime
    now: datetime
    overall: Figures
    environments: tuple[Figures, ...]
    sites: tuple[Figures, ...]

    @property
    def scopes(self) -> tuple[Figures, ...]:
        """All of them, the widest first."""
        return (self.overall, *self.environments, *self.sites)


def measure(
    deploys: Iterable[Recorded],
    branch: str,
    now: datetime,
    since: datetime | None = None,
    annotated: Mapping[SiteKey, frozenset[str]] = MappingProxyType({}),
) -> Metrics:
    """The figures of the deploys that were made from `since` on, or of all; `deploys` are all that are known, newest first.

    `annotated` are the environments of those sites whose Kustomization names them.
    """
    sites = _Sites(deploys, annotated)
    begin = since or sites.first_at or now
    return sites.measure(branch, begin, now, BEYOND)


def trend(
    deploys: Iterable[Recorded],
    branch: str,
    bounds: Sequence[datetime],
    annotated: Mapping[SiteKey, frozenset[str]] = MappingProxyType({}),
) -> list[Metrics]:
    """The figures of each period between two neighbours of `bounds`, in order: of the deploys that were made in it.

    What came after a period is looked at for how its deploys ended, and for when a site that failed in it was well again.
    """
    sites = _Sites(deploys, annotated)
    return [sites.measure(branch, begin, end, end) for begin, end in pairwise(bounds)]


class _Sites:
    """The deploys of each site in order, put together once for all the periods that are measured."""

    def __init__(self, deploys: Iterable[Recorded], annotated: Mapping[SiteKey, frozenset[str]]) -> None:
        ordered = in_order(deploys)
        self.first_at = ordered[0].record.at if ordered else None
        self._deploys = by_site(ordered)
        self._scopes = scopes(self._deploys)
        self._environments = environments(self._deploys, self._scopes, annotated)

    def measure(self, branch: str, begin: datetime, end: datetime, stop: datetime) -> Metrics:
        """The figures of the deploys that were made from `begin` on, before `stop`, of a period that lasts until `end`."""
        days = max((end - begin) / timedelta(days=1), 1.0)
        tallies = {key: _tally(of_site, begin, stop) for key, of_site in self._deploys.items()}
        return Metrics(
            branch,
            begin,
            end,
            _figures(Scope(Level.ALL), days, tallies.values()),
            tuple(_of_environments(self._environments, tallies, days)),
            tuple(
                _figures(self._scopes[key], days, [tally])
                for key, tally in sorted(tallies.items())
                if tally.is_active
            ),
        )


def _of_environments(
    names: Mapping[SiteKey, frozenset[str]], tallies: Mapping[SiteKey, "_Tally"], days: float
) -> Iterator[Figures]:
    """By the names of the environments; a site counts in each that it is in."""
    of_names: dict[str, list[_Tally]] = {}
    for key, of_site in names.items():
        for name in of_site:
            of_names.setdefault(name, []).append(tallies[key])
    for name, of_name in sorted(of_names.items()):
        yield _figures(Scope(Level.ENVIRONMENT, name), days, of_name)


@dataclass
class _Tally:
    """What is counted of one site: moments in seconds of the epoch."""

    ready: list[float] = field(default_factory=list)
    lead_times: list[float] = field(default_factory=list)
    incidents: list[float] = field(default_factory=list)
    judged: int = 0
    failed: int = 0
    open_incidents: int = 0
    rollbacks: int = 0
    not_judged: int = 0
    undated: int = 0
    dated_after_ready: int = 0

    @property
    def is_active(self) -> bool:
        """Whether anything of the site falls into the period."""
        return bool(self.judged or self.not_judged or self.rollbacks or self.incidents or self.open_incidents)


def _figures(scope: Scope, days: float, tallies: Iterable[_Tally]) -> Figures:
    each = list(tallies)
    ready = sorted(moment for tally in each for moment in tally.ready)
    return Figures(
        scope=scope,
        days=days,
        deploys=len(ready),
        intervals=Spread(tuple(sorted(after - before for before, after in pairwise(ready)))),
        lead_times=_spread(tally.lead_times for tally in each),
        judged=sum(tally.judged for tally in each),
        failed=sum(tally.failed for tally in each),
        incidents=_spread(tally.incidents for tally in each),
        open_incidents=sum(tally.open_incidents for tally in each),
        rollbacks=sum(tally.rollbacks for tally in each),
        not_judged=sum(tally.not_judged for tally in each),
        undated=sum(tally.undated for tally in each),
        dated_after_ready=sum(tally.dated_after_ready for tally in each),
    )


def _spread(lists: Iterable[Sequence[float]]) -> Spread:
    return Spread(tuple(sorted(value for values in lists for value in values)))


def _tally(deploys: Sequence[Recorded], since: datetime, stop: datetime) -> _Tally:
    """Of one site's deploys, the oldest first: those of the time from `since` on, before `stop`."""
    tally = _Tally()
    taken_back = {deploy.record.rollback_of for deploy in deploys if deploy.record.rollback_of}
    first_ready: dict[tuple[str, str], str] = {}
    for deploy in deploys:
        record = deploy.record
        if deploy.is_ready:
            first_ready.setdefault((record.image, record.tag), record.commit)
        if not since <= record.at < stop:
            continue
        if record.rollback_of:
            tally.rollbacks += 1
            continue
        _count(tally, deploy, is_taken_back=record.commit in taken_back)
        if deploy.ready_at and first_ready[record.image, record.tag] == record.commit:
            _count_lead_time(tally, record.source_at, deploy.ready_at)
    _count_incidents(tally, deploys, taken_back, since, stop)
    return tally


def _count(tally: _Tally, deploy: Recorded, *, is_taken_back: bool) -> None:
    failed = is_taken_back or _failed_at(deploy) is not None
    if not (failed or deploy.is_ready):
        tally.not_judged += 1
        return
    tally.judged += 1
    tally.failed += failed
    if deploy.ready_at:
        tally.ready.append(deploy.ready_at.timestamp())


def _count_lead_time(tally: _Tally, source_at: datetime | None, ready_at: datetime) -> None:
    if source_at is None:
        tally.undated += 1
        return
    seconds = (ready_at - source_at).total_seconds()
    if seconds < 0:
        tally.dated_after_ready += 1
    else:
        tally.lead_times.append(seconds)


def _count_incidents(
    tally: _Tally, deploys: Sequence[Recorded], taken_back: set[str], since: datetime, stop: datetime
) -> None:
    """One incident lasts from the first failure to the next Ready, however many deploys fail in between."""
    moments = [
        moment
        for deploy in deploys
        for moment in _moments(deploy, is_taken_back=deploy.record.commit in taken_back)
    ]
    began: datetime | None = None
    for at, is_failure in sorted(moments):
        if is_failure:
            began = began or at
        elif began is not None:
            if since <= began < stop:
                tally.incidents.append((at - began).total_seconds())
            began = None
    tally.open_incidents += began is not None and since <= began < stop


def _moments(deploy: Recorded, *, is_taken_back: bool) -> Iterator[tuple[datetime, bool]]:
    """When the site failed by this deploy (True), and when it was well by it (False)."""
    failed_at = _failed_at(deploy)
    if failed_at:
        yield failed_at, True
    if deploy.ready_at and not (is_taken_back and failed_at):
        yield deploy.ready_at, is_taken_back


def _failed_at(deploy: Recorded) -> datetime | None:
    return next((ending.at for ending in deploy.endings if ending.outcome == Outcome.FAILED), None)
