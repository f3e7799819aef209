"""`bump status` of 1,000 sites with git and a cluster: whole processes, their processor time.

Beside no peer: `flux get` and `kubectl get` show what the cluster has, and read no repository.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.fleet import Fleet
from benchmarks.ours import bump
from benchmarks.platform import ENVIRONMENTS, Platform
from benchmarks.sidebyside import measure, processor_s, rounds_of

SITES = 1_000
OURS, GOAL_S = "bump status", 3


def main() -> None:
    print(f"making a platform of {SITES:,} sites and their cluster", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder, Fleet(SITES // len(ENVIRONMENTS), digits=4) as fleet:
        platform = Platform(SITES, SITES).write(Path(folder) / "platform", url=f"{folder}/platform")

        def ours(_: int) -> None:
            command = [bump(), "status", "--repo", str(platform)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=fleet.environ())

        measure(
            f"status of {SITES:,} sites",
            {OURS: ours},
            rounds=rounds_of(3),
            stopwatch=processor_s,
            goals={OURS: GOAL_S},
        )
