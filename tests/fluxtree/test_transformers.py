"""The transformers that a kustomization lists, which set namespaces, labels and annotations: as kustomize 5.8.1 carries them out."""

import pytest
from trees import MemoryTree, deployment, flux, sync

from bumper.fluxtree.build import build
from bumper.fluxtree.layers import Reading
from bumper.fluxtree.sites.find import find
from bumper.fluxtree.walk import Walk
from bumper.manifest.document import items, mapping

PLACING = """\
apiVersion: builtin
kind: NamespaceTransformer
metadata: {name: it, namespace: .invalid}
unsetOnly: %s
fieldSpecs:
  - {path: metadata/name, kind: Namespace, create: true}
  - {path: spec/targetNamespace, group: kustomize.toolkit.fluxcd.io, kind: Kustomization, create: true}
  - {path: spec/conversion/namespace, kind: Deployment}
"""
INLINE = """\
transformers:
  - |-
    apiVersion: builtin
    kind: %s
    metadata: {name: it}
    %s: {gateway: "true"}
    fieldSpecs: [{kind: Namespace, path: metadata/%s, create: true}, {kind: Deployment, path: metadata/%s}]
"""
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: old}\n"


def tree(kustomization: str, **more: str) -> dict[str, str]:
    return {
        "clusters/prod/flux-system/gotk-sync.yaml": sync("./clusters/prod"),
        "clusters/prod/kustomization.yaml": f"resources: [web.yaml, namespace.yaml, dep.yaml]\n{kustomization}",
        "clusters/prod/web.yaml": flux("web", "./apps/web").replace(
            "kind: GitRepository\n", "kind: GitRepository\n    namespace: flux-system\n"
        ),
        "clusters/prod/namespace.yaml": NAMESPACE,
        "clusters/prod/dep.yaml": deployment("api", "reg.io/api:1", namespace="kept"),
        "apps/web/dep.yaml": deployment("web", "reg.io/web:1.0"),
        **{path.replace("__", "/") + ".yaml": text for path, text in more.items()},
    }


def built(files: dict[str, str]) -> dict[str, dict[str, object]]:
    """The metadata of what the root builds, by kind, and the namespace that its Kustomization targets."""
    reading = Reading(MemoryTree(files))
    (root,) = next(Walk(reading).levels())
    made = {
        each.kind: mapping(each.value.get("metadata")) for each in build(reading, root, root.owner).resources
    }
    return {
        kind: {key: each[key] for key in each if key != "creationTimestamp"} for kind, each in made.items()
    }


@pytest.mark.parametrize("is_unset", ["false", "true"])
def test_objects_are_placed_by_a_kustomization_of_transformers(is_unset: str) -> None:
    files = tree(
        "transformers: [./transformers]\n",
        clusters__prod__transformers__kustomization="namespace: media\nresources: [../../../shared]\n",
        shared__kustomization="resources: [placing.yaml]\n",
        shared__placing=PLACING % is_unset,
    )
    assert {kind: each.get("namespace") for kind, each in built(files).items()} == {
        "Kustomization": "flux-system" if is_unset == "true" else "media",
        "Namespace": None,
        "Deployment": "kept" if is_unset == "true" else "media",
    }
    assert built(files)["Namespace"]["name"] == ("old" if is_unset == "true" else "media")
    target = find(MemoryTree(files), "web")
    assert (target.field.path, target.field.unsafe) == ("apps/web/dep.yaml", "")
    assert target.workload.namespace == "media"


def test_labels_and_annotations_are_added_and_what_is_not_followed_is_a_doubt(
    subtests: pytest.Subtests,
) -> None:
    for kind, key in (("LabelTransformer", "labels"), ("AnnotationsTransformer", "annotations")):
        with subtests.test(kind):
            files = tree(INLINE % (kind, key, key, key))
            assert built(files)["Namespace"][key] == {"gateway": "true"}
            assert key not in built(files)["Deployment"]
            assert find(MemoryTree(files), "web").field.unsafe == ""
    doubtful = {
        "another kind": INLINE % ("ValueAddTransformer", "labels", "labels", "labels"),
        "another key": INLINE % ("LabelTransformer", "annotations", "labels", "labels"),
        "a list on the way": INLINE % ("LabelTransformer", "labels", "labels", "labels[]"),
        "one of another maker": (INLINE % ("LabelTransformer", "labels", "labels", "labels")).replace(
            "builtin", "team.example/v1"
        ),
        "no YAML": 'transformers: ["a: b: c\\n- d"]\n',
        "not there": "transformers: [gone]\n",
    }
    for name, kustomization in doubtful.items():
        with subtests.test(name):
            field = find(MemoryTree(tree(kustomization)), "web").field
            assert "transformers of a kustomization may change it" in field.unsafe


def test_a_setting_enters_lists_and_one_that_sets_nothing_leaves_an_object_as_it_is(
    subtests: pytest.Subtests,
) -> None:
    path = "spec/template/spec/containers/marks"
    rows = {
        "each entry of a list": ("LabelTransformer", "labels: {a: b}", path, True, {"a": "b"}),
        "nothing in a list without the field": ("LabelTransformer", "labels: {a: b}", path, False, None),
        "no labels": ("LabelTransformer", "labels: {}", path, True, None),
        "no namespace": ("NamespaceTransformer", "unsetOnly: false", path, True, None),
    }
    for name, (kind, setting, where, create, expected) in rows.items():
        with subtests.test(name):
            entry = f"{{path: {where}, create: {str(create).lower()}}}"
            text = f"apiVersion: builtin\nkind: {kind}\nmetadata: {{name: it}}\n{setting}\nfieldSpecs: [{entry}]\n"
            files = tree("transformers: [it.yaml]\n", clusters__prod__it=text)
            reading = Reading(MemoryTree(files))
            (root,) = next(Walk(reading).levels())
            made = build(reading, root, root.owner).resources
            (deployed,) = (each for each in made if each.kind == "Deployment")
            (container,) = items(deployed.at("spec", "template", "spec", "containers"))
            assert (container["image"], container.get("marks")) == ("reg.io/api:1", expected)
            assert mapping(deployed.value["metadata"]) == {"name": "api", "namespace": "kept"}


def test_labels_are_added_to_fields_of_their_own() -> None:
    fields = "fields: [{path: metadata/of, kind: Deployment, create: true}, {path: metadata/none}]"
    made = built(tree(f"labels:\n- pairs: {{team: shop}}\n  {fields}\n"))
    assert made["Deployment"] == {
        "name": "api",
        "namespace": "kept",
        "labels": {"team": "shop"},
        "of": {"team": "shop"},
    }
    assert "of" not in made["Namespace"]
