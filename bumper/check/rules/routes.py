"""Rules about the way in: routes to Services that are not there, and one address that two routes claim."""

from collections import defaultdict
from collections.abc import Iterator

from bumper.check import routing
from bumper.check.cluster import Cluster
from bumper.check.finding import ERROR, Fault, rule
from bumper.check.resource import Resource
from bumper.check.routing import Backend, Promise
from bumper.manifest.document import items, mapping, text


@rule(
    "route-service",
    ERROR,
    why="Visitors of this route get an error: no Service of this name is in the namespace.",
    fix="Correct the name or the namespace, or add the Service.",
)
def no_service(cluster: Cluster) -> Iterator[Fault]:
    for one in _backends(cluster):
        if not cluster.has("Service", one.namespace, one.name):
            found = sorted(
                other.name for other in cluster.of_kind("Service") if other.namespace == one.namespace
            )
            yield one.resource.fault(
                f"{one.resource} leads to Service {one.namespace}/{one.name}, which nothing makes"
                f" (found: {', '.join(found) or 'none'})",
                *one.route,
            )


@rule(
    "route-port",
    ERROR,
    why="Visitors of this route get an error: the Service has no such port.",
    fix="Name one of the ports of the Service, by its number or its name.",
)
def no_port(cluster: Cluster) -> Iterator[Fault]:
    for one in _backends(cluster):
        for service in cluster.named("Service", one.namespace, one.name)[:1]:
            ports = [mapping(port) for port in items(service.at("spec", "ports"))]
            known = {text(port.get(key)) for port in ports for key in ("name", "port")}
            if one.port and one.port not in known and service.knows("spec", "ports"):
                found = ", ".join(text(port.get("port")) for port in ports) or "none"
                yield one.resource.fault(
                    f"{one.resource} leads to port {one.port} of {service}, which has no such port (found: {found})",
                    *one.route,
                )


@rule(
    "host-twice",
    ERROR,
    why="Two routes claim the same address, and which of them answers is chance.",
    fix="Take the host out of one of them, give them different paths, or say with a priority which one wins.",
)
def host_twice(cluster: Cluster) -> Iterator[Fault]:
    claims: dict[tuple[object, ...], list[Promise]] = defaultdict(list)
    for one in cluster.resources:
        if routing.is_route(one) and one.is_named:
            for promise in routing.promises(one):
                key = (one.kind, promise.controller, promise.host, promise.conditions, promise.priority)
                claims[key].append(promise)
    for several in claims.values():
        for at, promise in enumerate(several):
            other = next(
                (
                    one
                    for one in several[:at]
                    if one.clashes(promise) and one.resource is not promise.resource
                ),
                None,
            )
            if other and not _same(other.resource, promise.resource):
                conditions = f" ({', '.join(sorted(promise.conditions))})" if promise.conditions else ""
                line = other.resource.line(*other.route)
                yield promise.resource.fault(
                    f"{promise.host or 'every host'}{conditions} is routed by {other.resource} too: {other.resource.path}:{line}",
                    *promise.route,
                )


def _backends(cluster: Cluster) -> Iterator[Backend]:
    for one in cluster.resources:
        if routing.is_route(one) and one.is_named:
            yield from (backend for backend in routing.backends(one) if backend.name)


def _same(one: Resource, other: Resource) -> bool:
    return (one.kind, one.namespace, one.name) == (other.kind, other.namespace, other.name)
