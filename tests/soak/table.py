"""The table that all runs append to, outside of the repository: a JSON line for each slice of a part."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class Tally:
    """What a slice came to: faults in words, and measures of which the highest counts."""

    faults: tuple[str, ...] = ()
    measures: Mapping[str, float] = field(default_factory=dict)

    def __add__(self, other: Self) -> "Tally":
        both = {**self.measures}
        for name, value in other.measures.items():
            both[name] = max(value, both.get(name, value))
        return Tally((*self.faults, *other.faults), both)


@dataclass(frozen=True)
class Row:
    """One slice: the cases `start` up to `start + done` of a part, as they went on the code of `commit`."""

    part: str
    start: int
    done: int
    seconds: float
    at: str
    commit: str
    faults: tuple[str, ...] = ()
    measures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """The rows in a file."""

    path: Path

    def append(self, row: Row) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(row)) + "\n")

    def rows(self, part: str = "") -> Iterator[Row]:
        """Those of a part, or all; a line that a kill cut short is passed over."""
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        for line in lines:
            try:
                row = Row(**json.loads(line))
            except ValueError:
                continue
            if part in ("", row.part):
                yield row

    def next_case(self, part: str) -> int:
        """Where a run goes on."""
        return max((row.start + row.done for row in self.rows(part)), default=0)
