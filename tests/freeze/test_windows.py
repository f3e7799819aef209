"""Which deploys a calendar lets through: who is meant, what is allowed inside, what wins, and whether a deploy still fits."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from textwrap import dedent

import pytest

from bumper.freeze.file import read as read_calendar
from bumper.freeze.times import Span, Times
from bumper.freeze.windows import Calendar, Closure

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)  # a Saturday
LASTS = timedelta(minutes=10)


@dataclass(frozen=True)
class Site:
    names: frozenset[str] = frozenset({"web"})
    labels: Mapping[str, str] = field(default_factory=lambda: {"team": "shop", "tier": "front"})
    environments: frozenset[str] = frozenset({"production", "clusters"})


def calendar(text: str) -> Calendar:
    read = read_calendar(dedent(text).encode())
    assert read.faults == ()
    return read


def window(lines: str) -> Calendar:
    """One window that is closed now, with more lines of its own."""
    return calendar(f"windows:\n- name: w\n  reason: r\n{lines}")


# The lines of a window, and whether it closes the site `web` for `ann`.
CLOSED = {
    '  sites: ["*"]': True,
    "  sites: web": True,
    "  sites: [api, w*b]": True,
    "  sites: api": False,
    "  sites: WEB": False,
    "  labels: {team: shop}": True,
    "  labels: {team: shop, tier: back}": False,
    '  labels: {team: "*"}': True,
    '  labels: {owner: "*"}': False,
    "  environments: production": True,
    "  environments: [staging, prod*]": True,
    "  environments: staging": False,
    "  sites: web\n  environments: staging": False,
    "  sites: web\n  environments: production\n  labels: {tier: front}": True,
    "  sites: web\n  until: 2026-11-28T12:00": False,
    "  sites: web\n  until: 2026-11-28T12:00:01": True,
    "  sites: web\n  from: 2026-11-28T12:10": False,
    "  sites: web\n  from: 2026-11-28T12:09": True,
    # What is allowed inside, and by whom.
    "  sites: web\n  allow: [{reason: fine}]": False,
    "  sites: web\n  allow: [{reason: fine, sites: api}]": True,
    "  sites: web\n  allow: [{reason: fine, sites: api}, {reason: fine, labels: {team: shop}}]": False,
    "  sites: web\n  allow: [{reason: fine, by: Ann}]": False,
    "  sites: web\n  allow: [{reason: fine, by: [ben, 'release-*']}]": True,
    "  sites: web\n  allow: [{reason: fine, until: 2026-11-28T12:10}]": False,
    "  sites: web\n  allow: [{reason: fine, until: 2026-11-28T12:09}]": True,
    "  sites: web\n  allow: [{reason: fine, cron: 0 11 * * SAT, for: 2h}]": False,
    "  sites: web\n  allow: [{reason: fine, cron: 0 11 * * SAT, for: 65m}]": True,
    "  sites: web\n  allow: [{reason: fine, cron: 0 13 * * SAT, for: 2h}]": True,
    # An exclusion wins over every allowance.
    "  sites: web\n  allow: [{reason: fine}]\n  exclude: [{sites: web}]": True,
    "  sites: web\n  allow: [{reason: fine}]\n  exclude: [{sites: api}]": False,
    "  sites: web\n  allow: [{reason: fine}]\n  exclude: [{labels: {tier: front}, environments: staging}]": False,
}


def test_who_is_meant_what_is_allowed_and_what_is_not() -> None:
    closed = {lines: bool(window(lines).closure(Site(), NOW, LASTS, "ann")) for lines in CLOSED}
    assert closed == CLOSED


def test_an_allowance_of_one_window_opens_no_other_one() -> None:
    two = """\
        windows:
        - {name: weekend, reason: nobody looks, sites: "*", until: 2026-11-30, allow: [{reason: text, sites: web}]}
        - {name: incident, reason: it burns, environments: production, until: 2026-11-29}
        """
    closure = calendar(two).closure(Site(), NOW, LASTS)
    assert closure
    assert (closure.window.name if closure.window else "", closure.until) == (
        "incident",
        datetime(2026, 11, 29, tzinfo=UTC),
    )


def test_a_closure_says_until_when_a_deploy_may_begin() -> None:
    chained = """\
        windows:
        - {name: first, reason: a, sites: "*", until: 2026-11-28T14:00}
        - {name: second, reason: b, sites: "*", from: 2026-11-28T14:09, until: 2026-11-28T15:00}
        - {name: third, reason: c, sites: "*", from: 2026-11-28T15:10, until: 2026-11-28T16:00}
        """
    # Nine minutes between the first two are too short for a deploy, ten before the third are not.
    closure = calendar(chained).closure(Site(), NOW, LASTS)
    assert closure
    assert str(closure) == "frozen by first until 2026-11-28 15:00 UTC: a"
    coming = calendar(chained).closure(Site(), datetime(2026, 11, 28, 15, 5, tzinfo=UTC), LASTS)
    assert str(coming) == (
        "third begins at 2026-11-28 15:10 UTC, before a deploy that begins now can be over; closed until 2026-11-28 16:00 UTC: c"
    )
    endless: Closure | None = window("  sites: '*'\n  by: ann").closure(Site(), NOW, LASTS)
    assert str(endless) == "frozen by w (set by ann) with no known end: r"


def test_the_command_that_lifts_a_window_is_safe_to_paste() -> None:
    (odd,) = calendar("windows: [{name: night; reboot, reason: r, sites: '*'}]").windows
    assert odd.lifting == "bump freeze --lift --name 'night; reboot'"


def test_the_window_that_lasts_longest_is_named() -> None:
    two = """\
        windows:
        - {name: short, reason: a, sites: "*", from: 2026-11-01, until: 2026-11-28T14:00}
        - {name: long, reason: b, sites: "*", from: 2026-11-20}
        """
    closure = calendar(two).closure(Site(), NOW, LASTS)
    assert str(closure) == "frozen by long with no known end: b"


def test_what_cannot_be_read_is_closed_for_everybody() -> None:
    broken = read_calendar(b"windows: [{name: x, sites: api}]")
    closure = broken.closure(Site(), NOW, LASTS, "ann")
    assert closure
    assert (str(closure), closure.place) == (
        "frozen, with no known end: reason is missing; what can't be read is closed",
        ".bump/freeze.yaml:1",
    )


def test_what_comes_next() -> None:
    weekend = window("  sites: '*'\n  cron: 0 16 * * FRI\n  for: 64h")
    monday = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
    assert weekend.closure(Site(), monday, LASTS) is None
    coming = weekend.next_after(Site(), monday)
    assert coming
    assert coming[0].start == datetime(2026, 12, 4, 16, 0, tzinfo=UTC)
    assert window("  sites: api").next_after(Site(), NOW) is None


def test_what_is_let_through_says_why() -> None:
    allowed = window(
        "  sites: web\n  allow: [{reason: only text, by: ann}, {reason: at night, cron: 0 22 * * *, for: 2h}]"
    )
    answer = allowed.allowed(Site(), NOW, "ann")
    assert answer
    assert (answer[0].name, answer[1].reason) == ("w", "only text")
    assert allowed.allowed(Site(), NOW, "ben") is None
    night = allowed.allowed(Site(), NOW.replace(hour=23), "ben")
    assert night
    assert night[1].reason == "at night"
    assert window("  sites: web\n  until: 2026-11-20\n  allow: [{reason: x}]").allowed(Site(), NOW) is None


def test_sites_that_the_same_windows_name_are_answered_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever their number, and however often each is asked about: the times of a window are reckoned for one of them."""
    weekend = window(
        "  environments: production\n  cron: 0 16 * * FRI\n  for: 64h\n  allow: [{reason: fine, sites: w1}]"
    )
    sites = [Site(frozenset({f"w{number}"})) for number in range(50)]
    reckoned: list[Times] = []
    spans = Times.spans

    def counted(times: Times, *moments: datetime) -> Iterator[Span]:
        reckoned.append(times)
        return spans(times, *moments)

    monkeypatch.setattr(Times, "spans", counted)
    closed = [bool(weekend.closure(site, NOW, LASTS)) for site in sites for _ in range(3)]
    assert closed == [number != 1 for number in range(50) for _ in range(3)]
    # The window to see what closes it and until when, without an allowance and with it.
    assert len(reckoned) <= 8
