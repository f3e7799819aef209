"""The manifests by which Flux speaks to GitHub: whole files, from trees of several kinds."""

from pathlib import Path

import pytest
from trees import MemoryTree, flux

from bumper.errors import BumpError, Refused, TreeMissing, UsageError
from bumper.fluxtree.sites import receivers
from bumper.manifest.document import documents
from bumper.objects import ObjectKey
from bumper.onboarding.notifications import NotificationsAddition, NotificationsRequest, plan
from bumper.request import Origin

K8S = Path(__file__).parents[2] / "k8s"
SOURCE = """
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: flux-system, namespace: flux-system}
spec: {interval: 1m0s, url: URL, ref: {branch: main}}
"""
DIRECTORY = "clusters/one/flux-system"
LISTING = f"{DIRECTORY}/kustomization.yaml"
FILE = f"{DIRECTORY}/notifications.yaml"
INGRESS = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  annotations: {cert-manager.io/cluster-issuer: public}
spec:
  ingressClassName: nginx
  tls: [{hosts: [web.example.org], secretName: web-tls}]
  rules: []
"""
HTTP_ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{name: public, namespace: gateways, port: 443}]
  hostnames: [web.example.org]
"""


def tree(
    *,
    url: str = "https://github.com/Acme/platform.git",
    listing: str = "resources: [gotk-sync.yaml, web.yaml]\n",
    web: str = "",
) -> MemoryTree:
    files = {
        f"{DIRECTORY}/gotk-sync.yaml": SOURCE.replace("URL", url)
        + "---\n"
        + flux("flux-system", f"./{DIRECTORY}"),
        f"{DIRECTORY}/web.yaml": web or flux("web", "./apps/web"),
    }
    return MemoryTree({**files, **({LISTING: listing} if listing else {})})


def added(given: MemoryTree, wanted: NotificationsRequest) -> NotificationsAddition:
    return plan("f" * 40, given, wanted, Origin(requested_by="eve"))


def written(addition: NotificationsAddition, path: str = FILE) -> str:
    content = addition.files[path][1]
    assert content is not None
    return content.decode()


def test_flux_tells_github_of_every_kustomization() -> None:
    addition = added(tree(), NotificationsRequest())
    assert written(addition) == (
        """\
apiVersion: notification.toolkit.fluxcd.io/v1beta3
kind: Provider
metadata:
  name: bump
  namespace: flux-system
spec:
  type: github
  address: https://github.com/Acme/platform
  secretRef:
    name: github-status
---
apiVersion: notification.toolkit.fluxcd.io/v1beta3
kind: Alert
metadata:
  name: bump
  namespace: flux-system
spec:
  providerRef:
    name: bump
  eventSeverity: info
  eventSources:
    - kind: Kustomization
      name: "*"
"""
    )
    assert written(addition, LISTING) == "resources: [gotk-sync.yaml, web.yaml, notifications.yaml]\n"
    assert addition.files[FILE][0] is None


def test_a_host_adds_a_webhook_that_needs_no_secret() -> None:
    addition = added(tree(), NotificationsRequest(host="flux.example.org"))
    assert """\
kind: Receiver
metadata:
  name: bump
  namespace: flux-system
spec:
  type: generic-oidc
  oidcProviders:
    - issuerURL: https://token.actions.githubusercontent.com
      validations:
        - expression: claims.repository_owner.lowerAscii() == 'acme'
          message: only workflows of Acme
  resources:
    - apiVersion: source.toolkit.fluxcd.io/v1
      kind: GitRepository
      name: flux-system
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: bump
  namespace: flux-system
spec:
  rules:
    - host: flux.example.org
      http:
        paths:
          - path: /hook/
            pathType: Prefix
            backend:
              service:
                name: webhook-receiver
                port:
                  number: 80
""" in written(addition)


@pytest.mark.parametrize(
    ("web", "expected"),
    [
        (
            INGRESS,
            """\
  annotations:
    cert-manager.io/cluster-issuer: public
spec:
  ingressClassName: nginx
  tls:
    - hosts:
        - flux.example.org
      secretName: webhook-receiver-tls
  rules:
""",
        ),
        (
            HTTP_ROUTE,
            """\
spec:
  parentRefs:
    - name: public
      namespace: gateways
      port: 443
  hostnames:
    - flux.example.org
  rules:
    - matches:
        - path:
            type: PathPrefix
            value: /hook/
      backendRefs:
        - name: webhook-receiver
          port: 80
""",
        ),
    ],
)
def test_the_route_is_made_like_the_others_of_the_tree(web: str, expected: str) -> None:
    assert expected in written(added(tree(web=web), NotificationsRequest(host="flux.example.org")))


@pytest.mark.parametrize("secret", ["", "poke"])
@pytest.mark.parametrize("web", ["", INGRESS, HTTP_ROUTE])
def test_what_is_written_is_found_again(web: str, secret: str) -> None:
    before = tree(web=web)
    addition = added(before, NotificationsRequest(host="flux.example.org", receiver_secret=secret))
    after = MemoryTree(
        {**before.files, **{path: content or b"" for path, (_, content) in addition.files.items()}}
    )
    (receiver,) = receivers.find(after, ObjectKey("GitRepository", "flux-system", "flux-system"))
    assert receiver.base.partition("://")[2] == "flux.example.org"
    assert receiver.kind == ("generic-hmac" if secret else "generic-oidc")
    with pytest.raises(Refused, match="posts to GitHub already"):
        added(after, NotificationsRequest())


def test_our_own_tree_takes_it_in_the_style_of_its_list() -> None:
    files = {
        str(path.relative_to(K8S.parent)): path.read_bytes() for path in K8S.rglob("*") if path.is_file()
    }
    addition = added(MemoryTree(files), NotificationsRequest(host="flux.example.org"))
    path = "k8s/flux-system/kustomization.yaml"
    assert addition.files[path] == (files[path], files[path] + b"  - notifications.yaml\n")
    kinds = [
        document.key.kind
        for document in documents(addition.files["k8s/flux-system/notifications.yaml"][1], "x")
    ]
    assert kinds == ["Provider", "Alert", "Receiver", "IngressRoute"]


def test_without_a_kustomization_flux_finds_the_file_itself() -> None:
    assert set(added(tree(listing=""), NotificationsRequest()).files) == {FILE}


def test_who_may_poke_can_be_named() -> None:
    text = written(added(tree(), NotificationsRequest(host="flux.example.org", owners=("Acme", "Other"))))
    assert (
        "claims.repository_owner.lowerAscii() == 'acme' || claims.repository_owner.lowerAscii() == 'other'"
        in text
    )


def test_a_secret_makes_it_a_webhook_with_signatures() -> None:
    addition = added(tree(), NotificationsRequest(host="flux.example.org", receiver_secret="poke"))
    assert "  type: generic-hmac\n  secretRef:\n    name: poke\n" in written(addition)
    assert any("BUMP_RECEIVER_TOKEN" in step for step in addition.steps)


@pytest.mark.parametrize(
    ("given", "error", "problem"),
    [
        (MemoryTree({}), TreeMissing, "no Flux tree"),
        (tree(url="ssh://git@host/one/two/three"), UsageError, f"{DIRECTORY}/gotk-sync.yaml:5"),
        (
            MemoryTree({**tree().files, FILE: b"kind: Other\n"}),
            Refused,
            f"{FILE} is there already",
        ),
    ],
)
def test_what_cannot_be_added_is_refused(given: MemoryTree, error: type[BumpError], problem: str) -> None:
    with pytest.raises(error) as caught:
        added(given, NotificationsRequest())
    assert problem in caught.value.message
