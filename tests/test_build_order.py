"""Which of two builds is the newer one: table rows and laws."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import each_row

from bumper.build_order import (
    SIDE_BY_SIDE_S,
    Order,
    by_common_ancestor,
    by_creation,
    commit_in,
    commit_of,
    is_same_commit,
    unknown,
)

A, B, C = "a" * 40, "b" * 40, "c" * 40
FULL = "abc1234" + "0" * 33
OPPOSITE = {Order.NEWER: Order.OLDER, Order.OLDER: Order.NEWER}


@each_row(
    ("tag", "commit"),
    [
        ("abc1234", "abc1234"),
        (FULL, FULL),
        ("sha-abc1234", "abc1234"),
        ("1234567", "1234567"),
        ("v1.2.3", ""),
        ("abc123", ""),
        ("ABC1234", ""),
        ("latest", ""),
        ("main-abc1234", ""),
        ("", ""),
    ],
)
def test_a_tag_names_a_commit_or_not(tag: str, commit: str) -> None:
    assert commit_in(tag) == commit


@each_row(
    ("tag", "label", "commit"),
    [
        ("abc1234", FULL, FULL),
        ("abc1234", FULL.upper(), FULL),
        ("abc1234", B, "abc1234"),
        ("abc1234", "main", "abc1234"),
        ("v1.2.3", FULL, FULL),
        ("v1.2.3", "main", ""),
        ("v1.2.3", "", ""),
        (FULL, "abc1234", FULL),
    ],
)
def test_a_label_completes_a_tag_and_never_contradicts_it(tag: str, label: str, commit: str) -> None:
    assert commit_of(tag, label) == commit


@each_row(
    ("before", "after", "common", "whole", "order"),
    [
        (A, B, A, True, Order.NEWER),
        (A, B, A, False, Order.NEWER),
        (A, B, B, True, Order.OLDER),
        (A, B, B, False, Order.OLDER),
        (A, A, A, False, Order.SAME),
        (A, B, C, True, Order.DIVERGED),
        (A, B, "", True, Order.DIVERGED),
        (A, B, C, False, Order.UNKNOWN),
        (A, B, "", False, Order.UNKNOWN),
    ],
)
def test_ancestry(before: str, after: str, common: str, whole: bool, order: Order) -> None:
    assert by_common_ancestor(before, after, common, is_whole=whole) is order


def test_times_decide_only_where_two_builds_cannot_have_run_side_by_side() -> None:
    first = "2026-01-02T03:04:05.123456789Z"
    assert by_creation(first, "2026-01-02T09:00:00Z").order is Order.NEWER
    assert by_creation("2026-01-02T09:00:00Z", first).order is Order.OLDER
    close = by_creation("2026-01-02T03:30:00Z", first)
    assert close.order is Order.UNKNOWN
    assert close.evidence == (
        "the images were built at 2026-01-02 03:30 UTC and 2026-01-02 03:04 UTC, too close to tell the commits apart"
    )


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("", "", "neither image says when it was built"),
        ("", "2026-01-02T03:04:05Z", "one image does not say when it was built"),
        ("2026-01-02T03:04:05Z", "yesterday", "one image does not say when it was built"),
        # Builds that can be reproduced have no time at all: Docker's zero, Nix' and Bazel's first second.
        ("1970-01-01T00:00:01Z", "1970-01-01T00:00:00Z", "neither image says when it was built"),
        ("0001-01-01T00:00:00Z", "2026-01-02T03:04:05Z", "one image does not say when it was built"),
    ],
)
def test_a_time_that_says_nothing_is_unknown(before: str, after: str, why: str) -> None:
    assert by_creation(before, after).order is Order.UNKNOWN
    assert by_creation(before, after).evidence == why


times = st.datetimes(min_value=datetime(1990, 1, 2), max_value=datetime(2100, 1, 1)).map(
    lambda time: time.replace(tzinfo=UTC)
)


@given(times, times)
def test_the_two_seen_from_the_other_side_are_the_opposite(time: datetime, other: datetime) -> None:
    there = by_creation(time.isoformat(), other.isoformat()).order
    back = by_creation(other.isoformat(), time.isoformat()).order
    assert back is OPPOSITE.get(there, there)


@given(times, st.floats(-SIDE_BY_SIDE_S + 1, SIDE_BY_SIDE_S - 1))
def test_builds_that_are_close_have_no_order(time: datetime, apart_s: float) -> None:
    other = time + timedelta(seconds=apart_s)
    if other.year >= 1990:
        assert by_creation(time.isoformat(), other.isoformat()).order is Order.UNKNOWN


@given(st.text())
def test_no_text_is_an_order_by_itself(text: str) -> None:
    assert by_creation(text, text).order is Order.UNKNOWN


def test_two_spellings_of_one_commit() -> None:
    assert is_same_commit("abc1234", FULL)
    assert is_same_commit(FULL, "abc1234")
    assert not is_same_commit("abc1234", "abc1235")
    assert not is_same_commit("", "abc1234")


def test_all_reasons_are_told_once() -> None:
    assert unknown(["no checkout", "", "no label", "no checkout"]).evidence == "no checkout; no label"
