"""Commits by GitHub's API, on a real repository behind the sandbox's GitHub."""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from git_remotes import FILES, TOKEN, WEB, commit_directly, content, git, remote
from graphql_schema import problems
from sandbox_github.content import User
from sandbox_github.hosted import Hosted
from sandbox_github.server import Answer, GitHubServer, Token
from tables import each_row

from bumper.app.surroundings import Surroundings
from bumper.deploy.commit.push import Landed, Proposal, land
from bumper.errors import BumpError, Denied, LostRace, NoAccess, Refused, Transient, Unreachable, UsageError
from bumper.systems.git.remote import Remote
from bumper.systems.github.commits import Commits
from bumper.systems.github.graphql import GraphQL, Home, Operation, graphql_url
from bumper_sandbox.git.server import GitServer

NAME = "octo/platform"
MESSAGE = "Deploy web abc1234\n\nWEB: one goes to two.\n\nBump-Site: web\nBump-To: abc1234\n"
NEW = b"image: registry.example/web:abc1234\n"
ANY = Operation("query Any { viewer { login } }", {"viewer": {"login": str}})


@dataclass
class Place:
    """A platform repository with both ways to it: git, and GitHub's API."""

    git: GitServer
    hub: GitHubServer
    hosted: Hosted
    reader: Remote
    opened: list[GraphQL] = field(default_factory=list)

    def commits(self, token: str = "writer") -> Commits:
        return Commits(self.graphql(token), NAME, self.reader.tree)

    def graphql(self, token: str = "writer") -> GraphQL:
        self.opened.append(GraphQL(graphql_url(self.hub.url), token=token, now=time.monotonic))
        return self.opened[-1]

    def message(self, commit: str) -> str:
        return git(self.hosted.path, "log", "-1", "--format=%B", commit)


@pytest.fixture
def place() -> Iterator[Place]:
    modes = {"run.sh": "100755", "link": "120000"}
    files = {**FILES, "run.sh": b"echo\n", "link": b"README.md"}
    with GitServer(TOKEN, os.environ) as server, GitHubServer() as hub:
        server.create(f"{NAME}.git", files, modes=modes)
        hub.tokens["writer"] = Token(User("deployer[bot]"), (NAME,))
        hub.tokens["reader"] = Token(User("reader[bot]"), (NAME,), writes=False)
        hub.tokens["stranger"] = Token(User("sam"), ())
        hosted = hub.host(NAME, server.path(f"{NAME}.git"), os.environ)
        with remote(server, f"{NAME}.git") as reader:
            place = Place(server, hub, hosted, reader)
            yield place
            for client in place.opened:
                client.close()
        assert [problem for exchange in hub.exchanges for problem in problems(exchange)] == []


def test_a_commit_holds_exactly_the_changes_and_the_whole_message(place: Place) -> None:
    parent = place.reader.fetch("main")
    changes = {WEB: NEW, "k8s/web/new.yaml": b"\x00\xff kind: New\r\n", "k8s/blog/deployment.yaml": None}
    revision = place.commits().write(parent, changes, MESSAGE, "main")
    assert str(revision) == f"main@sha1:{place.hosted.tip('main')}"
    assert place.message(revision.sha) == MESSAGE.strip()
    assert git(place.hosted.path, "log", "-1", "--format=%P", "main") == parent
    assert content(place.hosted.path, WEB) == NEW
    assert content(place.hosted.path, "k8s/web/new.yaml") == b"\x00\xff kind: New\r\n"
    listing = git(place.hosted.path, "diff", "--name-status", parent, "main").split("\n")
    assert listing == ["D\tk8s/blog/deployment.yaml", f"M\t{WEB}", "A\tk8s/web/new.yaml"]
    # What git read afterwards is what GitHub wrote.
    assert place.reader.fetch("main") == revision.sha
    assert place.reader.tree(revision.sha).read([WEB]) == {WEB: NEW}


def test_a_branch_that_moved_is_a_lost_race_and_nothing_is_written(place: Place) -> None:
    parent = place.reader.fetch("main")
    winner = commit_directly(place.hosted.path, parent, branch="main")
    with pytest.raises(LostRace, match="another push to main came first"):
        place.commits().write(parent, {WEB: NEW}, MESSAGE, "main")
    assert place.hosted.tip("main") == winner


def test_a_branch_that_moves_while_the_commit_is_made_is_a_lost_race(place: Place) -> None:
    parent = place.reader.fetch("main")
    place.hub.graphql.on_commit = lambda: (commit_directly(place.hosted.path, parent, branch="main"), None)[1]
    with pytest.raises(LostRace):
        place.commits().write(parent, {WEB: NEW}, MESSAGE, "main")


@pytest.mark.slow
def test_eight_writers_at_once_all_land_and_none_is_lost(place: Place) -> None:
    landed: dict[int, Landed[Proposal]] = {}
    problems_: list[BaseException] = []

    def write(number: int) -> None:
        path = f"k8s/site{number}/deployment.yaml"
        try:
            with remote(place.git, f"{NAME}.git") as reader:

                def propose() -> Proposal:
                    tip = reader.fetch("main")
                    return Proposal(tip, {path: (None, b"%d\n" % number)}, f"Deploy site{number} 1\n")

                writer = Commits(place.graphql(), NAME, reader.tree)
                landed[number] = land(propose(), propose, writer, "main", RealClock(), 60.0)
        except BaseException as error:
            problems_.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems_ == []
    history = place.hosted.history(place.hosted.tip("main"), 50)
    assert len(history) == 9
    assert {sha for sha, _, _ in history} > {landing.revision.sha for landing in landed.values()}
    assert len({landing.revision.sha for landing in landed.values()}) == 8
    for number in range(8):
        assert content(place.hosted.path, f"k8s/site{number}/deployment.yaml") == b"%d\n" % number
    assert sum(landing.attempts for landing in landed.values()) > 8, "nobody ever lost a race: no contention"


class RealClock:
    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@pytest.mark.parametrize(("path", "mode"), [("run.sh", "100755"), ("link", "120000")])
def test_a_mode_that_would_be_lost_is_refused_before_anything_is_asked(
    place: Place, path: str, mode: str
) -> None:
    parent = place.reader.fetch("main")
    with pytest.raises(Refused, match=f"{path}: found mode {mode}"):
        place.commits().write(parent, {WEB: NEW, path: b"x"}, MESSAGE, "main")
    assert place.hub.exchanges == []
    assert place.hosted.tip("main") == parent


def test_an_executable_file_may_go(place: Place) -> None:
    parent = place.reader.fetch("main")
    place.commits().write(parent, {"run.sh": None}, MESSAGE, "main")
    assert "run.sh" not in git(place.hosted.path, "ls-tree", "--name-only", "main").split()


def test_a_lost_answer_is_looked_up_on_the_branch(place: Place) -> None:
    parent = place.reader.fetch("main")
    place.hub.graphql.unanswered = 1
    revision = place.commits().write(parent, {WEB: NEW}, MESSAGE, "main")
    assert revision.sha == place.hosted.tip("main") != parent
    assert [exchange.answer.status for exchange in place.hub.exchanges] == [502, 200]


def test_a_lost_answer_that_was_no_commit_is_transient(place: Place) -> None:
    parent = place.reader.fetch("main")
    place.hub.faults.append(Answer(502, {"message": "Bad Gateway"}))
    with pytest.raises(Transient):
        place.commits().write(parent, {WEB: NEW}, MESSAGE, "main")
    assert place.hosted.tip("main") == parent


def test_a_lost_commit_that_others_have_committed_upon_is_found(place: Place) -> None:
    parent = place.reader.fetch("main")
    place.hub.graphql.unanswered = 1
    place.hub.faults = [None, Answer(503, {"message": "unavailable"})]
    commits = place.commits()
    with pytest.raises(Transient):
        commits.write(parent, {WEB: NEW}, MESSAGE, "main")
    ours = place.hosted.tip("main")
    commit_directly(place.hosted.path, ours, branch="main")
    assert commits.write(parent, {WEB: NEW}, MESSAGE, "main").sha == ours


def test_somebody_elses_commit_is_not_taken_for_the_lost_one(place: Place) -> None:
    parent = place.reader.fetch("main")
    place.hub.faults.append(Answer(502, {"message": "Bad Gateway"}))
    commit_directly(place.hosted.path, parent, branch="main", message="Deploy web abc1234")
    with pytest.raises(Transient):
        place.commits().write(parent, {WEB: NEW}, MESSAGE, "main")


def test_a_protected_branch_denies_in_githubs_words(place: Place) -> None:
    place.hosted.rules.takes_commits = False
    parent = place.reader.fetch("main")
    with pytest.raises(Denied, match=r"Changes must be made through a pull request\.") as caught:
        place.commits().write(parent, {WEB: NEW}, MESSAGE, "main")
    assert "--commit-via pr" in caught.value.hint


def test_where_only_signed_commits_may_go_git_is_rejected_and_the_api_is_not(place: Place) -> None:
    place.hosted.sign_only()
    parent = place.reader.fetch("main")
    with pytest.raises(Denied, match="GH013"):
        place.reader.write(parent, {WEB: NEW}, MESSAGE, "main")
    revision = place.commits().write(parent, {WEB: NEW}, MESSAGE, "main")
    assert "gpgsig" in git(place.hosted.path, "cat-file", "commit", revision.sha)
    assert place.reader.fetch("main") == revision.sha
    assert place.reader.subject(revision.sha) == "Deploy web abc1234"


@pytest.mark.parametrize(
    ("token", "kind", "problem"),
    [
        ("reader", Denied, "Resource not accessible by integration"),
        ("stranger", NoAccess, "Could not resolve to a Repository"),
        ("nobody", NoAccess, "Bad credentials"),
    ],
)
def test_who_may_not_write_hears_which_permission_is_missing(
    place: Place, token: str, kind: type[BumpError], problem: str
) -> None:
    parent = place.reader.fetch("main")
    with pytest.raises(kind, match=problem) as caught:
        place.commits(token).write(parent, {WEB: NEW}, MESSAGE, "main")
    assert "contents: write" in caught.value.hint
    assert TOKEN not in caught.value.message + caught.value.hint


def told(answer: Callable[[httpx.Request], httpx.Response]) -> GraphQL:
    return GraphQL(
        "https://api.github.com/graphql",
        token="secret",
        now=time.monotonic,
        transport=httpx.MockTransport(answer),
    )


def failing(kind: str | None, message: str, **headers: str) -> GraphQL:
    error: dict[str, Any] = {"message": message} | ({"type": kind} if kind else {})
    return told(lambda request: httpx.Response(200, json={"data": None, "errors": [error]}, headers=headers))


@pytest.mark.parametrize(
    ("kind", "message", "headers", "wait_s"),
    [
        ("RATE_LIMITED", "API rate limit exceeded for installation ID 1.", {}, 60.0),
        ("RATE_LIMIT", "API rate limit already exceeded for user ID 1.", {"retry-after": "7"}, 7.0),
        (
            "RATE_LIMITED",
            "API rate limit exceeded",
            {
                "x-ratelimit-remaining": "0",
                "x-ratelimit-reset": "1767322830",
                "date": "Fri, 02 Jan 2026 03:00:00 GMT",
            },
            30.0,
        ),
        (
            "RATE_LIMITED",
            "API rate limit exceeded, until the year 9999",
            {
                "x-ratelimit-remaining": "0",
                "x-ratelimit-reset": "253402300799",
                "date": "Fri, 02 Jan 2026 03:00:00 GMT",
            },
            60.0,
        ),
        (None, "You have exceeded a secondary rate limit. Please wait a few minutes.", {}, 60.0),
    ],
)
def test_a_limit_under_status_200_is_transient_with_the_wait(
    kind: str | None, message: str, headers: dict[str, str], wait_s: float
) -> None:
    with pytest.raises(Transient, match="rate limit") as caught:
        failing(kind, message, **headers).ask(ANY)
    assert caught.value.retry_after_s == wait_s


def test_githubs_own_failure_is_transient(place: Place) -> None:
    with pytest.raises(Transient, match="Something went wrong"):
        failing(None, "Something went wrong while executing your query.").ask(ANY)


@pytest.mark.parametrize("kind", ["FORBIDDEN", "INSUFFICIENT_SCOPES", "UNPROCESSABLE", "RULESET_OF_TOMORROW"])
def test_what_github_declines_is_final_and_in_its_words(place: Place, kind: str) -> None:
    commits = Commits(failing(kind, "Repository rule violations\nfound"), NAME, place.reader.tree)
    with pytest.raises(Denied, match="refuses the commit: Repository rule violations found"):
        commits.write(place.reader.fetch("main"), {WEB: NEW}, MESSAGE, "main")


def test_the_token_goes_in_a_header_and_stands_in_no_text() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(500, json={"message": "no"})

    with pytest.raises(Unreachable) as caught:
        told(answer).ask(ANY)
    assert seen[0].headers["authorization"] == "Bearer secret"
    assert str(seen[0].url) == "https://api.github.com/graphql"
    assert "secret" not in caught.value.message + caught.value.hint


ENTERPRISE = {"GITHUB_SERVER_URL": "https://git.example", "GITHUB_API_URL": "https://git.example/api/v3"}


@each_row(
    ("url", "environ", "name", "api"),
    [
        ("https://github.com/Octo/Platform.git", {}, NAME, "https://api.github.com/graphql"),
        ("git@github.com:octo/platform.git", {}, NAME, "https://api.github.com/graphql"),
        ("ssh://git@github.com/octo/platform", {}, NAME, "https://api.github.com/graphql"),
        ("https://git.example/octo/platform", ENTERPRISE, NAME, "https://git.example/api/graphql"),
        ("https://github.com/octo/platform", ENTERPRISE, NAME, "https://api.github.com/graphql"),
        (
            "https://acme.ghe.com/octo/platform",
            {"GITHUB_SERVER_URL": "https://acme.ghe.com", "GITHUB_API_URL": "https://api.acme.ghe.com"},
            NAME,
            "https://api.acme.ghe.com/graphql",
        ),
    ],
)
def test_where_a_repository_is_at_home(url: str, environ: dict[str, str], name: str, api: str) -> None:
    surroundings = Surroundings.of(environ)
    assert Home.find(url, surroundings.server_url, surroundings.api_url) == Home(name, api)


@pytest.mark.parametrize(
    "url",
    [
        "https://gitlab.example/octo/platform",
        "https://github.com.evil.example/octo/platform",
        "https://github.com/a/b/c",
        "/srv/git/octo/platform.git",
    ],
)
def test_a_repository_elsewhere_has_no_such_commits(url: str) -> None:
    with pytest.raises(UsageError, match="expected one where commits are made by GitHub's API"):
        Home.find(url)


def test_the_schema_catches_what_it_must(place: Place) -> None:
    place.commits().write(place.reader.fetch("main"), {WEB: NEW}, MESSAGE, "main")
    sent = place.hub.exchanges[-1]
    assert problems(sent) == []
    assert problems(sent._replace(body={**sent.body, "query": sent.body["query"].replace("oid", "sha")}))
    wrong = {"input": {**sent.body["variables"]["input"], "expected": "x"}}
    assert problems(sent._replace(body={**sent.body, "variables": wrong}))
    assert problems(sent._replace(body={**sent.body, "variables": {}}))
    for data in (
        {"createCommitOnBranch": {"commit": {"sha": "x"}}},
        {"createCommitOnBranch": {"commit": {"oid": 1}}},
        {"createCommitOnBranch": {"commit": {"oid": None}}},
        {},
    ):
        assert problems(sent._replace(answer=Answer(200, {"data": data})))


def test_the_modes_of_a_tree(place: Place) -> None:
    tree = place.reader.tree(place.reader.fetch("main"))
    names = ("README.md", "run.sh", "link", "k8s", "nothing", "k8s/web/service.yaml")
    assert [tree.mode(name) for name in names] == ["100644", "100755", "120000", "", "", "100644"]
    assert (
        subprocess.run(["git", "-C", str(place.hosted.path), "fsck", "--strict"], check=False).returncode == 0
    )
