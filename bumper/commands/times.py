"""Times of day as they are written on a command line, in UTC."""

import argparse
import re
from datetime import UTC, datetime, timedelta

from bumper.commands import options
from bumper.deploy.hold import annotations
from bumper.errors import UsageError

_DAYS = re.compile(r"(\d{1,4})([dw])")
_DAYS_IN = {"d": 1, "w": 7}


def moment(text: str, now: datetime) -> datetime:
    """The time, in UTC, that `--until` names: `3d`, `12h`, `2026-12-01`, `2026-12-01T08:00Z`; UsageError for one that is past."""
    try:
        named = _named(text, now)
    except OverflowError:
        raise UsageError(f"--until {text}: no calendar goes as far", hint="leave it out") from None
    if named <= now:
        raise UsageError(
            f"--until {text}: {annotations.shown(named)} has passed", hint="name a time that is still to come"
        )
    return named


def _named(text: str, now: datetime) -> datetime:
    if days := _DAYS.fullmatch(text):
        return now + timedelta(days=int(days[1]) * _DAYS_IN[days[2]])
    try:
        named = datetime.fromisoformat(text).replace(microsecond=0)
    except ValueError:
        return now + timedelta(seconds=_seconds(text))
    return (named if named.tzinfo else named.replace(tzinfo=UTC)).astimezone(UTC)


def _seconds(text: str) -> float:
    try:
        return options.duration(text)
    except argparse.ArgumentTypeError:
        raise UsageError(
            f"--until {text}: expected for example 3d, 12h, 2026-12-01 or 2026-12-01T08:00Z"
        ) from None
