"""GitHub's REST API, as far as a deploy is told there: commits, pull requests and comments.

Source: GitHub's published OpenAPI description, version 2022-11-28 of the API; each request and answer of the tests is held to it.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bumper.comment import Posted
from bumper.errors import NoAccess
from bumper.github.api import Api, Invalid, Missing

if TYPE_CHECKING:
    import httpx

PUBLIC_API = "https://api.github.com"
_PERMISSION = "permissions: pull-requests: write"


class GitHub:
    """One repository's hub of commits, pull requests and comments. Not for several threads at once.

    Nothing is retried here: what may heal is raised as Transient with the wait that GitHub asks for. `now` is monotonic seconds.
    """

    def __init__(
        self,
        repository: str,
        *,
        token: str,
        now: Callable[[], float],
        api_url: str = PUBLIC_API,
        timeout_s: float = 10.0,
        transport: "httpx.BaseTransport | None" = None,
    ) -> None:
        self._repository = repository
        self._api = Api(api_url, token=token, now=now, timeout_s=timeout_s, transport=transport)
        self._author: str | None = None

    def close(self) -> None:
        self._api.close()

    def commit(self, name: str) -> str:
        """The full SHA that a short one, a branch or a tag stands for; empty where there is no such commit."""
        try:
            return str(self._api.get(f"{self._here}/commits/{name}", per_page=1)["sha"])
        except (Missing, Invalid):
            return ""

    def pull_of(self, sha: str) -> int | None:
        """The number of the pull request that the commit came from, or None.

        Of several: the one whose merge made the commit, else whose head it is, else one that was merged, else the oldest.
        """
        try:
            pulls = list(self._api.pages(f"{self._here}/commits/{sha}/pulls"))
        except (Missing, Invalid):
            return None
        ours = [pull for pull in pulls if _full_name(pull).lower() == self._repository.lower()]
        ours.sort(
            key=lambda pull: (
                pull["merge_commit_sha"] != sha or not pull["merged_at"],
                pull["head"]["sha"] != sha,
                not pull["merged_at"],
                pull["number"],
            )
        )
        return int(ours[0]["number"]) if ours else None

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
        try:
            return _comment(self._api.post(f"{self._here}/issues/{pull}/comments", {"body": body}))
        except Missing as error:
            # GitHub answers 404 to those who may not know what is there.
            raise NoAccess(error.message, hint=_PERMISSION) from None

    def edit_comment(self, number: int, body: str) -> bool:
        """Whether it was there to be edited."""
        try:
            self._api.patch(f"{self._here}/issues/comments/{number}", {"body": body})
        except Missing:
            return False
        return True

    def delete_comment(self, number: int) -> None:
        """Gone afterwards, whoever deleted it."""
        try:
            self._api.delete(f"{self._here}/issues/comments/{number}")
        except Missing:
            return

    def wrote(self, comment: Posted) -> bool:
        """Whether the comment is this token's own, as far as GitHub tells: an app's token may not ask who it is."""
        if self._author is None:
            try:
                self._author = str(self._api.get("/user")["login"])
            except (Missing, NoAccess):
                self._author = ""
        return comment.author == self._author if self._author else comment.is_bot

    @property
    def _here(self) -> str:
        return f"/repos/{self._repository}"


def _full_name(pull: Mapping[str, Any]) -> str:
    return str((pull["base"].get("repo") or {}).get("full_name") or "")


def _comment(entry: Mapping[str, Any]) -> Posted:
    # The author of a comment is null once the account is gone.
    user = entry.get("user") or {}
    return Posted(
        number=int(entry["id"]),
        body=str(entry.get("body") or ""),
        author=str(user.get("login") or ""),
        is_bot=user.get("type") == "Bot",
    )
