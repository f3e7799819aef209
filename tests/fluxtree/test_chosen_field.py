"""A field that the caller names, since no table knows it."""

from typing import Any

import pytest
from tables import each_row
from trees import MemoryTree, deployment, flux, sync

from bumper import manifest
from bumper.errors import BumpError, FieldAmbiguous, FieldMissing, FieldUnsafe
from bumper.fluxtree.sites import find
from bumper.request import Choice, FieldPath

BASE = {
    "k8s/flux-system/gotk-sync.yaml": sync("./k8s/flux-system"),
    "k8s/flux-system/web.yaml": flux("web", "./k8s/web"),
}
WIDGET = (
    "apiVersion: example.io/v1\nkind: Widget\nmetadata: {name: web, namespace: shop}\nspec:\n"
    "  runtime:\n  - image: reg.io/web:v7 # keep\n  agent: {version: v7}\n"
)
RELEASE = (
    "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: web, namespace: shop}\nspec:\n"
    "  values:\n    image: {tag: v7}\n"
)


def target(files: dict[str, str], path: str = "", **asked: Any) -> find.Target:
    return find.find(
        MemoryTree(BASE | files), "web", Choice(field=FieldPath.parse(path) if path else None, **asked)
    )


def edited(files: dict[str, str], chosen: find.Target) -> bytes:
    content = files[chosen.field.path].encode()
    return manifest.apply(content, manifest.plan(content, chosen.field, "v8"))


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("spec.image", ("spec", "image")),
        ("spec.web[0].image", ("spec", "web", 0, "image")),
        ('spec["a.b/c"].image', ("spec", "a.b/c", "image")),
        ("[0].image", (0, "image")),
    ],
)
def test_a_path_is_read_and_written_alike(text: str, steps: tuple[str | int, ...]) -> None:
    assert FieldPath.parse(text) == FieldPath(steps)
    assert str(FieldPath.parse(text)) == text
    assert FieldPath.parse(f"Widget/a-b.c:{text}") == FieldPath(steps, "Widget", "a-b.c")
    assert str(FieldPath.parse(f"Widget/a-b.c:{text}")) == f"Widget/a-b.c:{text}"


@each_row("text", ["", ".spec", "spec..image", "spec[", "spec[x]", "Widget/web:", "spec.image."])
def test_anything_else_is_no_path(text: str) -> None:
    assert FieldPath.parse(text) is None


def test_a_whole_reference_is_edited_in_its_place() -> None:
    files = {"k8s/web/widget.yaml": WIDGET}
    for path in ("spec.runtime[0].image", "Widget/web:spec.runtime[0].image"):
        chosen = target(files, path)
        assert (str(chosen.image), str(chosen.workload)) == ("reg.io/web:v7", "Widget shop/web")
        assert edited(files, chosen) == WIDGET.replace("web:v7", "web:v8").encode()


def test_a_tag_alone_is_that_of_the_image_that_is_named() -> None:
    files = {"k8s/web/release.yaml": RELEASE}
    chosen = target(files, "HelmRelease/web:spec.values.image.tag", image="reg.io/web")
    assert str(chosen.image) == "reg.io/web:v7"
    assert edited(files, chosen) == RELEASE.replace("v7", "v8").encode()


def test_a_repository_beside_the_tag_is_its_own() -> None:
    text = WIDGET.replace("{version: v7}", "{registry: reg.io, repository: team/web, version: v7}")
    chosen = target({"k8s/web/widget.yaml": text}, "spec.agent.version")
    assert str(chosen.image) == "reg.io/team/web:v7"


def test_the_field_that_decides_is_edited_where_a_variable_or_a_patch_brings_it() -> None:
    files = {
        "k8s/web/widget.yaml": WIDGET.replace("web:v7", "web:${TAG}"),
        "k8s/flux-system/web.yaml": flux("web", "./k8s/web", "postBuild:", "  substitute: {TAG: v7}"),
    }
    chosen = target(files, "spec.runtime[0].image")
    assert (chosen.field.path, chosen.field.span.line) == ("k8s/flux-system/web.yaml", 12)
    patched = {
        "k8s/web/widget.yaml": WIDGET,
        "k8s/web/kustomization.yaml": "resources: [widget.yaml]\npatches:\n- target: {kind: Widget}\n  patch: |\n"
        "    - op: replace\n      path: /spec/agent/version\n      value: v7\n",
    }
    chosen = target(patched, "spec.agent.version", image="reg.io/agent")
    assert (chosen.field.path, chosen.field.span.line) == ("k8s/web/kustomization.yaml", 7)
    assert edited(patched, chosen).endswith(b"value: v8\n")


REFUSED: dict[str, tuple[dict[str, str], str, type[BumpError], str]] = {
    "no such object": (
        {"k8s/web/widget.yaml": WIDGET},
        "Gadget/web:spec.image",
        FieldMissing,
        r"no object of Kustomization web has it \(found: Widget/web\)",
    ),
    "no such field": (
        {"k8s/web/widget.yaml": WIDGET},
        "Widget/web:spec.image",
        FieldMissing,
        r"k8s/web/widget.yaml:5: Widget shop/web has no text at spec.image \(found in spec: runtime, agent\)",
    ),
    "several objects": (
        {"k8s/web/widget.yaml": WIDGET, "k8s/web/other.yaml": WIDGET.replace("name: web", "name: other")},
        "spec.runtime[0].image",
        FieldAmbiguous,
        r"2 objects have it: k8s/web/other.yaml:6 Widget/other:spec.runtime\[0\].image, k8s/web/widget.yaml:6",
    ),
    "a tag of which nothing is known": (
        {"k8s/web/release.yaml": RELEASE},
        "spec.values.image.tag",
        FieldMissing,
        r"k8s/web/release.yaml:6 HelmRelease/web:spec.values.image.tag: v7 is a tag alone",
    ),
}


@pytest.mark.parametrize(("files", "path", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_anything_else_is_refused_with_what_is_there(
    files: dict[str, str], path: str, error: type[BumpError], message: str
) -> None:
    with pytest.raises(error, match=message):
        target(files, path)


def test_a_chosen_field_is_refused_for_the_same_reasons_as_any_other() -> None:
    text = RELEASE.replace("{tag: v7}", "reg.io/web\n    version: v7")
    chosen = target({"k8s/web/release.yaml": text}, "spec.values.image")
    with pytest.raises(FieldUnsafe, match="its tag stands in version"):
        manifest.plan(text.encode(), chosen.field, "v8")


def test_what_looks_like_the_image_is_named_with_the_options_that_choose_it() -> None:
    for files, near, options in (
        (
            {"k8s/web/widget.yaml": WIDGET, "k8s/web/d.yaml": deployment("other", "reg.io/other:1")},
            r"k8s/web/widget.yaml:6 Widget/web:spec.runtime\[0\].image names it",
            "--field 'Widget/web:spec.runtime[0].image'",
        ),
        (
            {"k8s/web/release.yaml": RELEASE},
            "k8s/web/release.yaml:6 HelmRelease/web:spec.values.image.tag is the tag v7",
            "--field 'HelmRelease/web:spec.values.image.tag' --image REPOSITORY",
        ),
    ):
        with pytest.raises(FieldMissing, match=near) as caught:
            target(files)
        assert (
            caught.value.hint
            == f"if that is it, pass {options}; bump adopt with the same writes it into git once"
        )


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("Widget/web:spec.runtime[1].image", "in spec.runtime: a list whose last index is [0]"),
        ("Widget/web:spec.runtime[0].image.tag", "in spec.runtime[0].image: a text"),
    ],
)
def test_what_stands_where_a_path_ends_is_told(path: str, there: str) -> None:
    with pytest.raises(FieldMissing) as refused:
        target({"k8s/web/widget.yaml": WIDGET}, path)
    assert f"(found {there})" in refused.value.message
