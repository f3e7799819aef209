"""Images of a HelmRelease whose values, or patches, stand elsewhere than in `spec.values`."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from tables import each_row
from trees import MemoryTree, flux, kustomization, sync

from bumper import manifest
from bumper.errors import FieldMissing
from bumper.fluxtree.sites import find

BASE = {
    "k8s/flux-system/gotk-sync.yaml": sync("./k8s/flux-system"),
    "k8s/flux-system/web.yaml": flux("web", "./k8s/web"),
}
HEAD = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: web, namespace: shop}\nspec:\n"
FROM = "  valuesFrom: [{kind: ConfigMap, name: web-values}]\n"
MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web-values, namespace: shop}\n"
VALUES = "image:\n  repository: reg.io/web\n  tag: r1 # keep\n"


def generated(*files: str, more: str = "") -> str:
    return kustomization(
        f"configMapGenerator: [{{name: web-values, namespace: shop, files: [{', '.join(files)}]{more}}}]",
        resources=["release.yaml"],
    )


@dataclass(frozen=True)
class Case:
    files: Mapping[str, str]
    at: str
    image: str = "reg.io/web:r1"


CASES = {
    "a file of a generator": Case(
        {
            "release.yaml": HEAD + FROM,
            "kustomization.yaml": generated("values.yaml"),
            "values.yaml": VALUES,
        },
        "k8s/web/values.yaml:3",
    ),
    "a file under another key": Case(
        {
            "release.yaml": HEAD + "  valuesFrom: [{kind: ConfigMap, name: web-values, valuesKey: mine}]\n",
            "kustomization.yaml": generated("mine=conf/web.yaml"),
            "conf/web.yaml": VALUES,
        },
        "k8s/web/conf/web.yaml:3",
    ),
    "the name in one file, the tag in another": Case(
        {
            "release.yaml": HEAD
            + "  valuesFrom:\n  - {kind: ConfigMap, name: web-values}\n"
            "  - {kind: ConfigMap, name: web-values, valuesKey: b.yaml}\n",
            "kustomization.yaml": generated("values.yaml", "b.yaml"),
            "values.yaml": "image: {repository: reg.io/web, tag: v0}\n",
            "b.yaml": "image: {tag: r1}\n",
        },
        "k8s/web/b.yaml:1",
    ),
    "the tag in the release itself": Case(
        {
            "release.yaml": HEAD + FROM + "  values:\n    image: {tag: r1}\n",
            "kustomization.yaml": generated("values.yaml"),
            "values.yaml": "image: {repository: reg.io/web, tag: v0}\n",
        },
        "k8s/web/release.yaml:7",
    ),
    "a block of a ConfigMap": Case(
        {
            "release.yaml": HEAD + FROM,
            "map.yaml": MAP + "data:\n  values.yaml: |\n    image: {repository: reg.io/web, tag: r1}\n",
        },
        "k8s/web/map.yaml:6",
    ),
    "a generator that merges": Case(
        {
            "kustomization.yaml": generated("values.yaml", more=", behavior: merge").replace("release.yaml", "base"),
            "values.yaml": VALUES,
            "base/kustomization.yaml": generated("values.yaml"),
            "base/release.yaml": HEAD + FROM,
            "base/values.yaml": VALUES.replace("r1", "v0"),
        },
        "k8s/web/values.yaml:3",
    ),
    "a target path": Case(
        {
            "release.yaml": HEAD + "  valuesFrom:\n  - {kind: ConfigMap, name: more}\n"
            "  - {kind: ConfigMap, name: web-values, valuesKey: TAG, targetPath: 'a[0].image.tag'}\n",
            "map.yaml": MAP + "data: {TAG: r1}\n",
            "more.yaml": MAP.replace("web-values", "more") + "data:\n  values.yaml: |\n    a: [{image: {repository: reg.io/web}}]\n",
        },
        "k8s/web/map.yaml:4",
    ),
    "a patch of a post-renderer": Case(
        {
            "release.yaml": HEAD + "  postRenderers:\n  - kustomize:\n      patches:\n"
            "      - target: {kind: Deployment}\n        patch: |\n"
            "          - op: replace\n            path: /spec/template/spec/containers/0/image\n            value: reg.io/web:r1\n",
        },
        "k8s/web/release.yaml:12",
    ),
    "an entry of a post-renderer": Case(
        {
            "release.yaml": HEAD + "  postRenderers:\n  - kustomize:\n      images: [{name: reg.io/web, newTag: r1}]\n",
        },
        "k8s/web/release.yaml:7",
    ),
}  # fmt: skip


def tree(files: Mapping[str, str]) -> dict[str, str]:
    return BASE | {f"k8s/web/{name}": text for name, text in files.items()}


@each_row("case", CASES.values(), ids=CASES)
def test_the_tag_is_edited_where_it_is_written(case: Case) -> None:
    files = tree(case.files)

    target = find.find(MemoryTree(files), "web")

    assert f"{target.field.path}:{target.field.span.line}" == case.at
    assert str(target.image) == case.image
    content = files[target.field.path].encode()
    edited = manifest.apply(content, manifest.plan(content, target.field, "new2"))
    assert edited == content.replace(b"r1", b"new2")
    after = find.find(MemoryTree({**files, target.field.path: edited.decode()}), "web")
    assert str(after.image) == "reg.io/web:new2"


def test_values_in_a_quoted_text_are_edited_there() -> None:
    files = tree(
        {
            "release.yaml": HEAD + FROM,
            "map.yaml": MAP + 'data:\n  values.yaml: "image: {repository: reg.io/web, tag: r1}"\n',
        }
    )
    field = find.find(MemoryTree(files), "web").field
    content = files["k8s/web/map.yaml"].encode()
    edited = manifest.apply(content, manifest.plan(content, field, "v2"))
    assert edited == content.replace(b"tag: r1", b"tag: v2")


def test_values_that_are_not_yaml_leave_a_doubt() -> None:
    files = tree(
        {
            "release.yaml": HEAD + FROM + "  values:\n    image: {repository: reg.io/web, tag: r1}\n",
            "kustomization.yaml": generated("values.yaml"),
            "values.yaml": "a: [\n",
        }
    )
    field = find.find(MemoryTree(files), "web").field
    assert field.path == "k8s/web/release.yaml"
    assert "its values can't be read: k8s/web/values.yaml" in field.unsafe


def test_a_config_map_of_another_namespace_is_not_the_one_that_is_named() -> None:
    files = tree(
        {
            "release.yaml": HEAD + FROM,
            "kustomization.yaml": generated("values.yaml").replace("namespace: shop", "namespace: other"),
            "values.yaml": VALUES,
        }
    )
    with pytest.raises(FieldMissing, match="no image at all"):
        find.find(MemoryTree(files), "web")


def test_what_moves_in_values_or_patches_is_not_said_to_stay() -> None:
    values = "image: reg.io/web:r1\nargs: [--image=reg.io/web:r1]\n"
    files = tree(
        {
            "release.yaml": HEAD
            + FROM
            + "  postRenderers:\n  - kustomize:\n      patches:\n      - target: {kind: Deployment}\n        patch: |\n"
            "          - op: replace\n            path: /spec/template/spec/containers/0/image\n            value: reg.io/web:r1\n",
            "kustomization.yaml": generated("values.yaml"),
            "values.yaml": values,
        }
    )
    target = find.find(MemoryTree(files), "web")
    assert target.all_places == ("k8s/web/values.yaml:1", "k8s/web/release.yaml:13")
    assert [(each.path, each.line) for each in target.stays] == [("k8s/web/values.yaml", 2)]
