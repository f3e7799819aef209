"""Where something that the files do not show decides, nothing is reported: each case beside the same break without it."""

from collections.abc import Mapping

import pytest
from checks import DEPLOYMENT, FLUX, ROUTE, SERVICE, SITE, SYNC, added, changed, checked, found, platform
from tables import each_row
from trees import flux

NO_SERVICE = changed(ROUTE, "        - name: kevinryan-io", "        - name: other")
NO_SECRET = changed(
    DEPLOYMENT, "          ports:\n", "          envFrom: [{secretRef: {name: password}}]\n          ports:\n"
)
NO_PODS = changed(SERVICE, "app: kevinryan-io", "app: other")
BREAKS = {"route-service": NO_SERVICE, "secret-by-hand": NO_SECRET, "service-selects-nothing": NO_PODS}

UMAMI = "k8s/umami"
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


@each_row("identity", BREAKS)
@each_row("hiding", HIDES)
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
        "- target: {kind: Deployment}\n        patch: |\n"
        "          {kind: Deployment, metadata: {name: any}, spec: {template: {spec: {containers: []}}}}"
    )
    patch = (
        "patches:\n- target: {kind: Kustomization}\n  patch: |\n"
        f"    kind: Kustomization\n    metadata: {{name: any}}\n    spec:\n      patches:\n      {inner}\n"
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


CRD_BASE = {"k8s/crds/kustomization.yaml": "resources: [https://example.org/crds.yaml]\n"}
CRDS_SYNC = (
    platform()[SYNC]
    .decode()
    .replace("name: kevinryan-io", "name: crds")
    .replace("k8s/kevinryan-io", "k8s/crds")
)
WITH_STORE = added(
    {
        "k8s/external-secrets/store.yaml": "apiVersion: external-secrets.io/v1\nkind: ClusterSecretStore\nmetadata: {name: other}\n"
    }
)


def test_definitions_may_come_from_a_remote_base_that_is_applied_first() -> None:
    assert [identity for identity, _ in found(WITH_STORE)] == ["crd-deadlock"]
    sync = platform()[f"{FLUX}/external-secrets-sync.yaml"].decode()
    first = {
        **CRD_BASE,
        f"{FLUX}/crds-sync.yaml": CRDS_SYNC,
        f"{FLUX}/kustomization.yaml": platform()[f"{FLUX}/kustomization.yaml"].decode()
        + "  - crds-sync.yaml\n",
    }
    assert "crd-deadlock" in dict(found(added(first, WITH_STORE)))
    after = sync.replace("spec:\n", "spec:\n  dependsOn: [{name: crds}]\n")
    assert "crd-deadlock" not in dict(
        found(added({**first, f"{FLUX}/external-secrets-sync.yaml": after}, WITH_STORE))
    )


CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: tools}\n"
TOOLS = "apiVersion: v1\nkind: Namespace\nmetadata: {name: tools}\n"
IN_TOOLS = added({f"{SITE}/config.yaml": CONFIG})


@pytest.mark.parametrize(
    ("hiding", "files"),
    [
        ("a manifest that Flux does not build", {"bootstrap/namespaces.yaml": TOOLS}),
        (
            "a chart that makes namespaces",
            {"k8s/observability/cilium.yaml": RELEASE.replace("chart: any", "chart: cilium").replace("kevinryan-io", "observability")},
        ),
    ],
)  # fmt: skip
def test_a_namespace_may_be_made_outside_of_every_build(hiding: str, files: Mapping[str, str]) -> None:
    missing = (
        IN_TOOLS
        if "Flux" in hiding
        else added({f"{SITE}/config.yaml": CONFIG.replace("tools", "cilium-secrets")})
    )
    assert "namespace-missing" in dict(found(missing))
    assert "namespace-missing" not in dict(found(added(files, missing)))


def test_a_namespace_beside_the_list_is_not_made() -> None:
    kept = {f"{SITE}/kustomization.yaml": kustomized("- config.yaml"), f"{SITE}/tools.yaml": TOOLS}
    assert {"namespace-missing", "unlisted-file"} <= dict(found(added(kept, IN_TOOLS))).keys()


def test_without_a_bootstrap_the_namespace_of_the_roots_and_their_source_are_there() -> None:
    """Azure applies the roots, and makes their namespace and their source."""
    root = platform()[SYNC].decode().replace("namespace: flux-system", "namespace: cluster-config")
    root = root.replace("name: flux-system", "name: infra")
    release = RELEASE.replace("namespace: kevinryan-io", "namespace: cluster-config")
    files = {
        "clusters/sync.yaml": root,
        f"{SITE}/release.yaml": release.replace("namespace: observability", "namespace: flux-system"),
    }
    source = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {name: grafana, namespace: flux-system}\n"
    assert found({**files, f"{SITE}/source.yaml": source}) == []
    assert [identity for identity, _ in found(files)] == ["source-unknown"]
    assert found({**files, "by-hand/source.yaml": source}) == []


def test_what_names_no_source_is_fetched_from_nowhere() -> None:
    reference = "  sourceRef:\n    kind: GitRepository\n    name: flux-system\n"
    assert dict(found(changed(SYNC, reference, "")))["source-unknown"] == f"{SYNC}:7"
    release = RELEASE.replace(
        "sourceRef: {kind: HelmRepository, name: grafana", "sourceRef: {kind: HelmRepository, called: grafana"
    )
    assert "source-unknown" in dict(found(added({f"{SITE}/release.yaml": release})))


def test_files_kept_beside_an_overlay_are_a_note() -> None:
    overlay = {f"{SITE}/kustomization.yaml": "resources: [base]\n"}
    base = {
        f"{SITE}/base/{name}.yaml": platform()[f"{SITE}/{name}.yaml"].decode()
        for name in ("deployment", "ingress", "namespace", "service")
    }
    listed = {f"{SITE}/base/kustomization.yaml": kustomized()}
    moved = {path: text for path, text in platform().items() if not path.startswith(f"{SITE}/")}
    files = added(
        {**overlay, **base, **listed, f"{SITE}/old.yaml": CONFIG.replace("tools", "default")}, moved
    )
    assert found(files) == []
    assert (
        f"{SITE}/kustomization.yaml: Flux does not apply what stands beside it: old.yaml"
        in checked(files).notes
    )


def test_a_file_that_an_unbuilt_kustomization_lists_is_not_forgotten() -> None:
    kept = {
        f"{SITE}/kustomization.yaml": kustomized(),
        f"{SITE}/old.yaml": CONFIG.replace("tools", "default"),
    }
    assert [identity for identity, _ in found(added(kept))] == ["unlisted-file"]
    other = {"old/kustomization.yaml": f"resources: [../{SITE}/old.yaml]\n"}
    assert found(added({**kept, **other})) == []


def test_what_another_program_reads_in_git_is_not_forgotten() -> None:
    catalog = "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: web}\n"
    kept = {f"{SITE}/kustomization.yaml": kustomized(), f"{SITE}/catalog-info.yaml": catalog}
    assert found(added(kept)) == []


def test_an_object_of_one_shared_file_is_one_finding() -> None:
    shared = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shared, namespace: default}\n"
    names = ("kevinryan-io", "specmcp-ai", "umami")
    component = {
        "k8s/shared/kustomization.yaml": "kind: Component\nresources: [shared.yaml]\n",
        "k8s/shared/shared.yaml": shared,
    }
    syncs = {
        f"{FLUX}/{name}-sync.yaml": platform()[f"{FLUX}/{name}-sync.yaml"].decode()
        + "  components: [../shared]\n"
        for name in names
    }
    findings = checked(added({**component, **syncs})).findings
    assert [(finding.id, finding.place) for finding in findings] == [
        ("two-owners", "k8s/shared/shared.yaml:3")
    ]
    assert all(name in findings[0].message for name in names)


def synced(files: Mapping[str, str]) -> dict[str, bytes]:
    """The platform with further files, those in flux-system on its list."""
    names = [path.rpartition("/")[2] for path in files if path.startswith(f"{FLUX}/")]
    listing = platform()[f"{FLUX}/kustomization.yaml"].decode()
    return added(
        {**files, f"{FLUX}/kustomization.yaml": listing + "".join(f"  - {name}\n" for name in names)}
    )


ENCRYPTED = "ENC[AES256_GCM,data:AAAA,iv:AAAA,tag:AAAA,type:str]"


def test_a_name_that_sops_encrypted_is_not_judged() -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name!r}, namespace: {space!r}}}\n"
    open_ = added({f"{SITE}/secret.yaml": secret.format(name="Bad_Name", space="nowhere")})
    assert {"name-invalid", "namespace-missing"} <= dict(found(open_)).keys()
    hidden = added({f"{SITE}/secret.yaml": secret.format(name=ENCRYPTED, space=ENCRYPTED)})
    assert found(hidden) == []


def remote(name: str, space: str, *more: str) -> str:
    """A Kustomization that is applied to the cluster whose kubeconfig lies beside it."""
    text = flux(name, "./k8s/kevinryan-io", "kubeConfig: {secretRef: {name: cluster}}", *more)
    return text.replace("namespace: flux-system", f"namespace: {space}").replace(
        "    name: flux-system", "    name: flux-system\n    namespace: flux-system"
    )


def test_one_kubeconfig_name_is_another_cluster_in_each_namespace() -> None:
    def fleet(*spaces: str) -> dict[str, bytes]:
        return synced({f"{FLUX}/{at}.yaml": remote(f"r{at}", space) for at, space in enumerate(spaces)})

    assert "two-owners" in dict(found(fleet("default", "default")))
    assert "two-owners" not in dict(found(fleet("default", "kube-system")))


def test_what_another_cluster_gets_can_be_waited_for() -> None:
    hub = flux("hub", "./k8s/umami", "dependsOn: [{name: far}]")
    assert "depends-on-unknown" in dict(found(synced({f"{FLUX}/hub.yaml": hub})))
    both = synced({f"{FLUX}/hub.yaml": hub, f"{FLUX}/far.yaml": remote("far", "flux-system")})
    assert "depends-on-unknown" not in dict(found(both))


STORE = (
    "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: it, namespace: kevinryan-io}\n"
    "spec: {secretStoreRef: {kind: ClusterSecretStore, name: other}}\n"
)


def test_a_build_from_elsewhere_may_make_what_is_in_no_namespace() -> None:
    missing = added({f"{SITE}/secret.yaml": STORE})
    assert "store-missing" in dict(found(missing))
    far = {**HIDES["a build from another repository"]}
    far[f"{SITE}/sync.yaml"] = far[f"{SITE}/sync.yaml"].rstrip() + "\n  targetNamespace: umami\n"
    assert "store-missing" not in dict(found(added(far, missing)))


def test_the_root_of_an_artifact_may_be_any_directory() -> None:
    lost = flux("lost", "./nowhere")
    assert "missing-path" in dict(found(synced({f"{FLUX}/lost.yaml": lost})))
    artifact = lost.replace("GitRepository", "OCIRepository")
    source = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: OCIRepository\nmetadata: {name: flux-system, namespace: flux-system}\n"
    files = {f"{FLUX}/lost.yaml": artifact, f"{FLUX}/source.yaml": source}
    assert "missing-path" not in dict(found(synced(files)))


def test_a_kustomization_that_stands_twice_is_no_second_owner() -> None:
    twice = {f"{FLUX}/{at}.yaml": flux("extra", f"./k8s/extra-{at}") for at in (1, 2)}
    config = CONFIG.replace("tools", "default")
    files = synced({**twice, **{f"k8s/extra-{at}/config.yaml": config for at in (1, 2)}})
    objects = [finding.message for finding in checked(files).findings if finding.id == "two-owners"]
    assert not any("ConfigMap" in message for message in objects)
    other = twice | {f"{FLUX}/2.yaml": flux("other", "./k8s/extra-2")}
    files = synced({**other, **{f"k8s/extra-{at}/config.yaml": config for at in (1, 2)}})
    objects = [finding.message for finding in checked(files).findings if finding.id == "two-owners"]
    assert any("ConfigMap" in message for message in objects)


def test_definitions_may_be_brought_before_flux_is_there() -> None:
    assert [identity for identity, _ in found(WITH_STORE)] == ["crd-deadlock"]
    helmfile = {"bootstrap/helmfile.yaml": "releases: [{name: external-secrets}]\n"}
    assert found(added(helmfile, WITH_STORE)) == []
    other = {"bootstrap/helmfile.yaml": "releases: [{name: external-secrets-other}]\n"}
    assert [identity for identity, _ in found(added(other, WITH_STORE))] == ["crd-deadlock"]


def test_a_chart_is_known_by_the_address_of_its_artifact() -> None:
    alert = (
        "apiVersion: postgresql.cnpg.io/v1\nkind: Cluster\nmetadata: {name: it, namespace: kevinryan-io}\n"
    )
    release = (
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: db, namespace: default}\n"
        "spec: {chartRef: {kind: OCIRepository, name: db}}\n"
    )
    source = (
        "apiVersion: source.toolkit.fluxcd.io/v1\nkind: OCIRepository\nmetadata: {name: db, namespace: default}\n"
        "spec: {url: oci://reg.io/charts/cloudnative-pg}\n"
    )
    files = {f"{SITE}/database.yaml": alert, f"{UMAMI}/release.yaml": release, f"{UMAMI}/source.yaml": source}
    assert [identity for identity, _ in found(added(files))] == ["crd-unordered"]
    files[f"{UMAMI}/source.yaml"] = source.replace("cloudnative-pg", "other")
    assert [identity for identity, _ in found(added(files))] == ["crd-missing"]


def test_a_definition_whose_health_is_checked_first_is_there() -> None:
    def tree(*checks: str) -> dict[str, bytes]:
        files = {
            f"{FLUX}/app.yaml": flux("app", "./k8s/app", "dependsOn: [{name: ready}]"),
            f"{FLUX}/ready.yaml": flux("ready", "./k8s/ready", *checks),
            "k8s/ready/config.yaml": CONFIG.replace("tools", "default"),
            "k8s/app/store.yaml": "apiVersion: external-secrets.io/v1\nkind: ClusterSecretStore\nmetadata: {name: it}\n",
        }
        return synced(files)

    assert [identity for identity, _ in found(tree())] == ["crd-unordered"]
    check = "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, name: %s}"
    assert found(tree(f"healthChecks: [{check % 'stores.external-secrets.io'}]")) == []
    other = found(tree(f"healthChecks: [{check % 'stores.example.org'}]"))
    assert [identity for identity, _ in other] == ["crd-unordered"]


def test_flux_itself_has_a_namespace() -> None:
    elsewhere = (
        platform()[f"{FLUX}/gotk-sync.yaml"]
        .decode()
        .replace("namespace: flux-system", "namespace: operators")
    )
    assert "namespace-missing" not in dict(found(added({f"{FLUX}/gotk-sync.yaml": elsewhere})))


CHART = (
    "instance:\n  sync: {kind: GitRepository, url: https://git.example/platform.git, path: clusters/prod}\n"
)
NO_STORE = "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: password, namespace: gitops}\n"


def test_whoever_installs_the_chart_of_an_instance_may_have_installed_more() -> None:
    """The namespace and the source of the root, and the definitions of kinds."""
    source = flux("web", "./web", source="gitops").replace("namespace: flux-system", "namespace: gitops")
    files = {
        "apps/flux-instance/app/values.yaml": CHART,
        "clusters/prod/web.yaml": source,
        "web/secret.yaml": NO_STORE,
        "web/namespace.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: tools}\n",
    }
    assert found(files) == []


def test_templates_of_a_chart_in_the_repository_are_no_broken_manifests() -> None:
    template = "kind: Namespace\nmetadata:\n  name: {{ .Release.Namespace }}\n{{- if .Values.on }}\nspec: {}\n{{- end }}\n"
    files = added({"charts/web/templates/namespace.yaml": template}, IN_TOOLS)
    assert "invalid-yaml" not in dict(found(files))
    assert "invalid-yaml" in dict(found(added({f"{SITE}/namespace-2.yaml": template})))


INGRESS = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: %s, namespace: kevinryan-io, annotations: {%s}}
spec: {rules: [{host: a.example.org, http: {paths: [%s]}}]}
"""
BACKEND = "{path: /, pathType: Prefix, backend: {service: {name: %s, port: {number: 80}}}}"


def ways_in(*annotations: str) -> dict[str, bytes]:
    backend = BACKEND % "kevinryan-io"
    return added(
        {
            f"{SITE}/way-{at}.yaml": INGRESS % (f"way-{at}", annotation, backend)
            for at, annotation in enumerate(annotations)
        }
    )


def test_an_ingress_with_a_load_balancer_of_its_own_shares_its_host_with_no_other() -> None:
    address = "kubernetes.io/ingress.global-static-ip-name: v%d"
    group = "alb.ingress.kubernetes.io/group.name: web"
    tailscale = "kubernetes.io/ingress.class: tailscale"
    assert found(ways_in(address % 4, address % 6)) == []
    assert found(ways_in(tailscale, tailscale)) == []
    for annotations in (("", ""), (group, group)):
        assert [identity for identity, _ in found(ways_in(*annotations))] == ["host-twice"]


def test_what_stands_beside_flux_is_there_and_what_is_encrypted_is_not_known() -> None:
    def leads_to(service: str, namespace: str) -> dict[str, bytes]:
        ingress = INGRESS % ("hook", "", BACKEND % service)
        return added({f"{SITE}/hook.yaml": ingress.replace("kevinryan-io", namespace)})

    def reads(secret: str) -> list[tuple[str, str]]:
        container = f"          envFrom: [{{secretRef: {{name: '{secret}'}}}}]\n          ports:\n"
        return found(changed(DEPLOYMENT, "          ports:\n", container))

    assert "route-service" not in dict(found(leads_to("webhook-receiver", "flux-system")))
    assert "route-service" in dict(found(leads_to("webhook-receiver", "kevinryan-io")))
    assert reads("ENC[AES256_GCM,data:oin2,type:str]") == []
    assert [identity for identity, _ in reads("password")] == ["secret-by-hand"]


def test_a_secret_that_a_container_is_told_to_make_is_there() -> None:
    volume = "      volumes: [{name: hook, secret: {secretName: hook}}]\n      containers:\n"
    files = changed(DEPLOYMENT, "      containers:\n", volume)
    job = """\
apiVersion: batch/v1
kind: Job
metadata: {name: hook, namespace: kevinryan-io}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: make, image: a/certgen:1, args: [%s],
  resources: {limits: {memory: 1Mi}}}]}}}
"""
    assert [identity for identity, _ in found(files)] == ["secret-by-hand"]
    for arguments in ("create, --host=a, --secret-name=hook", "--dynamic-serving-ca-secret-name, hook"):
        assert found(added({f"{SITE}/job.yaml": job % arguments}, files)) == []
    assert dict(found(added({f"{SITE}/job.yaml": job % "--secret-name=other"}, files)))


def test_a_service_that_is_another_name_takes_any_port_that_is_a_number() -> None:
    service = (
        "apiVersion: v1\nkind: Service\nmetadata: {name: far, namespace: kevinryan-io}\n"
        "spec: {type: ExternalName, externalName: a.example}\n"
    )
    number, name = BACKEND % "far", (BACKEND % "far").replace("number: 80", "name: http")
    for backend, expected in ((number, []), (name, ["route-port"])):
        files = added({f"{SITE}/far.yaml": service + "---\n" + INGRESS % ("far", "", backend)})
        assert [identity for identity, _ in found(files)] == expected


def test_a_service_where_git_has_no_workload_finds_pods_of_others() -> None:
    service = platform()[SERVICE].decode().replace("kevinryan-io", "tools")
    namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: tools}\n"
    assert found(added({f"{SITE}/tools.yaml": f"{namespace}---\n{service}"})) == []


def test_an_object_of_the_whole_cluster_is_there_in_whatever_namespace_it_is_written() -> None:
    head = NO_STORE.replace("gitops", "kevinryan-io")
    secret = (
        f"{head}spec: {{secretStoreRef: {{kind: ClusterSecretStore, name: it}}, data: [{{secretKey: a}}]}}\n"
    )
    store = "apiVersion: external-secrets.io/v1\nkind: ClusterSecretStore\nmetadata: {name: it, namespace: kevinryan-io}\n"
    assert "store-missing" in dict(found(added({f"{SITE}/secret.yaml": secret})))
    assert "store-missing" not in dict(found(added({f"{SITE}/secret.yaml": f"{secret}---\n{store}"})))


def test_a_secret_that_a_generator_makes_needs_no_store() -> None:
    made = "{sourceRef: {generatorRef: {apiVersion: generators.external-secrets.io/v1alpha1, kind: Password, name: it}}}"

    def secret(*sources: str) -> dict[str, bytes]:
        head = NO_STORE.replace("gitops", "kevinryan-io")
        store = "secretStoreRef: {kind: ClusterSecretStore, name: gone}"
        return added({f"{SITE}/secret.yaml": f"{head}spec: {{{store}, dataFrom: [{', '.join(sources)}]}}\n"})

    assert "store-missing" not in dict(found(secret(made)))
    assert "store-missing" in dict(found(secret(made, "{extract: {key: it}}")))
