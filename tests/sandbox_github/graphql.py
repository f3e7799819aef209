"""GitHub's GraphQL API on loopback, as far as commits and pull requests are made by it.

It is no engine: it knows the operations of `systems.github` by their names and answers each with the fields that its document names;
tests hold documents and answers to GitHub's schema. What is asked for is really done, on the bare repository behind it.
"""

import base64
import threading
from collections.abc import Callable, Mapping
from typing import Any

from sandbox_github import graphql_pulls
from sandbox_github.hosted import Fault, Hosted, Hosting, branch_name, shown_ref

Data = dict[str, Any]


class GraphQLApi:
    """`site` begins the addresses of web pages. `unanswered` operations are done, and answered 502 as if their answers were lost."""

    def __init__(self, site: str) -> None:
        self.hosting = Hosting(site)
        self._lock = threading.Lock()
        self.unanswered = 0
        self.on_commit: Callable[[], None] | None = None

    def answer(
        self, body: Mapping[str, Any], login: str, reads: tuple[str, ...], *, writes: bool
    ) -> tuple[int, Data]:
        """Status and body for what somebody asks who may read these repositories."""
        name = str(body.get("operationName"))
        route = _OPERATIONS.get(name)
        if route is None:
            return 200, {"errors": [{"message": f"the sandbox knows no operation {name}"}]}
        try:
            if name in _CHANGES and not writes:
                raise Fault("FORBIDDEN", "Resource not accessible by integration")
            if name == "CreateCommit" and self.on_commit:
                self.on_commit()
            with self._lock:
                data = route(self.hosting, body["variables"], login, reads)
            if name in _CHANGES and self.unanswered:
                self.unanswered -= 1
                return 502, {"message": "Bad Gateway"}
        except Fault as fault:
            error = {
                "type": fault.kind,
                "path": [name],
                "locations": [{"line": 1, "column": 1}],
                "message": str(fault),
            }
            return 200, {"data": None, "errors": [error]}
        return 200, {"data": data}


def _create_commit(hosting: Hosting, asked: Data, login: str, reads: tuple[str, ...]) -> Data:
    wanted = asked["input"]
    hosted = hosting.hosted(wanted["branch"]["repositoryNameWithOwner"], reads)
    branch, expected = wanted["branch"]["branchName"], wanted["expectedHeadOid"]
    if not hosted.rules.takes_commits and not branch.startswith("bump/"):
        raise Fault("BRANCH_PROTECTION_RULE_VIOLATION", "Changes must be made through a pull request.")
    files = {
        addition["path"]: base64.b64decode(addition["contents"])
        for addition in wanted["fileChanges"]["additions"]
    }
    gone = [deletion["path"] for deletion in wanted["fileChanges"]["deletions"]]
    text = wanted["message"]
    message = f"{text['headline']}\n\n{text['body']}" if text.get("body") else text["headline"]
    stale = f'Expected branch to point to "{expected}" but it did not.  Pull and try again.'
    if hosted.tip(branch) != expected:
        raise Fault("STALE_DATA", stale)
    commit = hosted.commit(expected, files, gone, message)
    if not hosted.move(branch, commit, expected):
        raise Fault("STALE_DATA", stale)
    return {"createCommitOnBranch": {"commit": {"oid": commit}}}


def _recent(hosting: Hosting, asked: Data, login: str, reads: tuple[str, ...]) -> Data:
    hosted = hosting.named(asked, reads)
    tip = hosted.tip(branch_name(asked["ref"]))
    nodes = [
        {
            "oid": sha,
            "message": message,
            "parents": {"nodes": [{"oid": parent} for parent in parents[:1]]},
        }
        for sha, parents, message in (hosted.history(tip, 50) if tip else ())
    ]
    return {"repository": {"ref": {"target": {"history": {"nodes": nodes}}} if tip else None}}


def _announced(hosting: Hosting, asked: Data, login: str, reads: tuple[str, ...]) -> Data:
    hosted = hosting.named(asked, reads)
    tip = hosted.tip(branch_name(asked["ref"]))
    if not tip:
        return {"repository": {"ref": None}}
    # The cursor is the number of commits before it.
    before, most = int(asked.get("after") or 0), asked["first"]
    known = hosted.history(tip, before + most + 1)
    nodes = [{"oid": sha, "status": _statuses(hosted, sha)} for sha, _, _ in known[before : before + most]]
    page = {"hasNextPage": len(known) > before + most, "endCursor": str(before + most)}
    return {"repository": {"ref": {"target": {"history": {"pageInfo": page, "nodes": nodes}}}}}


def _find_branch(hosting: Hosting, asked: Data, login: str, reads: tuple[str, ...]) -> Data:
    return {"repository": {"ref": shown_ref(hosting.named(asked, reads), branch_name(asked["ref"]), "id")}}


def _create_branch(hosting: Hosting, asked: Data, login: str, reads: tuple[str, ...]) -> Data:
    wanted = asked["input"]
    hosted = hosting.hosted(wanted["repositoryId"].removeprefix("R_"), reads)
    branch = branch_name(wanted["name"])
    if not hosted.move(branch, wanted["oid"], ""):
        raise Fault("UNPROCESSABLE", f'A ref named "{wanted["name"]}" already exists in the repository.')
    return {"createRef": {"ref": shown_ref(hosted, branch, "id")}}


def _move_branch(hosting: Hosting, asked: Data, login: str, reads: tuple[str, ...]) -> Data:
    hosted, branch = hosting.branch(asked["input"]["refId"], reads)
    hosted.move(branch, asked["input"]["oid"], hosted.tip(branch))
    hosted.settle()
    return {"updateRef": {"ref": shown_ref(hosted, branch, "id")}}


def _delete_branch(hosting: Hosting, asked: Data, login: str, reads: tuple[str, ...]) -> Data:
    hosted, branch = hosting.branch(asked["input"]["refId"], reads)
    hosted.move(branch, "", hosted.tip(branch))
    hosted.settle()
    return {"deleteRef": {"clientMutationId": None}}


def _statuses(hosted: Hosted, sha: str) -> Data | None:
    """The newest status of each context; nothing for a commit without any."""
    newest = {status.context: status for status in hosted.ledger.statuses if status.sha == sha}
    contexts = [
        {
            "context": status.context,
            "state": status.state.upper(),
            "description": status.description,
            "createdAt": "2026-01-02T03:04:05Z",
        }
        for status in newest.values()
    ]
    return {"contexts": contexts} if contexts else None


_Operation = Callable[[Hosting, Data, str, tuple[str, ...]], Data]
_READS: dict[str, _Operation] = {
    "RecentCommits": _recent,
    "AnnouncedCommits": _announced,
    "OpenPullRequests": graphql_pulls.open_pulls,
    "PullRequestState": graphql_pulls.pull_request,
    "PullRequestChecks": graphql_pulls.checks,
    "FindBranch": _find_branch,
}
_CHANGES: dict[str, _Operation] = {
    "CreateCommit": _create_commit,
    "CreateBranch": _create_branch,
    "MoveBranch": _move_branch,
    "DeleteBranch": _delete_branch,
    "OpenPullRequest": graphql_pulls.open_pull,
    "RewordPullRequest": graphql_pulls.reword,
    "EnableAutoMerge": graphql_pulls.automate,
    "DisableAutoMerge": graphql_pulls.disarm,
    "MergePullRequest": graphql_pulls.merge,
    "EnqueuePullRequest": graphql_pulls.enqueue,
    "Comment": graphql_pulls.comment,
    "ClosePullRequest": graphql_pulls.close,
}
_OPERATIONS = _READS | _CHANGES
