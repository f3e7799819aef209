"""`--commit-via api` and `pr`, against the sandbox: its Flux follows what GitHub's API committed."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import commandline
import pytest
from commandline import Ran
from git_remotes import git
from graphql_schema import problems
from oidc import Issuer
from sandbox_github.content import User
from sandbox_github.hosted import Hosted, Rules
from sandbox_github.server import GitHubServer, Token
from sandbox_github.token_service import TokenServer

from bumper.app.surroundings import Surroundings
from bumper.cli import MAIN_COMMAND, parser_of
from bumper.commands import action
from bumper_sandbox.stack import REPOSITORY, Stack

NAME = "octo/platform"


@dataclass
class Platform:
    """The sandbox, its repository also known to a GitHub."""

    stack: Stack
    hub: GitHubServer
    hosted: Hosted
    url: str

    def environ(self, **more: str) -> dict[str, str]:
        # One token opens both, as on GitHub.
        github = {"GITHUB_SERVER_URL": self.stack.git.url, "GITHUB_API_URL": self.hub.url}
        return {**self.stack.child_environ(), **github, **more}

    def bump(self, *arguments: str, **more: str) -> Ran:
        return commandline.bump(*arguments, "--repo", self.url, environ=self.environ(**more))

    def bump_json(self, *arguments: str, **more: str) -> tuple[dict[str, Any], str]:
        code, stdout, stderr = self.bump(*arguments, "--output", "json", **more)
        answer: dict[str, Any] = json.loads(stdout)
        assert answer["exitCode"] == code, stderr
        return answer, stderr


@pytest.fixture(scope="module")
def platform(stack: Stack) -> Iterator[Platform]:
    with GitHubServer() as hub:
        path = stack.git.path(REPOSITORY)
        # The same repository under the name that it has on GitHub.
        (path.parent / NAME).parent.mkdir()
        (path.parent / f"{NAME}.git").symlink_to(path)
        hub.tokens[stack.token] = Token(User("deployer[bot]"), (NAME,))
        yield Platform(stack, hub, hub.host(NAME, path, os.environ), f"{stack.git.url}/{NAME}.git")
        assert [problem for exchange in hub.exchanges for problem in problems(exchange)] == []


@pytest.fixture(autouse=True)
def rules(platform: Platform) -> Iterator[Rules]:
    yield platform.hosted.rules
    platform.hosted.rules = Rules()


def test_commits_by_the_api_pass_where_a_push_is_rejected_and_become_ready(platform: Platform) -> None:
    platform.hosted.sign_only()
    platform.stack.registry.push("specmcp-ai", "abc0001")
    arguments = ("--site", "specmcp-ai", "--sha", "abc0001")
    pushed, stderr = platform.bump_json(*arguments)
    assert pushed["outcome"] == "denied"
    assert "GH013" in json.dumps(pushed) + stderr
    made, _ = platform.bump_json(*arguments, "--commit-via", "api")
    assert (made["outcome"], made["sites"][0]["tag"]) == ("ready", "abc0001")
    commit = made["sites"][0]["commit"]
    assert commit == platform.hosted.tip("main")
    body = git(platform.hosted.path, "log", "-1", "--format=%B", commit)
    assert body.startswith("Deploy specmcp-ai abc0001\n\n")
    assert "Bump-Site: specmcp-ai\n" in body
    (platform.hosted.path / "hooks" / "pre-receive").unlink()


@pytest.mark.slow
def test_a_pull_request_is_followed_to_its_merge_and_on_to_ready(platform: Platform, rules: Rules) -> None:
    rules.takes_commits, rules.reviews, rules.checks = False, True, True
    platform.stack.registry.push("sddbook-com", "abc0002")
    arguments = ("--site", "sddbook-com", "--sha", "abc0002", "--repo", platform.url, "--commit-via", "pr")
    running = commandline.begin(*arguments, environ=platform.environ())
    pull = wait_for_pull(platform)
    pull.checks, pull.review = "SUCCESS", "APPROVED"
    code, stdout, stderr = running.result()
    assert code == 0, stdout + stderr
    page = f"https://github.example/octo/platform/pull/{pull.number}"
    assert f"pull request #{pull.number}: open   {page}" in stdout
    assert f"pull request #{pull.number}: a review is required   {page}" in stdout
    assert "Ready in" in stdout
    assert pull.merge == platform.hosted.tip("main")
    assert f"main@sha1:{pull.merge[:7]}" in stdout


def wait_for_pull(platform: Platform) -> Any:
    """The newest open pull request, once somebody looks at its state."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        waiting = [pull for pull in platform.hosted.pulls.values() if pull.state == "OPEN"]
        if waiting and platform.hub.exchanges[-1].body["operationName"].startswith("PullRequest"):
            return waiting[-1]
        time.sleep(0.1)
    raise AssertionError("no pull request was opened")


@pytest.mark.slow
def test_ctrl_c_says_that_the_pull_request_stays_open(platform: Platform, rules: Rules) -> None:
    rules.reviews = True
    platform.stack.registry.push("brand-kevinryan-io", "abc0003")
    before = platform.hosted.tip("main")
    arguments = ("--site", "brand-kevinryan-io", "--sha", "abc0003", "--commit-via", "pr")
    job = (*arguments, "--repo", platform.url)
    with commandline.process(*job, environ=platform.environ()) as process:
        pull = wait_for_pull(platform)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate()
    assert process.returncode == 130, stderr
    assert f"Interrupted: pull request #{pull.number} stays open: " in stdout
    assert pull.state == "OPEN"
    # The same command goes on with it, up to its own deadline.
    answer, stderr = platform.bump_json(*arguments, "--merge-timeout", "0")
    assert answer["outcome"] == "timed-out"
    assert answer["exitCode"] == 3
    assert f"/pull/{pull.number}" in answer["error"]["hint"]
    assert platform.hosted.tip("main") == before
    pull.state = "CLOSED"


def test_a_branch_that_takes_no_commits_is_denied_in_githubs_words(platform: Platform, rules: Rules) -> None:
    rules.takes_commits = False
    platform.stack.registry.push("kevinryan-io", "abc0004")
    answer, _ = platform.bump_json("--site", "kevinryan-io", "--sha", "abc0004", "--commit-via", "api")
    assert answer["outcome"] == "denied"
    assert "Changes must be made through a pull request." in answer["error"]["message"]
    assert "--commit-via pr" in answer["error"]["hint"]


@pytest.mark.slow
def test_the_race_is_won_on_the_new_tip(platform: Platform) -> None:
    platform.stack.registry.push("aiimmigrants-com", "abc0005")
    lock = threading.Lock()

    def be_faster() -> None:
        with lock:
            platform.hub.graphql.on_commit = None
            tip = platform.hosted.tip("main")
            platform.hosted.move("main", platform.hosted.commit(tip, {"NOTES": b"x"}, [], "Else"), tip)

    platform.hub.graphql.on_commit = be_faster
    code, stdout, stderr = platform.bump(
        "--site", "aiimmigrants-com", "--sha", "abc0005", "--commit-via", "api", "--no-wait"
    )
    assert code == 0, stderr
    assert "2 tries" in stdout
    subjects = git(platform.hosted.path, "log", "-2", "--format=%s", "main").split("\n")
    assert subjects == ["Deploy aiimmigrants-com abc0005", "Else"]


@pytest.mark.slow
def test_a_repository_that_is_not_on_github_is_a_usage_error(platform: Platform) -> None:
    for way in ("api", "pr"):
        code, _, stderr = platform.bump(
            *("--site", "kevinryan-io", "--sha", "abc0004", "--commit-via", way),
            GITHUB_SERVER_URL="https://github.com",
        )
        assert code == 2, stderr
        assert "--commit-via git" in stderr


@pytest.mark.slow
def test_the_step_of_a_workflow_takes_both_options() -> None:
    inputs = {"BUMP_INPUT_COMMIT_VIA": "pr", "BUMP_INPUT_MERGE_TIMEOUT": "1h", "BUMP_INPUT_REPO": NAME}
    _, line = action.command_line(Surroundings.of({**inputs, "BUMP_INPUT_SITE": "web"}))
    arguments = parser_of(MAIN_COMMAND).parse_args(line)
    assert (arguments.commit_via, arguments.merge_timeout) == ("pr", 3600.0)


@pytest.mark.slow
def test_no_secret_is_in_what_is_said(platform: Platform) -> None:
    platform.stack.registry.push("kevinryan-io", "abc0006")
    _, stdout, stderr = platform.bump(
        "--site", "kevinryan-io", "--sha", "abc0006", "--commit-via", "api", "--no-wait"
    )
    assert platform.stack.token not in stdout + stderr


@pytest.mark.slow
def test_a_step_without_a_stored_token_commits_with_what_a_token_service_gives(platform: Platform) -> None:
    stack = platform.stack
    stack.registry.push("specmcp-ai", "abc0077")
    with Issuer(sub="repo:octo/web:ref:refs/heads/main", ref="refs/heads/main") as issuer:
        policy = {"issuer": issuer.url, "subject": issuer.claims["sub"], "permissions": {"contents": "write"}}
        files = {f"{NAME}/.github/chainguard/bump.sts.yaml": json.dumps(policy)}
        minted: list[Mapping[str, str]] = []

        def mint(repository: str, permissions: Mapping[str, str]) -> str:
            minted.append({"repository": repository, **permissions})
            return stack.token

        with TokenServer(lambda repository, path: files.get(f"{repository}/{path}"), mint) as service:
            inputs = {
                "SITE": "specmcp-ai",
                "SHA": "abc0077",
                "REPO": platform.url,
                "COMMIT_VIA": "api",
                "WAIT": "false",
                "SUMMARY": "false",
                "COMMENT": "false",
                "TOKEN_SERVICE": f"http://{service.domain}",
                "TOKEN_IDENTITY": "bump",
            }
            environ = platform.environ(
                BUMP_TOKEN="",
                GITHUB_ACTIONS="true",
                **{f"BUMP_INPUT_{name}": text for name, text in inputs.items()},
                **issuer.environ(),
            )
            ran = commandline.bump("action", environ=environ)
    assert ran.code == 0, ran.stdout
    assert minted == [{"repository": NAME, "contents": "write"}], "one token for the whole run"
    # The runner is told of it where it listens, and no other line shows it.
    shown = [line for line in ran.stdout.splitlines() if stack.token in line]
    assert shown == [f"::add-mask::{stack.token}"]
    before, _, _ = ran.stdout.partition(shown[0])
    stop = before.splitlines()[0]
    assert before.endswith(f"\n{stop.replace('stop-commands::', '')}::\n")
    assert stack.token not in ran.stderr
    # It is given back; the sandbox has one token for everything, which the next test needs.
    assert platform.hub.exchanges[-1].path == "/installation/token"
    platform.hub.tokens[stack.token] = Token(User("deployer[bot]"), (NAME,))
