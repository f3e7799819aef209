"""Which object or collection a URL of the Kubernetes API names. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from bumper_sandbox.kubernetes import failures, selectors
from bumper_sandbox.kubernetes.kinds import Kind, Kinds

_TRUE = ("1", "true", "True")


@dataclass(frozen=True)
class Route:
    """`name` is empty for a collection; `namespace` also for all namespaces."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    def verb(self, method: str, *, watch: bool) -> str:
        """The verb that Kubernetes' authorization knows the request by."""
        if method == "GET":
            return "get" if self.name else "watch" if watch else "list"
        return {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}.get(
            method, method.lower()
        )


@dataclass(frozen=True)
class Query:
    """The options of a list, watch or log request; `since` is the resource version asked for, empty for none."""

    watch: bool = False
    since: str = ""
    timeout_s: float | None = None
    bookmarks: bool = False
    initial_events: bool = False
    continue_token: str = ""
    label_selector: str = ""
    field_selector: str = ""
    container: str = ""
    previous: bool = False
    tail_lines: int | None = None

    def matches(self, obj: Mapping[str, object]) -> bool:
        """Whether both selectors take the object."""
        return selectors.labels(self.label_selector)(obj) and selectors.fields(self.field_selector)(obj)


def split(target: str) -> tuple[tuple[str, ...], Query]:
    """The path's parts and the options of a request's target."""
    url = urlsplit(target)
    options = {key: values[-1] for key, values in parse_qs(url.query, keep_blank_values=True).items()}
    tail, timeout = options.get("tailLines", ""), options.get("timeoutSeconds", "")
    query = Query(
        watch=options.get("watch", "") in _TRUE,
        since=options.get("resourceVersion", ""),
        timeout_s=float(timeout) if timeout else None,
        bookmarks=options.get("allowWatchBookmarks", "") in _TRUE,
        initial_events=options.get("sendInitialEvents", "") in _TRUE,
        continue_token=options.get("continue", ""),
        label_selector=options.get("labelSelector", ""),
        field_selector=options.get("fieldSelector", ""),
        container=options.get("container", ""),
        previous=options.get("previous", "") in _TRUE,
        tail_lines=int(tail) if tail else None,
    )
    if query.since and not query.since.isdigit():
        raise failures.bad_request(
            f'resourceVersion: Invalid value: "{query.since}": strconv.ParseUint: invalid syntax'
        )
    return tuple(unquote(part) for part in url.path.split("/") if part), query


def parse(path: tuple[str, ...], kinds: Kinds) -> Route | None:
    """The route of `/api/v1/…` or `/apis/GROUP/VERSION/…`; None where nothing is served."""
    match path:
        case ("api", version, *rest):
            group = ""
        case ("apis", group, version, *rest):
            pass
        case _:
            return None
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces" and kinds.by_plural(group, version, rest[2]):
        namespace, rest = rest[1], rest[2:]
    if not 1 <= len(rest) <= 3:
        return None
    kind = kinds.by_plural(group, version, rest[0])
    subresource = rest[2] if len(rest) == 3 else ""
    if not kind or (bool(namespace) > kind.namespaced) or subresource not in ("", "status", "log"):
        return None
    return Route(kind, namespace, rest[1] if len(rest) > 1 else "", subresource)
