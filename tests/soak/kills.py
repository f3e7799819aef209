"""SIGKILL of the program at each step of git and http: nothing is lost, nothing is doubled, the repository is whole, and the next run
removes what the killed one left.

A step is a start or an end of a git process, or a chunk that passes between git and the server. Case n is killed at step 37 n, past
the last one from the first again; then the same command runs once more, unharmed. A run is a process of its own, forked from one that
has loaded the program.
"""

import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from .platform import TOKEN, Platform, platform
from .proxy import Proxy
from .secrets import forms
from .table import Tally

TARGET, SLICE, SHORT = 500, 10, 2
_SITE = "web"
_LIMIT_S = 120.0
# What a deploy imports on its way.
_LOADED = (
    "bumper.cli", "bumper.commands.options", "bumper.app.jobs.tags", "bumper.app.wiring", "bumper.safe_text.masking",
    "bumper.systems.git.ancestry", "bumper.systems.git.remote", "bumper.systems.registry", "certifi", "git", "httpcore", "httpx",
    "ruamel.yaml",
)  # fmt: skip
# Stands in place of git: counts its starts and ends, and kills whoever started it at the step that is asked for. The shell counts by
# itself: a program for it would cost as much as git.
_GIT = """\
#!/bin/sh
step() {{
  echo x >> "$SOAK_STEPS"
  [ "$SOAK_KILL_AT" -eq 0 ] && return
  steps=0
  while read -r _; do steps=$((steps + 1)); done < "$SOAK_STEPS"
  [ "$steps" -eq "$SOAK_KILL_AT" ] && kill -9 "$PPID"
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
        return tally + Tally(tuple(place.problems()))


class _Bench:
    def __init__(self, place: Platform, folder: Path) -> None:
        self._place = place
        self._folder = folder
        self._steps = folder / "steps"
        # Whatever a run may leave is below these two.
        self._temporary, self._home = folder / "tmp", folder / "home"
        self._temporary.mkdir()
        self._home.mkdir()
        self._bin = folder / "bin"
        self._bin.mkdir()
        git = self._bin / "git"
        git.write_text(_GIT.format(git=shutil.which("git")))
        git.chmod(0o755)
        self._runs = 0
        self._fork = multiprocessing.get_context("forkserver")
        self._fork.set_forkserver_preload(list(_LOADED))

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
        processes = self._await_silence()
        left, secrets = self._left(), self._secrets()
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
            f"{processes} processes went on" if processes else "",
            f"the token stands in {secrets}" if secrets else "",
            f"the run after it left {again_left}" if (again_left := self._left()) else "",
        ]
        where = f"git step {at_git}" if at_git else f"chunk {at_chunk}"
        return Tally(
            tuple(f"{number} ({where}): {text}" for text in wrong if text),
            {
                "died": float(killed != 0),
                "landed though killed": float(len(between) > len(before)),
                "folders left by a kill": len(left),
            },
        )

    def _left(self) -> list[str]:
        """What stands below the folder for temporary files, the home, and of locks in the repository on the server."""
        here = [entry.name for folder in (self._temporary, self._home) for entry in folder.iterdir()]
        # The server may still be at what it had of a killed run: its folders come and go.
        names = [name for _, _, names in os.walk(self._place.path) for name in names]
        return here + [name for name in names if name.endswith(".lock")]

    def _secrets(self) -> list[str]:
        """The files there that hold the token, in whatever form."""
        files = [
            file for folder in (self._temporary, self._home) for file in folder.rglob("*") if file.is_file()
        ]
        return [
            file.name for file in files if any(form.encode() in file.read_bytes() for form in forms(TOKEN))
        ]

    def _next_tag(self) -> str:
        self._runs += 1
        tag = f"a{os.getpid() % 0xFFFF:04x}{self._runs:03x}"[:8]
        self._place.registry.push(_SITE, tag)
        return tag

    @contextmanager
    def _way(self, kill_at: int) -> Iterator[tuple[Mapping[str, str], Proxy]]:
        """The environment of a run whose git host is reached over a proxy that kills it at that chunk, 0 for none."""
        self._steps.write_bytes(b"")
        self._process: ForkServerProcess | None = None

        def watch(number: int) -> bool:
            if number == kill_at and self._process:
                self._process.kill()
            return True

        port = int(self._place.git.url.rpartition(":")[2])
        with Proxy(port, watch=watch) as git:
            environ = {
                **self._place.environ(),
                "PATH": f"{self._bin}:{os.environ['PATH']}",
                "TMPDIR": str(self._temporary),
                "HOME": str(self._home),
                "SOAK_STEPS": str(self._steps),
                "SOAK_KILL_AT": "0",
                "SOAK_URL": f"http://{git.host}/platform.git",
            }
            yield environ, git

    def _deploy(self, tag: str, environ: Mapping[str, str]) -> int:
        command = ["--site", _SITE, "--sha", tag, "--repo", environ["SOAK_URL"], "--no-wait"]
        options = ["--platform", "linux/amd64", "--no-notes"]
        process = self._fork.Process(target=_become, args=([*command, *options], dict(environ), self._folder))
        process.start()
        self._process = process
        process.join(_LIMIT_S)
        if process.exitcode is None:
            process.kill()
            process.join()
        assert process.exitcode is not None, "it was waited for"
        return process.exitcode

    def _await_silence(self) -> int:
        """Waits for git processes that the killed run left, which may still push what they were given; how many go on all the same."""
        until_s = time.monotonic() + 10.0
        while (running := _processes_in(self._temporary)) and time.monotonic() < until_s:
            time.sleep(0.05)
        for process in running:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        return len(running)


def _become(arguments: list[str], environ: Mapping[str, str], folder: Path) -> None:
    """This process is the program from now on, with these surroundings."""
    from bumper import cli

    for descriptor in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    warnings.simplefilter("error")
    sys.exit(cli.main(arguments))


def _processes_in(folder: Path) -> list[int]:
    """The processes that work in a folder below this one."""
    processes = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if (entry / "cwd").resolve().is_relative_to(folder):
                    processes.append(int(entry.name))
    return processes
