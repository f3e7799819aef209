"""A GitHub with one repository of a site, and who may write there."""

import time
from collections.abc import Iterator

import pytest
from github_pages import NEW, OLD
from sandbox_github.content import Pull, User
from sandbox_github.server import GitHubServer, Token

from bumper.systems.github import GitHub

REPOSITORY = "octo/web"
HEAD, OTHER, BEFORE = NEW + "0" * 33, "b" * 40, OLD + "0" * 33
BOT = User("github-actions[bot]")


@pytest.fixture
def server() -> Iterator[GitHubServer]:
    with GitHubServer() as running:
        running.add(REPOSITORY, Pull(7, (OTHER,), merge=HEAD), Pull(8, (OTHER,)), commits=(BEFORE,))
        running.tokens["writer"] = Token(BOT, (REPOSITORY,))
        running.tokens["reader"] = Token(BOT, (REPOSITORY,), writes=False)
        yield running


@pytest.fixture
def hub(server: GitHubServer) -> Iterator[GitHub]:
    client = GitHub(REPOSITORY, token="writer", now=time.monotonic, api_url=server.url)
    yield client
    client.close()
