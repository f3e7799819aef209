"""The field is found in every layout that Flux builds, or refused with what is there; and few reads do."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tables import each_row
from trees import MemoryTree, deployment, flux, image_entry, kustomization, repository, sync

from bumper import manifest
from bumper.errors import BumpError, FieldAmbiguous, FieldMissing, NotYaml, SiteMissing, TreeMissing
from bumper.fluxtree.sites import find
from bumper.manifest import FieldKind
from bumper.objects import ObjectKey
from bumper.request import Choice

ROOT = Path(__file__).parents[3]
OURS = {
    path.relative_to(ROOT).as_posix(): path.read_bytes()
    for path in sorted((ROOT / "k8s").rglob("*"))
    if path.is_file()
}
SITES = {
    "kevinryan-io": "https://kevinryan.io",
    "brand-kevinryan-io": "https://brand.kevinryan.io",
    "aiimmigrants-com": "https://aiimmigrants.com",
    "specmcp-ai": "https://specmcp.ai",
    "sddbook-com": "https://sddbook.com",
    "distributedequity-org": "https://distributedequity.org",
    "docs-kevinryan-io": "https://docs.kevinryan.io",
}
PLATFORM = {"k8s/README.md": "not a manifest", "k8s/flux-system/gotk-sync.yaml": sync("./k8s/flux-system")}
FLEET = {
    "clusters/prod/flux-system/gotk-sync.yaml": sync("./clusters/prod"),
    "clusters/prod/flux-system/kustomization.yaml": kustomization(
        resources=["gotk-components.yaml", "gotk-sync.yaml"]
    ),
    "clusters/prod/apps.yaml": flux("apps", "./apps/prod"),
}


class TestOurOwnTree:
    @each_row("site", SITES)
    def test_every_site_is_found(self, site: str) -> None:
        target = find.find(MemoryTree(OURS), site)
        assert target.field.path == f"k8s/{site}/deployment.yaml"
        assert target.field.span.line == 18
        assert str(target.image) == f"kevinryanacr.azurecr.io/{site}:08a2c8e"
        assert target.workload == ObjectKey("Deployment", site, site)
        assert target.container == site
        assert target.url == SITES[site]
        assert target.site.name == site
        assert target.site.kustomization == ObjectKey("Kustomization", "flux-system", site)
        assert target.site.source == ObjectKey("GitRepository", "flux-system", "flux-system")
        assert target.site.path == f"k8s/{site}"
        assert target.site.place == f"k8s/flux-system/{site}-sync.yaml:1"
        assert not target.site.suspended

    def test_two_batches_of_reads_do_and_nothing_else_is_read(self) -> None:
        tree = MemoryTree(OURS)
        find.find(tree, "specmcp-ai")
        assert len(tree.batches) == 2
        assert {path.rpartition("/")[0] for path in tree.read_paths} == {"k8s/flux-system", "k8s/specmcp-ai"}
        # Listed is more, since another cluster may begin anywhere; to list a directory no file is fetched.
        assert tree.listed[:3] == ["", "k8s", "k8s/flux-system"]

    def test_all_kustomizations_are_listed_with_their_dependencies(self) -> None:
        tree = MemoryTree(OURS)
        sites = {site.name: site for site in find.sites(tree)}
        assert set(sites) == {
            *SITES,
            "flux-system",
            "external-secrets",
            "external-secrets-store",
            "umami",
            "observability",
        }
        assert sites["umami"].depends_on == (
            ObjectKey("Kustomization", "flux-system", "external-secrets-store"),
        )
        assert sites["external-secrets"].spec["wait"] == "true"
        assert len(tree.batches) == 2

    @pytest.mark.parametrize("listed", [True, False])
    def test_the_generated_file_is_not_read_where_it_stands(self, *, listed: bool) -> None:
        generated = "k8s/flux-system/gotk-components.yaml"
        tree = MemoryTree({**OURS, generated: "{{ not even YAML"})
        if not listed:
            del tree.files["k8s/flux-system/kustomization.yaml"]
            tree = MemoryTree(tree.files)
        assert len(find.sites(tree)) == 12
        assert generated not in tree.read_paths


@dataclass(frozen=True)
class Case:
    """A tree, what is asked, and where the field must be found: `path:line image` and the workload that runs it."""

    files: dict[str, str]
    at: str
    workload: str
    container: str = "web"
    kind: FieldKind = FieldKind.IMAGE
    ask: dict[str, Any] = field(default_factory=dict)
    repository: str = "reg.example/web"


APPS: dict[str, Any] = {"kustomization": "apps"}
WEB_SYNC = {"k8s/flux-system/web.yaml": flux("web", "./k8s/web"), **PLATFORM}
BASE = {
    "apps/base/web/deployment.yaml": deployment("web", "reg.example/web:old"),
    "apps/base/web/kustomization.yaml": kustomization("namespace: web", resources=["deployment.yaml"]),
}
PATCH = deployment("web", "reg.example/web:patched")
INLINE = ["  - patch: |", *(f"      {line}" for line in PATCH.splitlines())]
HELM = """\
    apiVersion: helm.toolkit.fluxcd.io/v2
    kind: HelmRelease
    metadata: {name: web, namespace: shop}
    spec:
      values:
        image:
          repository: reg.example/web
          tag: "1.0"
    """
CASES: dict[str, Case] = {
    "plain manifests": Case(
        {**WEB_SYNC, "k8s/web/deployment.yaml": deployment("web", "reg.example/web:old", namespace="web")},
        "k8s/web/deployment.yaml:11 reg.example/web:old",
        "Deployment web/web",
    ),
    "plain manifests in directories below": Case(
        {
            **WEB_SYNC,
            "k8s/web/parts/run/web.yml": deployment("web", "reg.example/web:old", namespace="web"),
            "k8s/web/notes.txt": "image: reg.example/web:nothing",
            "k8s/web/.sops.yaml": "not: [YAML",
            "k8s/web/.github/workflows/build.yaml": "not: [YAML",
        },
        "k8s/web/parts/run/web.yml:11 reg.example/web:old",
        "Deployment web/web",
    ),
    "a directory below with a kustomization of its own": Case(
        {
            **WEB_SYNC,
            "k8s/web/run/web.yaml": deployment("web", "reg.example/web:old"),
            "k8s/web/run/unlisted.yaml": deployment("web", "reg.example/web:unlisted"),
            "k8s/web/run/kustomization.yml": kustomization("namespace: web", resources=["web.yaml"]),
        },
        "k8s/web/run/web.yaml:10 reg.example/web:old",
        "Deployment web/web",
    ),
    "an overlay's images entry decides": Case(
        {
            **FLEET,
            **BASE,
            "apps/prod/kustomization.yaml": kustomization(
                *image_entry("reg.example/web", newTag="new"), resources=["../base/web"]
            ),
        },
        "apps/prod/kustomization.yaml:7 reg.example/web:new",
        "Deployment web/web",
        kind=FieldKind.NEW_TAG,
        ask=APPS,
    ),
    "the outer of two images entries decides": Case(
        {
            **FLEET,
            **BASE,
            "apps/mid/kustomization.yaml": kustomization(
                *image_entry("reg.example/web", newTag="mid"), resources=["../base/web"]
            ),
            "apps/prod/kustomization.yaml": kustomization(
                *image_entry("reg.example/web", newTag="new"), resources=["../mid"]
            ),
        },
        "apps/prod/kustomization.yaml:7 reg.example/web:new",
        "Deployment web/web",
        kind=FieldKind.NEW_TAG,
        ask=APPS,
    ),
    "an entry for another image decides nothing": Case(
        {
            **FLEET,
            **BASE,
            "apps/prod/kustomization.yaml": kustomization(
                *image_entry("reg.example/web-api", newTag="new"), resources=["../base/web"]
            ),
        },
        "apps/base/web/deployment.yaml:10 reg.example/web:old",
        "Deployment web/web",
        ask=APPS,
    ),
    "newName makes it the site's image": Case(
        {
            **FLEET,
            "apps/base/web/deployment.yaml": deployment("web", "placeholder"),
            "apps/base/web/kustomization.yaml": kustomization(resources=["deployment.yaml"]),
            "apps/prod/kustomization.yaml": kustomization(
                *image_entry("placeholder", newName="reg.example/web", newTag="new"),
                resources=["../base/web"],
            ),
        },
        "apps/prod/kustomization.yaml:8 placeholder:new",
        "Deployment web",
        kind=FieldKind.NEW_TAG,
        ask=APPS,
    ),
    "newName alone leaves the tag where it is": Case(
        {
            **FLEET,
            **BASE,
            "apps/prod/kustomization.yaml": kustomization(
                *image_entry("reg.example/web", newName="mirror.example/web"), resources=["../base/web"]
            ),
        },
        "apps/base/web/deployment.yaml:10 reg.example/web:old",
        "Deployment web/web",
        ask=APPS,
        repository="mirror.example/web",
    ),
    "an outer entry names the image by its new name": Case(
        {
            **FLEET,
            **BASE,
            "apps/mid/kustomization.yaml": kustomization(
                *image_entry("reg.example/web", newName="mirror.example/web", newTag="mid"),
                resources=["../base/web"],
            ),
            "apps/prod/kustomization.yaml": kustomization(
                *image_entry("mirror.example/web", newTag="new"), resources=["../mid"]
            ),
        },
        "apps/prod/kustomization.yaml:7 mirror.example/web:new",
        "Deployment web/web",
        kind=FieldKind.NEW_TAG,
        ask=APPS,
        repository="mirror.example/web",
    ),
    "a component decides": Case(
        {
            **FLEET,
            **BASE,
            "apps/canary/kustomization.yaml": kustomization(
                *image_entry("reg.example/web", newTag="canary"), kind="Component"
            ),
            "apps/prod/kustomization.yaml": kustomization(
                "components: [../canary]", resources=["../base/web"]
            ),
        },
        "apps/canary/kustomization.yaml:5 reg.example/web:canary",
        "Deployment web/web",
        kind=FieldKind.NEW_TAG,
        ask=APPS,
    ),
    "a component that the Kustomization adds": Case(
        {
            **WEB_SYNC,
            "k8s/flux-system/web.yaml": flux("web", "./k8s/web", "components: [../canary]"),
            "k8s/canary/kustomization.yaml": kustomization(
                *image_entry("reg.example/web", newTag="canary"), kind="Component"
            ),
            "k8s/web/deployment.yaml": deployment("web", "reg.example/web:old"),
        },
        "k8s/canary/kustomization.yaml:5 reg.example/web:canary",
        "Deployment web",
        kind=FieldKind.NEW_TAG,
    ),
    "a patch in a file decides": Case(
        {
            **FLEET,
            **BASE,
            "apps/prod/image.yaml": PATCH,
            "apps/prod/kustomization.yaml": kustomization(
                "patches:", "  - path: image.yaml", resources=["../base/web"]
            ),
        },
        "apps/prod/image.yaml:10 reg.example/web:patched",
        "Deployment web/web",
        ask=APPS,
    ),
    "a patch for another workload decides nothing": Case(
        {
            **FLEET,
            **BASE,
            "apps/prod/api.yaml": deployment("api", "reg.example/api:old", container="web"),
            "apps/prod/image.yaml": deployment("api", "reg.example/api:patched", container="web"),
            "apps/prod/kustomization.yaml": kustomization(
                "patchesStrategicMerge: [image.yaml]", resources=["../base/web", "api.yaml"]
            ),
        },
        "apps/base/web/deployment.yaml:10 reg.example/web:old",
        "Deployment web/web",
        ask=APPS,
    ),
    "an images entry decides over a patch of the same layer": Case(
        {
            **FLEET,
            **BASE,
            "apps/prod/image.yaml": PATCH,
            "apps/prod/kustomization.yaml": kustomization(
                "patches: [{path: image.yaml}]",
                *image_entry("reg.example/web", newTag="new"),
                resources=["../base/web"],
            ),
        },
        "apps/prod/kustomization.yaml:8 reg.example/web:new",
        "Deployment web/web",
        kind=FieldKind.NEW_TAG,
        ask=APPS,
    ),
    "names and namespaces that overlays change": Case(
        {
            **WEB_SYNC,
            "k8s/flux-system/web.yaml": flux("web", "./k8s/web", "targetNamespace: shop", "namePrefix: eu-"),
            "k8s/web/deployment.yaml": deployment("web", "reg.example/web:old"),
            "k8s/web/kustomization.yaml": kustomization(
                "namespace: web", "nameSuffix: -v2", resources=["deployment.yaml"]
            ),
        },
        "k8s/web/deployment.yaml:10 reg.example/web:old",
        "Deployment shop/eu-web-v2",
    ),
    "the images of the Kustomization itself": Case(
        {
            **WEB_SYNC,
            "k8s/flux-system/web.yaml": flux(
                "web", "./k8s/web", *image_entry("reg.example/web", newTag="flux")
            ),
            "k8s/web/deployment.yaml": deployment("web", "reg.example/web:old"),
            "k8s/web/kustomization.yaml": kustomization(
                *image_entry("reg.example/web", newTag="new"), resources=["deployment.yaml"]
            ),
        },
        "k8s/flux-system/web.yaml:13 reg.example/web:flux",
        "Deployment web",
        kind=FieldKind.NEW_TAG,
    ),
    "a HelmRelease": Case(
        {**WEB_SYNC, "k8s/web/release.yaml": HELM},
        "k8s/web/release.yaml:8 reg.example/web:1.0",
        "HelmRelease shop/web",
        container="",
        kind=FieldKind.HELM_TAG,
    ),
    "a HelmRelease whose values a patch changes": Case(
        {
            **WEB_SYNC,
            "k8s/web/release.yaml": HELM,
            "k8s/web/values.yaml": HELM.replace("1.0", "2.0"),
            "k8s/web/kustomization.yaml": kustomization(
                "patches: [{path: values.yaml}]", resources=["release.yaml"]
            ),
        },
        "k8s/web/values.yaml:8 reg.example/web:2.0",
        "HelmRelease shop/web",
        container="",
        kind=FieldKind.HELM_TAG,
    ),
    "a remote base": Case(
        {
            **WEB_SYNC,
            "k8s/web/kustomization.yaml": kustomization(
                *image_entry("reg.example/web", newTag="new"),
                resources=["https://github.com/example/web//deploy?ref=v1"],
            ),
        },
        "k8s/web/kustomization.yaml:7 reg.example/web:new",
        " ",
        container="",
        kind=FieldKind.NEW_TAG,
    ),
    "one entry decides for init and main container: the main one is followed": Case(
        {
            **WEB_SYNC,
            "k8s/web/deployment.yaml": deployment("web", "reg.example/web:old", init="reg.example/web:old"),
            "k8s/web/kustomization.yaml": kustomization(
                *image_entry("reg.example/web", newTag="new"), resources=["deployment.yaml"]
            ),
        },
        "k8s/web/kustomization.yaml:7 reg.example/web:new",
        "Deployment web",
        kind=FieldKind.NEW_TAG,
    ),
    "one entry decides for a job too: what rolls out is followed": Case(
        {
            **WEB_SYNC,
            "k8s/web/a-job.yaml": deployment("web", "reg.example/web:old", kind="Job", container="job"),
            "k8s/web/b-worker.yaml": deployment("worker", "reg.example/web:old", container="worker"),
            "k8s/web/c-web.yaml": deployment("web", "reg.example/web:old"),
            "k8s/web/kustomization.yaml": kustomization(
                *image_entry("reg.example/web", newTag="new"),
                resources=["a-job.yaml", "b-worker.yaml", "c-web.yaml"],
            ),
        },
        "k8s/web/kustomization.yaml:9 reg.example/web:new",
        "Deployment web",
        kind=FieldKind.NEW_TAG,
    ),
    "the container that was named": Case(
        {
            **WEB_SYNC,
            "k8s/web/deployment.yaml": deployment("web", "reg.example/web:old", init="reg.example/web:old"),
        },
        "k8s/web/deployment.yaml:8 reg.example/web:old",
        "Deployment web",
        container="setup",
        ask={"containers": ("setup",)},
    ),
    "the repository that was named": Case(
        {
            **WEB_SYNC,
            "k8s/web/deployment.yaml": deployment("web", "reg.example/web:old", init="other.example/web:old"),
        },
        "k8s/web/deployment.yaml:8 other.example/web:old",
        "Deployment web",
        container="setup",
        ask={"image": "other.example/web"},
        repository="other.example/web",
    ),
    "Kustomizations of Kustomizations": Case(
        {
            "kubernetes/flux/flux-system/gotk-sync.yaml": sync("./kubernetes/flux"),
            "kubernetes/flux/cluster.yaml": flux("cluster-apps", "./kubernetes/apps"),
            "kubernetes/apps/shop/kustomization.yaml": kustomization(resources=["./web/ks.yaml"]),
            "kubernetes/apps/shop/web/ks.yaml": flux(
                "web", "./kubernetes/apps/shop/web/app", "targetNamespace: shop"
            ),
            "kubernetes/apps/shop/web/app/deployment.yaml": deployment("web", "reg.example/web:old"),
            "kubernetes/apps/shop/web/app/kustomization.yaml": kustomization(resources=["./deployment.yaml"]),
        },
        "kubernetes/apps/shop/web/app/deployment.yaml:10 reg.example/web:old",
        "Deployment shop/web",
    ),
    "no gotk-sync.yaml, but a Flux Kustomization": Case(
        {
            "docs/x.yaml": "kind: Other\n",
            "fleet/one/web.yaml": flux("web", "./apps/web", source="anything"),
            "apps/web/deployment.yaml": deployment("web", "reg.example/web:old", namespace="web"),
        },
        "apps/web/deployment.yaml:11 reg.example/web:old",
        "Deployment web/web",
    ),
    "Flux at the root of the repository": Case(
        {
            "flux-system/gotk-sync.yaml": sync("./"),
            "flux-system/kustomization.yaml": kustomization(resources=["gotk-sync.yaml"]),
            "web.yaml": flux("web", "web"),
            "web/deployment.yaml": deployment("web", "reg.example/web:old", namespace="web"),
        },
        "web/deployment.yaml:11 reg.example/web:old",
        "Deployment web/web",
    ),
    "the same repository under another source": Case(
        {
            **PLATFORM,
            "k8s/flux-system/again.yaml": repository("again", "https://git.example/platform.git"),
            "k8s/flux-system/web.yaml": flux("web", "./k8s/web", source="again"),
            "k8s/web/deployment.yaml": deployment("web", "reg.example/web:old", namespace="web"),
        },
        "k8s/web/deployment.yaml:11 reg.example/web:old",
        "Deployment web/web",
    ),
    "a Kustomization among the manifests, whose images are those of its own build": Case(
        {
            **FLEET,
            **BASE,
            "apps/prod/other.yaml": flux("other", "./other", *image_entry("reg.example/web", newTag="other")),
            "apps/prod/kustomization.yaml": kustomization(resources=["../base/web", "other.yaml"]),
        },
        "apps/base/web/deployment.yaml:10 reg.example/web:old",
        "Deployment web/web",
        ask=APPS,
    ),
    "objects in a List": Case(
        {
            **WEB_SYNC,
            "k8s/flux-system/web.yaml": "apiVersion: v1\nkind: List\nitems:\n"
            + "\n".join(
                ("- " if at == 0 else "  ") + line
                for at, line in enumerate(flux("web", "./k8s/web").splitlines())
            ),
            "k8s/web/deployment.yaml": deployment("web", "reg.example/web:old", namespace="web"),
        },
        "k8s/web/deployment.yaml:11 reg.example/web:old",
        "Deployment web/web",
    ),
    "a broken file of another site": Case(
        {
            **WEB_SYNC,
            "k8s/flux-system/api.yaml": "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: [\n",
            "k8s/web/deployment.yaml": deployment("web", "reg.example/web:old", namespace="web"),
        },
        "k8s/web/deployment.yaml:11 reg.example/web:old",
        "Deployment web/web",
    ),
}


@each_row("case", CASES.values(), ids=CASES)
def test_the_field_that_decides_is_found(case: Case) -> None:
    target = find.find(MemoryTree(case.files), "web", Choice(**case.ask))
    assert f"{target.field.path}:{target.field.span.line} {target.field.image}" == case.at
    assert str(target.workload) == case.workload
    assert target.container == case.container
    assert target.field.kind is case.kind
    assert target.image.repository == case.repository
    assert target.site.name == "web"
    assert not target.field.unsafe


BASE_APPS = {**FLEET, **BASE}
JSON = "      - {op: replace, path: /spec/template/spec/containers/0/image, value: 'reg.example/web:json'}"
INSIDE: dict[str, tuple[dict[str, str], str]] = {
    "an inline patch": (
        {"apps/prod/kustomization.yaml": kustomization("patches:", *INLINE, resources=["../base/web"])},
        "apps/prod/kustomization.yaml:16 reg.example/web:patched",
    ),
    "an inline patch selected by its target": (
        {
            "apps/prod/kustomization.yaml": kustomization(
                "patches:", *INLINE, "    target: {kind: Deployment}", resources=["../base/web"]
            ).replace("        name: web", "        name: any"),
        },
        "apps/prod/kustomization.yaml:16 reg.example/web:patched",
    ),
    "a JSON patch": (
        {
            "apps/prod/kustomization.yaml": kustomization(
                "patches:", "  - target: {kind: Deployment, name: web}", "    patch: |", JSON, resources=["../base/web"]
            ),
        },
        "apps/prod/kustomization.yaml:8 reg.example/web:json",
    ),
    "a JSON patch in a file": (
        {
            "apps/prod/image.yaml": JSON.strip(),
            "apps/prod/kustomization.yaml": kustomization(
                "patches: [{path: image.yaml, target: {kind: Deployment}}]", resources=["../base/web"]
            ),
        },
        "apps/prod/image.yaml:1 reg.example/web:json",
    ),
    "a patch of the Kustomization itself": (
        {"clusters/prod/apps.yaml": flux("apps", "./apps/base/web", "patches:", *INLINE)},
        "clusters/prod/apps.yaml:22 reg.example/web:patched",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("files", "at"), INSIDE.values(), ids=INSIDE)
def test_a_patch_that_stands_inside_a_file_is_edited_where_it_stands(files: dict[str, str], at: str) -> None:
    tree = MemoryTree({**BASE_APPS, **files})
    target = find.find(tree, "web", Choice(kustomization="apps"))
    assert f"{target.field.path}:{target.field.span.line} {target.field.image}" == at
    assert not target.field.unsafe
    content = tree.files[target.field.path]
    edited = manifest.apply(content, manifest.plan(content, target.field, "new"))
    assert edited == content.replace(f"web:{target.field.image.tag}".encode(), b"web:new")


UNSAFE: dict[str, tuple[dict[str, str], str]] = {
    "an inline patch in quotes, its image with an escape": (
        {
            **BASE,
            "apps/prod/kustomization.yaml": kustomization(
                "patches:",
                "  - target: {kind: Deployment}",
                '    patch: "- {op: replace, path: /spec/template/spec/containers/0/image, value: reg.example\\x2fweb:json}"',
                resources=["../base/web"],
            ),
        },
        "apps/prod/kustomization.yaml:7: a text here writes it with escapes",
    ),
    "an entry that pins a digest alone": (
        {
            **BASE,
            "apps/prod/kustomization.yaml": kustomization(
                *image_entry("reg.example/web", digest=f"sha256:{'0' * 64}"), resources=["../base/web"]
            ),
        },
        "apps/prod/kustomization.yaml:7: reg.example/web has no newTag here",
    ),
}


@pytest.mark.parametrize(("files", "place"), UNSAFE.values(), ids=UNSAFE)
def test_what_decides_but_cannot_be_spliced_says_so(files: dict[str, str], place: str) -> None:
    target = find.find(MemoryTree({**FLEET, **files}), "web", Choice(kustomization="apps"))
    assert f"{target.field.path}:{target.field.span.line}: {target.field.unsafe}".startswith(place)


WEB = {"k8s/web/deployment.yaml": deployment("web", "reg.example/web:old", namespace="web")}
REFUSED: dict[str, tuple[dict[str, str], dict[str, Any], type[BumpError], str, str]] = {
    "no Flux": (
        {"k8s/web/deployment.yaml": deployment("web", "reg.example/web:old")},
        {},
        TreeMissing,
        "web: no Flux tree in this repository, expected a gotk-sync.yaml or a Flux Kustomization",
        "--repo",
    ),
    "no such site: the nearest first": (
        {
            **PLATFORM,
            "k8s/flux-system/a.yaml": flux("api", "./k8s/api"),
            "k8s/flux-system/w.yaml": flux("webb", "./k8s/w"),
        },
        {},
        SiteMissing,
        "web: no Flux Kustomization has this name (found: webb, flux-system, api); did you mean 'webb'?",
        "--kustomization",
    ),
    "its sync file is listed, but not there": (
        {
            **PLATFORM,
            "k8s/flux-system/kustomization.yaml": kustomization(
                resources=["gotk-components.yaml", "gotk-sync.yaml", "web-sync.yaml"]
            ),
        },
        {},
        FieldMissing,
        (
            "web: no Flux Kustomization has this name (found: flux-system); "
            "k8s/flux-system/kustomization.yaml:6: resources names web-sync.yaml, which does not exist"
        ),
        "correct the Flux tree",
    ),
    "another one's sync file is not there": (
        {
            **PLATFORM,
            "k8s/flux-system/kustomization.yaml": kustomization(
                resources=["gotk-components.yaml", "gotk-sync.yaml", "shop-sync.yaml"]
            ),
            "k8s/flux-system/a.yaml": flux("api", "./k8s/api"),
        },
        {},
        FieldMissing,
        "web: no Flux Kustomization has this name (found: flux-system)",
        "bump check tells 1 faults of the tree",
    ),
    "its sync file is no YAML": (
        {**PLATFORM, "k8s/flux-system/web.yaml": "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: [\n"},
        {},
        FieldMissing,
        "k8s/flux-system/web.yaml:3: not YAML",
        "correct the Flux tree",
    ),
    "gotk-sync.yaml is no YAML": (
        {"k8s/flux-system/gotk-sync.yaml": "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: [\n"},
        {},
        NotYaml,
        "k8s/flux-system/gotk-sync.yaml:3: not YAML",
        "correct the file first",
    ),
    "two clusters": (
        {
            "clusters/a/flux-system/gotk-sync.yaml": sync("./clusters/a"),
            "clusters/b/flux-system/gotk-sync.yaml": sync("./clusters/b"),
            "clusters/a/web.yaml": flux("web", "./apps/a"),
            "clusters/b/web.yaml": flux("web", "./apps/b"),
        },
        {},
        FieldAmbiguous,
        "web: 2 Flux Kustomizations have this name: clusters/a/web.yaml:1 (path apps/a), clusters/b/web.yaml:1 (path apps/b)",
        "--kustomization FILE",
    ),
    "the path is not there": (
        {**PLATFORM, "k8s/flux-system/web.yaml": flux("web", "./k8s/web")},
        {},
        FieldMissing,
        "k8s/flux-system/web.yaml:7: Kustomization web has path k8s/web, which is no directory of this commit",
        "spec.path",
    ),
    "the path leads out, and begins at the root for Flux": (
        {**PLATFORM, "k8s/flux-system/web.yaml": flux("web", "../../web")},
        {},
        FieldMissing,
        "k8s/flux-system/web.yaml:7: Kustomization web has path web, which is no directory of this commit",
        "spec.path",
    ),
    "built from another repository": (
        {
            **PLATFORM,
            **WEB,
            "k8s/flux-system/web.yaml": flux("web", "./k8s/web", source="other"),
            "k8s/flux-system/o.yaml": repository("other", "https://git.example/other.git"),
        },
        {},
        FieldMissing,
        "k8s/flux-system/web.yaml:7: Kustomization web is built from GitRepository flux-system/other, which is not this repository",
        "--repo",
    ),
    "built from nothing": (
        {**PLATFORM, **WEB, "k8s/flux-system/web.yaml": flux("web", "./k8s/web", source="")},
        {},
        FieldMissing,
        "k8s/flux-system/web.yaml:7: Kustomization web has no spec.sourceRef with a kind and a name: ",
        "GitRepository",
    ),
    "a resource is not there": (
        {
            **WEB_SYNC,
            **WEB,
            "k8s/web/kustomization.yaml": kustomization(resources=["deployment.yaml", "servise.yaml"]),
        },
        {},
        FieldMissing,
        "k8s/web/kustomization.yaml:5: resources names servise.yaml, which does not exist",
        "Flux cannot build",
    ),
    "a directory among the resources has no kustomization": (
        {
            **WEB_SYNC,
            "k8s/web/kustomization.yaml": kustomization(resources=["run"]),
            "k8s/web/run/d.yaml": WEB["k8s/web/deployment.yaml"],
        },
        {},
        FieldMissing,
        "k8s/web/kustomization.yaml:4: k8s/web/run has no kustomization.yaml",
        "Flux cannot build",
    ),
    "a kustomization that contains itself": (
        {**WEB_SYNC, "k8s/web/kustomization.yaml": kustomization(resources=["../web"])},
        {},
        FieldMissing,
        "k8s/web/kustomization.yaml:4: k8s/web contains this kustomization itself",
        "Flux cannot build",
    ),
    "a component is not there": (
        {**WEB_SYNC, **WEB, "k8s/flux-system/web.yaml": flux("web", "./k8s/web", "components: [../canary]")},
        {},
        FieldMissing,
        "k8s/flux-system/web.yaml:11: spec.components names ../canary, which does not exist",
        "Flux cannot build",
    ),
    "no image named after the site": (
        {**WEB_SYNC, "k8s/web/deployment.yaml": deployment("web", "reg.example/web-api:1", namespace="web")},
        {},
        FieldMissing,
        (
            "k8s/web (Kustomization web): an image named web is not there "
            "(found: k8s/web/deployment.yaml:11 reg.example/web-api:1 (Deployment web/web, container web))"
        ),
        "--image",
    ),
    "no image at all": (
        {**WEB_SYNC, "k8s/web/namespace.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: web}\n"},
        {},
        FieldMissing,
        "k8s/web (Kustomization web): an image named web is not there (found: no image at all)",
        "--image",
    ),
    "no such repository": (
        {**WEB_SYNC, **WEB},
        {"image": "reg.example/shop"},
        FieldMissing,
        "k8s/web (Kustomization web): the image reg.example/shop is not there (found: k8s/web/deployment.yaml:11",
        "--image",
    ),
    "no such container": (
        {**WEB_SYNC, **WEB},
        {"containers": ("api",)},
        FieldMissing,
        "k8s/web (Kustomization web): no container api has an image named web (found: k8s/web/deployment.yaml:11 reg.example/web:old",
        "--container",
    ),
    "two repositories of that name": (
        {
            **WEB_SYNC,
            "k8s/web/deployment.yaml": deployment("web", "reg.example/web:old", init="other.example/web:1"),
        },
        {},
        FieldAmbiguous,
        "an image named web is not one image: k8s/web/deployment.yaml:8 other.example/web:1 (Deployment web, container setup), ",
        "--image REPOSITORY",
    ),
    "a manifest that is no YAML": (
        {**WEB_SYNC, **WEB, "k8s/web/service.yaml": "kind: [\n"},
        {},
        NotYaml,
        "k8s/web/service.yaml:2: not YAML",
        "correct the file first",
    ),
}


@each_row(("files", "ask", "error", "message", "hint"), REFUSED.values(), ids=REFUSED)
def test_anything_else_is_refused_with_what_is_there(
    files: dict[str, str], ask: dict[str, Any], error: type[BumpError], message: str, hint: str
) -> None:
    with pytest.raises(error) as caught:
        find.find(MemoryTree(files), "web", Choice(**ask))
    assert type(caught.value) is error
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_file_chooses_between_clusters() -> None:
    files = {**REFUSED["two clusters"][0], "apps/b/web.yaml": deployment("web", "reg.example/web:old")}
    target = find.find(MemoryTree(files), "web", Choice(kustomization="clusters/b/web.yaml"))
    assert target.field.path == "apps/b/web.yaml"


def test_one_kustomization_for_two_clusters_is_one_place() -> None:
    files = {
        **REFUSED["two clusters"][0],
        "clusters/b/web.yaml": flux("web", "./apps/a"),
        "apps/a/web.yaml": deployment("web", "reg.example/web:old"),
    }
    assert find.find(MemoryTree(files), "web").field.path == "apps/a/web.yaml"


@each_row(
    ("kind", "spec", "entries", "asked"),
    [
        ("Deployment", "spec:\n", (), 1),
        ("Deployment", "spec:\n  replicas: 3\n", (), 3),
        ("Deployment", "spec:\n  replicas: 0\n", (), 0),
        ("Deployment", "spec:\n  replicas: 0\n", ("replicas: [{name: web, count: 2}]",), 2),
        ("Deployment", "spec:\n  replicas: ${COUNT}\n", (), None),
        ("DaemonSet", "spec:\n", (), None),
    ],
)
def test_how_many_pods_git_asks_for(
    kind: str, spec: str, entries: tuple[str, ...], asked: int | None
) -> None:
    files = {
        **PLATFORM,
        "k8s/flux-system/web.yaml": flux("web", "./k8s/web"),
        "k8s/web/kustomization.yaml": kustomization(*entries, resources=["web.yaml"]),
        "k8s/web/web.yaml": deployment("web", "reg.example/web:1", kind=kind).replace("spec:\n", spec, 1),
    }
    assert find.find(MemoryTree(files), "web").desired(None)[0].replicas == asked


def test_a_repository_without_flux_has_no_sites() -> None:
    assert (
        find.sites(MemoryTree({"README.md": "", "k8s/web.yaml": deployment("web", "reg.example/web:1")}))
        == ()
    )
    assert find.sites(MemoryTree({})) == ()


def test_suspended_and_dependencies_are_read() -> None:
    spec = (
        "suspend: true",
        "dependsOn: [{name: db}, {name: vault, namespace: infra}]",
        "targetNamespace: shop",
    )
    (_, web) = find.sites(
        MemoryTree({**PLATFORM, "k8s/flux-system/web.yaml": flux("web", "./k8s/web", *spec)})
    )
    assert web.suspended
    assert web.depends_on == (
        ObjectKey("Kustomization", "flux-system", "db"),
        ObjectKey("Kustomization", "infra", "vault"),
    )
    assert web.target_namespace == "shop"


MANY = {
    f"src/part{at // 100}/unit{at % 100}/file{part}.yaml": "a: b\n" for at in range(4000) for part in range(5)
}


class TestEconomy:
    def test_a_repository_of_20_000_files_costs_no_more_than_a_small_one(self) -> None:
        small, large = MemoryTree(OURS), MemoryTree({**MANY, **OURS})
        find.find(small, "kevinryan-io")
        find.find(large, "kevinryan-io")
        assert len(large.files) > 20_000
        assert large.batches == small.batches
        assert len(large.listed) <= 2_200

    def test_one_without_flux_is_given_up_after_a_bounded_search(self) -> None:
        tree = MemoryTree(MANY)
        assert find.sites(tree) == ()
        assert len(tree.listed) <= 2_200
        assert len(tree.read_paths) <= 4_000

    def test_overlays_cost_one_batch_for_each_level(self) -> None:
        tree = MemoryTree(CASES["the outer of two images entries decides"].files)
        find.find(tree, "web", Choice(**APPS))
        assert tree.batches == [
            ("clusters/prod/flux-system/gotk-sync.yaml", "clusters/prod/flux-system/kustomization.yaml"),
            ("clusters/prod/apps.yaml",),
            ("apps/prod/kustomization.yaml",),
            ("apps/mid/kustomization.yaml",),
            ("apps/base/web/kustomization.yaml",),
            ("apps/base/web/deployment.yaml",),
        ]


def test_an_image_that_only_a_remote_base_may_have_is_refused_with_the_base() -> None:
    listed = kustomization(resources=["https://github.com/team/web//base?ref=v1"])
    with pytest.raises(FieldMissing) as refused:
        find.find(MemoryTree({**WEB_SYNC, "k8s/web/kustomization.yaml": listed}), "web")
    assert refused.value.message.endswith(
        "; k8s/web/kustomization.yaml:4: https://github.com/team/web//base?ref=v1 is not in this repository"
    )
