"""How the time grows with the size of what is asked for: a series for each dimension, and its exponent (1 is linear).

In seconds of processor time, children included, less those of a start; the least of three rounds. The exponent is that of the line
through the logarithms. Fails where one is above 1.1.
"""

import math
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.check import grown
from benchmarks.edit import BUMP, MANIFEST
from benchmarks.history import write_clone

MOST = 1.1
ROUNDS = 3
EDIT = ("--image", "reg.example/web", "--tag", "abc0001", "--check")


class Dimension(NamedTuple):
    """`make` lays out the given size in a folder, and returns the command that is run there."""

    name: str
    sizes: Sequence[int]
    make: Callable[[Path, int], Sequence[str]]


def main() -> int:
    """Prints every series; 1 where one grows faster than it may."""
    start_s = _least_s(["--version"], Path())
    exponents = [_measured(dimension, start_s) for dimension in DIMENSIONS]
    return int(max(exponents) > MOST)


def _measured(dimension: Dimension, start_s: float) -> float:
    print(f"{dimension.name}   (seconds of processor time, {start_s:.2f} of a start taken off)")
    points = []
    for size in dimension.sizes:
        with tempfile.TemporaryDirectory() as folder:
            command = dimension.make(Path(folder), size)
            seconds = _least_s(command, Path(folder)) - start_s
        points.append((size, seconds))
        print(f"  {size:>10,}{seconds:>9.2f} s", flush=True)
    grows = exponent(points)
    print(f"  {'exponent':>10}{grows:>9.2f}")
    return grows


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """The slope of the line through the logarithms of sizes and seconds."""
    logged = [(math.log(size), math.log(seconds)) for size, seconds in points]
    mean_size, mean_seconds = (sum(values) / len(logged) for values in zip(*logged, strict=True))
    rise = sum((size - mean_size) * (seconds - mean_seconds) for size, seconds in logged)
    return float(rise / sum((size - mean_size) ** 2 for size, _ in logged))


def _least_s(command: Sequence[str], folder: Path) -> float:
    return min(_processor_s([BUMP, *command], folder) for _ in range(ROUNDS))


def _processor_s(command: Sequence[str], folder: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _checked(folder: Path, sites: int) -> Sequence[str]:
    grown(folder, sites)
    return ["check", "."]


def _shown(folder: Path, sites: int) -> Sequence[str]:
    grown(folder, sites)
    environ = {**os.environ, "GIT_AUTHOR_NAME": "bench", "GIT_COMMITTER_NAME": "bench"}
    for command in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "."],
        ["commit", "--quiet", "--message=All"],
    ):
        subprocess.run(
            ["git", "-c", "user.email=bench@localhost", *command], cwd=folder, check=True, env=environ
        )
    return ["status", "--offline", "--repo", "."]


def _recorded(folder: Path, deploys: int) -> Sequence[str]:
    write_clone(folder, deploys)
    return ["history", "--offline", "--limit", "0"]


def _files(folder: Path, count: int) -> Sequence[str]:
    names = [f"{number}.yaml" for number in range(count)]
    for name in names:
        (folder / name).write_text(MANIFEST, encoding="utf-8")
    return ["edit", *names, *EDIT]


def _one_file(folder: Path, documents: int) -> Sequence[str]:
    (folder / "many.yaml").write_text("---\n".join([MANIFEST] * documents), encoding="utf-8")
    return ["edit", "many.yaml", *EDIT]


DIMENSIONS = (
    Dimension("bump check, by sites (five files each)", (100, 300, 900), _checked),
    Dimension("bump status --offline, by sites", (100, 300, 900), _shown),
    Dimension("bump history, by deploys", (1_000, 4_000, 16_000), _recorded),
    Dimension("bump edit, by files of 0.3 kB", (100, 400, 1_600), _files),
    Dimension("bump edit, by documents in one file", (400, 1_600, 6_400), _one_file),
)


if __name__ == "__main__":
    sys.exit(main())
