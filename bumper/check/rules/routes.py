"""Rules about the way in: routes to Services that are not there, and one address that two routes claim."""

from collections import defaultdict
from collections.abc import Iterator

from bumper.check import routing
from bumper.check.cluster import Cluster
from bumper.check.finding import ERROR, rule
from bumper.check.routing import Backend, Promise
from bumper.fluxtree.resource import Fault, Resource
from bumper.manifest.document import items, mapping, text


@rule(
    "route-service",
    ERROR,
    why="Visitors of this route get an error: no Service of this name is in the namespace.",
    fix="Correct the name or the namespace, or add the Service.",
)
def no_service(cluster: Cluster) -> Iterator[Fault]:
    for backend in _backends(cluster):
        if not cluster.has("Service", backend.namespace, backend.name):
            services = sorted(
                other.name for other in cluster.of_kind("Service") if other.namespace == backend.namespace
            )
            yield backend.resource.fault(
                f"{backend.resource} leads to Service {backend.namespace}/{backend.name}, which nothing makes"
                f" (found: {', '.join(services) or 'none'})",
                *backend.route,
            )


@rule(
    "route-port",
    ERROR,
    why="Visitors of this route get an error: the Service has no such port.",
    fix="Name one of the ports of the Service, by its number or its name.",
)
def no_port(cluster: Cluster) -> Iterator[Fault]:
    for backend in _backends(cluster):
        for service in cluster.named("Service", backend.namespace, backend.name)[:1]:
            ports = [mapping(port) for port in items(service.at("spec", "ports"))]
            known = {text(port.get(key)) for port in ports for key in ("name", "port")}
            is_known = service.knows("spec", "ports") and not routing.takes_any_port(service, backend)
            if backend.port and backend.port not in known and is_known:
                port_numbers = ", ".join(text(port.get("port")) for port in ports) or "none"
                yield backend.resource.fault(
                    f"{backend.resource} leads to port {backend.port} of {service}, which has no such port (found: {port_numbers})",
                    *backend.route,
                )


@rule(
    "host-twice",
    ERROR,
    why="Two routes claim the same address, and which of them answers is chance.",
    fix="Take the host out of one of them, give them different paths, or say with a priority which one wins.",
)
def host_twice(cluster: Cluster) -> Iterator[Fault]:
    claims: dict[tuple[object, ...], list[Promise]] = defaultdict(list)
    for resource in cluster.resources:
        if routing.is_route(resource) and resource.is_named:
            for promise in routing.promises(resource):
                key = (resource.kind, promise.controller, promise.host, promise.conditions, promise.priority)
                claims[key].append(promise)
    for several in claims.values():
        for at, promise in enumerate(several):
            other = next(
                (
                    earlier
                    for earlier in several[:at]
                    if earlier.clashes(promise) and earlier.resource is not promise.resource
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
    for resource in cluster.resources:
        if routing.is_route(resource) and resource.is_named:
            yield from (backend for backend in routing.backends(resource) if backend.name)


def _same(resource: Resource, other: Resource) -> bool:
    return (resource.kind, resource.namespace, resource.name) == (other.kind, other.namespace, other.name)
