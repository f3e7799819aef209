"""`python -m soak [--part NAME]… [--for TIME] [--short] [--publish]`: the parts, each from where its last run stopped."""

import argparse
import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, cast

from bumper.request import seconds_of

from . import figures
from .figures import say
from .table import Row, Table, Tally

TOP = Path(__file__).parents[2]
TABLE = Path(os.environ.get("BUMP_SOAK_TABLE") or Path.home() / ".cache" / "bump-soak" / "table.jsonl")
NAMES = ("editor", "hostile", "canaries", "slow", "kills", "writers", "rollouts", "watching")


class Part(Protocol):
    """What each module of a part offers. Its docstring says what it holds.

    `TARGET` cases are a long run, `SLICE` are done between two looks at the clock, and `SHORT` in .ci/run.
    """

    TARGET: int
    SLICE: int
    SHORT: int

    def run(self, start: int, cases: int, /) -> Tally: ...


@dataclass(frozen=True)
class Course:
    """How far a run goes: from which case, how many, and for how long."""

    name: str
    start: int
    count: int
    slice: int
    seconds: float


def main(arguments: Sequence[str]) -> int:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # In the background a shell has its children ignore Ctrl-C, and theirs inherit that: nothing would end them.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    given = _parser().parse_args(arguments)
    table = Table(TABLE)
    figures.take_over(table, TOP / "SECURITY.md")
    if given.publish:
        return figures.publish(table, TOP / "SECURITY.md")
    faults = 0
    for name in given.part or NAMES:
        part = cast(Part, importlib.import_module(f"soak.{name}"))
        faults += _run(part, _course(name, part, table, given), None if given.short else table)
    return 1 if faults else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make soak")
    parser.add_argument("--part", action="append", choices=NAMES, help="only this one, repeatable")
    parser.add_argument(
        "--for", dest="seconds", type=_seconds, default=float("inf"), help="seconds or 10m, for each part"
    )
    parser.add_argument(
        "--short",
        action="store_true",
        help="a few cases of each, in the order of their numbers; nothing is kept",
    )
    parser.add_argument(
        "--publish", action="store_true", help="write the figures of the table into SECURITY.md"
    )
    return parser


def _seconds(text: str) -> float:
    seconds = seconds_of(text)
    if seconds is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration, expected for example 90s or 10m")
    return seconds


def _course(name: str, part: Part, table: Table, given: argparse.Namespace) -> Course:
    if given.short:
        return Course(name, 0, part.SHORT, part.SHORT, float("inf"))
    start = table.next_case(name)
    return Course(name, start, max(0, part.TARGET - start), part.SLICE, given.seconds)


def _run(part: Part, course: Course, table: Table | None) -> int:
    """Runs slice after slice, keeps each, and says what went wrong; returns how much."""
    begun, end = time.monotonic(), course.start + course.count
    at, faults = course.start, 0
    while at < end and time.monotonic() - begun < course.seconds:
        count, started = min(course.slice, end - at), time.monotonic()
        tally = part.run(at, count)
        row = _row(course.name, at, count, time.monotonic() - started, tally)
        if table:
            table.append(row)
        faults += len(tally.faults)
        _tell(row)
        at += count
    if course.count == 0:
        say(f"{course.name:<10} all {course.start:,} cases are in the table")
    return faults


def _row(name: str, start: int, count: int, seconds: float, tally: Tally) -> Row:
    commit = subprocess.run(
        ["git", "rev-parse", "--short=7", "HEAD"], cwd=TOP, capture_output=True, text=True, check=False
    ).stdout.strip()
    when = datetime.now(UTC).isoformat(timespec="seconds")
    return Row(name, start, count, round(seconds, 1), when, commit, tally.faults, dict(tally.measures))


def _tell(row: Row) -> None:
    measures = "".join(f"   {name} {value:g}" for name, value in sorted(row.measures.items()))
    say(
        f"{row.part:<10} {row.start:>8,} + {row.done:<7,} {row.seconds:>7.1f} s   faults {len(row.faults)}{measures}"
    )
    for fault in row.faults:
        say(f"  fault: {fault}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
