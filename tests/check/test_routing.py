"""Rules of Traefik as alternatives, and which routes clash."""

import pytest
from checks import ROUTE, changed, found
from tables import each_row

from bumper.check.routing import alternatives

A, B = ("Host", "a"), ("Host", "b")
X, Y = ("PathPrefix", "/x"), ("Path", "/y")


@each_row(
    ("rule", "expected"),
    [
        ("Host(`a`)", [{A}]),
        ('Host("a")', [{A}]),
        ("Host(`a`) || Host(`b`)", [{A}, {B}]),
        ("Host(`a`, `b`)", [{A}, {B}]),
        ("Host(`a`) && PathPrefix(`/x`)", [{A, X}]),
        ("(Host(`a`) || Host(`b`)) && (PathPrefix(`/x`) || Path(`/y`))", [{A, X}, {A, Y}, {B, X}, {B, Y}]),
        ("Host(`a`) || Host(`b`) && Path(`/y`)", [{A}, {B, Y}]),
        ("Header(`X-A`, `1`)", [{("Header", "X-A,1")}]),
        ("Host(`a`) && !Path(`/y`)", []),
        ("Host(`a`", []),
        ("Host(`a`) Host(`b`)", []),
        ("(Host(`a`)", []),
        ("", []),
        ("&&", []),
    ],
)
def test_a_rule_is_read_or_promises_nothing(rule: str, expected: list[set[tuple[str, str]]]) -> None:
    assert [set(alternative) for alternative in alternatives(rule)] == expected


TAKEN = "Host(`kevinryan.io`) || Host(`specmcp.ai`)"
OLD = "Host(`kevinryan.io`) || Host(`www.kevinryan.io`)"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (OLD, "Host(`specmcp.ai`) && Path(`/about`)"),
        (OLD, "HostRegexp(`.*`)"),
        (OLD, "Host(`kevinryan.io`, `other.io`)"),
    ],
)
def test_routes_that_do_not_clash(old: str, new: str) -> None:
    assert found(changed(ROUTE, old, new)) == []


def test_the_same_host_clashes_but_not_by_another_door_or_priority() -> None:
    clash = changed(ROUTE, OLD, TAKEN)
    assert [rule for rule, _ in found(clash)] == ["host-twice"]
    text = clash[ROUTE].decode()
    for old, new in (
        ("    - websecure", "    - web"),
        ("      kind: Rule", "      kind: Rule\n      priority: 10"),
    ):
        assert found({**clash, ROUTE: text.replace(old, new)}) == []


def test_a_root_prefix_is_the_whole_host() -> None:
    assert [rule for rule, _ in found(changed(ROUTE, OLD, "Host(`specmcp.ai`) && PathPrefix(`/`)"))] == [
        "host-twice"
    ]
