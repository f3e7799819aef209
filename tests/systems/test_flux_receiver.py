"""Which Receiver a repository describes, and how Flux is poked by it."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping

import httpx
import pytest
from tables import each_row
from trees import MemoryTree, flux

from bumper.app.surroundings import Surroundings
from bumper.fluxtree.sites import receivers
from bumper.fluxtree.sites.receivers import HMAC, OIDC, Receiver
from bumper.objects import ObjectKey
from bumper.systems.flux_receiver import Proof, Webhook
from bumper.systems.github.job_token import JobTokens

SOURCE = ObjectKey("GitRepository", "flux-system", "flux-system")
BASE = "https://flux.example.org"
JOB = {
    "ACTIONS_ID_TOKEN_REQUEST_URL": "https://job.example/token?api-version=2",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "job-secret",
}
KEY = ObjectKey("Receiver", "flux-system", "bump")
BY_TOKEN = Receiver(KEY, HMAC, BASE, "k8s/receiver.yaml:1")
BY_OIDC = Receiver(KEY, OIDC, BASE, "k8s/receiver.yaml:1", "notification-controller")

RECEIVER = """
    apiVersion: notification.toolkit.fluxcd.io/v1
    kind: Receiver
    metadata: {name: bump, namespace: flux-system}
    spec:
      type: generic-oidc
      oidcProviders:
        - issuerURL: https://token.actions.githubusercontent.com
          validations: [{expression: "claims.repository_owner == 'acme'", message: stranger}]
      resources:
        - {kind: GitRepository, name: flux-system}
"""
ROUTE = """
    apiVersion: networking.k8s.io/v1
    kind: Ingress
    metadata: {name: receiver, namespace: flux-system}
    spec:
      tls: [{hosts: [flux.example.org]}]
      rules:
        - host: flux.example.org
          http: {paths: [{path: /hook/, pathType: Prefix, backend: {service: {name: webhook-receiver, port: {number: 80}}}}]}
"""


def tree(**files: str) -> MemoryTree:
    listed = ["gotk-sync.yaml", *(f"{name}.yaml" for name in files)]
    return MemoryTree(
        {
            "k8s/flux-system/gotk-sync.yaml": flux("flux-system", "./k8s/flux-system"),
            "k8s/flux-system/kustomization.yaml": "resources:\n" + "".join(f"- {name}\n" for name in listed),
            **{f"k8s/flux-system/{name}.yaml": text for name, text in files.items()},
        }
    )


def test_a_receiver_is_found_with_the_route_that_leads_to_it() -> None:
    (receiver,) = receivers.find(tree(receiver=RECEIVER, route=ROUTE), SOURCE)
    assert receiver == Receiver(KEY, OIDC, BASE, "k8s/flux-system/receiver.yaml:2", "notification-controller")
    assert receiver.url() == f"{BASE}/hook/{hashlib.sha256(b'bumpflux-system').hexdigest()}"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: flux-system}\n", "name: another}\n"),
        ("type: generic-oidc", "type: github"),
        ("https://token.actions.githubusercontent.com", "https://elsewhere.example"),
        ("type: generic-oidc", "suspend: true\n      type: generic-oidc"),
        ("notification.toolkit.fluxcd.io", "example.org"),
    ],
)
def test_a_receiver_that_we_cannot_poke_is_not_found(old: str, new: str) -> None:
    changed = RECEIVER.replace(old, new)
    assert changed != RECEIVER
    assert receivers.find(tree(receiver=changed, route=ROUTE), SOURCE) == ()


def test_without_a_route_there_is_no_address() -> None:
    other = ROUTE.replace("webhook-receiver", "web")
    assert receivers.find(tree(receiver=RECEIVER, route=other), SOURCE) == ()
    assert receivers.find(tree(receiver=RECEIVER), SOURCE) == ()
    assert receivers.find(tree(route=ROUTE), SOURCE) == ()


def test_an_address_that_git_does_not_know_can_be_named() -> None:
    (receiver,) = receivers.find(tree(receiver=RECEIVER), SOURCE, "https://elsewhere.example/")
    assert receiver.base == "https://elsewhere.example"


def with_audience(audience: str, host: str = "flux.example.org") -> Receiver:
    """What the tree says where the Receiver names this audience, and the route this host."""
    changed = RECEIVER.replace("validations:", f"audience: {json.dumps(audience)}\n          validations:")
    (receiver,) = receivers.find(
        tree(receiver=changed, route=ROUTE.replace("flux.example.org", host)), SOURCE
    )
    return receiver


def test_an_audience_stands_with_its_line() -> None:
    receiver = with_audience(BASE)
    assert (receiver.audience, receiver.place) == (BASE, "k8s/flux-system/receiver.yaml:9")
    other = RECEIVER.replace(
        "oidcProviders:", "oidcProviders:\n        - {issuerURL: 'https://other.example', audience: x}"
    )
    (receiver,) = receivers.find(tree(receiver=other, route=ROUTE), SOURCE)
    assert receiver.audience == "notification-controller"


@each_row(
    "host",
    [
        "flux.example.org/prefix",
        "kim@flux.example.org",
        "flux.example.org:8443",
        "flux.example.org#",
        "flux.example.org\\\\@evil.example",
        "iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
        "*.example.org",
        "-",
    ],
)
def test_a_host_that_is_no_name_leads_nowhere(host: str) -> None:
    changed = ROUTE.replace("host: flux.example.org", f"host: {json.dumps(host)}")
    assert changed != ROUTE
    assert receivers.find(tree(receiver=RECEIVER, route=changed), SOURCE) == ()


def test_the_path_of_a_receiver_with_a_secret_is_that_of_its_token() -> None:
    digest = hashlib.sha256(b"tokenbumpflux-system").hexdigest()
    assert BY_TOKEN.url("token") == f"{BASE}/hook/{digest}"


class Flux:
    """Both sides that a poke speaks to: GitHub's token service and the Receiver, which checks as notification-controller does."""

    def __init__(
        self, *, token: str = "", status: int = 200, job: int = 200, audience: str = "notification-controller"
    ) -> None:
        self.token, self.status, self.job, self.audience = token, status, job, audience
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.url.host == "job.example":
            assert request.headers["authorization"] == "Bearer job-secret"
            assert dict(request.url.params) == {"api-version": "2", "audience": self.audience}
            return httpx.Response(self.job, json={"value": "a.b.c"} if self.job == 200 else {"message": "no"})
        expected = hashlib.sha256(f"{self.token}bumpflux-system".encode()).hexdigest()
        if request.url.path != f"/hook/{expected}":
            return httpx.Response(404)
        if self.token:
            signature = hmac.new(self.token.encode(), request.content, "sha256").hexdigest()
            accepted = request.headers.get("x-signature") == f"sha256={signature}"
        else:
            accepted = request.headers.get("authorization") == "Bearer a.b.c"
        return httpx.Response(self.status if accepted else 400)


def poke(
    flux_side: Callable[[httpx.Request], httpx.Response], environ: Mapping[str, str], *poked: Receiver
) -> str:
    surroundings = Surroundings.of(environ)
    transport = httpx.MockTransport(flux_side)
    tokens = JobTokens(
        surroundings.job_token_url, surroundings.job_token_bearer, now=time.monotonic, transport=transport
    )
    proof = Proof(surroundings.receiver_token, tokens.ask if tokens.are_given else None)
    return Webhook(poked, proof, now=time.monotonic, transport=transport).poke()


def test_a_job_pokes_with_its_own_token() -> None:
    side = Flux()
    assert poke(side, JOB, BY_OIDC) == ""
    assert [request.method for request in side.requests] == ["GET", "POST"]
    assert json.loads(side.requests[1].content) == {"source": "bump"}


def test_a_token_of_the_secret_signs() -> None:
    assert poke(Flux(token="s3cret"), {"BUMP_RECEIVER_TOKEN": "s3cret"}, BY_TOKEN) == ""


def test_a_wrong_token_is_told_without_showing_it() -> None:
    line = poke(Flux(token="s3cret"), {"BUMP_RECEIVER_TOKEN": "guess"}, BY_TOKEN)
    assert line == (
        "Flux could not be poked by Receiver flux-system/bump (404: no Receiver of that name and token answers there): "
        "waiting for its interval"
    )


@pytest.mark.parametrize(
    ("side", "problem"),
    [
        (Flux(status=503), "it answered 503"),
        (Flux(status=400), "400: the Receiver does not accept our signature or token"),
        (Flux(job=403), "GitHub gave no OIDC token for the job (403): it needs permissions: id-token: write"),
    ],
)
def test_what_keeps_a_poke_from_arriving_is_a_line(side: Flux, problem: str) -> None:
    line = poke(side, JOB, BY_OIDC)
    assert problem in line
    assert "job-secret" not in line
    assert "a.b.c" not in line


def test_a_host_that_is_away_is_a_line() -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    line = poke(away, {"BUMP_RECEIVER_TOKEN": "s3cret"}, BY_TOKEN)
    assert "flux.example.org cannot be reached: refused" in line
    assert "/hook/" not in line


def test_the_first_receiver_that_we_have_the_means_for_is_poked() -> None:
    side = Flux(token="s3cret")
    assert poke(side, {"BUMP_RECEIVER_TOKEN": "s3cret"}, BY_OIDC, BY_TOKEN) == ""
    assert len(side.requests) == 1


def test_without_means_that_is_said_and_without_a_receiver_nothing() -> None:
    side = Flux()
    assert poke(side, {}, BY_OIDC, BY_TOKEN) == (
        "Flux was not poked by Receiver flux-system/bump, which wants a job's OIDC token (permissions: id-token: write) or "
        "BUMP_RECEIVER_TOKEN: waiting for its interval"
    )
    assert poke(side, JOB) == ""
    assert side.requests == []


OTHER_SERVICES = {
    "Azure": "api://AzureADTokenExchange",
    "Azure US": "api://AzureADTokenExchangeUSGov",
    "Azure China": "api://AzureADTokenExchangeChina",
    "Azure in small letters": "api://azureadtokenexchange",
    "AWS": "sts.amazonaws.com",
    "AWS as a URL": "https://sts.amazonaws.com",
    "AWS China": "sts.amazonaws.com.cn",
    "Google": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
    "Google as a URL": "https://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
    "GitHub's default": "https://github.com/acme",
    "ACR": "https://containerregistry.azure.net",
    "Docker Hub": "https://hub.docker.com",
    "JFrog": "https://acme.jfrog.io",
    "Vault": "https://vault.example.org",
    "Vault by name": "vault",
    "PyPI": "pypi",
    "a package registry": "npm:packages.example",
    "Sigstore": "sigstore",
    "a cluster's API": "https://kubernetes.default.svc",
    "a name of our own": "ours",
    "the Receiver without its scheme": "flux.example.org",
    "the Receiver without TLS": "http://flux.example.org",
    "the Receiver at another port": f"{BASE}:8443",
    "a host that begins like it": f"{BASE}.evil.example",
    "a host that follows it": f"{BASE}@evil.example",
    "another path on it": f"{BASE}/hook/",
    "another letter": BASE.upper(),
    "a space": f"{BASE} ",
    "the default and more": "notification-controller,sts.amazonaws.com",
    "the default in capitals": "Notification-Controller",
}


@each_row("audience", OTHER_SERVICES.values(), ids=OTHER_SERVICES)
def test_a_token_for_another_service_is_never_asked_for(audience: str) -> None:
    side = Flux()
    assert poke(side, JOB, with_audience(audience)) == (
        f"Flux could not be poked by Receiver flux-system/bump (k8s/flux-system/receiver.yaml:9: audience: {audience.strip()!r} "
        f"is for another service, expected notification-controller or {BASE}: no token of the job is asked for it): "
        "waiting for its interval"
    )
    assert side.requests == []


@pytest.mark.parametrize(
    "audience",
    [
        "notification-controller",
        BASE,
        f"{BASE}/",
        f"{BASE}/hook/{hashlib.sha256(b'bumpflux-system').hexdigest()}",
    ],
)
def test_a_token_for_the_receivers_own_address_is(audience: str) -> None:
    side = Flux(audience=audience)
    assert poke(side, JOB, with_audience(audience)) == ""
    assert [request.url.host for request in side.requests] == ["job.example", "flux.example.org"]


@pytest.mark.parametrize("host", ["iam.googleapis.com", "sts.amazonaws.com", "vault.example.org"])
def test_a_route_that_claims_another_services_host_sends_the_token_there_alone(host: str) -> None:
    """Whoever wrote the tree gets nothing of it, not even by a redirect."""
    hosts = []

    def service(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        if request.url.host == "job.example":
            return httpx.Response(200, json={"value": "a.b.c"})
        return httpx.Response(307, headers={"Location": "https://evil.example/"})

    assert "it answered 307" in poke(service, JOB, with_audience(f"https://{host}", host))
    assert hosts == ["job.example", host]


def test_an_address_that_the_environment_names_counts_for_the_audience() -> None:
    changed = RECEIVER.replace("validations:", f"audience: {BASE}\n          validations:")
    (receiver,) = receivers.find(tree(receiver=changed), SOURCE, "https://elsewhere.example/flux/")
    assert "expected notification-controller or https://elsewhere.example" in poke(Flux(), JOB, receiver)


def test_no_token_goes_without_tls() -> None:
    side = Flux()
    plain = Receiver(KEY, HMAC, "http://flux.example.org", "k8s/receiver.yaml:1")
    assert "http://flux.example.org is not https" in poke(side, {"BUMP_RECEIVER_TOKEN": "s3cret"}, plain)
    job = {**JOB, "ACTIONS_ID_TOKEN_REQUEST_URL": "http://job.example/token"}
    assert "ACTIONS_ID_TOKEN_REQUEST_URL is not https" in poke(side, job, BY_OIDC)
    assert side.requests == []
