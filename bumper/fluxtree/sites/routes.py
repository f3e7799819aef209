"""Where visitors find a workload, as the routes beside it in the repository say.

Law: only what a route states is told: no host, a wildcard, or several routes of which none leads to the Service is no answer.
Read are Traefik's IngressRoute (traefik.io/v1alpha1), Kubernetes' Ingress (networking.k8s.io/v1) and the Gateway API's HTTPRoute.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

from bumper.dataclasses import dataclass
from bumper.manifest.document import Document, items, mapping, text
from bumper.objects import Object

KINDS = ("IngressRoute", "Ingress", "HTTPRoute")
_HOST = re.compile(r"Host\(\s*`([^`]+)`")
# Nothing else becomes a part of an address: `host/path` or `user@host` would lead elsewhere than it says.
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


@dataclass(frozen=True)
class Route:
    """One address and the names of the Services that it leads to."""

    url: str
    services: frozenset[str]


def leading_to(documents: Iterable[Document], service: str) -> tuple[str, ...]:
    """The addresses of all routes that lead to `service`."""
    routes = (route for document in documents if document.key.kind in KINDS for route in _routes(document))
    return tuple(dict.fromkeys(route.url for route in routes if service in route.services))


def addresses(documents: Iterable[Document], service: str) -> tuple[str, ...]:
    """The addresses that lead to `service`, or the only one there is; empty where none of both is certain."""
    routes = [route for document in documents if document.key.kind in KINDS for route in _routes(document)]
    leading = [route.url for route in routes if service and service in route.services]
    alone = [routes[0].url] if len(routes) == 1 else []
    return tuple(dict.fromkeys(leading or alone))


def _routes(document: Document) -> Iterable[Route]:
    spec = mapping(document.value.get("spec"))
    for host, is_safe, services in _READERS[document.key.kind](spec):
        if _NAME.fullmatch(host):
            names = frozenset(text(mapping(service).get("name")) for service in services)
            yield Route(f"{'https' if is_safe else 'http'}://{host}", names)


_Found = Iterable[tuple[str, bool, list[Any]]]


def _ingress_route(spec: Object) -> _Found:
    is_safe = "tls" in spec or "websecure" in items(spec.get("entryPoints"))
    for rule in map(mapping, items(spec.get("routes"))):
        for host in _HOST.findall(text(rule.get("match"))):
            yield host, is_safe, items(rule.get("services"))


def _ingress(spec: Object) -> _Found:
    for rule in map(mapping, items(spec.get("rules"))):
        paths = [mapping(path) for path in items(mapping(rule.get("http")).get("paths"))]
        services = [mapping(path.get("backend")).get("service") for path in paths]
        yield text(rule.get("host")), bool(items(spec.get("tls"))), services


def _http_route(spec: Object) -> _Found:
    # Whether TLS ends at the Gateway is for its listener to say; a public site without it is the exception.
    services = [
        service for rule in items(spec.get("rules")) for service in items(mapping(rule).get("backendRefs"))
    ]
    for host in items(spec.get("hostnames")):
        yield text(host), True, services


_READERS: dict[str, Callable[[Object], _Found]] = {
    "IngressRoute": _ingress_route,
    "Ingress": _ingress,
    "HTTPRoute": _http_route,
}
