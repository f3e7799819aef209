"""`bump history`: what deploys leave behind in the sandbox's git, and nothing else, is what it reads."""

import base64
import csv
import io
import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import commandline
import git_remotes
import pytest
from commandline import Ran

from bumper.history import ending
from bumper.record import FOUND_RUNNING, Ending
from bumper_sandbox.stack import Stack

SITE = "kevinryan-io"
NOTES = f"refs/notes/bump-sites/{SITE}"


def bump(stack: Stack, *arguments: str, cwd: Path | None = None, **more: str) -> Ran:
    environ = {**stack.child_environ(), "USER": "kevin", **more}
    return commandline.bump(*arguments, environ=environ, cwd=cwd)


def history(stack: Stack, *arguments: str, cwd: Path | None = None) -> list[dict[str, Any]]:
    code, stdout, stderr = bump(stack, "history", *arguments, "--output", "json", cwd=cwd)
    assert code == 0, stderr
    deploys: list[dict[str, Any]] = json.loads(stdout)["deploys"]
    return deploys


def deploy(stack: Stack, site: str, tag: str, *arguments: str, behaviour: str = "ready", **more: str) -> Ran:
    stack.registry.push(site, tag)
    if behaviour != "ready":
        stack.behaviours[tag] = behaviour  # type: ignore[assignment]
    return bump(stack, "--site", site, "--sha", tag, "--repo", stack.url, *arguments, cwd=None, **more)


def git(stack: Stack, *arguments: str) -> str:
    repository = stack.git.path("platform.git")
    ran = subprocess.run(
        ["git", "-C", str(repository), *arguments], check=True, capture_output=True, text=True
    )
    return ran.stdout.strip()


def note(stack: Stack, deploy: dict[str, Any], outcome: str) -> None:
    """As a run does at its end."""
    ended = Ending(deploy["site"], outcome, "Because", 1.0, datetime.now(UTC), deploy["tag"])
    refs = f"--ref={ending.ref(ended.site)}"
    git_remotes.git(
        stack.git.path("platform.git"), "notes", refs, "add", "-m", ending.line(ended), deploy["commit"]
    )


@pytest.mark.slow
def test_every_deploy_is_read_back_with_its_outcome_and_duration(stack: Stack) -> None:
    assert deploy(stack, SITE, "abc2001")[0] == 0
    assert deploy(stack, SITE, "abc2002", "--timeout", "60s", behaviour="crash", GITHUB_ACTOR="eve")[0] == 11
    failed, ready, *_ = history(stack, SITE, "--repo", stack.url)
    assert (ready["previousTag"], ready["tag"], ready["outcome"]) == ("08a2c8e", "abc2001", "ready")
    assert (failed["previousTag"], failed["tag"], failed["outcome"]) == ("abc2001", "abc2002", "failed")
    assert (ready["requestedBy"], failed["requestedBy"], failed["outcomeReason"]) == (
        "kevin",
        "eve",
        "CrashLoop",
    )
    assert 0 < ready["seconds"] < 60
    assert failed["commit"] == git(stack, "rev-parse", "main")
    # Git itself shows the same lines; what ran before stands there, too, if it was up by then.
    notes = [git(stack, "notes", f"--ref={NOTES}", "show", each["commit"]) for each in (ready, failed)]
    lines = [json.loads(line) for note in notes for line in note.splitlines()]
    ends = [(line["site"], line["outcome"], line["tag"]) for line in lines if line["reason"] != FOUND_RUNNING]
    assert ends == [(SITE, "ready", "abc2001"), (SITE, "failed", "abc2002")]
    code, stdout, _ = bump(stack, "history", SITE, "--repo", stack.url, COLUMNS="80")
    assert code == 0
    head, first, *_ = stdout.splitlines()
    assert head.split() == ["WHEN", "FROM", "TO", "WHO", "OUTCOME", "TOOK", "COMMIT", "SOURCE"]
    assert first.split()[2:7] == ["abc2001", "abc2002", "eve", "failed:", "CrashLoop"]
    assert max(map(len, stdout.splitlines())) <= 80
    assert bump(stack, "adopt", SITE, "--environment", "blue", "--repo", stack.url).code == 0
    code, stdout, _ = bump(stack, "history", SITE, "--repo", stack.url, "--metrics", "--output", "json")
    metrics = json.loads(stdout)
    rate = metrics["overall"]["changeFailureRate"]
    assert (code, rate["sampleSize"], rate["failed"]) == (0, 2, 1)
    assert [each["environment"] for each in metrics["environments"]] == ["blue"]
    code, stdout, _ = bump(stack, "history", "--repo", stack.url, "--metrics", "--output", "openmetrics")
    assert code == 0
    assert f'bump_failed_deploys{{scope="site",site="{SITE}"' in stdout
    code, stdout, _ = bump(stack, "history", "--repo", stack.url, "--metrics")
    assert [line.split()[:2] for line in stdout.splitlines() if line.startswith(SITE)] == [[SITE, "1"]]


@pytest.mark.slow
def test_what_is_followed_later_tells_how_it_ended(stack: Stack) -> None:
    assert deploy(stack, "sddbook-com", "abc2003", "--no-wait")[0] == 0
    (pushed,) = history(stack, "sddbook-com", "--repo", stack.url)
    assert (pushed["tag"], pushed["outcome"], pushed["outcomes"]) == ("abc2003", None, [])
    # The branch moves on; following what it wants now still speaks of that deploy.
    assert deploy(stack, "specmcp-ai", "abc2004", "--no-notes")[0] == 0
    assert bump(stack, "track", "--site", "sddbook-com", "--repo", stack.url)[0] == 0
    (tracked,) = history(stack, "sddbook-com", "--repo", stack.url)
    assert (tracked["outcome"], len(tracked["outcomes"])) == ("ready", 1)
    (silent,) = history(stack, "specmcp-ai", "--repo", stack.url)
    assert silent["outcome"] is None, "--no-notes was asked for"
    # That it is still Ready is written down, and hides nothing.
    code, _, _ = deploy(stack, "sddbook-com", "abc2003")
    assert code == 0
    (again,) = history(stack, "sddbook-com", "--repo", stack.url)
    assert again["outcomes"][0]["outcome"] == "ready"
    assert again["seconds"] == tracked["seconds"]


@pytest.mark.slow
def test_a_dry_run_and_a_replay_leave_nothing(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "deploy.jsonl"
    assert deploy(stack, "docs-kevinryan-io", "abc2005", "--record", str(file))[0] == 0
    before = git(stack, "rev-parse", NOTES)
    stack.registry.push("docs-kevinryan-io", "abc2006")
    arguments = ("--site", "docs-kevinryan-io", "--sha", "abc2006", "--repo", stack.url)
    assert bump(stack, *arguments, "--dry-run")[0] == 0
    assert bump(stack, "track", "--replay", str(file))[0] == 0
    assert git(stack, "rev-parse", NOTES) == before


@pytest.mark.slow
def test_a_host_that_refuses_notes_changes_no_exit_code(stack: Stack) -> None:
    hook = stack.git.path("platform.git") / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\ncase "$1" in refs/notes/*) echo "no notes here" >&2; exit 1;; esac\n')
    hook.chmod(0o755)
    try:
        code, stdout, stderr = deploy(stack, "brand-kevinryan-io", "abc2007", "--output", "json")
    finally:
        hook.unlink()
    assert code == 0
    assert json.loads(stdout)["outcome"] == "ready"
    (warning,) = [line for line in stderr.splitlines() if "noted" in line]
    assert warning.startswith("  ! the outcome was not noted for bump history: ")
    assert "no notes here" in warning
    assert stack.token not in stderr


@pytest.mark.slow
def test_which_deploys_are_shown(stack: Stack) -> None:
    for number, site in enumerate(("aiimmigrants-com", "distributedequity-org")):
        assert deploy(stack, site, f"abc201{number}", "--no-wait")[0] == 0
    everything = history(stack, "--repo", stack.url, "--limit", "0")
    assert [deploy["site"] for deploy in everything[:2]] == ["distributedequity-org", "aiimmigrants-com"]
    assert history(stack, "--repo", stack.url, "--limit", "1") == everything[:1]
    assert history(stack, "--repo", stack.url, "--since", "1h") == everything[:20]
    assert history(stack, "--repo", stack.url, "--since", "2100-01-01") == []
    note(stack, everything[0], "superseded")
    note(stack, everything[1], "timed-out")
    badly = [
        (deploy["site"], deploy["outcome"]) for deploy in history(stack, "--repo", stack.url, "--failed")
    ]
    assert badly[0] == ("aiimmigrants-com", "timed-out")
    assert {outcome for _, outcome in badly} <= {"timed-out", "failed"}
    code, stdout, _ = bump(stack, "history", "--repo", stack.url, "--limit", "0", "--output", "csv")
    rows = list(csv.DictReader(io.StringIO(stdout, newline="")))
    assert code == 0
    assert [(row["site"], row["tag"], row["commit"]) for row in rows] == [
        (deploy["site"], deploy["tag"], deploy["commit"]) for deploy in everything
    ]
    for arguments, why in (
        (["no-such-site"], "no deploy of no-such-site is recorded on main"),
        (
            ["aimmigrants-com"],
            "no deploy of aimmigrants-com is recorded on main; did you mean 'aiimmigrants-com'?",
        ),
        (
            ["aiimmigrants-com", "--kustomization", "other", "--failed"],
            "no deploy of aiimmigrants-com is recorded on main that fits --kustomization, --failed",
        ),
    ):
        assert bump(stack, "history", *arguments, "--repo", stack.url)[:2] == (0, f"{why}\n")
    _, stdout, _ = bump(
        stack, "history", "aimmigrants-com", "--metrics", "--output", "json", "--repo", stack.url
    )
    assert json.loads(stdout)["notices"] == [
        "no deploy of aimmigrants-com is recorded on main; did you mean 'aiimmigrants-com'?"
    ]


@pytest.mark.slow
def test_the_checkout_we_stand_in_is_read_with_and_without_the_network(stack: Stack, tmp_path: Path) -> None:
    assert deploy(stack, "distributedequity-org", "abc2019")[0] == 0
    header = f"http.{stack.git.url}/.extraHeader=Authorization: Basic {_basic(stack.token)}"
    checkout = tmp_path / "checkout"
    clone = ["git", "-c", header, "clone", "--quiet", stack.url, str(checkout)]
    subprocess.run(clone, check=True, capture_output=True)
    here = history(stack, "--limit", "0", cwd=checkout)
    assert here == history(stack, "--limit", "0", "--repo", stack.url)
    assert here[0]["outcome"] == "ready"
    offline = history(stack, "--limit", "0", "--offline", cwd=checkout / "k8s")
    assert [deploy["commit"] for deploy in offline] == [deploy["commit"] for deploy in here]
    assert {deploy["outcome"] for deploy in offline} == {None}
    _, stdout, _ = bump(stack, "history", "--offline", cwd=checkout)
    assert "git fetch origin '+refs/notes/bump*:refs/notes/bump*' brings them" in stdout
    assert deploy(stack, "aiimmigrants-com", "abc2020", "--no-wait")[0] == 0
    assert history(stack, "--limit", "1", cwd=checkout)[0]["tag"] == "abc2020"
    assert history(stack, "--limit", "0", "--offline", cwd=checkout) == offline


def _basic(token: str) -> str:
    return base64.b64encode(f"x:{token}".encode()).decode()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--limit", "-1"], "'-1' is no number"),
        (["--since", "yesterday"], "'yesterday' is no date"),
        (["--since", "9999999999d"], "is no date"),
        (["--offline", "--repo", "https://git.example/x.git"], "--offline reads a clone on this machine"),
        (["--repo", "/nowhere"], "/nowhere: neither a URL nor a directory"),
        (["--branch", "prod"], "no branch 'prod'"),
        (["--metrics", "--limit", "5"], "--metrics counts all deploys of the period"),
        (["--metrics", "--output", "csv"], "--metrics counts all deploys of the period"),
        (["--output", "openmetrics"], "--output openmetrics holds figures"),
        (["--metrics", "--since", "2999-01-01"], "--since 2999-01-01: is still to come"),
    ],
)
def test_what_cannot_be_done_is_told(stack: Stack, arguments: list[str], problem: str) -> None:
    repo = [] if "--repo" in arguments else ["--repo", stack.url]
    code, _, stderr = bump(stack, "history", *arguments, *repo)
    assert code == 2
    assert problem in stderr


def test_an_empty_record_says_which_repository_nobody_named(tmp_path: Path) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (
        ["init", "--quiet", "--bare", "site.git"],
        ["clone", "--quiet", "site.git", "site"],
        ["-C", "site", "commit", "--quiet", "--allow-empty", "--message", "x"],
        ["-C", "site", "push", "--quiet", "origin", "HEAD:main"],
    ):
        subprocess.run([*git, *command], cwd=tmp_path, check=True, capture_output=True)
    origin, environ = str(tmp_path / "site.git"), {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    read = f"! read of {origin}, the origin of this checkout; another one: --repo URL\n"
    ran = commandline.bump("history", cwd=tmp_path / "site", environ=environ)
    assert (ran.code, ran.stdout) == (0, f"no deploy is recorded on main\n{read}")
    assert read not in commandline.bump("history", "--repo", origin, cwd=tmp_path, environ=environ).stdout
