"""How the time grows with the size of what is asked for: a series for each dimension, and its exponent (1 is linear).

In seconds of processor time, children included, less those of a start; the least of three rounds. The exponent is that of the line
through the logarithms. Fails where one is above 1.1: for whole platforms, each with 50 deploys a site, also that of the processes of
git, each of which may be a request. Of writers on one branch it is the tries that each of them takes, and of a watch the seconds of
the changes that it saw, one round each.
"""

import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from benchmarks import contention, following
from benchmarks.check import grown
from benchmarks.edit import MANIFEST
from benchmarks.fleet import Fleet
from benchmarks.history import write_clone
from benchmarks.ours import bump
from benchmarks.platform import Platform
from benchmarks.repositories import OLD, write_repository
from benchmarks.sidebyside import processor_s
from bumper.errors import EXIT_CODES, Outcome
from bumper_sandbox.git.server import GitServer
from bumper_sandbox.registry.server import RegistryServer

MOST = 1.1
ROUNDS = 3
PLATFORMS = (100, 300, 1_000)
DEPLOYS_A_SITE = 50
# Of an edit that would change something.
CHANGED = EXIT_CODES[Outcome.FAILED]
_AT_END = ExitStack()
EDIT = ("--image", "reg.example/web", "--tag", "abc0001", "--check")


class Run(NamedTuple):
    """A command of ours, the exit code that it ends with, and what its environment has besides."""

    command: Sequence[str]
    code: int = 0
    environ: Mapping[str, str] = MappingProxyType({})


class Dimension(NamedTuple):
    """`make` lays out the given size in a folder, and returns what is run there. `of_platform`: of whole platforms."""

    name: str
    sizes: Sequence[int]
    make: Callable[[Path, int], Run]
    of_platform: bool = False


class Counted(NamedTuple):
    """A dimension of which something else is counted, once for each size."""

    name: str
    sizes: Sequence[int]
    counted: Callable[[int], float]


def main(names: Sequence[str] = ()) -> int:
    """Prints every series, or those whose name holds one of the names; 1 where one grows faster than it may."""

    def is_chosen(name: str) -> bool:
        return not names or any(each in name for each in names)

    with _AT_END:
        start_s = _least_s(Run(["--version"]), Path(), ROUNDS)[0]
        within = [_is_within(each, start_s) for each in DIMENSIONS if is_chosen(each.name)]
        within += [_is_counted_within(each) for each in COUNTED if is_chosen(each.name)]
    return int(not all(within))


def _is_counted_within(dimension: Counted) -> bool:
    print(dimension.name)
    points = []
    for size in dimension.sizes:
        points.append((size, dimension.counted(size)))
        print(f"  {size:>10,}{points[-1][1]:>9.2f}", flush=True)
    print(f"  {'exponent':>10}{exponent(points):>9.2f}")
    return exponent(points) <= MOST


def _is_within(dimension: Dimension, start_s: float) -> bool:
    print(f"{dimension.name}   (seconds of processor time, {start_s:.2f} of a start taken off)")
    points, processes = [], []
    for size in dimension.sizes:
        with tempfile.TemporaryDirectory() as folder:
            run = dimension.make(Path(folder), size)
            taken_s, started = _least_s(run, Path(folder), 1 if dimension.of_platform else ROUNDS)
        points.append((size, taken_s - start_s))
        processes.append((size, started))
        requests = f"{started:>8} git processes" if dimension.of_platform else ""
        print(f"  {size:>10,}{taken_s - start_s:>9.2f} s{requests}", flush=True)
    grows = exponent(points)
    asks = exponent(processes) if dimension.of_platform else 0.0
    print(f"  {'exponent':>10}{grows:>9.2f}" + (f"{asks:>10.2f}" if dimension.of_platform else ""))
    return max(grows, asks) <= MOST


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """The slope of the line through the logarithms of sizes and seconds."""
    logged = [(math.log(size), math.log(seconds)) for size, seconds in points]
    mean_size, mean_seconds = (sum(values) / len(logged) for values in zip(*logged, strict=True))
    rise = sum((size - mean_size) * (seconds - mean_seconds) for size, seconds in logged)
    return float(rise / sum((size - mean_size) ** 2 for size, _ in logged))


def _least_s(run: Run, folder: Path, rounds: int) -> tuple[float, int]:
    """The least seconds of the processor, and how many processes of git there were."""
    return min(_processor_s(run, folder) for _ in range(rounds))


def _processor_s(run: Run, folder: Path) -> tuple[float, int]:
    with tempfile.TemporaryDirectory() as traces:
        environ = {**os.environ, "GIT_TRACE2_EVENT": traces, **run.environ}
        before_s = processor_s()
        ended = subprocess.run(
            [bump(), *run.command], cwd=folder, env=environ, capture_output=True, text=True, check=False
        )
        taken_s = processor_s() - before_s
        # What git starts itself writes into a file of its own, too.
        processes = len(list(Path(traces).iterdir()))
    if ended.returncode != run.code:
        raise RuntimeError(f"{run.command} ended with {ended.returncode}: {ended.stderr[-500:]}")
    return taken_s, processes


def _checked(folder: Path, sites: int) -> Run:
    grown(folder, sites)
    return Run(["check", "."])


@cache
def _platform(sites: int) -> Path:
    """A platform of so many sites, each with some 50 deploys, whose last ones are of today."""
    folder = Path(_AT_END.enter_context(tempfile.TemporaryDirectory())) / "platform"
    now = datetime.now(UTC).replace(microsecond=0)
    return Platform(sites, sites * DEPLOYS_A_SITE, now).write(folder, url=str(folder))


def _shown(_: Path, sites: int) -> Run:
    return Run(["status", "--offline", "--repo", str(_platform(sites))])


def _told(_: Path, sites: int) -> Run:
    return Run(["history", "--metrics", "--repo", str(_platform(sites))])


def _promoted(_: Path, sites: int) -> Run:
    # Refused once all of the record was read: what comes after that is one site's, however many there are.
    criteria = [
        "--from",
        "staging",
        "--to",
        "production",
        "--soak",
        "9999d",
        "--follow",
        "github",
        "--dry-run",
    ]
    return Run(["promote", "site-0001", *criteria, "--repo", str(_platform(sites))], code=4)


def _swept(_: Path, sites: int) -> Run:
    fleet = _AT_END.enter_context(Fleet(sites // 2, digits=4))
    looks = ["--dry-run", "--newer-than", "400d", "--older-than", "0s", "--timeout", "1s"]
    # The cluster builds something else under these names: it is read all the same, and each site is not known.
    code = EXIT_CODES[Outcome.UNKNOWN]
    return Run(["sweep", *looks, "--repo", str(_platform(sites))], code, fleet.environ())


def _reported(folder: Path, sites: int) -> Run:
    page = folder / "report.html"
    return Run(["report", "--offline", "--repo", str(_platform(sites)), "--html", str(page)])


def _recorded(folder: Path, deploys: int) -> Run:
    write_clone(folder, deploys)
    return Run(["history", "--offline", "--limit", "0"])


def _files(folder: Path, count: int) -> Run:
    names = [f"{number}.yaml" for number in range(count)]
    for name in names:
        (folder / name).write_text(MANIFEST, encoding="utf-8")
    return Run(["edit", *names, *EDIT], CHANGED)


def _one_file(folder: Path, documents: int) -> Run:
    (folder / "many.yaml").write_text("---\n".join([MANIFEST] * documents), encoding="utf-8")
    return Run(["edit", "many.yaml", *EDIT], CHANGED)


def _one_document(folder: Path, kilobytes: int) -> Run:
    lines = "".join(f"  key-{number:06}: {'value ' * 14}{number:06}\n" for number in range(kilobytes * 10))
    settings = f"---\nkind: ConfigMap\napiVersion: v1\nmetadata:\n  name: settings\ndata:\n{lines}"
    (folder / "large.yaml").write_text(MANIFEST + settings, encoding="utf-8")
    return Run(["edit", "large.yaml", *EDIT], CHANGED)


def _one_release(folder: Path, images: int) -> Run:
    values = "".join(
        f"    part-{number}:\n      image:\n        repository: reg.example/web\n        tag: '0'\n"
        for number in range(images)
    )
    release = f"apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata:\n  name: web\nspec:\n  values:\n{values}"
    (folder / "release.yaml").write_text(release, encoding="utf-8")
    return Run(["edit", "release.yaml", *EDIT], CHANGED)


@cache
def _registry() -> RegistryServer:
    registry = _AT_END.enter_context(RegistryServer(authentication="none"))
    for tag in (OLD, "abc0001"):
        registry.push("site-0", tag)
    return registry


def _among(folder: Path, kustomizations: int) -> Run:
    sites = [f"site-{number}" for number in range(kustomizations)]
    write_repository(folder / "p.git", files=0, commits=1, registry=_registry().host, sites=sites)
    asked = ["--site", "site-0", "--tag", "abc0001", "--repo", str(folder / "p.git")]
    return Run([*asked, "--dry-run"])


def _tries_a_writer(writers: int) -> float:
    with GitServer(token=contention.TOKEN, environ=os.environ) as server:
        attempts, _ = contention.raced(server, contention.ours, writers)
    return sum(attempt.tries for attempt in attempts) / writers


def _followed_s(changes: int) -> float:
    return following.measured(20, changes).processor_s


COUNTED = (
    Counted("tries a writer, by writers on one branch", (4, 8, 16, 32), _tries_a_writer),
    Counted("seconds of the processor, by changes of one of 20 followed sites", (40, 160, 640), _followed_s),
)
DIMENSIONS = (
    Dimension("bump check, by sites (five files each)", (100, 300, 900), _checked),
    Dimension("bump status --offline, by sites", PLATFORMS, _shown, of_platform=True),
    Dimension("bump history --metrics, by sites", PLATFORMS, _told, of_platform=True),
    Dimension("bump promote, by sites", PLATFORMS, _promoted, of_platform=True),
    Dimension("bump sweep, by sites", PLATFORMS, _swept, of_platform=True),
    Dimension("bump report --offline, by sites", PLATFORMS, _reported, of_platform=True),
    Dimension("bump history, by deploys", (1_000, 4_000, 16_000), _recorded),
    Dimension("bump edit, by files of 0.3 kB", (100, 400, 1_600), _files),
    Dimension("bump edit, by documents in one file", (400, 1_600, 6_400), _one_file),
    Dimension("bump edit, by kB of one document", (100, 400, 1_600), _one_document),
    Dimension("bump edit, by images in the values of one HelmRelease", (400, 1_600, 6_400), _one_release),
    Dimension("bump --dry-run of one site, by Kustomizations", (100, 400, 1_600), _among),
)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
