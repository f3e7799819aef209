"""Which names and hosts Kubernetes and DNS take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import each_row

from bumper.errors import UsageError
from bumper.onboarding.names import require_hosts, require_name


@each_row("name", ["a", "web", "example-org", "a1-b2", "a" * 63, "xn--bcher-kva"])
def test_a_label_is_a_name(name: str) -> None:
    require_name(name)


@each_row(
    ("name", "problem"),
    [
        ("", "no name for a site"),
        ("Web", "no name for a site"),
        ("web.org", "no name for a site"),
        ("web_org", "no name for a site"),
        ("-web", "no name for a site"),
        ("web-", "no name for a site"),
        ("4chan", "beginning with a letter"),
        ("wéb", "no name for a site"),
        ("web\n", "no name for a site"),
        ("a" * 64, "64 characters"),
        ("default", "belong to the cluster itself"),
        ("flux-system", "belong to the cluster itself"),
        ("kube-web", "belong to the cluster itself"),
    ],
)
def test_what_the_api_server_refuses_is_no_name(name: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        require_name(name)


def test_a_host_given_as_a_name_is_turned_into_one() -> None:
    with pytest.raises(UsageError) as caught:
        require_name("Example.org")
    assert caught.value.hint == "for example example-org"


@pytest.mark.parametrize(
    "host", ["example.org", "a.b.c.example", "xn--bcher-kva.example", "1.example", f"{'a' * 63}.example"]
)
def test_a_dns_name_is_a_host(host: str) -> None:
    require_hosts([host])


@each_row(
    ("host", "problem"),
    [
        ("", "no DNS label"),
        ("localhost", "with a domain"),
        ("bücher.example", "punycode"),
        ("Example.org", "expected example.org"),
        ("https://example.org", "without scheme"),
        ("example.org/shop", "without scheme"),
        ("example.org:443", "without scheme"),
        ("*.example.org", "wildcard"),
        ("a_b.example", "no DNS label"),
        ("-a.example", "no DNS label"),
        ("a-.example", "no DNS label"),
        ("a..example", "no DNS label"),
        ("example.org.", "no DNS label"),
        ("10.0.0.1", "not an address"),
        ("a b.example", "no DNS label"),
        ("a`.example", "no DNS label"),
        (f"{'a' * 64}.example", "64 characters"),
        (".".join(["a" * 49] * 6), "299 characters"),
    ],
)
def test_what_dns_refuses_is_no_host(host: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem) as caught:
        require_hosts([host])
    assert caught.value.message.startswith(f"--host {host}: ")


def test_a_host_is_given_once() -> None:
    with pytest.raises(UsageError, match="given twice"):
        require_hosts(["a.example", "b.example", "a.example"])


@given(st.text(max_size=80))
def test_nothing_but_a_refusal_comes_of_any_text(text: str) -> None:
    for check in (require_name, lambda host: require_hosts([host])):
        try:
            check(text)
        except UsageError:
            continue
        assert text.isascii()
        assert text == text.lower()
        assert not text.startswith("-")
