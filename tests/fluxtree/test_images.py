"""Where the tag of an image is decided that more than one file makes: replacements and variables."""

from dataclasses import dataclass
from time import process_time

import pytest
from tables import each_row
from trees import MemoryTree, deployment, flux, kustomization, sync

from bumper import manifest
from bumper.fluxtree import replacements
from bumper.fluxtree.sites import find

BASE = {
    "k8s/flux-system/gotk-sync.yaml": sync("./k8s/flux-system"),
    "k8s/flux-system/web.yaml": flux("web", "./k8s/web"),
    "k8s/web/deployment.yaml": deployment("web", "reg.example/web:1.0"),
}
TAG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: version}\ndata: {tag: r1, image: 'reg.example/web:r2'}\n"
PATH = "spec.template.spec.containers.[name=web].image"


def replacing(field: str, *options: str, more: str = "") -> dict[str, str]:
    lines = [
        "replacements:",
        f"- source: {{kind: ConfigMap, name: version, fieldPath: {field}{more}}}",
        "  targets:",
        "  - select: {kind: Deployment}",
        f"    fieldPaths: ['{PATH}']",
        *(f"    options: {option}" for option in options),
    ]
    listed = kustomization(*lines, resources=["deployment.yaml", "version.yaml"])
    return {**BASE, "k8s/web/version.yaml": TAG, "k8s/web/kustomization.yaml": listed}


@dataclass(frozen=True)
class Case:
    files: dict[str, str]
    at: str
    image: str


SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: flux-system}\ndata: {TAG: v1, HOST: reg.example}\n"
FROM_SETTINGS = "  substituteFrom: [{kind: ConfigMap, name: settings}]"
BY_TAG = "{delimiter: ':', index: 1}"
CASES = {
    "a whole image": Case(replacing("data.image"), "k8s/web/version.yaml:4", "reg.example/web:r2"),
    "a tag": Case(replacing("data.tag", BY_TAG), "k8s/web/version.yaml:4", "reg.example/web:r1"),
    "the tag of a whole image": Case(
        replacing("data.image", BY_TAG, more=", options: {delimiter: ':', index: 1}"),
        "k8s/web/version.yaml:4",
        "reg.example/web:r2",
    ),
    "a variable of the Kustomization": Case(
        {
            **BASE,
            "k8s/flux-system/web.yaml": flux("web", "./k8s/web", "postBuild:", "  substitute: {TAG: v1}"),
            "k8s/web/deployment.yaml": deployment("web", "reg.example/web:${TAG:=none}"),
        },
        "k8s/flux-system/web.yaml:12",
        "reg.example/web:v1",
    ),
    "a variable of a ConfigMap that git holds": Case(
        {
            **BASE,
            "k8s/flux-system/settings.yaml": SETTINGS,
            "k8s/flux-system/web.yaml": flux("web", "./k8s/web", "postBuild:", FROM_SETTINGS),
            "k8s/web/deployment.yaml": deployment("web", "reg.example/web:${TAG}"),
        },
        "k8s/flux-system/settings.yaml:4",
        "reg.example/web:v1",
    ),
    "a variable of the Kustomization over one of a ConfigMap": Case(
        {
            **BASE,
            "k8s/flux-system/settings.yaml": SETTINGS,
            "k8s/flux-system/web.yaml": flux(
                "web", "./k8s/web", "postBuild:", "  substitute: {TAG: v2}", FROM_SETTINGS
            ),
            "k8s/web/deployment.yaml": deployment("web", "reg.example/web:${TAG}"),
        },
        "k8s/flux-system/web.yaml:12",
        "reg.example/web:v2",
    ),
    "a variable in the values of a chart": Case(
        {
            **BASE,
            "k8s/flux-system/settings.yaml": SETTINGS,
            "k8s/flux-system/web.yaml": flux("web", "./k8s/web", "postBuild:", FROM_SETTINGS),
            "k8s/web/deployment.yaml": "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: web}\n"
            "spec: {values: {image: {repository: reg.example/web, tag: '${TAG}'}}}\n",
        },
        "k8s/flux-system/settings.yaml:4",
        "reg.example/web:v1",
    ),
    "a variable that is not the tag": Case(
        {
            **BASE,
            "k8s/flux-system/web.yaml": flux(
                "web", "./k8s/web", "postBuild:", "  substitute: {HOST: reg.example}"
            ),
            "k8s/web/deployment.yaml": deployment("web", "${HOST}/web:1.0"),
        },
        "k8s/web/deployment.yaml:10",
        "reg.example/web:1.0",
    ),
}


@each_row("case", CASES.values(), ids=CASES)
def test_the_scalar_that_the_tag_comes_from_decides(case: Case) -> None:
    tree = MemoryTree(case.files)
    target = find.find(tree, "web")
    assert f"{target.field.path}:{target.field.span.line}" == case.at
    assert str(target.image) == case.image
    content = tree.files[target.field.path]
    edited = manifest.apply(content, manifest.plan(content, target.field, "new"))
    after = find.find(MemoryTree({**case.files, target.field.path: edited.decode()}), "web")
    assert str(after.image) == "reg.example/web:new"


UNSAFE = {
    "a literal of a generator": (
        {
            **BASE,
            "k8s/web/kustomization.yaml": kustomization(
                "configMapGenerator:",
                "- name: version",
                "  literals: [TAG=r1]",
                "replacements:",
                "- source: {kind: ConfigMap, name: version, fieldPath: data.TAG}",
                f"  targets: [{{select: {{kind: Deployment}}, fieldPaths: ['{PATH}'], options: {BY_TAG}}}]",
                resources=["deployment.yaml"],
            ),
        },
        "k8s/web/kustomization.yaml:7: the tag is a part of a longer text here",
    ),
    "a transformer": (
        {
            **BASE,
            "k8s/web/kustomization.yaml": kustomization("transformers: [it.yaml]", resources=["deployment.yaml"]),
            "k8s/web/it.yaml": "apiVersion: of.our/own\nkind: Transformer\nmetadata: {name: it}\n",
        },
        "k8s/web/kustomization.yaml:1: transformers of a kustomization may change it",
    ),
    "a variable that no file has": (
        {**BASE, "k8s/web/deployment.yaml": deployment("web", "reg.example/web:${TAG}")},
        "k8s/web/deployment.yaml:10: in reg.example/web:${TAG} a variable decides the tag",
    ),
    "a variable that is only a part of the tag": (
        {
            **BASE,
            "k8s/flux-system/web.yaml": flux("web", "./k8s/web", "postBuild:", "  substitute: {TAG: v1}"),
            "k8s/web/deployment.yaml": deployment("web", "reg.example/web:${TAG}-slim"),
        },
        "k8s/flux-system/web.yaml:12: the tag is a part of a longer text here",
    ),
    "a variable in an object that Flux leaves alone": (
        {
            **BASE,
            "k8s/flux-system/web.yaml": flux("web", "./k8s/web", "postBuild:", "  substitute: {TAG: v1}"),
            "k8s/web/deployment.yaml": deployment("web", "reg.example/web:${TAG}").replace(
                "  name: web\n",
                "  name: web\n  annotations: {kustomize.toolkit.fluxcd.io/substitute: disabled}\n",
                1,
            ),
        },
        "k8s/web/deployment.yaml:11: in reg.example/web:${TAG} a variable decides the tag",
    ),
}  # fmt: skip


@pytest.mark.parametrize("variable", ["${TAG}", "${TAG:=v1}", "${TAG:-v1}"])
def test_a_variable_that_git_does_not_set_is_told_with_the_place_for_its_value(variable: str) -> None:
    files = {**BASE, "k8s/web/deployment.yaml": deployment("web", f"reg.example/web:{variable}")}
    target = find.find(MemoryTree(files), "web")
    assert target.field.remedy == (
        "give TAG its value in spec.postBuild.substitute of Kustomization web (k8s/flux-system/web.yaml:1), where it is edited "
        "from then on"
    )
    # As it says: with the value there, that is the field.
    sync = flux("web", "./k8s/web", "postBuild:", "  substitute: {TAG: v1}")
    target = find.find(MemoryTree({**files, "k8s/flux-system/web.yaml": sync}), "web")
    assert (target.place, str(target.image), target.field.unsafe) == (
        "k8s/flux-system/web.yaml:12",
        "reg.example/web:v1",
        "",
    )


@pytest.mark.parametrize(("files", "place"), UNSAFE.values(), ids=UNSAFE)
def test_what_cannot_be_edited_says_where_and_why(files: dict[str, str], place: str) -> None:
    field = find.find(MemoryTree(files), "web").field
    assert f"{field.path}:{field.span.line}: {field.unsafe}".startswith(place)


def test_what_a_generator_brings_hides_what_it_is_merged_into(subtests: pytest.Subtests) -> None:
    """As kustomize 5.8.1: a value of the file below does not reach the cluster, and is no field to edit."""
    below = {
        "k8s/base/kustomization.yaml": "resources: [version.yaml]\n",
        "k8s/base/version.yaml": TAG.replace("tag:", "TAG: r0, IMAGE: 'reg.example/web:r0', tag:"),
    }
    brought = {
        "envs": ("envs: [web.env]", "web.env", "# of the build\r\n IMAGE=reg.example/web:r7\r\nTAG=r7\r\n"),
        "env": ("env: web.env", "web.env", "\ufeffIMAGE=reg.example/web:r7\nTAG=r7"),
        "files": ("files: [IMAGE=image.txt, TAG=tag.txt]", "image.txt", "reg.example/web:r7"),
        "files by their names": ("files: [IMAGE, TAG]", "IMAGE", "reg.example/web:r7"),
        "literals": ("literals: ['IMAGE=reg.example/web:r7', TAG=r7]", "web.env", ""),
    }
    by_replacement = [
        "replacements:",
        "- source: {kind: ConfigMap, name: version, fieldPath: data.IMAGE}",
        f"  targets: [{{select: {{kind: Deployment}}, fieldPaths: ['{PATH}']}}]",
    ]
    for name, (entry, file, content) in brought.items():
        for behavior in ("merge", "replace", "create"):
            generator = ["configMapGenerator:", f"- {{name: version, behavior: {behavior}, {entry}}}"]
            beside = {f"k8s/web/{file}": content, "k8s/web/tag.txt": "r7", "k8s/web/TAG": "r7"}
            listed = ["deployment.yaml", *(["../base"] if behavior != "create" else [])]
            copied = kustomization(*generator, *by_replacement, resources=listed)
            settings = {f"k8s/settings/{path.rpartition('/')[2]}": text for path, text in beside.items()}
            filled_in = {
                "k8s/flux-system/settings.yaml": flux("settings", "./k8s/settings"),
                "k8s/flux-system/web.yaml": flux(
                    "web", "./k8s/web", "postBuild:", "  substituteFrom: [{kind: ConfigMap, name: version}]"
                ),
                "k8s/settings/kustomization.yaml": kustomization(
                    *generator, "namespace: flux-system", resources=listed[1:]
                ),
                "k8s/web/deployment.yaml": deployment("web", "reg.example/web:${TAG:=r9}"),
            }
            for way, files in {
                "copied": {**BASE, **beside, "k8s/web/kustomization.yaml": copied},
                "filled in": {**BASE, **settings, **filled_in},
            }.items():
                with subtests.test(f"{name}, {behavior}, {way}"):
                    target = find.find(MemoryTree({**below, **files}), "web")
                    assert str(target.image) == "reg.example/web:r7"
                    assert target.field.unsafe


@each_row("path", ["data.web\\.image", "data.[web.image]"])
def test_a_key_with_a_dot_is_read_where_a_replacement_names_it(path: str) -> None:
    for entry, content in {
        "files: [web.image=image.txt]": "reg.example/web:r7",
        "literals: ['web.image=reg.example/web:r7']": "",
        "envs: [image.txt]": "web.image=reg.example/web:r7\n",
    }.items():
        copied = kustomization(
            f"configMapGenerator: [{{name: version, behavior: merge, {entry}}}]",
            "replacements:",
            f"- source: {{kind: ConfigMap, name: version, fieldPath: '{path}'}}",
            f"  targets: [{{select: {{kind: Deployment}}, fieldPaths: ['{PATH}']}}]",
            resources=["deployment.yaml", "version.yaml"],
        )
        files = {
            **BASE,
            "k8s/web/version.yaml": TAG.replace("tag:", "web.image: 'reg.example/web:r0', tag:"),
            "k8s/web/kustomization.yaml": copied,
            "k8s/web/image.txt": content,
        }
        target = find.find(MemoryTree(files), "web")
        assert (str(target.image), bool(target.field.unsafe)) == ("reg.example/web:r7", True)


def test_a_generated_secret_goes_over_the_settings_before_it() -> None:
    settings = TAG.replace("tag:", "TAG: r0, tag:").replace(
        "metadata: {", "metadata: {namespace: flux-system, "
    )
    by_reference = "  substituteFrom: [{kind: ConfigMap, name: version}, {kind: Secret, name: keys}]"
    for entry in ("literals: [TAG=r9]", "envs: [keys.env]", "files: [TAG=keys.env]"):
        files = {
            **BASE,
            "k8s/flux-system/settings.yaml": flux("settings", "./k8s/settings"),
            "k8s/flux-system/web.yaml": flux("web", "./k8s/web", "postBuild:", by_reference),
            "k8s/settings/kustomization.yaml": kustomization(
                f"secretGenerator: [{{name: keys, namespace: flux-system, {entry}}}]",
                resources=["version.yaml"],
            ),
            "k8s/settings/version.yaml": settings,
            "k8s/settings/keys.env": "TAG=r9\n",
            "k8s/web/deployment.yaml": deployment("web", "reg.example/web:${TAG}"),
        }
        field = find.find(MemoryTree(files), "web").field
        assert field.unsafe.startswith("in reg.example/web:${TAG} a variable decides the tag"), entry


def test_a_replacement_from_a_generated_secret_is_not_followed() -> None:
    copied = kustomization(
        "secretGenerator: [{name: keys, literals: [IMAGE=reg.example/web:r7]}]",
        "replacements:",
        "- source: {kind: Secret, name: keys, fieldPath: data.IMAGE}",
        f"  targets: [{{select: {{kind: Deployment}}, fieldPaths: ['{PATH}']}}]",
        resources=["deployment.yaml"],
    )
    field = find.find(MemoryTree({**BASE, "k8s/web/kustomization.yaml": copied}), "web").field
    assert field.unsafe == "what Secret keys holds, the source of a replacement, is not followed"


@pytest.mark.parametrize("path", ["x" * 200_000, "." * 200_000, "[" * 200_000])
def test_a_long_path_of_a_replacement_is_taken_apart_in_linear_time(path: str) -> None:
    began_s = process_time()
    replacements.steps(path)
    assert process_time() - began_s < 2.0
