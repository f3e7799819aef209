"""Every site of a tree: those that annotations name, and those of one name in several clusters."""

import pytest
from platforms import SOURCE, deployment, files, kustomization
from trees import MemoryTree

from bumper.errors import TreeMissing
from bumper.observation import Observation
from bumper.recording.player import NoFacts
from bumper.revision import Revision
from bumper.status import look, sites

TIP = Revision("main", "a" * 40)


def shown(tree: MemoryTree) -> list[tuple[str, str, str]]:
    """Site, what tells it apart, and the tag that git wants."""
    return [
        (entry.desired.site, entry.desired.where, entry.image.tag if entry.image else "")
        for entry in sites.read(tree, TIP)
    ]


def apps(*annotations: str) -> MemoryTree:
    notes = ", ".join(annotations)
    sync = kustomization("apps", "./k8s/apps").replace(
        "{name: apps,", f"{{annotations: {{{notes}}}, name: apps,"
    )
    both = deployment("front", "reg.io/storefront:1.0") + "---\n" + deployment("blog", "reg.io/blog:2.0")
    whole: dict[str, str | bytes] = {**files("reg.io", "apps"), "k8s/apps/deployment.yaml": both}
    return MemoryTree(whole | ({"k8s/flux-system/apps-sync.yaml": sync} if notes else {}))


def test_each_site_that_annotations_name_is_there_and_its_kustomization_only_by_them() -> None:
    named = apps("bump/image.shop: reg.io/storefront", "bump/image.blog: reg.io/blog")
    assert shown(named) == [("flux-system", "", ""), ("shop", "", "1.0"), ("blog", "", "2.0")]
    both = apps("bump/image: reg.io/storefront", "bump/image.news: reg.io/blog")
    assert shown(both) == [("flux-system", "", ""), ("apps", "", "1.0"), ("news", "", "2.0")]


def test_a_kustomization_that_nothing_names_is_there_with_the_reason_why_it_is_not_followed() -> None:
    assert shown(apps()) == [("flux-system", "", ""), ("apps", "", "")]


def test_what_an_annotation_says_and_is_not_there_is_told_at_its_own_row() -> None:
    (_, gone) = sites.read(apps("bump/image.shop: reg.io/gone"), TIP)
    assert gone.desired.site == "shop"
    assert "reg.io/gone" in gone.not_followed


def clusters(*names: str) -> MemoryTree:
    texts = {}
    for name in names:
        root = f"clusters/{name}/flux-system/gotk-sync.yaml"
        texts[root] = f"{SOURCE}---\n{kustomization('flux-system', f'./clusters/{name}')}"
        texts[f"clusters/{name}/web.yaml"] = kustomization("web", f"./apps/{name}")
        texts[f"apps/{name}/web.yaml"] = deployment("web", f"reg.io/web:{name}")
    return MemoryTree(texts)


def test_namesakes_of_several_clusters_have_a_row_each_and_what_tells_them_apart() -> None:
    assert [row for row in shown(clusters("prod", "staging")) if row[0] == "web"] == [
        ("web", "prod", "prod"),
        ("web", "staging", "staging"),
    ]
    assert ("web", "", "prod") in shown(clusters("prod"))


def test_the_rows_say_so() -> None:
    entries = [entry for entry in sites.read(clusters("prod", "staging"), TIP) if entry.desired.where]
    rows = look.rows("east", entries, [(Observation(0.0),)] * len(entries), NoFacts())
    assert [(row.label, row.identity) for row in rows if row.site == "web"] == [
        ("web (prod)", "clusters/prod/web.yaml#flux-system/web"),
        ("web (staging)", "clusters/staging/web.yaml#flux-system/web"),
    ]


def test_a_repository_without_flux_has_no_table_and_no_page() -> None:
    with pytest.raises(TreeMissing, match="no Flux tree in this repository"):
        sites.read(MemoryTree({"README.md": b"x"}), TIP)
