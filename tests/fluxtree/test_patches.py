"""Which patch sets an image, by the form of its target: each target that kustomize takes, beside one that it does not."""

import pytest
from tables import each_row
from trees import MemoryTree, deployment, flux, kustomization, sync

from bumper.errors import FieldMissing
from bumper.fluxtree.layers import Gap, Reading
from bumper.fluxtree.patches import listed
from bumper.fluxtree.sites import find
from bumper.request import Choice

BASE = {
    "k8s/flux-system/gotk-sync.yaml": sync("./k8s/flux-system"),
    "k8s/flux-system/web.yaml": flux("web", "./k8s/web"),
    "k8s/web/deployment.yaml": deployment("web", "reg/web:1.0"),
}
PATCH = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: any}\n" + "\n".join(
    deployment("web", "reg/web:9.9").splitlines()[4:]
)
FROM_PATCH, FROM_MANIFEST = "k8s/web/patch.yaml", "k8s/web/deployment.yaml"


def decided_in(target: str, patch: str = PATCH) -> str:
    files = {
        **BASE,
        "k8s/web/patch.yaml": patch,
        "k8s/web/kustomization.yaml": kustomization(
            f"patches: [{{path: patch.yaml, target: {target}}}]", resources=["deployment.yaml"]
        ),
    }
    return find.find(MemoryTree(files), "web").field.path


@each_row(
    ("target", "path"),
    [
        # With its own deployment alone, five of these six were planned in the wrong file.
        ('{name: "web.*"}', FROM_PATCH),
        ('{kind: "Deploy.*"}', FROM_PATCH),
        ("{group: apps}", FROM_PATCH),
        ("{kind: Deployment, labelSelector: 'app=web'}", FROM_MANIFEST),
        ("{name: web, namespace: other}", FROM_MANIFEST),
        ("{kind: Deployment, name: web}", FROM_PATCH),
        # A pattern is for the whole of the name.
        ("{name: we}", FROM_MANIFEST),
        ("{name: 'we|x'}", FROM_MANIFEST),
        ("{name: 'api|web'}", FROM_PATCH),
        ("{kind: deployment}", FROM_MANIFEST),
        ("{group: batch}", FROM_MANIFEST),
        ("{version: v1}", FROM_PATCH),
        ("{version: v1beta1}", FROM_MANIFEST),
        ("{namespace: default}", FROM_PATCH),
        ("{labelSelector: '!app'}", FROM_PATCH),
        ("{labelSelector: 'app!=web'}", FROM_PATCH),
        ("{labelSelector: 'app notin (web, api)'}", FROM_PATCH),
        ("{labelSelector: 'app in (web)'}", FROM_MANIFEST),
        ("{annotationSelector: 'team=red'}", FROM_MANIFEST),
    ],
)
def test_a_target_is_for_what_kustomize_takes_it_for(target: str, path: str) -> None:
    assert decided_in(target) == path


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (
            "{name: '[[:alpha:]]+'}",
            "the regular expression '[[:alpha:]]+' may mean something else to kustomize",
        ),
        ("{name: 'web(?=x)'}", "the regular expression 'web(?=x)' may mean something else to kustomize"),
        ("{name: 'web('}", "the regular expression 'web(' cannot be read"),
        ("{name: '(w+e*)+b'}", "the regular expression '(w+e*)+b' has too many repetitions to be followed"),
        ("{labelSelector: 'app web'}", "the selector 'app web' cannot be read"),
    ],
)
def test_what_cannot_be_told_of_a_target_is_refused_where_the_patch_stands(target: str, reason: str) -> None:
    files = {
        **BASE,
        "k8s/web/patch.yaml": PATCH,
        "k8s/web/kustomization.yaml": kustomization(
            f"patches: [{{path: patch.yaml, target: {target}}}]", resources=["deployment.yaml"]
        ),
    }
    field = find.find(MemoryTree(files), "web").field
    assert (field.path, field.span.line, field.unsafe) == ("k8s/web/patch.yaml", 1, reason)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["patchesStrategicMerge: [patch.yaml]"],
            "k8s/web/patch.yaml:1: the patch is for Deployment any, which no object of the build is",
        ),
        (
            ["patches: [{path: gone.yaml}]"],
            "k8s/web/kustomization.yaml:5: patches names gone.yaml, which does not exist",
        ),
        (
            [
                "patches:",
                "- target: {kind: Deployment}",
                "  patch: |",
                "    - {op: replace, path: /spec/template/spec/containers/3/image, value: x}",
            ],
            "k8s/web/kustomization.yaml:7: /spec/template/spec/containers/3/image leads nowhere: there is no 3 in Deployment web",
        ),
    ],
)
def test_what_kustomize_refuses_is_refused(lines: list[str], message: str) -> None:
    files = {
        **BASE,
        "k8s/web/patch.yaml": PATCH,
        "k8s/web/kustomization.yaml": kustomization(*lines, resources=["deployment.yaml"]),
    }
    with pytest.raises(FieldMissing) as refused:
        find.find(MemoryTree(files), "web")
    assert refused.value.message == message


@each_row(
    ("name", "generated", "is_refused"),
    [
        ("helm-controller", "metadata:\n  name: helm-controller\n", False),
        ("helm-controller", "metadata:\n  name: source-controller\n", True),
        # What is not committed holds what it may.
        ("helm-controller", "", False),
    ],
)
def test_a_patch_may_be_for_what_fluxs_own_manifest_holds(
    name: str, generated: str, is_refused: bool
) -> None:
    """It is not read: no site is in it, and it is larger than all the rest."""
    files = {
        "k8s/flux-system/gotk-sync.yaml": sync("./k8s/flux-system"),
        **({"k8s/flux-system/gotk-components.yaml": generated} if generated else {}),
        "k8s/flux-system/web.yaml": deployment("web", "reg/web:1.0"),
        "k8s/flux-system/patch.yaml": PATCH.replace("name: any", f"name: {name}"),
        "k8s/flux-system/kustomization.yaml": kustomization(
            "patches: [{path: patch.yaml}]", resources=["gotk-components.yaml", "gotk-sync.yaml", "web.yaml"]
        ),
    }
    if is_refused:
        with pytest.raises(FieldMissing, match="no object of the build is"):
            find.find(MemoryTree(files), "flux-system", Choice(image="web"))
    else:
        assert (
            find.find(MemoryTree(files), "flux-system", Choice(image="web")).field.path
            == "k8s/flux-system/web.yaml"
        )


def test_a_patch_finds_an_object_by_every_name_that_it_had() -> None:
    files = {
        **BASE,
        "k8s/base/deployment.yaml": deployment("web", "reg/web:1.0"),
        "k8s/base/kustomization.yaml": kustomization("namePrefix: a-", resources=["deployment.yaml"]),
        "k8s/mid/kustomization.yaml": kustomization("namePrefix: b-", resources=["../base"]),
        "k8s/web/patch.yaml": PATCH,
    }
    for name, path in (("web", FROM_PATCH), ("b-a-web", FROM_PATCH), ("a-web", "k8s/base/deployment.yaml")):
        files["k8s/web/kustomization.yaml"] = kustomization(
            f"patches: [{{path: patch.yaml, target: {{name: {name}}}}}]", resources=["../mid"]
        )
        assert find.find(MemoryTree(files), "web").field.path == path


def test_a_patch_is_read_once_for_a_tree() -> None:
    reading = Reading(MemoryTree({"a/patch.yaml": PATCH}))
    place = Gap("a/kustomization.yaml", 1, "patches")
    (first,) = listed(reading, place, {"path": "patch.yaml", "target": {"name": "a"}})
    (second,) = listed(reading, place, {"path": "patch.yaml", "target": {"name": "b"}})
    assert first.merges is second.merges
    assert first.target != second.target
