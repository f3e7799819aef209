"""A site taken away: which files go, what Flux deletes with them, and what must stay."""

import pytest

from bumper.errors import FieldMissing, Refused
from bumper.fluxtree.sites import find
from bumper.onboarding import SiteRequest, plan_addition, plan_removal

from . import platforms
from .platforms import SITES, after, k8s, tree

ROOT = "clusters/flux-system/gotk-sync.yaml"


def web() -> dict[str, str]:
    """One site, below a root that prunes."""
    files = platforms.platform({"web": platforms.traefik("web", "Host(`a.example`)")})
    files[ROOT] = files[ROOT].rstrip("\n") + "\n  prune: true\n"
    return files


@pytest.mark.parametrize("site", [*SITES, "umami"])
def test_what_goes_is_the_site_and_nothing_else(site: str) -> None:
    files = k8s()
    removal = plan_removal(tree(files), site)
    left = after(files, removal.files)
    gone = set(files) - set(left)
    assert gone == {path for path in files if path.startswith(f"k8s/{site}/")} | {
        f"k8s/flux-system/{site}-sync.yaml"
    }
    changed = {path for path in left if left[path] != files[path]}
    assert changed == {"k8s/flux-system/kustomization.yaml"}
    listed = files["k8s/flux-system/kustomization.yaml"]
    assert left["k8s/flux-system/kustomization.yaml"] == listed.replace(
        f"  - {site}-sync.yaml\n".encode(), b""
    )
    assert site not in {kept.name for kept in find.sites(tree(left))}


@pytest.mark.parametrize(
    "listed",
    [
        None,
        "",
        "resources: [gotk-sync.yaml, web.yaml]\n",
        "resources:\n    - gotk-sync.yaml   # Flux\n    - ./web.yaml\n",
        "resources:\r\n- gotk-sync.yaml\r\n- web.yaml\r\n",
    ],
)
def test_a_removal_takes_an_addition_back(listed: str | None) -> None:
    made = platforms.platform({"web": platforms.traefik("web", "Host(`a.example`)")}, listed=listed)
    files = {path: text.encode() for path, text in made.items()}
    added = after(files, plan_addition(tree(files), SiteRequest("shop", ("shop.example",))).files)
    assert after(added, plan_removal(tree(added), "shop").files) == files


def test_it_says_what_flux_deletes_the_namespace_first() -> None:
    files = web()
    files["sites/web/data.yaml"] = (
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: pages, namespace: web}\n---\n"
        "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db, namespace: web}\n"
        "spec: {volumeClaimTemplates: [{metadata: {name: disk}}]}\n---\n"
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: cache, namespace: web}\n---\n"
        "apiVersion: v1\nkind: Secret\nmetadata: {name: kept, namespace: shared, "
        'annotations: {kustomize.toolkit.fluxcd.io/prune: "disabled"}}\n---\n'
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: page, namespace: web, "
        'labels: {kustomize.toolkit.fluxcd.io/prune: "disabled"}}\n'
    )
    removal = plan_removal(tree(files), "web")
    assert removal.described() == [
        "Flux will delete in the cluster:",
        "  Namespace web, with everything that is in it",
        "  Deployment web/web",
        "  Service web/web",
        "  IngressRoute web/web",
        "  PersistentVolumeClaim web/pages",
        "  StatefulSet web/db",
        "  HelmRelease web/cache, and uninstall its release",
        "  ConfigMap web/page",
        "data is lost: PersistentVolumeClaim web/pages",
        "data is lost: the volumes disk of StatefulSet web/db, with its namespace",
        "data is lost: whatever else is in namespace web",
        "Secret shared/kept stays: sites/web/data.yaml:14 says kustomize.toolkit.fluxcd.io/prune: disabled",
    ]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("prune: true", "prune: false", "web.yaml:9 says prune: false, so its objects stay"),
        ("prune: true", "prune: true\n    deletionPolicy: Orphan", "web.yaml:10 says deletionPolicy: Orphan"),
        (
            "prune: true",
            "prune: true\n    suspend: true",
            "web.yaml:10 says suspend: true, so its objects stay",
        ),
    ],
)
def test_what_is_not_pruned_stays_and_is_told(old: str, new: str, reason: str) -> None:
    files = web()
    files["clusters/flux-system/web.yaml"] = files["clusters/flux-system/web.yaml"].replace(old, new)
    removal = plan_removal(tree(files), "web")
    assert removal.deleted == ()
    assert reason in removal.why_kept
    assert removal.described()[0].startswith("Flux deletes nothing in the cluster: ")


def test_a_policy_to_delete_outweighs_prune() -> None:
    files = web()
    sync = files["clusters/flux-system/web.yaml"]
    files["clusters/flux-system/web.yaml"] = sync.replace(
        "prune: true", "prune: false\n    deletionPolicy: WaitForTermination"
    )
    removal = plan_removal(tree(files), "web")
    assert removal.why_kept == ""
    assert len(removal.deleted) == 4


def test_where_nothing_above_prunes_the_kustomization_stays_too() -> None:
    files = web() | {ROOT: web()[ROOT].replace("prune: true", "prune: false")}
    removal = plan_removal(tree(files), "web")
    assert "the Kustomization above it (flux-system) does not prune" in removal.why_kept
    assert "kubectl delete kustomization web -n flux-system" in removal.why_kept


def test_what_another_kustomization_builds_stays() -> None:
    files = web()
    files["clusters/flux-system/kustomization.yaml"] += "- api.yaml\n"
    files["clusters/flux-system/api.yaml"] = platforms.flux_site("api", "./sites/web/api")
    files["sites/web/kustomization.yaml"] = "resources: [all.yaml, api/shared.yaml, ../base]\n"
    files["sites/web/api/shared.yaml"] = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shared, namespace: web}\n"
    )
    files["sites/web/api/notes.txt"] = "of the api"
    files["sites/web/README.md"] = "of the site"
    files["sites/base/kustomization.yaml"] = "resources: [one.yaml]\n"
    files["sites/base/one.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, namespace: web}\n"
    removal = plan_removal(tree(files), "web")
    assert sorted(removal.files) == [
        "clusters/flux-system/kustomization.yaml",
        "clusters/flux-system/web.yaml",
        "sites/web/README.md",
        "sites/web/all.yaml",
        "sites/web/kustomization.yaml",
    ]
    assert removal.left == ("sites/base/kustomization.yaml", "sites/base/one.yaml")
    assert (
        "sites/base/one.yaml stays in the repository, and nothing builds it any more" in removal.described()
    )


def test_what_others_depend_on_stays() -> None:
    files = platforms.platform(
        {name: platforms.traefik(name, f"Host(`{name}.example`)") for name in ("web", "api")}
    )
    files["clusters/flux-system/api.yaml"] = platforms.flux_site(
        "api", "./sites/api", "dependsOn: [{name: web}]"
    )
    with pytest.raises(Refused, match=r"clusters/flux-system/api\.yaml:11: Kustomization api depends on web"):
        plan_removal(tree(files), "web")
    assert "sites/api/all.yaml" in plan_removal(tree(files), "api").files


@pytest.mark.parametrize("name", ["flux-system", "nothing"])
def test_the_root_and_what_is_not_there_are_refused(name: str) -> None:
    with pytest.raises((Refused, FieldMissing)):
        plan_removal(tree(web()), name)


def test_a_sync_file_that_holds_more_is_left_to_people() -> None:
    files = web()
    files["clusters/flux-system/web.yaml"] += "---\n" + platforms.flux_site("other", "./sites/other")
    with pytest.raises(Refused, match=r"web\.yaml:12: Kustomization flux-system/other is in the same file"):
        plan_removal(tree(files), "web")
