"""`bump --set` of 200 sites of 2,000 in one commit, each request 40 ms away: what it asks, how much of it in sequence, what it costs.

The processor's time is that of `bump` and of its own git processes. The peer is told the files, asks no registry and proves nothing.
"""

import os
import subprocess
import sys
import tempfile
import time

from benchmarks import ours
from benchmarks.land import DELAY_S, IDENTITY, TOKEN, workflow
from benchmarks.repositories import OLD, manifest, write_repository
from benchmarks.sidebyside import rounds_of
from bumper_sandbox.git.server import GitServer
from bumper_sandbox.registry.server import RegistryServer

SITES, CHANGED = 2_000, 200
ROUNDS = rounds_of(3)
MOST_REQUESTS, MOST_ROUNDS, MOST_PROCESSOR_S = 10, 8, 2.0


def main() -> None:
    sites = [f"site-{number:04}" for number in range(SITES)]
    changed = sites[:: SITES // CHANGED]
    with (
        RegistryServer(authentication="none") as registry,
        GitServer(token=TOKEN, environ=os.environ) as server,
    ):
        for site in changed:
            for tag in (OLD, *(tag_of(number, 0) for number in range(ROUNDS))):
                registry.push(site, tag)
        print(f"making a repository of {SITES:,} sites", file=sys.stderr)
        write_repository(server.path("set.git"), files=0, commits=1, registry=registry.host, sites=sites)
        server.faults.delay_s = registry.delay_s = DELAY_S
        url = f"{server.url}/set.git"
        print(f"{CHANGED} of {SITES:,} sites in one commit, {DELAY_S * 1000:.0f} ms a request")
        columns = ("git requests", "registry", "in sequence", "processor", "all")
        print(f"  {'':<28}" + "".join(f"{column:>14}" for column in columns))
        for number in range(ROUNDS):
            for name in ("bump --set", "clone --depth 1, sed, push"):
                server.requests.clear()
                registry.asked.clear()
                begun_s = time.perf_counter()
                if name.startswith("bump"):
                    processor = f"{bump(url, changed, tag_of(number, 0)):.2f} s"
                else:
                    processor = "-"
                    edit = f"sed -i 's|:[0-9a-c][0-9a-c]*$|:'$TAG'|' {' '.join(map(manifest, changed))}"
                    workflow(url, edit, tag_of(number, 1), ONE="1")
                row = (
                    len(server.requests),
                    len(registry.asked),
                    in_sequence(registry),
                    processor,
                    f"{time.perf_counter() - begun_s:.1f} s",
                )
                print(f"  {name:<28}" + "".join(f"{value:>14}" for value in row), flush=True)
        print(f"  {'goals':<28}{MOST_REQUESTS:>14}{'':>14}{MOST_ROUNDS:>14}{MOST_PROCESSOR_S:>12} s")


def in_sequence(registry: RegistryServer) -> int:
    """How many of the requests were asked one after another."""
    depths = [asked.depth for asked in registry.asked]
    return max(depths) - min(depths) + 1 if depths else 0


def tag_of(number: int, way: int) -> str:
    """A tag that no other way has written."""
    return f"{way}abc00{number}"


def bump(url: str, sites: list[str], tag: str) -> float:
    """Seconds of the processor."""
    chosen = [option for site in sites for option in ("--set", f"{site}={tag}")]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [ours.bump(), *chosen, "--repo", url, "--no-wait"],
            cwd=folder,
            env={**os.environ, **IDENTITY, "BUMP_TOKEN": TOKEN},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise RuntimeError(f"bump ended with {process.returncode}: {output.read()[-2000:]!r}")
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
