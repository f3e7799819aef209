"""API servers that are slow, endless, packed or of another shape: a look ends within its limits, with an error for people."""

import json
import time
import tracemalloc
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bumper.errors import Transient, Unreachable
from bumper.systems.http.document import MAX_VALUES
from bumper.systems.kube.api import Api
from bumper.systems.kube.kinds import POD
from systems.kube.caller import Caller
from systems.kube.clock import Clock
from systems.kube.kubeconfigs import write_config
from systems.peers import HEAD, ODD, Dripping, Peer, answer, bomb, quick

BEGUN = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"


def asking(peer: Peer, folder: Path, answer_s: float = 5.0) -> Caller:
    path = write_config(folder / "config", peer.url, {}, {})
    return Caller({"KUBECONFIG": str(path)}, Clock(), answer_s=answer_s)


async def watch(api: Api) -> None:
    async with api.watch(POD, "x", "1", "", 5.0) as events:
        async for _ in events:
            pass


@pytest.mark.parametrize("before", [b"", BEGUN, BEGUN.replace(b"200 OK", b"500 No")])
def test_one_that_drips(tmp_path: Path, before: bytes) -> None:
    started_s = time.monotonic()
    with (
        Dripping(before, HEAD) as peer,
        closing(asking(peer, tmp_path, answer_s=0.15)) as caller,
        pytest.raises(Transient, match=r"the answer was not complete after 0\.3 s"),
    ):
        caller.run(Api(caller.connection).get(POD, "x", "web"))
    assert quick(started_s)


def test_a_watch_whose_head_drips(tmp_path: Path) -> None:
    started_s = time.monotonic()
    with (
        Dripping(b"", HEAD) as peer,
        closing(asking(peer, tmp_path, answer_s=0.15)) as caller,
        pytest.raises(Transient, match="not complete"),
    ):
        caller.run(watch(Api(caller.connection)))
    assert quick(started_s)


def test_a_watch_outlives_the_limit_of_an_answer(tmp_path: Path) -> None:
    def slow(line: str) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        yield from peer.drip(b'{"type": "ADDED", "object": {}}\n')

    started_s = time.monotonic()
    with Peer(slow) as peer, closing(asking(peer, tmp_path, answer_s=0.15)) as caller:
        caller.run(watch(Api(caller.connection)))
    assert time.monotonic() - started_s > 0.4


@pytest.mark.parametrize(("status", "limit"), [(200, 16_384), (500, 1_000_000)])
def test_a_gigabyte_that_was_packed(tmp_path: Path, status: int, limit: int) -> None:
    packed = bomb(1_000_000_000)
    tracemalloc.start()
    with (
        Peer(lambda line: answer(packed, status, content_encoding="gzip")) as peer,
        closing(asking(peer, tmp_path)) as caller,
        pytest.raises(Unreachable, match=f"longer than {limit} bytes"),
    ):
        caller.run(Api(caller.connection).log("x", "web", "c", lines=20, previous=False))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000


@pytest.mark.parametrize(
    ("token", "reason", "requests"), [("same", "leads back", 2), ("{}", "more than 5 pages", 6)]
)
def test_a_list_without_an_end(tmp_path: Path, token: str, reason: str, requests: int) -> None:
    def respond(line: str) -> Iterable[bytes]:
        page = {"metadata": {"continue": token.format(len(peer.requests))}, "items": []}
        return answer(json.dumps(page).encode())

    with Peer(respond) as peer, closing(asking(peer, tmp_path)) as caller:
        with pytest.raises(Unreachable, match=reason):
            caller.run(Api(caller.connection, max_pages=5).list(POD))
        assert len(peer.requests) == requests


def test_more_objects_than_pages_may_hold(tmp_path: Path) -> None:
    def respond(line: str) -> Iterable[bytes]:
        page = {"metadata": {"continue": str(len(peer.requests))}, "items": [{}] * 1_001}
        return answer(json.dumps(page).encode())

    with Peer(respond) as peer, closing(asking(peer, tmp_path)) as caller:
        with pytest.raises(Unreachable, match="more than 2000 objects"):
            caller.run(Api(caller.connection, max_pages=4).list(POD))
        assert len(peer.requests) == 2


def test_more_values_than_are_read(tmp_path: Path) -> None:
    content = b'{"items": [' + b"{}," * MAX_VALUES + b"{}]}"
    started_s = time.monotonic()
    with (
        Peer(lambda line: answer(content)) as peer,
        closing(asking(peer, tmp_path)) as caller,
        pytest.raises(Unreachable, match="something else than a JSON object"),
    ):
        caller.run(Api(caller.connection).list(POD))
    assert quick(started_s)


def test_a_line_in_drops_takes_no_longer_than_its_length(tmp_path: Path) -> None:
    event = json.dumps({"type": "ADDED", "object": {"x": "y" * 3_000_000}}).encode() + b"\n"
    start, drops = event[:2_900_000], event[2_900_000:]
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(start), start)
    # As many chunks as bytes come in one piece: between them nobody else is let in.
    chunked += b"".join(b"1\r\n%c\r\n" % byte for byte in drops[:10_000])
    chunked += b"%x\r\n%s\r\n0\r\n\r\n" % (len(drops) - 10_000, drops[10_000:])
    started_s = time.process_time()
    with Peer(lambda line: [chunked]) as peer, closing(asking(peer, tmp_path)) as caller:
        caller.run(watch(Api(caller.connection)))
    assert time.process_time() - started_s < 5.0


@pytest.mark.parametrize(
    "content",
    [
        *ODD,
        b'{"items": [null]}',
        b'{"items": [{"metadata": 5}]}',
        b'{"items": [{"spec": [1]}]}',
        b'{"items": [{"status": {"conditions": 5}}]}',
        b'{"items": [{"status": {"conditions": ["Ready"]}}]}',
        b'{"metadata": 5, "items": []}',
    ],
)
def test_another_shape(tmp_path: Path, content: bytes) -> None:
    with (
        Peer(lambda line: answer(content)) as peer,
        closing(asking(peer, tmp_path)) as caller,
        pytest.raises(Unreachable, match=r"expected|something else than a JSON object"),
    ):
        caller.run(Api(caller.connection).list(POD))


@pytest.mark.parametrize("content", [*ODD[:-1], b'{"type": "ADDED", "object": 5}'])
def test_a_watch_of_another_shape(tmp_path: Path, content: bytes) -> None:
    with (
        Peer(lambda line: answer(content + b"\n")) as peer,
        closing(asking(peer, tmp_path)) as caller,
        # What a watch says wrong wakes nobody up: `Watches` asks again for both of these.
        pytest.raises((Unreachable, ValueError)),
    ):
        caller.run(watch(Api(caller.connection)))


def test_an_event_without_an_end(tmp_path: Path) -> None:
    def endless(line: str) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        while True:
            yield bytes(65_536)

    with (
        Peer(endless) as peer,
        closing(asking(peer, tmp_path)) as caller,
        pytest.raises(Unreachable, match="an event longer than 4000000 bytes"),
    ):
        caller.run(watch(Api(caller.connection)))
