"""Times of day as they are written on a command line, in UTC."""

import argparse
from datetime import UTC, datetime, timedelta

from bumper.commands import options
from bumper.errors import UsageError
from bumper.request import days_of
from bumper.style import shown_time

_LAST_YEAR = 9000


def moment(text: str, now: datetime) -> datetime:
    """The time, in UTC, that `--until` names: `3d`, `12h`, `2026-12-01`, `2026-12-01T08:00Z`; UsageError for one that is past."""
    named = any_moment(text, now, "--until")
    if named <= now:
        raise UsageError(
            f"--until {text}: {shown_time(named)} has passed", hint="name a time that is still to come"
        )
    return named


def any_moment(text: str, now: datetime, option: str) -> datetime:
    """The same for a time that may be past, too."""
    try:
        named = _named(text, now, option)
        # Reckoning goes on from there for some years.
        if named.year < _LAST_YEAR:
            return named
        raise OverflowError
    except OverflowError:
        raise UsageError(f"{option} {text}: no calendar goes as far", hint="leave it out") from None


def _named(text: str, now: datetime, option: str) -> datetime:
    if (days := days_of(text)) is not None:
        return now + timedelta(days=days)
    try:
        named = datetime.fromisoformat(text).replace(microsecond=0)
    except ValueError:
        return now + timedelta(seconds=_seconds(text, option))
    return (named if named.tzinfo else named.replace(tzinfo=UTC)).astimezone(UTC)


def _seconds(text: str, option: str) -> float:
    try:
        return options.duration(text)
    except argparse.ArgumentTypeError:
        raise UsageError(
            f"{option} {text}: expected for example 3d, 12h, 2026-12-01 or 2026-12-01T08:00Z"
        ) from None
