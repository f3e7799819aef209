"""The slow-peer table, cell by cell and over again: each ends within its slack of the deadline in force, by words for people."""

from slow_peers import DEADLINE_S, SLACK_S, Row, all_cells
from slow_peers import run as ask

from .table import Tally

_CELLS = all_cells()
TARGET, SLICE, SHORT = len(_CELLS) * 5, 20, 2
# With few cases, too, one of each system soon.
_STRIDE = 17


def run(start: int, cases: int) -> Tally:
    """The cells of these numbers."""
    tally = Tally()
    for number in range(start, start + cases):
        cell = _CELLS[number * _STRIDE % len(_CELLS)]
        row = ask(*cell)
        # A machine that is busy with others may be late once.
        row = ask(*cell) if _fault(row) else row
        faults = (f"{row.system}, {row.way}: {_fault(row)}",) if _fault(row) else ()
        tally += Tally(
            faults, {"late at most s": round(max(0.0, row.seconds - DEADLINE_S), 2), "cells": len(_CELLS)}
        )
    return tally


def _fault(row: Row) -> str:
    if not row.is_expected:
        return row.end[:300]
    return f"took {row.seconds:.1f} s" if row.seconds > DEADLINE_S + 1.0 + SLACK_S else ""
