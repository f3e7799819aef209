"""Spans of time, held to tables: clocks that change, zones, leap days, and what an absurd calendar costs."""

import time
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from tables import each_row

from bumper.freeze.times import END, Cron, Span, Times, begins, first_opening, local, without

WEEKEND = Cron("0 16 * * FRI", timedelta(hours=64))
NIGHT = Cron("30 2 * * *", timedelta(hours=1))
EARLY = Cron("30 1 * * *", timedelta(hours=1))
HALF = Cron("45 1 * * *", timedelta(minutes=30))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def shown(span: Span) -> str:
    return f"{span.start:%m-%dT%H:%M} {span.end:%m-%dT%H:%M}"


# Zone, what recurs, since when, the first span that ends after that: in UTC.
TABLE = {
    "a weekend ends on Monday at eight": ("Europe/Berlin", WEEKEND, "2026-11-27", "11-27T15:00 11-30T07:00"),
    "and when the clock went forward": ("Europe/Berlin", WEEKEND, "2026-03-27", "03-27T15:00 03-30T06:00"),
    "and when it went back": ("Europe/Berlin", WEEKEND, "2026-10-23", "10-23T14:00 10-26T07:00"),
    "half an hour from UTC": ("Asia/Kolkata", WEEKEND, "2026-10-23", "10-23T10:30 10-26T02:30"),
    "three quarters of an hour": ("Asia/Kathmandu", NIGHT, "2026-10-23", "10-23T20:45 10-23T21:45"),
    "the other side of the world": ("Pacific/Kiritimati", NIGHT, "2026-10-23", "10-23T12:30 10-23T13:30"),
    "a time that is skipped": ("Europe/Berlin", NIGHT, "2026-03-28T12:00", "03-29T01:00 03-29T02:00"),
    "an end that is skipped": ("Europe/Berlin", EARLY, "2026-03-28T12:00", "03-29T00:30 03-29T01:00"),
    "a time that comes twice": ("Europe/Berlin", NIGHT, "2026-10-24T12:00", "10-25T00:30 10-25T02:30"),
    "asked in its second hour": ("Europe/Berlin", NIGHT, "2026-10-25T01:15", "10-25T00:30 10-25T02:30"),
    "half an hour comes twice": ("Australia/Lord_Howe", HALF, "2026-04-04T06:00", "04-04T14:45 04-04T15:45"),
    "a leap day": ("UTC", Cron("0 0 29 2 *", timedelta(days=1)), "2026-01-01", "02-29T00:00 03-01T00:00"),
    "the last day of a month": (
        "UTC",
        Cron("0 0 L * *", timedelta(days=1)),
        "2028-02-02",
        "02-29T00:00 03-01T00:00",
    ),
    "around a new year": (
        "UTC",
        Cron("0 0 20 12 *", timedelta(days=20)),
        "2027-01-05",
        "12-20T00:00 01-09T00:00",
    ),
}


@each_row("case", TABLE)
def test_what_recurs_is_closed_by_the_clock_on_the_wall(case: str) -> None:
    zone, cron, since, expected = TABLE[case]
    times = Times(UTC if zone == "UTC" else ZoneInfo(zone), crons=(cron,))
    assert shown(next(times.spans(at(since)))) == expected


def test_a_day_that_no_calendar_can_end_is_passed_over() -> None:
    times = Times(ZoneInfo("America/Lima"), days=(date(2026, 12, 24), date.max))
    assert [shown(span) for span in times.spans(at("2026-11-29"))] == ["12-24T05:00 12-25T05:00"]


def test_a_time_that_is_skipped_is_the_moment_of_the_change() -> None:
    for zone, skipped, change in (
        ("Europe/Berlin", "2026-03-29T02:30:59.5", "2026-03-29T01:00"),
        ("Europe/Berlin", "2026-03-29T02:00", "2026-03-29T01:00"),
        ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30"),
        ("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00"),  # a whole day that never was
    ):
        moments = {
            local(datetime.fromisoformat(skipped), ZoneInfo(zone), is_later=is_later)
            for is_later in (False, True)
        }
        assert moments == {at(change)}, zone


def test_an_allowance_ends_at_the_earlier_of_two_times() -> None:
    zone = ZoneInfo("Europe/Berlin")
    assert [
        shown(next(Times(zone, crons=(EARLY,), ends_early=ends_early).spans(at("2026-10-24T12:00"))))
        for ends_early in (False, True)
    ] == ["10-24T23:30 10-25T01:30", "10-24T23:30 10-25T00:30"]


def test_single_days_are_whole_by_the_clock_of_the_zone() -> None:
    days = (date(2026, 3, 29), date(2026, 10, 25), date(2028, 2, 29))
    times = Times(ZoneInfo("Europe/Berlin"), days=days)
    spans = list(times.spans(at("2026-01-01")))
    assert [(span.end - span.start) / timedelta(hours=1) for span in spans] == [23, 25, 24]
    # A zone whose clocks go forward at midnight: the day begins when they do.
    beirut = Times(ZoneInfo("Asia/Beirut"), days=(date(2026, 3, 29),))
    assert shown(next(beirut.spans(at("2026-01-01")))) == "03-28T22:00 03-29T21:00"


def test_bounds_cut_what_recurs_and_stand_alone() -> None:
    bounded = Times(UTC, at("2026-12-04T20:00"), at("2026-12-18T18:00"), crons=(WEEKEND,))
    assert [shown(span) for span in bounded.spans(at("2026-01-01"))] == [
        "12-04T20:00 12-07T08:00",
        "12-11T16:00 12-14T08:00",
        "12-18T16:00 12-18T18:00",
    ]
    alone = Times(UTC, at("2026-12-04"), at("2026-12-18"))
    assert [shown(span) for span in alone.spans(at("2026-12-10"))] == ["12-04T00:00 12-18T00:00"]
    assert list(alone.spans(at("2026-12-18"))) == []


def test_holidays_are_those_of_each_year() -> None:
    times = Times(UTC, holidays=lambda year: [date(year, 12, 25), date(year, 1, 1)])
    spans = times.spans(at("2026-12-24"))
    assert [shown(span) for span in islice(spans, 3)] == [
        "12-25T00:00 12-26T00:00",
        "01-01T00:00 01-02T00:00",
        "12-25T00:00 12-26T00:00",
    ]


def test_what_is_open_inside_of_what_is_closed() -> None:
    hours = Times(
        ZoneInfo("Europe/Berlin"), crons=(Cron("0 9 * * MON-FRI", timedelta(hours=7)),), ends_early=True
    )
    now, lasts = at("2026-11-30T14:55"), timedelta(minutes=10)

    def opening(moment: datetime) -> datetime | None:
        closed = without(Times().spans(moment), hours.spans(moment))
        return first_opening(closed, moment, lasts)

    assert opening(at("2026-11-29T03:00")) == at("2026-11-30T08:00")
    assert opening(at("2026-11-30T14:50")) == at("2026-11-30T14:50")
    # Five minutes before the end of the hours ten do not fit.
    assert opening(now) == at("2026-12-01T08:00")
    assert first_opening(Times().spans(now), now, lasts) is None


def test_an_absurd_calendar_is_closed_and_answers_soon() -> None:
    began_s = time.monotonic()
    now, lasts = at("2026-11-30"), timedelta(minutes=10)
    minutely = Times(UTC, crons=(Cron("* * * * *", timedelta(minutes=1)),))
    assert first_opening(minutely.spans(now), now, lasts) is None
    covered = Times(UTC, crons=(Cron("* * * * *", timedelta(minutes=1)),), ends_early=True)
    assert next(without([Span(now, END)], covered.spans(now))).start > now + timedelta(days=3)
    assert time.monotonic() - began_s < 10


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("0 16 * *", "five fields"),
        ("0 0 16 * * FRI", "five fields"),
        ("61 * * * *", "Bad minute"),
        ("0 0 30 2 *", "Bad day-of-month"),
        ("", "five fields"),
    ],
)
def test_what_is_no_cron_expression(expression: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        begins(Cron(expression, timedelta(hours=1)))
    assert begins(WEEKEND)
    assert not begins(Cron("* * */20 * 1L", timedelta(hours=1)))
