"""Whether another machine's clock agrees with ours. Pure.

Law: no verdict compares clocks, so that a difference is never more than a warning; but tokens and certificates are valid by the clock.
"""

from datetime import datetime
from email.utils import parsedate_to_datetime

from bumper.doctor.finding import Finding, Mark

# GitHub refuses an app's token whose time is a minute ahead, Azure and Kubernetes allow five minutes.
_NOTICED_S = 30.0
_WHY = "tokens and certificates are not valid yet, or no more, by a clock that is wrong"


def epoch_s(date: str) -> float | None:
    """Epoch seconds of HTTP's `Date`; None for what is no date."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return None


def finding(subject: str, there_s: float | None, here: datetime) -> Finding | None:
    """What a clock that showed `there_s` (epoch seconds) while ours showed `here` tells; None where it showed nothing."""
    if there_s is None:
        return None
    off_s = there_s - here.timestamp()
    # Date counts whole seconds, and the answer was on its way.
    if abs(off_s) <= _NOTICED_S:
        return Finding("clock", subject, Mark.GOOD, "agrees with ours to a few seconds")
    side = "ahead of" if off_s > 0 else "behind"
    return Finding(
        "clock",
        subject,
        Mark.WARNING,
        f"{abs(off_s):.0f} s {side} ours",
        _WHY,
        "set the clock of this machine, or of that one, by NTP (timedatectl status)",
    )
