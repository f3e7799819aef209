"""`bump sweep`, against the sandbox: what died, timed out or was not waited for gets its end, once, however many sweep."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import commandline
import pytest
from commandline import Ran
from git_remotes import git

from bumper.history import ending
from bumper.record import Ending
from bumper_sandbox.kubernetes.kubelet import Behaviour
from bumper_sandbox.stack import Stack

from .branch import read, repository, tip

SITE, SLOW, BROKEN = "kevinryan-io", "sddbook-com", "specmcp-ai"
NOW = ("--older-than", "0s")


def bump(stack: Stack, *arguments: str) -> Ran:
    return commandline.bump(*arguments, "--repo", stack.url, environ=stack.child_environ())


def deploy(stack: Stack, site: str, tag: str, *arguments: str, behaviour: Behaviour = "ready") -> str:
    """The commit."""
    stack.registry.push(site, tag)
    stack.behaviours[tag] = behaviour
    bump(stack, "--site", site, "--sha", tag, *arguments)
    return tip(stack)


def sweep(stack: Stack, *arguments: str, timeout: str = "60s") -> dict[str, dict[str, Any]]:
    """What it found, by tag."""
    code, stdout, stderr = bump(stack, "sweep", *NOW, "--timeout", timeout, *arguments, "--output", "json")
    assert code == 0, stderr
    return {each["tag"]: each for each in json.loads(stdout)["deploys"]}


def noted(stack: Stack, site: str, commit: str) -> list[str]:
    text = git(repository(stack), "notes", f"--ref=refs/notes/bump-sites/{site}", "show", commit)
    lines = [json.loads(line) for line in text.splitlines()]
    return [line["outcome"] for line in lines if line["reason"] != "FoundRunning"]


def note_late(stack: Stack, site: str, commit: str, tag: str) -> None:
    """As a run does that sees its deadline."""
    ended = Ending(site, "timed-out", "Progressing", 600.0, datetime(2026, 3, 4, tzinfo=UTC), tag)
    text = ending.line(ended)
    git(repository(stack), "notes", f"--ref={ending.ref(site)}", "add", "-m", text, commit)


@pytest.mark.slow
def test_each_deploy_without_an_end_gets_one(stack: Stack) -> None:
    older = deploy(stack, SITE, "abc5001", "--no-wait")
    newer = deploy(stack, SITE, "abc5002", "--no-wait")
    late = deploy(stack, SLOW, "abc5003", "--no-wait")
    note_late(stack, SLOW, late, "abc5003")
    assert bump(stack, "sweep", "--dry-run", "--output", "json").stdout.count('"tag"') == 0, "they are young"
    shown = sweep(stack, "--dry-run")
    assert {tag: (each["before"], each["outcome"], each["isNews"]) for tag, each in shown.items()} == {
        "abc5001": (None, "superseded", True),
        "abc5002": (None, "ready", True),
        "abc5003": ("timed-out", "ready", True),
    }
    assert noted(stack, SLOW, late) == ["timed-out"]
    code, stdout, _ = bump(stack, "sweep", *NOW)
    assert code == 0
    assert f"{SLOW}: Ready, recovered after " in stdout
    assert noted(stack, SLOW, late) == ["timed-out", "ready"]
    assert (noted(stack, SITE, older), noted(stack, SITE, newer)) == (["superseded"], ["ready"])
    assert sweep(stack) == {}
    code, stdout, _ = bump(stack, "sweep", *NOW)
    assert (code, stdout) == (0, "every deploy of this period has an end: nothing to sweep\n")
    assert "nobody: no deploy of it is recorded on main" in "".join(
        bump(stack, "sweep", *NOW, "--site", "nobody")[1:]
    )
    assert f"recorded on main; did you mean '{SITE}'?" in "".join(
        bump(stack, "sweep", *NOW, "--site", f"{SITE}o")[1:]
    )


@pytest.mark.slow
def test_two_at_once_note_each_end_once(stack: Stack) -> None:
    commits = {
        site: deploy(stack, site, f"abc510{number}", "--no-wait")
        for number, site in enumerate((SITE, SLOW, BROKEN))
    }
    arguments = ("sweep", *NOW, "--repo", stack.url)
    both = [commandline.begin(*arguments, environ=stack.child_environ()) for _ in range(2)]
    assert [ran.result().code for ran in both] == [0, 0]
    assert {site: noted(stack, site, commit) for site, commit in commits.items()} == {
        site: ["ready"] for site in commits
    }


@pytest.mark.slow
def test_a_failure_is_looked_at_until_it_heals_or_something_newer_comes(stack: Stack) -> None:
    broken = deploy(stack, BROKEN, "abc5201", "--timeout", "60s", behaviour="crash")
    assert noted(stack, BROKEN, broken) == ["failed"]
    (seen,) = sweep(stack, "--site", BROKEN).values()
    assert (seen["outcome"], seen["later"], seen["isNews"]) == ("failed", "still failing after 0 min", False)
    assert noted(stack, BROKEN, broken) == ["failed"]
    code, stdout, _ = bump(stack, "sweep", *NOW, "--exit-code")
    assert (code, f"--repo {stack.url}" in stdout) == (11, True), stdout
    path = f"k8s/{BROKEN}/deployment.yaml"
    stack.commit({path: read(stack, path).replace(b"abc5201", b"abc5200")}, "Take it back by hand")
    assert sweep(stack, "--site", BROKEN) == {}, "it was a failure when it went"
    deploy(stack, BROKEN, "abc5202")
    assert sweep(stack, "--site", BROKEN) == {}


@pytest.mark.slow
def test_a_cluster_that_cannot_be_read_tells_nothing(stack: Stack, tmp_path: Path) -> None:
    commit = deploy(stack, SITE, "abc5301", "--no-wait")
    environ = stack.child_environ()
    config = tmp_path / "config"
    text = Path(environ["KUBECONFIG"]).read_text(encoding="utf-8")
    config.write_text(re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:9", text), encoding="utf-8")
    arguments = ("sweep", *NOW, "--site", SITE, "--timeout", "1s", "--output", "json", "--repo", stack.url)
    code, stdout, _ = commandline.bump(*arguments, environ={**environ, "KUBECONFIG": str(config)})
    (seen,) = json.loads(stdout)["deploys"]
    assert (code, seen["outcome"], seen["isNews"]) == (6, "unknown", False)
    notes = git(
        repository(stack),
        "log",
        "-1",
        "--format=%N",
        f"--notes={ending.ref(SITE)}",
        "--end-of-options",
        commit,
    )
    assert "abc5301" not in notes
