"""Starts `act`, and reads what its runs left behind.

act is found by BUMP_ACT, on the PATH, among what `make e2e` built, or built here once with Go, at the version that tests/e2e/go pins.
Without any of these the tests are left out, and say so; with BUMP_REQUIRE_ACT set (as .ci/run does) they fail.
"""

import fcntl
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from e2e.build import binary

ROOT = Path(__file__).parents[2]
STANDINS = Path(__file__).parent / "standins"
_GO_MODULE = ROOT / "tests" / "e2e" / "go"
_REQUIRED = "BUMP_REQUIRE_ACT"
_PINNED = re.compile(r"uses: ([\w.-]+/[\w.-]+)@([0-9a-f]{40})")
# What each action on GitHub is replaced by: act checks the site out itself, by a copy, so that only the checkout of bump needs one.
_STANDIN = {"actions/checkout": "checkout"} | dict.fromkeys(
    ("actions/attest", "actions/deploy-pages", "actions/upload-pages-artifact", "azure/login"), "never"
)


@cache
def act() -> Path:
    """The program; skips the test where it cannot be had."""
    named = os.environ.get("BUMP_ACT") or shutil.which("act")
    if named:
        return Path(named)
    built = binary("act")
    if built.is_file():
        return built
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return _build(caches / "gitops-bump-tests" / "act")


def _build(target: Path) -> Path:
    go = shutil.which("go")
    if go is None:
        _leave_out("there is no act, and no Go to build it with")
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            partial = target.with_suffix(".partial")
            command = [str(go), "build", "-o", str(partial), "github.com/nektos/act"]
            environ = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false"}
            built = subprocess.run(
                command, cwd=_GO_MODULE, env=environ, capture_output=True, text=True, check=False
            )
            if built.returncode != 0:
                _leave_out(f"act could not be built: {built.stderr[-500:]}")
            partial.replace(target)
    return target


def _leave_out(reason: str) -> None:
    if os.environ.get(_REQUIRED):
        pytest.fail(f"{_REQUIRED} is set, but {reason}")
    pytest.skip(f"NOT TESTED: the action and the workflows in a runner, because {reason}")


@dataclass(frozen=True)
class Run:
    """How a run ended. `entries` are the lines of act's own log."""

    code: int
    entries: Sequence[Mapping[str, Any]]
    stderr: str

    @property
    def log(self) -> str:
        """All that was said, for people."""
        return "\n".join(str(entry.get("msg", "")).rstrip() for entry in self.entries) + self.stderr

    @property
    def summary(self) -> str:
        """What the steps wrote on the page of the job."""
        return "".join(entry["content"] for entry in self.entries if entry.get("command") == "summary")

    def outputs(self, step: str) -> dict[str, str]:
        """What one step handed on."""
        return {
            entry["name"]: entry["arg"]
            for entry in self.entries
            if entry.get("command") == "set-output" and entry.get("stepID", [""])[-1] == step
        }


@dataclass
class Runner:
    """Runs workflows of the checkout `site`. `environ` is the machine's; `replaced` maps `owner/name@ref` to a folder."""

    site: Path
    home: Path
    environ: Mapping[str, str]
    secrets: Mapping[str, str]
    replaced: Mapping[str, Path]
    programs: Path | None = None

    def run(self, event: str, payload: Mapping[str, Any], *arguments: str) -> Run:
        self.home.mkdir(parents=True, exist_ok=True)
        for name, values in (("secrets", self.secrets), ("environ", self.environ)):
            (self.home / name).write_text(
                "".join(f"{key}={json.dumps(value)}\n" for key, value in values.items())
            )
        (self.home / "event.json").write_text(json.dumps(payload))
        command = [
            str(act()),
            event,
            "--json",
            "--platform=ubuntu-24.04=-self-hosted",
            f"--eventpath={self.home / 'event.json'}",
            f"--secret-file={self.home / 'secrets'}",
            f"--env-file={self.home / 'environ'}",
            f"--action-cache-path={self.home / 'actions'}",
            *(
                f"--local-repository={name}={folder}"
                for name, folder in {**self.replaced, **pinned()}.items()
            ),
            *arguments,
        ]
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        if self.programs:
            kept["PATH"] = f"{self.programs}{os.pathsep}{kept['PATH']}"
        ran = subprocess.run(
            command,
            cwd=self.site,
            env={**kept, "HOME": str(self.home), "XDG_CACHE_HOME": str(self.home / "cache")},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return Run(ran.returncode, [json.loads(line) for line in ran.stdout.splitlines()], ran.stderr)


def pinned() -> dict[str, Path]:
    """The stand-in for each action that the shipped files pin; an action without one fails here."""
    texts = [
        path.read_text() for path in (ROOT / "action.yml", *(ROOT / ".github" / "workflows").glob("*.yml"))
    ]
    pins = {match for text in texts for match in _PINNED.findall(text)}
    return {f"{name}@{ref}": STANDINS / _STANDIN[name] for name, ref in sorted(pins)}


def git(folder: Path, *arguments: str | Path) -> str:
    """One git command in a folder, as nobody in particular."""
    identity = {"GIT_AUTHOR_NAME": "Octo", "GIT_AUTHOR_EMAIL": "octo@example.test"}
    committer = {"GIT_COMMITTER_NAME": "Octo", "GIT_COMMITTER_EMAIL": "octo@example.test"}
    environ = {
        **os.environ,
        **identity,
        **committer,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    done = subprocess.run(
        ["git", *map(str, arguments)], cwd=folder, env=environ, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()
