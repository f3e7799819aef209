"""The file of freeze windows, read: `.bump/freeze.yaml` at the root of the platform repository.

Law: what is not understood is a fault with its line, never passed over, and a calendar with a fault is closed. The libraries for cron
and zones are loaded here alone, so that whoever has no such file does not wait for them.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache, partial
from typing import Any

from bumper.dataclasses import dataclass, field
from bumper.errors import NotYaml, did_you_mean
from bumper.freeze import schema
from bumper.freeze.place import PATH
from bumper.freeze.times import BEGINNING, END, Cron, Times, begins, local
from bumper.freeze.windows import Allowance, Calendar, Fault, Selection, Window
from bumper.manifest.document import Document, documents
from bumper.request import days_of, seconds_of

Route = tuple[str | int, ...]
_DATE = r"\d{4}-\d\d-\d\d"
_LONGEST = timedelta(days=366)
_ADVICE = "bump freeze --schema prints what may stand there"


def unreadable(message: str) -> Calendar:
    """The calendar of what is no file of windows at all."""
    return Calendar(faults=(Fault(PATH, 1, message, _ADVICE),))


@lru_cache(maxsize=8)
def read(content: bytes) -> Calendar:
    """The calendar that a file is."""
    try:
        found_documents = documents(content, PATH)
    except NotYaml as error:
        return Calendar(faults=(_fault_of(error),))
    if len(found_documents) != 1 or found_documents[0].route != (0,):
        number = len(found_documents)
        what = f"{number} objects" if number > 1 else "nothing that names windows"
        return unreadable(f"found {what}, expected one mapping with windows")
    return _Reader(found_documents[0]).calendar()


def _fault_of(error: NotYaml) -> Fault:
    match = re.match(rf"{re.escape(PATH)}:(\d+): (.*)", error.message, re.DOTALL)
    return (
        Fault(PATH, int(match[1]), match[2], error.hint)
        if match
        else Fault(PATH, 1, error.message, error.hint)
    )


@dataclass
class _Reader:
    """Reads one document, and keeps what is wrong in it."""

    document: Document
    faults: list[Fault] = field(default_factory=list)

    def calendar(self) -> Calendar:
        for line, name in self.document.repeated_keys():
            self.faults.append(Fault(PATH, line, f"{name} stands here twice", "keep one of them"))
        top = self.mapping((), self.document.value, schema.FILE)
        zone = self.zone((), top, UTC)
        windows = [
            self.window(("windows", at), value, zone)
            for at, value in enumerate(self.list_of(("windows",), top.get("windows")))
        ]
        self.require_own_names(windows)
        label = self.text((), top, "holdLabel") if "holdLabel" in top else ""
        return Calendar(tuple(windows), tuple(sorted(self.faults, key=lambda fault: fault.line)), label)

    def require_own_names(self, windows: Sequence[Window]) -> None:
        seen: dict[str, Window] = {}
        for at, window in enumerate(windows):
            if window.name and seen.setdefault(window.name, window) is not window:
                self.fault(("windows", at, "name"), f"{window.name} is the name of another window, too")

    def window(self, route: Route, value: Any, zone: tzinfo) -> Window:
        entry = self.mapping(route, value, schema.WINDOW)
        selection = self.selection(route, entry)
        self.require_some(route, entry)
        allowances = [
            self.allowance((*route, "allow", at), each, self.zone(route, entry, zone))
            for at, each in enumerate(self.list_of((*route, "allow"), entry.get("allow")))
        ]
        excluded = [
            self.exclusion((*route, "exclude", at), each)
            for at, each in enumerate(self.list_of((*route, "exclude"), entry.get("exclude")))
        ]
        return Window(
            name=self.text(route, entry, "name"),
            place=f"{PATH}:{self.line(route)}",
            reason=self.text(route, entry, "reason"),
            selection=selection,
            times=self.times(route, entry, zone),
            allowances=tuple(allowances),
            excluded=tuple(excluded),
            by=self.text(route, entry, "by") if "by" in entry else "",
            since=self.text(route, entry, "since") if "since" in entry else "",
        )

    def allowance(self, route: Route, value: Any, zone: tzinfo) -> Allowance:
        entry = self.mapping(route, value, schema.ALLOWANCE)
        return Allowance(
            self.selection(route, entry),
            self.times(route, entry, zone, ends_early=True),
            self.texts(route, entry, "by"),
            self.text(route, entry, "reason"),
        )

    def exclusion(self, route: Route, value: Any) -> Selection:
        entry = self.mapping(route, value, schema.EXCLUSION)
        self.require_some(route, entry)
        return self.selection(route, entry)

    def selection(self, route: Route, entry: Mapping[str, Any]) -> Selection:
        labels = entry.get("labels", {})
        if not (isinstance(labels, dict) and all(isinstance(value, str) for value in labels.values())):
            self.fault((*route, "labels"), "labels is no mapping of texts, expected as {team: shop}")
            labels = {}
        elif "labels" in entry and not labels:
            self.fault((*route, "labels"), "labels names none")
        return Selection(
            self.texts(route, entry, "sites"),
            labels,
            self.texts(route, entry, "environments"),
            self.line(route),
        )

    def require_some(self, route: Route, entry: Mapping[str, Any]) -> None:
        if entry and not entry.keys() & {"sites", "labels", "environments"}:
            self.fault(
                route, "names no site, expected sites, labels or environments", 'for all: sites: ["*"]'
            )

    def times(
        self, route: Route, entry: Mapping[str, Any], zone: tzinfo, *, ends_early: bool = False
    ) -> Times:
        zone = self.zone(route, entry, zone)
        start = self.moment(route, entry, "from", zone, is_later=ends_early) or BEGINNING
        end = self.moment(route, entry, "until", zone, is_later=not ends_early) or END
        if end <= start:
            self.fault((*route, "until"), "until is not after from")
        return Times(
            zone,
            start,
            end,
            self.crons(route, entry),
            tuple(filter(None, (self.day(route, text) for text in self.texts(route, entry, "dates")))),
            self.holidays((*route, "holidays"), entry["holidays"]) if "holidays" in entry else None,
            ends_early,
        )

    def zone(self, route: Route, entry: Mapping[str, Any], default: tzinfo) -> tzinfo:
        if "zone" not in entry:
            return default
        name = self.text(route, entry, "zone")
        zone = _zone(name)
        if zone is None and name:
            from zoneinfo import available_timezones

            known = available_timezones()
            hint = "names are those of the IANA time zone database, as Europe/Dublin"
            hint = hint if known else "this machine has no time zones: install its package tzdata"
            self.fault((*route, "zone"), f"{name!r} is no time zone{did_you_mean(name, known)}", hint)
        return zone or default

    def crons(self, route: Route, entry: Mapping[str, Any]) -> tuple[Cron, ...]:
        expressions = self.texts(route, entry, "cron")
        if not expressions:
            if "for" in entry:
                self.fault(
                    (*route, "for"),
                    "for says how long, and no cron says from when",
                    "give it a cron, or until",
                )
            return ()
        lasts = self.lasts(route, entry)
        crons: list[Cron] = []
        for cron in (Cron(expression, lasts) for expression in expressions):
            try:
                problem = "" if begins(cron) else "it never comes"
            except ValueError as error:
                problem = str(error)
            if problem:
                self.fault(
                    (*route, "cron"),
                    f"{cron.expression!r} is no cron expression: {problem}",
                    'as "0 16 * * FRI"',
                )
            else:
                crons.append(cron)
        return tuple(crons) if lasts else ()

    def lasts(self, route: Route, entry: Mapping[str, Any]) -> timedelta:
        if "for" not in entry:
            self.fault(
                (*route, "cron"), "cron says when it begins, and nothing how long it lasts", "add for: 64h"
            )
            return timedelta()
        text = self.text(route, entry, "for")
        # A number without a unit is seconds on a command line; in 64 and 1h30 nobody means that.
        lasts = timedelta() if text[-1:].isdigit() else _length(text)
        if text and not timedelta() < lasts <= _LONGEST:
            self.fault(
                (*route, "for"),
                f"{text!r} is no length, expected as 64h, 1h30m or 2d, at most {_LONGEST.days}d",
            )
            return timedelta()
        return lasts

    def moment(
        self, route: Route, entry: Mapping[str, Any], key: str, zone: tzinfo, *, is_later: bool
    ) -> datetime | None:
        if key not in entry:
            return None
        text = self.text(route, entry, key)
        try:
            named = datetime.fromisoformat(text)
            return named.astimezone(UTC) if named.tzinfo else local(named, zone, is_later=is_later)
        except (ValueError, OverflowError):
            if text:
                self.fault(
                    (*route, key), f"{key} is {text!r}, expected a time like 2026-12-15 or 2026-12-15T16:00"
                )
            return None

    def day(self, route: Route, text: str) -> date | None:
        try:
            if re.fullmatch(_DATE, text):
                return date.fromisoformat(text)
        except ValueError:
            pass
        self.fault(
            (*route, "dates"), f"{text!r} is no day, expected as 2026-12-24", "a range is from and until"
        )
        return None

    def holidays(self, route: Route, value: Any) -> Callable[[int], Iterable[date]] | None:
        is_country = isinstance(value, str)
        entry = {"country": value} if is_country else self.mapping(route, value, schema.HOLIDAYS)
        country = self.text(route, entry, "country")
        subdivision = self.text(route, entry, "subdivision") if "subdivision" in entry else None
        if not country:
            return None
        if problem := _country_problem(country, subdivision):
            self.fault(route, *problem)
            return None
        return partial(_holidays, country, subdivision)

    def mapping(self, route: Route, value: Any, known: Mapping[str, Any]) -> dict[str, Any]:
        """The entries that are known, those others being faults."""
        if not isinstance(value, dict):
            self.fault(route, f"found {_kind(value)}, expected a mapping")
            return {}
        if not value and route:
            self.fault(route, "found an empty mapping")
        for key in value.keys() - known.keys():
            self.fault((*route, key), f"{key!r} is nothing that may stand here{did_you_mean(key, known)}")
        return {key: below for key, below in value.items() if key in known}

    def list_of(self, route: Route, value: Any) -> list[Any]:
        if value is not None and not isinstance(value, list) and value != "":
            self.fault(route, f"found {_kind(value)}, expected a list")
        return value if isinstance(value, list) else []

    def text(self, route: Route, entry: Mapping[str, Any], key: str) -> str:
        """A text that must be there, empty where it is not."""
        value = entry.get(key)
        if isinstance(value, str) and value.strip():
            return " ".join(value.split())
        # Of an entry that is no mapping that was said already.
        if entry:
            self.fault(
                (*route, key),
                f"{key} is missing" if value in (None, "") else f"{key} is {_kind(value)}, expected a text",
            )
        return ""

    def texts(self, route: Route, entry: Mapping[str, Any], key: str) -> tuple[str, ...]:
        """One text or several; none where there is no such key."""
        if key not in entry:
            return ()
        value = entry[key]
        listed = value if isinstance(value, list) else [value]
        if not listed or not all(isinstance(each, str) and each.strip() for each in listed):
            self.fault((*route, key), f"{key} holds something else than texts, or none")
            return ()
        return tuple(listed)

    def fault(self, route: Route, message: str, hint: str = _ADVICE) -> None:
        self.faults.append(Fault(PATH, self.line(route), message, hint))

    def line(self, route: Route) -> int:
        return self.document.line(*route)


@lru_cache(maxsize=64)
def _zone(name: str) -> tzinfo | None:
    if name == "UTC":  # known without a database
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # the last one for a directory of zones, as Europe
        return None


def _length(text: str) -> timedelta:
    """How long; nothing for a text that does not say so."""
    days, seconds = days_of(text), seconds_of(text)
    try:
        return timedelta(days=days) if days is not None else timedelta(seconds=seconds or 0)
    except OverflowError:
        return timedelta.max


def _country_problem(country: str, subdivision: str | None) -> tuple[str, str] | None:
    """Why the holidays of a country are not known, and what to do; None where they are."""
    try:
        from holidays import country_holidays

        country_holidays(country, subdiv=subdivision, years=2024)
    except ImportError:
        return (
            "names the holidays of a country, and the library that knows them is not installed",
            "install it where bump is: pip install holidays; or name the days in dates",
        )
    except (NotImplementedError, ValueError) as error:
        return f"{country!r} has no holidays that are known: {error}", "countries are ISO 3166 codes, as DE"
    return None


@lru_cache(maxsize=64)
def _holidays(country: str, subdivision: str | None, year: int) -> Collection[date]:
    from holidays import country_holidays

    return frozenset(country_holidays(country, subdiv=subdivision, years=year))


def _kind(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return repr(value) if value else "nothing"
