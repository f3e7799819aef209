"""`bump status --watch` in a process of its own, while sites are deployed and the way to the API is cut: memory and sockets stay flat.

A case is a second of watching. Flat is judged where a slice lasts a minute or more: the last third against the second one.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from statistics import median

from bumper_sandbox.stack import Stack

from .proxy import Weather
from .rollouts import TREE, behind
from .table import Tally

TARGET, SLICE, SHORT = 3_600, 900, 8
_SITES = ("shop-example", "blog-example", "docs-example")
_WEATHER = Weather(delay_s=0.02, share=0.05)
_LOOK_S, _DEPLOY_EVERY = 0.5, 10
_MOST_GROWTH_MB, _MOST_SOCKETS = 4.0, 4
_JUDGED_FROM_S = 60


def run(start: int, cases: int) -> Tally:
    """So many seconds."""
    # Errors go to a file: a pipe that nobody reads would fill, and hold the watcher up.
    with Stack(TREE, dict(os.environ), speed=20.0) as stack, tempfile.TemporaryFile() as errors:
        stack.bootstrap()
        with behind(stack, Weather(_WEATHER.delay_s, _WEATHER.share, start)) as (environ, proxies):
            command = [
                sys.executable,
                "-W",
                "error",
                "-m",
                "bumper",
                "status",
                "--watch",
                "--repo",
                environ["SOAK_URL"],
            ]
            watcher = subprocess.Popen(
                command, env=environ, cwd="/", stdout=subprocess.DEVNULL, stderr=errors
            )
            try:
                looks = _watched(stack, watcher, start, cases)
            finally:
                watcher.send_signal(signal.SIGINT)
                watcher.wait(timeout=60)
            if not looks or watcher.returncode not in (130, -signal.SIGINT):
                errors.seek(0)
                told_last = errors.read()[-300:].decode(errors="replace")
                return Tally((f"ended with {watcher.returncode}: {told_last}",))
            measures = {
                "MB": looks[-1][0],
                "MB grown": round(_grown(looks, 0), 1),
                "sockets": looks[-1][1],
                "cuts": sum(each.cuts for each in proxies),
            }
            return Tally(tuple(_growth(looks) if cases >= _JUDGED_FROM_S else ()), measures)


def _watched(
    stack: Stack, watcher: "subprocess.Popen[bytes]", start: int, seconds: int
) -> list[tuple[float, int]]:
    """Memory and sockets at each look, for so long; fewer looks where the watcher ends."""
    chance, looks = random.Random(start), list[tuple[float, int]]()
    for number in range(round(seconds / _LOOK_S)):
        if number % (_DEPLOY_EVERY / _LOOK_S) == 0:
            _deploy(stack, chance)
        time.sleep(_LOOK_S)
        if watcher.poll() is not None:
            return []
        looks.append((_memory_mb(watcher.pid), _sockets(watcher.pid)))
    return looks


def _deploy(stack: Stack, chance: random.Random) -> None:
    """Somebody pushes another tag to one of the sites."""
    site, tag = chance.choice(_SITES), f"d{chance.randrange(1 << 24):06x}"
    stack.registry.push(site, tag)
    path = f"k8s/{site}/deployment.yaml"
    content = stack.files[path].decode()
    host = f"{stack.registry.host}/{site}:"
    before, _, rest = content.partition(host)
    stack.commit(
        {path: f"{before}{host}{tag}\n{rest.partition(chr(10))[2]}".encode()}, f"Deploy {site} by hand"
    )


def _memory_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _sockets(pid: int) -> int:
    count = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            count += str(entry.readlink()).startswith("socket:")
    return count


def _growth(looks: list[tuple[float, int]]) -> list[str]:
    grown_mb, opened = _grown(looks, 0), _grown(looks, 1)
    return [
        *([f"memory grew by {grown_mb:.1f} MB"] if grown_mb > _MOST_GROWTH_MB else []),
        *([f"{opened:g} more sockets are open"] if opened > _MOST_SOCKETS else []),
    ]


def _grown(looks: list[tuple[float, int]], measure: int) -> float:
    """How much more it is in the last third than in the second one."""
    third = len(looks) // 3
    second, last = looks[third : 2 * third], looks[2 * third :]
    return median(look[measure] for look in last) - median(look[measure] for look in second)
