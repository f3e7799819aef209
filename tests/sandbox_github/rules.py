"""The settings of a repository on the sandbox's GitHub and the rules of its branches, as GitHub's OpenAPI description has them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox_github.content import Objects


@dataclass(frozen=True)
class Ruleset:
    """An active ruleset of the repository. `rules` are types with their parameters, `bypass` what the one who asks may."""

    number: int
    rules: Mapping[str, Mapping[str, Any] | None]
    branch: str = "main"
    bypass: str = "never"


@dataclass
class Settings:
    """Of one repository. Without `tells_bypass` whoever asks may not see the rulesets themselves."""

    is_archived: bool = False
    tells_bypass: bool = True
    rulesets: list[Ruleset] = field(default_factory=list)


def repository(objects: Objects, name: str, settings: Settings, *, writes: bool) -> dict[str, Any]:
    """The full repository, with what the one who asks may do."""
    permissions = {"admin": False, "maintain": False, "push": writes, "triage": writes, "pull": True}
    return {
        **objects.repository(name),
        "archived": settings.is_archived,
        "permissions": permissions,
        "has_discussions": False,
        "network_count": 0,
        "subscribers_count": 0,
    }


def rules_of(name: str, branch: str, settings: Settings) -> list[dict[str, Any]]:
    """Every rule that is active for the branch."""
    return [
        {
            "type": kind,
            **({"parameters": dict(parameters)} if parameters is not None else {}),
            "ruleset_source_type": "Repository",
            "ruleset_source": name,
            "ruleset_id": ruleset.number,
        }
        for ruleset in settings.rulesets
        if ruleset.branch == branch
        for kind, parameters in ruleset.rules.items()
    ]


def ruleset(name: str, number: int, settings: Settings) -> dict[str, Any] | None:
    """The ruleset of that number, None where there is none to be seen."""
    rules = next((candidate for candidate in settings.rulesets if candidate.number == number), None)
    if rules is None or not settings.tells_bypass:
        return None
    return {
        "id": rules.number,
        "name": f"ruleset {rules.number}",
        "target": "branch",
        "source_type": "Repository",
        "source": name,
        "enforcement": "active",
        "current_user_can_bypass": rules.bypass,
    }
