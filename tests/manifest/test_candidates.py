"""What is an image field, and what only looks like one."""

import pytest
from editing import container, kustomization, release
from tables import each_row

from bumper import manifest
from bumper.manifest import FieldKind, candidates
from bumper.manifest.yamltext import Mapping
from bumper.objects import ObjectKey

LIST = b"""\
apiVersion: v1
kind: List
items:
- apiVersion: batch/v1
  kind: CronJob
  metadata: {name: nightly, namespace: shop}
  spec: {jobTemplate: {spec: {template: {spec: {
    initContainers: [{name: wait, image: 'busybox:1'}],
    containers: [{name: job, image: "reg.io/job:2"}],
    ephemeralContainers: [{name: debug, image: "reg.io/debug"}]}}}}}
---
---
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: w}
spec: {templates: [{containerSet: {containers: [{name: a, image: "argosay:v2"}]}}]}
"""


def images(content: bytes) -> list[str]:
    return [str(field.image) for field in manifest.fields(content, "f.yaml")]


def test_containers_stand_at_any_depth_of_any_kind() -> None:
    fields = manifest.fields(LIST, "f.yaml")

    nightly, workflow = ObjectKey("CronJob", "shop", "nightly"), ObjectKey("Workflow", "", "w")
    assert [(str(field.image), field.container, field.workload, field.span.line) for field in fields] == [
        ("busybox:1", "wait", nightly, 8),
        ("reg.io/job:2", "job", nightly, 9),
        ("reg.io/debug", "debug", nightly, 10),
        ("argosay:v2", "a", workflow, 16),
    ]
    assert fields[3].route == (2, "spec", "templates", 0, "containerSet", "containers", 0, "image")
    assert LIST[fields[0].span.start : fields[0].span.end] == b"busybox:1"


def test_an_entry_of_a_kustomization_is_known_by_its_name_and_reaches_the_cluster_by_its_new_one() -> None:
    content = kustomization("name: web", "newName: acr.example/team/web", "newTag: v1")

    (field,) = manifest.fields(content, "kustomization.yaml")

    assert (field.kind, str(field.image), field.rendered) == (
        FieldKind.NEW_TAG,
        "web:v1",
        "acr.example/team/web",
    )
    assert manifest.select([field], "web") == manifest.select([field], "acr.example/team/web") == (field,)


def test_flux_has_the_same_entries_in_its_kustomization_and_in_post_renderers() -> None:
    entry = "images: [{name: web, newTag: v1}]"
    kind = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: web}\n"
    assert images(f"{kind}spec: {{{entry}}}\n".encode()) == ["web:v1"]
    assert images(f"kind: HelmRelease\nspec: {{postRenderers: [{{kustomize: {{{entry}}}}}]}}\n".encode()) == [
        "web:v1"
    ]


@each_row(
    ("values", "expected"),
    [
        ("{image: {repository: reg.io/web, tag: v1}}", ["reg.io/web:v1"]),
        ("{a: {b: [{tag: v1, repository: reg.io/web}]}}", ["reg.io/web:v1"]),
        ("{image: 'reg.io/web:v1'}", ["reg.io/web:v1"]),
        ("{image: reg.io/web, tag: v1}", ["reg.io/web:v1"]),
        ("{image: 'reg.io/web:v1', tag: v2}", ["reg.io/web:v1"]),
        ("{initContainers: [{name: a, image: 'reg.io/web:v1'}]}", ["reg.io/web:v1"]),
        ("{images: [{repository: reg.io/web, tag: v1}]}", ["reg.io/web:v1"]),
        ("{image: null}", []),
        ("{image: {repository: reg.io/web}}", []),
        ("{tag: v1}", []),
        ("{podAnnotations: {image: 'reg.io/web:v1'}}", []),
        ("{labels: {repository: reg.io/web, tag: v1}}", []),
        ("{env: {image: 'reg.io/web:v1'}}", []),
    ],
)
def test_helm_values(values: str, expected: list[str]) -> None:
    assert images(release(values)) == expected
    assert images(f"{values}\n".encode()) == expected, "a file of values is no Kubernetes object"


def test_a_registry_beside_the_repository_is_part_of_what_reaches_the_cluster() -> None:
    (field,) = manifest.fields(
        release("{registry: docker.io, repository: bitnami/redis, tag: '7'}"), "f.yaml"
    )

    assert (str(field.image), field.rendered) == ("bitnami/redis:7", "docker.io/bitnami/redis")
    assert manifest.select([field], "docker.io/bitnami/redis") == (field,)
    assert not manifest.select([field], "redis")


LOOKALIKES = {
    "text in a ConfigMap": "kind: ConfigMap\ndata:\n  pod.yaml: |\n    containers:\n    - image: reg.io/web:1\n",
    "annotation": "kind: Pod\nmetadata: {annotations: {image: 'reg.io/web:1'}}\n",
    "environment": container("env: [{name: image, value: 'reg.io/web:1'}]").decode(),
    "field of a custom resource": "kind: OpenTelemetryCollector\nspec: {image: 'reg.io/web:1'}\n",
    "schema of a custom resource": "kind: CustomResourceDefinition\nspec: {schema: {properties: {"
    "containers: {items: {properties: {image: {type: string}}}}, image: {default: 'reg.io/web:1'}, "
    "values: {properties: {image: {type: string}, repository: {type: string}, tag: {type: string}}}}}}\n",
    "status": "kind: Pod\nstatus: {containerStatuses: [{name: a, image: 'reg.io/web:1'}]}\n",
    "repository outside of values": "kind: Chart\nspec: {repository: reg.io/web, tag: '1'}\n",
    "image that is a mapping": container("image: {name: reg.io/web}").decode(),
    "image that is null": container("image: ~").decode(),
    "images that are texts": "kind: Application\nspec: {images: ['reg.io/web:1']}\n",
    "nothing": "",
    "only a comment": "# image: reg.io/web:1\n",
}


@each_row("text", LOOKALIKES.values(), ids=LOOKALIKES.keys())
def test_what_only_looks_like_an_image_is_none(text: str) -> None:
    assert images(text.encode()) == []


@each_row(
    ("asked", "written"),
    [
        ("reg.io/web", "reg.io/web-api:1"),
        ("reg.io/web", "regXio/web:1"),
        ("reg.io/web", "io/web:1"),
        ("web", "reg.io/web:1"),
        ("localhost", "localhost:5000/web"),
        ("nginx", "docker.io/library/nginx:1"),
        ("docker.io/library/nginx", "nginx:1"),
        ("reg.io/web:1", "reg.io/web:1"),
        ("", "reg.io/web:1"),
    ],
)
def test_repositories_are_compared_whole_and_as_written(asked: str, written: str) -> None:
    assert not manifest.select(manifest.fields(container(f"image: {written}"), "f.yaml"), asked)


def test_a_name_as_written_comes_before_a_name_in_the_cluster() -> None:
    content = b"images: [{name: web, newName: api, newTag: v1}, {name: api, newTag: v2}]\n"
    (field,) = manifest.select(manifest.fields(content, "f.yaml"), "api")
    assert field.image.tag == "v2"


def test_aliases_do_not_multiply_the_work() -> None:
    # Ten levels of nine aliases each: walked one by one they would be 3.5 billion containers.
    levels = [f"l{at}: &l{at} {{{', '.join(f'k{n}: *l{at - 1}' for n in range(9))}}}" for at in range(1, 11)]
    content = "\n".join(["l0: &l0 {containers: [{name: a, image: 'reg.io/web:1'}]}", *levels]).encode()

    fields = manifest.fields(content, "f.yaml")

    assert {field.span for field in fields} == {fields[0].span}
    assert len(fields) == 2


def test_an_alias_stands_for_the_last_anchor_of_that_name() -> None:
    content = b"containers: [{image: &i 'api:1'}, {image: *i}, {image: &i 'web:1'}, {image: *i}]\n"
    assert images(content) == ["api:1", "api:1", "web:1", "web:1"]


def test_a_mapping_that_holds_itself_ends() -> None:
    assert set(images(b"kind: A\nspec: &s {containers: [*s, {image: 'web:1'}], again: *s, <<: *s}\n")) == {
        "web:1"
    }


@each_row(
    ("values", "reason"),
    [
        ("imageTag: old\n    image: reg.io/web", "its tag stands in imageTag"),
        ("image: {repository: reg.io/web, tag: old, sha: abcdef}", "pinned by sha"),
        ("{image: tigera/operator, version: v1.40.5}", "its tag stands in version"),
        ("{appVersion: '1', web: {image: reg.io/web}}", "its tag stands in appVersion"),
        ("{defaultVersion: '1', a: {b: [{image: reg.io/web}]}}", "its tag stands in defaultVersion"),
        ("image: reg.io/web", "the chart may add one of its own"),
        ("image: 'reg.io/web:1.0@sha256aaaa'", "is no image"),
        ("image: 'reg.io/web:2@sha256:.0'", "is no image"),
        ("image: reg.io/@eV:2.0", "is no image"),
    ],
)
def test_a_tag_that_something_beside_it_decides_is_not_changed_alone(values: str, reason: str) -> None:
    (field,) = manifest.fields(f"kind: HelmRelease\nspec:\n  values:\n    {values}\n".encode(), "web.yaml")
    assert reason in field.unsafe


def test_an_empty_sha_beside_a_tag_pins_nothing() -> None:
    text = 'kind: HelmRelease\nspec:\n  values:\n    image: {repository: reg.io/web, tag: old, sha: ""}\n'
    (field,) = manifest.fields(text.encode(), "web.yaml")
    assert not field.unsafe


def test_the_keys_of_a_mapping_are_looked_through_once_for_all_that_is_below(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However many images the values of one release have."""
    looked: list[int] = []
    version = candidates._version

    def counted(mapping: Mapping) -> str:
        looked.append(len(mapping.names))
        return version(mapping)

    monkeypatch.setattr(candidates, "_version", counted)
    values = "".join(
        f"part-{n}:\n  image:\n    repository: reg.example/web\n    tag: '1'\n" for n in range(50)
    )
    assert len(manifest.fields(values.encode(), "values.yaml")) == 50
    assert looked.count(50) <= 3
    assert sum(looked) < 50 * 8
