"""The last figures of each part, as a table in SECURITY.md between two marks, from which another machine goes on."""

import re
import sys
from pathlib import Path

from .table import Row, Table, Tally

BEGIN, END = "<!-- figures of make soak -->", "<!-- end of the figures -->"
_BLOCK = re.compile(f"{BEGIN}\n(.*?){END}", re.DOTALL)
_LINE = re.compile(
    r"^\| (?P<part>[a-z]+) \| (?P<cases>[\d,]+) \| (?P<hours>[\d.]+) \| (?P<faults>\d+) \| (?P<noted>.*?) ?\| (?P<day>[\d-]+) \|$",
    re.MULTILINE,
)
# What sums that were taken over from the page have in place of a commit and of words.
PUBLISHED = "published"


def say(text: str) -> None:
    """A line for whoever watches, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def publish(table: Table, page: Path) -> int:
    """Writes them; returns 1 where the page has no place for them."""
    text = page.read_text(encoding="utf-8")
    if not _BLOCK.search(text):
        say(f"{page}: no place between {BEGIN} and {END}")
        return 1
    page.write_text(_BLOCK.sub(lambda _: f"{BEGIN}\n{rendered(table)}{END}", text), encoding="utf-8")
    return 0


def take_over(table: Table, page: Path) -> None:
    """Begins a table that is not there with the sums of the page, so that a new machine neither repeats nor loses what was run."""
    if table.path.exists():
        return
    block = _BLOCK.search(page.read_text(encoding="utf-8"))
    for line in _LINE.finditer(block[1] if block else ""):
        done, seconds = int(line["cases"].replace(",", "")), float(line["hours"]) * 3600
        noted = (each.rpartition(" ") for each in line["noted"].split(", ") if each)
        measures = {name: float(value) for name, _, value in noted}
        faults = (PUBLISHED,) * int(line["faults"])
        table.append(Row(line["part"], 0, done, seconds, line["day"], PUBLISHED, faults, measures))


def rendered(table: Table) -> str:
    """A row for each part: what was done in all, how long, and what was found."""
    names = list(dict.fromkeys(row.part for row in table.rows()))
    lines = [
        "| part | cases | hours | faults since the last mend | of note | last |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *(_line(part, list(table.rows(part))) for part in names)]) + "\n"


def _line(part: str, rows: list[Row]) -> str:
    # A fault is mended with a commit: what came up on the code of before stays in the file, and is not today's.
    last = [row for row in rows if row.commit == rows[-1].commit]
    total = sum((Tally(row.faults, row.measures) for row in last), start=Tally())
    noted = ", ".join(f"{name} {value:g}" for name, value in sorted(total.measures.items()))
    hours = sum(row.seconds for row in rows) / 3600
    cases = sum(row.done for row in rows)
    return f"| {part} | {cases:,} | {hours:.2f} | {len(total.faults)} | {noted} | {rows[-1].at[:10]} |"
