"""How a run that came to no verdict is told: an error, or an interruption.

Apart from `report`, so that a request that is refused loads nothing of the rollout.
"""

import re
from collections.abc import Sequence
from typing import Any

from bumper.errors import EXIT_INTERRUPTED, BumpError
from bumper.style import Line, Span

# A value that an error quotes has no end where the whole of another file, or of a log, stands in its place.
_LONG = re.compile(r"\S{1001,}")
_SHOWN = 200


def lines(error: BumpError) -> list[Line]:
    """`error: …` and, where something helps, `help: …`, a line for each thing that does."""
    from bumper.publish import remedy  # a run that goes well has no use for it

    helps = remedy.lines(_quoted(error.hint), Span("help:  ", "quiet"), Span("or:    ", "quiet"))
    return [(Span("error: ", "bad"), Span(_quoted(error.message))), *helps]


def as_data(error: BumpError) -> dict[str, Any]:
    """The one object that `--output json` prints for a run that ended in an error."""
    return {
        "outcome": error.outcome.value if error.outcome else "usage",
        "exitCode": error.exit_code,
        "error": {
            "reason": type(error).__name__,
            "message": _quoted(error.message),
            "hint": _quoted(error.hint),
        },
        "sites": [],
    }


def interruption_as_data(standing: Sequence[str]) -> dict[str, Any]:
    """The same object for a run that was interrupted: `standing` says where things stand, a line each."""
    return {"outcome": "interrupted", "exitCode": EXIT_INTERRUPTED, "standing": list(standing), "sites": []}


def _quoted(text: str) -> str:
    """The text with the beginning alone, and the length, of whatever in it is long and has no blank."""
    return _LONG.sub(lambda match: f"{match[0][:_SHOWN]}… ({len(match[0]):,} characters)", text)
