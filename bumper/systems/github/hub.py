"""GitHub's REST API, as far as a deploy is told there: commits, pull requests, comments, Deployments and statuses.

Source: GitHub's published OpenAPI description, version 2022-11-28 of the API; each request and answer of the tests is held to it.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bumper.errors import NoAccess
from bumper.ports.github import Posted, Standing
from bumper.systems.github.api import Api, Invalid, Missing, Token
from bumper.systems.http.document import Maybe, Shape, parse, shaped

if TYPE_CHECKING:
    import httpx

PUBLIC_API = "https://api.github.com"
_PERMISSION = "permissions: pull-requests: write"
# How many of the latest Deployments, and states of one, are asked for.
_DEPLOYMENTS = 30
_PULL: Shape = {
    "number": int,
    "merge_commit_sha": Maybe(str),
    "merged_at": Maybe(str),
    "head": {"sha": str},
    "base": {"repo": Maybe({"full_name": str})},
    "labels": Maybe([{"name": str}]),
}
_COMMENT: Shape = {"id": int, "body": Maybe(str), "user": Maybe({"login": str, "type": Maybe(str)})}


class GitHub:
    """One repository's hub of commits, pull requests, comments, Deployments and statuses. Not for several threads at once.

    Nothing is retried here: what may heal is raised as Transient with the wait that GitHub asks for. `now` is monotonic seconds.
    """

    def __init__(
        self,
        repository: str,
        *,
        token: str | Token,
        now: Callable[[], float],
        api_url: str = PUBLIC_API,
        timeout_s: float = 10.0,
        environ: Mapping[str, str] | None = None,
        transport: "httpx.BaseTransport | None" = None,
    ) -> None:
        self._repository = repository
        self._api = Api(
            api_url, token=token, now=now, timeout_s=timeout_s, environ=environ, transport=transport
        )
        self._author: str | None = None

    def close(self) -> None:
        """Closes the connections."""
        self._api.close()

    def commit(self, name: str) -> str:
        """The full SHA that a short one, a branch or a tag stands for; empty where there is none. NoAccess to the repository."""
        try:
            path = f"{self._here}/commits/{name}"
            return str(shaped(f"GitHub: {path}", self._api.get(path, per_page=1), {"sha": str})["sha"])
        except Invalid:
            return ""
        except Missing:
            raise self._unseen() from None

    def pull_of(self, sha: str) -> int | None:
        """The number of the pull request that the commit came from, or None. NoAccess where the repository is not shown."""
        pull = self._pull_of(sha)
        return int(pull["number"]) if pull else None

    def labels_of(self, sha: str) -> frozenset[str]:
        """The labels of the pull request that the commit came from; none where it came from none."""
        pull = self._pull_of(sha) or {}
        return frozenset(label["name"] for label in pull.get("labels") or ())

    def _pull_of(self, sha: str) -> Mapping[str, Any] | None:
        """Of several: the pull request whose merge made the commit, else whose head it is, else a merged one, else the oldest."""
        try:
            path = f"{self._here}/commits/{sha}/pulls"
            pulls = [shaped(f"GitHub: {path}", entry, _PULL) for entry in self._api.pages(path)]
        except Invalid:
            return None
        except Missing:
            raise self._unseen() from None
        ours = [pull for pull in pulls if _full_name(pull).lower() == self._repository.lower()]
        ours.sort(
            key=lambda pull: (
                pull["merge_commit_sha"] != sha or not pull["merged_at"],
                pull["head"]["sha"] != sha,
                not pull["merged_at"],
                pull["number"],
            )
        )
        return ours[0] if ours else None

    def comments(self, pull: int) -> Iterator[Posted]:
        """Every comment of the pull request through all pages, the oldest first."""
        for entry in self._api.pages(f"{self._here}/issues/{pull}/comments"):
            yield _comment(entry)

    def comment(self, number: int) -> Posted | None:
        """The comment as it stands, or None where it was deleted."""
        try:
            return _comment(self._api.get(f"{self._here}/issues/comments/{number}"))
        except Missing:
            return None

    def create_comment(self, pull: int, body: str) -> Posted:
        """The new comment of the pull request; NoAccess, with the permission, where GitHub shows the token no such pull request."""
        try:
            return _comment(self._api.post(f"{self._here}/issues/{pull}/comments", {"body": body}))
        except Missing as error:
            # GitHub answers 404 to a token that may not know what is there.
            raise NoAccess(error.message, hint=_PERMISSION) from None

    def edit_comment(self, number: int, body: str) -> bool:
        """Whether it was there to be edited."""
        try:
            self._api.patch(f"{self._here}/issues/comments/{number}", {"body": body})
        except Missing:
            return False
        return True

    def delete_comment(self, number: int) -> None:
        """The comment is gone afterwards, also where another run deleted it first."""
        try:
            self._api.delete(f"{self._here}/issues/comments/{number}")
        except Missing:
            return

    def wrote(self, comment: Posted) -> bool:
        """Whether the comment is this token's own, as far as GitHub tells: an app's token may not ask who it is."""
        if self._author is None:
            try:
                self._author = str(shaped("GitHub: /user", self._api.get("/user"), {"login": str})["login"])
            except (Missing, NoAccess):
                self._author = ""
        return comment.author == self._author if self._author else comment.is_bot

    def deployments(self, environment: str) -> Iterator[Standing]:
        """The latest Deployments of an environment, the newest first."""
        path = f"{self._here}/deployments"
        for entry in self._api.entries(path, environment=environment, per_page=_DEPLOYMENTS):
            standing = shaped(f"GitHub: {path}", entry, {"id": int, "sha": str})
            yield Standing(standing["id"], standing["sha"], _payload(entry))

    def deploy(self, sha: str, environment: str, description: str, payload: Mapping[str, str]) -> int:
        """The number of a new Deployment of a commit.

        GitHub would merge the default branch into the commit first, and ask for every status on it, this very workflow's too: both are
        told off. An environment that people visit counts as production.
        """
        body = {
            "ref": sha,
            "environment": environment,
            "description": description,
            "payload": payload,
            "auto_merge": False,
            "required_contexts": [],
            "transient_environment": False,
            "production_environment": True,
        }
        path = f"{self._here}/deployments"
        return int(shaped(f"GitHub: {path}", self._write(path, body, "deployments"), {"id": int})["id"])

    def phases(self, number: int) -> list[str]:
        """The states that a Deployment went through, the newest first: `pending` where nobody has set one."""
        path = f"{self._here}/deployments/{number}/statuses"
        statuses = self._api.entries(path, per_page=_DEPLOYMENTS)
        known = [shaped(f"GitHub: {path}", status, {"state": str}) for status in statuses]
        return [status["state"] for status in known] or ["pending"]

    def advance(
        self, number: int, phase: str, description: str, *, environment_url: str, log_url: str
    ) -> None:
        """Sets the state of a Deployment. Both addresses may be empty."""
        body = {"state": phase, "description": description}
        body |= {"environment_url": environment_url} if environment_url else {}
        body |= {"log_url": log_url} if log_url else {}
        self._write(f"{self._here}/deployments/{number}/statuses", body, "deployments")

    def tell(self, sha: str, context: str, state: str, description: str, target_url: str) -> None:
        """Adds a commit status. The address may be empty."""
        body = {"state": state, "context": context, "description": description}
        body |= {"target_url": target_url} if target_url else {}
        self._write(f"{self._here}/statuses/{sha}", body, "statuses")

    def _write(self, path: str, body: Mapping[str, Any], permission: str) -> Any:
        try:
            return self._api.post(path, body)
        except Missing as error:
            # GitHub answers 404 to a token that may not know what is there.
            raise NoAccess(error.message, hint=f"permissions: {permission}: write") from None

    def _unseen(self) -> NoAccess:
        # Of a commit that it does not know GitHub says 422; 404 is for a repository that it does not show.
        return NoAccess(
            f"{self._repository}: not visible to this token (404)",
            hint=f"it needs {_PERMISSION} and contents: read in that repository",
        )

    @property
    def _here(self) -> str:
        return f"/repos/{self._repository}"


def _full_name(pull: Mapping[str, Any]) -> str:
    return str((pull["base"]["repo"] or {}).get("full_name") or "")


def _payload(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """An object, or the text of one: GitHub keeps what was sent."""
    payload = entry.get("payload")
    if isinstance(payload, str):
        try:
            payload = parse(payload.encode())
        except ValueError:
            return {}
    return payload if isinstance(payload, dict) else {}


def _comment(entry: Mapping[str, Any]) -> Posted:
    comment = shaped("GitHub: a comment", entry, _COMMENT)
    # The author of a comment is null once the account is gone.
    user = comment["user"] or {}
    return Posted(
        number=comment["id"],
        body=comment["body"] or "",
        author=str(user.get("login") or ""),
        is_bot=user.get("type") == "Bot",
    )
