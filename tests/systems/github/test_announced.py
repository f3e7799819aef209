"""The commits of a branch with their statuses, read from the sandbox's GitHub and held to GitHub's schema."""

import os
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest
from git_remotes import FILES, TOKEN, commit_directly
from graphql_schema import problems
from sandbox_github.content import User
from sandbox_github.hosted import Hosted
from sandbox_github.server import GitHubServer, Token

from bumper.errors import NoAccess, Unreachable
from bumper.ports.github import Announced, CommitStatus
from bumper.systems.github.announced import AnnouncedBranch
from bumper.systems.github.graphql import GraphQL, graphql_url
from bumper_sandbox.git.server import GitServer

NAME = "octo/platform"
FLUX = User("flux[bot]")


@dataclass
class Place:
    hub: GitHubServer
    hosted: Hosted

    def announced(self, *down_to: str, branch: str = "main", token: str = "reader") -> tuple[Announced, ...]:
        url = graphql_url(self.hub.url)
        with closing(GraphQL(url, token=token, now=time.monotonic)) as api:
            return AnnouncedBranch(api, NAME, branch).announced(frozenset(down_to))

    def commit(self, count: int = 1) -> list[str]:
        made = []
        for _ in range(count):
            made.append(commit_directly(self.hosted.path, self.hosted.tip("main"), branch="main"))
        return made

    def say(self, sha: str, context: str, state: str, description: str) -> None:
        body = {"context": context, "state": state, "description": description}
        self.hosted.ledger.tell(sha, body, FLUX)


@pytest.fixture
def place() -> Iterator[Place]:
    with GitServer(TOKEN, os.environ) as server, GitHubServer() as hub:
        server.create(f"{NAME}.git", FILES)
        hub.tokens["reader"] = Token(User("reader[bot]"), (NAME,), writes=False)
        hub.tokens["stranger"] = Token(User("sam"), ())
        yield Place(hub, hub.host(NAME, server.path(f"{NAME}.git"), os.environ))
        assert [problem for exchange in hub.exchanges for problem in problems(exchange)] == []


def test_commits_come_newest_first_with_the_newest_status_of_each_context(place: Place) -> None:
    first, second = place.commit(2)
    place.say(first, "kustomization/web/1a2b3c4d", "failure", "health check failed")
    place.say(first, "kustomization/web/1a2b3c4d", "success", "reconciliation succeeded")
    place.say(first, "ci", "pending", "building")
    newest, older, *_ = place.announced(first)
    assert (newest.sha, newest.statuses) == (second, ())
    assert older.sha == first
    assert older.statuses == (
        CommitStatus(
            "kustomization/web/1a2b3c4d", "success", "reconciliation succeeded", "2026-01-02T03:04:05Z"
        ),
        CommitStatus("ci", "pending", "building", "2026-01-02T03:04:05Z"),
    )


def test_one_page_is_asked_where_our_commit_is_among_the_newest(place: Place) -> None:
    ours, *_ = place.commit(3)
    assert ours in [commit.sha for commit in place.announced(ours)]
    assert len(place.hub.exchanges) == 1


@pytest.mark.slow
def test_further_pages_are_asked_down_to_our_commit_and_some_older_ones(place: Place) -> None:
    older = place.commit(30)
    ours, *_ = place.commit(90)
    shas = [commit.sha for commit in place.announced(ours)]
    assert shas[89] == ours
    assert set(older[-20:]) <= set(shas)
    assert len(place.hub.exchanges) == 2


def test_a_commit_that_is_not_on_the_branch_is_not_looked_for_for_ever(place: Place) -> None:
    place.commit(3)
    assert "f" * 40 not in [commit.sha for commit in place.announced("f" * 40)]
    assert len(place.hub.exchanges) == 1


def test_a_branch_that_is_not_there_is_told(place: Place) -> None:
    with pytest.raises(Unreachable, match="octo/platform has no branch 'next'"):
        place.announced(branch="next")


@pytest.mark.parametrize("token", ["stranger", "nobody"])
def test_who_may_not_read_is_told_what_it_takes(place: Place, token: str) -> None:
    with pytest.raises(NoAccess) as caught:
        place.announced(token=token)
    assert "commit statuses: read" in caught.value.hint
