"""`bump edit` against what workflows use, mikefarah's `yq -i` and `sed -i`: whole processes, a small file, a large one, and many."""

import subprocess
import tempfile
from pathlib import Path

from benchmarks.ours import bump
from benchmarks.peers import yq
from benchmarks.sidebyside import Way, measure, peak_mb, processor_s, rounds_of

MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web # the shop
spec:
  replicas: 1

  template:
    spec:
      containers:
        - name: web
          image: reg.example/web:0000000 # set by the pipeline
          ports:
            - {containerPort: 8080}
"""
# A file of 2.5 MB in which a scalar takes as few bytes as in most manifests.
OBJECTS = 9_200
OBJECT = """\
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: c{number}
  namespace: shop
  labels:
    app: c{number}
    team: shop
data:
  key: |
    {number:080}
  other: |
    {number:040}
"""
FILES = 1_000
YQ, SED = "yq -i (mikefarah)", "sed -i"
FIELD = '(select(.kind == "Deployment") | .spec.template.spec.containers[0].image)'
SMALL_GOAL, MANY_GOAL, LARGE_GOAL, LARGE_GOAL_MB = 9, 0.18, 1.5, 60


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small.yaml", Path(folder) / "large.yaml"
        small.write_text(MANIFEST, encoding="utf-8")
        large.write_text(
            MANIFEST + "".join(OBJECT.format(number=number) for number in range(OBJECTS)), encoding="utf-8"
        )
        many = [Path(folder) / f"{number}.yaml" for number in range(FILES)]
        for path in many:
            path.write_text(MANIFEST, encoding="utf-8")
        program = yq()
        measure(
            "edit one manifest of 0.3 kB",
            ways([small], program),
            rounds=rounds_of(15),
            stopwatch=processor_s,
            goals={YQ: SMALL_GOAL},
        )
        measure(
            f"edit {FILES:,} files in one call, {YQ} once a file",
            ways(many, program),
            rounds=rounds_of(3),
            stopwatch=processor_s,
            goals={YQ: MANY_GOAL},
        )
        measure(
            f"edit one file of {large.stat().st_size / 1e6:.1f} MB",
            ways([large], program),
            rounds=rounds_of(5),
            goals={YQ: LARGE_GOAL},
        )
        print(
            f"  {'the most memory of bump edit':<44}{peak_mb(*ours([large], 90)):>15.0f} MB{LARGE_GOAL_MB:>15} MB"
        )
        if program:
            print(f"  {'of ' + YQ:<44}{peak_mb(*theirs(large, program, 91)):>15.0f} MB")


def ways(paths: list[Path], program: Path | None) -> dict[str, Way]:
    """The tag of all files changed; `sed` only where it is one file, since it is in no row of many."""
    by_name: dict[str, Way] = {"bump edit": lambda number: run(*ours(paths, number))}
    if program and len(paths) == 1:
        by_name[YQ] = lambda number: run(*theirs(paths[0], program, number))
        by_name[SED] = lambda number: run(
            "sed", "-i", f"s|reg.example/web:.*|reg.example/web:{tag(number)}|", str(paths[0])
        )
    elif program:
        names = [path.name for path in paths]
        loop = 'cd "$1" && shift && program=$1 edit=$2 && shift 2 && for file; do "$program" -i "$edit" "$file" || exit 1; done'
        by_name[YQ] = lambda number: run(
            "sh", "-c", loop, "sh", str(paths[0].parent), str(program), expression(number), *names
        )
    return by_name


def ours(paths: list[Path], number: int) -> list[str]:
    return [bump(), "edit", *map(str, paths), "--image", "reg.example/web", "--tag", tag(number)]


def theirs(path: Path, program: Path, number: int) -> list[str]:
    return [str(program), "-i", expression(number), str(path)]


def expression(number: int) -> str:
    return f'{FIELD} = "reg.example/web:{tag(number)}"'


def tag(number: int) -> str:
    return f"abc{number:04}"


def run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
