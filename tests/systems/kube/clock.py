"""A clock that moves only when a test moves it, or when something sleeps on it."""

from datetime import UTC, datetime


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds

    def wall(self) -> datetime:
        return datetime.now(UTC)
