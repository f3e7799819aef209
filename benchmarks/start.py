"""What a start costs: help, the version and a refused request against `flux --version`, in processor time of whole processes."""

import subprocess
from collections.abc import Sequence

from benchmarks.ours import bump
from benchmarks.peers import flux
from benchmarks.sidebyside import Way, measure, processor_s, rounds_of

ROUNDS = rounds_of(20)
GOAL = 1.8
USAGE = 2
STARTS = {
    "bump --help": (["--help"], 0),
    "bump --version": (["--version"], 0),
    "bump --site web, refused": (["--site", "web"], USAGE),
}


def main() -> None:
    program = flux()
    peer = {"flux --version": _way([str(program), "--version"], 0)} if program else {}
    for name, (arguments, code) in STARTS.items():
        ways = {name: _way([bump(), *arguments], code), **peer}
        measure(name, ways, rounds=ROUNDS, stopwatch=processor_s, goals=dict.fromkeys(peer, GOAL))


def _way(command: Sequence[str], code: int) -> Way:
    def run(_: int) -> None:
        ended = subprocess.run(command, capture_output=True, check=False)
        if ended.returncode != code:
            raise RuntimeError(f"{command} ended with {ended.returncode}, expected {code}")

    return run
