"""An older build against a newer one, against the sandbox."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import commandline
import pytest
from commandline import Ran
from git_remotes import git
from openapi import problems
from sandbox_github.content import User
from sandbox_github.server import GitHubServer, Token

from bumper_sandbox.stack import Stack

from .branch import message

SITE = "kevinryan-io"


@pytest.fixture(scope="module")
def source(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of the site with three commits, each with its image."""
    directory = tmp_path_factory.mktemp("site")
    git(directory, "init", "--quiet", "-b", "main")
    for name in ("first", "second", "third"):
        git(directory, "commit", "--quiet", "--allow-empty", "-m", name)
        stack.registry.push(SITE, git(directory, "rev-parse", "--short=7", "HEAD"))
    return directory


def shas(source: Path) -> list[str]:
    """The full SHAs of the three commits, the first one first."""
    return git(source, "rev-list", "--reverse", "main").split()


def bump(stack: Stack, cwd: Path, *arguments: str, **environ: str) -> Ran:
    job = ("--repo", stack.url, "--site", SITE, "--no-wait", *arguments)
    return commandline.bump(*job, environ={**stack.child_environ(), **environ}, cwd=cwd)


def bump_json(stack: Stack, cwd: Path, *arguments: str, **environ: str) -> dict[str, Any]:
    code, stdout, stderr = bump(stack, cwd, *arguments, "--output", "json", **environ)
    answer: dict[str, Any] = json.loads(stdout)
    assert answer["exitCode"] == code, stderr
    return answer


@pytest.mark.slow
def test_a_run_that_ends_late_does_not_go_over_the_newer_one(
    stack: Stack, source: Path, tmp_path: Path
) -> None:
    first, second, third = shas(source)
    assert bump(stack, source, "--sha", second)[0] == 0
    before = message(stack)
    code, _, stderr = bump(stack, source, "--sha", first)
    assert code == 4
    assert (
        f"k8s/{SITE}/deployment.yaml:18: {first[:7]} is older than {second[:7]}, which is deployed: "
        in stderr
    )
    assert f"ancestry in the checkout {source}; {second[:7]} was deployed by " in stderr
    assert "--force --reason TEXT" in stderr
    # From elsewhere, by --source.
    assert bump(stack, tmp_path, "--sha", first, "--source", str(source))[0] == 4
    assert message(stack) == before
    newer = bump_json(stack, tmp_path, "--sha", third, "--source", str(source))
    assert newer["outcome"] == "pushed"
    assert newer["sites"][0]["order"] == {
        "order": "newer",
        "by": "checkout",
        "evidence": f"ancestry in the checkout {source}",
    }
    stages = {stage["stage"]: stage["detail"] for stage in newer["sites"][0]["stages"]}
    assert stages["commit"].endswith("   newer (checkout)")
    assert source_date(stack) == committed_at(source, third)


@pytest.mark.slow
def test_force_needs_a_reason_and_writes_it_down(stack: Stack, source: Path) -> None:
    first, _, third = shas(source)
    assert bump(stack, source, "--sha", third)[0] == 0
    code, _, stderr = bump(stack, source, "--sha", first, "--force")
    assert code == 2
    assert "--force needs a reason" in stderr
    forced = bump_json(stack, source, "--sha", first, "--force", "--reason", "the new one\nloses carts")
    assert (forced["outcome"], forced["sites"][0]["order"]["order"]) == ("pushed", "older")
    assert "\nReason: the new one loses carts\nBump-Forced: older\n" in message(stack)


@pytest.mark.slow
def test_a_workflow_with_a_shallow_checkout_asks_github(stack: Stack, source: Path, tmp_path: Path) -> None:
    first, second, third = shas(source)
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{source}", "site")
    with GitHubServer() as hub:
        hub.add("acme/site").parents.update({first: (), second: (first,), third: (second,)})
        hub.tokens["job"] = Token(User("github-actions[bot]"), ("acme/site",), writes=False)
        github = {"GITHUB_API_URL": hub.url, "GITHUB_TOKEN": "job", "GITHUB_REPOSITORY": "acme/site"}
        assert bump(stack, source, "--sha", third)[0] == 0
        code, _, stderr = bump(stack, tmp_path / "site", "--sha", second, **github)
        assert code == 4, stderr
        assert "which is deployed: GitHub's comparison in acme/site" in stderr
        (exchange,) = hub.exchanges
        assert exchange.path == f"/repos/acme/site/compare/{third[:7]}...{second}"
        assert problems(exchange) == []
        forced = bump_json(stack, tmp_path / "site", "--sha", second, "--force", "--reason", "x", **github)
        assert forced["outcome"] == "pushed", forced
        assert hub.exchanges[-1].path == f"/repos/acme/site/commits/{second}"
        assert problems(hub.exchanges[-1]) == []
        assert source_date(stack) == hub.exchanges[-1].answer.body["commit"]["committer"]["date"]


def source_date(stack: Stack) -> str:
    """What the newest commit says of its source commit."""
    (date,) = (
        line.partition(": ")[2] for line in message(stack).split("\n") if line.startswith("Bump-Source-Date")
    )
    return date


def committed_at(source: Path, sha: str) -> str:
    seconds = int(git(source, "show", "--no-patch", "--format=%ct", sha).strip())
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_directory_that_is_no_repository_is_said_before_anything_is_asked(
    stack: Stack, tmp_path: Path
) -> None:
    code, _, stderr = bump(stack, tmp_path, "--sha", "abc0001", "--source", str(tmp_path / "nowhere"))
    assert code == 2
    assert f"--source {tmp_path / 'nowhere'}: not a git repository" in stderr
