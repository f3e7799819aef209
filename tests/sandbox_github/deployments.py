"""Deployments and commit statuses of one repository, as GitHub keeps them.

Law: nothing is ever changed, only added: the state of a Deployment is that of its newest status, that of a context on a commit the
newest one there. What is asked wrongly is 422; a Deployment of a commit that lacks a required status is 409; where nobody said which
are required all of them are.
Source: GitHub's OpenAPI description of `repos/create-deployment`, `repos/create-deployment-status` and `repos/create-commit-status`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from sandbox_github.content import User
from sandbox_github.wire import Answer, Refusal

LONGEST_DESCRIPTION = 140
MOST_STATUSES = 1000
_LONGEST_NAME = 255
_DEPLOYMENT_STATES = ("error", "failure", "inactive", "in_progress", "queued", "pending", "success")
_COMMIT_STATES = ("error", "failure", "pending", "success")


@dataclass(frozen=True)
class DeploymentStatus:
    number: int
    state: str
    description: str
    environment_url: str
    log_url: str
    creator: User


@dataclass
class Deployment:
    """`statuses` are in the order in which they were added."""

    number: int
    sha: str
    ref: str
    task: str
    environment: str
    description: str | None
    payload: Any
    is_transient: bool
    is_production: bool
    creator: User
    statuses: list[DeploymentStatus] = field(default_factory=list)

    @property
    def state(self) -> str:
        return self.statuses[-1].state if self.statuses else "pending"


@dataclass(frozen=True)
class CommitStatus:
    number: int
    sha: str
    context: str
    state: str
    description: str | None
    target_url: str | None
    creator: User


class Ledger:
    """What was told of a repository's commits. `find` gives the commits whose SHA begins with a text, `tip` that of the default
    branch, where one is known.
    """

    def __init__(self, find: Callable[[str], list[str]]) -> None:
        self._find = find
        self._numbers = count(1)
        self.tip = ""
        self.deployments: list[Deployment] = []
        self.statuses: list[CommitStatus] = []

    def state_of(self, sha: str, context: str) -> str:
        """The newest state of a context on a commit; empty where there is none."""
        states = [status.state for status in self.statuses if (status.sha, status.context) == (sha, context)]
        return states[-1] if states else ""

    def listed(self, wanted: Mapping[str, str]) -> Iterator[Deployment]:
        """The newest first, of those that have these values of sha, ref, task and environment."""
        for deployment in reversed(self.deployments):
            shown = {
                "sha": deployment.sha,
                "ref": deployment.ref,
                "task": deployment.task,
                "environment": deployment.environment,
            }
            if all(value in ("none", shown[name]) for name, value in wanted.items() if name in shown):
                yield deployment

    def deployment(self, number: int) -> Deployment:
        deployments = [deployment for deployment in self.deployments if deployment.number == number]
        if not deployments:
            raise Refusal(404, "Not Found")
        return deployments[0]

    def deploy(self, body: Any, creator: User) -> Deployment | Answer:
        """A new Deployment; 202 without one where the default branch was merged into the ref first."""
        asked = _Fields("Deployment", body)
        ref = asked.text("ref", required=True)
        commits = self._find(ref)
        if len(commits) != 1:
            raise Refusal(422, f"No ref found for: {ref}")
        if asked.flag("auto_merge", default=True) and self.tip not in ("", commits[0]):
            return Answer(202, {"message": f"Auto-merged main into {ref} on deployment."})
        self._require(commits[0], body.get("required_contexts"))
        environment = asked.text("environment", "production", longest=_LONGEST_NAME)
        deployment = Deployment(
            number=next(self._numbers),
            sha=commits[0],
            ref=ref,
            task=asked.text("task", "deploy", longest=_LONGEST_NAME),
            environment=environment,
            description=asked.text("description", longest=LONGEST_DESCRIPTION) or None,
            payload=body.get("payload", {}),
            is_transient=asked.flag("transient_environment", default=False),
            is_production=asked.flag("production_environment", default=environment == "production"),
            creator=creator,
        )
        self.deployments.append(deployment)
        return deployment

    def _require(self, sha: str, contexts: Any) -> None:
        known = {status.context for status in self.statuses if status.sha == sha}
        wanted = known if contexts is None else set(contexts)
        states = [
            {"context": name, "state": self.state_of(sha, name) or "pending"} for name in sorted(wanted)
        ]
        if any(state["state"] != "success" for state in states):
            errors = [
                {
                    "contexts": states,
                    "resource": "Deployment",
                    "field": "required_contexts",
                    "code": "invalid",
                }
            ]
            raise Refusal(409, f"Conflict: Commit status checks failed for {sha}.", errors=errors)

    def advance(self, number: int, body: Any, creator: User) -> DeploymentStatus:
        """A new status of a Deployment; with a success the earlier ones of its environment may end."""
        deployment = self.deployment(number)
        asked = _Fields("DeploymentStatus", body)
        status = DeploymentStatus(
            number=next(self._numbers),
            state=asked.one_of("state", _DEPLOYMENT_STATES),
            description=asked.text("description", longest=LONGEST_DESCRIPTION),
            environment_url=asked.address("environment_url"),
            log_url=asked.address("log_url") or asked.address("target_url"),
            creator=creator,
        )
        deployment.environment = asked.text("environment", deployment.environment, longest=_LONGEST_NAME)
        deployment.statuses.append(status)
        if status.state == "success" and asked.flag("auto_inactive", default=True):
            self._end_earlier(deployment, creator)
        return status

    def _end_earlier(self, deployment: Deployment, creator: User) -> None:
        for earlier in self.deployments:
            is_earlier = earlier.number < deployment.number and earlier.environment == deployment.environment
            if (
                is_earlier
                and earlier.state == "success"
                and not (earlier.is_transient or earlier.is_production)
            ):
                earlier.statuses.append(
                    DeploymentStatus(next(self._numbers), "inactive", "", "", "", creator)
                )

    def tell(self, sha: str, body: Any, creator: User) -> CommitStatus:
        """A new status of a commit."""
        asked = _Fields("Status", body)
        if sha not in self._find(sha):
            raise Refusal(422, f"No commit found for SHA: {sha}")
        context = asked.text("context", "default", longest=_LONGEST_NAME)
        if sum((status.sha, status.context) == (sha, context) for status in self.statuses) >= MOST_STATUSES:
            limit = "This SHA and context has reached the maximum number of statuses."
            raise Refusal.invalid("Status", "context", limit)
        status = CommitStatus(
            number=next(self._numbers),
            sha=sha,
            context=context,
            state=asked.one_of("state", _COMMIT_STATES),
            description=asked.text("description", longest=LONGEST_DESCRIPTION) or None,
            target_url=asked.address("target_url") or None,
            creator=creator,
        )
        self.statuses.append(status)
        return status


@dataclass(frozen=True)
class _Fields:
    """The body of a request, read as GitHub reads it: what is not as it must be is 422."""

    resource: str
    body: Any

    def text(
        self, name: str, default: str = "", *, longest: int | None = None, required: bool = False
    ) -> str:
        value = self._value(name)
        if value is None:
            if required:
                errors = [{"resource": self.resource, "code": "missing_field", "field": name}]
                raise Refusal(422, "Validation Failed", errors=errors)
            return default
        if not isinstance(value, str):
            raise Refusal.invalid(self.resource, name, f"{name} is not a string")
        if longest is not None and len(value) > longest:
            raise Refusal.invalid(
                self.resource, name, f"{name} is too long (maximum is {longest} characters)"
            )
        return value

    def one_of(self, name: str, values: tuple[str, ...]) -> str:
        value = self.text(name, required=True)
        if value not in values:
            raise Refusal.invalid(self.resource, name, f"{name} is not included in the list")
        return value

    def address(self, name: str) -> str:
        value = self.text(name)
        if value and not value.startswith(("http://", "https://")):
            raise Refusal.invalid(self.resource, name, f"{name} must use http(s) scheme")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        value = self._value(name)
        if value is not None and not isinstance(value, bool):
            raise Refusal.invalid(self.resource, name, f"{name} is not a boolean")
        return default if value is None else value

    def _value(self, name: str) -> Any:
        if not isinstance(self.body, dict):
            raise Refusal(400, "Problems parsing JSON")
        return self.body.get(name)
