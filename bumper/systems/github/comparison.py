"""GitHub's comparison of two commits of one repository: which of them came first, and when one was made, without a checkout.

Source: GitHub's OpenAPI description,
`GET /repos/{owner}/{repo}/compare/{basehead}`; its `status` says how the head stands to the base; and
`GET /repos/{owner}/{repo}/commits/{ref}`.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bumper.build_order import Decision, Order, Witness
from bumper.errors import BumpError
from bumper.systems.github.api import Api, Missing, Token
from bumper.systems.http.document import Shape, shaped

if TYPE_CHECKING:
    import httpx

PUBLIC_API = "https://api.github.com"
_ORDERS = {
    "ahead": Order.NEWER,
    "behind": Order.OLDER,
    "identical": Order.SAME,
    "diverged": Order.DIVERGED,
}
_RANGE: Shape = {"ahead_by": int, "commits": [{"sha": str, "commit": {"message": str}}]}
_COMMIT: Shape = {"sha": str, "commit": {"committer": {"date": str}}}
_ANSWER: Shape = {"status": str, "base_commit": {"sha": str}}


class Comparison:
    """The history of `repository` (`owner/name`) as GitHub tells it. One request a question; `now` is monotonic seconds."""

    def __init__(
        self,
        repository: str,
        *,
        token: str | Token,
        now: Callable[[], float],
        api_url: str = PUBLIC_API,
        timeout_s: float = 5.0,
        environ: Mapping[str, str] | None = None,
        transport: "httpx.BaseTransport | None" = None,
    ) -> None:
        self._repository = repository
        self._api = Api(
            api_url, token=token, now=now, timeout_s=timeout_s, environ=environ, transport=transport
        )

    def close(self) -> None:
        """Closes the connections."""
        self._api.close()

    def order(self, before: str, after: str) -> Decision:
        """How the commit `after` stands to `before`; both are SHAs, short or full. What GitHub does not tell is UNKNOWN."""
        try:
            # The files that differ stand on the first page only, and may be many.
            path = f"/repos/{self._repository}/compare/{before}...{after}"
            answer = shaped(f"GitHub: {path}", self._api.get(path, per_page=1, page=2), _ANSWER)
        except Missing:
            return Decision(Order.UNKNOWN, f"{self} does not know both of {before} and {after}")
        except BumpError as error:
            return Decision(Order.UNKNOWN, error.message)
        base = answer["base_commit"]["sha"]
        order = _ORDERS.get(answer["status"], Order.UNKNOWN)
        if order is Order.UNKNOWN or not base.startswith(before):
            # A branch may be called like a SHA.
            return Decision(Order.UNKNOWN, f"{self} compares {base} instead of {before}")
        return Decision(order, f"{self}", Witness.GITHUB)

    def between(self, before: str, after: str, most: int) -> tuple[int, tuple[str, ...]] | None:
        """How many commits `after` has that `before` has not, and the oldest of them; None where GitHub does not know both."""
        try:
            path = f"/repos/{self._repository}/compare/{before}...{after}"
            answer = shaped(f"GitHub: {path}", self._api.get(path, per_page=most, page=1), _RANGE)
        except Missing:
            return None
        commits = [f"{each['sha'][:7]} {_subject(each['commit']['message'])}" for each in answer["commits"]]
        return answer["ahead_by"], tuple(commits[:most])

    def committed_at(self, commit: str) -> datetime | None:
        """When a commit was made; None where GitHub does not tell."""
        path = f"/repos/{self._repository}/commits/{commit}"
        try:
            answer = shaped(f"GitHub: {path}", self._api.get(path, per_page=1), _COMMIT)
            at = datetime.fromisoformat(answer["commit"]["committer"]["date"])
        except (BumpError, ValueError):
            return None
        # A branch may be called like a SHA.
        return at.astimezone(UTC) if at.tzinfo and answer["sha"].startswith(commit) else None

    def __str__(self) -> str:
        return f"GitHub's comparison in {self._repository}"


def _subject(message: str) -> str:
    return message.partition("\n")[0]
