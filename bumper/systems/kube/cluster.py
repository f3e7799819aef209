"""One cluster, for callers that know nothing of event loops.

Law: reading and watching run on one thread of our own with one event loop, so that two hundred sites need no more threads than one.
`wait` returns once for a burst of changes. After `close` no thread, task or socket is left.
"""

import asyncio
import math
import threading
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from itertools import compress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, TypeVarTuple, Unpack

from bumper.errors import BumpError, Transient
from bumper.objects import Object, ObjectKey, at
from bumper.observation import Desired, Observation
from bumper.ports.deadline import in_steps, left_s
from bumper.ports.kubernetes import Installation, Right
from bumper.ports.run import WallClock
from bumper.systems.kube import config, feeds, survey
from bumper.systems.kube.api import Api
from bumper.systems.kube.connection import Connection, Timeouts
from bumper.systems.kube.kinds import KINDS, NODE
from bumper.systems.kube.news import News, SiteKey, site_key
from bumper.systems.kube.reading import Reader
from bumper.systems.kube.watch import Watches

_Result = TypeVar("_Result")
_Arguments = TypeVarTuple("_Arguments")
# With hundreds of sites a look takes a while: at least this part of it passes before the next.
_REST = 0.25
_LONGEST_REST_S = 0.5
_REQUESTED_AT = "reconcile.fluxcd.io/requestedAt"


class Cluster:
    """The cluster of a kubeconfig's context; of the current context, or of the pod we run in, for None.

    Raises `UsageError` for a kubeconfig that cannot be used. Nothing is asked of the cluster before the first `observe`.
    """

    def __init__(
        self,
        context: str | None,
        environ: Mapping[str, str],
        clock: WallClock,
        timeouts: Timeouts | None = None,
        service_account: Path = config.SERVICE_ACCOUNT,
    ) -> None:
        self._environ = environ
        self._clock = clock
        self._timeouts = timeouts or Timeouts()
        self._service_account = service_account
        self._access = config.load(context, environ, service_account)
        self._changed = threading.Event()
        self._look_s = 0.0
        self._loop: _Loop | None = None
        self._opened: _Opened | None = None
        self._begun: list[Future[Any]] = []

    @property
    def name(self) -> str:
        """The context's name, or `in-cluster`."""
        return self._access.name

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def observe(self, desired: Sequence[Desired]) -> list[Observation]:
        """What the cluster shows of each site now, in order, without `revisions`.

        Raises `Transient` for what may heal, `NoAccess` where we are not let in, `UsageError` for a kubeconfig that broke meanwhile.
        """
        return self._run(lambda opened: self._observe(opened, desired))

    def observe_changed(self, desired: Sequence[Desired], is_due: Sequence[bool]) -> list[Observation | None]:
        """The same of the sites that are due or may not be as they were last observed, None of the others; in doubt of all."""
        return self._run(lambda opened: self._observe_changed(opened, desired, is_due))

    def begin_to_observe(self, desired: Sequence[Desired]) -> Future[list[Observation]]:
        """Begins the same; the future raises what `observe` would. `close` cancels it."""
        return self._begin(self._observe(self._open_once(), desired))

    def begin_to_connect(self) -> None:
        """Begins to open a connection and to sign in, so that the first question waits for less; it tells what stands in the way."""
        self._begin(self._connect(self._open_once()))

    def wait(self, timeout_s: float) -> bool:
        """Returns True once something changed, False after `timeout_s`; earlier where a watch is not allowed."""
        opened = self._opened
        is_blind = opened is not None and bool(opened.watches.silent())
        rang = self._changed.wait(min(timeout_s, self._timeouts.poll_s) if is_blind else timeout_s)
        if rang:
            rest_s = max(self._timeouts.settle_s, min(self._look_s * _REST, _LONGEST_REST_S))
            self._clock.sleep(min(rest_s, timeout_s))
            self._changed.clear()
        if opened and opened.watches.failure:
            raise opened.watches.failure
        return rang

    def request_fetch(self, source: ObjectKey) -> str:
        """Asks Flux to fetch that source now. Returns an empty text, or why it could not be asked.

        The source alone is touched: an annotation on a Kustomization can cancel the health checks of other people's deploys.
        """
        resource = KINDS.get(source.kind)
        if resource is None:
            return f"{source.kind} is no kind of source"
        requested_at = self._clock.wall().isoformat(timespec="microseconds")
        change = {"metadata": {"annotations": {_REQUESTED_AT: requested_at}}}
        try:
            self._run(lambda opened: opened.api.patch(resource, source.namespace, source.name, change))
        except BumpError as error:
            return error.message
        return ""

    def platforms(self) -> Future[frozenset[str]]:
        """Begins to read `os/architecture` of the nodes, as each node's kubelet reports it; `close` cancels it.

        The future raises `NoAccess` where nodes may not be listed, `Transient` where they are not there in time.
        """
        return self._begin(self._platforms(self._open_once()))

    def server(self) -> tuple[str, str]:
        """The API server's version (`v1.36.1`), and what its clock showed when it answered (HTTP's `Date`)."""
        return self._run(lambda opened: opened.api.server())

    def denied(self, rights: Sequence[Right]) -> frozenset[Right]:
        """Which of these the API server would refuse us; nothing is tried, it is asked (SelfSubjectAccessReview)."""
        return self._run(lambda opened: survey.denied(opened.api, rights))

    def served(self, rights: Sequence[Right]) -> tuple[Right, ...]:
        """Those of the rights whose kinds this cluster may have."""
        return self._run(lambda opened: survey.served(opened.api, rights))

    def flux(self, namespaces: Collection[str]) -> Installation:
        """Flux's own controllers and webhooks in these namespaces, and why some of that could not be read."""
        return self._run(lambda opened: survey.installation(opened.api, namespaces))

    def kustomizations(self, namespaces: Sequence[str]) -> Sequence[Object]:
        """The Kustomizations of these namespaces; of those that we may not list, none."""
        return self._run(lambda opened: survey.kustomizations(opened.api, namespaces))

    def notices(self) -> tuple[str, ...]:
        """One line for each permission that is missing but not necessary."""
        if self._opened is None:
            return ()
        poll = f"looking every {self._timeouts.poll_s:g} s instead"
        watches = [f"{silence}: {poll}" for silence in self._opened.watches.silent()]
        return (*watches, *self._opened.reader.logs.notices())

    def close(self) -> None:
        """Ends all watches and connections. May be called twice."""
        for future in self._begun:
            future.cancel()
        if self._loop:
            if self._opened:
                self._loop.end(self._opened.aclose())
            self._loop.close()
        self._loop = self._opened = None
        self._changed.set()

    async def _observe(self, opened: "_Opened", desired: Sequence[Desired]) -> list[Observation]:
        return await self._read(opened, desired, [True] * len(desired))

    async def _observe_changed(
        self, opened: "_Opened", desired: Sequence[Desired], is_due: Sequence[bool]
    ) -> list[Observation | None]:
        sites = [site_key(each) for each in desired]
        is_open = [due or not opened.knows(each) for each, due in zip(desired, is_due, strict=True)]
        is_chosen = opened.news.choose(sites, is_open, is_told=opened.watches.tell_all())
        seen = iter(await self._read(opened, desired, is_chosen))
        return [next(seen) if chosen else None for chosen in is_chosen]

    async def _read(
        self, opened: "_Opened", desired: Sequence[Desired], is_chosen: Sequence[bool]
    ) -> list[Observation]:
        """The chosen ones; the watches follow all of them."""
        started_s, is_whole = self._clock.now(), all(is_chosen)
        sites = [site_key(each) for each in desired]
        # What rang up to now is seen by this look.
        self._changed.clear()
        opened.news.begin(set(compress(sites, is_chosen)), is_whole=is_whole)
        chosen = list(compress(desired, is_chosen))
        try:
            observations = await opened.reader.look(chosen) if chosen else []
        except BaseException:
            opened.news.doubt()
            raise
        opened.follow(desired, zip(chosen, observations, strict=True))
        opened.news.end(set(sites), is_whole=is_whole)
        self._look_s = self._clock.now() - started_s
        return observations

    async def _connect(self, opened: "_Opened") -> None:
        with suppress(BumpError):
            await opened.api.server()

    async def _platforms(self, opened: "_Opened") -> frozenset[str]:
        try:
            async with asyncio.timeout(self._timeouts.connect_s):
                nodes = (await opened.api.list(NODE)).items
        except TimeoutError:
            raise Transient(
                f"{self.name}: the nodes were not listed in {self._timeouts.connect_s:g} s"
            ) from None
        reported = [at(node, "status", "nodeInfo") or {} for node in nodes]
        pairs = [(node_info.get("operatingSystem"), node_info.get("architecture")) for node_info in reported]
        return frozenset(f"{system}/{machine}".lower() for system, machine in pairs if system and machine)

    def _begin(self, request: Coroutine[Any, Any, _Result]) -> Future[_Result]:
        future = self._loop_opened().start(request)
        self._begun.append(future)
        return future

    def _run(self, request: Callable[["_Opened"], Coroutine[Any, Any, _Result]]) -> _Result:
        opened = self._open_once()
        place = f"{self.name}: {self._access.endpoint.server}"
        try:
            return self._loop_opened().run(request(opened), place)
        except TimeoutError:
            raise Transient(f"{place}: no answer up to the deadline") from None

    def _loop_opened(self) -> "_Loop":
        if self._loop is None:
            self._loop = _Loop(f"kube {self.name}", self._timeouts)
        return self._loop

    def _open_once(self) -> "_Opened":
        if self._opened is None:
            self._opened = self._loop_opened().run(self._open())
        return self._opened

    async def _open(self) -> "_Opened":
        def reload() -> config.Access:
            return config.reload(self._access, self._environ, self._service_account)

        connection = Connection(self._access, reload, self._environ, self._clock, self._timeouts)
        return _Opened(connection, self._clock, self._timeouts, self._changed.set)


class _Opened:
    """What lives on the event loop."""

    def __init__(
        self, connection: Connection, clock: WallClock, timeouts: Timeouts, ring: Callable[[], None]
    ) -> None:
        self.connection = connection
        self.api = Api(connection)
        self.reader = Reader(self.api, clock.now)
        self.news = News(clock.now, timeouts.poll_s)
        self.watches = Watches(self.api, timeouts, self._hear)
        self._ring = ring
        self._needs: dict[tuple[SiteKey, ObjectKey], feeds.Need] = {}

    def knows(self, desired: Desired) -> bool:
        """Whether it was among what was followed last."""
        return (site_key(desired), desired.workload) in self._needs

    def follow(self, desired: Sequence[Desired], seen: Iterable[tuple[Desired, Observation]]) -> None:
        """Watches what all of these need, by how each was seen last."""
        looked = {(site_key(each), each.workload): feeds.need(each, look) for each, look in seen}
        known = {**self._needs, **looked}
        wanted = ((site_key(each), each.workload) for each in desired)
        needs = {key: known[key] for key in wanted}
        if needs != self._needs:
            self._needs = needs
            self.watches.follow(*feeds.of(needs.values()))

    def _hear(self, sites: Collection[SiteKey] | None) -> None:
        if sites is None:
            self.news.doubt()
        else:
            self.news.hear(sites)
        self._ring()

    async def aclose(self) -> None:
        await self.watches.aclose()
        await self.connection.aclose()


class _EventLoop(asyncio.SelectorEventLoop):
    """Starts a thread for each call that blocks. An executor's are waited for at the end, as long as a resolver does not answer."""

    def run_in_executor(
        self,
        executor: Executor | None,
        func: Callable[[Unpack[_Arguments]], _Result],
        *args: *_Arguments,
    ) -> asyncio.Future[_Result]:
        future: Future[_Result] = Future()
        # Whoever gives up leaves it running.
        future.set_running_or_notify_cancel()

        def settle() -> None:
            try:
                future.set_result(func(*args))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=settle, name="blocked", daemon=True).start()
        return asyncio.wrap_future(future, loop=self)


class _Loop:
    """An event loop on a thread of its own."""

    def __init__(self, name: str, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._runner = asyncio.Runner(loop_factory=_EventLoop)
        self._loop = self._runner.get_loop()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with self._runner:
            self._loop.run_forever()

    def start(self, coroutine: Coroutine[Any, Any, _Result]) -> Future[_Result]:
        """Lets the coroutine run on while the caller does something else."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def run(self, coroutine: Coroutine[Any, Any, _Result], what: str = "") -> _Result:
        """The coroutine's result, or what it raised; TimeoutError at the deadline in force. Who leaves earlier ends the coroutine."""
        future = self.start(coroutine)

        def wait(seconds: float) -> _Result:
            return future.result(None if math.isinf(seconds) else seconds)

        try:
            return in_steps(what, left_s(), wait)
        except BaseException:
            future.cancel()
            raise

    def end(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Runs the coroutine, whatever deadline is over, and leaves it where that takes long."""
        with suppress(TimeoutError):
            self.start(coroutine).result(self._timeouts.farewell_s)

    def close(self) -> None:
        """Ends the tasks that are left, then the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(self._timeouts.last_step_s)
