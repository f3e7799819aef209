"""When a window is open, as spans of time: single days, holidays, cron expressions, from one moment to another.

Law: spans are in UTC, begin in order, do not overlap, and are made as they are asked for, since most of them never end. `for` counts
on the clock on the wall: from Friday 16:00 for 64h ends on Monday at 08:00, whatever the clocks do in between. Of a time that a zone
has twice, the one counts with which more is closed; a time that it skips is the moment of the change.

Cron is Debian's own (`cronsim`), its rules for clocks that change included: a time of day that is skipped comes right after, one
that comes twice counts once.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from heapq import merge
from typing import NamedTuple

from bumper.dataclasses import dataclass

BEGINNING, END = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
# A zone is never further from UTC than this.
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
# Nobody waits for the one after so many.
_MOST_STARTS = 5000
# Holidays are known year by year; nobody plans a deploy further ahead.
_YEARS_AHEAD = 3


class Span(NamedTuple):
    """From `start` up to `end`, which is no part of it."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class Cron:
    """A cron expression of five fields, and how long what begins then lasts."""

    expression: str
    lasts: timedelta


@dataclass(frozen=True)
class Times:
    """All times of a window; without a cron, a day or a holiday every moment from `start` to `end`, which bound all others, too.

    `holidays` gives those of a year. `ends_early` is for what opens instead of closing.
    """

    zone: tzinfo = UTC
    start: datetime = BEGINNING
    end: datetime = END
    crons: tuple[Cron, ...] = ()
    days: tuple[date, ...] = ()
    holidays: Callable[[int], Iterable[date]] | None = None
    ends_early: bool = False

    @property
    def is_always(self) -> bool:
        """Whether nothing but its bounds says when."""
        return not (self.crons or self.days or self.holidays)

    @property
    def has_end(self) -> bool:
        """Whether it is known when all of it is over."""
        return self.end != END

    def spans(self, since: datetime, stop: datetime = END) -> Iterator[Span]:
        """Those that end after `since` and begin before `stop`, in order."""
        if self.is_always:
            sources: list[Iterator[Span]] = [iter([Span(self.start, self.end)])]
        else:
            sources = [self._recurring(cron, max(since, self.start)) for cron in self.crons]
            sources.append(_whole_days(self._dates(since), self.zone))
        for span in _disjoint(merge(*sources)):
            if span.start >= min(self.end, stop):
                return
            bounded = Span(max(span.start, self.start), min(span.end, self.end))
            if bounded.end > max(since, bounded.start):
                yield bounded

    def _recurring(self, cron: Cron, since: datetime) -> Iterator[Span]:
        """What begins by a cron; after very many of them the rest is one, or for what opens none."""
        number = 0
        for start in _starts(cron, since, self.zone):
            span = Span(start.astimezone(UTC), self._end_of(start, cron.lasts))
            number += span.end > since
            if number > _MOST_STARTS:
                if not self.ends_early:
                    yield Span(span.start, END)
                return
            yield span

    def _end_of(self, start: datetime, lasts: timedelta) -> datetime:
        try:
            return local(start.replace(tzinfo=None) + lasts, self.zone, is_later=not self.ends_early)
        except OverflowError:
            return END

    def _dates(self, since: datetime) -> Iterator[date]:
        """Single days and holidays, in order, none of them long before `since`."""
        first = max(since, BEGINNING + _DAY).astimezone(UTC).date() - _DAY
        days = set(self.days)
        for year in range(first.year, min(first.year + _YEARS_AHEAD, date.max.year)) if self.holidays else ():
            days.update(self.holidays(year) if self.holidays else ())
        return iter(sorted(day for day in days if day >= first))


def local(moment: datetime, zone: tzinfo, *, is_later: bool = False) -> datetime:
    """A time on the wall of a zone, in UTC; `is_later` of two moments that have it; of one that is skipped the change."""
    earlier, later = (moment.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    # Of a time that is skipped the first is reckoned by the clock before the change, and comes after it.
    return _change(later, earlier, zone) if later < earlier else later if is_later else earlier


def _change(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """The moment after the one and up to the other at which the clocks of a zone change, to the second."""
    start, offset = before.replace(microsecond=0), after.astimezone(zone).utcoffset()
    seconds = range((after - start) // _SECOND + 1)
    changed = bisect_left(
        seconds, True, key=lambda second: (start + second * _SECOND).astimezone(zone).utcoffset() == offset
    )
    return start + changed * _SECOND


def without(closed: Iterable[Span], opened: Iterable[Span]) -> Iterator[Span]:
    """What of the closed spans is left by those that are open; both in order."""
    coming, near = iter(opened), deque[Span]()
    for span in closed:
        start = span.start
        while near and near[0].end <= start:
            near.popleft()
        for gap in _up_to(span.end, near, coming):
            if gap.start > start:
                yield Span(start, gap.start)
            start = max(start, gap.end)
        if start < span.end:
            yield Span(start, span.end)


def first_opening(closed: Iterable[Span], at: datetime, lasts: timedelta) -> datetime | None:
    """The first moment from `at` on that is followed by `lasts` without any of the spans, which begin in order; None for none."""
    moment = at
    for span in closed:
        if moment >= END - lasts or span.start >= moment + lasts:
            break
        moment = max(moment, span.end)
    return moment if moment < END - lasts else None


def begins(cron: Cron) -> bool:
    """Whether such a window ever begins; ValueError says what is wrong with the expression."""
    from cronsim import CronSim, CronSimError

    if len(cron.expression.split()) != 5:
        raise ValueError("expected five fields: minute, hour, day of the month, month, day of the week")
    try:
        return next(CronSim(cron.expression, datetime(2024, 1, 1, tzinfo=UTC)), None) is not None
    except CronSimError as error:
        raise ValueError(str(error)) from None


def _up_to(end: datetime, near: deque[Span], coming: Iterator[Span]) -> Iterator[Span]:
    """The spans that begin before `end`; those that were asked for stay `near`, for what may still need them."""
    at = 0
    while True:
        if at == len(near):
            following = next(coming, None)
            if following is None:
                return
            near.append(following)
        if near[at].start >= end:
            return
        yield near[at]
        at += 1


def _starts(cron: Cron, since: datetime, zone: tzinfo) -> Iterator[datetime]:
    """When a cron fires, from before whatever may still last at `since`, to the end of time."""
    from cronsim import CronSim

    # Not backwards from `since`: where an hour comes twice, that would miss what began in the first of the two.
    ago = min(since - BEGINNING, cron.lasts + 2 * _DAY)
    with suppress(OverflowError):
        yield from CronSim(cron.expression, (since - ago).astimezone(zone))


def _whole_days(days: Iterable[date], zone: tzinfo) -> Iterator[Span]:
    for day in days:
        midnight = datetime.combine(day, time())
        # The first and the last day of all time are not whole in every zone.
        with suppress(OverflowError):
            yield Span(local(midnight, zone), local(midnight + _DAY, zone))


def _disjoint(spans: Iterable[Span]) -> Iterator[Span]:
    """The same moments, each once; the spans begin in order."""
    reach = BEGINNING
    for span in spans:
        if span.end > reach:
            yield Span(max(span.start, reach), span.end)
            reach = span.end
