"""Tables of cheap rows, each judged on its own: one item of pytest for the whole table.

An item costs pytest about 5 ms, most of these rows take less than one. A row that fails is named like an item would be, and the rows
after it are judged all the same.
"""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import pytest

SUBTESTS = "subtests"
Test = Callable[..., None]


def each_row(
    names: str | tuple[str, ...],
    table: Iterable[Any],
    ids: Iterable[str] | Callable[[Any], object] | None = None,
) -> Callable[[Test], Test]:
    """As `pytest.mark.parametrize`, with which it stacks; what is not in `names` are fixtures, set up once for the whole table."""
    columns = tuple(name.strip() for name in names.split(",")) if isinstance(names, str) else names

    def decorate(test: Test) -> Test:
        judged = [_row(row, len(columns)) for row in table]
        titles = _titles(judged, ids)

        @functools.wraps(test)
        def whole(*self: object, subtests: pytest.Subtests, **fixtures: object) -> None:
            assert judged, "a table without rows proves nothing"
            # A table within a table.
            passed = {SUBTESTS: subtests} if SUBTESTS in signature.parameters else {}
            for title, (_, values) in zip(titles, judged, strict=True):
                with subtests.test(title):
                    test(*self, **passed, **fixtures, **dict(zip(columns, values, strict=True)))

        signature = inspect.signature(test)
        kept = [
            parameter for name, parameter in signature.parameters.items() if name not in (*columns, SUBTESTS)
        ]
        asked = inspect.Parameter(SUBTESTS, inspect.Parameter.KEYWORD_ONLY)
        whole.__signature__ = signature.replace(parameters=[*kept, asked])  # type: ignore[attr-defined]
        return whole

    return decorate


def _row(row: Any, width: int) -> tuple[str | None, tuple[Any, ...]]:
    """The name of a row, if it has one, and its values."""
    if isinstance(row, type(pytest.param())):
        assert not row.marks, "a row has no marks of its own"
        return str(row.id) if row.id is not None else None, tuple(row.values)
    return None, tuple(row) if width > 1 else (row,)


def _titles(
    judged: list[tuple[str | None, tuple[Any, ...]]], ids: Iterable[str] | Callable[[Any], object] | None
) -> list[str]:
    if ids is None or callable(ids):
        shown = ids or repr
        return [name or "-".join(str(shown(value)) for value in values) for name, values in judged]
    return list(ids)
