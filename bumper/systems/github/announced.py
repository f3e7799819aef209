"""The commits of a branch with their commit statuses, as Flux's notification-controller posts them there (`ports.StatusBranch`).

One question for all sites and commits: the newest status of each context is what GraphQL gives for a commit, and it costs one point
of the rate limit where REST would need a request for each commit.
"""

from collections.abc import Mapping
from typing import Any

from bumper.errors import NoAccess, Unreachable
from bumper.ports.github import Announced, CommitStatus
from bumper.safe_text import printable
from bumper.systems.github.graphql import GraphQL, Operation
from bumper.systems.http.document import Maybe, Shape

_PAGE = 100
# A commit of ours that this many others came after is long superseded.
_PAGES = 5
# Older commits tell which clusters speak at all.
_OLDER = 20
_PERMISSION = "BUMP_TOKEN must be valid and have the permissions contents: read and commit statuses: read on this repository"
_COMMIT: Shape = {
    "oid": str,
    "status": Maybe(
        {"contexts": [{"context": str, "state": str, "description": Maybe(str), "createdAt": Maybe(str)}]}
    ),
}
_COMMITS: Shape = {"pageInfo": {"hasNextPage": bool, "endCursor": Maybe(str)}, "nodes": [_COMMIT]}
_HISTORY = Operation(
    """
query AnnouncedCommits($owner: String!, $name: String!, $ref: String!, $first: Int!, $after: String) {
  repository(owner: $owner, name: $name) {
    ref(qualifiedName: $ref) {
      target {
        ... on Commit {
          history(first: $first, after: $after) {
            pageInfo { hasNextPage endCursor }
            nodes { oid status { contexts { context state description createdAt } } }
          }
        }
      }
    }
  }
}
""",
    {"repository": Maybe({"ref": Maybe({"target": Maybe({"history": Maybe(_COMMITS)})})})},
)


class AnnouncedBranch:
    """One branch of one repository on GitHub, `owner/name`. Nothing is retried here."""

    def __init__(self, api: GraphQL, repository: str, branch: str) -> None:
        self._api = api
        self._repository = repository
        self._branch = branch

    def announced(self, down_to: frozenset[str]) -> tuple[Announced, ...]:
        """The commits, newest first: down to the last of those named and some older ones, or as far as is worth asking."""
        commits: list[Announced] = []
        after: str | None = None
        for _ in range(_PAGES):
            page = self._page(after)
            commits += [_announced(node) for node in page["nodes"]]
            places = [at for at, commit in enumerate(commits) if commit.sha in down_to]
            has_all = len(places) == len(down_to) and len(commits) - max(places, default=0) > _OLDER
            if has_all or not page["pageInfo"]["hasNextPage"]:
                break
            after = page["pageInfo"]["endCursor"]
        return tuple(commits)

    def _page(self, after: str | None) -> Mapping[str, Any]:
        owner, _, name = self._repository.partition("/")
        ref = f"refs/heads/{self._branch}"
        try:
            data = self._api.ask(_HISTORY, owner=owner, name=name, ref=ref, first=_PAGE, after=after)
        except NoAccess as error:
            raise NoAccess(error.message, hint=_PERMISSION) from None
        target = ((data.get("repository") or {}).get("ref") or {}).get("target") or {}
        history: Mapping[str, Any] | None = target.get("history")
        if history is None:
            raise Unreachable(f"GitHub: {self._repository} has no branch {self._branch!r}")
        return history


def _announced(node: Mapping[str, Any]) -> Announced:
    contexts = (node.get("status") or {}).get("contexts") or ()
    return Announced(str(node["oid"]), tuple(_status(context) for context in contexts))


def _status(entry: Mapping[str, Any]) -> CommitStatus:
    return CommitStatus(
        context=printable(str(entry.get("context") or "")),
        # GraphQL writes in capitals what REST writes small.
        state=str(entry.get("state") or "").lower(),
        description=printable(str(entry.get("description") or "")),
        created=str(entry.get("createdAt") or ""),
    )
