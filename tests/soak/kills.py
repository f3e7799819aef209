"""SIGKILL of the real program at each step of git and http: nothing is lost, nothing is doubled, and the repository is whole.

A step is a start or an end of a git process, or a chunk that passes between git and the server. Case n is killed at step 37 n, past
the last one from the first again; then the same command runs once more, unharmed.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from .platform import Platform, platform
from .proxy import Proxy
from .table import Tally

TARGET, SLICE, SHORT = 500, 10, 2
_SITE = "web"
_LIMIT_S = 120.0
# Stands in place of git: counts its starts and ends, and kills whoever started it at the step that is asked for.
_GIT = """\
#!/bin/sh
step() {{
  echo x >> "$SOAK_STEPS"
  [ "$(wc -c < "$SOAK_STEPS")" -eq $((2 * SOAK_KILL_AT)) ] && kill -9 "$PPID"
}}
step
{git} "$@"
status=$?
step
exit $status
"""


def run(start: int, cases: int) -> Tally:
    """The cases of these numbers, on one platform."""
    with platform([_SITE]) as place, tempfile.TemporaryDirectory() as folder:
        bench = _Bench(place, Path(folder))
        git_steps, chunks = bench.steps()
        tally = Tally(measures={"steps": git_steps + chunks})
        for number in range(start, start + cases):
            # A long step between two others covers the range soon, with few cases as well.
            tally += bench.kill(number, (number * 37) % (git_steps + chunks), git_steps)
        problems = place.problems()
        return tally + Tally(
            tuple(problems), {"folders left": bench.left_folders(), "processes left": bench.left}
        )


class _Bench:
    def __init__(self, place: Platform, folder: Path) -> None:
        self._place = place
        self._folder = folder
        self._steps = folder / "steps"
        self._temporary = folder / "tmp"
        self._temporary.mkdir()
        self._bin = folder / "bin"
        self._bin.mkdir()
        git = self._bin / "git"
        git.write_text(_GIT.format(git=shutil.which("git")))
        git.chmod(0o755)
        self._runs = self.left = 0

    def steps(self) -> tuple[int, int]:
        """How many steps of git, and how many chunks, one whole deploy takes."""
        with self._way(0) as (environ, git):
            assert self._deploy(self._next_tag(), environ) == 0, "a deploy that nobody kills"
            return self._steps.stat().st_size // 2, git.chunks

    def kill(self, number: int, step: int, git_steps: int) -> Tally:
        """One case: killed there, looked at, done again."""
        tag, before = self._next_tag(), self._place.subjects()
        at_git, at_chunk = (step + 1, 0) if step < git_steps else (0, step - git_steps + 1)
        with self._way(at_chunk) as (environ, _):
            killed = self._deploy(tag, {**environ, "SOAK_KILL_AT": str(at_git)})
        self._await_silence()
        between = self._place.subjects()
        with self._way(0) as (environ, _):
            again = self._deploy(tag, environ)
        after = self._place.subjects()
        ours = f"Deploy {_SITE} {tag}"
        wrong = [
            f"killed run ended with {killed}" if killed not in (0, -signal.SIGKILL) else "",
            "the branch lost commits" if between[-len(before) :] != before else "",
            f"the run after it ended with {again}" if again else "",
            f"the commit stands there {after.count(ours)} times" if after.count(ours) != 1 else "",
            "another commit came along" if len(after) != len(before) + 1 else "",
            "the tag is not on the branch" if self._place.tag(_SITE) != tag else "",
        ]
        where = f"git step {at_git}" if at_git else f"chunk {at_chunk}"
        return Tally(
            tuple(f"{number} ({where}): {text}" for text in wrong if text),
            {"died": float(killed != 0), "landed though killed": float(len(between) > len(before))},
        )

    def left_folders(self) -> int:
        """What killed runs left in TMPDIR and no later run has removed."""
        return len(list(self._temporary.iterdir()))

    def _next_tag(self) -> str:
        self._runs += 1
        tag = f"a{os.getpid() % 0xFFFF:04x}{self._runs:03x}"[:8]
        self._place.registry.push(_SITE, tag)
        return tag

    @contextmanager
    def _way(self, kill_at: int) -> Iterator[tuple[Mapping[str, str], Proxy]]:
        """The environment of a run whose git host is reached over a proxy that kills it at that chunk, 0 for none."""
        self._steps.write_bytes(b"")
        self._process: subprocess.Popen[bytes] | None = None

        def watch(number: int) -> bool:
            if number == kill_at and self._process:
                self._process.send_signal(signal.SIGKILL)
            return True

        port = int(self._place.git.url.rpartition(":")[2])
        with Proxy(port, watch=watch) as git:
            environ = {
                **self._place.environ(),
                "PATH": f"{self._bin}:{os.environ['PATH']}",
                "TMPDIR": str(self._temporary),
                "SOAK_STEPS": str(self._steps),
                "SOAK_KILL_AT": "0",
                "SOAK_URL": f"http://{git.host}/platform.git",
            }
            yield environ, git

    def _deploy(self, tag: str, environ: Mapping[str, str]) -> int:
        command = [
            "-W",
            "error",
            "-m",
            "bumper",
            "--site",
            _SITE,
            "--sha",
            tag,
            "--repo",
            environ["SOAK_URL"],
            "--no-wait",
        ]
        options = ["--platform", "linux/amd64", "--no-notes"]
        self._process = subprocess.Popen(
            [sys.executable, *command, *options],
            env=dict(environ),
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            return self._process.wait(_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _await_silence(self) -> None:
        """Waits for git processes that the killed run left; they may still push what they were given."""
        until_s = time.monotonic() + 10.0
        while (running := _processes_in(self._temporary)) and time.monotonic() < until_s:
            time.sleep(0.05)
        self.left += len(running)
        for process in running:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def _processes_in(folder: Path) -> list[int]:
    """The processes that work in a folder below this one."""
    processes = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if (entry / "cwd").resolve().is_relative_to(folder):
                    processes.append(int(entry.name))
    return processes
