"""Two or more ways to do one job, timed in turn: A B C A B C …"""

import time
from collections.abc import Callable, Mapping
from statistics import median

Way = Callable[[int], None]


def measure(title: str, ways: Mapping[str, Way], *, rounds: int) -> None:
    """Prints the seconds of each way, and the ratio of the first one to every other, round by round.

    A way gets the number of the round and does the whole job once; what it raises ends the benchmark. A round that is not counted
    is run first.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            begun = time.perf_counter()
            way(number)
            if number:
                seconds[name].append(time.perf_counter() - begun)
    first, *others = ways
    print(f"{title}   ({rounds} rounds, in turn)")
    print(f"  {'':<44}{'min':>9}{'median':>9}{'max':>9}")
    for name, taken in seconds.items():
        print(f"  {name:<44}{min(taken):>8.3f}s{median(taken):>8.3f}s{max(taken):>8.3f}s")
    for other in others:
        ratios = [ours / theirs for ours, theirs in zip(seconds[first], seconds[other], strict=True)]
        print(f"  {'ratio to ' + other:<44}{min(ratios):>9.2f}{median(ratios):>9.2f}{max(ratios):>9.2f}")
