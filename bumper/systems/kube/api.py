"""What can be asked of a Kubernetes API: objects, collections, changes, watches and logs, as plain values.

Law: an object that is not there is None, a kind that is not there is an error, and neither is the other.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

from bumper.dataclasses import dataclass
from bumper.errors import Unreachable
from bumper.objects import Object, at
from bumper.rollout.fields import misfit
from bumper.systems.http.document import expect_object, expect_objects, parse, parse_object
from bumper.systems.http.paging import Pages
from bumper.systems.kube.connection import Connection
from bumper.systems.kube.kinds import POD, Resource
from bumper.systems.kube.refusals import Forbidden, Gone, Missing

if TYPE_CHECKING:
    import httpx

_Result = TypeVar("_Result")
_PAGE = 500
# A log line may be of any length: this bounds what is read of the last lines.
_LOG_BYTES = 16_384
# 100,000 objects of one kind, however many a page has.
_MAX_PAGES = 200
# etcd keeps no object of more than 1.5 MB.
_MAX_LINE_BYTES = 4_000_000


@dataclass(frozen=True)
class Listing:
    """A collection, and its version to watch it from."""

    items: list[Object]
    version: str


class Api:
    """The API behind a connection. A list has at most `max_pages` pages.

    Remembers which version of a custom kind this cluster has, and the objects that each question was answered with last: everything
    is read anew, but an object of the version that was seen, by whichever question, is that same one, and neither checked again nor
    compared field by field.
    """

    def __init__(self, connection: Connection, *, max_pages: int = _MAX_PAGES) -> None:
        self._connection = connection
        self._max_pages = max_pages
        self._versions: dict[str, str] = {}
        self._seen: dict[str, Object] = {}
        self._answered: dict[tuple[str, ...], frozenset[str]] = {}

    async def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """The object, None where there is none. Raises `Missing` where the cluster has no such kind."""

        async def ask(version: str) -> Object:
            path = resource.path(namespace, name, version)
            seen = _as_seen(resource, await self._read("GET", path), self._seen)
            self._remember((path,), [seen])
            return seen

        try:
            return await self._in_its_version(resource, ask)
        except Missing as error:
            if error.is_api:
                raise
            return None

    async def list(self, resource: Resource, namespace: str = "", **selectors: str) -> Listing:
        """The whole collection, read page by page. `selectors` are `labelSelector` and `fieldSelector`, empty for none."""
        chosen = {key: value for key, value in selectors.items() if value}

        async def ask(version: str) -> Listing:
            path = resource.path(namespace, version=version)
            try:
                return await self._pages(resource, path, {**chosen, "limit": str(_PAGE)})
            except Gone:
                # The pages were cut at a version that the server no longer keeps: all at once, then.
                return await self._pages(resource, path, chosen)

        return await self._in_its_version(resource, ask)

    async def serves(self, group: str) -> bool:
        """Whether the cluster has this group of custom kinds; False where it does not let us ask, which every user may."""
        try:
            await self._read("GET", f"/apis/{group}")
        except (Missing, Forbidden):
            return False
        return True

    async def version(self, resource: Resource, namespace: str, field_selector: str) -> str:
        """The version from which to watch a collection, as of now."""
        selector = {"fieldSelector": field_selector} if field_selector else {}

        async def ask(version: str) -> str:
            path = resource.path(namespace, version=version)
            page = await self._read("GET", path, {**selector, "limit": "1"})
            return _version(f"{self._connection.name}: {path}", page)

        return await self._in_its_version(resource, ask)

    async def patch(self, resource: Resource, namespace: str, name: str, change: Mapping[str, Any]) -> None:
        """Applies a merge patch."""

        async def ask(version: str) -> None:
            await self._read("PATCH", resource.path(namespace, name, version), change=change)

        await self._in_its_version(resource, ask)

    async def create(self, resource: Resource, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """The server's answer to a new object of the cluster's scope: for reviews, which are asked so and kept nowhere."""
        return await self._read("POST", resource.path(), change=content)

    def time(self) -> str:
        """What the server's clock showed in its last answer, RFC 3339; empty where it does not say."""
        try:
            return parsedate_to_datetime(self._connection.date).isoformat()
        except ValueError:
            return ""

    async def server(self) -> tuple[str, str]:
        """The server's version (`v1.36.1`), and what its clock showed (HTTP's `Date`, empty where it does not say)."""
        answer = await self._connection.read("GET", "/version", {})
        version = at(self._parsed("/version", answer.content), "gitVersion")
        return str(version or ""), answer.headers.get("date", "")

    async def log(self, namespace: str, pod: str, container: str, *, lines: int, previous: bool) -> str:
        """The last lines of a container; with `previous` of the instance before the present one."""
        query = {"container": container, "tailLines": str(lines), "limitBytes": str(_LOG_BYTES)}
        if previous:
            query["previous"] = "true"
        path = POD.path(namespace, pod) + "/log"
        answer = await self._connection.read("GET", path, query, limit=_LOG_BYTES)
        return answer.content.decode(errors="replace")

    @asynccontextmanager
    async def watch(
        self, resource: Resource, namespace: str, since: str, field_selector: str, duration_s: float
    ) -> AsyncIterator[AsyncIterator[Mapping[str, Any]]]:
        """The events after the version `since`, until the server ends the stream after `duration_s`."""
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": since,
            "timeoutSeconds": f"{duration_s:.0f}",
        }
        if field_selector:
            query["fieldSelector"] = field_selector
        path = resource.path(namespace, version=self._versions.get(resource.group, ""))
        # A stream that outlives its own end without a word is a dead connection.
        async with self._connection.exchange("GET", path, query, idle_s=duration_s + 15.0) as response:
            yield _events(f"{self._connection.name}: {path}", response)

    async def _pages(self, resource: Resource, path: str, query: dict[str, str]) -> Listing:
        items: list[Object] = []
        subject = f"{self._connection.name}: {path}"
        question = (path, query.get("labelSelector", ""), query.get("fieldSelector", ""))
        pages = Pages(subject, asyncio.get_running_loop().time, max_pages=self._max_pages)
        while True:
            page = await self._read("GET", path, query)
            entries = expect_objects(f"{subject}: items", page.get("items") or [])
            if len(items) + len(entries) > self._max_pages * _PAGE:
                raise Unreachable(f"{subject}: the list has more than {self._max_pages * _PAGE} objects")
            items += [_as_seen(resource, item, self._seen) for item in entries]
            token = str(at(page, "metadata", "continue") or "")
            if not token:
                self._remember(question, items)
                return Listing(items, _version(subject, page))
            pages.turn(token)
            query = {**query, "continue": token}

    def _remember(self, question: tuple[str, ...], items: Iterable[Object]) -> None:
        """What the question brings no more is forgotten: if another one still does, it is checked once more."""
        brought = {uid: item for item in items if (uid := _uid(item))}
        for uid in self._answered.get(question, frozenset()) - brought.keys():
            self._seen.pop(uid, None)
        self._seen |= brought
        self._answered[question] = frozenset(brought)

    async def _in_its_version(self, resource: Resource, ask: Callable[[str], Awaitable[_Result]]) -> _Result:
        known = self._versions.get(resource.group, "")
        try:
            return await ask(known)
        except Missing as error:
            if not error.is_api or known or not resource.group:
                raise
        preferred = await self._preferred_version(resource)
        result = await ask(preferred)
        self._versions[resource.group] = preferred
        return result

    async def _preferred_version(self, resource: Resource) -> str:
        where = self._connection.name
        try:
            group = await self._read("GET", f"/apis/{resource.group}")
        except Missing:
            raise Missing(f"{where}: the cluster knows no {resource.group}", is_api=True) from None
        preferred = str(at(group, "preferredVersion", "version") or "")
        if preferred in ("", resource.version):
            raise Missing(
                f"{where}: {resource.group}/{resource.version} has no {resource.plural}", is_api=True
            )
        return preferred

    async def _read(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        change: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        answer = await self._connection.read(method, path, query or {}, change=change)
        return self._parsed(path, answer.content)

    def _parsed(self, path: str, content: bytes) -> Mapping[str, Any]:
        answer = parse_object(content)
        if answer is None:
            raise Unreachable(
                f"{self._connection.name}: {path}: answered with something else than a JSON object",
                hint="is the server a Kubernetes API?",
            )
        return answer


def _version(subject: str, page: Mapping[str, Any]) -> str:
    metadata = expect_object(f"{subject}: metadata", page.get("metadata") or {})
    return str(metadata.get("resourceVersion") or "")


def _as_seen(resource: Resource, item: Mapping[str, Any], seen: Mapping[str, Object]) -> Object:
    """The object as it was seen, by its uid, where its version is still that one; else as it is now, checked.

    Of a version nothing can be told but whether it is the same: that is what the API promises (API conventions, "Concurrency control
    and consistency").
    """
    metadata = item.get("metadata") or {}
    uid, version = at(metadata, "uid"), at(metadata, "resourceVersion")
    known = seen.get(str(uid)) if uid and version else None
    is_same = known and known["metadata"].get("resourceVersion") == version
    # Another version of its API has other fields.
    is_same = is_same and item.get("apiVersion") in (None, known and known.get("apiVersion"))
    return known if known and is_same else _slim(resource, item)


def _uid(item: Mapping[str, Any]) -> str:
    return str(at(item, "metadata", "uid") or "")


def _slim(resource: Resource, item: Mapping[str, Any]) -> Object:
    """The object without `managedFields`, a third of it; with its kind, which items of built-in lists do not repeat."""
    metadata = item.get("metadata") or {}
    if problem := misfit(item):
        raise Unreachable(
            f"{resource.kind} {at(metadata, 'namespace') or ''}/{at(metadata, 'name') or ''}: {problem}"
        )
    kept = {key: value for key, value in metadata.items() if key != "managedFields"}
    return {"kind": resource.kind, **item, "metadata": kept}


async def _events(subject: str, response: "httpx.Response") -> AsyncIterator[Mapping[str, Any]]:
    import httpx

    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise Unreachable(f"{subject}: found a watch that is encoded, which was not asked for")
    assert isinstance(response.stream, httpx.AsyncByteStream), "an asynchronous client reads such streams"
    # Not by the client's own lines: those end at U+0085 and U+2028 too, which may stand inside a message.
    rest = bytearray()
    async for content in response.stream:
        # Only what is new is looked through: a line that comes byte by byte takes no longer than its length.
        head, end, tail = content.rpartition(b"\n")
        lines: list[bytes] = []
        if end:
            lines, rest = bytes(rest + head).split(b"\n"), bytearray()
        rest += tail
        if len(rest) > _MAX_LINE_BYTES:
            raise Unreachable(f"{subject}: found an event longer than {_MAX_LINE_BYTES} bytes")
        for line in lines:
            if line.strip():
                event = expect_object(subject, parse(line))
                expect_object(f"{subject}: object", event.get("object"))
                yield event
