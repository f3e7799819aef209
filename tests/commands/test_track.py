"""`bump track`, against the sandbox: what is recorded is judged again without it."""

import json
from pathlib import Path
from typing import Any

import commandline
import pytest
from commandline import Ran

from bumper_sandbox.stack import Stack

SITE = "kevinryan-io"


def bump(environ: dict[str, str], *arguments: str) -> Ran:
    return commandline.bump(*arguments, environ=environ)


def nowhere() -> dict[str, str]:
    """An environment in which neither a cluster nor a repository can be found."""
    return {"PATH": "/nowhere", "HOME": "/nowhere"}


def without_plan(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key != "plan"}


@pytest.mark.parametrize(
    ("tag", "behaviour", "code"),
    [pytest.param("abc1001", "ready", 0, marks=pytest.mark.slow), ("abc1002", "crash", 11)],
)
def test_a_recorded_deploy_prints_the_same_report_again(
    stack: Stack, tmp_path: Path, tag: str, behaviour: str, code: int
) -> None:
    stack.registry.push(SITE, tag)
    stack.behaviours[tag] = "crash" if behaviour == "crash" else "ready"
    file = tmp_path / "deploy.jsonl"
    arguments = ("--site", SITE, "--sha", tag, "--repo", stack.url, "--output", "json")
    was, first, stderr = bump(stack.child_environ(), *arguments, "--record", str(file))
    assert was == code, stderr
    assert file.stat().st_mode & 0o077 == 0, "only its owner may read it"
    for _ in range(2):
        again, second, _ = bump(nowhere(), "track", "--replay", str(file), "--output", "json")
        # What was planned is the commit's, which is not made again.
        assert (again, json.loads(second)) == (code, without_plan(json.loads(first)))


@pytest.mark.slow
def test_a_followed_commit_is_recorded_too_and_shown_as_it_was(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "track.jsonl"
    was, first, stderr = bump(
        stack.child_environ(), "track", "--site", "sddbook-com", "--repo", stack.url, "--record", str(file)
    )
    assert was == 0, stderr
    again, second, _ = bump(nowhere(), "track", "--replay", str(file))
    assert (again, second) == (0, first)
    assert "Ready" in second


@pytest.mark.slow
def test_the_timeline_tells_each_moment_with_the_size_and_time_of_the_pull(stack: Stack) -> None:
    stack.registry.push("specmcp-ai", "abc1003")
    arguments = ("--site", "specmcp-ai", "--sha", "abc1003", "--repo", stack.url)
    _, stdout, _ = bump(stack.child_environ(), *arguments, "--output", "json")
    timeline = json.loads(stdout)["sites"][0]["timeline"]
    names = ["pushed", "fetched", "applied", "first pod", "image pulled", "ready"]
    assert [moment["moment"] for moment in timeline] == names
    assert all(moment["state"] == "reached" and moment["seconds"] >= 0 for moment in timeline)
    assert "B in " in timeline[4]["detail"]


@pytest.mark.slow
def test_no_secret_is_in_a_recording(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "umami.jsonl"
    bump(stack.child_environ(), "track", "--site", "specmcp-ai", "--repo", stack.url, "--record", str(file))
    text = file.read_text(encoding="utf-8")
    for secret in (stack.token, stack.cluster.api.token, stack.registry.identity_header):
        assert secret not in text
    assert '"kind":"Secret"' not in text


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--replay", "missing.jsonl"], "missing.jsonl: No such file or directory"),
        (["--replay", __file__], "line 1 is no line of a recording"),
        (["--replay", "x", "--site", "web"], "--replay cannot be combined with --site"),
        (["--replay", "x", "--publish", "status"], "--replay cannot be combined with --site"),
        ([], "no site given"),
    ],
)
def test_what_cannot_be_replayed_is_told(arguments: list[str], problem: str) -> None:
    code, _, stderr = bump(nowhere(), "track", *arguments)
    assert code == 2
    assert problem in stderr
