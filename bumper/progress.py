"""What happened to each site so far, and how long each stage took.

Law: every stage's seconds count from the end of the stage before it, so that they add up to the whole. A journal is what a run knows
when it is interrupted, and what the timeline of a report is made from.
"""

from collections.abc import Callable, Iterable

from bumper.ports.run import Display, State, Step
from bumper.style import Line, Span

MARKS = {State.DONE: ("✓", "good"), State.FAILED: ("✗", "bad"), State.MOVING: ("·", "quiet")}
STAGE_WIDTH = 11


class Journal:
    """Hears the progress of a run (`ports.Progress`), keeps it, and passes it on to a display."""

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
    def stages(self) -> frozenset[str]:
        """The stages that any site has begun."""
        return frozenset(stage for steps in self._steps.values() for stage in steps)

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

    def split(self, site: str, labels: Iterable[str]) -> None:
        """The site goes on in several clusters, named by these labels, from where it stands."""
        for label in labels:
            self._since.setdefault(label, self.since(site))

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


def header(site: str, previous: str, wanted: str) -> Line:
    """`web   08a2c8e → abc1234`; where both are the same it stands there once."""
    if previous == wanted:
        return Span(site, "strong"), Span("   "), Span(wanted, "strong")
    return Span(site, "strong"), Span("   "), Span(previous, "quiet"), Span(" → "), Span(wanted, "strong")


def step_line(shown: Step) -> Line:
    """The stage with its mark and detail; its seconds are the display's to place."""
    mark, style = MARKS[shown.state]
    return (
        Span("  "),
        Span(mark, style),
        Span(f" {shown.stage:<{STAGE_WIDTH}}"),
        Span(shown.detail, _detail_style(shown.state)),
    )


def _detail_style(state: State) -> str:
    return "bad" if state is State.FAILED else ""
