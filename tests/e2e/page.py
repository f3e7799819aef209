"""docs/verdicts.md: one page whose sections are written by the commands that measure them, each its own."""

import os
import re
from pathlib import Path

HEAD = """\
# Verdicts on a real cluster

Measured, and not written by hand: `make e2e-all` writes the first table, `make e2e-peers` the second one.
"""


def machine() -> str:
    """What the seconds were measured on: a processor that has other work to do takes longer for everybody."""
    return f"{os.cpu_count()} processors with a load of {os.getloadavg()[1]:.0f}"


def put(path: Path, heading: str, body: str) -> None:
    """Writes the section of that heading, in the place of the one that is there."""
    page = path.read_text(encoding="utf-8") if path.exists() else HEAD
    section = f"## {heading}\n\n{body.strip()}\n\n"
    written, count = _section(heading).subn(lambda _: section, page)
    path.write_text((written if count else f"{page}\n{section}").rstrip() + "\n", encoding="utf-8")


def rows(path: Path, heading: str) -> dict[str, str]:
    """The rows of that section's table as they are written, by what stands in their first column."""
    page = path.read_text(encoding="utf-8") if path.exists() else ""
    section = _section(heading).search(page)
    lines = section[0].splitlines() if section else []
    table = [line for line in lines if line.startswith("| ")][1:]
    return {line.split(" | ")[0].removeprefix("| "): line for line in table}


def _section(heading: str) -> re.Pattern[str]:
    return re.compile(rf"^## {re.escape(heading)}\n(?:(?!## ).*\n?)*", re.MULTILINE)
