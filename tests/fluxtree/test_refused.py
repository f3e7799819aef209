"""What kustomize or Flux refuses, or does in a way that is not followed here: said with its line, and never taken for nothing."""

from collections.abc import Mapping
from types import MappingProxyType

import pytest
from tables import each_row
from trees import MemoryTree, deployment, flux, kustomization

from bumper import manifest
from bumper.errors import FieldMissing
from bumper.fluxtree.layers import Reading
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


BASE = kustomization(resources=["web.yaml"])
INNER = "k8s/base/kustomization.yaml"


def layered(
    base: str, top: str = "", more: Mapping[str, str] = MappingProxyType({}), **files: str
) -> MemoryTree:
    """The site web, whose kustomization names a base with `base` in its own: kustomize reads that strictly, the top one Flux reads."""
    inner = {f"k8s/base/{name.replace('_', '.')}": file for name, file in files.items()}
    written = dict(tree().files) | {
        PATH: kustomization(top, resources=["../base"]),
        INNER: kustomization(base, resources=["web.yaml"]),
        "k8s/base/web.yaml": deployment("web", "reg.io/web:1.0"),
    }
    return MemoryTree(written | inner | dict(more))


REFUSED = {
    "a key of a patch": (f"patches:\n- patch: '{JSON}'\n  targets: {{kind: Deployment}}", "patches[0].targets is no key"),
    "a key of a target": (
        f"patches:\n- patch: '{JSON}'\n  target: {{kind: Deployment, label: a=b}}",
        "patches[0].target.label is no key",
    ),
    "a key of the kustomization": ("namspace: shop", "namspace is no key that kustomize knows"),
    "a number for a tag": ("images: [{name: other, newTag: 1.10}]", "images[0].newTag is 1.10 without quotes, expected a text"),
    "a boolean for a label": ("commonLabels: {on: y}", "commonLabels.on is y without quotes"),
    "a text for a number": ("replicas: [{name: web, count: '2'}]", "replicas[0].count is 2, expected a whole number"),
    "a text for a list": ("components: x", "components is x, expected a list"),
    "a mapping for a text": ("namePrefix: {a: b}", "namePrefix is a mapping, expected a text"),
    "a kind": ("kind: Foo", "Foo is no kustomization"),
    "a version": ("apiVersion: kustomize.config.k8s.io/v1", "v1 Kustomization is no kustomization"),
    "a component among resources": (
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component",
        "its kind is Component, and it is listed in resources",
    ),
    "a file of a generator": ("configMapGenerator: [{name: a, files: [gone.txt]}]", "names gone.txt, which does not exist"),
    "a generator twice": (
        "configMapGenerator: [{name: a, literals: [a=1]}, {name: a, literals: [b=1]}]",
        "ConfigMap a is there already",
    ),
    "a merge into nothing": (
        "configMapGenerator: [{name: a, behavior: merge, literals: [a=1]}]",
        "ConfigMap a is not there to be changed",
    ),
    "a key twice": ("configMapGenerator: [{name: a, literals: [a=1, a=2]}]", "has the key a twice"),
    "a generator without a name": ("configMapGenerator: [{literals: [a=1]}]", "makes something without a name"),
    "a file of two equal signs": ("configMapGenerator: [{name: a, files: [a=b=web.yaml]}]", "has the file a=b=web.yaml"),
    "replicas of nothing": ("replicas: [{name: none, count: 2}]", "replicas names none, which no workload is called"),
    "a file of definitions": ("crds: [gone.yaml]", "crds names gone.yaml, which does not exist"),
    "a schema": ("openapi: {path: gone.json}", "openapi names gone.json, which does not exist"),
    "a file of a generator without a key": ("configMapGenerator: [{name: a, files: ['=web.yaml']}]", "has the file =web.yaml"),
    "an order": ("sortOptions: {by: name}", "sortOptions.by is no key"),
    "a literal without a value": ("secretGenerator: [{name: a, literals: [a]}]", "has the literal a, expected KEY=VALUE"),
}  # fmt: skip


@each_row("name", REFUSED)
def test_what_kustomize_refuses_in_an_inner_kustomization(name: str) -> None:
    written, expected = REFUSED[name]
    own_kind = {INNER: f"{written}\nresources: [web.yaml]\n"} if written[:4] in ("kind", "apiV") else {}
    message = refused(layered(written, more=own_kind))
    assert expected in message
    assert message.startswith("k8s/base/kustomization.yaml:")


TAKEN = {
    "keys of any case": "labels: [{Pairs: {a: b}}]",
    "nothing": "namePrefix:\ncommonLabels:\nimages: ~",
    "a date": "commonLabels: {at: 2024-01-01}",
    "more than a number holds": "images: [{name: other, newTag: 12e4567}]",
    "a quoted number": "images: [{name: other, newTag: '1.10'}]",
    "a count with a point": "replicas: [{name: web, count: 2.0}]",
    "replicas that a configuration may place": "configurations: [web.yaml]\nreplicas: [{name: none, count: 2}]",
    "an order": "sortOptions: {order: fifo, legacySortOptions: {orderFirst: [Namespace]}}",
    "settings of charts": "helmGlobals: {chartHome: charts}",
    "a generator of its namespaces": (
        "configMapGenerator: [{name: a, literals: [a=1]}, {name: a, namespace: b, literals: [a=1]}]"
    ),
}


@each_row("name", TAKEN)
def test_what_kustomize_takes(name: str) -> None:
    assert find(layered(TAKEN[name]), "web").image.tag == "1.0"


@each_row(
    "text",
    [
        "# resources: [web.yaml]\n",
        "resources:\nnamePrefix: ''\n",
        "---\n# nothing\n---\nresources: [web.yaml]\n",
    ],
)
def test_an_empty_kustomization_is_refused_and_an_empty_list_is_something(text: str) -> None:
    def beside(empty: str) -> MemoryTree:
        top = {PATH: kustomization(resources=["web.yaml", "../base"])}
        return layered("", more={**top, INNER: empty})

    assert refused(beside(text)) == f"{INNER}:1: is an empty kustomization, which kustomize refuses"
    assert find(beside("resources: []\n"), "web")


def test_nothing_is_built_of_what_stands_behind_an_empty_document() -> None:
    behind = dict(tree().files) | {PATH: f"---\n# nothing\n---\n{BASE}"}
    with pytest.raises(FieldMissing):
        find(MemoryTree(behind), "web")


@each_row("text", ["# nothing\n", "---\n"])
def test_a_patch_of_comments_changes_nothing(text: str) -> None:
    for target in ("", TARGET):
        platform = tree(f"patches:\n- path: patch.yaml\n{target}", patch_yaml=text)
        assert not find(platform, "web").field.unsafe


def test_a_patch_that_replaces_a_whole_object_leaves_it_as_it_is() -> None:
    written = (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n$patch: replace\nspec: {replicas: 2}\n"
    )
    assert find(tree("patches:\n- path: patch.yaml\n", patch_yaml=written), "web").image.tag == "1.0"


@each_row(
    "text",
    ["spec: {replicas: 2}\n", "kind: Deployment\nspec: {replicas: 2}\n", "metadata: {name: web}\n", "text\n"],
)
def test_a_patch_without_kind_and_name_is_refused_also_with_a_target(text: str) -> None:
    message = refused(tree(f"patches:\n- path: patch.yaml\n{TARGET}", patch_yaml=text))
    assert message == "k8s/web/patch.yaml:1: a patch without kind and name, which kustomize refuses"


OBJECT = "apiVersion: example.io/v1\nkind: Ports\nmetadata: {name: a}\nspec:\n"


@each_row("key", ["80", "-1", "1.5", "0x1f", "true", "FALSE", "~", "null", "? 80\n  "])
def test_a_key_that_is_no_text_is_refused_with_its_line(key: str) -> None:
    listed = {INNER: kustomization(resources=["web.yaml", "a.yaml"])}
    platform = layered("", more=listed | {"k8s/base/a.yaml": f"{OBJECT}  {key}: b\n"})
    message = refused(platform)
    name = key.removeprefix("? ").strip()
    assert message.startswith(f"k8s/base/a.yaml:5: the key {name} without quotes is no text")
    # What is not built is not written.
    deleted = "patches:\n- patch: |\n    $patch: delete\n    apiVersion: example.io/v1\n    kind: Ports\n    metadata: {name: a}\n"
    assert find(
        MemoryTree(dict(platform.files) | {PATH: kustomization(deleted, resources=["../base"])}), "web"
    )


@each_row(
    "inner", ["'80': b", "on: b", "1.2.3: b", "a: |\n    80: b", "a: 80:30", "!!str 80: b", "truely: 80"]
)
def test_a_key_that_is_a_text_is_taken(inner: str) -> None:
    listed = {INNER: kustomization(resources=["web.yaml", "a.yaml"])}
    assert find(layered("", more=listed | {"k8s/base/a.yaml": f"{OBJECT}  {inner}\n"}), "web")


def test_what_is_for_programs_that_read_the_repository_is_not_built() -> None:
    local = deployment("web", "reg.io/web:1.0").replace(
        "  name: web\n", "  name: web\n  annotations: {config.kubernetes.io/local-config: 'FLAG'}\n", 1
    )
    assert find(layered("", web_yaml=local.replace("FLAG", "false")), "web")
    with pytest.raises(FieldMissing):
        find(layered("", web_yaml=local.replace("FLAG", "true")), "web")


def test_two_kustomizations_in_one_directory_are_refused() -> None:
    message = refused(layered("", kustomization_yml=BASE))
    assert (
        message
        == "k8s/base/kustomization.yml:1: kustomization.yaml lies beside it, and kustomize takes one alone"
    )


def test_objects_of_one_name_are_refused_also_where_a_namespace_makes_them_so() -> None:
    twice = kustomization(resources=["web.yaml", "other.yaml"])
    other = deployment("web", "reg.io/web:1.0", namespace="other")
    own = deployment("web", "reg.io/web:1.0", namespace="own")
    apart = {INNER: twice, "k8s/base/web.yaml": own, "k8s/base/other.yaml": other}
    assert len(find(layered("", more=apart), "web").workloads) == 2
    for top, more in (("namespace: shop", apart), ("", apart | {"k8s/base/other.yaml": own})):
        message = refused(layered("", top, more=more))
        assert message.startswith("k8s/base/other.yaml:4: Deployment ")
        assert message.endswith("/web is there already: k8s/base/web.yaml:1")


def test_an_edit_takes_the_place_of_a_number_and_flux_makes_a_text_of_it_at_the_top() -> None:
    number = "images: [{name: reg.io/web, newTag: 1.10}]"
    assert find(layered(number), "web").field.path == INNER
    assert not find(layered("", number), "web").field.unsafe
    assert (
        find(layered("", "namspace: shop\nimages: [{name: reg.io/web, newTag: 7}]"), "web").image.tag == "7"
    )


def test_a_patch_without_the_key_that_was_to_select_is_another_one_also_where_flux_drops_it() -> None:
    for entry, key in (
        ("targets: {kind: Deployment}", "targets"),
        ("target: {kind: Deployment, label: a=b}", "target.label"),
    ):
        message = refused(tree(f"patches:\n- patch: '{JSON}'\n  {entry}"))
        assert f"patches[0].{key} is no key that kustomize knows" in message
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
    return prove(
        Reading(platform), {path: manifest.apply(content, edits)}, edits, target.images, [target.site]
    )


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


@each_row("key", ["Images: [{name: reg.io/web, newTag: '2'}]", "images: [{name: reg.io/web, NewTag: '2'}]"])
def test_a_key_in_other_letters_is_never_taken_for_nothing(key: str) -> None:
    field = find(layered("", key), "web").field
    assert field.unsafe.endswith(
        "is read by kustomize in any letters, and not followed here: expected its own"
    )


@each_row("text", ["image: {tag: '1'}\n", "kind: Chart\n", "{kind: Chart, metadata: {}}\n"])
def test_what_is_no_object_is_refused_with_its_line(text: str) -> None:
    generated = {path: file for path, file in tree().files.items() if path != PATH}
    for more in ({}, {PATH: kustomization(resources=["web.yaml", "values.yaml"])}):
        message = refused(MemoryTree({**generated, "k8s/web/values.yaml": text, **more}))
        assert message.startswith("k8s/web/values.yaml:1: an object without ")


EMPTY = [
    "",
    "# nothing\n",
    "---\n---\n",
    "{}\n",
    *(f"{{apiVersion: v1, kind: List{more}}}\n" for more in (", items: []", ", items: ", "")),
]


@each_row("text", EMPTY)
def test_what_is_empty_is_taken(text: str) -> None:
    assert find(
        layered("", more={"k8s/base/web.yaml": f"{text}\n---\n{deployment('web', 'reg.io/web:1.0')}"}), "web"
    )


UNREAD = {
    "a key twice": ("data:\n  a: b\n  a: c\n", 6, "the key a stands twice"),
    "an escape of JSON": ('data:\n  a: "\\\\n"\n  b: "c\\/d"\n', 6, 'the escape "\\/" is one of JSON'),
}


@each_row("name", UNREAD)
def test_what_kustomize_cannot_read_is_refused_with_its_line(name: str) -> None:
    text, line, expected = UNREAD[name]
    written = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\n{text}"
    base = {INNER: kustomization(resources=["web.yaml", "a.yaml"])}
    message = refused(layered("", more=base | {"k8s/base/a.yaml": written}))
    assert message.startswith(f"k8s/base/a.yaml:{line}: {expected}")
    directive = f"# of another time\n%YAML 1.1\n---\n{written}"
    message = refused(layered("", more=base | {"k8s/base/a.yaml": directive}))
    assert message.startswith("k8s/base/a.yaml:2: the directive %YAML stands before the first object")


def test_what_may_come_from_another_repository_is_not_missed() -> None:
    generator = "configMapGenerator: [{name: a, files: [lib/a.txt]}]"
    assert "names lib/a.txt, which does not exist" in refused(tree(generator))
    modules = {".gitmodules": b'[submodule "lib"]\n'}
    for source, more in ((including("k8s/web/lib"), {}), ("  recurseSubmodules: true\n", modules)):
        platform = MemoryTree({**tree(generator, source=source).files, **more})
        assert any("not seen here" in gap.message for gap in proved(platform).unproved)
    assert "does not exist" in refused(tree(generator, source="  recurseSubmodules: true\n"))
