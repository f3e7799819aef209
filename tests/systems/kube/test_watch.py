"""Watches against a server that says what the test wants, word by word."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bumper.objects import ObjectKey
from bumper.systems.kube import config
from bumper.systems.kube.api import Api
from bumper.systems.kube.connection import Connection
from bumper.systems.kube.kinds import EVENT, KUSTOMIZATION, POD, WORKLOADS, Resource
from bumper.systems.kube.news import SiteKey, site_key
from bumper.systems.kube.watch import Feed, Interest, Watches
from systems.kube.clock import Clock
from systems.kube.conftest import TIMEOUTS, desired
from systems.kube.kubeconfigs import write_config
from systems.kube.server import TOKEN, Answer, Request, Server, Stream, recorded

DEPLOYMENT = WORKLOADS[0]
FEED = Feed(POD, "web")
WEB = site_key(desired())
INTEREST = Interest(workloads={"web": {"web": [WEB]}})
Reply = Callable[[Request], Answer]


class Script:
    """Lists answer with the next of `versions`, watches with the next of `streams`; what is left out is refused with 503."""

    def __init__(self) -> None:
        self.versions: list[str | Answer] = ["10"]
        self.streams: list[Stream | Answer] = []

    def stream(self) -> Stream:
        self.streams.append(stream := Stream())
        return stream

    def __call__(self, request: Request) -> Answer:
        given = self.streams if "watch" in request.query else self.versions
        if not given:
            return Answer(503, b"")
        answer = given.pop(0)
        if isinstance(answer, Answer):
            return answer
        return Answer(
            body=answer
            if isinstance(answer, Stream)
            else {"metadata": {"resourceVersion": answer}, "items": []}
        )


class Watched:
    """Watches with a bell that tests wait for."""

    def __init__(self, watches: Watches, rings: "asyncio.Queue[Collection[SiteKey] | None]") -> None:
        self.watches = watches
        self._rings = rings

    async def ring(self, times: int = 1) -> list[Collection[SiteKey] | None]:
        """For which sites it rang, each time."""
        return [await asyncio.wait_for(self._rings.get(), 10) for _ in range(times)]

    @property
    def waiting_rings(self) -> int:
        return self._rings.qsize()


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def server(script: Script) -> Iterator[Server]:
    with Server(script) as running:
        yield running


@pytest.fixture
def run(server: Server, tmp_path: Path) -> Callable[[Callable[[Watched], Coroutine[Any, Any, None]]], None]:
    """Runs a test's coroutine with watches that are closed after it."""
    environ = {"KUBECONFIG": str(write_config(tmp_path / "config", server.url, {"token": TOKEN}))}

    @asynccontextmanager
    async def watched() -> AsyncIterator[Watched]:
        access = config.load(None, environ)
        connection = Connection(access, lambda: access, {"PATH": os.defpath}, Clock(), TIMEOUTS)
        rings: asyncio.Queue[Collection[SiteKey] | None] = asyncio.Queue()
        watches = Watches(Api(connection), TIMEOUTS, rings.put_nowait)
        try:
            yield Watched(watches, rings)
        finally:
            await watches.aclose()
            await connection.aclose()

    def run(test: Callable[[Watched], Coroutine[Any, Any, None]]) -> None:
        async def inside() -> None:
            async with watched() as given:
                await test(given)

        asyncio.run(inside())

    return run


Run = Callable[[Callable[[Watched], Coroutine[Any, Any, None]]], None]


def pod(name: str, version: int, **more: Any) -> Mapping[str, Any]:
    return {
        "kind": "Pod",
        "metadata": {"namespace": "web", "name": name, "resourceVersion": str(version)},
        **more,
    }


def watch_queries(server: Server) -> list[Mapping[str, str]]:
    return [request.query for request in server.requests if "watch" in request.query]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def test_it_rings_for_what_matters_once_each(script: Script, server: Server, run: Run) -> None:
    stream = script.stream()

    async def test(watched: Watched) -> None:
        watched.watches.follow({FEED}, INTEREST)
        # Whatever came before the version from which it is watched may be any site's.
        assert await watched.ring() == [None]
        await until(watched.watches.tell_all)
        stream.send("ADDED", pod("other-1", 11))
        stream.send("BOOKMARK", pod("", 12))
        stream.send("MODIFIED", pod("web-1-a", 13))
        stream.send("DELETED", pod("web-1-a", 14))
        assert await watched.ring(2) == [{WEB}, {WEB}]
        assert watched.waiting_rings == 0

    run(test)
    [query] = watch_queries(server)
    assert query == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": "10",
        "timeoutSeconds": "240",
    }


def test_what_a_real_server_streams(script: Script, server: Server, run: Run) -> None:
    # A list of one item with its version, and a watch of a Kustomization with its bookmark, recorded from Kubernetes 1.35.4.
    script.versions = [recorded("list-limit")]
    script.streams.append(recorded("watch-bookmark"))
    script.stream()

    async def test(watched: Watched) -> None:
        key = ObjectKey("Kustomization", "flux-system", "demo")
        feed = Feed(KUSTOMIZATION, "flux-system")
        watched.watches.follow({feed}, Interest({key: [WEB]}))
        await watched.ring(2)
        await until(lambda: len(watch_queries(server)) == 2)
        assert watched.waiting_rings == 0

    run(test)
    bookmark = json.loads(recorded("watch-bookmark").body.splitlines()[-1])
    assert bookmark["type"] == "BOOKMARK"
    since = [query["resourceVersion"] for query in watch_queries(server)]
    assert since == ["1951", bookmark["object"]["metadata"]["resourceVersion"]]


def test_one_object_is_watched_by_its_name(script: Script, server: Server, run: Run) -> None:
    script.stream()

    async def test(watched: Watched) -> None:
        watched.watches.follow({Feed(KUSTOMIZATION, "flux-system", "web")}, INTEREST)
        await watched.ring()
        await until(lambda: watch_queries(server))

    run(test)
    path = "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations"
    assert [(request.path, request.query["fieldSelector"]) for request in server.requests] == [
        (path, "metadata.name=web"),
        (path, "metadata.name=web"),
    ]


@pytest.mark.parametrize("how", ["end", "cut", "half a line", "a stop of the server"])
def test_a_stream_that_ends_goes_on_where_it_was(script: Script, server: Server, run: Run, how: str) -> None:
    first, second = script.stream(), script.stream()

    async def test(watched: Watched) -> None:
        watched.watches.follow({FEED}, INTEREST)
        await watched.ring()
        first.send("MODIFIED", pod("web-1-a", 20))
        await watched.ring()
        first.send("BOOKMARK", pod("", 30))
        await until(watched.watches.tell_all)
        if how == "end":
            first.end()
        elif how == "cut":
            first.cut()
        elif how == "half a line":
            first.write(b'{"type":"MODIFIED","object":{"metadata":{"resourceVersion":"31"')
            first.end()
        else:
            server.drop_connections()
            first.cut()
        second.send("MODIFIED", pod("web-1-a", 32))
        await watched.ring()
        assert watched.waiting_rings == 0

    run(test)
    since = [query["resourceVersion"] for query in watch_queries(server)]
    # Where the connection broke, the bookmark may have been lost with it.
    assert since[0] == "10"
    assert since[-1] in (("20", "30") if how == "a stop of the server" else ("30",))


@pytest.mark.parametrize("where", ["in the stream", "as the answer", "another error"])
def test_a_version_that_is_gone_is_taken_anew(script: Script, server: Server, run: Run, where: str) -> None:
    script.versions = ["10", "50"]
    if where == "in the stream":
        # Recorded: HTTP 200, and the error as an event.
        script.streams.append(recorded("watch-410"))
    elif where == "as the answer":
        script.streams.append(Answer(410, {"kind": "Status", "reason": "Gone", "code": 410}))
    else:
        broken = script.stream()
        broken.send(
            "ERROR", {"kind": "Status", "code": 500, "message": "etcd event received with PrevKv=nil"}
        )
        broken.end()
    script.stream()

    async def test(watched: Watched) -> None:
        watched.watches.follow({FEED}, INTEREST)
        # Once for the start, once because something may have been missed.
        assert await watched.ring(2) == [None, None]
        await until(lambda: len(watch_queries(server)) == 2)

    run(test)
    assert [query["resourceVersion"] for query in watch_queries(server)] == ["10", "50"]


@pytest.mark.parametrize(
    "refused",
    [Answer(503, b""), Answer(429, b"", {"Retry-After": "0"}), Answer(500, b"oops"), recorded("401")],
)
def test_a_refusal_that_passes_costs_only_time(
    script: Script, server: Server, run: Run, refused: Answer
) -> None:
    script.versions = [refused, refused, "10"]
    script.streams += [refused, refused]
    stream = script.stream()

    async def test(watched: Watched) -> None:
        watched.watches.follow({FEED}, INTEREST)
        await watched.ring()
        stream.send("MODIFIED", pod("web-1-a", 20))
        await watched.ring()
        assert watched.watches.silent() == ()

    run(test)


@pytest.mark.parametrize("refusing", ["list", "watch"])
def test_a_missing_permission_is_told_and_tried_again(
    script: Script, server: Server, run: Run, refusing: str
) -> None:
    forbidden = recorded("403-list")
    if refusing == "list":
        script.versions = [forbidden, "10"]
    else:
        script.versions = ["10", "11"]
        script.streams.append(forbidden)
    stream = script.stream()

    async def test(watched: Watched) -> None:
        watched.watches.follow({FEED}, INTEREST)
        await until(lambda: watched.watches.silent() == ("no permission to watch pods in namespace web",))
        assert not watched.watches.tell_all()
        stream.send("MODIFIED", pod("web-1-a", 20))
        await watched.ring(2 if refusing == "list" else 3)
        assert watched.watches.silent() == ()

    run(test)


def test_a_kind_that_comes_later_is_watched_then(script: Script, run: Run) -> None:
    script.versions = [recorded("404-crd"), "10"]
    stream = script.stream()

    async def test(watched: Watched) -> None:
        watched.watches.follow({FEED}, INTEREST)
        stream.send("MODIFIED", pod("web-1-a", 20))
        await watched.ring(2)
        assert watched.watches.silent() == ()

    run(test)


def test_lines_end_where_the_api_ends_them(script: Script, run: Run) -> None:
    stream = script.stream()

    async def test(watched: Watched) -> None:
        watched.watches.follow({FEED}, INTEREST)
        await watched.ring()
        # Other line ends of Unicode may stand inside a message: Go's encoder leaves U+0085 as it is.
        stream.send("MODIFIED", pod("web-1-a", 20, status={"message": "one\x85two\u2028three"}))
        # One line may come in several parts, and several lines in one.
        line = b'{"type":"MODIFIED","object":{"metadata":{"namespace":"web","name":"web-1-a"}}}\n'
        stream.write(line[:30])
        stream.write(line[30:] + line + b"\n")
        await watched.ring(3)

    run(test)


def test_a_feed_that_is_no_longer_wanted_is_closed(script: Script, server: Server, run: Run) -> None:
    script.versions = ["10", "10"]
    streams = [script.stream(), script.stream()]

    async def test(watched: Watched) -> None:
        other = Feed(EVENT, "web")
        watched.watches.follow({FEED, other}, INTEREST)
        await watched.ring(2)
        await until(lambda: len(watch_queries(server)) == 2)
        watched.watches.follow({other}, INTEREST)
        paths = [request.path for request in server.requests if "watch" in request.query]
        left = streams[paths.index("/api/v1/namespaces/web/events")]
        about = {"involvedObject": {"kind": "Pod", "namespace": "web", "name": "web-1-a"}}
        for stream in streams:
            stream.send("ADDED", {**pod("x", 20), **about, "kind": "Event"})
        await watched.ring()
        assert watched.waiting_rings == 0
        assert left in streams

    run(test)


def test_a_fault_of_ours_is_not_swallowed(script: Script, run: Run) -> None:
    class Faulty(Interest):
        def sites_of(self, resource: Resource, changed: Mapping[str, Any]) -> set[SiteKey]:
            raise AttributeError("a mistake in what reads the answers")

    async def test(watched: Watched) -> None:
        script.stream().send("MODIFIED", pod("web-1", 11))
        watched.watches.follow({FEED}, Faulty())
        await watched.ring(2)
        assert isinstance(watched.watches.failure, AttributeError)

    run(test)
