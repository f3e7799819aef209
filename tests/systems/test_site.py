"""A site asked as visitors ask it: real servers on this machine, reached by `--resolve`, over HTTP and HTTPS."""

import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tables import each_row
from web_pages import serving

from bumper.ports.site import Obstacle, Resolution, SiteAnswer
from bumper.systems.http.client import Limits
from bumper.systems.site import Site, not_public

from .kube.certificates import authority
from .peers import Dripping, Peer, answer, bomb

HOST = "web.example"
QUICK = Limits(content_bytes=10_000, answer_s=0.5, wait_s=0.4)


def certificate(folder: Path, host: str) -> Path:
    """The file of a certificate for the host, with its key."""
    public, private = authority().issue(host, host)
    path = folder / f"{host}.pem"
    path.write_bytes(public + private)
    return path


def trusting(folder: Path) -> dict[str, str]:
    path = folder / "authority.pem"
    path.write_bytes(authority().pem)
    return {"SSL_CERT_FILE": str(path)}


def site(
    port: int,
    *addresses: str,
    host: str = HOST,
    environ: Mapping[str, str] | None = None,
    limits: Limits = QUICK,
) -> Site:
    resolution = Resolution(host, port, addresses or ("127.0.0.1",))
    return Site([resolution], now=time.monotonic, environ=environ or {}, limits=limits)


def ask(access: Site, url: str, timeout_s: float = 5.0) -> SiteAnswer:
    (given,) = access.answers(url, timeout_s)
    return given


def test_an_answer_comes_from_the_named_address_with_the_host_of_the_url() -> None:
    with serving({"/build": (200, {"X-Build": "abc1234"}, b"hello")}) as pages:
        given = ask(site(pages.port), f"http://{HOST}:{pages.port}/build")
    assert (given.address, given.status, given.content) == ("127.0.0.1", 200, b"hello")
    assert given.headers["x-build"] == "abc1234"
    assert pages.asked[0][1]["host"] == f"{HOST}:{pages.port}"


def test_each_address_answers_for_itself() -> None:
    with (
        serving({"/": (200, {}, b"new")}) as first,
        serving({"/": (200, {}, b"old")}, "127.0.0.2", first.port),
    ):
        answers = site(first.port, "127.0.0.1", "127.0.0.2").answers(f"http://{HOST}:{first.port}/", 5.0)
    assert [(given.address, given.content) for given in answers] == [
        ("127.0.0.1", b"new"),
        ("127.0.0.2", b"old"),
    ]


def test_tls_is_checked_for_the_name_of_the_url_not_for_the_address(tmp_path: Path) -> None:
    environ = trusting(tmp_path)
    with serving({"/": (200, {}, b"new")}, tls=certificate(tmp_path, HOST)) as pages:
        right = ask(site(pages.port, environ=environ), f"https://{HOST}:{pages.port}/")
        wrong = ask(
            site(pages.port, host="other.example", environ=environ), f"https://other.example:{pages.port}/"
        )
        unknown = ask(site(pages.port), f"https://{HOST}:{pages.port}/")
    assert right.content == b"new"
    assert (wrong.obstacle, unknown.obstacle) == (Obstacle.TLS, Obstacle.TLS)
    assert "other.example" in wrong.detail


def test_a_server_without_tls_is_told_from_one_that_is_away() -> None:
    with serving({}) as pages:
        plain = ask(site(pages.port), f"https://{HOST}:{pages.port}/")
    away = ask(site(pages.port), f"https://{HOST}:{pages.port}/")
    assert (plain.obstacle, away.obstacle) == (Obstacle.TLS, Obstacle.CONNECTION)


def test_neither_credentials_nor_cookies_nor_proxies(tmp_path: Path) -> None:
    """Whatever the environment holds, and whatever the site asks to be sent again."""
    netrc = tmp_path / ".netrc"
    netrc.write_text(f"machine {HOST} login ann password secret-password\n")
    environ = {
        "BUMP_TOKEN": "secret-token",
        "GITHUB_TOKEN": "secret-token",
        "HOME": str(tmp_path),
        "NETRC": str(netrc),
        "HTTP_PROXY": "http://ann:secret-password@127.0.0.1:1",
        "HTTPS_PROXY": "http://ann:secret-password@127.0.0.1:1",
    }
    cookie = {"Set-Cookie": "session=secret-cookie", "Location": "/next"}
    with serving({"/": (302, cookie, b""), "/next": (200, cookie, b"new")}) as pages:
        access = site(pages.port, environ=environ)
        for _ in range(2):
            assert ask(access, f"http://{HOST}:{pages.port}/").content == b"new"
    assert len(pages.asked) == 4
    sent = [headers for _, headers in pages.asked]
    assert {name for headers in sent for name in headers} <= {
        "host",
        "accept",
        "accept-encoding",
        "connection",
        "user-agent",
    }
    assert "secret" not in str(sent)


@each_row(
    "location",
    [
        "http://elsewhere.example/",
        "//elsewhere.example/",
        "http://ann:secret@web.example/",
        "http://web.example:1/",
        "ftp://web.example/",
        "http://[",
    ],
)
def test_a_redirect_that_leaves_the_host_is_told_and_not_followed(location: str) -> None:
    with serving({"/": (302, {"Location": location}, b"")}) as pages:
        given = ask(site(pages.port), f"http://{HOST}:{pages.port}/")
    assert given.obstacle is Obstacle.REDIRECT
    assert len(pages.asked) == 1
    assert given.detail.startswith("302, redirects to ")
    assert "secret" not in given.detail


def test_a_redirect_on_the_same_host_is_followed_so_many_times() -> None:
    with serving({"/": (302, {"Location": "/"}, b"")}) as pages:
        given = ask(site(pages.port), f"http://{HOST}:{pages.port}/")
    assert (given.obstacle, given.detail) == (Obstacle.REDIRECT, "more than 5 redirects")
    assert len(pages.asked) == 6


def test_redirects_share_the_time_of_one_answer() -> None:
    def around(line: str) -> Iterator[bytes]:
        time.sleep(0.2)
        yield from answer(b"", 302, location="/")

    with Peer(around) as peer:
        port = int(peer.host.partition(":")[2])
        given = ask(site(port), f"http://{HOST}:{port}/")
    assert given.obstacle is Obstacle.TIMEOUT
    assert len(peer.requests) < 6


def test_an_answer_in_drops_is_late() -> None:
    with Dripping(b"HTTP/1.1 200 OK\r\nX-Padding: ", b"x" * 1_000) as peer:
        started_s = time.monotonic()
        port = int(peer.host.partition(":")[2])
        given = ask(site(port), f"http://{HOST}:{port}/")
    assert given.obstacle is Obstacle.TIMEOUT
    assert time.monotonic() - started_s < 4.0


def test_silence_is_late_too_and_no_later_than_the_caller_waits() -> None:
    over = threading.Event()

    def silent(line: str) -> Iterator[bytes]:
        over.wait(5.0)
        yield b""

    with Peer(silent) as peer:
        port = int(peer.host.partition(":")[2])
        limits = Limits(content_bytes=100, answer_s=30.0, wait_s=30.0)
        started_s = time.monotonic()
        given = ask(site(port, limits=limits), f"http://{HOST}:{port}/", timeout_s=0.3)
        taken_s = time.monotonic() - started_s
        over.set()
    assert given.obstacle is Obstacle.TIMEOUT
    assert taken_s < 4.0


@pytest.mark.parametrize(
    ("headers", "content"),
    [({}, b"x" * 10_001), ({"Content-Encoding": "gzip"}, bomb(1_000_000)), ({"Content-Encoding": "br"}, b"")],
)
def test_too_much_is_not_read_and_not_quoted(headers: dict[str, str], content: bytes) -> None:
    with serving({"/": (200, headers, content)}) as pages:
        given = ask(site(pages.port), f"http://{HOST}:{pages.port}/")
    assert given.obstacle is Obstacle.CONTENT
    assert "xx" not in given.detail
    assert given.content == b""


@pytest.mark.parametrize(
    "content",
    [
        b"SSH-2.0-secret banner\r\n",
        b"HTTP/1.1 200 OK\r\nX-Build: secret\x00\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nsecret\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nsecret",
    ],
)
def test_what_is_no_http_is_told_and_not_quoted(content: bytes) -> None:
    with Peer(lambda line: [content]) as peer:
        port = int(peer.host.partition(":")[2])
        given = ask(site(port), f"http://{HOST}:{port}/")
    assert given.obstacle is Obstacle.CONTENT
    assert given.detail == "the site at 127.0.0.1: the answer breaks off, or is no HTTP"


def test_an_address_that_is_not_public_is_asked_only_where_it_was_named() -> None:
    with serving({"/": (200, {}, b"new")}) as pages:
        unnamed = Site([], now=time.monotonic, environ={}, limits=QUICK)
        by_name = unnamed.answers(f"http://localhost:{pages.port}/", 5.0)
        by_number = unnamed.answers(f"http://127.0.0.1:{pages.port}/", 5.0)
        asked_before = list(pages.asked)
        named = ask(site(pages.port, host="localhost"), f"http://localhost:{pages.port}/")
    assert {given.obstacle for given in (*by_name, *by_number)} == {Obstacle.ADDRESS}
    assert asked_before == []
    assert named.content == b"new"


@each_row(
    ("address", "what"),
    [
        ("127.0.0.1", "this machine"),
        ("::1", "this machine"),
        ("0.0.0.0", "this machine"),
        ("::ffff:127.0.0.1", "this machine"),
        ("64:ff9b::7f00:1", "this machine"),
        ("169.254.169.254", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("::ffff:169.254.169.254", "link-local"),
        ("64:ff9b::a9fe:a9fe", "link-local"),
        ("2002:a9fe:a9fe::1", "link-local"),
        ("168.63.129.16", "metadata"),
        ("10.0.0.1", "private"),
        ("172.16.0.1", "private"),
        ("192.168.1.1", "private"),
        ("100.100.100.200", "private"),
        ("fd00:ec2::254", "private"),
        ("224.0.0.1", "private"),
        ("203.0.113.1", "private"),
        ("::127.0.0.1", "private"),
        ("::a9fe:a9fe", "private"),
        ("::ffff:0:127.0.0.1", "private"),
        ("fec0::1", "private"),
        ("64:ff9b:1::a9fe:a9fe", "private"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "private"),
        ("192.0.0.192", "metadata"),
        ("192.0.0.8", "private"),
        ("192.88.99.1", "private"),
        ("3fff::1", "private"),
        ("5f00::1", "private"),
        ("64:ff9b::a83f:8110", "metadata"),
        ("93.184.215.14", ""),
        ("2606:4700::1111", ""),
    ],
)
def test_what_kind_of_address_is_not_public(address: str, what: str) -> None:
    shown = not_public(address)
    assert what in shown
    assert bool(shown) == bool(what)


def test_a_name_that_dns_does_not_know_is_told_as_such() -> None:
    access = Site([], now=time.monotonic, environ={}, limits=QUICK)
    for url in ("https://no-such-name.invalid/", f"https://{'x' * 64}.example/"):
        (given,) = access.answers(url, 5.0)
        assert given.obstacle is Obstacle.DNS
