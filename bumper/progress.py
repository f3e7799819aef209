"""What happened to each site so far, and how long each stage took.

Law: every stage's seconds count from the end of the stage before it, so that they add up to the whole. A journal is what a run knows
when it is interrupted, and what the timeline of a report is made from.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


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


class Journal:
    """Hears the progress of a run (`systems.Progress`), keeps it, and passes it on to a display."""

    def __init__(self, now: Callable[[], float], display: Display) -> None:
        self._now = now
        self._display = display
        self._steps: dict[str, dict[str, Step]] = {}
        self._since: dict[str, float] = {}
        self._started = now()
        self.notices: list[str] = []

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return self._now() - self._started

    def steps(self, site: str) -> tuple[Step, ...]:
        """The stages of a site in the order in which they began."""
        return tuple(self._steps.get(site, {}).values())

    @property
    def started(self) -> float:
        """When the run began, on the clock handed in."""
        return self._started

    def since(self, site: str) -> float:
        """When the last stage of a site ended, on the clock handed in."""
        return self._since.get(site, self._started)

    def begin(self, site: str, previous: str, wanted: str) -> None:
        self._steps.setdefault(site, {})
        self._display.begin(site, previous, wanted)

    def resume(self, site: str, steps: Iterable[Step], since: float) -> None:
        """Takes over what another run had done by `since`."""
        for step in steps:
            self._steps.setdefault(site, {})[step.stage] = step
            self._display.show(step)
        self._since[site] = since

    def moving(self, site: str, stage: str, detail: str) -> None:
        self._keep(site, stage, State.MOVING, detail)

    def done(self, site: str, stage: str, detail: str) -> None:
        self._keep(site, stage, State.DONE, detail)
        self._since[site] = self._now()

    def failed(self, site: str, stage: str, detail: str) -> None:
        self._keep(site, stage, State.FAILED, detail)

    def notice(self, text: str) -> None:
        """Said once, however often it is found."""
        if text not in self.notices:
            self.notices.append(text)
            self._display.notice(text)

    def _keep(self, site: str, stage: str, state: State, detail: str) -> None:
        seconds = self._now() - self._since.setdefault(site, self._started)
        step = Step(site, stage, state, detail, seconds)
        self._steps.setdefault(site, {})[stage] = step
        self._display.show(step)
