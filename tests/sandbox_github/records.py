"""Deployments, statuses and Apps as the sandbox's GitHub writes them: field by field as GitHub's OpenAPI description has them."""

from collections.abc import Mapping
from typing import Any

from sandbox_github.apps import Installation, RegisteredApp, moment
from sandbox_github.content import Objects, User
from sandbox_github.deployments import CommitStatus, Deployment, DeploymentStatus
from sandbox_github.wire import Token

_TIME = "2026-01-02T03:04:05Z"


def deployment(objects: Objects, repository: str, one: Deployment) -> dict[str, Any]:
    here = f"{objects.api}/repos/{repository}"
    return {
        "url": f"{here}/deployments/{one.number}",
        "id": one.number,
        "node_id": f"DE_{one.number}",
        "sha": one.sha,
        "ref": one.ref,
        "task": one.task,
        "payload": one.payload,
        "original_environment": one.environment,
        "environment": one.environment,
        "description": one.description,
        "creator": objects.user(one.creator),
        "created_at": _TIME,
        "updated_at": _TIME,
        "statuses_url": f"{here}/deployments/{one.number}/statuses",
        "repository_url": here,
        "transient_environment": one.is_transient,
        "production_environment": one.is_production,
        "performed_via_github_app": None,
    }


def deployment_status(
    objects: Objects, repository: str, one: DeploymentStatus, of: Deployment
) -> dict[str, Any]:
    here = f"{objects.api}/repos/{repository}"
    return {
        "url": f"{here}/deployments/{of.number}/statuses/{one.number}",
        "id": one.number,
        "node_id": f"DES_{one.number}",
        "state": one.state,
        "creator": objects.user(one.creator),
        "description": one.description,
        "environment": of.environment,
        "target_url": one.log_url,
        "created_at": _TIME,
        "updated_at": _TIME,
        "deployment_url": f"{here}/deployments/{of.number}",
        "repository_url": here,
        "environment_url": one.environment_url,
        "log_url": one.log_url,
        "performed_via_github_app": None,
    }


def commit_status(objects: Objects, repository: str, one: CommitStatus) -> dict[str, Any]:
    return {
        "url": f"{objects.api}/repos/{repository}/statuses/{one.sha}",
        "avatar_url": None,
        "id": one.number,
        "node_id": f"SC_{one.number}",
        "state": one.state,
        "description": one.description,
        "target_url": one.target_url,
        "context": one.context,
        "created_at": _TIME,
        "updated_at": _TIME,
        "creator": objects.user(one.creator),
    }


def installation(objects: Objects, app: RegisteredApp, one: Installation) -> dict[str, Any]:
    owner = one.repositories[0].partition("/")[0] if one.repositories else "octo"
    here = f"{objects.api}/app/installations/{one.number}"
    return {
        "id": one.number,
        "account": objects.user(User(owner, 2)),
        "repository_selection": "selected",
        "access_tokens_url": f"{here}/access_tokens",
        "repositories_url": f"{objects.api}/installation/repositories",
        "html_url": f"{objects.site}/organizations/{owner}/settings/installations/{one.number}",
        "app_id": app.number,
        "client_id": app.client_id,
        "target_id": 2,
        "target_type": "Organization",
        "permissions": dict(one.permissions),
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
