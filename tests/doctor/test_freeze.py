"""What `bump doctor` says of freeze windows."""

from datetime import UTC, datetime

from bumper.doctor import freeze as checks
from bumper.doctor.finding import Mark
from bumper.freeze.file import read as read_calendar
from bumper.freeze.place import PATH
from bumper.freeze.windows import Closure

NOW = datetime(2026, 11, 29, 3, 0, tzinfo=UTC)


def test_windows_are_told_as_they_stand() -> None:
    open_calendar = read_calendar(b"windows: [{name: x, reason: y, sites: web}]")
    broken = read_calendar(b"windows: [{name: x, sites: web}]")
    closure = Closure(NOW, f"{PATH}:1", "y", window=open_calendar.windows[0])
    assert checks.findings(None, {}) == []
    (good,) = checks.findings(open_calendar, {})
    assert (good.mark, good.observed) == (Mark.GOOD, "1 freeze window, none in force")
    (frozen,) = checks.findings(open_calendar, {"web": closure, "api": closure})
    assert (frozen.mark, frozen.observed) == (
        Mark.WARNING,
        f"web, api: frozen by x with no known end: y ({PATH}:1)",
    )
    (fault,) = checks.findings(broken, {"web": closure})
    assert (fault.mark, fault.subject, fault.observed) == (Mark.MISSING, f"{PATH}:1", "reason is missing")
