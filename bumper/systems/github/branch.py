"""What GitHub lets this token do to a branch, asked before it is done.

Source: GitHub's published OpenAPI description; each request and answer of the tests is held to it.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

from bumper.errors import NoAccess
from bumper.ports.github import Hosting, Rule
from bumper.systems.github.api import Api, Missing, Token
from bumper.systems.github.graphql import Home
from bumper.systems.http.document import Maybe, Shape, shaped

if TYPE_CHECKING:
    import httpx

_DETAILS: Shape = {
    "permissions": Maybe({"push": Maybe(bool)}),
    "archived": Maybe(bool),
    "private": Maybe(bool),
}
_RULE: Shape = {"type": str, "ruleset_id": Maybe(int), "ruleset_source": Maybe(str)}


def rest_url(home: Home) -> str:
    """The REST API beside the GraphQL API: `https://api.github.com`, or `https://HOST/api/v3` of an Enterprise Server."""
    root = home.graphql_url.removesuffix("/graphql")
    return f"{root}/v3" if root.endswith("/api") else root


def hosting(
    repository: str,
    branch: str,
    *,
    token: str | Token,
    now: Callable[[], float],
    api_url: str,
    timeout_s: float = 10.0,
    environ: Mapping[str, str] | None = None,
    transport: "httpx.BaseTransport | None" = None,
) -> Hosting:
    """The repository's state and the rules of its branch. `repository` is `owner/name`.

    Raises as `Api` does: Missing (404) also where the token may not know of the repository.
    """
    api = Api(api_url, token=token, now=now, timeout_s=timeout_s, environ=environ, transport=transport)
    try:
        here = f"/repos/{repository}"
        details = shaped(f"GitHub: {here}", api.get(here), _DETAILS)
        permissions = details.get("permissions") or {}
        path = f"{here}/rules/branches/{quote(branch, safe='')}"
        entries = [shaped(f"GitHub: {path}", entry, _RULE) for entry in api.pages(path)]
        rulesets = {entry["ruleset_id"]: "" for entry in entries if entry["ruleset_id"] is not None}
        bypasses = {number: _bypass(api, here, number) for number in rulesets}
        return Hosting(
            repository=repository,
            may_push=permissions.get("push"),
            is_archived=bool(details.get("archived")),
            rules=tuple(
                Rule(
                    str(entry["type"]),
                    f"{entry['ruleset_source'] or ''}#{'' if entry['ruleset_id'] is None else entry['ruleset_id']}",
                    bypasses.get(entry.get("ruleset_id"), ""),
                )
                for entry in entries
            ),
            dated_s=api.dated_s,
            is_private=details.get("private"),
        )
    finally:
        api.close()


def _bypass(api: Api, here: str, ruleset: int) -> str:
    """Whether the ruleset lets this token by, in GitHub's word; empty where it does not say."""
    try:
        return str(api.get(f"{here}/rulesets/{ruleset}").get("current_user_can_bypass") or "")
    except (Missing, NoAccess):
        return ""
