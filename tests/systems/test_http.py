"""Peers that are slow, endless, packed or nested without end: every system stays within its limits, with an error for people."""

import gzip
import json
import signal
import socket
import ssl
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from email.utils import formatdate
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import httpcore
import httpx
import pytest
from registries import StillClock, reference
from tables import each_row

from bumper.app.clock import SystemClock
from bumper.errors import BumpError, NoAccess, Transient, Unreachable, UsageError
from bumper.ports import threads
from bumper.ports.deadline import until
from bumper.ports.threads import outcome, side_by_side, within
from bumper.systems.github.api import Api as GitHubApi
from bumper.systems.github.graphql import GraphQL, Operation
from bumper.systems.http import certificates, document, headers
from bumper.systems.http.client import Answer, Client, Late, Limits, Question
from bumper.systems.http.content import Content
from bumper.systems.http.paging import Pages
from bumper.systems.registry import Registry
from bumper.systems.registry.acr import AcrRegistry
from systems.kube.certificates import authority
from systems.kube.server import Answer as ServerAnswer
from systems.kube.server import Request, Server
from systems.peers import DEEP, HEAD, ODD, Dripping, Peer, answer, bomb, quick

LIMIT = 100_000


def client(answer_s: float = 0.3, wait_s: float = 5.0, **options: Any) -> Client:
    return Client(Limits(LIMIT, answer_s, wait_s), now=time.monotonic, **options)


def ask(peer: Peer, path: str = "/", **options: Any) -> Any:
    with closing(client(**options)) as asking:
        return asking.ask("it", Question("GET", peer.url + path))


def failure(peer: Peer, **options: Any) -> BumpError:
    with pytest.raises(BumpError) as caught:
        ask(peer, **options)
    return caught.value


def _answers_end() -> bool:
    """Whether no thread waits for an answer any more: those that are left wait for a question."""
    for _ in range(1000):
        if len(threads._IDLE) == sum(thread.name == "answer" for thread in threading.enumerate()):
            return True
        time.sleep(0.01)
    return False


class TestDeadline:
    def test_what_ends_in_time_is_handed_on(self) -> None:
        assert within(5.0, lambda: threading.current_thread().name) == "answer"
        with pytest.raises(ZeroDivisionError):
            within(5.0, lambda: 1 // 0)

    def test_one_question_after_another_needs_one_thread(self) -> None:
        def fail() -> None:
            raise ZeroDivisionError(threading.get_ident())

        asked = {within(5.0, threading.get_ident) for _ in range(20)}
        with pytest.raises(ZeroDivisionError) as failed:
            within(5.0, fail)
        assert {*asked, *failed.value.args} == asked
        assert len(asked) == 1

    def test_what_does_not_is_left(self) -> None:
        release = threading.Event()
        with pytest.raises(TimeoutError):
            within(0.05, release.wait)
        release.set()

    @pytest.mark.parametrize("before", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"])
    def test_a_peer_that_drips(self, before: bytes) -> None:
        started_s = time.monotonic()
        with Dripping(before, HEAD) as peer:
            error = failure(peer)
        assert type(error) is Late
        assert error.message == "it: the answer was not complete after 0.3 s"
        assert quick(started_s)

    def test_nobody_goes_on_reading_afterwards(self) -> None:
        with Dripping(b"", HEAD) as peer, closing(client()) as asking:
            with pytest.raises(Transient):
                asking.ask("it", Question("GET", peer.url))
            readers = [thread for thread in threading.enumerate() if thread.name == "answer"]
            waits_s = time.monotonic() + 1.0
            while len(threads._IDLE) < len(readers) and time.monotonic() < waits_s:
                time.sleep(0.01)
            assert len(threads._IDLE) == len(readers), "a thread still reads"

    def test_a_handshake_that_does_not_begin(self) -> None:
        started_s = time.monotonic()
        with Peer(lambda line: []) as peer:
            url = peer.url.replace("http:", "https:")
            with (
                closing(client(wait_s=0.2, answer_s=5.0)) as asking,
                pytest.raises(Transient, match=r"cannot be reached: .*timed out"),
            ):
                asking.ask("it", Question("GET", url))
        assert quick(started_s)

    def test_a_peer_that_drips_is_asked_again(self) -> None:
        slow = iter([True])

        def script(line: str) -> Iterable[bytes]:
            return peer.drip(HEAD) if next(slow, False) else answer(b"whole")

        with Peer(script) as peer, closing(client()) as asking:
            with pytest.raises(Transient):
                asking.ask("it", Question("GET", peer.url))
            assert asking.ask("it", Question("GET", peer.url)).content == b"whole"

    def test_nobody_goes_on_reading_after_an_interruption(self) -> None:
        def script(line: str) -> Iterable[bytes]:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            return peer.drip(HEAD)

        with Peer(script) as peer, closing(client(answer_s=60.0)) as asking:
            with pytest.raises(KeyboardInterrupt):
                asking.ask("it", Question("GET", peer.url))
            assert _answers_end()

    def test_what_is_in_flight_ends_with_the_client(self) -> None:
        asked = threading.Event()

        def script(line: str) -> Iterable[bytes]:
            asked.set()
            return peer.drip(HEAD)

        with Peer(script) as peer:
            asking = client(answer_s=60.0)
            outcomes: list[Callable[[], Answer]] = []
            waiting = threading.Thread(
                target=lambda: outcomes.append(outcome(lambda: asking.ask("it", Question("GET", peer.url))))
            )
            waiting.start()
            assert asked.wait(10.0)
            asking.close()
            waiting.join(10.0)
            assert _answers_end()
            with pytest.raises(Transient):
                outcomes[0]()

    def test_a_connection_that_opens_as_the_client_is_closed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        opened: list[socket.socket] = []
        connect = socket.create_connection
        with Peer(lambda line: answer(b"whole")) as peer:
            asking = client()

            def late(*arguments: Any, **options: Any) -> socket.socket:
                asking.close()
                opened.append(connect(*arguments, **options))
                return opened[0]

            monkeypatch.setattr(socket, "create_connection", late)
            with pytest.raises(Transient):
                asking.ask("it", Question("GET", peer.url))
            assert opened[0].fileno() == -1
            assert peer.requests == []

    def test_a_client_that_was_closed_opens_nothing(self) -> None:
        asking = client()
        asking.close()
        with pytest.raises(RuntimeError, match="closed"):
            asking.ask("it", Question("GET", "http://127.0.0.1:9/"))

    def test_connections_that_have_ended_are_not_kept(self) -> None:
        whole = b"".join(answer(b"whole")).replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        with Peer(lambda line: [whole]) as peer, closing(client(answer_s=60.0)) as asking:
            for _ in range(5):
                assert asking.ask("it", Question("GET", peer.url)).content == b"whole"
            assert [len(each.sockets._streams) for each in asking._all] == [1]

    def test_azure_s_sdk(self) -> None:
        # To read the SDK takes a busy machine longer than the test.
        for library in (
            "azure.containerregistry",
            "azure.identity",
            "azure.core.pipeline.transport",
            "requests",
        ):
            import_module(library)
        started_s = time.monotonic()
        # What was sent when the peer ends is no status: the SDK would leave an answer open that it was not given in time.
        with Dripping(b"", b"H" * 1_000) as peer:
            registry = AcrRegistry(peer.host, lambda: peer.url, environ={}, timeout_s=5.0, answer_s=0.3)
            with closing(registry), pytest.raises(Transient, match=r"was not complete after 0\.3 s"):
                registry.manifest(reference(f"{peer.host}/web:1"))
        assert quick(started_s)


class TestSize:
    def test_as_much_as_is_allowed(self) -> None:
        with Peer(lambda line: answer(bytes(LIMIT))) as peer:
            assert ask(peer, answer_s=5.0).content == bytes(LIMIT)
        with Peer(lambda line: answer(gzip.compress(bytes(LIMIT)), content_encoding="gzip")) as peer:
            assert ask(peer, answer_s=5.0).content == bytes(LIMIT)

    def test_one_byte_more(self) -> None:
        for script in (
            lambda line: answer(bytes(LIMIT + 1)),
            lambda line: answer(gzip.compress(bytes(LIMIT + 1)), content_encoding="gzip"),
        ):
            with Peer(script) as peer:
                assert failure(peer, answer_s=5.0).message == "it: the answer is longer than 100000 bytes"

    def test_a_gigabyte_in_one_piece_costs_no_more_than_the_limit(self) -> None:
        content = Content("it", {"content-encoding": "gzip"}, LIMIT)
        packed = bomb(1_000_000_000)
        assert len(packed) < 1_100_000
        tracemalloc.start()
        with pytest.raises(Unreachable, match="longer than 100000 bytes"):
            content.add(packed)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2_000_000

    def test_a_bomb_is_one(self) -> None:
        assert gzip.decompress(bomb(3_000_000)) == bytes(3_000_000)

    @pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd", "deflate"])
    def test_an_encoding_that_was_not_asked_for_is_not_unpacked(self, encoding: str) -> None:
        packed = gzip.compress(bomb(1_000_000_000))
        assert len(packed) < 10_000
        with Peer(lambda line: answer(packed, content_encoding=encoding)) as peer:
            assert f"encoded as '{encoding}', expected gzip or none" in failure(peer, answer_s=5.0).message

    def test_what_was_packed_and_cut_off_may_heal(self) -> None:
        packed = gzip.compress(bytes(range(256)) * 100)
        for script in (
            lambda line: answer(packed[:-9], content_encoding="gzip"),
            lambda line: answer(b"no gzip", content_encoding="gzip"),
        ):
            with Peer(script) as peer:
                assert type(failure(peer, answer_s=5.0)) is Transient

    def test_nothing_is_no_gzip_either(self) -> None:
        with Peer(lambda line: answer(b"", status=204, content_encoding="gzip")) as peer:
            assert ask(peer, answer_s=5.0).content == b""

    def test_azure_s_sdk(self) -> None:
        def script(line: str) -> Iterable[bytes]:
            kind = "application/vnd.oci.image.manifest.v1+json"
            return answer(bomb(1_000_000_000), content_encoding="gzip", content_type=kind)

        with Peer(script) as peer:
            registry = AcrRegistry(peer.host, lambda: peer.url, environ={}, timeout_s=5.0)
            image = reference(f"{peer.host}/web:1")
            with closing(registry):
                for question in (lambda: registry.manifest(image), lambda: registry.tags(image)):
                    tracemalloc.start()
                    with pytest.raises(Unreachable, match="longer than 4194304 bytes"):
                        question()
                    _, peak = tracemalloc.get_traced_memory()
                    tracemalloc.stop()
                    assert peak < 100_000_000


class TestConnections:
    @pytest.mark.parametrize("at_once", [1, 8])
    def test_a_request_looks_at_its_own_connection_alone_however_many_are_open(
        self, at_once: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        together = threading.Barrier(at_once)
        looks: list[object] = []
        has_expired = httpcore.HTTPConnection.has_expired

        def looked_at(connection: httpcore.HTTPConnection) -> bool:
            looks.append(connection)
            return has_expired(connection)

        def respond(request: Request) -> ServerAnswer:
            if request.path == "/together":
                together.wait(5.0)
            return ServerAnswer(body={})

        with Server(respond, "127.0.0.1", tls=False) as server, closing(client(5.0)) as asking:
            question = Question("GET", f"{server.url}/together")
            side_by_side([partial(asking.ask, "it", question)] * at_once)
            monkeypatch.setattr(httpcore.HTTPConnection, "has_expired", looked_at)
            asking.ask("it", Question("GET", f"{server.url}/alone"))
        # Before the request, and after it.
        assert len(looks) == 2

    def test_a_late_answer_ends_no_other_one(self) -> None:
        both_asked, is_given_up = threading.Barrier(2), threading.Event()

        def respond(request: Request) -> ServerAnswer:
            both_asked.wait(5.0)
            is_given_up.wait(5.0)
            return ServerAnswer(body={})

        with Server(respond, "127.0.0.1", tls=False) as server, closing(client(5.0)) as asking:

            def give_up() -> None:
                with pytest.raises(Late), until(SystemClock(), time.monotonic() + 0.2):
                    asking.ask("it", Question("GET", server.url))
                is_given_up.set()

            def wait() -> None:
                assert asking.ask("it", Question("GET", server.url)).status == 200

            side_by_side([give_up, wait])

    def test_no_cookie_is_kept(self) -> None:
        def respond(request: Request) -> ServerAnswer:
            return ServerAnswer(
                302 if request.path == "/first" else 200,
                {},
                {"Set-Cookie": "session=s3cret; Path=/", "Location": "/second"},
            )

        with Server(respond, "127.0.0.1", tls=False) as server, closing(client(5.0)) as asking:
            for _ in range(2):
                asking.ask("it", Question("GET", f"{server.url}/first", follows_redirects=True))
            assert [request.path for request in server.requests] == ["/first", "/second"] * 2
            assert not [request for request in server.requests if "cookie" in request.headers]


class TestRedirects:
    def script(self, line: str) -> Iterable[bytes]:
        if "/loop" in line:
            return answer(bomb(1_000_000), 307, location="/loop", content_encoding="gzip")
        return answer(bomb(1_000_000), 307, location="/there") if "/there" not in line else answer(b"there")

    def test_none_is_followed_unless_that_is_asked_for(self) -> None:
        seen: list[str] = []
        with Peer(self.script) as peer, closing(client(5.0, admit=seen.append)) as asking:
            assert asking.ask("it", Question("GET", f"{peer.url}/here")).status == 307
            whole = asking.ask("it", Question("GET", f"{peer.url}/here", follows_redirects=True))
            assert (whole.content, whole.url) == (b"there", f"{peer.url}/there")
            assert seen == [f"{peer.url}/here", f"{peer.url}/here", f"{peer.url}/there"]

    def test_a_circle_ends(self) -> None:
        with Peer(self.script) as peer, closing(client(5.0)) as asking:
            with pytest.raises(Unreachable, match="more than 10 redirects"):
                asking.ask("it", Question("GET", f"{peer.url}/loop", follows_redirects=True))
            assert len(peer.requests) == 10


@each_row(
    ("sent", "expected_s"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 0 "}, 0.0),
        ({"retry-after": "86400"}, 86_400.0),
        ({"retry-after": "86401"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "1.5"}, None),
        ({"retry-after": "1e3"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "²"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "3, 4"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:30 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:27:00 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:30 GMT", "date": "yesterday"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:30 GMT"}, None),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
        ({"retry-after": "Mon, 01 Jan 0001 00:00:00 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
)
def test_retry_after(sent: Mapping[str, str], expected_s: float | None) -> None:
    assert headers.retry_after_s(sent) == expected_s


@pytest.mark.parametrize(
    ("reset", "expected_s"), [("1000090", 90.0), ("²", None), ("-1", None), ("9" * 400, None)]
)
def test_the_end_of_githubs_limit(reset: str, expected_s: float | None) -> None:
    limits = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset, "Date": formatdate(1_000_000)}
    sent = [(name.encode(), value.encode("latin-1")) for name, value in limits.items()]
    with (
        closing(github(lambda request: httpx.Response(403, headers=sent))) as api,
        pytest.raises(Transient if expected_s else NoAccess) as caught,
    ):
        api.get("/x")
    assert getattr(caught.value, "retry_after_s", None) == expected_s


def github(respond: Callable[[httpx.Request], httpx.Response]) -> GitHubApi:
    transport = httpx.MockTransport(respond)
    return GitHubApi(
        "https://api.github.com", token="t", now=time.monotonic, timeout_s=5.0, transport=transport
    )


@each_row(
    ("link", "expected"),
    [
        ("", ""),
        ('<https://x/?page=2>; rel="next", <https://x/?page=9>; rel="last"', "https://x/?page=2"),
        ('<https://x/?page=1>; rel="prev", <https://x/?page=3>; rel="next"', "https://x/?page=3"),
        ("<https://x/?page=2>;rel=next", "https://x/?page=2"),
        ('<https://x/?page=9>; rel="last"', ""),
        ("<" * 100_000, ""),
    ],
)
def test_the_next_page(link: str, expected: str) -> None:
    started_s = time.monotonic()
    assert headers.next_page({"link": link}) == expected
    assert quick(started_s)


class TestPages:
    def test_a_page_that_was_read(self) -> None:
        pages = Pages("it", lambda: 0.0)
        pages.turn("a")
        pages.turn("b")
        with pytest.raises(Unreachable, match="leads back to one that was read"):
            pages.turn("a")

    def test_a_list_that_takes_too_long(self) -> None:
        clock = StillClock()
        pages = Pages("it", clock.now)
        clock.sleep(60.0)
        pages.turn("a")
        clock.sleep(1.0)
        with pytest.raises(Transient, match="not complete after 60 s"):
            pages.turn("b")

    @pytest.mark.parametrize(
        ("following", "reason", "requests"),
        [("/list?page=2", "leads back", 2), ("/list?page={}", "more than 100 pages", 100)],
    )
    def test_github(self, following: str, reason: str, requests: int) -> None:
        def respond(request: httpx.Request) -> httpx.Response:
            asked.append(request.url)
            link = f'<https://api.github.com{following.format(len(asked))}>; rel="next"'
            return httpx.Response(200, json=[{"id": len(asked)}], headers={"Link": link})

        asked: list[httpx.URL] = []
        with closing(github(respond)) as api, pytest.raises(Unreachable, match=reason):
            list(api.pages("/list"))
        assert len(asked) == requests


class TestDocuments:
    @pytest.mark.parametrize(
        "content", [DEEP, DEEP.replace(b"[", b'{"a":').replace(b"]", b"}"), b"[" * 100_000]
    )
    def test_without_end(self, content: bytes) -> None:
        with pytest.raises(ValueError, match=r"deeper than 100 levels|Expecting value"):
            document.parse(content)
        assert document.parse_object(content) is None

    @pytest.mark.parametrize(("depth", "is_read"), [(99, True), (100, True), (101, False), (400, False)])
    def test_the_limit(self, depth: int, is_read: bool) -> None:
        nested = json.dumps({"text": "[" * 200, "deep": json.loads("[" * (depth - 1) + "]" * (depth - 1))})
        assert (document.parse_object(nested.encode()) is not None) is is_read

    @pytest.mark.parametrize(
        "text", ["[" * 200, "]" * 200, '"[{' * 200, "\\" * 201 + '"]', '\\"]' * 200, '{"a": "[' * 200]
    )
    @pytest.mark.parametrize(("depth", "is_read"), [(99, True), (100, True), (101, False)])
    def test_brackets_in_texts_are_none(self, text: str, depth: int, is_read: bool) -> None:
        nested: Any = [text, {text: text}]
        for _ in range(depth - 2):
            nested = {text: nested, "last": text}
        assert (document.parse_object(json.dumps(nested).encode()) == nested) is is_read

    def test_what_is_wide_is_not_deep(self) -> None:
        assert document.parse(b"[" + b"[],{}," * 10_000 + b"0]")[-1] == 0

    @pytest.mark.parametrize(
        ("value", "kind"),
        [(5, "a number"), (None, "nothing"), ("x", "a text"), ([], "a list"), (True, "true or false")],
    )
    def test_another_shape_is_named(self, value: Any, kind: str) -> None:
        with pytest.raises(Unreachable, match=f"^it: found {kind}, expected a JSON object$"):
            document.expect_object("it", value)

    def test_a_place_in_a_list_is_named(self) -> None:
        with pytest.raises(Unreachable, match=r"^it\[1\]: found nothing, expected a JSON object$"):
            document.expect_objects("it", [{}, None])


class TestShapes:
    """What each system makes of JSON that is not what it asked for: an error of ours, whatever came."""

    @each_row("content", [*ODD, b'{"mediaType": "application/vnd.oci.image.index.v1+json", "manifests": 5}'])
    def test_a_registry(self, content: bytes) -> None:
        def respond(request: httpx.Request) -> httpx.Response:
            return httpx.Response(
                200, content=content, headers={"Content-Type": "application/vnd.oci.image.index.v1+json"}
            )

        registry = Registry(environ={}, clock=StillClock(), transport=httpx.MockTransport(respond))
        with closing(registry):
            with pytest.raises(Unreachable):
                registry.resolve(reference("r.example/web:1"))
            with pytest.raises(Unreachable):
                registry.tags(reference("r.example/web:1"))

    @each_row("content", ODD[:-1])
    def test_github(self, content: bytes) -> None:
        with closing(github(lambda request: httpx.Response(200, content=content))) as api:
            for question in (lambda: api.get("/x"), lambda: api.entries("/x"), lambda: list(api.pages("/x"))):
                if content != b"[[]]":
                    with pytest.raises(Unreachable):
                        question()

    @each_row("content", ODD)
    def test_github_s_graphql(self, content: bytes) -> None:
        transport = httpx.MockTransport(lambda request: httpx.Response(200, content=content))
        api = GraphQL("https://api.github.com/graphql", token="t", now=time.monotonic, transport=transport)
        with closing(api), pytest.raises(Unreachable):
            api.ask(Operation("query Name { x }", {"x": str}))


class TestCertificates:
    def test_what_the_environment_names_goes_first(self) -> None:
        named = {"SSL_CERT_FILE": "/a.pem", "SSL_CERT_DIR": "/b"}
        assert certificates.authorities(named) == ("/a.pem", "/b")
        assert certificates.authorities({"SSL_CERT_DIR": "/b"}) == ("", "/b")

    def test_without_it_there_is_always_somebody_to_trust(self) -> None:
        file, folder = certificates.authorities({})
        assert Path(file or folder).exists()

    def test_one_context_which_reads_nothing_for_plain_http(self) -> None:
        environ = {"SSL_CERT_FILE": "/nowhere/at/all.pem"}
        context = certificates.trusting(environ)
        assert certificates.trusting(dict(environ)) is context
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
        with Peer(lambda line: answer(b"plain")) as peer:
            assert ask(peer, environ=environ, answer_s=5.0).content == b"plain"

    def test_a_file_that_is_not_there(self) -> None:
        unread = r"^/nowhere.pem: found no certificate authorities: No such file"
        with (
            Server(lambda request: pytest.fail("asked"), "127.0.0.1") as server,
            closing(client(5.0, environ={"SSL_CERT_FILE": "/nowhere.pem"})) as asking,
            pytest.raises(UsageError, match=unread),
        ):
            asking.ask("it", Question("GET", server.url))

    def test_a_real_handshake(self, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").write_bytes(authority().pem)
        with Server(lambda request: ServerAnswer(body={"hello": 1}), "127.0.0.1") as server:
            for environ, is_trusted in (({"SSL_CERT_FILE": str(tmp_path / "ca.pem")}, True), ({}, False)):
                with closing(client(5.0, environ=environ)) as asking:
                    if is_trusted:
                        assert asking.ask("it", Question("GET", server.url)).status == 200
                        continue
                    with pytest.raises(NoAccess, match=r"is not trusted: .*self-signed") as caught:
                        asking.ask("it", Question("GET", server.url))
                    assert "SSL_CERT_FILE" in caught.value.hint


class TestSurroundings:
    def test_nobody_s_proxy_stands_before_this_machine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with Peer(lambda line: answer(b"here")) as peer, Peer(lambda line: answer(b"proxy")) as proxy:
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
            monkeypatch.delenv("NO_PROXY", raising=False)
            assert ask(peer, answer_s=5.0).content == b"here"
            with closing(client(5.0)) as asking:
                assert asking.ask("it", Question("GET", "http://elsewhere.example/")).content == b"proxy"

    def test_a_proxy_that_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTPS_PROXY", "nonsense://user:s3cret@proxy.example")
        with closing(client(5.0)) as asking, pytest.raises(UsageError, match="proxy") as caught:
            asking.ask("it", Question("GET", "https://elsewhere.example/"))
        assert "s3cret" not in caught.value.message + caught.value.hint

    @pytest.mark.parametrize("token", ["s3cret\n", "s3cret☃", "s3cret\x00"])
    def test_a_token_that_no_header_takes_is_not_shown(self, token: str) -> None:
        with Peer(lambda line: answer(b"")) as peer, closing(client(5.0)) as asking:
            question = Question("GET", peer.url, {"Authorization": f"Basic {token}"})
            with pytest.raises(Unreachable, match="cannot be sent") as caught:
                asking.ask("it", question)
            assert "s3cret" not in caught.value.message + caught.value.hint + repr(question)

    @pytest.mark.parametrize(
        "url", ["http://[::1/x", "http://127.0.0.1:port/", "no url", "", "ftp://127.0.0.1/"]
    )
    def test_what_is_no_address(self, url: str) -> None:
        with closing(client(5.0)) as asking, pytest.raises(Unreachable):
            asking.ask("it", Question("GET", url))
        with pytest.raises(UsageError, match="expected an https address"):
            GitHubApi(url, token="t", now=time.monotonic, timeout_s=5.0)
