"""The clock of this machine, handed to whatever asks for the time."""

import time
from datetime import UTC, datetime


class SystemClock:
    """Monotonic seconds, waiting, and the time of day in UTC."""

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def wall(self) -> datetime:
        return datetime.now(UTC)
