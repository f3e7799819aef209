"""What is left at a pull request, and sites that come and go by GitHub alone, against the sandbox's GitHub.

Each request is held to GitHub's GraphQL schema.
"""

import json
import os
from collections.abc import Iterator
from typing import Any

import commandline
import pytest
from git_remotes import git
from graphql_schema import problems
from sandbox_github.content import User
from sandbox_github.hosted import Hosted
from sandbox_github.server import GitHubServer, Token

from bumper_sandbox.stack import REPOSITORY, Stack

NAME = "octo/platform"


@pytest.fixture(scope="module")
def hub(stack: Stack) -> Iterator[GitHubServer]:
    """A GitHub that holds the platform's repository, too."""
    with GitHubServer() as running:
        path = stack.git.path(REPOSITORY)
        (path.parent / NAME).parent.mkdir()
        (path.parent / f"{NAME}.git").symlink_to(path)
        running.tokens[stack.token] = Token(User("deployer[bot]"), (NAME,))
        yield running
        assert [problem for exchange in running.exchanges for problem in problems(exchange)] == []


@pytest.fixture(scope="module")
def hosted(stack: Stack, hub: GitHubServer) -> Hosted:
    return hub.host(NAME, stack.git.path(REPOSITORY), os.environ)


def bump(stack: Stack, hub: GitHubServer, *arguments: str) -> tuple[int, dict[str, Any], str]:
    github = {"GITHUB_SERVER_URL": stack.git.url, "GITHUB_API_URL": hub.url}
    url = f"{stack.git.url}/{NAME}.git"
    environ = {**stack.child_environ(), **github}
    ran = commandline.bump(*arguments, "--repo", url, "--output", "json", environ=environ)
    return ran.code, json.loads(ran.stdout), ran.stderr


@pytest.mark.slow
def test_a_pull_request_brings_the_site_once_it_is_merged(
    stack: Stack, hub: GitHubServer, hosted: Hosted
) -> None:
    stack.registry.push("example-org", "abc2101")
    before = hosted.tip("main")
    arguments = ("new-site", "example-org", "--host", "example.org", "--pull-request")
    code, answer, stderr = bump(stack, hub, *arguments)
    assert (code, answer["sites"][0]["reason"]) == (0, "PullRequest"), stderr
    assert hosted.tip("main") == before, "nothing is merged"
    pull = next(iter(hosted.pulls.values()))
    assert pull.title == "Add site example-org"
    assert "Bump-New-Site: example-org" in pull.body
    assert answer["sites"][0]["message"].endswith(
        f"is proposed by pull request #{pull.number}: https://github.example/octo/platform/pull/{pull.number}"
    )
    changed = git(hosted.path, "diff", "--name-status", before, pull.head).splitlines()
    assert sorted(changed) == [
        "A\tk8s/example-org/deployment.yaml",
        "A\tk8s/example-org/ingress.yaml",
        "A\tk8s/example-org/namespace.yaml",
        "A\tk8s/example-org/service.yaml",
        "A\tk8s/flux-system/example-org-sync.yaml",
        "M\tk8s/flux-system/kustomization.yaml",
    ]
    again, answer, _ = bump(stack, hub, *arguments)
    assert again == 0
    assert len(hosted.pulls) == 1, "the same pull request is gone on with"


@pytest.mark.parametrize(
    ("arguments", "changed"),
    [
        (("adopt", "sddbook-com", "--container", "sddbook-com"), "bump/image: "),
        (("isolate", "sddbook-com"), "kind: ArtifactGenerator"),
    ],
)
def test_what_is_written_for_good_can_be_left_at_a_pull_request(
    stack: Stack, hub: GitHubServer, hosted: Hosted, arguments: tuple[str, ...], changed: str
) -> None:
    before, known = hosted.tip("main"), set(hosted.pulls)
    code, _, stderr = bump(stack, hub, *arguments, "--pull-request")
    assert code == 0, stderr
    assert hosted.tip("main") == before, "nothing is merged"
    (number,) = set(hosted.pulls) - known
    assert changed in git(hosted.path, "diff", before, hosted.pulls[number].head)


def test_the_api_takes_a_site_away_with_its_files(stack: Stack, hub: GitHubServer, hosted: Hosted) -> None:
    code, answer, stderr = bump(
        stack, hub, "remove-site", "specmcp-ai", "--yes", "--no-wait", "--commit-via", "api"
    )
    assert (code, answer["outcome"]) == (0, "pushed"), stderr
    assert answer["commit"] == hosted.tip("main")
    assert "specmcp-ai" not in git(hosted.path, "ls-tree", "-r", "--name-only", "main")
