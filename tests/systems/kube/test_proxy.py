"""NO_PROXY as Go reads it: the rows follow golang.org/x/net's own documentation of `httpproxy.Config.NoProxy`."""

from tables import each_row

from bumper.systems.kube.proxy import proxy_for

API = "https://10.1.2.3:6443"
NAMED = "https://api.prod.example.com"


@each_row(
    ("server", "no_proxy"),
    [
        (API, "*"),
        (API, "10.0.0.0/8"),
        (API, "other.example.com, 10.1.2.3"),
        (API, "10.1.2.3:6443"),
        ("https://[fd00::7]:6443", "fd00::/8"),
        ("https://[fd00::7]:6443", "[fd00::7]:6443"),
        ("https://[fd00::7]:6443", "fd00::7"),
        (NAMED, "api.prod.example.com"),
        (NAMED, "example.com"),
        (NAMED, ".example.com"),
        (NAMED, "*.example.com"),
        (NAMED, "EXAMPLE.com:443"),
        ("https://localhost:6443", ""),
        ("https://127.0.0.1:6443", ""),
        ("https://[::1]:6443", ""),
    ],
)
def test_the_proxy_is_left_out(server: str, no_proxy: str) -> None:
    assert proxy_for(server, {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": no_proxy}) == ""


@each_row(
    ("server", "no_proxy"),
    [
        (API, ""),
        (API, ","),
        (API, "10.2.0.0/16"),
        (API, "10.1.2.3:443"),
        (API, "10.1.2.30"),
        (API, "not/a/range"),
        (API, "fd00::/8"),
        (API, ".3"),
        (NAMED, "prod.example.org"),
        (NAMED, "pi.prod.example.com"),
        (NAMED, "example.com:6443"),
        ("https://example.com", ".example.com"),
    ],
)
def test_the_proxy_is_used(server: str, no_proxy: str) -> None:
    assert (
        proxy_for(server, {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": no_proxy}) == "http://proxy:3128"
    )


def test_names_are_read_in_capitals_and_not() -> None:
    assert proxy_for(API, {"https_proxy": "proxy:3128"}) == "http://proxy:3128"
    assert proxy_for(API, {"https_proxy": "proxy:3128", "no_proxy": "10.0.0.0/8"}) == ""
    assert proxy_for("http://10.1.2.3:8001", {"HTTPS_PROXY": "http://proxy:3128"}) == ""
    assert proxy_for("http://10.1.2.3:8001", {"HTTP_PROXY": "http://proxy:3128"}) == "http://proxy:3128"
