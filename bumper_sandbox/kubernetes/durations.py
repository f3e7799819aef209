"""Durations as Go writes and reads them: `time.Duration.String` and `time.ParseDuration`. Pure."""

import re

_UNITS_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_NUMBER_AND_UNIT = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|us|µs|ns|m|s)")


def duration(seconds: float) -> str:
    """As Go writes it: `1m0.5s`, `30s`, `299.142449ms`."""
    nanoseconds = round(seconds * 1e9)
    if nanoseconds == 0:
        return "0s"
    for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if nanoseconds < size * 1000:
            return _number(nanoseconds, size) + unit
    minutes, rest = divmod(nanoseconds, 60_000_000_000)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{head}{_number(rest, 1_000_000_000)}s"


def _number(nanoseconds: int, size: int) -> str:
    whole, rest = divmod(nanoseconds, size)
    digits = len(str(size)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0").rstrip(".") if rest else str(whole)


def seconds(text: str) -> float:
    """The seconds of a duration as Go reads it: `1m0s`, `90s`, `1h30m`."""
    numbers = _NUMBER_AND_UNIT.findall(text)
    if not numbers or "".join(number + unit for number, unit in numbers) != text:
        raise ValueError(f"no duration: {text!r}")
    return sum(float(number) * _UNITS_S[unit] for number, unit in numbers)
