"""The stages of a deploy as a Gantt chart in mermaid's language.

Law: a chart holds our own words and numbers only. What a name may hold is a closed set of characters, because mermaid has no way to
quote. It is drawn only where lengths say more than the numbers do.
Source: mermaid 11, syntax of `gantt`; the axis is written by d3-time-format, whose `%s` is seconds and `%Q` milliseconds since the
epoch, so that no reader's time zone can shift it. Minutes have no such sign: there a second on the axis stands for a minute.
"""

import re
from collections.abc import Sequence

from bumper.ports.run import State, Step
from bumper.style import duration

# A stage without an end in a run that has ended keeps mermaid's own colour.
_TAGS = {State.DONE: "done, ", State.FAILED: "crit, ", State.MOVING: ""}
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9._/ -]+")
# Below this a bar is a dot, and lengths say nothing.
_SHORTEST_RUN_S, _MOST_OF_IT = 5.0, 0.9
_MOST_TICKS = 6
# Green and red as GitHub has them, readable on white and on black; the words stand on the bars' own grey or beside them.
_LOOK = (
    '%%{init: {"theme": "base", "themeVariables": {"textColor": "#768390", "taskTextOutsideColor": "#768390", '
    '"taskTextDarkColor": "#ffffff", "taskTextLightColor": "#ffffff", "taskTextColor": "#ffffff", '
    '"doneTaskBkgColor": "#2da44e", "doneTaskBorderColor": "#2da44e", "critBkgColor": "#cf222e", "critBorderColor": "#cf222e", '
    '"taskBkgColor": "#9a6700", "taskBorderColor": "#9a6700", "sectionBkgColor": "transparent", '
    '"altSectionBkgColor": "transparent", "gridColor": "#768390"}, '
    '"gantt": {"useWidth": 380, "leftPadding": 60, "rightPadding": 75, "barHeight": 18, "fontSize": 12, "topPadding": 50}}}%%'
)


def gantt(rows: Sequence[tuple[str, Sequence[Step]]]) -> str:
    """A fenced block with a section for each row of stages, one after the other; a row alone needs no name. Empty where it would say
    nothing."""
    rows = [(name, steps) for name, steps in rows if steps]
    if not any(map(_says_something, (steps for _, steps in rows))):
        return ""
    scale, sign, unit = _axis(max(sum(step.seconds for step in steps) for _, steps in rows))
    lines = ["```mermaid", _LOOK, "gantt", "  dateFormat x", f"  axisFormat {sign}", f"  tickInterval {unit}"]
    for name, steps in rows:
        lines += [f"  section {_name(name)}"] if name else []
        since = 0
        for step in steps:
            taken = max(1, round(step.seconds * scale))
            label = f"{_name(step.stage)} {duration(step.seconds)}"
            lines.append(f"  {label} :{_TAGS[step.state]}{since}, {since + taken}")
            since += taken
    return "\n".join([*lines, "```"])


def _says_something(steps: Sequence[Step]) -> bool:
    """Whether two stages or more took a part of the time that can be seen."""
    total_s = sum(step.seconds for step in steps)
    return total_s >= _SHORTEST_RUN_S and max(step.seconds for step in steps) < _MOST_OF_IT * total_s


def _axis(total_s: float) -> tuple[float, str, str]:
    """What a second is drawn as, in mermaid's milliseconds; the ticks' text, and how far they lie apart."""
    if total_s <= 180:
        return 1000.0, "%s s", f"{_step(total_s)}second"
    return 1000.0 / 60, "%s min", f"{_step(total_s / 60)}second"


def _step(length: float) -> int:
    return next((step for step in (1, 2, 5, 10, 15, 30) if length / step <= _MOST_TICKS), 60)


def _name(text: str) -> str:
    return _NOT_A_NAME.sub(" ", text).strip()[:40] or "-"
