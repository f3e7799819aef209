"""Which deploys a calendar of freeze windows lets through, and when.

Law: what can't be read is closed. Closed is a site while any window covers it that allows nothing for it then: an allowance opens its
own window alone, and within that what is excluded stays closed. A deploy needs all the time that it may take: it is refused where a
window would begin before that has passed.

By whom a deploy may be let through is compared with who asks, as far as the environment tells: it documents, it keeps nobody out.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from heapq import merge
from itertools import islice
from shlex import quote
from typing import Any, NamedTuple, Protocol

from bumper.dataclasses import dataclass, field
from bumper.freeze.times import END, Span, Times, first_opening, without
from bumper.style import shown_time, written_time

# How far ahead anybody looks for the next freeze.
_AHEAD = timedelta(days=731)
# A status that is followed asks at another moment each time.
_MOST_TERMS = 256


class Subject(Protocol):
    """What windows may name of a site: its names, the labels of its Flux Kustomization, and the environments that it is in."""

    @property
    def names(self) -> Collection[str]: ...
    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def environments(self) -> Collection[str]: ...


class Fault(NamedTuple):
    """What is wrong in the file, where, and what to do."""

    path: str
    line: int
    message: str
    hint: str = ""

    @property
    def place(self) -> str:
        """`.bump/freeze.yaml:4`."""
        return f"{self.path}:{self.line}"

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


@dataclass(frozen=True)
class Selection:
    """The sites that are meant: those that match all of what is given, every label too; of several names or environments any will do.

    Names are patterns of a shell, `*` is every site. `line` is where it stands.
    """

    sites: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    environments: tuple[str, ...] = ()
    line: int = 0

    def includes(self, subject: Subject) -> bool:
        """Whether the site is meant; everything is by a selection that names nothing."""
        return (
            _any_matches(subject.names, self.sites)
            and _any_matches(subject.environments, self.environments)
            and all(
                fnmatchcase(subject.labels.get(key, ""), value) and key in subject.labels
                for key, value in self.labels.items()
            )
        )

    @property
    def criteria(self) -> tuple[tuple[str, ...], dict[str, str], tuple[str, ...]]:
        """What is given, wherever it stands."""
        return self.sites, dict(self.labels), self.environments

    def idle_among(self, subjects: Collection[Subject]) -> "Selection | None":
        """What of it means none of the sites: a name, label or environment, or all of it; None where everything has effect."""
        each_alone = (*self._singles(), self)
        return next(
            (selection for selection in each_alone if not any(map(selection.includes, subjects))), None
        )

    def _singles(self) -> "Iterator[Selection]":
        """Each name, label and environment of it alone."""
        yield from (Selection(sites=(name,)) for name in self.sites)
        yield from (Selection(labels={key: value}) for key, value in self.labels.items())
        yield from (Selection(environments=(name,)) for name in self.environments)

    def __str__(self) -> str:
        phrases = [", ".join("all sites" if name == "*" else name for name in self.sites)]
        phrases += [f"label {key}={value}" for key, value in self.labels.items()]
        phrases += [f"environment {' or '.join(self.environments)}" if self.environments else ""]
        return ", ".join(filter(None, phrases))


@dataclass(frozen=True)
class Allowance:
    """What may be deployed inside of a window all the same: by whom (nobody named: by anybody), at which times, and why."""

    selection: Selection
    times: Times
    by: tuple[str, ...] = ()
    reason: str = ""

    def opens(self, subject: Subject, by: str) -> bool:
        """Whether it speaks of the site, and of who asks."""
        return self.selection.includes(subject) and (
            not self.by or _any_matches([by.lower()], [name.lower() for name in self.by])
        )


@dataclass(frozen=True)
class Window:
    """Times in which sites are frozen. `excluded` is what no allowance lets through; `by` and `since` say who set it, and when."""

    name: str
    place: str
    reason: str
    selection: Selection
    times: Times
    allowances: tuple[Allowance, ...] = ()
    excluded: tuple[Selection, ...] = ()
    by: str = ""
    since: str = ""

    @property
    def lifting(self) -> str:
        """The command that takes it away."""
        return f"bump freeze --lift --name {quote(self.name)}"

    def covers(self, subject: Subject, at: datetime) -> bool:
        """Whether it names the site, and is now, whatever it allows."""
        return self.selection.includes(subject) and _is_in(self.times, at)

    def opened_by(self, subject: Subject, by: str) -> tuple[int, ...]:
        """Which of its allowances, by their numbers, speak of the site and of who asks: none where it is excluded."""
        if any(each.includes(subject) for each in self.excluded):
            return ()
        return tuple(number for number, each in enumerate(self.allowances) if each.opens(subject, by))

    def spans(self, allowed: Iterable[int], since: datetime, stop: datetime = END) -> Iterator[Span]:
        """When it is closed in spite of these allowances, after `since`, as far as that begins before `stop`."""
        closed = self.times.spans(since, stop)
        opened = [self.allowances[number].times.spans(since) for number in allowed]
        if not opened:
            return closed
        # What is open is known from `since` on alone.
        return (span for span in without(closed, merge(*opened)) if span.end > since)


# The windows that name a site, by their numbers, each with the allowances that speak of it.
_Terms = tuple[tuple[int, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Closure:
    """Why a deploy may not begin at `at`: the site is closed, or will be before the deploy can be over, when the window `begins`.

    `until` is the first moment at which a deploy may begin; None where no end is known. `window` is None for a file that can't be
    read.
    """

    at: datetime
    place: str
    reason: str
    until: datetime | None = None
    begins: datetime | None = None
    window: Window | None = None
    hint: str = ""

    def __str__(self) -> str:
        """`frozen by weekend until 2026-11-30 07:00 UTC: nobody is there to look`."""
        if self.window is None:
            return f"frozen, with no known end: {self.reason}"
        end = f"until {shown_time(self.until)}" if self.until else "with no known end"
        set_by = f" (set by {self.window.by})" if self.window.by else ""
        if self.begins is None:
            return f"frozen by {self.window.name}{set_by} {end}: {self.reason}"
        return (
            f"{self.window.name}{set_by} begins at {shown_time(self.begins)}, before a deploy that begins now can be over; "
            f"closed {end}: {self.reason}"
        )


@dataclass(frozen=True)
class Calendar:
    """All windows of a file. With `faults` it could not be read, and all is closed. `hold_label` is the label of a source's pull
    request that holds its deploy, empty for none."""

    windows: tuple[Window, ...] = ()
    faults: tuple[Fault, ...] = ()
    hold_label: str = ""

    def closure(self, subject: Subject, at: datetime, lasts: timedelta, by: str = "") -> Closure | None:
        """What keeps a deploy of the site from beginning at `at`, if it may take so long; None where nothing does."""
        if self.faults:
            fault = self.faults[0]
            reason = f"{fault.message}; what can't be read is closed"
            return Closure(at, fault.place, reason, hint=fault.hint)
        return self._closed(self._terms(subject, by), at, lasts)

    @cached_property
    def _closed(self) -> "Callable[[_Terms, datetime, timedelta], Closure | None]":
        # All sites of an environment are in the same windows, and each is asked about several times.
        return lru_cache(maxsize=_MOST_TERMS)(self._closure)

    def _closure(self, terms: _Terms, at: datetime, lasts: timedelta) -> Closure | None:
        hits = list(self._next(terms, at, at + lasts))
        if not hits:
            return None
        now = [hit for hit in hits if hit[0].start <= at]
        # Of several the one that lasts longest says most.
        span, window = max(now, key=_end) if now else min(hits, key=_start)
        ahead = merge(*(self.windows[number].spans(allowed, at) for number, allowed in terms))
        until = first_opening(ahead, at, lasts)
        return Closure(at, window.place, window.reason, until, None if now else span.start, window)

    def next_after(self, subject: Subject, at: datetime, by: str = "") -> tuple[Span, Window] | None:
        """When a site that is open at `at` is closed next, and by which window; None where it is not within two years."""
        return min(self._next(self._terms(subject, by), at, at + _AHEAD), key=_start, default=None)

    def allowed(self, subject: Subject, at: datetime, by: str = "") -> "tuple[Window, Allowance] | None":
        """Of a site that is open at `at` in spite of a window, that window and what allows it; None where none covers it."""
        for window in self.windows:
            if window.covers(subject, at):
                for allowance in window.allowances:
                    if allowance.opens(subject, by) and _is_in(allowance.times, at):
                        return window, allowance
        return None

    def _terms(self, subject: Subject, by: str) -> _Terms:
        return tuple(
            (number, window.opened_by(subject, by))
            for number, window in enumerate(self.windows)
            if window.selection.includes(subject)
        )

    def _next(self, terms: _Terms, at: datetime, stop: datetime) -> Iterator[tuple[Span, Window]]:
        """The first time after `at`, before `stop`, that each of these windows is closed."""
        for number, allowed in terms:
            for span in islice(self.windows[number].spans(allowed, at, stop), 1):
                if span.start < stop:
                    yield span, self.windows[number]


def closure_as_data(closure: Closure | None) -> dict[str, Any] | None:
    """What keeps deploys off, for programs; None where nothing does."""
    if closure is None:
        return None
    return {
        "window": closure.window.name if closure.window else None,
        "reason": closure.reason,
        "place": closure.place,
        "begins": written_time(closure.begins) or None,
        "until": written_time(closure.until) or None,
    }


def _is_in(times: Times, at: datetime) -> bool:
    return any(span.start <= at for span in islice(times.spans(at), 1))


def _start(hit: tuple[Span, Window]) -> datetime:
    return hit[0].start


def _end(hit: tuple[Span, Window]) -> datetime:
    return hit[0].end


def _any_matches(texts: Collection[str], patterns: Collection[str]) -> bool:
    return not patterns or any(fnmatchcase(text, pattern) for text in texts for pattern in patterns)
