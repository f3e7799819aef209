"""Runs `bump` as a workflow does: a process of its own, with token and kubeconfig by the environment."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .platforms import Platform

_TIMEOUT_S = 300.0
# By these the user's own repositories, registries and clusters would be reached.
_OURS = re.compile(r"(?:BUMP|GITHUB|AZURE|KUBERNETES|IDENTITY|MSI|DOCKER)_|KUBECONFIG$")


@dataclass(frozen=True)
class Ended:
    """What the program said with `--output json`, and its exit code."""

    exit_code: int
    answer: dict[str, Any]
    progress: str
    said_at_s: float  # when the line with the verdict was printed, on this machine's monotonic clock

    @property
    def verdict(self) -> tuple[str, str]:
        """Outcome and reason, of the first site; of an error, its class."""
        sites = self.answer["sites"]
        if not sites:
            return self.answer["outcome"], self.answer["error"]["reason"]
        return sites[0]["outcome"], sites[0]["reason"]

    def __str__(self) -> str:
        return f"exit code {self.exit_code}\n{json.dumps(self.answer, indent=1)}\n{self.progress}"


@dataclass(frozen=True)
class Ground:
    """A platform, and what `bump` is given to reach it."""

    platform: Platform
    environ: Mapping[str, str] = field(repr=False)

    def start(self, url: str, *arguments: str) -> "Run":
        """Starts `bump` with these arguments on the repository at that URL."""
        return Run(self, [*arguments, "--repo", url, "--output", "json"])

    def child_environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not _OURS.match(name)}
        return {
            **kept,
            "BUMP_TOKEN": self.platform.git_token,
            "HOME": str(self.platform.folder),
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
            **self.environ,
        }


class Run:
    """One run of the program; end it by `result` or `kill`."""

    def __init__(self, ground: Ground, arguments: list[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bumper", *arguments],
            env=ground.child_environ(),
            cwd=ground.platform.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._ended: Ended | None = None
        self._lines: list[tuple[float, str]] = []
        self._output: list[str] = []
        self._readers = [
            threading.Thread(target=self._follow_progress, daemon=True),
            threading.Thread(target=self._read_output, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def result(self) -> Ended:
        """Waits for its end, once; asked again, it says the same."""
        if self._ended is None:
            try:
                self._process.wait(_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
            for reader in self._readers:
                reader.join()
            progress, output = "".join(line for _, line in self._lines), "".join(self._output)
            if not output:
                raise AssertionError(
                    f"bump said nothing and ended with {self._process.returncode}: {progress}"
                )
            said_at_s = self._lines[-1][0] if self._lines else time.monotonic()
            self._ended = Ended(self._process.returncode, json.loads(output), progress, said_at_s)
        return self._ended

    def kill(self) -> None:
        """Ends it, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _follow_progress(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            for line in stream:
                self._lines.append((time.monotonic(), line))

    def _read_output(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            self._output.append(stream.read())


def results(runs: Sequence[Run]) -> list[Ended]:
    """How each of them ended; where one does not end, none of the others goes on."""
    try:
        return [run.result() for run in runs]
    finally:
        for run in runs:
            run.kill()
