"""The small kustomize. The expected texts of errors were printed by kustomize v5.8.1 for the same files (its `Error: ` left out)."""

import json
from pathlib import Path
from typing import Any

import pytest
from tables import each_row

from bumper_sandbox.flux import documents
from bumper_sandbox.flux.bootstrap import COMPONENTS, COMPONENTS_FILE
from bumper_sandbox.flux.build import BuildError, build, has_directory

ROOT = "/tmp/cluster"
IN_FILE = "accumulating resources: accumulating resources from 'a.yaml': MalformedYAMLError: yaml: "

MALFORMED = {
    "apiVersion: v1\nkind: X\nmetadata:\n  name: a\nspec: [1, 2\n": "line 4: did not find expected ',' or ']'",
    "a:\n  b: 1\n c: 2\n": "line 2: did not find expected key",
    "a:\n\tb: 1\n": "line 2: found character that cannot start any token",
    "a: b: c\n": "mapping values are not allowed in this context",
    'a: "x\nb: 1\n': "line 3: found unexpected end of stream",
    "a: *x\n": "unknown anchor 'x' referenced",
    "a: 1\n  image: x\n": "line 2: mapping values are not allowed in this context",
    "image: @x\n": "found character that cannot start any token",
    "<<<<<<< HEAD\nimage: a\n=======\nimage: b\n>>>>>>> x\n": "line 2: mapping values are not allowed in this context",
}


def built(files: dict[str, str], path: str = "site", **spec: Any) -> list[dict[str, Any]]:
    return build({name: text.encode() for name, text in files.items()}, path, spec, ROOT)


def failure(files: dict[str, str], path: str = "site", **spec: Any) -> str:
    with pytest.raises(BuildError) as caught:
        built(files, path, **spec)
    return str(caught.value)


@each_row("text", MALFORMED)
def test_a_file_that_is_not_yaml_is_refused_in_kustomizes_words(text: str) -> None:
    files = {"site/kustomization.yaml": "resources: [a.yaml]\n", "site/a.yaml": text}
    assert failure(files) == f"kustomize build failed: {IN_FILE}{MALFORMED[text]} in File: a.yaml"


def test_without_a_kustomization_the_generator_speaks_first() -> None:
    text = "apiVersion: v1\nkind: X\nmetadata: [\n"
    expected = (
        "failed to decode Kubernetes YAML from /tmp/cluster/site/a.yaml: MalformedYAMLError: yaml: line 3: "
    )
    assert failure({"site/a.yaml": text}) == expected + "did not find expected node content"


@each_row(
    ("files", "expected"),
    [
        (
            {"site/kustomization.yaml": "resources: [nope.yaml]"},
            (
                "kustomize build failed: accumulating resources: accumulation err='accumulating resources from 'nope.yaml': "
                "evalsymlink failure on '/tmp/cluster/site/nope.yaml' : "
                "lstat /tmp/cluster/site/nope.yaml: no such file or directory': "
                "must build at directory: not a valid directory: evalsymlink failure on '/tmp/cluster/site/nope.yaml' : "
                "lstat /tmp/cluster/site/nope.yaml: no such file or directory"
            ),
        ),
        (
            {"site/kustomization.yaml": "resources: [a.yaml]", "site/a.yaml": "apiVersion: v1\nkind: X\n"},
            (
                "kustomize build failed: accumulating resources: accumulation err='accumulating resources from 'a.yaml': "
                "missing metadata.name in object {{v1 X} {{ } map[] map[]}}': "
                "must build at directory: '/tmp/cluster/site/a.yaml': file is not directory"
            ),
        ),
        (
            {
                "site/kustomization.yaml": "resources: [a.yaml]",
                "site/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n"
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
            },
            (
                "kustomize build failed: accumulating resources: accumulation err='accumulating resources from 'a.yaml': "
                "may not add resource with an already registered id: ConfigMap.v1.[noGrp]/a.[noNs]': "
                "must build at directory: '/tmp/cluster/site/a.yaml': file is not directory"
            ),
        ),
        (
            {
                "site/kustomization.yaml": "resources: [a.yaml]",
                "site/a.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: b\nspec:\n  replicas: 1\n  replicas: 2\n",
            },
            (
                "kustomize build failed: map[string]interface {}(nil): yaml: unmarshal errors:\n"
                '  line 7: mapping key "replicas" already defined at line 6'
            ),
        ),
        (
            {"site/kustomization.yaml": "resources: []\nimages: [{name: a, newTag: 123}]\n"},
            (
                "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal number into Go struct field "
                "Image.images.newTag of type string"
            ),
        ),
        (
            {"site/kustomization.yaml": "resources: []\nimages: [{name: a, newTag: yes}]\n"},
            (
                "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal bool into Go struct field "
                "Image.images.newTag of type string"
            ),
        ),
        (
            {"site/kustomization.yaml": "resources: []\nhelmCharts: []\n"},
            "the sandbox's kustomize does not understand the field 'helmCharts'",
        ),
    ],
)
def test_what_does_not_build_says_why(files: dict[str, str], expected: str) -> None:
    assert failure(files) == expected


def test_a_directory_without_a_kustomization_is_built_from_all_its_manifests() -> None:
    files = {
        "site/b.yml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n",
        "site/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
        "site/deep/c.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n",
        "site/kustomized/kustomization.yaml": "resources: [d.yaml]\nnamespace: inner\n",
        "site/kustomized/d.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: d}\n",
        "site/kustomized/left-out.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: e}\n",
        "site/README.md": "no manifest",
        "other/f.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: f}\n",
    }
    manifests = built(files, "./site")
    assert [manifest["metadata"]["name"] for manifest in manifests] == ["a", "b", "c", "d"]
    assert manifests[3]["metadata"]["namespace"] == "inner"


def test_a_target_namespace_goes_to_everything_that_can_have_one() -> None:
    text = (
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n---\n"
        "apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: x}\n"
    )
    namespace, service = built({"site/a.yaml": text}, targetNamespace="apps")
    assert "namespace" not in namespace["metadata"]
    assert service["metadata"]["namespace"] == "apps"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("newTag: '2'", "r:5000/web:2"),
        ("digest: sha256:dd", "r:5000/web@sha256:dd"),
        ("newName: other, newTag: '2', digest: sha256:dd", "other:2@sha256:dd"),
        ("newName: other", "other:1@sha256:aa"),
    ],
)
def test_images_are_replaced_as_kustomize_does(change: str, expected: str) -> None:
    files = {
        "site/kustomization.yaml": f"resources: [a.yaml]\nimages: [{{name: 'r:5000/web', {change}}}]\n",
        "site/a.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: b}\nspec: {template: {spec: {"
        "initContainers: [{image: 'r:5000/web-api:1'}], containers: [{image: 'r:5000/web:1@sha256:aa'}]}}}\n",
    }
    spec = built(files)[0]["spec"]["template"]["spec"]
    assert spec["containers"][0]["image"] == expected
    assert spec["initContainers"][0]["image"] == "r:5000/web-api:1"


def test_fluxs_own_images_go_over_those_of_the_file() -> None:
    files = {
        "site/kustomization.yaml": "resources: [a.yaml]\nimages: [{name: web, newTag: '2', digest: sha256:dd}]\n",
        "site/a.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: b}\nspec: {containers: [{image: web}]}\n",
    }
    manifests = built(files, images=[{"name": "web", "newTag": "3"}])
    assert manifests[0]["spec"]["containers"][0]["image"] == "web:3"


def test_scalars_have_the_types_that_go_yaml_gives_them() -> None:
    # Printed by kustomize v5.8.1; plain timestamps are the one difference, and stay as written here.
    text = (
        "{a: yes, b: 1.10, d: 0123, e: on, f: 1_000, g: 0o17, h: ~, i: 12e4567, j: 1:30, k: 0x1F, l: .5, m: 1., n: +12, o: 1e3, "
        "p: 08, q: '1', r: !!str 1, s: true}"
    )
    expected = {
        "a": "yes",
        "b": 1.1,
        "d": 83,
        "e": "on",
        "f": 1000,
        "g": 15,
        "h": None,
        "i": "12e4567",
        "j": "1:30",
        "k": 31,
    }
    expected |= {"l": 0.5, "m": 1, "n": 12, "o": 1000, "p": 8, "q": "1", "r": "1", "s": True}
    assert documents.parse(text.encode()) == [expected]
    assert json.dumps(documents.parse(text.encode())[0]) == json.dumps(expected)


def test_documents_lists_anchors_and_line_ends() -> None:
    text = (
        "# a comment\r\n---\r\nkind: List\r\napiVersion: v1\r\nitems:\r\n- {kind: A, metadata: {name: a}}\r\n"
        "--- # next\r\nkind: B\r\nmetadata: &m {name: b}\r\nsame: *m\r\nmore: {<<: *m, x: 1}\r\n---\r\n"
    )
    first, second = documents.objects(text.encode())
    assert first["metadata"]["name"] == "a"
    assert second["same"] == {"name": "b"}
    assert second["more"] == {"name": "b", "x": 1}


def test_the_whole_tree_of_this_repository_builds() -> None:
    top = Path(__file__).parent.parent.parent
    files = {
        path.relative_to(top).as_posix(): path.read_bytes()
        for path in (top / "k8s").rglob("*")
        if path.is_file()
    }
    files[f"k8s/flux-system/{COMPONENTS_FILE}"] = COMPONENTS
    synced = [
        manifest
        for manifest in build(files, "./k8s/flux-system", {}, ROOT)
        if manifest["kind"] == "Kustomization"
    ]
    assert len(synced) == 12
    for kustomization in synced:
        assert has_directory(files, kustomization["spec"]["path"])
        assert build(files, kustomization["spec"]["path"], kustomization["spec"], ROOT)
    assert not has_directory(files, "./k8s/nope")
