"""Pull requests of ours: a commit on a branch of its own, the request to merge it, and what becomes of that.

Law: the branch of a pull request is never without our commit, not for a moment: GitHub closes a pull request whose branch holds
nothing new. So a commit that replaces another one is made beside it and put in its place at once. Commits are GitHub's own
(`commits`), so that rules which ask for signatures let them through.
Source: GitHub's GraphQL schema.
"""

from collections.abc import Callable, Mapping
from typing import Any
from zlib import crc32

from bumper.dataclasses import replace
from bumper.errors import BumpError, Denied, LostRace, NoAccess
from bumper.history.message import PREFIX, branch_of, has_other_sites, sites_of
from bumper.history.wording import hint_on_rule
from bumper.ports.git import TreeOfModes
from bumper.ports.github import Pull
from bumper.systems.github.commits import Commits
from bumper.systems.github.graphql import Declined, GraphQL, Operation
from bumper.systems.github.pull_documents import (
    ARM,
    CHECKS,
    CLOSE,
    COMMENT,
    CREATE_BRANCH,
    CREATE_PULL,
    DELETE_BRANCH,
    DISARM,
    ENQUEUE,
    FIND_BRANCH,
    MERGE,
    MOVE_BRANCH,
    ONE_PULL,
    OPEN_PULLS,
    REWORD_PULL,
)

# A squash keeps one signed commit with our own message; GitHub does not sign the commits of a rebase.
_METHODS = {"SQUASH": "squashMergeAllowed", "MERGE": "mergeCommitAllowed", "REBASE": "rebaseMergeAllowed"}
# GitHub queues no merge where none of its rules is left to wait for.
_NOTHING_TO_WAIT_FOR = ("clean status", "unstable status", "has_hooks status")
_WAITING = {"BLOCKED", "UNSTABLE", "UNKNOWN"}


class PullRequests:
    """The pull requests of one repository, `owner/name` (`ports.PullRequests`). `tree` gives the files of a commit."""

    def __init__(self, graphql: GraphQL, name: str, tree: Callable[[str], TreeOfModes]) -> None:
        self._graphql = graphql
        self._owner, _, self._name = name.partition("/")
        self._tree = tree
        self._commits = Commits(graphql, name, tree)
        self._methods: list[str] = []
        self._may_see_checks = True

    def propose(self, parent: str, changes: Mapping[str, bytes | None], message: str, base: str) -> Pull:
        """The open pull request that brings these changes to `base`.

        An open one of ours for the same sites is continued rather than opening a second; its branch is written only if it holds
        something else. `Denied` with GitHub's words where a rule or a permission forbids it.
        """
        branch = branch_of(message)
        repository = self._repository(base, branch)
        if any(_is_of_others(entry, message) for entry in repository["ofThisBranch"]["nodes"]):
            # The same version for the same name in another cluster: its pull request goes on beside ours.
            branch = _beside(branch, message)
            repository = self._repository(base, branch)
        self._methods = [method for method, allowed in _METHODS.items() if repository[allowed]]
        tip = _oid(repository["ref"])
        for entry in (*repository["ofThisBranch"]["nodes"], *repository["pullRequests"]["nodes"]):
            if _is_ours(entry, branch, message):
                pull = _pull(entry, tip)
                return (
                    pull if self._holds(pull, changes) else self.renew(pull, parent, changes, message, base)
                )
        head = self._write_branch(repository["id"], branch, parent, changes, message)
        title, body = _split(message)
        wanted = {"repositoryId": repository["id"], "baseRefName": base, "headRefName": branch}
        answer = self._ask(CREATE_PULL, input={**wanted, "title": title, "body": body})
        return replace(_pull(answer["createPullRequest"]["pullRequest"], tip), head=head)

    def renew(
        self, pull: Pull, parent: str, changes: Mapping[str, bytes | None], message: str, base: str
    ) -> Pull:
        """The same pull request with these changes on `parent` as its only commit; GitHub is not to merge it by itself any more."""
        if pull.merges_itself:
            # It would be merged under the message that auto-merge was once enabled with.
            self._ask(DISARM, input={"pullRequestId": pull.node})
        head = self._write_branch(
            self._repository(base, pull.branch)["id"], pull.branch, parent, changes, message
        )
        title, body = _split(message)
        self._ask(REWORD_PULL, input={"pullRequestId": pull.node, "title": title, "body": body})
        return replace(pull, head=head, merges_itself=False)

    def look(self, pull: Pull, base: str) -> Pull:
        """The pull request as it stands."""
        repository = self._ask(ONE_PULL, number=pull.number, ref=f"refs/heads/{base}", **self._here)[
            "repository"
        ]
        seen = _pull(repository["pullRequest"], _oid(repository["ref"]))
        return replace(seen, checks=self._checks(seen)) if seen.merge_state in _WAITING else seen

    def merge_when_ready(self, pull: Pull, message: str) -> str:
        """Lets GitHub merge it as soon as every rule is fulfilled; where it won't, its words why."""
        problem = "no merge method is allowed"
        for method in self._methods:
            try:
                self._graphql.ask(ARM, input=_merge_input(pull, method, message))
            except Declined as error:
                problem = error.reason
                if any(text in problem for text in _NOTHING_TO_WAIT_FOR):
                    return ""
            else:
                return ""
        return problem

    def merge(self, pull: Pull, message: str) -> str:
        """Merges it now, as the rules allow, or puts it into the merge queue; where GitHub won't, its words why."""
        if pull.has_queue:
            return self._try(ENQUEUE, {"pullRequestId": pull.node, "expectedHeadOid": pull.head})
        problem = "no merge method is allowed"
        for method in self._methods:
            problem = self._try(MERGE, _merge_input(pull, method, message))
            if not problem:
                break
        return problem

    def withdraw(self, pull: Pull, why: str) -> None:
        """Closes it, says why, and removes its branch."""
        self._ask(
            COMMENT,
            input={"subjectId": pull.node, "body": f"Closed, since nothing is to be merged any more: {why}"},
        )
        self._ask(CLOSE, input={"pullRequestId": pull.node})
        self.tidy(pull)

    def tidy(self, pull: Pull) -> None:
        """Removes its branch. A branch that stays does no harm: it is written anew the next time."""
        try:
            self._delete(pull.branch)
        except BumpError:
            return

    @property
    def _here(self) -> dict[str, str]:
        return {"owner": self._owner, "name": self._name}

    def _checks(self, pull: Pull) -> str:
        """How its checks stand, empty where that is not known: it is only told, and a token may be without `checks: read`."""
        if not self._may_see_checks:
            return ""
        try:
            entry = self._graphql.ask(CHECKS, number=pull.number, **self._here)["repository"]["pullRequest"]
        except (Declined, NoAccess):
            self._may_see_checks = False
            return ""
        return str((entry["statusCheckRollup"] or {}).get("state") or "")

    def _repository(self, base: str, head: str) -> dict[str, Any]:
        answer = self._ask(OPEN_PULLS, base=base, ref=f"refs/heads/{base}", head=head, **self._here)
        return dict(answer["repository"])

    def _ask(self, operation: Operation, **variables: Any) -> dict[str, Any]:
        try:
            return self._graphql.ask(operation, **variables)
        except Declined as error:
            if "already exists" in error.reason:
                raise LostRace(error.message) from None
            raise Denied(error.message, hint=error.hint or hint_on_rule(error.reason)) from None

    def _try(self, operation: Operation, wanted: Mapping[str, Any]) -> str:
        try:
            self._graphql.ask(operation, input=wanted)
        except Declined as error:
            return error.reason
        return ""

    def _write_branch(
        self, repository: str, branch: str, parent: str, changes: Mapping[str, bytes | None], message: str
    ) -> str:
        """The commit that is now on `branch`, the only one after `parent`."""
        there = self._find(branch)
        beside = f"{branch}-next" if there else branch
        self._start(repository, beside, self._find(beside) if there else "", parent)
        commit = self._commits.write(parent, changes, message, beside).sha
        if there:
            self._ask(MOVE_BRANCH, input={"refId": there, "oid": commit, "force": True})
            self._delete(beside)
        return commit

    def _start(self, repository: str, branch: str, left_over: str, commit: str) -> None:
        if left_over:
            self._ask(MOVE_BRANCH, input={"refId": left_over, "oid": commit, "force": True})
        else:
            wanted = {"repositoryId": repository, "name": f"refs/heads/{branch}", "oid": commit}
            self._ask(CREATE_BRANCH, input=wanted)

    def _find(self, branch: str) -> str:
        ref = self._ask(FIND_BRANCH, ref=f"refs/heads/{branch}", **self._here)["repository"]["ref"]
        return str(ref["id"]) if ref else ""

    def _delete(self, branch: str) -> None:
        node = self._find(branch)
        if node:
            self._ask(DELETE_BRANCH, input={"refId": node})

    def _holds(self, pull: Pull, changes: Mapping[str, bytes | None]) -> bool:
        """Whether it makes exactly these changes: the run that goes on with it merges what is in it."""
        if (pull.commits, pull.files) != (1, len(changes)):
            return False
        there = self._tree(pull.head).read(changes)
        return all(there.get(path) == content for path, content in changes.items())


def _is_ours(entry: Mapping[str, Any], branch: str, message: str) -> bool:
    name = str(entry["headRefName"])
    if entry["isCrossRepository"] or not name.startswith(PREFIX):
        return False
    body = str(entry["body"])
    says_both = bool(sites_of(message) and sites_of(body))
    return (name == branch or says_both) and not has_other_sites(message, body)


def _beside(branch: str, message: str) -> str:
    """Another name for a branch that is taken: the same one each time for the same sites."""
    return f"{branch}-{crc32(repr(sorted(sites_of(message))).encode()):08x}"


def _is_of_others(entry: Mapping[str, Any], message: str) -> bool:
    """Whether a pull request on our branch's name deploys other sites."""
    return not entry["isCrossRepository"] and has_other_sites(message, str(entry["body"]))


def _pull(entry: Mapping[str, Any], tip: str) -> Pull:
    closed = [event["actor"] or {} for event in entry["timelineItems"]["nodes"]]
    return Pull(
        number=int(entry["number"]),
        url=str(entry["url"]),
        node=str(entry["id"]),
        branch=str(entry["headRefName"]),
        # The branch itself: what the pull request says of it may lag behind.
        head=_oid(entry["headRef"]) or str(entry["headRefOid"]),
        base_tip=tip,
        state=str(entry["state"]),
        merge_state=str(entry["mergeStateStatus"]),
        review=str(entry["reviewDecision"] or ""),
        merge_commit=str((entry["mergeCommit"] or {}).get("oid") or ""),
        closed_by=str(closed[-1].get("login") or "") if closed else "",
        merges_itself=entry["autoMergeRequest"] is not None,
        is_queued=bool(entry["isInMergeQueue"]),
        has_queue=bool(entry["isMergeQueueEnabled"]),
        files=int(entry["changedFiles"]),
        commits=int(entry["commits"]["totalCount"]),
    )


def _oid(ref: Mapping[str, Any] | None) -> str:
    return str(((ref or {}).get("target") or {}).get("oid") or "")


def _merge_input(pull: Pull, method: str, message: str) -> dict[str, Any]:
    wanted: dict[str, Any] = {"pullRequestId": pull.node, "mergeMethod": method, "expectedHeadOid": pull.head}
    if method == "SQUASH":
        # Our own commit is not on the branch then: its trailers are in the commit that takes its place.
        wanted["commitHeadline"], wanted["commitBody"] = _split(message)
    return wanted


def _split(message: str) -> tuple[str, str]:
    headline, _, body = message.strip().partition("\n")
    return headline, body.lstrip("\n")
