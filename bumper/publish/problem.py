"""How a run that came to no verdict is told: an error, or an interruption.

Apart from `report`, so that a request that is refused loads nothing of the rollout.
"""

import re
from collections.abc import Sequence
from typing import Any

from bumper.errors import EXIT_INTERRUPTED, BumpError
from bumper.style import COMMAND, Line, Span

_PROGRAM = re.compile(r"\b(?:bump|kubectl|flux|git|az|export) \S")


def lines(error: BumpError) -> list[Line]:
    """`error: …` and, where something helps, `help: …`."""
    shown: list[Line] = [(Span("error: ", "bad"), Span(error.message))]
    if error.hint:
        # A command is left to the terminal to break, which copies it as one line.
        style = COMMAND if _PROGRAM.search(error.hint) else ""
        shown.append((Span("help:  ", "quiet"), Span(error.hint, style)))
    return shown


def as_data(error: BumpError) -> dict[str, Any]:
    """The one object that `--output json` prints for a run that ended in an error."""
    return {
        "outcome": error.outcome.value if error.outcome else "usage",
        "exitCode": error.exit_code,
        "error": {"reason": type(error).__name__, "message": error.message, "hint": error.hint},
        "sites": [],
    }


def interruption_as_data(standing: Sequence[str]) -> dict[str, Any]:
    """The same object for a run that was interrupted: `standing` says where things stand, a line each."""
    return {"outcome": "interrupted", "exitCode": EXIT_INTERRUPTED, "standing": list(standing), "sites": []}
