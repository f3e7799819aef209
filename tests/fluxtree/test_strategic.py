"""A strategic merge, row by row; the oracle compares whole trees."""

from typing import Any

import pytest
from tables import each_row

from bumper.fluxtree.selectors import Undecided
from bumper.fluxtree.strategic import merged

DEPLOYMENT: dict[str, Any] = {"apiVersion": "apps/v1", "kind": "Deployment"}
CUSTOM: dict[str, Any] = {"apiVersion": "example.org/v1", "kind": "App"}


def containers(kind: dict[str, Any], *listed: Any) -> dict[str, Any]:
    return {**kind, "spec": {"containers": list(listed)}}


@each_row(
    ("value", "patch", "expected"),
    [
        ({"a": "1", "b": "2"}, {"b": "3"}, {"a": "1", "b": "3"}),
        ({"a": "1", "b": "2"}, {"b": None}, {"a": "1"}),
        ({"a": {"b": "1", "c": "2"}}, {"a": {"$patch": "replace", "c": "3"}}, {"a": {"c": "3"}}),
        ({"a": {"b": "1"}, "c": "2"}, {"a": {"$patch": "delete"}}, {"c": "2"}),
        ({"a": ["1", "2"]}, {"a": ["3"]}, {"a": ["3"]}),
        ({}, {"a": {"b": None, "c": "1"}}, {"a": {"c": "1"}}),
    ],
)
def test_mappings(value: dict[str, Any], patch: dict[str, Any], expected: dict[str, Any]) -> None:
    assert merged({**DEPLOYMENT, **value}, {**DEPLOYMENT, **patch}) == {**DEPLOYMENT, **expected}


def test_containers_merge_by_name_and_those_of_the_patch_come_first() -> None:
    value = containers(DEPLOYMENT, {"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1", "x": "y"})
    patch = containers(DEPLOYMENT, {"name": "b", "image": "b:2"}, {"name": "c", "image": "c:1"})
    assert merged(value, patch) == containers(
        DEPLOYMENT,
        {"name": "b", "image": "b:2", "x": "y"},
        {"name": "c", "image": "c:1"},
        {"name": "a", "image": "a:1"},
    )


def test_lists_of_a_kind_that_kustomize_does_not_know_are_replaced() -> None:
    value = containers(CUSTOM, {"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"})
    patch = containers(CUSTOM, {"name": "b", "image": "b:2"})
    assert merged(value, patch) == patch


@pytest.mark.parametrize(
    ("patch", "left"),
    [
        ([{"$patch": "delete", "name": "a"}], [{"name": "b"}]),
        ([{"$patch": "replace"}, {"name": "c"}], [{"name": "c"}]),
        ([{"$patch": "replace", "name": "a", "image": "x"}], [{"name": "a", "image": "x"}, {"name": "b"}]),
    ],
)
def test_directives_in_lists(patch: list[Any], left: list[Any]) -> None:
    value = containers(DEPLOYMENT, {"name": "a", "old": "1"}, {"name": "b"})
    assert merged(value, containers(DEPLOYMENT, *patch)) == containers(DEPLOYMENT, *left)


def test_a_whole_object_may_be_deleted() -> None:
    assert merged(DEPLOYMENT, {**DEPLOYMENT, "$patch": "delete"}) is None


def test_neither_side_is_changed() -> None:
    value = containers(DEPLOYMENT, {"name": "a", "image": "a:1"})
    patch = containers(DEPLOYMENT, {"name": "a", "image": "a:2"})
    before = (repr(value), repr(patch))
    merged(value, patch)
    assert (repr(value), repr(patch)) == before


@pytest.mark.parametrize(
    "patch",
    [
        {"spec": "text"},
        {"spec": {"containers": [{"image": "a:2"}]}},
        {"spec": {"$patch": "other"}},
        {"spec": {"containers": {"a": "b"}}},
    ],
)
def test_what_kustomize_refuses_or_reads_otherwise_is_undecided(patch: dict[str, Any]) -> None:
    with pytest.raises(Undecided):
        merged(containers(DEPLOYMENT, {"name": "a", "image": "a:1"}), {**DEPLOYMENT, **patch})


def test_of_two_entries_of_one_name_nobody_knows_which_one_stays() -> None:
    value = containers(
        DEPLOYMENT, {"name": "a", "image": "a:1"}, {"name": "b"}, {"name": "a", "image": "a:2"}
    )
    with pytest.raises(Undecided, match="containers has two entries of the name a"):
        merged(value, containers(DEPLOYMENT, {"name": "b", "image": "b:2"}))
    with pytest.raises(Undecided):
        merged(value, {**DEPLOYMENT, "spec": {"replicas": "2"}})
