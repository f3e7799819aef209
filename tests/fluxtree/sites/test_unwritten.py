"""Kustomizations that no file of the repository holds: asked of the clusters, or named by the directory that they build."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from trees import MemoryTree, deployment, flux, sync

from bumper.errors import BumpError, FieldAmbiguous, FieldMissing, SiteMissing
from bumper.fluxtree.layers import Reading
from bumper.fluxtree.proof import prove
from bumper.fluxtree.sites import find
from bumper.fluxtree.sites.deploys import of_target
from bumper.fluxtree.sites.selection import live_build
from bumper.manifest import apply, plan
from bumper.request import Choice, Inventory, Live, LiveBuild

OURS, THEIRS = "https://git.example/platform.git", "https://git.example/other.git"
FILES = {
    "clusters/prod/flux-system/gotk-sync.yaml": sync("./clusters/prod"),
    "clusters/prod/shop.yaml": flux("shop", "./apps/shop"),
    "apps/shop/dep.yaml": deployment("shop", "reg.io/shop:1.0"),
    "apps/web/dep.yaml": deployment("web", "reg.io/web:1.0"),
    "apps/east/dep.yaml": deployment("web", "reg.io/web:2.0"),
    "apps/filled/dep.yaml": deployment("web", "reg.io/web:${TAG}"),
}
SET = """\
apiVersion: fluxcd.controlplane.io/v1
kind: ResourceSet
metadata: {name: apps, namespace: flux-system}
spec:
  inputsFrom: [{kind: ResourceSetInputProvider, name: pulls}]
  resources: [{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization}]
"""


def live_kustomization(
    path: str, source: str = "flux-system", kind: str = "GitRepository", **spec: Any
) -> Any:
    return {
        "metadata": {"name": "web", "namespace": "flux-system", "labels": {"app": "web"}, "uid": "1"},
        "spec": {"path": path, "prune": True, "sourceRef": {"kind": kind, "name": source}, **spec},
        "status": {"observedGeneration": 1},
    }


def _url(build: LiveBuild, url: str) -> str:
    """What a cluster tells of a source: the address of a GitRepository alone."""
    return url if build.source.startswith("GitRepository") else ""


def cluster(*kustomizations: Any, url: str = OURS, name: str = "web") -> Live:
    """Clusters that have these under the name `web` in flux-system."""

    def live(namespace: str, asked: str) -> frozenset[LiveBuild]:
        if (namespace, asked) != ("flux-system", name):
            return frozenset()
        builds = [live_build(each, namespace) for each in kustomizations]
        return frozenset(
            LiveBuild(build.path, build.source, "prod", build.kustomization, partial(_url, build, url))
            for build in builds
            if build
        )

    return live


def target_of(live: Live | None = None, *, files: dict[str, str] | None = None, **chosen: Any) -> find.Target:
    return find.find(MemoryTree({**FILES, **(files or {})}), "web", Choice(live=live, **chosen))


def test_a_cluster_knows_what_git_does_not(subtests: pytest.Subtests) -> None:
    rows: dict[str, tuple[Live | None, dict[str, Any], str]] = {
        "its own path": (cluster(live_kustomization("./apps/east")), {}, "apps/east/dep.yaml"),
        "by its namespace": (
            cluster(live_kustomization("./apps/web")),
            {"kustomization": "flux-system/web"},
            "apps/web/dep.yaml",
        ),
        "of two the named path": (
            cluster(live_kustomization("./apps/web"), live_kustomization("./apps/east")),
            {"path": "apps/east"},
            "apps/east/dep.yaml",
        ),
        "a source that only the cluster defines, with our address": (
            cluster(live_kustomization("./apps/east", "tenant")),
            {},
            "apps/east/dep.yaml",
        ),
        "a source that is pushed from here": (
            cluster(live_kustomization("./", "artifact", "OCIRepository")),
            {"path": "apps/web"},
            "apps/web/dep.yaml",
        ),
        "no cluster, named by its path": (None, {"path": "./apps/east/"}, "apps/east/dep.yaml"),
        "no cluster, as history calls it": (
            None,
            {"kustomization": "apps/east#flux-system/web"},
            "apps/east/dep.yaml",
        ),
        "gone from the cluster, as history calls it": (
            cluster(),
            {"kustomization": "apps/east#flux-system/web"},
            "apps/east/dep.yaml",
        ),
    }
    for name, (live, chosen, path) in rows.items():
        with subtests.test(name):
            target = target_of(live, **chosen)
            assert target.field.path == path
            directory = path.removesuffix("/dep.yaml")
            assert target.site.identity == target.site.named == f"{directory}#flux-system/web"
            assert target.desired(None)[0].kustomization.namespace == "flux-system"


REFUSED: dict[str, tuple[Live | None, dict[str, Any], type[BumpError], str]] = {
    "two of one name": (
        cluster(live_kustomization("./apps/web"), live_kustomization("./apps/east")),
        {},
        FieldAmbiguous,
        r"apps/east \(cluster prod\) \(path apps/east\)",
    ),
    "another repository": (
        cluster(live_kustomization("./apps/web", "tenant"), url=THEIRS),
        {},
        FieldMissing,
        "which is not this repository .*other.git",
    ),
    "another path than the cluster's": (
        cluster(live_kustomization("./apps/web")),
        {"path": "apps/east"},
        FieldMissing,
        "no cluster builds apps/east under this name: cluster prod builds apps/web",
    ),
    "a path, and a cluster without it": (
        cluster(),
        {"path": "apps/web"},
        FieldMissing,
        "no cluster that is followed has it",
    ),
    "neither": (cluster(), {}, SiteMissing, "no Flux Kustomization has this name"),
    "a file": (None, {"kustomization": "apps/web.yaml", "path": "apps/web"}, SiteMissing, "apps/web.yaml"),
    "a path that is no directory": (
        None,
        {"path": "apps/gone"},
        FieldMissing,
        r"^apps/gone \(--path\): is no directory of this commit",
    ),
    "a tag that the Kustomization itself fills in": (
        cluster(live_kustomization("./apps/filled", postBuild={"substitute": {"TAG": "1.0"}})),
        {},
        FieldMissing,
        "",
    ),
}


def test_what_is_refused_of_what_git_does_not_have(subtests: pytest.Subtests) -> None:
    for name, (live, chosen, kind, message) in REFUSED.items():
        with subtests.test(name):
            if message:
                with pytest.raises(kind, match=message):
                    target_of(live, **chosen)
            else:
                field = target_of(live, **chosen).field
                assert "which no file of this repository holds (cluster prod)" in field.unsafe
                assert str(field.image.tag) == "1.0"


def test_its_edit_is_proved_in_its_build_and_its_own_fields_count() -> None:
    for live, unproved in (
        (cluster(live_kustomization("./apps/web", targetNamespace="tenant")), ""),
        (None, "--"),
    ):
        target = target_of(live, path="apps/web")
        assert target.workload.namespace == ("" if unproved else "tenant")
        content = FILES["apps/web/dep.yaml"].encode()
        edits = plan(content, target.field, "3.0", "")
        tree = MemoryTree(FILES)
        proof = prove(
            Reading(tree), {target.field.path: apply(content, edits)}, edits, target.images, [target.site]
        )
        assert [str(change.difference.after) for change in proof.changes] == ["reg.io/web:3.0"]
        assert [gap.message for gap in proof.unproved] == (
            ["Kustomization web is in no file, and no cluster was asked what it adds"] if unproved else []
        )


def test_a_resource_set_names_the_ways_and_nothing_is_written_on_what_no_file_holds() -> None:
    with pytest.raises(FieldMissing, match="may make it") as caught:
        target_of(files={"clusters/prod/set.yaml": SET})
    assert "--path DIR" in caught.value.hint
    assert "--context" in caught.value.hint
    with pytest.raises(FieldMissing, match="no file of this repository holds Kustomization web"):
        find.find_site(MemoryTree(FILES), "web", kustomization="apps/web#flux-system/web")
    assert of_target([], target_of(path="apps/web"), MemoryTree(FILES)) == []


def test_all_that_only_a_cluster_has_is_listed_and_nothing_of_another_repository() -> None:
    asked: list[Sequence[str]] = []

    def inventory(url: str, *kustomizations: Any) -> Inventory:
        def of(namespaces: Sequence[str]) -> list[LiveBuild]:
            asked.append(namespaces)
            builds = [live_build(each, "flux-system") for each in kustomizations]
            return [
                LiveBuild(build.path, build.source, "prod", build.kustomization, partial(_url, build, url))
                for build in builds
                if build
            ]

        return of

    web, shop = live_kustomization("./apps/east"), live_kustomization("./apps/other")
    shop["metadata"] = {"name": "shop", "namespace": "flux-system"}
    other = live_kustomization("./apps/web", source="fleet")
    tree = MemoryTree(FILES)
    (*written, (site, target)) = find.find_all(tree, inventory(OURS, web, shop))
    assert [each.name for each, _ in written] == [each.name for each, _ in find.find_all(tree)]
    assert (site.name, site.known_by, site.place) == ("web", "cluster prod", "apps/east (cluster prod)")
    assert isinstance(target, find.Target)
    assert target.place == "apps/east/dep.yaml:10"
    assert asked == [["flux-system"]]
    assert len(list(find.find_all(tree, inventory(THEIRS, other)))) == len(written)


def test_nothing_is_read_of_what_a_cluster_has_as_the_tree_has_it() -> None:
    """Of a thousand Kustomizations nearly all are: neither is the address of their source asked, nor are they read as YAML."""

    def unasked() -> str:
        raise AssertionError("asked for the address of a source")

    def inventory(_: Sequence[str]) -> list[LiveBuild]:
        build = live_build(live_kustomization("./apps/shop") | {"metadata": metadata}, "flux-system")
        assert build
        return [LiveBuild(build.path, build.source, "prod", build.kustomization, unasked)]

    metadata = {"name": "shop", "namespace": "flux-system"}
    assert [site.name for site, _ in find.find_all(MemoryTree(FILES), inventory)] == ["flux-system", "shop"]
