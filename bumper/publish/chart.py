"""The stages of a deploy as a Gantt chart in mermaid's language.

Law: a chart holds our own words and numbers only. What a name may hold is a closed set of characters, because mermaid has no way to
quote. Times are milliseconds from 0, and the axis counts seconds from 0: no reader's time zone can shift it.
Source: mermaid 11, syntax of `gantt`; the axis is written by d3-time-format, whose `%s` is seconds since the epoch.
"""

import re
from collections.abc import Sequence

from bumper.ports import State, Step
from bumper.style import duration

_TAGS = {State.DONE: "done", State.FAILED: "crit", State.MOVING: "active"}
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9._/ -]+")
# Shorter bars cannot be seen.
_SHORTEST_MS = 50


def gantt(rows: Sequence[tuple[str, Sequence[Step]]]) -> str:
    """A fenced block with a section for each named row of stages, one after the other; empty where there is no stage."""
    rows = [(name, steps) for name, steps in rows if steps]
    if not rows:
        return ""
    lines = ["```mermaid", "gantt", "  dateFormat x", "  axisFormat %s s"]
    for name, steps in rows:
        lines.append(f"  section {_name(name)}")
        since_ms = 0
        for step in steps:
            taken_ms = max(_SHORTEST_MS, round(step.seconds * 1000))
            label = f"{_name(step.stage)} {duration(step.seconds)}"
            lines.append(f"  {label} :{_TAGS[step.state]}, {since_ms}, {since_ms + taken_ms}")
            since_ms += taken_ms
    return "\n".join([*lines, "```"])


def _name(text: str) -> str:
    return _NOT_A_NAME.sub(" ", text).strip()[:40] or "-"
