"""What goes over the wire between the sandbox's GitHub and its clients."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sandbox_github.content import User

_DOCS = "https://docs.github.com/rest"


@dataclass(frozen=True)
class Token:
    """Whose token it is, and which repositories it may read and write.

    `permissions` are those of an installation's token; None is a token that may do everything there. `ends_s` is epoch seconds.
    """

    user: User
    reads: tuple[str, ...]
    writes: bool = True
    permissions: Mapping[str, str] | None = None
    ends_s: float = float("inf")

    def may(self, accepted: tuple[str, ...], level: str) -> bool:
        """Whether one of the accepted permissions is there at this level."""
        if self.permissions is None:
            return self.writes or level == "read"
        held = {self.permissions.get(name) for name in accepted}
        return not accepted or "write" in held or (level == "read" and "read" in held)


class Answer(NamedTuple):
    """`body` None is no content."""

    status: int
    body: Any
    headers: Mapping[str, str] = {}


class Exchange(NamedTuple):
    """One request and its answer, as they were on the wire."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    answer: Answer


class Refusal(Exception):
    """GitHub says no."""

    def __init__(
        self, status: int, message: str, *, headers: Mapping[str, str] | None = None, **fields: Any
    ) -> None:
        super().__init__(message)
        content = {"message": message, "documentation_url": _DOCS, "status": str(status), **fields}
        self.answer = Answer(status, content, headers or {})

    @classmethod
    def invalid(cls, resource: str, field: str, message: str) -> "Refusal":
        """422 for a field that cannot be so."""
        errors = [{"resource": resource, "code": "custom", "field": field, "message": message}]
        return cls(422, "Validation Failed", errors=errors)
