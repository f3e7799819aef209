"""Two or more ways to do one job, timed in turn: A B C A B C …"""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from statistics import median
from types import MappingProxyType

Way = Callable[[int], None]
Stopwatch = Callable[[], float]
# Runs what its arguments say, and tells its peak. A small process does, since a child's peak begins with that of who started it.
_METER = """
import os, sys
_, status, used = os.wait4(os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ), 0)
print(used.ru_maxrss, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def rounds_of(usual: int) -> int:
    """How many rounds are counted: as many as usual, or fewer where BUMP_BENCH_ROUNDS says so (`make bench ROUNDS=1`)."""
    return min(usual, int(os.environ.get("BUMP_BENCH_ROUNDS") or usual))


def processor_s() -> float:
    """What the processes that were started here and have ended took of the processor, theirs included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(
    title: str,
    ways: Mapping[str, Way],
    *,
    rounds: int,
    stopwatch: Stopwatch = time.perf_counter,
    goals: Mapping[str, float] = MappingProxyType({}),
) -> None:
    """Prints the seconds of each way, and the ratio of the first one to every other, round by round.

    A way gets the number of the round and does the whole job once; what it raises ends the benchmark. A round that is not counted
    is run first. `stopwatch` is read before and after; with `processor_s` whatever else the machine does counts less. `goals`, by the
    name of a way: the ratio to it that is to be reached, and for the first way its seconds.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            begun = stopwatch()
            way(number)
            if number:
                seconds[name].append(stopwatch() - begun)
    first, *others = ways
    unit = "seconds of the processor" if stopwatch is processor_s else "seconds"
    print(f"{title}   ({rounds} rounds, in turn, {unit})")
    print(f"  {'':<44}{'min':>9}{'median':>9}{'max':>9}{'goal':>9}")
    for name, taken in seconds.items():
        goal = f"{goals[name]:>8.2f}s" if name == first and name in goals else ""
        print(f"  {name:<44}{min(taken):>8.3f}s{median(taken):>8.3f}s{max(taken):>8.3f}s{goal}")
    for other in others:
        ratios = [ours / theirs for ours, theirs in zip(seconds[first], seconds[other], strict=True)]
        goal = f"{goals[other]:>9.2f}" if other in goals else ""
        print(
            f"  {'ratio to ' + other:<44}{min(ratios):>9.2f}{median(ratios):>9.2f}{max(ratios):>9.2f}{goal}"
        )


def peak_mb(*command: str) -> float:
    """The most memory that the process had, in MB."""
    metered = [sys.executable, "-I", "-S", "-c", _METER, *command]
    ended = subprocess.run(metered, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    return int(ended.stderr.split()[-1]) / 1000
