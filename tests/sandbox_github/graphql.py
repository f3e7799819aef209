"""GitHub's GraphQL API on loopback, as far as commits and pull requests are made by it.

It is no engine: it knows the operations of `systems.github` by their names and answers each with the fields that its document names;
tests hold documents and answers to GitHub's schema. What is asked for is really done, on the bare repository behind it.
"""

import base64
import threading
from collections.abc import Callable, Mapping
from typing import Any

from sandbox_github import graphql_pulls
from sandbox_github.hosted import Fault, Hosted, branch_name, shown_ref

Data = dict[str, Any]


class GraphQLApi:
    """`site` begins the addresses of web pages. `unanswered` operations are done, and answered 502 as if their answers were lost."""

    def __init__(self, site: str) -> None:
        self.site = site
        self._lock = threading.Lock()
        self.repositories: dict[str, Hosted] = {}
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
                data = route(self, body["variables"], login, reads)
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

    def _create_commit(self, asked: Data, login: str, reads: tuple[str, ...]) -> Data:
        wanted = asked["input"]
        hosted = self.hosted(wanted["branch"]["repositoryNameWithOwner"], reads)
        branch, expected = wanted["branch"]["branchName"], wanted["expectedHeadOid"]
        if not hosted.rules.takes_commits and not branch.startswith("bump/"):
            raise Fault("BRANCH_PROTECTION_RULE_VIOLATION", "Changes must be made through a pull request.")
        files = {one["path"]: base64.b64decode(one["contents"]) for one in wanted["fileChanges"]["additions"]}
        gone = [one["path"] for one in wanted["fileChanges"]["deletions"]]
        said = wanted["message"]
        message = f"{said['headline']}\n\n{said['body']}" if said.get("body") else said["headline"]
        stale = f'Expected branch to point to "{expected}" but it did not.  Pull and try again.'
        if hosted.tip(branch) != expected:
            raise Fault("STALE_DATA", stale)
        commit = hosted.commit(expected, files, gone, message)
        if not hosted.move(branch, commit, expected):
            raise Fault("STALE_DATA", stale)
        return {"createCommitOnBranch": {"commit": {"oid": commit}}}

    def _recent(self, asked: Data, login: str, reads: tuple[str, ...]) -> Data:
        hosted = self.named(asked, reads)
        tip = hosted.tip(branch_name(asked["ref"]))
        nodes = [
            {"oid": sha, "message": message, "parents": {"nodes": [{"oid": one} for one in parents[:1]]}}
            for sha, parents, message in (hosted.history(tip, 50) if tip else ())
        ]
        return {"repository": {"ref": {"target": {"history": {"nodes": nodes}}} if tip else None}}

    def _announced(self, asked: Data, login: str, reads: tuple[str, ...]) -> Data:
        hosted = self.named(asked, reads)
        tip = hosted.tip(branch_name(asked["ref"]))
        if not tip:
            return {"repository": {"ref": None}}
        # The cursor is the number of commits before it.
        before, most = int(asked.get("after") or 0), asked["first"]
        known = hosted.history(tip, before + most + 1)
        nodes = [
            {"oid": sha, "status": _statuses(hosted, sha)} for sha, _, _ in known[before : before + most]
        ]
        page = {"hasNextPage": len(known) > before + most, "endCursor": str(before + most)}
        return {"repository": {"ref": {"target": {"history": {"pageInfo": page, "nodes": nodes}}}}}

    def _find_branch(self, asked: Data, login: str, reads: tuple[str, ...]) -> Data:
        return {"repository": {"ref": shown_ref(self.named(asked, reads), branch_name(asked["ref"]), "id")}}

    def _create_branch(self, asked: Data, login: str, reads: tuple[str, ...]) -> Data:
        wanted = asked["input"]
        hosted = self.hosted(wanted["repositoryId"].removeprefix("R_"), reads)
        branch = branch_name(wanted["name"])
        if not hosted.move(branch, wanted["oid"], ""):
            raise Fault("UNPROCESSABLE", f'A ref named "{wanted["name"]}" already exists in the repository.')
        return {"createRef": {"ref": shown_ref(hosted, branch, "id")}}

    def _move_branch(self, asked: Data, login: str, reads: tuple[str, ...]) -> Data:
        hosted, branch = self._ref_of(asked["input"]["refId"], reads)
        hosted.move(branch, asked["input"]["oid"], hosted.tip(branch))
        hosted.settle()
        return {"updateRef": {"ref": shown_ref(hosted, branch, "id")}}

    def _delete_branch(self, asked: Data, login: str, reads: tuple[str, ...]) -> Data:
        hosted, branch = self._ref_of(asked["input"]["refId"], reads)
        hosted.move(branch, "", hosted.tip(branch))
        hosted.settle()
        return {"deleteRef": {"clientMutationId": None}}

    def named(self, asked: Data, reads: tuple[str, ...]) -> Hosted:
        hosted = self.hosted(f"{asked['owner']}/{asked['name']}", reads)
        hosted.settle()
        return hosted

    def hosted(self, name: str, reads: tuple[str, ...]) -> Hosted:
        if name not in self.repositories or name not in reads:
            raise Fault("NOT_FOUND", f"Could not resolve to a Repository with the name '{name}'.")
        return self.repositories[name]

    def _ref_of(self, node: str, reads: tuple[str, ...]) -> tuple[Hosted, str]:
        name, _, branch = node.removeprefix("REF_").partition(":")
        return self.hosted(name, reads), branch


def _statuses(hosted: Hosted, sha: str) -> Data | None:
    """The newest status of each context; nothing for a commit without any."""
    newest = {one.context: one for one in hosted.ledger.statuses if one.sha == sha}
    contexts = [
        {
            "context": one.context,
            "state": one.state.upper(),
            "description": one.description,
            "createdAt": "2026-01-02T03:04:05Z",
        }
        for one in newest.values()
    ]
    return {"contexts": contexts} if contexts else None


_Operation = Callable[[GraphQLApi, Data, str, tuple[str, ...]], Data]
_READS: dict[str, _Operation] = {
    "RecentCommits": GraphQLApi._recent,
    "AnnouncedCommits": GraphQLApi._announced,
    "OpenPullRequests": graphql_pulls.open_pulls,
    "PullRequestState": graphql_pulls.one_pull,
    "PullRequestChecks": graphql_pulls.checks,
    "FindBranch": GraphQLApi._find_branch,
}
_CHANGES: dict[str, _Operation] = {
    "CreateCommit": GraphQLApi._create_commit,
    "CreateBranch": GraphQLApi._create_branch,
    "MoveBranch": GraphQLApi._move_branch,
    "DeleteBranch": GraphQLApi._delete_branch,
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
