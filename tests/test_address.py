"""Where a credential may go: every way to write an address that somebody could take for another one."""

import pytest
from tables import each_row

from bumper.address import is_link_local, is_loopback, may_carry_credentials, name_on, origin

LOOPBACK = [
    "127.0.0.1",
    "127.0.0.1:5000",
    "127.0.0.2",
    "127.255.255.254",
    "localhost",
    "LOCALHOST:8080",
    "[::1]",
    "[::1]:8443",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "kim:pass@127.0.0.1",
    "evil.example@localhost:80",
]
ELSEWHERE = [
    "git.example",
    "git.example:8443",
    "GIT.EXAMPLE",
    "localhost.evil.com",
    "localhost.",
    "foo.localhost",
    "localhost.localdomain",
    "ip6-localhost",
    "127.0.0.1.",
    "127.0.0.1.nip.io",
    "127.0.0.1@evil.example",
    "127.0.0.1:80@evil.example",
    "localhost:pass@evil.example:80",
    "[::1]@evil.example",
    "127-0-0-1.evil.example",
    "128.0.0.1",
    "10.0.0.1",
    "0.0.0.0",
    "169.254.169.254",
    "[::]",
    "[::2]",
    "[fe80::1]",
    "[::ffff:10.0.0.1]",
    # What some resolvers take for 127.0.0.1, and others for a name.
    "127.1",
    "2130706433",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "127.000.000.001",
    "\uff11\uff12\uff17.0.0.1",
    "\u24dbocalhost",
]
AMBIGUOUS = [
    "",
    ":80",
    "@127.0.0.1@",
    "127.0.0.1@evil.example@localhost",
    "evil.example@127.0.0.1@evil.example",
    "127.0.0.1\\@evil.example",
    "evil.example\\@127.0.0.1",
    "127.0.0.1?@evil.example",
    "127.0.0.1#@evil.example",
    "evil.example#@127.0.0.1",
    "127.0.0.1 evil.example",
    "127.0.0.1\t.evil.example",
    "local\nhost",
    "%6cocalhost",
    "127.0.0.1%2eevil.example",
    "127.0.0.1:port",
    "127.0.0.1:80:80",
    "::1",
    "[::1",
    "[::1]evil.example",
    "[::1%25eth0]",
    "[localhost]",
]


@pytest.mark.parametrize("authority", LOOPBACK)
@pytest.mark.parametrize("path", ["", "/", "/o/r.git", "/a b?x=1#y@z"])
def test_this_machine_itself(authority: str, path: str) -> None:
    for scheme in ("http", "https", "HTTP", "Https"):
        assert is_loopback(f"{scheme}://{authority}{path}")
        assert may_carry_credentials(f"{scheme}://{authority}{path}")


@pytest.mark.parametrize("authority", ELSEWHERE)
@pytest.mark.parametrize("path", ["", "/", "/localhost/127.0.0.1"])
def test_another_machine_by_tls_alone(authority: str, path: str) -> None:
    assert may_carry_credentials(f"https://{authority}{path}")
    assert may_carry_credentials(f"HTTPS://{authority}{path}")
    assert not may_carry_credentials(f"http://{authority}{path}")
    assert not may_carry_credentials(f"HTTP://{authority}{path}")
    assert not is_loopback(f"https://{authority}{path}")


@each_row(
    ("url", "expected"),
    [
        ("http://169.254.129.3:8081/msi/token", True),
        ("http://[fe80::1]/", True),
        ("http://[::ffff:169.254.169.254]/", True),
        ("http://169.254.1.1@evil.example/", False),
        ("http://169.254.1.1.nip.io/", False),
        ("http://169.253.1.1/", False),
        ("http://127.0.0.1/", False),
        ("169.254.1.1", False),
    ],
)
def test_addresses_that_no_router_passes_on(url: str, expected: bool) -> None:
    assert is_link_local(url) is expected


@each_row("authority", AMBIGUOUS)
def test_what_parsers_read_in_two_ways_is_no_address(authority: str) -> None:
    for scheme in ("http", "https"):
        assert not may_carry_credentials(f"{scheme}://{authority}/x")
        assert not is_loopback(f"{scheme}://{authority}/x")
        assert origin(f"{scheme}://{authority}/x") == ""


@each_row(
    "url",
    [
        "",
        "localhost",
        "127.0.0.1:5000",
        "//127.0.0.1/",
        "https:127.0.0.1",
        "https:/127.0.0.1/",
        "https:///127.0.0.1/",
        " https://127.0.0.1/",
        "https://127.0.0.1/\n",
        "https://git.example/a\rb",
        "git://127.0.0.1/",
        "ftp://127.0.0.1/",
        "file:///srv",
        "git@127.0.0.1:o/r",
        "http+unix://127.0.0.1/",
        "https+http://127.0.0.1/",
        "javascript://127.0.0.1/",
    ],
)
def test_what_is_no_address_of_http(url: str) -> None:
    assert not may_carry_credentials(url)
    assert not is_loopback(url)
    assert origin(url) == ""


@each_row(
    ("url", "expected"),
    [
        ("https://Git.Example/o/r.git", "https://git.example"),
        ("HTTPS://kim:pass@git.example:443/", "https://git.example"),
        ("http://git.example:80", "http://git.example"),
        ("http://git.example:443/", "http://git.example:443"),
        ("https://git.example:8443/x", "https://git.example:8443"),
        ("https://git.example:/x", "https://git.example"),
        ("https://[::1]:5000/", "https://[::1]:5000"),
        ("https://github.com@evil.example/", "https://evil.example"),
    ],
)
def test_origins(url: str, expected: str) -> None:
    assert origin(url) == expected


@each_row(
    ("url", "name"),
    [
        ("https://github.example/Octo/Web.git", "Octo/Web"),
        ("git@github.example:octo/web", "octo/web"),
        ("https://elsewhere.example/octo/web", ""),
        ("https://github.example.evil/octo/web", ""),
        ("https://github.example/octo/web/tree", ""),
        ("https://github.example/octo/..", ""),
        ("https://[octo/web", ""),
        ("", ""),
    ],
)
def test_a_repository_on_this_github_is_known_by_its_name(url: str, name: str) -> None:
    assert name_on("https://github.example", url) == name
