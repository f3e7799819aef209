"""The client and the sandbox's GitHub, held together to GitHub's own description."""

import io
import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx
import pytest
from openapi import problems
from sandbox_github.content import Pull, User
from sandbox_github.server import LONGEST_BODY, Answer, Exchange, GitHubServer, Token
from tables import each_row

from bumper.errors import BumpError, NoAccess, Transient, Unreachable, UsageError
from bumper.ports.github import Posted
from bumper.publish.comment import MARKER
from bumper.systems.github import GitHub, runner

REPOSITORY = "octo/site"
MERGED, OPEN, OTHER = "a" * 40, "b" * 40, "c" * 40
BOT = User("github-actions[bot]", 41898282)


@pytest.fixture
def server() -> Iterator[GitHubServer]:
    with GitHubServer() as running:
        running.add(
            REPOSITORY,
            Pull(7, (OTHER,), merge=MERGED),
            Pull(9, (OPEN,)),
            commits=("d" * 40,),
        )
        running.tokens["writer"] = Token(BOT, (REPOSITORY,))
        running.tokens["reader"] = Token(BOT, (REPOSITORY,), writes=False)
        running.tokens["person"] = Token(User("robin"), (REPOSITORY,))
        running.tokens["stranger"] = Token(User("sam"), ())
        yield running


@pytest.fixture
def hub(server: GitHubServer) -> Iterator[GitHub]:
    yield from opened(server, "writer")


def opened(server: GitHubServer, token: str) -> Iterator[GitHub]:
    client = GitHub(REPOSITORY, token=token, now=time.monotonic, api_url=server.url)
    yield client
    client.close()


def described(exchanges: list[Exchange]) -> None:
    assert exchanges
    assert [problem for exchange in exchanges for problem in problems(exchange)] == []


@pytest.mark.slow
def test_everything_that_is_asked_and_answered_is_as_github_describes_it(server: GitHubServer) -> None:
    for token in ("writer", "reader", "person", "stranger", "nobody"):
        for client in opened(server, token):
            for ask in _every_request(client):
                with_errors(ask)
    described(server.exchanges)
    statuses = {(exchange.method, exchange.answer.status) for exchange in server.exchanges}
    assert {
        ("GET", 200),
        ("POST", 201),
        ("PATCH", 200),
        ("DELETE", 204),
        ("POST", 403),
        ("GET", 404),
    } <= statuses
    assert {("POST", 422), ("GET", 401)} <= statuses


def _every_request(client: GitHub) -> Iterator[Callable[[], object]]:
    created: list[Posted] = []
    yield lambda: client.commit("aaaaaaa")
    yield lambda: client.commit("fffffff")
    yield lambda: client.pull_of(MERGED)
    yield lambda: created.append(client.create_comment(7, "hello"))
    yield lambda: client.create_comment(7, "x" * (LONGEST_BODY + 1))
    yield lambda: client.create_comment(8, "no such pull request")
    yield lambda: list(client.comments(7))
    yield lambda: [client.wrote(comment) for comment in created]
    yield lambda: client.comment(created[0].number if created else 1)
    yield lambda: client.edit_comment(created[0].number if created else 1, "again")
    yield lambda: client.edit_comment(1, "nowhere")
    yield lambda: client.delete_comment(created[0].number if created else 1)


def with_errors(ask: Callable[[], object]) -> None:
    with suppress(BumpError):
        ask()


def test_the_description_catches_what_it_must(server: GitHubServer, hub: GitHub) -> None:
    posted = hub.create_comment(7, "hello")
    list(hub.comments(7))
    exchange = server.exchanges[-1]
    assert problems(exchange) == []
    assert problems(exchange._replace(path="/repos/octo/site/issues/7/remarks"))
    assert problems(exchange._replace(query={"per_page": "many"}))
    assert problems(exchange._replace(query={"size": "3"}))
    less = [{name: value for name, value in exchange.answer.body[0].items() if name != "html_url"}]
    assert problems(exchange._replace(answer=Answer(200, less)))
    assert problems(exchange._replace(answer=Answer(418, {"message": "no"})))
    sent = server.exchanges[0]
    assert problems(sent) == []
    assert problems(sent._replace(body={"text": "hello"}))
    assert problems(sent._replace(body=None))
    assert posted.body == "hello"


def test_a_commit_is_found_by_its_first_digits(hub: GitHub) -> None:
    assert hub.commit("aaaaaaa") == MERGED
    assert hub.commit("fffffff") == ""


@pytest.mark.parametrize(
    ("sha", "pull"), [(MERGED, 7), (OTHER, 7), (OPEN, 9), ("d" * 40, None), ("e" * 40, None)]
)
def test_the_pull_request_that_a_commit_came_from(hub: GitHub, sha: str, pull: int | None) -> None:
    assert hub.pull_of(sha) == pull


def test_a_repository_that_the_token_does_not_see_is_not_one_without_pull_requests(
    server: GitHubServer,
) -> None:
    server.tokens["blind"] = Token(User("an-app[bot]"), ())
    hub = GitHub(REPOSITORY, token="blind", now=time.monotonic, api_url=server.url)
    for ask in (hub.pull_of, hub.commit):
        with pytest.raises(NoAccess, match=f"{REPOSITORY}: not visible to this token"):
            ask(MERGED)
    hub.close()


def test_of_several_pull_requests_the_one_that_was_merged_as_this_commit_wins(
    server: GitHubServer, hub: GitHub
) -> None:
    shared = "1" * 40
    repository = server.repositories[REPOSITORY]
    for pull in (
        Pull(20, (shared, OPEN)),
        Pull(21, (OPEN, shared)),
        Pull(22, (OTHER, shared, OPEN), merge="2" * 40),
        Pull(23, (OTHER,), merge=shared),
    ):
        repository.pulls[pull.number] = pull
    numbers = []
    while (number := hub.pull_of(shared)) is not None:
        numbers.append(number)
        del repository.pulls[number]
    assert numbers == [23, 21, 22, 20]


def test_a_pull_request_of_another_repository_is_not_ours(server: GitHubServer, hub: GitHub) -> None:
    answer = server.objects.pull(server.repositories[REPOSITORY], Pull(5, (MERGED,)))
    answer["base"]["repo"]["full_name"] = "somebody/fork"
    server.faults.append(Answer(200, [answer]))
    assert hub.pull_of(MERGED) is None


def test_comments_are_read_through_all_pages(server: GitHubServer, hub: GitHub) -> None:
    repository = server.repositories[REPOSITORY]
    written = [server.write(repository, 7, User("robin"), f"remark {number}").number for number in range(250)]
    assert [comment.number for comment in hub.comments(7)] == written
    assert [exchange.query.get("page", "1") for exchange in server.exchanges] == ["1", "2", "3"]
    described(server.exchanges)


def test_what_is_gone_is_told_apart_from_what_fails(hub: GitHub) -> None:
    created = hub.create_comment(7, "hello")
    assert hub.edit_comment(created.number, "again")
    comment = hub.comment(created.number)
    assert comment
    assert (comment.body, comment.author, comment.is_bot) == ("again", BOT.login, True)
    hub.delete_comment(created.number)
    hub.delete_comment(created.number)
    assert not hub.edit_comment(created.number, "more")
    assert hub.comment(created.number) is None


def test_an_app_knows_its_comments_by_their_being_a_bots_and_a_person_by_name(server: GitHubServer) -> None:
    bot, person = Posted(1, "", BOT.login, is_bot=True), Posted(2, "", "robin", is_bot=False)
    for client in opened(server, "writer"):
        assert (client.wrote(bot), client.wrote(person)) == (True, False)
    for client in opened(server, "person"):
        assert (client.wrote(bot), client.wrote(person)) == (False, True)
        assert [exchange.path for exchange in server.exchanges] == ["/user", "/user"]


def test_a_read_only_token_may_not_write_and_is_told_which_permission_helps(server: GitHubServer) -> None:
    for client in opened(server, "reader"):
        with pytest.raises(NoAccess) as refused:
            client.create_comment(7, MARKER)
        assert "Resource not accessible by integration" in refused.value.message
        assert "pull-requests: write" in refused.value.hint


@pytest.mark.parametrize("token", ["stranger", "nobody"])
def test_a_token_of_another_repository_gets_nowhere(server: GitHubServer, token: str) -> None:
    for client in opened(server, token):
        with pytest.raises(Unreachable):
            list(client.comments(7))
        with pytest.raises(NoAccess):
            client.create_comment(7, "hello")


@each_row(
    ("status", "headers", "message", "wait_s"),
    [
        (429, {"Retry-After": "17"}, "", 17.0),
        (429, {}, "", 60.0),
        (403, {"Retry-After": "5"}, "You have exceeded a secondary rate limit.", 5.0),
        (403, {}, "You have exceeded a secondary rate limit.", 60.0),
        (
            403,
            {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1000090", "Date": formatdate(1_000_000)},
            "",
            90.0,
        ),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1000090"}, "", 60.0),
        (503, {"Retry-After": "3"}, "", 3.0),
        (502, {}, "", None),
    ],
)
def test_the_wait_that_github_asks_for_is_handed_on(
    status: int, headers: dict[str, str], message: str, wait_s: float | None
) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, headers=headers, json={"message": message})

    hub = GitHub(REPOSITORY, token="t", now=lambda: 0.0, transport=httpx.MockTransport(answer))
    with pytest.raises(Transient) as limited:
        hub.comment(1)
    assert limited.value.retry_after_s == wait_s
    hub.close()


@pytest.mark.parametrize(
    ("respond", "expected"),
    [
        (lambda request: httpx.Response(200, content=b"<html>"), Transient),
        (lambda request: httpx.Response(422, json={"message": "too long"}), Unreachable),
        (
            lambda request: httpx.Response(301, headers={"Location": "https://elsewhere.example/"}),
            Unreachable,
        ),
        (lambda request: httpx.Response(301, headers={"Location": "http://api.github.com/"}), Unreachable),
        (lambda request: httpx.Response(401, json=["no object"]), NoAccess),
    ],
)
def test_other_answers_have_a_type(
    respond: Callable[[httpx.Request], httpx.Response], expected: type[BumpError]
) -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return respond(request)

    hub = GitHub(REPOSITORY, token="t", now=lambda: 0.0, transport=httpx.MockTransport(answer))
    with pytest.raises(expected):
        hub.comment(1)
    assert set(asked) == {"api.github.com"}
    hub.close()


def test_a_repository_that_was_renamed_is_followed_on_the_same_host() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/repos/"):
            return httpx.Response(
                307, headers={"Location": "https://api.github.com/repositories/1/issues/comments/5"}
            )
        assert (request.method, json.loads(request.content)) == ("PATCH", {"body": "x"})
        assert request.headers["Authorization"] == "Bearer secret"
        return httpx.Response(200, json={"id": 5})

    hub = GitHub(REPOSITORY, token="secret", now=lambda: 0.0, transport=httpx.MockTransport(answer))
    assert hub.edit_comment(5, "x")
    hub.close()


def test_nobody_answers() -> None:
    with GitHubServer() as server:
        url = server.url
    hub = GitHub(REPOSITORY, token="secret", now=time.monotonic, api_url=url)
    with pytest.raises(Transient, match="cannot be reached") as refused:
        hub.pull_of(MERGED)
    assert "secret" not in refused.value.message + repr(hub._api)
    hub.close()


@pytest.mark.parametrize("url", ["http://github.example", "ftp://127.0.0.1", "nonsense"])
def test_no_token_goes_without_tls_but_on_loopback(url: str) -> None:
    with pytest.raises(UsageError, match="expected an https address"):
        GitHub(REPOSITORY, token="t", now=lambda: 0.0, api_url=url)


def test_an_answer_that_drips_is_given_up() -> None:
    seconds = iter(range(0, 1000, 20))

    def drip() -> Iterator[bytes]:
        while True:
            yield b" "

    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=drip()))
    hub = GitHub(REPOSITORY, token="t", now=lambda: float(next(seconds)), transport=transport)
    with pytest.raises(Transient, match="not complete"):
        hub.comment(1)
    hub.close()


def test_an_output_cannot_end_early_and_a_line_cannot_be_a_command(tmp_path: Path) -> None:
    values = {"reason": "x\nend\noutcome=ready", "tag": ""}
    runner.append_outputs(tmp_path / "out", values)
    assert _read_as_the_runner_does((tmp_path / "out").read_text()) == values
    line = runner.annotation("error", "web: failed, 1:2", "a\r\n::set-output name=x::y 100%")
    assert line == "::error title=web%3A failed%2C 1%3A2::a%0D%0A::set-output name=x::y 100%25\n"


def _read_as_the_runner_does(text: str) -> dict[str, str]:
    values: dict[str, Any] = {}
    lines = iter(text.split("\n"))
    for line in lines:
        if line:
            name, _, end = line.partition("<<")
            block = []
            while (part := next(lines)) != end:
                block.append(part)
            values[name] = "\n".join(block)
    return values


def test_commands_are_stopped_while_foreign_text_is_printed() -> None:
    log = io.StringIO()
    with suppress(KeyError), runner.stopped_commands(log):
        raise KeyError
    first, last = log.getvalue().splitlines()
    assert last == f"::{first.removeprefix('::stop-commands::')}::"
    assert len(last) > 30
