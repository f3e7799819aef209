"""Every rule on our own platform with one thing broken: exactly that finding, and none for a change that breaks nothing."""

from collections.abc import Mapping

import pytest
from checks import (
    DEPLOYMENT,
    FLUX,
    LIST,
    ROUTE,
    SERVICE,
    SITE,
    SYNC,
    added,
    changed,
    checked,
    found,
    only,
    platform,
    without,
)
from tables import each_row

from bumper.check import RULES

STORE_SYNC = f"{FLUX}/external-secrets-store-sync.yaml"
UMAMI = "k8s/umami"
STORE = "apiVersion: external-secrets.io/v1\nkind: ClusterSecretStore\nmetadata: {name: other}\n"
SCALER = "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: x, namespace: kevinryan-io}\n"
CERTIFICATE = """\
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: own, namespace: kevinryan-io}
spec: {secretName: own-tls}
"""
PATCH = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: umami, namespace: flux-system}\n"
SHARED = "namespace: default, annotations: {kustomize.toolkit.fluxcd.io/ssa: Merge}"
VOLUME = "      volumes: [{name: d, persistentVolumeClaim: {claimName: data}}]\n"
COMPONENTS = f"{FLUX}/gotk-components.yaml"
FREEZE = ".bump/freeze.yaml"
WINDOWS = "windows:\n"
WORKFLOW = ".github/workflows/deploy.yml"
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: kevinryan-io}\n"


def controller(name: str) -> str:
    return f"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  labels: {{}}\n  name: {name}\n  namespace: flux-system\n"


def workflow(events: str, step: str = "{run: bump --site web --sha $SHA}") -> str:
    return f"name: Deploy\non: {{{events}}}\njobs:\n  deploy:\n    steps:\n    - {step}\n"


def listing(*names: str) -> str:
    return "kind: Kustomization\nresources:\n" + "".join(f"- {name}.yaml\n" for name in names)


def components(*names: str) -> str:
    return "---\n".join(map(controller, names))


def test_our_own_platform_is_clean() -> None:
    assert found(platform()) == []


Case = tuple[str, Mapping[str, bytes], str]
BROKEN: dict[str, Case] = {
    "invalid-yaml": ("a bracket", changed(SERVICE, "targetPort: 8080", "targetPort: [8080"), f"{SERVICE}:14"),
    "duplicate-key": ("a second kind", changed(SERVICE, "kind: Service", "kind: Service\nkind: Service"), f"{SERVICE}:3"),
    "missing-path": ("a typo", changed(SYNC, "./k8s/kevinryan-io", "./k8s/kevinryanio"), f"{SYNC}:8"),
    "missing-resource": ("no sync file", without(SYNC), f"{LIST}:6"),
    "refused-build": (
        "a patch for nothing",
        changed(SYNC, "spec:\n", "spec:\n  patches: [{patch: '{apiVersion: v1, kind: Secret, metadata: {name: none}}'}]\n"),
        f"{SYNC}:7",
    ),
    "rewritten-value": (
        "a number for a tag",
        changed(LIST, "resources:\n", "images: [{name: none, newTag: 1.10}]\nresources:\n"),
        f"{LIST}:3",
    ),
    "unlisted-file": ("not on the list", changed(LIST, "  - kevinryan-io-sync.yaml\n", ""), f"{SYNC}:1"),
    "silence-unknown": ("a typo", changed(SERVICE, "kind: Service", "kind: Service # bump-check: ignore=typo"), f"{SERVICE}:2"),
    "depends-on-unknown": ("a typo", changed(STORE_SYNC, "- name: external-secrets", "- name: external"), f"{STORE_SYNC}:8"),
    "depends-on-cycle": (
        "each on the other",
        changed(f"{FLUX}/external-secrets-sync.yaml", "spec:\n", "spec:\n  dependsOn: [{name: umami}]\n"),
        f"{STORE_SYNC}:8",
    ),
    "source-unknown": (
        "a typo",
        changed("k8s/observability/loki.yaml", "name: grafana", "name: grafanas"),
        "k8s/observability/loki.yaml:14",
    ),
    "serves-invalid": (
        "proves no build",
        changed(SYNC, "  name: kevinryan-io\n", "  name: kevinryan-io\n  annotations:\n    bump/serves: /version text=ok\n"),
        f"{SYNC}:6",
    ),
    "suspended": ("left so", changed(SYNC, "spec:\n", "spec:\n  suspend: true\n"), f"{SYNC}:7"),
    "controller-missing": (
        "the platform document's own case",
        added({COMPONENTS: components("source-controller", "kustomize-controller")}),
        "k8s/external-secrets/helmrelease.yaml:2",
    ),
    "crd-deadlock": (
        "store and chart together",
        added({"k8s/external-secrets/store.yaml": STORE}),
        "k8s/external-secrets/store.yaml:2",
    ),
    "crd-unordered": (
        "no dependsOn",
        changed(STORE_SYNC, "  dependsOn:\n    - name: external-secrets\n", ""),
        "k8s/external-secrets-store/clustersecretstore.yaml:2",
    ),
    "crd-missing": (
        "another chart",
        added({f"{SITE}/scaler.yaml": SCALER}),
        f"{SITE}/scaler.yaml:2",
    ),
    "namespace-unset": ("left out", changed(SERVICE, "  namespace: kevinryan-io\n", ""), f"{SERVICE}:4"),
    "namespace-missing": (
        "a typo",
        added({f"{SITE}/config.yaml": CONFIG.replace("kevinryan-io", "kevinryan")}),
        f"{SITE}/config.yaml:3",
    ),
    "namespace-unordered": (
        "of another site",
        added({f"{SITE}/config.yaml": CONFIG.replace("kevinryan-io", "umami")}),
        f"{SITE}/config.yaml:3",
    ),
    "name-invalid": ("capitals", added({f"{SITE}/config.yaml": CONFIG.replace("settings", "Settings")}), f"{SITE}/config.yaml:3"),
    "duplicate-object": ("twice", added({f"{SITE}/config.yaml": f"{CONFIG}---\n{CONFIG}"}), f"{SITE}/config.yaml:7"),
    "two-owners": (
        "in two builds",
        added({f"{path}/config.yaml": CONFIG.replace("kevinryan-io", "default") for path in (SITE, UMAMI)}),
        f"{UMAMI}/config.yaml:3",
    ),
    "selector-mismatch": (
        "another label",
        changed(DEPLOYMENT, "matchLabels:\n      app: kevinryan-io", "matchLabels:\n      app: kevinryan"),
        f"{DEPLOYMENT}:9",
    ),
    "image-tag": ("latest", changed(DEPLOYMENT, "kevinryan-io:08a2c8e", "kevinryan-io:latest"), f"{DEPLOYMENT}:18"),
    "probe-missing": ("none", changed(DEPLOYMENT, "readinessProbe", "startupProbe"), f"{DEPLOYMENT}:17"),
    "limit-missing": ("no memory", changed(DEPLOYMENT, "              memory: 64Mi\n", ""), f"{DEPLOYMENT}:38"),
    "service-selects-nothing": ("another label", changed(SERVICE, "app: kevinryan-io", "app: kevinryan"), f"{SERVICE}:9"),
    "service-port": ("a name", changed(SERVICE, "targetPort: 8080", "targetPort: http"), f"{SERVICE}:13"),
    "service-port-undeclared": ("a number", changed(SERVICE, "targetPort: 8080", "targetPort: 8081"), f"{SERVICE}:13"),
    "route-service": ("a typo", changed(ROUTE, "        - name: kevinryan-io", "        - name: kevinryan"), f"{ROUTE}:13"),
    "route-port": ("another port", changed(ROUTE, "port: 80", "port: 8080"), f"{ROUTE}:13"),
    "host-twice": ("of another site", changed(ROUTE, "www.kevinryan.io", "SpecMCP.ai"), "k8s/specmcp-ai/ingress.yaml:10"),
    "secret-missing": (
        "a typo",
        changed(f"{UMAMI}/deployment.yaml", "name: umami-db", "name: umami-database"),
        f"{UMAMI}/deployment.yaml:24",
    ),
    "secret-by-hand": (
        "where none is made",
        changed(DEPLOYMENT, "          ports:\n", "          envFrom: [{secretRef: {name: password}}]\n          ports:\n"),
        f"{DEPLOYMENT}:19",
    ),
    "configmap-missing": (
        "never made",
        changed(DEPLOYMENT, "          ports:\n", "          envFrom: [{configMapRef: {name: settings}}]\n          ports:\n"),
        f"{DEPLOYMENT}:19",
    ),
    "claim-missing": (
        "never made",
        changed(DEPLOYMENT, "      containers:\n", VOLUME + "      containers:\n"),
        f"{DEPLOYMENT}:16",
    ),
    "account-missing": (
        "never made",
        changed(DEPLOYMENT, "      containers:\n", "      serviceAccountName: web\n      containers:\n"),
        f"{DEPLOYMENT}:16",
    ),
    "store-missing": (
        "a typo",
        changed(f"{UMAMI}/externalsecret.yaml", "name: azure-keyvault", "name: azure-vault"),
        f"{UMAMI}/externalsecret.yaml:10",
    ),
    "freeze-unreadable": (
        "no reason",
        added({FREEZE: f"{WINDOWS}- {{name: x, sites: [umami]}}\n"}),
        f"{FREEZE}:2",
    ),
    "freeze-nobody": (
        "a site that is none",
        added({FREEZE: f"{WINDOWS}- {{name: x, reason: y, sites: [umami, unami]}}\n"}),
        f"{FREEZE}:2",
    ),
    "freeze-built": (
        "a Kustomization of everything",
        {**changed(f"{FLUX}/umami-sync.yaml", "path: ./k8s/umami", "path: ./.bump"), FREEZE: b"windows: []\n"},
        f"{FREEZE}:1",
    ),
    "workflow-loop": ("on any push", added({WORKFLOW: workflow("push: {branches: [main]}")}), f"{WORKFLOW}:2"),
}  # fmt: skip


@each_row("identity", RULES)
def test_a_broken_platform_has_that_one_finding(identity: str) -> None:
    case = BROKEN.get(identity)
    assert case, f"no case breaks {identity}"
    finding = only(case[1])
    assert (finding.id, finding.place) == (identity, case[2])
    assert finding.severity is RULES[identity].severity
    assert finding.message
    assert "\n" not in finding.message


@each_row("identity", BROKEN)
def test_it_is_silenced_by_its_id(identity: str) -> None:
    assert checked(BROKEN[identity][1], identity).findings == ()


NOOP: dict[str, Mapping[str, bytes]] = {
    "freeze windows of a site, of an environment and of all": added(
        {
            FREEZE: f"{WINDOWS}- {{name: x, reason: y, sites: [umami], environments: [k8s]}}\n"
            "- {name: z, reason: y, sites: '*', allow: [{reason: fine, environments: [umami]}]}\n"
        }
    ),
    "a comment": changed(SERVICE, "kind: Service", "kind: Service # a [bracket"),
    "a file that the list names in a comment": changed(LIST, "  - kevinryan-io-sync.yaml", "  # - kevinryan-io-sync.yaml"),
    "chart values beside the list": added({f"{FLUX}/values.yaml": "replicas: 2\n"}),
    "a patch file beside the list": added(
        {
            LIST: platform()[LIST].decode() + "patches:\n  - path: patch.yaml\n",
            f"{FLUX}/patch.yaml": PATCH,
        }
    ),
    "a patch file that another directory lists": added(
        {
            f"{SITE}/kustomization.yaml": listing("deployment", "ingress", "namespace", "service"),
            f"{SITE}/patch.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: umami, namespace: umami, labels: {a: b}}\n",
            f"{UMAMI}/kustomization.yaml": listing("deployment", "externalsecret", "ingress", "namespace", "service")
            + "patches: [{path: ../kevinryan-io/patch.yaml}]\n",
        }
    ),
    "a dependency by namespace": changed(
        STORE_SYNC, "- name: external-secrets", "- name: external-secrets\n      namespace: flux-system"
    ),
    "suspend: false": changed(SYNC, "spec:\n", "spec:\n  suspend: false\n"),
    "all controllers": added({COMPONENTS: components("source-controller", "kustomize-controller", "helm-controller")}),
    "the sandbox's stand-in": added({COMPONENTS: "apiVersion: v1\nkind: Namespace\nmetadata: {name: flux-system}\n"}),
    "a namespace from targetNamespace": added(
        {SYNC: platform()[SYNC].decode() + "  targetNamespace: kevinryan-io\n"},
        changed(SERVICE, "  namespace: kevinryan-io\n", ""),
    ),
    "one name in two namespaces": added({f"{SITE}/config.yaml": f"{CONFIG}---\n{CONFIG.replace('kevinryan-io', 'default')}"}),
    "what is meant to be shared": added(
        {
            f"{path}/config.yaml": CONFIG.replace("namespace: kevinryan-io", SHARED)
            for path in (SITE, UMAMI)
        }
    ),
    "a digest": changed(DEPLOYMENT, "kevinryan-io:08a2c8e", f"kevinryan-io@sha256:{'c0' * 32}"),
    "latest in a name": changed(DEPLOYMENT, "kevinryan-io:08a2c8e", "kevinryan-io:latest-1"),
    "a port by name": changed(
        SERVICE, "targetPort: 8080", "targetPort: web"
    ) | {DEPLOYMENT: platform()[DEPLOYMENT].replace(b"- containerPort: 8080", b"- containerPort: 8080\n              name: web")},
    "a route by the port's name": changed(ROUTE, "port: 80", "port: http"),
    "one host with another path": changed(ROUTE, "Host(`www.kevinryan.io`)", "Host(`specmcp.ai`) && PathPrefix(`/about`)"),
    "an optional secret": changed(f"{UMAMI}/deployment.yaml", "name: umami-db", "name: maybe\n                optional: true"),
    "a secret that a Certificate makes": added(
        {f"{SITE}/certificate.yaml": CERTIFICATE},
        changed(ROUTE, "tls: {}", "tls: {secretName: own-tls}"),
    ),
}  # fmt: skip


@each_row("change", NOOP)
def test_a_change_that_breaks_nothing_finds_nothing(change: str) -> None:
    ignored = {"crd-missing"} if "Certificate" in change else set()
    assert checked(NOOP[change], *ignored).findings == ()


def test_a_calendar_that_deploys_take_for_closed_is_found() -> None:
    assert only(added({".bump/freeze.yml": "windows: []\n"})).id == "freeze-unreadable"


@pytest.mark.parametrize(
    ("events", "step"),
    [
        ("push", "{run: bump web --sha $SHA}"),
        ("push: ", "{uses: ./.github/workflows/deploy-site.yml}"),
        ("push: {tags: [v1], branches: [main]}", "{uses: acme/platform/bump@v1}"),
        ("pull_request: , push: {branches-ignore: [x]}", "{run: 'make && bump --set web=$SHA'}"),
        ("push: ", "{uses: acme/bump@v1, with: {skip-ci: 'false'}}"),
    ],
)
def test_a_workflow_that_a_deploy_starts_again(events: str, step: str) -> None:
    assert only(added({WORKFLOW: workflow(events, step)})).id == "workflow-loop"


@pytest.mark.parametrize(
    ("events", "step"),
    [
        ("pull_request: ", "{run: bump web --sha $SHA}"),
        ("push: {paths: [src/**]}", "{run: bump web --sha $SHA}"),
        ("push: {paths-ignore: [k8s/**]}", "{run: bump web --sha $SHA}"),
        ("push: {tags: [v1]}", "{run: bump web --sha $SHA}"),
        ("push: ", "{run: bump check --strict}"),
        ("push: ", "{run: make test}"),
        ("push: ", "{run: bump web --sha $SHA --skip-ci}"),
        ("push: ", "{run: 'bump web --sha $SHA --message \"{change} [no ci]\"'}"),
        ("push: ", "{uses: acme/bump@v1, with: {skip-ci: 'true'}}"),
        ("push: ", "{uses: acme/bumper@v1}"),
        ("push: [", "{run: bump web --sha $SHA}"),  # no YAML: GitHub does not take it either
    ],
)
def test_a_workflow_that_none_starts(events: str, step: str) -> None:
    assert found(added({WORKFLOW: workflow(events, step)})) == []
