"""Kubernetes objects as the API gives them: plain mappings, and the few questions that every reader of them asks.

Law: a missing field is an answer (empty, None), never an exception, because every field of `status` may be absent on a new object.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from bumper.dataclasses import dataclass

Object = Mapping[str, Any]


class ObjectKey(NamedTuple):
    """`kind` as written in manifests (`Deployment`); `namespace` is empty for cluster-scoped kinds.

    A tuple, since what it is for is to be hashed and compared: a look at two hundred sites does so ten thousand times.
    """

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    @classmethod
    def of(cls, obj: Object) -> Self:
        """The key of an object or manifest."""
        metadata = obj.get("metadata") or {}
        return cls(obj.get("kind") or "", metadata.get("namespace") or "", metadata.get("name") or "")


# Stands for an object where there is none.
NO_OBJECT = ObjectKey("", "", "")


def at(obj: Object | None, *path: str) -> Any:
    """What stands at that path of keys, or None as soon as one of them is absent."""
    value: Any = obj
    for key in path:
        # Asking for dict first is three times as fast, and this is what a judgement spends its time on.
        value = value.get(key) if isinstance(value, dict) or isinstance(value, Mapping) else None  # noqa: SIM101
    return value


@dataclass(frozen=True)
class Condition:
    """One entry of `status.conditions`. `status` is `True`, `False` or `Unknown`, as text."""

    type: str
    status: str
    reason: str
    message: str
    observed_generation: int | None
    last_transition_time: str


def condition(obj: Object | None, condition_type: str) -> Condition | None:
    """The condition of that type, or None where the object has none."""
    for entry in ((obj or {}).get("status") or {}).get("conditions") or ():
        if entry.get("type") == condition_type:
            return Condition(
                type=condition_type,
                status=entry.get("status") or "",
                reason=entry.get("reason") or "",
                message=(entry.get("message") or "").strip(),  # Flux ends some with a line end
                observed_generation=entry.get("observedGeneration"),
                last_transition_time=entry.get("lastTransitionTime") or "",
            )
    return None
