"""The API's refusals: the `Status` objects of Kubernetes 1.35, field by field in the order in which a real API server wrote them."""

import json
from typing import Any

from bumper_sandbox.kubernetes.kinds import Kind


class Failure(Exception):
    """A refused request. `body` is what the client reads; `reason` is Kubernetes' word for it."""

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def status(self) -> dict[str, Any]:
        """The `Status` object, in the order of fields that Go's encoder writes."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        if self.details:
            status["details"] = self.details
        return {**status, "code": self.code}

    @property
    def body(self) -> bytes:
        return json.dumps(self.status(), separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _details(kind: Kind, name: str = "", **more: Any) -> dict[str, Any]:
    named: dict[str, Any] = {"name": name} if name else {}
    group: dict[str, Any] = {"group": kind.group} if kind.group else {}
    return {**named, **group, "kind": kind.plural, **more}


def unauthorized() -> Failure:
    return Failure(401, "Unauthorized", "Unauthorized")


def forbidden(
    user: str, verb: str, kind: Kind, namespace: str, name: str = "", subresource: str = ""
) -> Failure:
    subject = f'{kind.resource} "{name}"' if name else kind.resource
    resource = f"{kind.plural}/{subresource}" if subresource else kind.plural
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    message = f'{subject} is forbidden: User "{user}" cannot {verb} resource "{resource}" in API group "{kind.group}" {where}'
    return Failure(403, "Forbidden", message, _details(kind, name))


def not_found(kind: Kind, name: str) -> Failure:
    return Failure(404, "NotFound", f'{kind.resource} "{name}" not found', _details(kind, name))


def exists(kind: Kind, name: str) -> Failure:
    return Failure(409, "AlreadyExists", f'{kind.resource} "{name}" already exists', _details(kind, name))


def conflict(kind: Kind, name: str) -> Failure:
    message = (
        f'Operation cannot be fulfilled on {kind.resource} "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    return Failure(409, "Conflict", message, _details(kind, name))


def unsupported_media_type(kind: Kind) -> Failure:
    # A custom resource knows no strategic merge; the other three are what this API server takes or names.
    accepted = ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"]
    if "." not in kind.group:
        accepted.insert(2, "application/strategic-merge-patch+json")
    message = "the body of the request was in an unknown format - accepted media types include: " + ", ".join(
        accepted
    )
    return Failure(415, "UnsupportedMediaType", message)


def invalid(kind: Kind, name: str, field: str, problem: str) -> Failure:
    """`problem` as the API server words it: `Invalid value: "bogus": …`."""
    cause = {"reason": "FieldValueInvalid", "message": problem, "field": field}
    owner = f"{kind.name}.{kind.group}" if kind.group else kind.name
    details = {**_details(kind, name), "kind": kind.name, "causes": [cause]}
    return Failure(422, "Invalid", f'{owner} "{name}" is invalid: {field}: {problem}', details)


def bad_request(message: str) -> Failure:
    return Failure(400, "BadRequest", message)


def method_not_allowed() -> Failure:
    return Failure(
        405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {}
    )


def expired(asked: str, newest: int) -> Failure:
    """For a watch or list from a version that is no longer kept: `too old resource version: 1 (1416)`."""
    return Failure(410, "Expired", f"too old resource version: {asked} ({newest})")


def internal_error(message: str, code: int = 500) -> Failure:
    reason = {500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout"}.get(code, "InternalError")
    return Failure(code, reason, message, {})
