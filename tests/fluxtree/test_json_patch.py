"""JSON patches, row by row: RFC 6902 as the library that kustomize calls does it."""

from typing import Any

import pytest
from tables import each_row

from bumper.fluxtree.json_patch import Refused, applied

VALUE: dict[str, Any] = {"a": {"b": "1"}, "list": ["x", "y"], "with/slash": {"~": "t"}}


@each_row(
    ("operation", "expected"),
    [
        ({"op": "replace", "path": "/a/b", "value": "2"}, {"a": {"b": "2"}}),
        ({"op": "add", "path": "/a/c", "value": "2"}, {"a": {"b": "1", "c": "2"}}),
        ({"op": "add", "path": "/a/b", "value": "2"}, {"a": {"b": "2"}}),
        ({"op": "remove", "path": "/a/b"}, {"a": {}}),
        ({"op": "add", "path": "/list/0", "value": "w"}, {"list": ["w", "x", "y"]}),
        ({"op": "add", "path": "/list/2", "value": "z"}, {"list": ["x", "y", "z"]}),
        ({"op": "add", "path": "/list/-", "value": "z"}, {"list": ["x", "y", "z"]}),
        ({"op": "replace", "path": "/list/-1", "value": "z"}, {"list": ["x", "z"]}),
        ({"op": "remove", "path": "/list/0"}, {"list": ["y"]}),
        ({"op": "replace", "path": "/with~1slash/~0", "value": "s"}, {"with/slash": {"~": "s"}}),
        ({"op": "copy", "from": "/a/b", "path": "/list/0"}, {"list": ["1", "x", "y"]}),
        ({"op": "move", "from": "/list/0", "path": "/a/b"}, {"list": ["y"], "a": {"b": "x"}}),
        ({"op": "test", "path": "/a/b", "value": "1"}, {}),
        ({"op": "test", "path": "/a/c"}, {}),
        ({"op": "replace", "path": "/a/c", "value": "2"}, {"a": {"b": "1", "c": "2"}}),
    ],
)
def test_an_operation(operation: dict[str, Any], expected: dict[str, Any]) -> None:
    before = repr(VALUE)
    assert applied(VALUE, [operation]) == {**VALUE, **expected}
    assert repr(VALUE) == before


@each_row(
    "operation",
    [
        {"op": "replace", "path": "/c/d", "value": "2"},
        {"op": "test", "path": "/a/c", "value": "2"},
        {"op": "remove", "path": "/a/c"},
        {"op": "add", "path": "/c/d", "value": "2"},
        {"op": "add", "path": "/list/3", "value": "z"},
        {"op": "replace", "path": "/list/2", "value": "z"},
        {"op": "add", "path": "/a/b/c", "value": "z"},
        {"op": "test", "path": "/a/b", "value": "2"},
        {"op": "copy", "from": "/c", "path": "/a/b"},
        {"op": "other", "path": "/a/b"},
        {"op": "add", "path": "a", "value": "2"},
    ],
)
def test_what_leads_nowhere_is_refused(operation: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        applied(VALUE, [operation])
