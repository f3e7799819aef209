"""Valid answers with one thing wrong: each place of a document gets, one after another, what does not belong there."""

from collections.abc import Iterator
from typing import Any

# One of each kind that JSON has, and what no reader expects of it.
ODD_VALUES: tuple[Any, ...] = (
    None,
    5,
    1.5,
    float("inf"),
    10**400,
    True,
    "odd",
    "",
    [],
    [None],
    ["odd"],
    {},
    {"odd": 1},
)
GONE = object()


def mutations(value: Any) -> Iterator[tuple[str, Any]]:
    """The place that is wrong, as `items[0].status`, and the whole document with it."""
    for place, replaced in _mutated(value):
        yield place or "the whole", replaced


def _mutated(value: Any) -> Iterator[tuple[str, Any]]:
    yield from (("", odd) for odd in ODD_VALUES if type(odd) is not type(value) or odd != value)
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"{key} gone", {name: other for name, other in value.items() if name != key}
            yield from ((f"{key}.{place}", {**value, key: odd}) for place, odd in _mutated(inner))
    elif isinstance(value, list):
        for at, inner in enumerate(value[:2]):
            yield from (
                (f"[{at}]{place}", [*value[:at], odd, *value[at + 1 :]]) for place, odd in _mutated(inner)
            )
