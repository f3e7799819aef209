"""Where something that the files do not show decides, nothing is reported: each case beside the same break without it."""

from collections.abc import Mapping

import pytest
from checks import DEPLOYMENT, FLUX, ROUTE, SERVICE, SITE, SYNC, added, changed, found, platform

NO_SERVICE = changed(ROUTE, "        - name: kevinryan-io", "        - name: other")
NO_SECRET = changed(
    DEPLOYMENT, "          ports:\n", "          envFrom: [{secretRef: {name: password}}]\n          ports:\n"
)
NO_PODS = changed(SERVICE, "app: kevinryan-io", "app: other")
BREAKS = {"route-service": NO_SERVICE, "secret-by-hand": NO_SECRET, "service-selects-nothing": NO_PODS}

RELEASE = """\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: chart, namespace: kevinryan-io}
spec: {chart: {spec: {chart: any, sourceRef: {kind: HelmRepository, name: grafana, namespace: observability}}}}
"""
OPERATED = "apiVersion: example.org/v1\nkind: Site\nmetadata: {name: it, namespace: kevinryan-io}\n"
EVERYWHERE = "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: it}\n"


FAR = (
    platform()[SYNC]
    .decode()
    .replace("name: kevinryan-io", "name: far")
    .replace("name: flux-system", "name: other")
)
JSON_PATCH = """\
patches:
- target: {kind: Deployment}
  patch: |
    - op: replace
      path: /spec/template/spec/containers/0/image
      value: web:1.0
"""


def kustomized(*lines: str) -> str:
    names = ["deployment", "ingress", "namespace", "service"]
    return "\n".join(["kind: Kustomization", "resources:", *(f"- {name}.yaml" for name in names), *lines, ""])


HIDES: dict[str, Mapping[str, str]] = {
    "a chart in the namespace": {f"{SITE}/release.yaml": RELEASE},
    "a chart that is aimed at the namespace": {
        "k8s/observability/release.yaml": RELEASE.replace("namespace: kevinryan-io", "namespace: observability").replace(
            "spec: {", "spec: {targetNamespace: kevinryan-io, ", 1
        )
    },
    "an operator's object in the namespace": {f"{SITE}/site.yaml": OPERATED},
    "a policy that may make objects anywhere": {f"{SITE}/policy.yaml": EVERYWHERE},
    "a remote base": {f"{SITE}/kustomization.yaml": kustomized("- https://example.org/base.yaml")},
    "a generator": {f"{SITE}/kustomization.yaml": kustomized("generators: [made.yaml]"), f"{SITE}/made.yaml": "a: 1\n"},
    "a chart that kustomize inflates": {f"{SITE}/kustomization.yaml": kustomized("helmCharts: [{name: web}]")},
    "a build from another repository": {
        f"{SITE}/sync.yaml": FAR,
        f"{SITE}/source.yaml": "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\n"
        "metadata: {name: other, namespace: flux-system}\nspec: {url: 'https://git.example/other.git'}\n",
    },
}  # fmt: skip


@pytest.mark.parametrize("identity", BREAKS)
@pytest.mark.parametrize("hiding", HIDES)
def test_what_is_hidden_may_be_there(identity: str, hiding: str) -> None:
    assert identity in dict(found(BREAKS[identity]))
    assert identity not in dict(found(added(HIDES[hiding], BREAKS[identity])))


@pytest.mark.parametrize("identity", BREAKS)
def test_what_hides_in_another_namespace_hides_nothing_here(identity: str) -> None:
    elsewhere = {"k8s/umami/release.yaml": RELEASE.replace("namespace: kevinryan-io", "namespace: umami")}
    assert identity in dict(found(added(elsewhere, BREAKS[identity])))


def test_a_patched_field_is_not_judged_and_its_neighbour_is() -> None:
    latest = changed(DEPLOYMENT, "kevinryan-io:08a2c8e", "kevinryan-io:latest")
    assert found(latest) == [("image-tag", f"{DEPLOYMENT}:18")]
    assert found(added({f"{SITE}/kustomization.yaml": kustomized() + JSON_PATCH}, latest)) == []
    other = JSON_PATCH.replace("kind: Deployment", "kind: Deployment, name: api")
    assert found(added({f"{SITE}/kustomization.yaml": kustomized() + other}, latest)) == [
        ("image-tag", f"{DEPLOYMENT}:18")
    ]


def test_a_patch_of_the_parent_reaches_into_the_build() -> None:
    latest = changed(DEPLOYMENT, "kevinryan-io:08a2c8e", "kevinryan-io:latest")
    root = latest[f"{FLUX}/kustomization.yaml"].decode()
    inner = (
        "- target: {kind: Deployment}\n        patch: |\n          spec: {template: {spec: {containers: []}}}"
    )
    patch = (
        f"patches:\n- target: {{kind: Kustomization}}\n  patch: |\n    spec:\n      patches:\n      {inner}\n"
    )
    assert found(added({f"{FLUX}/kustomization.yaml": root + patch}, latest)) == []


def test_images_of_a_kustomization_decide_the_tag() -> None:
    untagged = changed(DEPLOYMENT, "kevinryan-io:08a2c8e", "kevinryan-io")
    entry = "images:\n- name: kevinryanacr.azurecr.io/kevinryan-io\n  newTag: 08a2c8e\n"
    assert found(untagged) == [("image-tag", f"{DEPLOYMENT}:18")]
    assert found(added({f"{SITE}/kustomization.yaml": kustomized() + entry}, untagged)) == []
    latest = entry.replace("08a2c8e", "latest")
    assert found(added({f"{SITE}/kustomization.yaml": kustomized() + latest})) == [
        ("image-tag", f"{DEPLOYMENT}:18")
    ]


def test_a_substitution_is_not_judged() -> None:
    assert found(changed(DEPLOYMENT, "kevinryan-io:08a2c8e", "kevinryan-io:${TAG}")) == []
    assert found(changed(ROUTE, "        - name: kevinryan-io", "        - name: ${NAME}")) == []
    assert found(changed(SYNC, "./k8s/kevinryan-io", "./k8s/${NAME}")) == []


def test_names_and_namespaces_are_those_after_the_overlays() -> None:
    moved = {f"{SITE}/kustomization.yaml": kustomized("namespace: kevinryan-io", "nameSuffix: -2")}
    service = changed(SERVICE, "  namespace: kevinryan-io\n", "")
    # The route refers to the name without the suffix, which kustomize puts right for some kinds and not for others.
    assert found(added(moved, service)) == []


def test_a_generated_config_map_is_there() -> None:
    uses = changed(
        DEPLOYMENT,
        "          ports:\n",
        "          envFrom: [{configMapRef: {name: settings}}]\n          ports:\n",
    )
    generator = kustomized(
        "namespace: kevinryan-io", "configMapGenerator: [{name: settings, literals: [a=b]}]"
    )
    assert found(uses) == [("configmap-missing", f"{DEPLOYMENT}:19")]
    assert found(added({f"{SITE}/kustomization.yaml": generator}, uses)) == []


def test_two_clusters_are_two() -> None:
    both = {
        path.replace("k8s/", f"{cluster}/", 1): content.replace(b"./k8s/", f"./{cluster}/".encode())
        for cluster in ("east", "west")
        for path, content in platform().items()
    }
    assert found(both) == []
    broken = {
        **both,
        "west/flux-system/kevinryan-io-sync.yaml": platform()[SYNC].replace(
            b"./k8s/kevinryan-io", b"./west/web"
        ),
    }
    assert found(broken) == [("missing-path", "west/flux-system/kevinryan-io-sync.yaml:8")]
