"""What GitHub says of a repository and its branch: requests and answers held to GitHub's description, and the findings of them."""

import time
from collections.abc import Iterator

import pytest
from openapi import problems
from sandbox_github.content import User
from sandbox_github.rules import Ruleset
from sandbox_github.server import GitHubServer, Token
from tables import each_row

from bumper.doctor import hosting
from bumper.doctor.finding import Finding, Mark
from bumper.errors import BumpError, NoAccess
from bumper.ports.github import Hosting, Rule
from bumper.systems.github import branch
from bumper.systems.github.api import Missing
from bumper.systems.github.graphql import Home

REPOSITORY = "octo/platform"
PULL_REQUEST = {
    "allowed_merge_methods": ["squash"],
    "dismiss_stale_reviews_on_push": False,
    "require_code_owner_review": False,
    "require_last_push_approval": False,
    "required_approving_review_count": 1,
    "required_review_thread_resolution": False,
}


@pytest.fixture
def server() -> Iterator[GitHubServer]:
    with GitHubServer() as running:
        running.add(REPOSITORY)
        running.tokens["writer"] = Token(User("robin"), (REPOSITORY,))
        running.tokens["reader"] = Token(User("sam"), (REPOSITORY,), writes=False)
        yield running
    exchanges = [problem for exchange in running.exchanges for problem in problems(exchange)]
    assert exchanges == []


def ask(server: GitHubServer, token: str = "writer", name: str = "main") -> Hosting:
    return branch.hosting(REPOSITORY, name, token=token, now=time.monotonic, api_url=server.url)


def findings(repository: Hosting) -> list[Finding]:
    return list(hosting.findings(repository, "main"))


def test_a_repository_without_rules_is_good_and_says_what_is_not_known(server: GitHubServer) -> None:
    repository = ask(server)
    assert (repository.may_push, repository.is_archived, repository.rules) == (True, False, ())
    assert repository.dated_s == pytest.approx(time.time(), abs=5)
    (finding,) = findings(repository)
    assert finding.mark is Mark.GOOD
    assert "classic branch protection shows to administrators alone" in finding.observed


def test_a_token_that_may_only_read_is_told_so_while_git_decides(server: GitHubServer) -> None:
    (finding,) = findings(ask(server, "reader"))
    assert (finding.mark, "no right to push" in finding.observed) == (Mark.WARNING, True)


def test_an_archived_repository_takes_nothing(server: GitHubServer) -> None:
    server.settings[REPOSITORY].is_archived = True
    (finding,) = findings(ask(server, "reader"))
    assert (finding.mark, finding.observed) == (Mark.MISSING, "is archived")


@pytest.mark.parametrize(
    ("bypass", "mark"),
    [
        ("never", Mark.MISSING),
        ("pull_requests_only", Mark.MISSING),
        ("always", Mark.GOOD),
        ("exempt", Mark.GOOD),
    ],
)
def test_a_rule_counts_for_those_who_may_not_bypass_it(server: GitHubServer, bypass: str, mark: Mark) -> None:
    server.settings[REPOSITORY].rulesets.append(
        Ruleset(42, {"pull_request": PULL_REQUEST, "deletion": None}, bypass=bypass)
    )
    (finding,) = findings(ask(server))
    assert finding.mark is mark
    if mark is Mark.MISSING:
        assert (
            finding.observed
            == f"main takes changes from pull requests alone (pull_request, ruleset {REPOSITORY}#42)"
        )
        assert finding.advice == "use --commit-via pr"
    else:
        assert "bypassed by this identity: pull_request" in finding.observed


def test_whether_a_rule_may_be_bypassed_is_not_always_told(server: GitHubServer) -> None:
    settings = server.settings[REPOSITORY]
    settings.rulesets.append(Ruleset(42, {"required_signatures": None}))
    settings.tells_bypass = False
    (finding,) = findings(ask(server))
    assert finding.mark is Mark.WARNING
    assert "whether this identity may bypass it is not told" in finding.observed
    assert "--commit-via api" in finding.advice


def test_rules_of_another_branch_are_none_of_ours(server: GitHubServer) -> None:
    server.settings[REPOSITORY].rulesets.append(
        Ruleset(42, {"update": {"update_allows_fetch_and_merge": False}})
    )
    assert [rule.type for rule in ask(server).rules] == ["update"]
    assert ask(server, name="release/1").rules == ()


@pytest.mark.slow
def test_through_all_pages(server: GitHubServer) -> None:
    rules = [Ruleset(number, {"creation": None}) for number in range(1, 131)]
    server.settings[REPOSITORY].rulesets += rules
    assert len(ask(server).rules) == 130
    assert [finding.mark for finding in findings(ask(server))] == [Mark.GOOD]


@pytest.mark.parametrize(("token", "error"), [("nobody", NoAccess), ("stranger", Missing)])
def test_who_may_not_ask(server: GitHubServer, token: str, error: type[BumpError]) -> None:
    server.tokens["stranger"] = Token(User("kim"), ())
    with pytest.raises(error):
        ask(server, token)


@each_row("kind", sorted(hosting._FORBIDS))
def test_every_rule_that_forbids_a_push_names_a_way(kind: str) -> None:
    (finding,) = findings(Hosting(REPOSITORY, True, False, (Rule(kind, "org#1", "never"),)))
    assert (finding.mark, bool(finding.why), bool(finding.advice)) == (Mark.MISSING, True, True)
    for way in hosting._FORBIDS[kind][1]:
        (by_another,) = hosting.findings(
            Hosting(REPOSITORY, True, False, (Rule(kind, "org#1", "never"),)), "main", way
        )
        assert by_another.mark is Mark.GOOD


def test_a_pattern_may_or_may_not_fit_a_commit_of_ours() -> None:
    rules = (Rule("commit_message_pattern", "org#1", "never"), Rule("non_fast_forward", "org#1", "never"))
    (finding,) = findings(Hosting(REPOSITORY, True, False, rules))
    assert (finding.mark, "the commit's message" in finding.observed) == (Mark.WARNING, True)


@pytest.mark.parametrize(
    ("graphql", "rest"),
    [
        ("https://api.github.com/graphql", "https://api.github.com"),
        ("https://git.example/api/graphql", "https://git.example/api/v3"),
        ("http://127.0.0.1:8080/graphql", "http://127.0.0.1:8080"),
    ],
)
def test_the_rest_api_stands_beside_the_other(graphql: str, rest: str) -> None:
    assert branch.rest_url(Home("octo/platform", graphql)) == rest
