"""Commits made by GitHub itself: signed by it (Verified), and let through where only signed commits or a ruleset's apps may write.

Law: a branch moves only from the commit that was planned on (`expectedHeadOid`). GitHub writes every file as a plain one (100644), so
a file that is executable is refused, not quietly changed. Where the answer was lost the branch is looked at before anything is said.
Source: GraphQL `createCommitOnBranch`; the author is whom the token belongs to and cannot be chosen.
"""

import base64
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from bumper.errors import BumpError, Denied, LostRace, Refused, Transient
from bumper.history.message import PREFIX
from bumper.history.wording import hint_on_rule
from bumper.ports.git import TreeOfModes
from bumper.revision import Revision
from bumper.systems.github.graphql import Declined, GraphQL, Operation
from bumper.systems.http.document import Maybe, Shape

PLAIN = "100644"
_STALE = "STALE_DATA"
_COMMIT = Operation(
    """
mutation CreateCommit($input: CreateCommitOnBranchInput!) {
  createCommitOnBranch(input: $input) { commit { oid } }
}
""",
    {"createCommitOnBranch": {"commit": {"oid": str}}},
)
_RECENT_COMMIT: Shape = {"oid": str, "message": str, "parents": {"nodes": [{"oid": str}]}}
_RECENT = Operation(
    """
query RecentCommits($owner: String!, $name: String!, $ref: String!) {
  repository(owner: $owner, name: $name) {
    ref(qualifiedName: $ref) {
      target {
        ... on Commit {
          history(first: 50) { nodes { oid message parents(first: 1) { nodes { oid } } } }
        }
      }
    }
  }
}
""",
    {"repository": Maybe({"ref": Maybe({"target": Maybe({"history": Maybe({"nodes": [_RECENT_COMMIT]})})})})},
)


class _Write(NamedTuple):
    """What one commit is known by afterwards: GitHub alone chooses its name."""

    parent: str
    message: str
    branch: str


class Commits:
    """Writes commits (`ports.Writer`) to one repository, `owner/name`. `tree` gives the files of a commit."""

    def __init__(self, graphql: GraphQL, name: str, tree: Callable[[str], TreeOfModes]) -> None:
        self._graphql = graphql
        self._name = name
        self._tree = tree
        self._unanswered: list[_Write] = []

    def write(self, parent: str, changes: Mapping[str, bytes | None], message: str, branch: str) -> Revision:
        """The revision that holds the changes. `LostRace` where the branch is not at `parent` now, `Denied` where a rule forbids it.

        `Refused` where a file's mode would be lost; `Transient` where it cannot be told whether the commit landed.
        """
        self._refuse_modes(parent, changes)
        write = _Write(parent, message.strip(), branch)
        try:
            answer = self._graphql.ask(_COMMIT, input=self._input(write, changes))
        except Transient:
            self._unanswered.append(write)
            if landed := self._landed():
                return landed
            raise
        except Declined as error:
            if landed := self._landed():
                return landed
            raise self._refusal(error, branch) from None
        return Revision(branch, str(answer["createCommitOnBranch"]["commit"]["oid"]))

    def _input(self, write: _Write, changes: Mapping[str, bytes | None]) -> dict[str, Any]:
        headline, _, body = write.message.partition("\n")
        return {
            "branch": {"repositoryNameWithOwner": self._name, "branchName": write.branch},
            "expectedHeadOid": write.parent,
            "message": {"headline": headline, "body": body.lstrip("\n")},
            "fileChanges": {
                "additions": [
                    {"path": path, "contents": base64.b64encode(content).decode()}
                    for path, content in changes.items()
                    if content is not None
                ],
                "deletions": [{"path": path} for path, content in changes.items() if content is None],
            },
            "clientMutationId": write.parent,
        }

    def _refuse_modes(self, parent: str, changes: Mapping[str, bytes | None]) -> None:
        tree = self._tree(parent)
        for path, content in changes.items():
            mode = tree.mode(path)
            if content is not None and mode not in ("", PLAIN):
                raise Refused(
                    f"{path}: found mode {mode}, which a commit by GitHub's API would turn into {PLAIN}",
                    hint="make it a plain file first, or push with --commit-via git",
                )

    def _landed(self) -> Revision | None:
        """The commit of a write whose answer was lost, if the branch holds it."""
        owner, _, name = self._name.partition("/")
        for write in self._unanswered:
            try:
                answer = self._graphql.ask(_RECENT, owner=owner, name=name, ref=f"refs/heads/{write.branch}")
            except BumpError:
                return None
            target = ((answer["repository"] or {}).get("ref") or {}).get("target") or {}
            for commit in (target.get("history") or {}).get("nodes") or ():
                parents = [parent["oid"] for parent in commit["parents"]["nodes"]]
                if parents == [write.parent] and commit["message"].startswith(write.message):
                    return Revision(write.branch, str(commit["oid"]))
        return None

    def _refusal(self, error: Declined, branch: str) -> BumpError:
        if error.kind == _STALE:
            return LostRace(f"{self._name}: another push to {branch} came first ({error.reason})")
        asks = "" if branch.startswith(PREFIX) else "; --commit-via pr goes by a pull request"
        return Denied(
            f"{self._name}: {branch} refuses the commit: {error.reason}",
            hint=error.hint
            or hint_on_rule(error.reason)
            or f"the rules of this repository decide who may write to {branch}{asks}",
        )
