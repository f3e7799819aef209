"""`--follow github`: real git, a real registry protocol, GitHub's API, and no cluster anywhere."""

import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import commandline
import pytest
from commandline import Ran
from graphql_schema import problems
from platforms import TOKEN, files
from sandbox_github.content import User
from sandbox_github.hosted import Hosted
from sandbox_github.server import GitHubServer, Token

from bumper_sandbox.git.server import GitServer
from bumper_sandbox.registry.server import RegistryServer

NAME = "octo/platform"
WEB, API = "kustomization/web/1a2b3c4d", "kustomization/api/1a2b3c4d"
WELL = "reconciliation succeeded"


@dataclass
class Platform:
    """Two sites, of which `web` waits for its objects and `api` does not. Flux is played by `say`."""

    git: GitServer
    hub: GitHubServer
    hosted: Hosted
    registry: RegistryServer

    def environ(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": "/nowhere",
            "BUMP_TOKEN": TOKEN,
            "GITHUB_SERVER_URL": self.git.url,
            "GITHUB_API_URL": self.hub.url,
            **self.registry.environ(),
        }

    def bump(self, *arguments: str, **environ: str) -> Ran:
        job = (*arguments, "--repo", f"{self.git.url}/{NAME}.git", "--follow", "github")
        return commandline.bump(*job, environ=self.environ() | environ)

    def say(self, context: str, state: str, description: str) -> None:
        body = {"context": context, "state": state, "description": description}
        self.hosted.ledger.tell(self.hosted.tip("main"), body, User("flux[bot]"))

    def when_pushed(self, *statuses: tuple[str, str, str]) -> threading.Thread:
        """Speaks as soon as the branch has moved."""
        before = self.hosted.tip("main")

        def speak() -> None:
            deadline_s = time.monotonic() + 30
            while self.hosted.tip("main") == before and time.monotonic() < deadline_s:
                time.sleep(0.05)
            for status in statuses:
                self.say(*status)

        thread = threading.Thread(target=speak)
        thread.start()
        return thread


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[GitServer, GitHubServer, RegistryServer]]:
    with (
        GitServer(token=TOKEN, environ=os.environ) as git,
        GitHubServer() as hub,
        RegistryServer(authentication="none") as registry,
    ):
        for site in ("web", "api"):
            for tag in ("1.0", "2.0", "3.0"):
                registry.push(site, tag)
        hub.tokens[TOKEN] = Token(User("deployer[bot]"), (NAME,))
        yield git, hub, registry
        assert [problem for exchange in hub.exchanges for problem in problems(exchange)] == []


@pytest.fixture
def platform(servers: tuple[GitServer, GitHubServer, RegistryServer], tmp_path: Any) -> Platform:
    git, hub, registry = servers
    texts = files(registry.host, "web", "api")
    sync = "k8s/flux-system/web-sync.yaml"
    texts[sync] = texts[sync].replace(b"prune: true", b"prune: true, wait: true")
    path = git.path(f"{NAME}.git")
    if path.exists():
        path.rename(tmp_path / "before.git")
    git.create(f"{NAME}.git", texts)
    return Platform(git, hub, hub.host(NAME, path, os.environ), registry)


def deploy(platform: Platform, site: str, *statuses: tuple[str, str, str]) -> Ran:
    thread = platform.when_pushed(*statuses)
    try:
        return platform.bump("--site", site, "--tag", "2.0", "--timeout", "15s")
    finally:
        thread.join()


@pytest.mark.slow
def test_a_success_of_a_kustomization_that_waits_is_ready(platform: Platform) -> None:
    code, stdout, stderr = deploy(platform, "web", (API, "success", WELL), (WEB, "success", WELL))
    assert code == 0, stdout + stderr
    assert "✓ reported" in stdout
    assert "Ready in" in stdout
    assert "known by commit statuses alone: pods, digests and causes were not looked at" in stdout


@pytest.mark.slow
def test_a_success_of_one_that_does_not_wait_is_applied_and_no_more(platform: Platform) -> None:
    code, stdout, stderr = deploy(platform, "api", (API, "success", WELL))
    assert code == 0, stdout + stderr
    assert "Ready in" not in stdout
    assert "Applied: Flux applied Kustomization flux-system/api" in stdout
    assert "whether it runs the image is not known" in stdout


@pytest.mark.slow
def test_a_failure_fails(platform: Platform) -> None:
    code, stdout, _ = deploy(platform, "web", (WEB, "failure", "health check failed"))
    assert code == 11, stdout
    assert "Failed: Kustomization flux-system/web: health check failed" in stdout


@pytest.mark.slow
def test_silence_is_timed_out(platform: Platform) -> None:
    code, stdout, _ = platform.bump("--site", "web", "--tag", "2.0", "--timeout", "2s", "--output", "json")
    answer = json.loads(stdout)
    assert (code, answer["outcome"], answer["sites"][0]["reason"]) == (3, "timed-out", "NoStatus")
    assert "nothing may post them" in answer["sites"][0]["message"]


def test_what_is_pushed_can_be_tracked(platform: Platform) -> None:
    platform.say(WEB, "success", WELL)
    code, stdout, stderr = platform.bump("track", "--site", "web", "--timeout", "5s")
    assert code == 0, stdout + stderr
    assert "Ready in" in stdout


@pytest.mark.parametrize(
    "more", [("--context", "east"), ("--record", "file")], ids=lambda arguments: str(arguments[0])
)
def test_what_only_a_cluster_could_do_is_refused(platform: Platform, more: tuple[str, str]) -> None:
    before = platform.hosted.tip("main")
    code, _, stderr = platform.bump("--site", "web", "--tag", "2.0", *more)
    assert code == 2
    assert "--follow github asks none" in stderr
    assert platform.hosted.tip("main") == before


def test_another_host_than_github_is_refused_before_anything_is_written(platform: Platform) -> None:
    before = platform.hosted.tip("main")
    job = ("--site", "web", "--tag", "2.0")
    ran = platform.bump(*job, GITHUB_SERVER_URL="https://github.com")
    assert ran.code == 2, ran.stdout + ran.stderr
    assert platform.hosted.tip("main") == before
