"""What the routes of a tree promise: which host, under which further conditions, leads to which Service and port.

Law: two promises clash only where one request fits both and nothing decides between them: the same kind of route in the same class,
an entry point or listener in common, the same host, the same further conditions and the same priority. A rule that cannot be read
(a negation, a regular expression for the host) promises nothing.

Source: Traefik v3 rule syntax; Kubernetes networking.k8s.io/v1 Ingress; Gateway API v1 HTTPRoute; kubernetes/ingress-gce and
kubernetes-sigs/aws-load-balancer-controller (an Ingress has a load balancer and an address of its own, unless AWS is told a group);
tailscale/tailscale, cmd/k8s-operator/ingress.go (each Ingress is a machine of its own, with its first TLS host or a name of its own);
traefik/traefik, pkg/provider/kubernetes/crd/kubernetes_http.go (`getServicePort`) and kubernetes/ingress-nginx,
internal/ingress/controller/endpointslices.go (a Service of type ExternalName is reached at the number that the route names).
"""

import re
from collections.abc import Iterator
from typing import Any

from bumper.dataclasses import dataclass
from bumper.fluxtree.resource import Resource, Route, is_variable
from bumper.manifest.document import items, mapping, text

KINDS = {
    "IngressRoute": ("traefik.io", "traefik.containo.us"),
    "Ingress": ("networking.k8s.io",),
    "HTTPRoute": ("gateway.networking.k8s.io",),
}
_TOKEN = re.compile(r"\s*(?:(\|\||&&|[()!])|([A-Za-z]\w*)\(((?:`[^`]*`|\"[^\"]*\"|'[^']*'|[^()`\"'])*)\))")
_TEXT = re.compile(r"`([^`]*)`|\"([^\"]*)\"|'([^']*)'")


_OWN_BALANCER = ("gce", "gce-internal", "alb", "tailscale")
_OF_OWN_BALANCERS = (
    *("ingress.gcp.kubernetes.io/", "networking.gke.io/", "alb.ingress.kubernetes.io/"),
    *("kubernetes.io/ingress.global-static-ip-name", "kubernetes.io/ingress.regional-static-ip-name"),
)
_BALANCER_GROUP = "alb.ingress.kubernetes.io/group.name"


@dataclass(frozen=True)
class Promise:
    """One host of one route. `doors` are its entry points or listeners, empty for all; `route` leads to where it is written."""

    resource: Resource
    route: Route
    host: str
    conditions: frozenset[str]
    controller: str
    doors: frozenset[str]
    priority: str = ""

    def clashes(self, other: "Promise") -> bool:
        """Whether some request fits both."""
        return not self.doors or not other.doors or not self.doors.isdisjoint(other.doors)


@dataclass(frozen=True)
class Backend:
    """A Service that a route leads to; `port` is its number or name, empty where none is written."""

    resource: Resource
    route: Route
    namespace: str
    name: str
    port: str


def is_route(resource: Resource) -> bool:
    """Whether the object is of a kind whose hosts are read here (`KINDS`)."""
    return resource.group in KINDS.get(resource.kind, ())


def promises(resource: Resource) -> Iterator[Promise]:
    """Every host that the route takes."""
    if not resource.knows("spec"):
        return
    match resource.kind:
        case "IngressRoute":
            yield from _traefik(resource)
        case "Ingress":
            yield from _ingress(resource)
        case "HTTPRoute":
            yield from _gateway(resource)


def backends(resource: Resource) -> Iterator[Backend]:
    """Every Service that the route leads to."""
    match resource.kind:
        case "IngressRoute":
            for route, named in _each(resource, ("spec", "routes"), "services"):
                if text(named.get("kind")) in ("", "Service"):
                    yield _backend(resource, route, named, text(named.get("port")))
        case "Ingress":
            yield from _ingress_backends(resource)
        case "HTTPRoute":
            for route, named in _each(resource, ("spec", "rules"), "backendRefs"):
                if text(named.get("kind")) in ("", "Service") and not text(named.get("group")):
                    yield _backend(resource, route, named, text(named.get("port")))


def takes_any_port(service: Resource, backend: Backend) -> bool:
    """Whether a route may name a port that the Service does not have."""
    return text(service.at("spec", "type")) == "ExternalName" and backend.port.isdigit()


def _each(resource: Resource, above: Route, key: str) -> Iterator[tuple[Route, dict[str, Any]]]:
    for at, rule in enumerate(items(resource.at(*above))):
        for below, named in enumerate(items(mapping(rule).get(key))):
            yield (*above, at, key, below), mapping(named)


def _backend(resource: Resource, route: Route, named: dict[str, Any], port: str) -> Backend:
    return Backend(
        resource,
        (*route, "name"),
        text(named.get("namespace")) or resource.namespace,
        text(named.get("name")),
        port,
    )


def _ingress_backends(resource: Resource) -> Iterator[Backend]:
    routes: list[Route] = [("spec", "defaultBackend")]
    for at, rule in enumerate(items(resource.at("spec", "rules"))):
        paths = items(mapping(mapping(rule).get("http")).get("paths"))
        routes += [("spec", "rules", at, "http", "paths", below, "backend") for below in range(len(paths))]
    for route in routes:
        service = mapping(resource.at(*route, "service"))
        port = mapping(service.get("port"))
        if service:
            yield _backend(
                resource, (*route, "service"), service, text(port.get("number")) or text(port.get("name"))
            )


def _traefik(resource: Resource) -> Iterator[Promise]:
    doors = frozenset(map(text, items(resource.at("spec", "entryPoints"))))
    controller = text(mapping(resource.at("metadata", "annotations")).get("kubernetes.io/ingress.class"))
    for at, rule in enumerate(map(mapping, items(resource.at("spec", "routes")))):
        written = text(rule.get("match"))
        if is_variable(written):
            continue
        for alternative in alternatives(written):
            hosts, others = _split(alternative)
            for host in hosts:
                priority = text(rule.get("priority"))
                yield Promise(
                    resource, ("spec", "routes", at, "match"), host, others, controller, doors, priority
                )


def alternatives(rule: str) -> list[frozenset[tuple[str, str]]]:
    """A rule of Traefik as its alternatives, each the matchers that must all hold, as name and argument; none where it is not read.

    `Host(`a`) || Host(`b`) && Path(`/x`)` has two. A matcher with several arguments is several alternatives, as in Traefik v2.
    """
    tokens: list[tuple[str, str, str]] = []
    end = 0
    while rule[end:].strip():
        match = _TOKEN.match(rule, end)
        if not match or match[1] == "!":
            return []
        tokens.append((match[1] or "", match[2] or "", match[3] or ""))
        end = match.end()
    choices, rest = _either(tokens)
    return choices if not rest else []


_Alternatives = list[frozenset[tuple[str, str]]]
_Tokens = list[tuple[str, str, str]]


def _either(tokens: _Tokens) -> tuple[_Alternatives, _Tokens]:
    choices, rest = _both(tokens)
    while rest and rest[0][0] == "||":
        more, rest = _both(rest[1:])
        choices = [*choices, *more]
    return choices, rest


def _both(tokens: _Tokens) -> tuple[_Alternatives, _Tokens]:
    choices, rest = _one(tokens)
    while rest and rest[0][0] == "&&":
        more, rest = _one(rest[1:])
        choices = [left | right for left in choices for right in more]
    return choices, rest


def _one(tokens: _Tokens) -> tuple[_Alternatives, _Tokens]:
    if not tokens:
        return [], [("", "", "")]
    sign, name, arguments = tokens[0]
    if sign == "(":
        choices, rest = _either(tokens[1:])
        return (choices, rest[1:]) if rest and rest[0][0] == ")" else ([], [("", "", "")])
    if sign:
        return [], tokens
    values = ["".join(match.groups("")) for match in _TEXT.finditer(arguments)]
    if name in ("Host", "Path", "PathPrefix", "Method"):
        return [frozenset([(name, value)]) for value in values], tokens[1:]
    return [frozenset([(name, ",".join(values))])], tokens[1:]


def _split(alternative: frozenset[tuple[str, str]]) -> tuple[list[str], frozenset[str]]:
    hosts = [value.lower() for name, value in alternative if name == "Host"]
    everything = {("PathPrefix", "/")}
    others = frozenset(f"{name}({value})" for name, value in alternative - everything if name != "Host")
    return (hosts if len(hosts) == 1 else []), others


def _ingress(resource: Resource) -> Iterator[Promise]:
    annotations = mapping(resource.at("metadata", "annotations"))
    controller = text(resource.at("spec", "ingressClassName")) or text(
        annotations.get("kubernetes.io/ingress.class")
    )
    if any("canary" in key for key in annotations):
        return
    address = f"of {resource}" if _has_own_address(controller, annotations) else ""
    for at, rule in enumerate(map(mapping, items(resource.at("spec", "rules")))):
        for below, path in enumerate(map(mapping, items(mapping(rule.get("http")).get("paths")))):
            condition = frozenset([f"{text(path.get('pathType'))} {text(path.get('path')) or '/'}"])
            route = ("spec", "rules", at, "http", "paths", below, "path")
            yield Promise(
                resource,
                route,
                text(rule.get("host")).lower(),
                condition,
                f"ingress {controller} {address}",
                frozenset(),
            )


def _has_own_address(controller: str, annotations: dict[str, Any]) -> bool:
    is_alone = controller in _OWN_BALANCER or any(key.startswith(_OF_OWN_BALANCERS) for key in annotations)
    return is_alone and _BALANCER_GROUP not in annotations


def _gateway(resource: Resource) -> Iterator[Promise]:
    # A listener is named by all that a parentRef says of it.
    doors = frozenset(
        repr(sorted(mapping(parent).items())) for parent in items(resource.at("spec", "parentRefs"))
    )
    for at, host in enumerate(map(text, items(resource.at("spec", "hostnames")))):
        for rule in map(mapping, items(resource.at("spec", "rules"))) or [{}]:
            for match in items(rule.get("matches")) or [{}]:
                condition = frozenset([repr(match)]) if match else frozenset()
                yield Promise(resource, ("spec", "hostnames", at), host.lower(), condition, "gateway", doors)
