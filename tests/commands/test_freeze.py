"""Freezing sites, against the sandbox: what is refused then and what passes, a race for it, and who says so."""

import json
from pathlib import Path
from typing import Any

import commandline
import platforms
import pytest
from commandline import Ran
from git_remotes import git, hermetic, hook
from openapi import problems
from sandbox_github.content import Pull, User
from sandbox_github.server import GitHubServer, Token

from bumper_sandbox.stack import Stack

from .branch import message, names, repository, tip

SITE, OTHER = "specmcp-ai", "sddbook-com"
FILE = ".bump/freeze.yaml"
SHA = "abc0001" + "0" * 33


def bump(stack: Stack, *arguments: str, by: str = "ann", **more: str) -> Ran:
    environ = stack.child_environ() | {"USER": by, "LOGNAME": by, "COLUMNS": "80"} | more
    return commandline.bump(*arguments, "--repo", stack.url, environ=environ)


def bump_json(stack: Stack, *arguments: str, by: str = "ann", **more: str) -> dict[str, Any]:
    code, stdout, stderr = bump(stack, *arguments, "--output", "json", by=by, **more)
    answer: dict[str, Any] = json.loads(stdout)
    assert answer["exitCode"] == code, stderr
    return answer


def write(stack: Stack, text: str) -> None:
    """The file as a person would push it; none for an empty text."""
    stack.git.commit("platform.git", {FILE: text.encode()}, "Freeze by hand")


@pytest.mark.slow
def test_the_line_is_stopped_and_goes_on(stack: Stack) -> None:
    for tag in ("abc0001", "abc0002"):
        stack.registry.push(SITE, tag)
    assert bump(stack, "--site", SITE, "--sha", "abc0001")[0] == 0
    code, stdout, stderr = bump(
        stack, "freeze", "--all", "--reason", "the database burns", "--until", "2096-12-01T08:00Z"
    )
    assert code == 0, stderr
    frozen = tip(stack)
    assert stdout.startswith(
        "stop-the-line   frozen\n  now     all sites, set by ann, until 2096-12-01 08:00 UTC: the database burns\n"
    )
    assert f"  place   {FILE}:4\n  commit  main@sha1:{frozen[:7]}\n" in stdout
    assert message(stack).startswith("Freeze all sites until 2096-12-01 08:00 UTC\n\n")

    code, _, stderr = bump(stack, "--site", SITE, "--sha", "abc0002", by="robot")
    assert code == 4
    assert stderr == (
        f"error: {FILE}:4: {SITE} is not to be changed: frozen by stop-the-line (set by ann) until 2096-12-01 08:00 UTC: "
        "the database burns\nhelp:  run it again then; a rollback passes; to deploy it all the same: --force --reason TEXT\n"
    )
    assert tip(stack) == frozen
    # What is there already is followed, and nothing is written.
    assert bump_json(stack, "--site", SITE, "--sha", "abc0001")["outcome"] == "unchanged"

    shown = json.loads(bump(stack, "status", "--output", "json").stdout)
    assert {(row["freeze"] or {}).get("window") for row in shown["sites"]} == {"stop-the-line"}
    code, stdout, _ = bump(stack, "status")
    assert ", frozen " in stdout
    assert (
        stdout.count(
            "freeze: frozen by stop-the-line (set by ann) until 2096-12-01 08:00 UTC: the database burns"
        )
        == 1
    )
    code, stdout, _ = bump(stack, "doctor")
    assert f"! {FILE}: " in stdout
    assert "frozen by stop-the-line" in stdout

    forced = bump_json(
        stack, "--site", SITE, "--sha", "abc0002", "--force", "--reason", "it mends the database"
    )
    assert forced["outcome"] == "ready"
    assert "\nReason: it mends the database\nBump-Forced: frozen\n" in message(
        stack, forced["sites"][0]["commit"]
    )
    assert any(f"{FILE}:4: {SITE} is not to be changed" in notice for notice in forced["notices"])
    (record, *_) = json.loads(bump(stack, "history", SITE, "--output", "json").stdout)["deploys"]
    assert record["forced"] == ["frozen"]
    # A rollback passes.
    assert bump_json(stack, "rollback", "--site", SITE)["outcome"] == "ready"
    assert bump(stack, "release", "--site", SITE)[0] == 0

    assert bump(stack, "freeze", "--lift", "--all", by="ben")[0] == 0
    assert message(stack).startswith("Lift the freeze stop-the-line\n")
    assert ".bump" not in names(stack, ""), "the file that the freeze began"
    assert bump_json(stack, "--site", SITE, "--sha", "abc0002")["outcome"] == "ready"


def test_a_freeze_that_comes_in_between_is_met_by_the_push(stack: Stack) -> None:
    """The branch moves to the freeze while our push is under way: the server lost the tip that our plan was made on."""
    stack.registry.push(OTHER, "abc0003")
    before = tip(stack)
    assert bump(stack, "freeze", "--site", OTHER, "--reason", "it came in between")[0] == 0
    frozen, there = tip(stack), repository(stack)
    git(there, "update-ref", "refs/heads/main", before)
    hook(there, "update", f'git update-ref "$1" {frozen}; rm "$0"')
    code, stdout, stderr = bump(stack, "--site", OTHER, "--tag", "abc0003")
    assert code == 4, stderr
    assert f"{FILE}:" in stderr
    assert (
        f"{OTHER} is not to be changed: frozen by {OTHER} (set by ann) with no known end: it came in between"
        in stderr
    )
    assert "pushing to main" in stdout, "the first plan was let through, and lost its push"
    assert tip(stack) == frozen
    assert bump(stack, "freeze", "--lift", "--site", OTHER)[0] == 0


def test_a_file_that_cannot_be_read_stops_every_deploy(stack: Stack) -> None:
    stack.registry.push(OTHER, "abc0004")
    write(stack, "windows:\n- {name: x, reason: y, sites: nobody, zone: Mars}\n")
    code, _, stderr = bump(stack, "--site", OTHER, "--tag", "abc0004", "--dry-run")
    assert code == 4
    assert (
        f"{FILE}:2: {OTHER} is not to be changed: frozen, with no known end: 'Mars' is no time zone" in stderr
    )
    write(stack, "windows: []\n")
    assert bump(stack, "--site", OTHER, "--tag", "abc0004", "--dry-run")[0] == 0


@pytest.mark.slow
def test_a_label_of_the_pull_request_holds_what_it_brings(stack: Stack) -> None:
    stack.registry.push(OTHER, "abc0001")
    write(stack, "holdLabel: do-not-deploy\n")
    asked = ("--site", OTHER, "--sha", SHA, "--dry-run")
    with GitHubServer() as hub:
        hub.add("acme/site").pulls[7] = Pull(7, ("1" * 40,), merge=SHA, labels=("bug", "Do-Not-Deploy"))
        hub.tokens["job"] = Token(User("github-actions[bot]"), ("acme/site",), writes=False)
        github = {"GITHUB_API_URL": hub.url, "GITHUB_TOKEN": "job", "BUMP_SOURCE_REPOSITORY": "acme/site"}
        for version in (asked, ("--site", OTHER, "--tag", "abc0001", "--dry-run")):
            code, _, stderr = bump(stack, *version, **github)
            assert code == 4
            assert (
                f"{OTHER}: the pull request that abc0001 comes from has the label do-not-deploy, which holds it"
                in stderr
            )
        assert [problem for exchange in hub.exchanges for problem in problems(exchange)] == []
        hub.add("acme/site").pulls[7] = Pull(7, ("1" * 40,), merge=SHA)
        assert bump(stack, *asked, **github)[0] == 0
        # What can't be read is told, and holds nobody.
        hub.add("acme/site")
        unknown = bump_json(stack, *asked, **github)["notices"]
        assert any(f"acme/site has no commit {SHA}" in notice for notice in unknown)
        answer = bump_json(stack, *asked, **github | {"GITHUB_TOKEN": "of-somebody-else"})
    assert answer["outcome"] == "planned"
    assert any("has the label do-not-deploy could not be read: " in notice for notice in answer["notices"])
    write(stack, "windows: []\n")


def test_a_calendar_answers_without_a_network(tmp_path: Path) -> None:
    window = "- {name: night, reason: nobody is awake, sites: web, cron: 0 22 * * *, for: 8h}\n"
    files = platforms.files("registry.example", "web", "api")
    files[FILE] = f"zone: Europe/Berlin\nwindows:\n{window}".encode()
    for path, content in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)

    def check(*arguments: str) -> Ran:
        return commandline.bump("check", *arguments, environ=hermetic(tmp_path), cwd=tmp_path)

    night = f"closed   frozen by night until 2026-11-30 05:00 UTC: nobody is awake   {FILE}:3\n"
    assert check("--at", "2026-11-29T21:30Z", "--site", "web") == (4, f"web   {night}", "")
    assert check("--at", "2026-11-29T20:50Z", "--site", "web") == (
        0,
        f"web   open   until 2026-11-29 21:00 UTC: night   {FILE}:3\n",
        "",
    )
    # A deploy that may take longer does not fit any more.
    assert check("--at", "2026-11-29T20:50Z", "--site", "web", "--timeout", "11m").code == 4
    code, stdout, _ = check("--at", "2026-11-29T22:30+01:00")
    assert (code, stdout.splitlines()[1:]) == (4, [f"web           {night.rstrip()}", "api           open"])
    answer = json.loads(check("--at", "2026-11-29T21:30Z", "--site", "web", "--output", "json").stdout)
    assert (answer["at"], answer["exitCode"]) == ("2026-11-29T21:30:00Z", 4)
    assert answer["sites"][0]["freeze"] == {
        "window": "night",
        "reason": "nobody is awake",
        "place": f"{FILE}:3",
        "begins": None,
        "until": "2026-11-30T05:00:00Z",
    }
    code, _, stderr = check("--at", "now", "--site", "wbe")
    assert (code, "did you mean 'web'?" in stderr) == (4, True)
    assert check("--site", "web").code == 2
    assert check("--at", "soon").code == 2


def test_what_was_asked_for_must_be_clear(stack: Stack) -> None:
    for arguments, refusal in (
        (("--reason", "x"), "no sites given"),
        (("--all", "--site", OTHER, "--reason", "x"), "--all is every site"),
        (("--all",), "no reason given"),
        (("--label", "team", "--reason", "x"), "--label team: expected KEY=VALUE"),
        (("--label", "team=a", "--label", "team=b", "--reason", "x"), "one key has two values"),
        (("--lift",), "no sites given"),
        (("--lift", "--all", "--until", "3d"), "speak of a window that is made"),
    ):
        code, _, stderr = bump(stack, "freeze", *arguments)
        assert (code, refusal in stderr) == (2, True), stderr
    code, stdout, _ = bump(stack, "freeze", "--schema")
    assert (code, json.loads(stdout)["title"]) == (0, "The freeze windows of a platform repository")
