"""JSON values: copies and merge patches. Pure."""

from collections.abc import Mapping
from typing import Any, TypeVar, cast

_Value = TypeVar("_Value")


def copied(value: _Value) -> _Value:
    """A copy that shares nothing that can change. Much faster than `copy.deepcopy`, which must expect more than JSON."""
    made: Any = value
    if isinstance(value, dict):
        made = {key: copied(inner) for key, inner in value.items()}
    elif isinstance(value, list):
        made = [copied(inner) for inner in value]
    return cast("_Value", made)


def merge_patch(target: Any, patch: Any) -> Any:
    """`target` after a JSON merge patch (RFC 7386)."""
    if not isinstance(patch, Mapping):
        return copied(patch)
    merged = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged
