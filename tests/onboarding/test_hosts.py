"""Which hosts a route takes, and where it says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import each_row

from bumper.manifest.document import documents
from bumper.onboarding.hosts import in_rule, routed, unread, with_hosts

from . import platforms

HELM = """\
kind: HelmRelease
spec:
  values:
    grafana:
      ingress:
        hosts:
          - Monitoring.example
    other: {hostname: b.example, host: plain, url: https://c.example}
"""


@each_row(
    ("text", "expected"),
    [
        (
            platforms.traefik("web", "Host(`A.example`) || Host(`b.example`)"),
            [("a.example", 7), ("b.example", 7)],
        ),
        (platforms.ingress("web", "a.example", "b.example"), [("a.example", 11), ("b.example", 15)]),
        (platforms.gateway("web", "a.example"), [("a.example", 6)]),
        (HELM, [("monitoring.example", 7), ("b.example", 8)]),
        (platforms.traefik("web", "PathPrefix(`/x`)"), []),
        ("kind: ConfigMap\ndata: {host: a.example}\n", []),
    ],
)
def test_hosts_are_found_with_their_lines(text: str, expected: list[tuple[str, int]]) -> None:
    routes = [route for document in documents(text.encode(), "x.yaml") for route in routed(document)]
    assert [(route.host, route.place) for route in routes] == [
        (host, f"x.yaml:{line}") for host, line in expected
    ]


@pytest.mark.parametrize("rule", ["HostRegexp(`.*`)", "HostSNI(`a`)", "Host(`a`) && HostRegexp(`b`)"])
def test_a_pattern_is_told(rule: str) -> None:
    assert unread(documents(platforms.traefik("web", rule).encode(), "x.yaml")[0]) == rule
    assert unread(documents(platforms.traefik("web", "Host(`a`)").encode(), "x.yaml")[0]) == ""


HOSTS = st.lists(st.from_regex(r"[a-z]{1,8}\.example", fullmatch=True), min_size=1, max_size=4, unique=True)


@given(
    HOSTS,
    HOSTS,
    st.sampled_from(["{}", "({}) && Path(`/`)", "Path(`/`) && ({})"]),
    st.sampled_from([" || ", "||"]),
)
def test_a_rule_with_other_hosts_holds_exactly_them(
    old: list[str], new: list[str], form: str, joint: str
) -> None:
    rule = form.format(joint.join(f"Host(`{host}`)" for host in old))
    written = with_hosts(rule, new)
    assert written is not None
    assert in_rule(written) == tuple(new)
    again = with_hosts(written, old)
    if len(old) > 1 and len(new) > 1:
        assert again == rule
    assert with_hosts(rule, old) == rule or len(old) > 1


def test_hosts_in_two_places_cannot_be_replaced_together() -> None:
    assert with_hosts("Host(`a`) && Path(`/`) || Host(`b`)", ["c"]) is None
