"""`--publish deployment,status` and an App's identity: real git, GitHub's API, and a Flux that follows."""

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import commandline
import pytest
from commandline import Ran
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from git_remotes import commit_directly, git
from openapi import problems
from sandbox_github.apps import Installation, RegisteredApp
from sandbox_github.content import Pull, User
from sandbox_github.deployments import Ledger
from sandbox_github.server import GitHubServer, Token

from bumper_sandbox.stack import REPOSITORY, Stack

PLATFORM, SOURCE = "octo/platform", "octo/web"
SITE = "specmcp-ai"
TAGS = [f"abc000{number}" for number in range(10)]
HEAD = TAGS[1] + "0" * 33


@dataclass
class World:
    """The sandbox whose repository GitHub knows, the site's own repository, and an App that is installed on both."""

    stack: Stack
    hub: GitHubServer
    key: str = field(repr=False)

    @property
    def ledger(self) -> Ledger:
        return self.hub.ledgers[SOURCE]

    def environ(self, **more: str) -> dict[str, str]:
        workflow = {
            "GITHUB_SERVER_URL": self.stack.git.url,
            "GITHUB_API_URL": self.hub.url,
            "GITHUB_REPOSITORY": SOURCE,
            "GITHUB_SHA": HEAD,
            "GITHUB_RUN_ID": "42",
        }
        app = {"BUMP_TOKEN": "", "BUMP_APP_ID": "4711", "BUMP_APP_PRIVATE_KEY": self.key}
        return {**self.stack.child_environ(), **workflow, **app, **more}

    @property
    def repository(self) -> str:
        return f"{self.stack.git.url}/{PLATFORM}.git"

    def bump(self, *arguments: str, **more: str) -> Ran:
        ran = self.bump_in_silence(*arguments, "--publish", "deployment,status", **more)
        assert "KEY-----" not in ran.stdout + ran.stderr
        assert "ghs_" not in ran.stdout + ran.stderr
        return ran

    def bump_in_silence(self, *arguments: str, **more: str) -> Ran:
        """Without telling GitHub of it."""
        return commandline.bump(*arguments, "--repo", self.repository, environ=self.environ(**more))

    def states(self, tag: str) -> list[list[str]]:
        sha = tag + "0" * 33
        return [
            [status.state for status in deployment.statuses]
            for deployment in self.ledger.deployments
            if deployment.sha == sha
        ]

    def checks(self, tag: str) -> list[str]:
        return [status.state for status in self.ledger.statuses if status.sha == tag + "0" * 33]


@contextmanager
def applying(world: World, tag: str) -> Iterator["subprocess.Popen[str]"]:
    """A deploy as a process of its own, as far as Flux has applied it."""
    job = ("--site", SITE, "--sha", tag, "--publish", "deployment,status", "--repo", world.repository)
    with commandline.process(*job, environ=world.environ()) as process:
        assert process.stdout
        while "applied" not in (line := process.stdout.readline()):
            assert line, "it ended before it had been applied"
        yield process


@pytest.fixture(scope="module")
def world(stack: Stack) -> Iterator[World]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with GitHubServer() as hub:
        path = stack.git.path(REPOSITORY)
        (path.parent / PLATFORM).parent.mkdir()
        (path.parent / f"{PLATFORM}.git").symlink_to(path)
        stack.git.admit(lambda secret: secret in hub.tokens and PLATFORM in hub.tokens[secret].reads)
        hub.add(PLATFORM)
        hub.add(SOURCE, Pull(7, (HEAD,)), commits=tuple(tag + "0" * 33 for tag in TAGS))
        permissions = dict.fromkeys(("contents", "deployments", "statuses", "pull_requests"), "write")
        app = RegisteredApp(4711, "Iv23liABC", "bump-app", key.public_key())
        app.installations.append(Installation(99, (PLATFORM, SOURCE), permissions))
        hub.apps.registered.append(app)
        for tag in TAGS:
            if tag != TAGS[9]:
                stack.registry.push(SITE, tag)
        yield World(stack, hub, pem)
        assert [problem for exchange in hub.exchanges for problem in problems(exchange)] == []
        assert hub.tokens.keys() <= {"job"}, "every token of the App was given back"


def test_an_app_deploys_and_tells_of_it(world: World) -> None:
    code, stdout, stderr = world.bump("--site", SITE, "--sha", TAGS[1], "--publish", "comment")
    assert (code, [line for line in stderr.splitlines() if "!" in line]) == (0, []), stdout + stderr
    (states,) = world.states(TAGS[1])
    assert (states[-1], states.count("success")) == ("success", 1)
    (deployment,) = world.ledger.deployments
    assert (deployment.environment, deployment.creator.login) == (SITE, "bump-app[bot]")
    assert deployment.payload["platform"] == f"{world.stack.git.url}/{PLATFORM}"
    assert len(deployment.payload["commit"]) == 40
    assert deployment.statuses[-1].log_url == f"{world.stack.git.url}/{SOURCE}/actions/runs/42"
    assert deployment.statuses[-1].environment_url.startswith("https://")
    checks = world.checks(TAGS[1])
    assert (checks[0], checks[-1], checks.count("success")) == ("pending", "success", 1)
    assert len(world.hub.repositories[SOURCE].comments_of(7)) == 1
    asked = [exchange.body for exchange in world.hub.exchanges if exchange.path.endswith("/access_tokens")]
    assert {"repositories": ["platform"], "permissions": {"contents": "write"}} in asked
    assert {
        "repositories": ["web"],
        "permissions": {
            "contents": "read",
            "pull_requests": "write",
            "deployments": "write",
            "statuses": "write",
        },
    } in asked


@pytest.mark.slow
def test_the_same_again_is_no_second_deployment(world: World) -> None:
    assert world.bump("--site", SITE, "--sha", TAGS[1])[0] == 0
    (states,) = world.states(TAGS[1])
    assert states.count("success") == 1
    code, _, stderr = world.bump("track", "--site", SITE)
    assert code == 0, stderr
    assert len(world.states(TAGS[1])) == 1


@pytest.mark.slow
def test_a_failure_and_then_a_success_that_ends_what_was_there_before(world: World) -> None:
    world.stack.behaviours[TAGS[2]] = "crash"
    assert world.bump("--site", SITE, "--sha", TAGS[2])[0] == 11
    assert [states[-1] for states in world.states(TAGS[2])] == ["failure"]
    assert world.checks(TAGS[2])[-1] == "failure"
    assert world.states(TAGS[1])[0][-1] == "success", "it still serves"
    # By the job's own token this time, which the App's Deployments are known to as well.
    world.hub.tokens["job"] = Token(User("github-actions[bot]"), (SOURCE,))
    assert world.bump("--site", SITE, "--sha", TAGS[3], GITHUB_TOKEN="job")[0] == 0
    assert world.states(TAGS[3])[0][-1] == "success"
    assert world.states(TAGS[1])[0][-1] == "inactive"


@pytest.mark.slow
def test_what_is_refused_is_no_deployment_and_its_status_says_so(world: World) -> None:
    code, _, _ = world.bump("--site", SITE, "--sha", TAGS[9], "--wait-for-image", "0s")
    assert (code, world.states(TAGS[9]), world.checks(TAGS[9])[-1]) == (4, [], "error")
    before = len(world.ledger.deployments)
    code, _, _ = world.bump("--site", "no-such-site", "--sha", TAGS[9])
    status = world.ledger.statuses[-1]
    assert (code, status.context, status.state) == (4, "bump/no-such-site", "error")
    assert status.description
    assert status.description.startswith("refused: ")
    assert len(world.ledger.deployments) == before


@pytest.mark.parametrize(
    "sent", [signal.SIGTERM, signal.SIGHUP, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
@pytest.mark.slow
def test_an_interrupted_run_leaves_nothing_unfinished(world: World, sent: signal.Signals) -> None:
    tag = {signal.SIGINT: TAGS[4], signal.SIGTERM: TAGS[5], signal.SIGHUP: TAGS[8]}[sent]
    world.stack.behaviours[tag] = "unready"
    with applying(world, tag) as process:
        time.sleep(0.2)
        process.send_signal(sent)
        process.communicate()
    assert process.returncode == 130
    (states,) = world.states(tag)
    assert states[-1] == "error"
    assert world.checks(tag)[-1] == "error"
    assert f"{tag} is on the branch" in str(world.ledger.statuses[-1].description)


@pytest.mark.slow
def test_what_is_not_followed_or_not_written_is_no_deployment(world: World) -> None:
    code, _, stderr = world.bump("--site", SITE, "--sha", TAGS[6], "--dry-run")
    assert code == 0
    assert "  ! deployment: nothing is deployed by a dry run\n" in stderr
    assert "  ! status: nothing is deployed by a dry run\n" in stderr
    code, _, stderr = world.bump("--site", SITE, "--sha", TAGS[6], "--no-wait")
    assert (code, world.states(TAGS[6]), world.checks(TAGS[6])[-1]) == (0, [], "success")
    assert "  ! deployment: nobody sees what becomes of it" in stderr
    assert world.bump("track", "--site", SITE)[0] == 0
    assert [states[-1] for states in world.states(TAGS[6])] == ["success"]


def test_an_app_that_is_not_installed_there_is_told_in_words(world: World) -> None:
    code, _, stderr = world.bump_in_silence("--site", SITE, "--sha", TAGS[7], BUMP_APP_ID="12")
    assert code == 6
    assert "the App 12 is not known by this key" in stderr
    assert "BUMP_APP_ID must be" in stderr
    code, _, stderr = world.bump_in_silence("--site", SITE, "--sha", TAGS[7], BUMP_APP_PRIVATE_KEY="nonsense")
    assert (code, "found no readable PEM text" in stderr) == (2, True)


@pytest.mark.slow
def test_a_sweep_finishes_what_a_killed_run_began(world: World) -> None:
    tag = TAGS[7]
    world.stack.behaviours[tag] = "unready"
    with applying(world, tag) as process:
        while not (world.states(tag) and world.states(tag)[0]):
            time.sleep(0.1)
        process.kill()
        process.communicate()
    assert world.states(tag)[0][-1] in ("queued", "in_progress")
    # Nobody gives its tokens back: GitHub forgets them within the hour.
    world.hub.tokens.clear()
    sweep = ("sweep", "--older-than", "0s", "--site", SITE)
    code, stdout, stderr = world.bump(*sweep, "--timeout", "5s", **_PLATFORMS)
    assert (code, stderr.count("!")) == (0, 0), stdout + stderr
    (states,) = world.states(tag)
    # By its own deadline the Deployment may have failed meanwhile.
    assert (states[-1], world.checks(tag)[-1]) in (("error", "error"), ("failure", "failure"))
    description = str(world.ledger.statuses[-1].description)
    assert description.startswith(("Timed out, still not Ready after ", "Failed, failing "))
    # Nobody waited: there is no Deployment yet, and one more sweep has nothing to tell.
    assert world.bump_in_silence("--site", SITE, "--sha", TAGS[0], "--no-wait")[0] == 0
    assert world.bump(*sweep, **_PLATFORMS)[0] == 0
    assert ([states[-1] for states in world.states(TAGS[0])], world.checks(TAGS[0])) == (
        ["success"],
        ["success"],
    )
    assert str(world.ledger.statuses[-1].description).startswith("Ready, seen ")
    assert world.states(tag)[0][-1] == "inactive"
    assert "has an end" in world.bump(*sweep, **_PLATFORMS)[1]


@pytest.mark.slow
def test_a_sweep_without_an_app_finishes_the_record_and_says_what_it_takes_to_tell(world: World) -> None:
    assert world.bump_in_silence("--site", SITE, "--sha", TAGS[3], "--no-wait")[0] == 0
    before = len(world.ledger.statuses)
    world.hub.tokens["job"] = Token(User("github-actions[bot]"), (PLATFORM,))
    no_app = {"BUMP_APP_ID": "", "BUMP_APP_PRIVATE_KEY": "", "GITHUB_TOKEN": "job"}
    sweep = ("sweep", "--older-than", "0s", "--site", SITE)
    code, stdout, stderr = world.bump(*sweep, GITHUB_REPOSITORY=PLATFORM, **no_app)
    assert (code, len(world.ledger.statuses)) == (0, before)
    assert f"; in {SOURCE} that takes an App which is installed there" in stderr
    assert f"{SITE}: Ready, seen " in stdout
    assert "has an end" in world.bump_in_silence(*sweep)[1]


@pytest.mark.slow
def test_a_commit_that_names_no_repository_keeps_no_sweep_from_its_end(world: World) -> None:
    repository = world.stack.git.path(REPOSITORY)
    assert world.bump_in_silence("--site", SITE, "--sha", TAGS[6], "--no-wait")[0] == 0
    deployed = git(repository, "show", "--no-patch", "--format=%B", "main")
    sweep = ("sweep", "--older-than", "0s", "--site", SITE)
    for address in (
        "https://[octo/web",
        f"{world.stack.git.url}/octo/..",
        "https://elsewhere.example/octo/web",
    ):
        message = re.sub("Source-Repository: .*", f"Source-Repository: {address}", deployed)
        commit_directly(repository, git(repository, "rev-parse", "main"), branch="main", message=message)
        code, _, stderr = world.bump(*sweep, **_PLATFORMS)
        assert (code, f"{SITE}: deployment, status: its commit names no source repository" in stderr) == (
            0,
            True,
        )
    # Once Flux has the newest of these commits.
    assert any("has an end" in world.bump_in_silence(*sweep)[1] for _ in range(10))


# A workflow of the platform, whose own token is for nothing else.
_PLATFORMS = {"GITHUB_REPOSITORY": PLATFORM, "GITHUB_TOKEN": "none"}
