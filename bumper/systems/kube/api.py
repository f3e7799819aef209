"""What can be asked of a Kubernetes API: objects, collections, changes, watches and logs, as plain values.

Law: an object that is not there is None, a kind that is not there is an error, and neither is the other.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from bumper.errors import Unreachable
from bumper.objects import Object, at
from bumper.systems.kube.connection import Connection
from bumper.systems.kube.kinds import POD, Resource
from bumper.systems.kube.refusals import Gone, Missing

if TYPE_CHECKING:
    import httpx

_Result = TypeVar("_Result")
_PAGE = 500
# A log line may be of any length: this bounds what is read of the last lines.
_LOG_BYTES = 16_384


@dataclass(frozen=True)
class Listing:
    """A collection, and its version to watch it from."""

    items: list[Object]
    version: str


class Api:
    """The API behind a connection. Remembers which version of a custom kind this cluster has."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._versions: dict[str, str] = {}

    async def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """The object, None where there is none. Raises `Missing` where the cluster has no such kind."""

        async def ask(version: str) -> Object:
            return _slim(resource, await self._read("GET", resource.path(namespace, name, version)))

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

    async def version(self, resource: Resource, namespace: str, field_selector: str) -> str:
        """The version from which to watch a collection, as of now."""
        selector = {"fieldSelector": field_selector} if field_selector else {}

        async def ask(version: str) -> str:
            page = await self._read(
                "GET", resource.path(namespace, version=version), {**selector, "limit": "1"}
            )
            return _version(page)

        return await self._in_its_version(resource, ask)

    async def patch(self, resource: Resource, namespace: str, name: str, change: Mapping[str, Any]) -> None:
        """Applies a merge patch."""

        async def ask(version: str) -> None:
            await self._read("PATCH", resource.path(namespace, name, version), change=change)

        await self._in_its_version(resource, ask)

    async def create(self, resource: Resource, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """The server's answer to a new object of the cluster's scope: for reviews, which are asked so and kept nowhere."""
        return await self._read("POST", resource.path(), change=content)

    async def server(self) -> tuple[str, str]:
        """The server's version (`v1.36.1`), and what its clock showed (HTTP's `Date`, empty where it does not say)."""
        async with self._connection.exchange("GET", "/version", {}) as response:
            answer = json.loads(await response.aread())
        return str(at(answer, "gitVersion") or ""), str(response.headers.get("Date", ""))

    async def log(self, namespace: str, pod: str, container: str, *, lines: int, previous: bool) -> str:
        """The last lines of a container; with `previous` of the instance before the present one."""
        query = {"container": container, "tailLines": str(lines), "limitBytes": str(_LOG_BYTES)}
        if previous:
            query["previous"] = "true"
        async with self._connection.exchange("GET", POD.path(namespace, pod) + "/log", query) as response:
            return (await response.aread()).decode(errors="replace")

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
        async with self._connection.exchange("GET", path, query, answer_s=duration_s + 15.0) as response:
            yield _events(response)

    async def _pages(self, resource: Resource, path: str, query: dict[str, str]) -> Listing:
        items: list[Object] = []
        while True:
            page = await self._read("GET", path, query)
            items += [_slim(resource, item) for item in page.get("items") or ()]
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                return Listing(items, _version(page))
            query = {**query, "continue": token}

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
        preferred = str((group.get("preferredVersion") or {}).get("version") or "")
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
        async with self._connection.exchange(method, path, query or {}, change=change) as response:
            content = await response.aread()
        try:
            answer = json.loads(content)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise Unreachable(
                f"{self._connection.name}: {path}: answered with something else than a JSON object",
                hint="is the server a Kubernetes API?",
            )
        return answer


def _version(page: Mapping[str, Any]) -> str:
    return str((page.get("metadata") or {}).get("resourceVersion") or "")


def _slim(resource: Resource, item: Mapping[str, Any]) -> Object:
    """The object without `managedFields`, a third of it; with its kind, which items of built-in lists do not repeat."""
    metadata = {key: value for key, value in (item.get("metadata") or {}).items() if key != "managedFields"}
    return {"kind": resource.kind, **item, "metadata": metadata}


async def _events(response: "httpx.Response") -> AsyncIterator[Mapping[str, Any]]:
    # Not by the client's own lines: those end at U+0085 and U+2028 too, which may stand inside a message.
    rest = b""
    async for content in response.aiter_bytes():
        *lines, rest = (rest + content).split(b"\n")
        for line in lines:
            if line.strip():
                yield json.loads(line)
