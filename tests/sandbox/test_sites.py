"""Trees that are not ours: which site is taken, and what is said of those that the sandbox cannot play."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from bumper.errors import UsageError
from bumper.image import ImageReference
from bumper.objects import ObjectKey
from bumper_sandbox.demo import TREE
from bumper_sandbox.sites import Site, Tree, choose
from bumper_sandbox.stack import seed
from bumper_sandbox.tree import Beginning, PlatformTree, of, whole

REGISTRY = "127.0.0.1:5000"
ROOT = "./apps/flux-system"
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: web}
spec: {template: {spec: {containers: [{name: web, image: "ghcr.io/acme/web:1.0"}]}}}
"""
INGRESS = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: web}
"""


def kustomization(name: str, path: str, spec: str = "") -> str:
    return f"""\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {name}, namespace: flux-system}}
spec: {{interval: 10m, path: {path}, sourceRef: {{kind: GitRepository, name: flux-system}}{spec}}}
"""


def seeded(folder: Path, files: Mapping[str, str]) -> dict[str, bytes]:
    for path, text in files.items():
        (folder / "apps" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "apps" / path).write_text(text, encoding="utf-8")
    return seed(of(folder / "apps"), REGISTRY, "http://127.0.0.1:1/platform.git")


def refusal(folder: Path, files: Mapping[str, str], site: str = "") -> str:
    with pytest.raises(UsageError) as refused:
        choose(Tree(seeded(folder, files), ROOT, REGISTRY), site)
    return refused.value.message


def test_a_site_of_any_registry_and_with_an_ingress_is_taken(tmp_path: Path) -> None:
    files = {
        "flux-system/sync.yaml": kustomization("flux-system", ROOT),
        "flux-system/web.yaml": kustomization("web", "./apps/web"),
        "web/deployment.yaml": DEPLOYMENT,
        "web/ingress.yaml": INGRESS,
    }
    assert choose(Tree(seeded(tmp_path, files), ROOT, REGISTRY)) == Site(
        "web",
        "apps/web",
        ObjectKey("Kustomization", "flux-system", "web"),
        ObjectKey("Deployment", "web", "web"),
        ImageReference(f"{REGISTRY}/acme/web", "1.0"),
    )


def test_the_first_site_that_waits_for_no_other_is_taken() -> None:
    files = seed(of(TREE), REGISTRY, "http://127.0.0.1:1/platform.git")
    assert choose(Tree(files, "./k8s/flux-system", REGISTRY)).name == "shop-example"
    waiting = files["k8s/flux-system/shop-example-sync.yaml"] + b"  dependsOn: [{name: docs-example}]\n"
    changed = {**files, "k8s/flux-system/shop-example-sync.yaml": waiting}
    assert choose(Tree(changed, "./k8s/flux-system", REGISTRY)).name == "blog-example"
    assert choose(Tree(changed, "./k8s/flux-system", REGISTRY), "docs-example").name == "docs-example"


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "no Kustomization"),
        (
            {"flux-system/web.yaml": kustomization("web", "./apps/web").replace("interval: 10m, ", "")},
            "Kustomization flux-system/web: spec.interval is missing",
        ),
        (
            {"flux-system/web.yaml": kustomization("web", "./apps/wep")},
            "Kustomization flux-system/web: spec.path apps/wep: no such directory",
        ),
        (
            {
                "flux-system/web.yaml": kustomization(
                    "web", "./apps/web", ", postBuild: {substitute: {a: b}}"
                ),
                "web/deployment.yaml": DEPLOYMENT,
            },
            "Kustomization flux-system/web: the sandbox's Flux does not understand spec.postBuild",
        ),
        (
            {
                "flux-system/web.yaml": kustomization("web", "./apps/web"),
                "web/deployment.yaml": DEPLOYMENT,
                "web/kustomization.yaml": "resources: [deployment.yaml]\ncommonLabels: {a: b}\n",
            },
            "does not understand the field 'commonLabels'",
        ),
        (
            {
                "flux-system/web.yaml": kustomization("web", "./apps/web"),
                "web/deployment.yaml": DEPLOYMENT,
                "web/ingress.yaml": INGRESS.replace("/v1", "/v1beta1"),
            },
            "Ingress web/web: the sandbox knows no kind Ingress in networking.k8s.io/v1beta1",
        ),
        (
            {
                "flux-system/web.yaml": kustomization("web", "./apps/web"),
                "web/deployment.yaml": DEPLOYMENT.replace("ghcr.io/acme/web", "nginx"),
            },
            "Kustomization flux-system/web: Deployment web/web: no image of it names its registry and a tag (nginx:1.0)",
        ),
    ],
)
def test_what_cannot_be_played_is_named_with_its_reason(
    tmp_path: Path, files: dict[str, str], reason: str
) -> None:
    files = {"flux-system/sync.yaml": kustomization("flux-system", ROOT), **files}
    assert reason in refusal(tmp_path, files)


def test_an_unknown_site_is_answered_with_those_that_there_are(tmp_path: Path) -> None:
    files = {"flux-system/web.yaml": kustomization("web", "./apps/web"), "web/deployment.yaml": DEPLOYMENT}
    assert "no Kustomization 'wep' (found: web)" in refusal(tmp_path, files, "wep")


def test_no_host_is_cut_out_of_a_longer_one(tmp_path: Path) -> None:
    images = "[{image: 'gcr.io/a/one:1'}, {image: 'k8s.gcr.io/b/two:2'}, {image: 'nginx:3'}]"
    files = seeded(tmp_path, {"flux-system/x.yaml": f"kind: Pod\nspec: {{containers: {images}}}\n"})
    text = files["apps/flux-system/x.yaml"].decode()
    assert text.count(f"'{REGISTRY}/") == 2
    assert "'nginx:3'" in text


def test_a_file_that_is_not_yaml_is_seeded_as_it_is(tmp_path: Path) -> None:
    files = seeded(tmp_path, {"flux-system/chart.yaml": "{{ if .Values.on }}\nimage: ghcr.io/a/b:1\n"})
    assert files["apps/flux-system/chart.yaml"] == b"{{ if .Values.on }}\nimage: ghcr.io/a/b:1\n"


def test_what_flux_would_wait_for_in_vain_is_named_at_once(tmp_path: Path) -> None:
    files = {
        "flux-system/web.yaml": kustomization("web", "./apps/web", ", wait: true"),
        "web/deployment.yaml": DEPLOYMENT,
        "web/ingress.yaml": INGRESS,
    }
    assert choose(Tree(seeded(tmp_path / "a", files), ROOT, REGISTRY)).name == "web"
    release = (
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: redis, namespace: web}\n"
    )
    assert refusal(tmp_path / "b", {**files, "web/redis.yaml": release}) == (
        "no site that the sandbox can play: Kustomization flux-system/web: waits for HelmRelease web/redis, "
        "and no controller of the sandbox makes a HelmRelease ready"
    )


SYNC = kustomization("flux-system", "./clusters/prod")
STRANGER = {
    "clusters/prod/flux-system/gotk-sync.yaml": SYNC,
    "clusters/prod/flux-system/kustomization.yaml": "resources: [gotk-sync.yaml, gotk-components.yaml]\n",
    "clusters/prod/web.yaml": kustomization("web", "./apps/prod/web"),
    "apps/base/web/kustomization.yaml": "resources: [deployment.yaml, route.yaml]\n",
    "apps/base/web/deployment.yaml": DEPLOYMENT,
    "apps/base/web/route.yaml": "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n"
    "metadata: {name: web, namespace: web}\nspec: {hostnames: [web.example]}\n",
    "apps/prod/web/kustomization.yaml": "resources: [../../base/web]\n",
    "README.txt": "hello",
}


def repository(folder: Path, files: Mapping[str, str]) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("named", ["", "clusters/prod"])
def test_a_whole_repository_is_taken_from_its_root_and_from_where_flux_begins(
    tmp_path: Path, named: str
) -> None:
    platform = of(repository(tmp_path / "fleet", STRANGER) / named)
    assert platform == PlatformTree(tmp_path / "fleet", "", "./clusters/prod")
    files = seed(platform, REGISTRY, "http://127.0.0.1:1/platform.git")
    assert files["README.txt"] == b"hello"
    assert "clusters/prod/flux-system/gotk-components.yaml" in files
    assert choose(Tree(files, platform.root, REGISTRY)).path == "apps/prod/web"


def test_a_repository_with_several_beginnings_or_none_is_refused(tmp_path: Path) -> None:
    other = {"clusters/stage/flux-system/gotk-sync.yaml": kustomization("flux-system", "./clusters/stage")}
    with pytest.raises(UsageError, match="several places: clusters/prod, clusters/stage"):
        of(repository(tmp_path / "two", {**STRANGER, **other}))
    with pytest.raises(UsageError, match="no platform tree"):
        of(repository(tmp_path / "none", {"web.yaml": DEPLOYMENT}))
    with pytest.raises(UsageError, match="builds elsewhere, which does not hold this file"):
        of(
            repository(
                tmp_path / "odd",
                {"a/flux-system/gotk-sync.yaml": kustomization("flux-system", "./elsewhere")},
            )
        )


def test_a_cluster_of_a_repository_whose_sync_file_is_still_to_be_written_begins_in_the_repository(
    tmp_path: Path,
) -> None:
    unwritten = {**STRANGER, "clusters/prod/flux-system/gotk-sync.yaml": "# by flux bootstrap\n"}
    fleet = repository(tmp_path / "fleet", unwritten)
    begun = Beginning("clusters/prod", "clusters/prod")
    assert of(fleet / "clusters/prod", lambda: (fleet, [begun])) == PlatformTree(fleet, "", "./clusters/prod")
    own = fleet / "clusters/prod"
    assert of(own, lambda: (own, [])) == whole(own), (
        "a directory that is no part of a repository is all there is"
    )


# No sync file: whoever runs bootstrap names the directory, and one Kustomization brings the others.
NESTED = {
    "kubernetes/flux/cluster/ks.yaml": kustomization("cluster-apps", "./kubernetes/apps"),
    "kubernetes/apps/kustomization.yaml": "resources: [web/ks.yaml, chart/ks.yaml]\n",
    "kubernetes/apps/web/ks.yaml": kustomization("web", "./kubernetes/apps/web/app"),
    "kubernetes/apps/web/app/deployment.yaml": DEPLOYMENT,
    "kubernetes/apps/chart/ks.yaml": kustomization("chart", "./kubernetes/apps/chart/app"),
    "kubernetes/apps/chart/app/release.yaml": "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\n"
    "metadata: {name: chart, namespace: chart}\nspec: {}\n",
}


def test_where_no_sync_file_says_it_the_reader_of_trees_does(tmp_path: Path) -> None:
    folder = repository(tmp_path / "home", NESTED)
    begun = Beginning("kubernetes/flux/cluster", "kubernetes/flux/cluster", "cluster", "home")
    platform = of(folder, lambda: (folder, [begun]))
    assert platform == PlatformTree(folder, "", "./kubernetes/flux/cluster", "cluster", "home")
    files = seed(platform, REGISTRY, "http://127.0.0.1:1/platform.git")
    site = choose(Tree(files, platform.root, REGISTRY), "web")
    assert (site.path, site.parents) == (
        "kubernetes/apps/web/app",
        (ObjectKey("Kustomization", "flux-system", "cluster-apps"),),
    )
    with pytest.raises(UsageError, match="chart: HelmRelease chart/chart: the sandbox plays no HelmRelease"):
        choose(Tree(files, platform.root, REGISTRY), "chart")
    derived = NESTED["kubernetes/apps/web/ks.yaml"].replace("GitRepository", "ExternalArtifact")
    files["kubernetes/apps/web/ks.yaml"] = derived.encode()
    with pytest.raises(
        UsageError, match="web: its source is ExternalArtifact flux-system: the sandbox plays"
    ):
        choose(Tree(files, platform.root, REGISTRY), "web")
    several = [begun, Beginning("clusters/b", "clusters/b")]
    with pytest.raises(UsageError, match="several places: clusters/b, kubernetes/flux/cluster"):
        of(folder, lambda: (folder, several))
    assert of(folder / "kubernetes", lambda: (folder, several)) == platform
    loose = [Beginning("apps/a", "clusters/c", "a"), Beginning("apps/b", "clusters/c", "b")]
    assert of(folder, lambda: (folder, loose)).root == "./clusters/c"
