"""Sites that get a source of their own: what is written, and that they are built as before."""

import pytest
from tables import each_row
from trees import MemoryTree, deployment, flux, sync

from bumper.errors import Refused
from bumper.fluxtree.changed import Changed
from bumper.fluxtree.sites import find
from bumper.onboarding import isolation
from bumper.request import Origin

OVERLAY = "resources: [../base]\nconfigMapGenerator:\n- name: page\n  files: [index=../pages/index.html]\n"
LISTING = "resources:\n# in order\n- gotk-sync.yaml\n- web.yaml # the shop\n- blog.yaml\n- tools.yaml\n"
BLOG = flux("blog", "./apps/prod/blog") + "# the end\n"


def platform(**more: str) -> MemoryTree:
    return MemoryTree(
        {
            "clusters/a/flux-system/gotk-sync.yaml": sync("./clusters/a"),
            "clusters/a/kustomization.yaml": LISTING.replace("gotk-sync", "flux-system/gotk-sync"),
            "clusters/a/web.yaml": flux("web", "./apps/prod", "interval: 10m # often"),
            "clusters/a/blog.yaml": BLOG,
            "clusters/a/tools.yaml": flux("tools", "./tools"),
            "tools/more.yaml": flux("more", "./apps/base"),
            "apps/base/kustomization.yaml": "resources: [web.yaml]\n",
            "apps/base/web.yaml": deployment("web", "reg.example/web:1.0"),
            "apps/pages/index.html": "<p>",
            "apps/prod/kustomization.yaml": OVERLAY,
            "apps/prod/blog/blog.yaml": deployment("blog", "reg.example/blog:1.0"),
            **more,
        }
    )


def isolated(tree: MemoryTree, *names: str) -> tuple[isolation.Isolation, Changed]:
    plan = isolation.propose(names, Origin(), "a" * 40, tree)
    return plan, Changed(tree, {path: after for path, (_, after) in plan.files.items()})


def test_a_site_gets_the_directories_that_its_build_reads() -> None:
    tree = platform()
    plan, after = isolated(tree, "web")
    made = after.read(["clusters/a/artifacts.yaml"])["clusters/a/artifacts.yaml"].decode()
    assert made == (
        "apiVersion: source.extensions.fluxcd.io/v1beta1\n"
        "kind: ArtifactGenerator\n"
        "metadata:\n"
        "  name: sites\n"
        "  namespace: flux-system\n"
        "spec:\n"
        "  sources:\n"
        "    - alias: repo\n"
        "      kind: GitRepository\n"
        "      name: flux-system\n"
        "  artifacts:\n"
        "    - name: web\n"
        '      originRevision: "@repo"\n'
        "      copy:\n"
        '        - from: "@repo/apps/base/**"\n'
        '          to: "@artifact/apps/base/"\n'
        '        - from: "@repo/apps/pages/**"\n'
        '          to: "@artifact/apps/pages/"\n'
        '        - from: "@repo/apps/prod/**"\n'
        '          to: "@artifact/apps/prod/"\n'
        "          exclude:\n"
        "            - apps/prod/blog/**\n"
    )
    changed = {path: content.decode() for path, content in after.read(plan.files).items()}
    assert changed["clusters/a/kustomization.yaml"] == LISTING.replace(
        "gotk-sync", "flux-system/gotk-sync"
    ) + ("- artifacts.yaml\n")
    before = tree.files["clusters/a/web.yaml"].decode()
    assert changed["clusters/a/web.yaml"] == before.replace("GitRepository", "ExternalArtifact").replace(
        "name: flux-system\n  interval", "name: web\n  interval"
    ).replace("    name: flux-system", "    name: web")


def test_the_field_stays_where_it_was_and_names_its_commit() -> None:
    tree = platform()
    _, after = isolated(tree, "web")
    before, target = find.find(tree, "web"), find.find(after, "web")
    assert target.field == before.field
    assert target.site.path == before.site.path
    assert [key.kind for key in target.site.makers] == ["ArtifactGenerator", "GitRepository"]


def test_a_second_site_joins_the_generator_that_is_there() -> None:
    _, first = isolated(platform(), "web")
    plan = isolation.propose(["blog"], Origin(), "a" * 40, first)
    assert sorted(plan.files) == ["clusters/a/artifacts.yaml", "clusters/a/blog.yaml"]
    assert plan.files["clusters/a/blog.yaml"][1] == BLOG.replace("GitRepository", "ExternalArtifact").replace(
        "    name: flux-system", "    name: blog"
    ).encode()  # fmt: skip
    again = isolation.propose(["web"], Origin(), "a" * 40, first)
    assert (again.files, again.left) == (
        {},
        {"web": "is built from ExternalArtifact flux-system/web already"},
    )


def test_all_means_every_site_that_can_and_says_why_the_others_stay() -> None:
    plan, after = isolated(platform())
    assert plan.sites == ("web", "blog", "more")
    assert set(plan.left) == {"flux-system", "tools"}
    assert "brings Kustomization flux-system/more" in plan.left["tools"]
    assert all(site.makers for site in find.sites(after) if site.name in plan.sites)


@each_row(
    ("name", "more", "reason"),
    [
        ("tools", {}, "clusters/a/tools.yaml:1: Kustomization tools brings Kustomization flux-system/more"),
        ("web", {"clusters/a/web.yaml": flux("web", "./")}, "builds the whole repository"),
        ("web", {"clusters/a/web.yaml": flux("web", "./gone")}, "path gone, which is no directory here"),
        ("web", {"apps/prod/kustomization.yaml": "resources: [../gone]\n"}, "apps/prod/kustomization.yaml:1"),
        ("web", {"clusters/a/artifacts.yaml": "a: b\n"}, "clusters/a/artifacts.yaml is there already"),
        ("web", {"apps/prod/kustomization.yaml": "resources: [../base, ../../r.yaml]\n", "r.yaml": "{}\n"}, "the root directory"),
    ],
)  # fmt: skip
def test_what_cannot_be_isolated_is_refused(name: str, more: dict[str, str], reason: str) -> None:
    with pytest.raises(Refused) as refused:
        isolated(platform(**more), name)
    assert reason in refused.value.message
