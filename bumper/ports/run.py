"""What a run is handed: a clock, and those who hear how it goes."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bumper.dataclasses import dataclass
from bumper.style import Line


class Clock(Protocol):
    """Monotonic seconds, and waiting."""

    def now(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


class WallClock(Clock, Protocol):
    """A clock that also knows the time of day, in UTC."""

    def wall(self) -> datetime: ...


class Progress(Protocol):
    """Hears of each stage of each site while it happens; `terminal.Terminal` is the real one."""

    def begin(self, site: str, previous: str, wanted: str) -> None: ...
    def moving(self, site: str, stage: str, detail: str) -> None: ...
    def done(self, site: str, stage: str, detail: str) -> None: ...
    def failed(self, site: str, stage: str, detail: str) -> None: ...
    def notice(self, text: str) -> None: ...


class State(StrEnum):
    """Of one stage."""

    MOVING = "moving"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Step:
    """One stage of one site as it stands: `seconds` is how long it has taken so far."""

    site: str
    stage: str
    state: State
    detail: str
    seconds: float


class Display(Protocol):
    """Shows a journal to a person; `terminal.Terminal` is the real one."""

    def begin(self, site: str, previous: str, wanted: str) -> None: ...
    def show(self, step: Step) -> None: ...
    def notice(self, text: str) -> None: ...


class Terminal(Protocol):
    """A display (`ports.Display`) that also prints lines and is closed at the end."""

    def begin(self, site: str, previous: str, wanted: str) -> None: ...
    def show(self, step: Step) -> None: ...
    def notice(self, text: str) -> None: ...
    def write(self, lines: Iterable[Line]) -> None: ...
    def close(self) -> None: ...


class Board(Protocol):
    """Where a picture is shown that changes all the time: whole (`show`) where `is_live`, else by what is new (`add`)."""

    @property
    def is_live(self) -> bool: ...
    def show(self, lines: Sequence[Line]) -> None: ...
    def add(self, lines: Iterable[Line]) -> None: ...
    def close(self) -> None: ...
