"""k8s/ holds together. Every check is also shown broken copies of it, and must complain about each."""

from pathlib import Path

import k8s_checks
import pytest
from k8s_checks import Check, Tree
from tables import each_row

K8S = Path(__file__).parent.parent / "k8s"
FILES = {
    path.relative_to(K8S.parent).as_posix(): path.read_bytes()
    for path in sorted(K8S.rglob("*"))
    if path.is_file()
}
SITES = {
    "kevinryan-io": ["kevinryan.io", "www.kevinryan.io"],
    "brand-kevinryan-io": ["brand.kevinryan.io"],
    "aiimmigrants-com": ["aiimmigrants.com", "www.aiimmigrants.com"],
    "specmcp-ai": ["specmcp.ai", "www.specmcp.ai"],
    "sddbook-com": ["sddbook.com", "www.sddbook.com"],
    "distributedequity-org": ["distributedequity.org", "www.distributedequity.org"],
    "docs-kevinryan-io": ["docs.kevinryan.io"],
}
OTHER_HOSTS = {"umami": ["analytics.kevinryan.io"], "observability": ["monitoring.kevinryan.io"]}


@pytest.fixture(scope="module")
def tree() -> Tree:
    return k8s_checks.parse(FILES)


@pytest.mark.parametrize("check", k8s_checks.CHECKS, ids=lambda check: check.__name__)
def test_the_tree_passes(check: Check, tree: Tree) -> None:
    assert list(check(tree)) == []


def test_the_root_lists_what_the_platform_consists_of_in_this_order(tree: Tree) -> None:
    assert tree.value("Kustomization", "flux-system", "spec.path") == "./k8s/flux-system"
    listing = next(
        document for document in tree.documents if document.path == "k8s/flux-system/kustomization.yaml"
    )
    assert listing.body["resources"] == [
        "gotk-components.yaml",
        "gotk-sync.yaml",
        "kevinryan-io-sync.yaml",
        "brand-kevinryan-io-sync.yaml",
        "aiimmigrants-com-sync.yaml",
        "specmcp-ai-sync.yaml",
        "sddbook-com-sync.yaml",
        "distributedequity-org-sync.yaml",
        "docs-kevinryan-io-sync.yaml",
        "external-secrets-sync.yaml",
        "external-secrets-store-sync.yaml",
        "umami-sync.yaml",
        "observability-sync.yaml",
    ]


def test_dependencies_are_those_of_the_platform(tree: Tree) -> None:
    depends = {
        kustomization.name: kustomization.spec["dependsOn"]
        for kustomization in tree.of("Kustomization")
        if "dependsOn" in kustomization.spec
    }
    assert depends == {
        "external-secrets-store": [{"name": "external-secrets"}],
        "umami": [{"name": "external-secrets-store"}],
        "observability": [{"name": "external-secrets-store"}],
    }
    assert tree.value("Kustomization", "external-secrets", "spec.wait") is True


def test_every_site_has_its_hosts(tree: Tree) -> None:
    assert k8s_checks.hosts(tree) == {f"k8s/{name}": hosts for name, hosts in (SITES | OTHER_HOSTS).items()}


@pytest.mark.parametrize("site", SITES)
def test_a_site_is_four_plain_files_around_one_container(site: str, tree: Tree) -> None:
    files = {
        document.path.rpartition("/")[2]: document
        for document in tree.documents
        if document.directory == f"k8s/{site}"
    }
    assert {name: document.kind for name, document in files.items()} == {
        "namespace.yaml": "Namespace",
        "deployment.yaml": "Deployment",
        "service.yaml": "Service",
        "ingress.yaml": "IngressRoute",
    }
    assert {document.name for document in files.values()} == {site}
    deployment = files["deployment.yaml"].spec
    container = deployment["template"]["spec"]["containers"][0]
    assert deployment["replicas"] == 1
    assert container["name"] == site
    assert container["image"].partition(":")[0] == f"kevinryanacr.azurecr.io/{site}"
    assert files["service.yaml"].spec["ports"] == [{"name": "http", "port": 80, "targetPort": 8080}]


def test_two_dashboards_are_there(tree: Tree) -> None:
    assert {board["title"] for _, board in k8s_checks.dashboards(tree)} == {"Flux CD", "Platform Overview"}


FLUX = "k8s/flux-system"
WEB = "k8s/kevinryan-io"
WATCH = "k8s/observability"
# check, file, text there, what replaces it (None: the file goes), what the complaint must say
BREAKS: list[tuple[str, str, str, str | None, str]] = [
    ("paths_exist", f"{FLUX}/umami-sync.yaml", "./k8s/umami", "./k8s/unami", "which does not exist"),
    ("paths_exist", f"{FLUX}/umami-sync.yaml", "", None, "k8s/umami: no Kustomization"),
    ("resources_are_listed", f"{FLUX}/umami-sync.yaml", "", None, "umami-sync.yaml does not exist"),
    (
        "resources_are_listed",
        f"{FLUX}/kustomization.yaml",
        "  - umami-sync.yaml\n",
        "",
        "umami-sync.yaml is not",
    ),
    (
        "resources_are_listed",
        f"{FLUX}/kustomization.yaml",
        "  - gotk-components.yaml #",
        "  #",
        "gotk-components.yaml is",
    ),
    ("resources_are_listed", f"{FLUX}/kustomization.yaml", "- umami-", "- observability-", "is listed twice"),
    (
        "kustomizations_agree",
        f"{FLUX}/umami-sync.yaml",
        "    name: flux-system",
        "    name: flux",
        "does not exist: flux",
    ),
    (
        "kustomizations_agree",
        f"{FLUX}/umami-sync.yaml",
        "namespace: flux-system",
        "namespace: umami",
        "namespace umami",
    ),
    (
        "kustomizations_agree",
        f"{FLUX}/umami-sync.yaml",
        "  name: umami",
        "  name: stats",
        "expected ./k8s/stats",
    ),
    (
        "kustomizations_agree",
        f"{FLUX}/umami-sync.yaml",
        "  name: umami",
        "  name: stats",
        "expected in stats-sync",
    ),
    ("kustomizations_agree", f"{FLUX}/umami-sync.yaml", "prune: true", "prune: false", "must prune"),
    (
        "dependencies_are_sound",
        f"{FLUX}/umami-sync.yaml",
        "external-secrets-store",
        "vault",
        "depends on vault",
    ),
    (
        "dependencies_are_sound",
        f"{FLUX}/external-secrets-sync.yaml",
        "spec:\n",
        "spec:\n  dependsOn: [{name: external-secrets-store}]\n",
        "external-secrets, external-secrets-store, observability, umami",
    ),
    ("objects_are_unique", f"{FLUX}/umami-sync.yaml", "  name: umami", "  name: observability", "stands in"),
    (
        "namespaces_agree",
        f"{WEB}/service.yaml",
        "namespace: kevinryan-io",
        "namespace: umami",
        "namespace umami",
    ),
    ("namespaces_agree", f"{WEB}/namespace.yaml", "", None, "makes []"),
    ("namespaces_agree", f"{WEB}/namespace.yaml", "  name:", "  namespace: x\n  name:", "has no namespace"),
    (
        "wiring_agrees",
        f"{WEB}/deployment.yaml",
        "matchLabels:\n      app: kevin",
        "matchLabels:\n      app: k",
        "selector",
    ),
    ("wiring_agrees", f"{WEB}/deployment.yaml", "port: 8080", "port: 8081", "livenessProbe asks port 8081"),
    ("wiring_agrees", f"{WEB}/service.yaml", "app: kevinryan-io", "app: web", "selects {'app': 'web'}"),
    ("wiring_agrees", f"{WEB}/service.yaml", "targetPort: 8080", "targetPort: 80", "leads to port 80"),
    (
        "wiring_agrees",
        f"{WEB}/ingress.yaml",
        "port: 80",
        "port: 8080",
        "no Service kevinryan-io with port 8080",
    ),
    ("wiring_agrees", f"{WEB}/ingress.yaml", "tls: {}", "tls: {secretName: web}", "default TLS options"),
    (
        "hosts_are_unique",
        f"{WEB}/ingress.yaml",
        "www.kevinryan.io",
        "brand.kevinryan.io",
        "is routed 2 times",
    ),
    (
        "built_in_kinds_validate",
        f"{WEB}/deployment.yaml",
        "replicas: 1",
        'replicas: "1"',
        "is not of type 'integer'",
    ),
    (
        "built_in_kinds_validate",
        f"{WEB}/deployment.yaml",
        "readinessProbe",
        "readynessProbe",
        "'readynessProbe' was",
    ),
    ("built_in_kinds_validate", f"{WEB}/service.yaml", "selector:", "selectors:", "'selectors' was"),
    (
        "releases_agree",
        f"{WATCH}/loki.yaml",
        "name: grafana-community",
        "name: loki",
        "no HelmRepository loki",
    ),
    (
        "releases_agree",
        f"{WATCH}/loki.yaml",
        "name: grafana-community",
        "name: grafana",
        "what is known of it from",
    ),
    ("releases_agree", f"{WATCH}/loki.yaml", '<19.0.0"', '<20.0.0"', "next major release"),
    ("releases_agree", f"{WATCH}/victoria-metrics.yaml", "<1.0.0", "<0.73.0", "next major release"),
    ("releases_agree", f"{WATCH}/grafana.yaml", ">=12.11.1", ">=12.0.0", "begins elsewhere than at 12.11.1"),
    (
        "releases_agree",
        "k8s/external-secrets/helmrelease.yaml",
        "retries: 3",
        "retries: 0",
        "is not tried again",
    ),
    (
        "releases_agree",
        f"{WATCH}/grafana.yaml",
        "role: observability",
        "role: web",
        "values.nodeSelector must be",
    ),
    (
        "releases_agree",
        f"{WATCH}/promtail.yaml",
        "    tolerations:\n",
        "    nodeSelector:\n      role: observability\n    tolerations:\n",
        "keeps it from the nodes that sites run on",
    ),
    ("secrets_agree", "k8s/umami/externalsecret.yaml", "{{ .pg_fqdn }}", "{{ .pg_host }}", "pg_host"),
    (
        "secrets_agree",
        "k8s/umami/externalsecret.yaml",
        "azure-keyvault",
        "vault",
        "no ClusterSecretStore vault",
    ),
    (
        "secrets_agree",
        "k8s/umami/deployment.yaml",
        "name: umami-db",
        "name: umami",
        "no ExternalSecret makes umami",
    ),
    (
        "secrets_agree",
        f"{WATCH}/grafana.yaml",
        "passwordKey: GF_SECURITY_ADMIN_",
        "passwordKey: ",
        "administrator",
    ),
    (
        "addresses_agree",
        f"{WATCH}/loki.yaml",
        "fullnameOverride: loki",
        "fullnameOverride: logs",
        "a release makes the Service logs",
    ),
    ("addresses_agree", f"{WATCH}/promtail.yaml", "http://loki.", "http://logs.", "promtail: pushes"),
    ("addresses_agree", f"{WATCH}/grafana.yaml", "http://loki.", "http://logs.", "the charts make"),
    ("addresses_agree", f"{WATCH}/victoria-metrics.yaml", 'port: "8428"', 'port: "8429"', "another port"),
    (
        "reconciliations_of_all_controllers_are_counted",
        f"{WATCH}/dashboard-flux-cd.yaml",
        "|release in-sync with desired state",
        "",
        "does not count the lines with 'release in-sync",
    ),
    ("logs_are_kept_31_days", f"{WATCH}/loki.yaml", "744h", "31h", "expected 31 days"),
    (
        "logs_are_kept_31_days",
        f"{WATCH}/loki.yaml",
        "retention_enabled: true",
        "retention_enabled: false",
        "nothing",
    ),
    ("dashboards_are_sound", f"{WATCH}/grafana.yaml", "uid: loki", "uid: logs", "asks data source loki"),
    ("dashboards_are_sound", f"{WATCH}/dashboard-flux-cd.yaml", '"tags": [', '"tags": [,', "not JSON"),
    (
        "dashboards_are_sound",
        f"{WATCH}/dashboard-flux-cd.yaml",
        '"uid": "flux-cd"',
        '"uid": "flux"',
        "as uid",
    ),
    ("dashboards_are_sound", f"{WATCH}/dashboard-flux-cd.yaml", '"id": 2,', '"id": 1,', "the same id"),
    ("dashboards_are_sound", f"{WATCH}/dashboard-flux-cd.yaml", "[$__auto]))", "[$__auto])", "do not pair"),
    (
        "dashboards_are_sound",
        f"{WATCH}/dashboard-flux-cd.yaml",
        "$controller",
        "$app",
        "unknown variables ['app']",
    ),
    (
        "dashboards_are_sound",
        f"{WATCH}/dashboard-flux-cd.yaml",
        '"instant"',
        '"range"',
        "a stat panel cannot show",
    ),
    (
        "config_maps_are_dashboards",
        f"{WATCH}/dashboard-flux-cd.yaml",
        'dashboard: "1"',
        'dashboard: "2"',
        "the label",
    ),
]


@each_row(("check", "path", "old", "new", "complaint"), BREAKS, ids=[f"{b[0]}-{b[4]}" for b in BREAKS])
def test_a_broken_copy_is_noticed(check: str, path: str, old: str, new: str | None, complaint: str) -> None:
    broken = dict(FILES)
    content = broken.pop(path).decode()
    if new is not None:
        assert old in content
        broken[path] = content.replace(old, new, 1).encode()
    complaints = list(getattr(k8s_checks, check)(k8s_checks.parse(broken)))
    assert any(complaint in problem for problem in complaints), complaints


def test_every_check_is_shown_a_broken_copy() -> None:
    assert {check.__name__ for check in k8s_checks.CHECKS} == {row[0] for row in BREAKS}


def test_the_generated_file_must_not_be_committed() -> None:
    committed = k8s_checks.parse(
        FILES | {f"{FLUX}/gotk-components.yaml": b"kind: Namespace\napiVersion: v1\n"}
    )
    assert any("generated by Flux" in problem for problem in k8s_checks.resources_are_listed(committed))
