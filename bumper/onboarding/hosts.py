"""The hosts of routes: where they stand, and how a route says that it takes several.

Law: a host is compared as DNS does, without case. Read are Traefik's IngressRoute (`Host(...)` in its rules), Kubernetes' Ingress, the
Gateway API's HTTPRoute, and the `host`, `hosts` and `hostname` of a Helm chart's values, by which most charts make such a route.
A rule that finds hosts by a pattern (`HostRegexp`, `HostSNI`) says nothing of a single host: it is told as `unread`.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from bumper.dataclasses import dataclass
from bumper.fluxtree.resource import scalars
from bumper.fluxtree.sites.routes import KINDS
from bumper.fluxtree.substitution import Variables, put_in
from bumper.manifest.document import Document, items, mapping, text
from bumper.objects import Object

# Traefik's matcher, with one or several (v2) quoted names: https://doc.traefik.io/traefik/routing/routers/#rule
_NAMES = r"""\s*(?:`[^`]*`|"[^"]*")(?:\s*,\s*(?:`[^`]*`|"[^"]*"))*\s*"""
_RUN = re.compile(rf"Host\({_NAMES}\)(?:\s*\|\|\s*Host\({_NAMES}\))*")
_NAME = re.compile(r"""[`"]([^`"]*)[`"]""")
_BETWEEN = re.compile(r"\)(\s*\|\|\s*)Host\(")
_PATTERN = re.compile(r"Host(?:Regexp|SNI|SNIRegexp|Header)\(")
_IN_VALUES = ("host", "hosts", "hostname", "hostnames")


@dataclass(frozen=True)
class Routed:
    """One host, lower-case, and the place of the rule that takes it, `k8s/web/ingress.yaml:10`; `written` may hold variables."""

    host: str
    place: str
    written: str = ""

    @property
    def has_variable(self) -> bool:
        """Whether Flux fills in a part of it."""
        return self.written.lower() != self.host


def routed(
    document: Document, value: Object | None = None, variables: Variables | None = None
) -> Iterator[Routed]:
    """Every host that the object routes; `value` is the object as it is built, into which Flux fills `variables`."""
    kind = document.key.kind
    spec = mapping((document.value if value is None else value).get("spec"))
    if kind == "HelmRelease":
        routes = _in_values(mapping(spec.get("values")), ("spec", "values"))
    elif kind in KINDS:
        routes = _READERS[kind](spec)
    else:
        return
    for host, route in routes:
        if host:
            reaches = put_in(host, variables or Variables())
            yield Routed(reaches.lower(), f"{document.path}:{document.line(*route)}", host)


def unread(document: Document) -> str:
    """The rule of a route that takes hosts by a pattern, if there is one."""
    rules = items(mapping(document.value.get("spec")).get("routes")) if "Route" in document.key.kind else []
    return next((rule for route in rules if _PATTERN.search(rule := text(mapping(route).get("match")))), "")


def in_rule(rule: str) -> tuple[str, ...]:
    """The hosts of Traefik's `Host(...)` matchers, in order."""
    return tuple(name for run in _RUN.finditer(rule) for name in _NAME.findall(run[0]))


def with_hosts(rule: str, hosts: Sequence[str]) -> str | None:
    """The rule with other hosts, joined as this one joins them; None unless all of its hosts stand in one run of `||`."""
    runs = list(_RUN.finditer(rule))
    if len(runs) != 1:
        return None
    run = runs[0]
    quote = "`" if "`" in run[0] else '"'
    one_matcher = run[0].count("Host(") == 1 and len(_NAME.findall(run[0])) > 1
    joint = _BETWEEN.search(run[0])
    if one_matcher:
        written = f"Host({', '.join(f'{quote}{host}{quote}' for host in hosts)})"
    else:
        written = (joint[1] if joint else " || ").join(f"Host({quote}{host}{quote})" for host in hosts)
    around = rule[: run.start()] + rule[run.end() :]
    is_enclosed = rule[: run.start()].rstrip().endswith("(") and rule[run.end() :].lstrip().startswith(")")
    # `&&` binds tighter than `||`.
    if len(hosts) > 1 and not one_matcher and around.strip() and not is_enclosed:
        written = f"({written})"
    return rule[: run.start()] + written + rule[run.end() :]


_Routes = Iterator[tuple[str, tuple[str | int, ...]]]


def _ingress_route(spec: dict[str, Any]) -> _Routes:
    for at, rule in enumerate(items(spec.get("routes"))):
        for host in in_rule(text(mapping(rule).get("match"))):
            yield host, ("spec", "routes", at, "match")


def _ingress(spec: dict[str, Any]) -> _Routes:
    for at, rule in enumerate(items(spec.get("rules"))):
        yield text(mapping(rule).get("host")), ("spec", "rules", at, "host")


def _http_route(spec: dict[str, Any]) -> _Routes:
    for at, host in enumerate(items(spec.get("hostnames"))):
        yield text(host), ("spec", "hostnames", at)


def _in_values(value: Any, route: tuple[str | int, ...]) -> _Routes:
    for below_route, below in scalars(value, route):
        named = next((key for key in reversed(below_route) if isinstance(key, str)), "")
        if isinstance(below, str) and named in _IN_VALUES and "." in below:
            yield below, below_route


_READERS = {"IngressRoute": _ingress_route, "Ingress": _ingress, "HTTPRoute": _http_route}
