"""Answers of GitHub in which one thing is not as GitHub describes it: an error that says where, never a traceback."""

import json
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import httpx
import pytest
from mutations import mutations

from bumper.errors import BumpError, Unreachable
from bumper.ports.git import TreeOfModes
from bumper.ports.github import Pull
from bumper.systems.github import GitHub, branch
from bumper.systems.github.announced import AnnouncedBranch
from bumper.systems.github.app import App
from bumper.systems.github.commits import Commits
from bumper.systems.github.comparison import Comparison
from bumper.systems.github.graphql import GraphQL
from bumper.systems.github.pulls import PullRequests

from .test_app import pem

SHA = "a" * 40
REF = {"id": "R", "target": {"oid": SHA}}
LOOK = {
    "id": "P",
    "number": 7,
    "url": "https://github.com/o/r/pull/7",
    "body": "Bump-Site: web",
    "state": "OPEN",
    "headRefName": "bump/web-1",
    "isCrossRepository": False,
    "mergeStateStatus": "CLEAN",
    "reviewDecision": None,
    "isInMergeQueue": False,
    "isMergeQueueEnabled": False,
    "headRef": REF,
    "headRefOid": SHA,
    "changedFiles": 1,
    "commits": {"totalCount": 1},
    "mergeCommit": {"oid": SHA},
    "autoMergeRequest": {"enabledAt": "2026-01-01"},
    "timelineItems": {"nodes": [{"actor": {"login": "ann"}}]},
}
PULL = Pull(
    number=7,
    url="https://github.com/o/r/pull/7",
    node="P",
    branch="bump/web-1",
    head=SHA,
    base_tip=SHA,
    state="OPEN",
    merge_state="CLEAN",
    commits=1,
    files=1,
)
REPOSITORY = {
    "id": "R",
    "squashMergeAllowed": True,
    "mergeCommitAllowed": False,
    "rebaseMergeAllowed": False,
    "ref": REF,
    "ofThisBranch": {"nodes": [LOOK]},
    "pullRequests": {"nodes": [LOOK]},
}
CONTEXT = {"context": "kustomization/web", "state": "SUCCESS", "description": "d", "createdAt": "2026-01-01"}
HISTORY = {
    "pageInfo": {"hasNextPage": False, "endCursor": "x"},
    "nodes": [
        {"oid": SHA, "status": {"contexts": [CONTEXT]}, "message": "m", "parents": {"nodes": [{"oid": SHA}]}}
    ],
}
BRANCH = {"repository": {"ref": {"target": {"history": HISTORY}}}}
COMMENT = {"id": 1, "body": "text", "user": {"login": "ann", "type": "Bot"}}


class Modes:
    """A tree of nothing."""

    def mode(self, path: str) -> str:
        return ""

    def read(self, paths: Any) -> dict[str, bytes]:
        return {}


def written(answer: Any) -> bytes:
    # What Python calls infinity comes from a number that is too large.
    return json.dumps(answer).replace("Infinity", "1e999").encode()


def transport(answer: Any) -> httpx.MockTransport:
    content = written(answer)
    return httpx.MockTransport(lambda request: httpx.Response(200, content=content))


def tree(sha: str) -> TreeOfModes:
    return Modes()


def graphql(answer: Any, ask: Callable[[GraphQL], object]) -> None:
    url, sent = "https://api.github.com/graphql", transport({"data": answer})
    with closing(GraphQL(url, token="t", now=time.monotonic, transport=sent)) as api:
        ask(api)


def hub(answer: Any, ask: Callable[[GitHub], object]) -> None:
    with closing(GitHub("o/r", token="t", now=time.monotonic, transport=transport(answer))) as github:
        ask(github)


def compare(answer: Any) -> None:
    with closing(Comparison("o/r", token="t", now=time.monotonic, transport=transport(answer))) as asked:
        asked.order(SHA, SHA)
        asked.committed_at(SHA)


def hosting(answer: Any) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        place = (
            "rules"
            if "/rules/" in request.url.path
            else "ruleset"
            if "/rulesets/" in request.url.path
            else "here"
        )
        if not isinstance(answer, dict) or place not in answer:
            raise httpx.ConnectError("no such part")
        return httpx.Response(200, content=written(answer[place]))

    api = "https://api.github.com"
    mocked = httpx.MockTransport(respond)
    branch.hosting("o/r", "main", token="t", now=time.monotonic, api_url=api, transport=mocked)


def mint(answer: Any) -> None:
    app = App(
        "1",
        pem(),
        now=time.monotonic,
        wall=time.time,
        api_url="https://api.github.com",
        transport=transport(answer),
    )
    app.token("o/r", {"contents": "write"})()


ANSWERS: dict[str, tuple[Any, Callable[[Any], None]]] = {
    "open pulls": (
        {
            "repository": REPOSITORY,
            "createPullRequest": {"pullRequest": LOOK},
            "createCommitOnBranch": {"commit": {"oid": SHA}},
        },
        lambda answer: graphql(
            answer,
            lambda api: PullRequests(api, "o/r", tree).propose(SHA, {"a": b"x"}, "Deploy web 1", "main"),
        ),
    ),
    "one pull": (
        {"repository": {"ref": REF, "pullRequest": {**LOOK, "statusCheckRollup": {"state": "SUCCESS"}}}},
        lambda answer: graphql(answer, lambda api: PullRequests(api, "o/r", tree).look(PULL, "main")),
    ),
    "tidied": (
        {"repository": {"ref": {"id": "R"}}},
        lambda answer: graphql(answer, lambda api: PullRequests(api, "o/r", tree).tidy(PULL)),
    ),
    "a commit": (
        {"createCommitOnBranch": {"commit": {"oid": SHA}}, **BRANCH},
        lambda answer: graphql(
            answer, lambda api: Commits(api, "o/r", tree).write(SHA, {"a": b"x"}, "m", "main")
        ),
    ),
    "announced": (
        BRANCH,
        lambda answer: graphql(
            answer, lambda api: AnnouncedBranch(api, "o/r", "main").announced(frozenset({SHA}))
        ),
    ),
    "pull of a commit": (
        [
            {
                "number": 1,
                "merge_commit_sha": SHA,
                "merged_at": "x",
                "head": {"sha": SHA},
                "base": {"repo": {"full_name": "o/r"}},
            }
        ]
        * 2,
        lambda answer: hub(answer, lambda github: github.pull_of(SHA)),
    ),
    "the commit of a name": (
        {"sha": SHA},
        lambda answer: hub(answer, lambda github: github.commit("aaaaaaa")),
    ),
    "comments": ([COMMENT], lambda answer: hub(answer, lambda github: list(github.comments(1)))),
    "a comment": (COMMENT, lambda answer: hub(answer, lambda github: github.create_comment(1, "x"))),
    "deployments": (
        [{"id": 1, "sha": SHA, "payload": '{"a": 1}'}],
        lambda answer: hub(answer, lambda github: list(github.deployments("web"))),
    ),
    "a deployment": ({"id": 1}, lambda answer: hub(answer, lambda github: github.deploy(SHA, "web", "", {}))),
    "phases": ([{"state": "success"}], lambda answer: hub(answer, lambda github: github.phases(1))),
    "the comparison": ({"status": "ahead", "base_commit": {"sha": SHA}}, compare),
    "the branch": (
        {
            "here": {"permissions": {"push": True}, "archived": False},
            "rules": [{"type": "creation", "ruleset_id": 3, "ruleset_source": "o"}],
            "ruleset": {"current_user_can_bypass": "never"},
        },
        hosting,
    ),
    "an App's token": ({"id": 3, "token": "t", "expires_at": "2030-01-01T00:00:00Z"}, mint),
}


SLOW = ("open pulls", "an App's token")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in ANSWERS]
)
def test_whatever_is_wrong_is_an_error_for_people(name: str) -> None:
    whole, ask = ANSWERS[name]
    ask(whole)
    refused = [place for place, answer in mutations(whole) if _is_refused(name, place, answer)]
    # A comparison that can't be read is no error, it decides nothing; what can't be tidied is left.
    assert len(refused) > 10 or name in ("tidied", "the comparison", "a deployment", "phases")


def _is_refused(name: str, place: str, answer: Any) -> bool:
    try:
        ANSWERS[name][1](answer)
    except BumpError as error:
        return bool(error.message)
    except Exception as error:
        raise AssertionError(f"{name}, {place}: {answer}") from error
    return False


def test_it_says_what_came_and_what_was_expected() -> None:
    with pytest.raises(Unreachable) as caught:
        ANSWERS["comments"][1]([{**COMMENT, "id": "x"}])
    assert caught.value.message == "GitHub: a comment: id: found a text, expected a whole number"
