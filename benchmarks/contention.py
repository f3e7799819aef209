"""Many writers on one branch at once, each with its own file: `bump` in its loop against the loop of most workflows.

Both run in the same run, over smart HTTP on loopback. "Lost" counts the writers that were told that they had landed and whose change
is not on the branch. The start of Python is not in these figures: `land` has it. What counts of the peer is when its writers give up:
those that land do so before. `contention-64` is a run of its own, since it takes minutes.
"""

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from bumper.app.clock import SystemClock
from bumper.deploy.commit.push import Proposal, land
from bumper.errors import Contention, Transient
from bumper.systems.git.remote import Remote
from bumper_sandbox.git.server import GitServer

TOKEN = "bench-token"
WRITERS = (1, 8, 32)
# Of tries a writer, by the number of writers; all land, and 95 of 100 do before as many of the peer's have given up.
MOST_TRIES = {32: 4.5, 64: 7.0}
# Of 64 on two cores.
DEADLINE_S = 300.0
OLD, NEW = b"image: registry.example/web:0000000\n", b"image: registry.example/web:abc1234\n"

# What workflows do: five tries, no jitter, and the file is edited once.
WORKFLOW = r"""
git clone --quiet "$URL" "$FOLDER" && cd "$FOLDER" || exit 1
sed -i 's/0000000/abc1234/' "$FILE"
git commit --quiet --all --message "Deploy $FILE" || exit 1
for attempt in 1 2 3 4 5; do
  echo try
  git pull --quiet --rebase && git push --quiet && exit 0
done
exit 1
"""


@dataclass(frozen=True)
class Attempt:
    """How one writer fared."""

    file: str
    landed: bool
    tries: int
    taken_s: float


Way = Callable[[str, str], tuple[bool, int]]


def main(*sizes: int) -> None:
    """With so many writers each; those of `WRITERS` where none is named."""
    ways: dict[str, Way] = {
        "bump, planned again on each tip": ours,
        "clone, sed, 5 x (pull --rebase, push)": workflow,
    }
    with GitServer(token=TOKEN, environ=os.environ) as server:
        ours(server.create("first.git", {"first.yaml": OLD}), "first.yaml")  # loads what it needs
        print(
            f"writers at once on one branch, each its own file; ours has {DEADLINE_S:.0f} s, the workflow five tries"
        )
        print(f"  {'':<40}{'writers':>8}{'landed':>8}{'lost':>6}{'tries':>7}{'p50':>9}{'p95':>9}{'all':>9}")
        for writers in sizes or WRITERS:
            attempts = {name: _reported(server, name, way, writers) for name, way in ways.items()}
            compare(writers, *attempts.values())


def _reported(server: GitServer, name: str, way: Way, writers: int) -> list[Attempt]:
    begun = time.perf_counter()
    attempts, repository = raced(server, way, writers)
    report(name, attempts, repository, time.perf_counter() - begun)
    return attempts


def compare(writers: int, ours: Sequence[Attempt], theirs: Sequence[Attempt]) -> None:
    """Prints the figures that there are goals for."""
    tries = sum(attempt.tries for attempt in ours) / writers
    goal = f" (goal: at most {MOST_TRIES[writers]})" if writers in MOST_TRIES else ""
    landed = [attempt.taken_s for attempt in ours if attempt.landed]
    given_up = [attempt.taken_s for attempt in theirs if not attempt.landed]
    print(f"  tries a writer: {tries:.1f}{goal}")
    if landed and given_up:
        ratio = percentile(landed, 95) / percentile(given_up, 95)
        goal = " (goal: below 1)" if writers in MOST_TRIES else ""
        print(f"  p95 against the p95 of those of the peer that give up: {ratio:.2f}{goal}")


def percentile(seconds: Sequence[float], percent: int) -> float:
    """A single value stands for all of them."""
    return quantiles(seconds, n=100, method="inclusive")[percent - 1] if len(seconds) > 1 else seconds[0]


def raced(server: GitServer, way: Way, writers: int) -> tuple[list[Attempt], Path]:
    """How so many writers fared, and the repository that they wrote to."""
    repository = f"{len(server.requests)}-{writers}.git"
    files = [f"k8s/site-{number}/deployment.yaml" for number in range(writers)]
    url = server.create(repository, dict.fromkeys(files, OLD))
    start = threading.Barrier(writers)
    attempts: list[Attempt] = []

    def write(file: str) -> None:
        start.wait()
        begun = time.perf_counter()
        landed, tries = way(url, file)
        attempts.append(Attempt(file, landed, tries, time.perf_counter() - begun))

    threads = [threading.Thread(target=write, args=(file,)) for file in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return attempts, server.path(repository)


def report(name: str, attempts: list[Attempt], repository: Path, taken_s: float) -> None:
    landed = [attempt for attempt in attempts if attempt.landed]
    lost = sum(on_branch(repository, attempt.file) != NEW for attempt in landed)
    seconds = [attempt.taken_s for attempt in landed]
    p50, p95 = (f"{percentile(seconds, percent):.2f} s" if seconds else "-" for percent in (50, 95))
    tries = sum(attempt.tries for attempt in attempts)
    print(
        f"  {name:<40}{len(attempts):>8}{len(landed):>8}{lost:>6}{tries:>7}{p50:>9}{p95:>9}{taken_s:>7.1f} s",
        flush=True,
    )


def ours(url: str, file: str) -> tuple[bool, int]:
    """The loop of the pipe: read, plan and push again on each new tip, with its pauses, to a deadline."""
    tries = 0
    with Remote(url, token=TOKEN, environ=os.environ, now=time.monotonic, is_to_push=True) as remote:

        def propose() -> Proposal:
            nonlocal tries
            tries += 1
            tip = remote.fetch("main")
            before = remote.tree(tip).read([file])[file]
            return Proposal(tip, {file: (before, before.replace(OLD, NEW))}, f"Deploy {file}")

        try:
            land(propose(), propose, remote, "main", SystemClock(), DEADLINE_S)
        except (Contention, Transient):
            return False, tries
    return True, tries


def workflow(url: str, file: str) -> tuple[bool, int]:
    identity = {
        f"GIT_{role}_{part}": "ci@localhost" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")
    }
    with tempfile.TemporaryDirectory() as folder:
        secret = url.replace("http://", f"http://ci:{TOKEN}@")
        environ = {**os.environ, **identity, "URL": secret, "FOLDER": f"{folder}/clone", "FILE": file}
        ran = subprocess.run(
            ["sh", "-c", WORKFLOW], env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    return ran.returncode == 0, ran.stdout.splitlines().count("try")


def on_branch(repository: Path, file: str) -> bytes:
    command = ["git", "-C", str(repository), "cat-file", "blob", f"main:{file}"]
    return subprocess.run(command, check=True, capture_output=True).stdout


if __name__ == "__main__":
    main()
