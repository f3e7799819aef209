"""When nothing is deployed: freeze windows and holds as a calendar of six weeks, and each of them in words. Pure.

Law: days are those of UTC, which the page says. A file of windows that can't be read closes every day, and says why. What a window
allows is told in words and not taken off its days: it depends on the site and on who asks.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from bumper.dataclasses import dataclass, field
from bumper.deploy.hold.annotations import Hold
from bumper.freeze.times import END, Span
from bumper.freeze.windows import Window
from bumper.safe_text import printable
from bumper.status.report.snapshot import Snapshot
from bumper.style import shown_time

WEEKS = 6
_DAY = timedelta(days=1)
# Of what recurs more often, the first and how many more there are says enough.
_MOST_TIMES = 2


@dataclass(frozen=True)
class Mark:
    """Something that closes a day, or a part of it: `when` is empty for all of it. `kind` is `freeze` or `hold`."""

    kind: str
    name: str
    when: str


@dataclass(frozen=True)
class Day:
    """One day; `is_over` before today, `marks` what closes it."""

    at: datetime
    is_over: bool
    is_today: bool
    marks: tuple[Mark, ...]


@dataclass
class Item:
    """A window or a hold in words. `when` says its state now, `about` are label and text of what else is known of it."""

    kind: str
    name: str
    when: str
    reason: str
    is_in_force: bool
    about: list[tuple[str, str]] = field(default_factory=list)


def days(snapshot: Snapshot) -> list[Day]:
    """Six weeks, from the Monday of this one."""
    now = snapshot.overview.now.astimezone(UTC)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    first = today - today.weekday() * _DAY
    marks = _marks(snapshot, first, first + 7 * WEEKS * _DAY)
    return [
        Day(at, at < today, at == today, tuple(marks.get(at, ())))
        for at in (first + number * _DAY for number in range(7 * WEEKS))
    ]


def items(snapshot: Snapshot) -> list[Item]:
    """Every window and every hold that is in force or will be, what is in force first."""
    now = snapshot.overview.now
    known = [*_faults(snapshot), *_windows(snapshot, now), *_holds(snapshot, now)]
    return sorted(known, key=lambda item: not item.is_in_force)


def _marks(snapshot: Snapshot, begin: datetime, end: datetime) -> Mapping[datetime, list[Mark]]:
    by_day: dict[datetime, list[Mark]] = {}

    def mark(kind: str, name: str, spans: Iterator[Span]) -> None:
        times: dict[datetime, list[Span]] = {}
        for span in spans:
            start = max(span.start, begin)
            day = start.replace(hour=0, minute=0, second=0, microsecond=0)
            while day < min(span.end, end):
                times.setdefault(day, []).append(span)
                day += _DAY
        for day, of_day in times.items():
            by_day.setdefault(day, []).append(Mark(kind, printable(name), _when(of_day, day)))

    calendar = snapshot.calendar
    if calendar and calendar.faults:
        mark("freeze", "unreadable: all is closed", iter([Span(begin, end)]))
    for window in calendar.windows if calendar else ():
        mark("freeze", window.name, window.times.spans(begin, end))
    for hold, labels in _held(snapshot).items():
        start, until = hold.since or begin, hold.until or END
        if until > begin:
            mark("hold", _named(labels), iter([Span(start, until)]))
    return by_day


def _when(spans: Sequence[Span], day: datetime) -> str:
    """`08:00-17:00` for each, in UTC; empty where all of the day is closed."""
    texts = []
    for span in spans:
        starts, ends = span.start > day, span.end < day + _DAY
        if not (starts or ends):
            return ""
        start = f"{span.start.astimezone(UTC):%H:%M}" if starts else "00:00"
        texts.append(f"{start}-{span.end.astimezone(UTC):%H:%M}" if ends else f"from {start}")
    more = f" and {len(texts) - _MOST_TIMES} more" if len(texts) > _MOST_TIMES else ""
    return ", ".join(texts[:_MOST_TIMES]) + more


def _faults(snapshot: Snapshot) -> Iterator[Item]:
    calendar = snapshot.calendar
    for fault in calendar.faults if calendar else ():
        about = [("file", printable(fault.place)), ("next", printable(fault.hint))]
        yield Item("freeze", "unreadable", "in force", printable(fault.message), True, about)


def _windows(snapshot: Snapshot, now: datetime) -> Iterator[Item]:
    calendar = snapshot.calendar
    for window in calendar.windows if calendar else ():
        span = next(iter(window.times.spans(now)), None)
        if span is None:
            continue
        is_in_force = span.start <= now
        yield Item(
            "freeze",
            printable(window.name),
            _until(span) if is_in_force else f"begins {shown_time(span.start)}",
            printable(window.reason),
            is_in_force,
            list(_about(window, snapshot)),
        )


def _until(span: Span) -> str:
    return "in force, with no known end" if span.end == END else f"in force until {shown_time(span.end)}"


def _about(window: Window, snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    covered = sum(
        window.selection.includes(entry.freeze.traits) for entry in snapshot.entries if entry.freeze
    )
    yield "sites", printable(f"{covered}: {window.selection}")
    for allowance in window.allowances:
        by = f" by {', '.join(allowance.by)}" if allowance.by else ""
        what = str(allowance.selection) or "its sites"
        limit = "" if allowance.times.is_always else ", at its own times"
        yield "allowed", printable(f"{what}{by}{limit}: {allowance.reason or 'no reason given'}")
    for selection in window.excluded:
        yield "never allowed", printable(str(selection))
    yield "set by", printable(window.by)
    yield "file", printable(window.place)
    yield "to lift", printable(window.lifting)


def _held(snapshot: Snapshot) -> dict[Hold, list[str]]:
    """The holds that count now or later, each once, with the sites that it keeps deploys off."""
    now = snapshot.overview.now
    held: dict[Hold, list[str]] = {}
    for row in snapshot.overview.rows:
        if row.hold and row.hold.holds_at(now) and row.label not in (labels := held.setdefault(row.hold, [])):
            labels.append(row.label)
    return held


def _named(labels: Sequence[str]) -> str:
    return labels[0] if len(labels) == 1 else f"{len(labels)} sites"


def _holds(snapshot: Snapshot, now: datetime) -> Iterator[Item]:
    for hold, labels in _held(snapshot).items():
        until = f"in force until {shown_time(hold.until)}" if hold.until else "in force until it is released"
        rejected = f"{hold.rejected} was rejected; newer versions pass" if hold.rejected else ""
        about = [
            ("sites", ", ".join(map(printable, labels))),
            ("since", shown_time(hold.since) if hold.since else ""),
            ("set by", printable(hold.by)),
            ("rejected", printable(rejected)),
            ("file", printable(hold.place)),
            ("to lift", printable(f"bump release {labels[0]}")),
        ]
        yield Item(
            "hold",
            printable(_named(labels)),
            until,
            printable(hold.reason) or "no reason given",
            hold.holds_at(now),
            about,
        )
