"""Deployments, statuses and Apps as the sandbox's GitHub writes them: field by field as GitHub's OpenAPI description has them."""

from collections.abc import Mapping
from typing import Any

from sandbox_github.apps import Installation, RegisteredApp, moment
from sandbox_github.content import Objects, User
from sandbox_github.deployments import CommitStatus, Deployment, DeploymentStatus
from sandbox_github.wire import Token

_TIME = "2026-01-02T03:04:05Z"


def deployment(objects: Objects, repository: str, made: Deployment) -> dict[str, Any]:
    here = f"{objects.api}/repos/{repository}"
    return {
        "url": f"{here}/deployments/{made.number}",
        "id": made.number,
        "node_id": f"DE_{made.number}",
        "sha": made.sha,
        "ref": made.ref,
        "task": made.task,
        "payload": made.payload,
        "original_environment": made.environment,
        "environment": made.environment,
        "description": made.description,
        "creator": objects.user(made.creator),
        "created_at": _TIME,
        "updated_at": _TIME,
        "statuses_url": f"{here}/deployments/{made.number}/statuses",
        "repository_url": here,
        "transient_environment": made.is_transient,
        "production_environment": made.is_production,
        "performed_via_github_app": None,
    }


def deployment_status(
    objects: Objects, repository: str, status: DeploymentStatus, of: Deployment
) -> dict[str, Any]:
    here = f"{objects.api}/repos/{repository}"
    return {
        "url": f"{here}/deployments/{of.number}/statuses/{status.number}",
        "id": status.number,
        "node_id": f"DES_{status.number}",
        "state": status.state,
        "creator": objects.user(status.creator),
        "description": status.description,
        "environment": of.environment,
        "target_url": status.log_url,
        "created_at": _TIME,
        "updated_at": _TIME,
        "deployment_url": f"{here}/deployments/{of.number}",
        "repository_url": here,
        "environment_url": status.environment_url,
        "log_url": status.log_url,
        "performed_via_github_app": None,
    }


def commit_status(objects: Objects, repository: str, status: CommitStatus) -> dict[str, Any]:
    return {
        "url": f"{objects.api}/repos/{repository}/statuses/{status.sha}",
        "avatar_url": None,
        "id": status.number,
        "node_id": f"SC_{status.number}",
        "state": status.state,
        "description": status.description,
        "target_url": status.target_url,
        "context": status.context,
        "created_at": _TIME,
        "updated_at": _TIME,
        "creator": objects.user(status.creator),
    }


def installation(objects: Objects, app: RegisteredApp, installed: Installation) -> dict[str, Any]:
    owner = installed.repositories[0].partition("/")[0] if installed.repositories else "octo"
    here = f"{objects.api}/app/installations/{installed.number}"
    return {
        "id": installed.number,
        "account": objects.user(User(owner, 2)),
        "repository_selection": "selected",
        "access_tokens_url": f"{here}/access_tokens",
        "repositories_url": f"{objects.api}/installation/repositories",
        "html_url": f"{objects.site}/organizations/{owner}/settings/installations/{installed.number}",
        "app_id": app.number,
        "client_id": app.client_id,
        "target_id": 2,
        "target_type": "Organization",
        "permissions": dict(installed.permissions),
        "events": [],
        "created_at": _TIME,
        "updated_at": _TIME,
        "single_file_name": None,
        "app_slug": app.slug,
        "suspended_by": None,
        "suspended_at": None,
    }


def installation_token(objects: Objects, secret: str, token: Token) -> dict[str, Any]:
    permissions: Mapping[str, str] = token.permissions or {}
    return {
        "token": secret,
        "expires_at": moment(token.ends_s),
        "permissions": dict(permissions),
        "repository_selection": "selected",
        "repositories": [objects.repository(name) for name in token.reads],
    }
