"""What kustomize or Flux refuses, or does in a way that is not followed here: said with its line, and never taken for nothing."""

import pytest
from tables import each_row
from trees import MemoryTree, deployment, flux, kustomization

from bumper import manifest
from bumper.errors import FieldMissing
from bumper.fluxtree.proof import Proof, prove
from bumper.fluxtree.sites.find import find

SOURCE = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: flux-system, namespace: flux-system}
spec:
  url: https://git.example/platform.git
"""
PATH = "k8s/web/kustomization.yaml"


def tree(text: str = "", site: str = "", source: str = "", **files: str) -> MemoryTree:
    """The site web with `text` in its kustomization, `site` in its spec, and `source` in that of the repository."""
    written = {
        "k8s/flux-system/gotk-sync.yaml": f"{SOURCE}{source}---\n{flux('flux-system', './k8s/flux-system')}",
        "k8s/flux-system/web.yaml": flux("web", "./k8s/web") + site,
        PATH: kustomization(text, resources=["web.yaml"]),
        "k8s/web/web.yaml": deployment("web", "reg.io/web:1.0"),
    }
    return MemoryTree(written | {f"k8s/web/{name.replace('_', '.')}": file for name, file in files.items()})


def refused(platform: MemoryTree) -> str:
    with pytest.raises(FieldMissing) as caught:
        find(platform, "web")
    return caught.value.message


TARGET = "  target: {kind: Deployment}\n"
FLOW = "[{op: add, path: /spec/replicas, value: 2}]"
JSON = '[{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "reg.io/web:2.0"}]'


def test_a_patch_that_begins_as_json_and_is_none_is_refused_at_its_line() -> None:
    message = refused(tree(f"patches:\n- patch: |\n    {FLOW}\n{TARGET}"))
    assert message.startswith(f"{PATH}:")
    assert "begins with '[' and is no JSON" in message
    in_a_file = refused(tree(f"patches:\n- path: patch.yaml\n{TARGET}", patch_yaml=f"{FLOW}\n"))
    assert in_a_file.startswith("k8s/web/patch.yaml:1: ")


def test_json_is_json_and_what_does_not_begin_so_is_yaml() -> None:
    assert find(tree(f"patches:\n- patch: |\n    {JSON}\n{TARGET}"), "web").image.tag == "2.0"
    as_yaml = "- {op: replace, path: /spec/template/spec/containers/0/image, value: reg.io/web:3.0}"
    assert find(tree(f"patches:\n- patch: |\n    {as_yaml}\n{TARGET}"), "web").image.tag == "3.0"
    # A file is taken as it is: what stands behind an empty line is YAML.
    in_a_file = tree(f"patches:\n- path: patch.yaml\n{TARGET}", patch_yaml=f"\n{FLOW}\n")
    assert find(in_a_file, "web").image.tag == "1.0"


@pytest.mark.parametrize(
    ("entry", "key"),
    [
        (f"- patch: '{JSON}'\n  targets: {{kind: Deployment}}\n", "patches[0].targets"),
        (f"- patch: '{JSON}'\n  target: {{kind: Deployment, label: app=web}}\n", "patches[0].target.label"),
    ],
)
def test_a_key_that_kustomize_does_not_know_is_refused_at_its_line(entry: str, key: str) -> None:
    message = refused(tree(f"patches:\n{entry}"))
    assert f"{key} is no key that kustomize knows" in message
    assert message.startswith(f"{PATH}:")


def test_keys_are_read_without_regard_to_case_and_flux_drops_those_of_its_own() -> None:
    assert find(tree(f"patches:\n- patch: '{JSON}'\n  target: {{Kind: Deployment}}\n"), "web")
    own = f"  patches:\n  - patch: '{JSON}'\n    targets: {{}}\n    target: {{kind: Deployment}}\n"
    assert find(tree(site=own), "web").image.tag == "2.0"


def test_a_patch_with_a_path_too_is_refused() -> None:
    text = f"patches:\n- patch: '{JSON}'\n  path: patch.yaml\n{TARGET}"
    assert "has both path and patch" in refused(tree(text, patch_yaml=JSON))


def proved(platform: MemoryTree) -> Proof:
    target = find(platform, "web")
    path = target.field.path
    content = platform.read([path])[path]
    edits = manifest.plan(content, target.field, "2.0")
    return prove(platform, {path: manifest.apply(content, edits)}, edits, target.images, [target.site])


def test_vars_are_not_proved() -> None:
    text = (
        "vars:\n- name: IMAGE\n  objref: {kind: Deployment, name: web, apiVersion: apps/v1}\n"
        "  fieldref: {fieldpath: metadata.name}\n"
    )
    (gap,) = proved(tree(text)).unproved
    assert (gap.path, "vars put values into other fields" in gap.message) == (PATH, True)


FILLED = "  postBuild: {substitute: {TAG: '1.0'}}\n"


def substituted(value: str) -> MemoryTree:
    container = deployment("web", "reg.io/web:${TAG}").replace("spec:\n", f"spec:\n  note: '{value}'\n", 1)
    files = dict(tree(site=FILLED).files)
    return MemoryTree(files | {"k8s/web/web.yaml": container})


@each_row("value", ["${TAG//./-}", "${TAG#v}", "${TAG-x}", "${TAG:0:1}", "${#TAG}", "${TAG:=${X}}"])
def test_an_operator_that_is_not_followed_is_not_proved(value: str) -> None:
    (gap,) = proved(substituted(value)).unproved
    assert gap.path == "k8s/web/web.yaml"
    assert "only a name and a default are read" in gap.message


@pytest.mark.parametrize(
    "value", ["${TAG}", "${TAG:=x}", "${TAG:-x}", "${TAG=x}", "${TAG:+x}", "$${TAG#v}", "$TAG"]
)
def test_what_is_followed_is_proved(value: str) -> None:
    assert proved(substituted(value)).unproved == ()


@pytest.mark.parametrize("written", ["${TAG#v}", "${TAG-1.0}", "${TAG:0:3}"])
def test_a_tag_by_another_operator_is_never_edited(written: str) -> None:
    platform = MemoryTree(
        dict(tree(site=FILLED).files) | {"k8s/web/web.yaml": deployment("web", f"reg.io/web:{written}")}
    )
    target = find(platform, "web")
    assert target.field.unsafe


def including(to: str) -> str:
    return f"  include:\n  - repository: {{name: lib}}\n    toPath: {to}\n"


def test_what_another_repository_brings_is_refused_at_the_line_that_says_so() -> None:
    message = refused(tree(source=including("k8s/web")))
    assert message.startswith("k8s/flux-system/gotk-sync.yaml:")
    assert "spec.include puts GitRepository lib into k8s/web" in message


def test_what_it_brings_beside_is_not_proved_and_elsewhere_it_is_no_matter() -> None:
    (gap,) = proved(tree(source=including("k8s/web/vendor"))).unproved
    assert "spec.include puts GitRepository lib into k8s/web/vendor" in gap.message
    assert proved(tree(source=including("vendor"))).unproved == ()
