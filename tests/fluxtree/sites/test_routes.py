"""Where visitors find a site, from every kind of route; no answer where none is certain."""

from textwrap import dedent

import pytest

from bumper.fluxtree.sites import routes
from bumper.manifest.document import documents

TRAEFIK = """\
    apiVersion: traefik.io/v1alpha1
    kind: IngressRoute
    metadata: {name: web}
    spec:
      entryPoints: [websecure]
      routes:
        - match: Host(`web.example`) || Host(`www.web.example`)
          kind: Rule
          services: [{name: web, port: 80}]
    """
INGRESS = """\
    apiVersion: networking.k8s.io/v1
    kind: Ingress
    metadata: {name: web}
    spec:
      tls: [{hosts: [web.example]}]
      rules:
        - host: web.example
          http:
            paths:
              - path: /
                pathType: Prefix
                backend: {service: {name: web, port: {number: 80}}}
    """
GATEWAY = """\
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: web}
    spec:
      hostnames: [web.example]
      rules: [{backendRefs: [{name: web, port: 80}]}]
    """


def address(*texts: str, service: str = "web") -> str:
    content = "---\n".join(dedent(text) for text in texts).encode()
    return next(iter(routes.addresses(documents(content, "routes.yaml"), service)), "")


@pytest.mark.parametrize("text", [TRAEFIK, INGRESS, GATEWAY])
def test_the_first_host_of_the_route_to_the_service(text: str) -> None:
    assert address(text) == "https://web.example"
    other = text.replace("web.example", "api.example").replace("name: web", "name: api")
    assert address(other, text) == "https://web.example"


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [(TRAEFIK, "websecure", "web"), (INGRESS, "tls: [{hosts: [web.example]}]", "tls: []")],
)
def test_without_tls(text: str, old: str, new: str) -> None:
    assert address(text.replace(old, new)) == "http://web.example"


def test_tls_of_an_ingress_route() -> None:
    assert address(TRAEFIK.replace("entryPoints: [websecure]", "tls: {}")) == "https://web.example"


def test_a_route_to_another_service_counts_only_if_it_is_alone() -> None:
    assert address(INGRESS, service="something") == "https://web.example"
    assert address(INGRESS, GATEWAY, service="something") == ""
    assert address(INGRESS, GATEWAY, service="") == ""


@pytest.mark.parametrize(
    "text",
    [
        TRAEFIK.replace("Host(`web.example`) || Host(`www.web.example`)", "PathPrefix(`/`)"),
        INGRESS.replace("host: web.example", "host: '*.example'"),
        INGRESS.replace("- host: web.example\n          http:", "- http:"),
        GATEWAY.replace("hostnames: [web.example]", "parentRefs: []"),
        "kind: Service\nmetadata: {name: web}\n",
    ],
)
def test_no_answer_where_no_host_is_named(text: str) -> None:
    assert address(text) == ""
