"""Which fields of custom resources hold an image, and that each of them is edited to the byte."""

import pytest
from tables import each_row

from bumper import manifest
from bumper.errors import FieldUnsafe
from bumper.manifest import custom_resources

OBJECTS = {
    "CloudNativePG": "apiVersion: postgresql.cnpg.io/v1\nkind: Cluster\nmetadata: {name: db}\nspec:\n  imageName: IMAGE\n",
    "Dragonfly": "apiVersion: dragonflydb.io/v1alpha1\nkind: Dragonfly\nmetadata: {name: d}\nspec:\n  image: IMAGE\n",
    "EnvoyProxy": "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyProxy\nmetadata: {name: e}\nspec:\n"
    "  provider: {kubernetes: {envoyDeployment: {container: {image: 'IMAGE'}}}}\n",
    "CephCluster": "apiVersion: ceph.rook.io/v1\nkind: CephCluster\nmetadata: {name: c}\nspec:\n  cephVersion: {image: 'IMAGE'}\n",
    "InferenceService, a container": "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: {name: i}\nspec:\n"
    "  predictor:\n    containers:\n    - {name: a, image: 'IMAGE'}\n",
    "InferenceService, a model": "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: {name: i}\nspec:\n"
    "  predictor: {model: {image: 'IMAGE'}}\n",
    "Task, a step": "apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: t}\nspec:\n  steps:\n  - name: a\n    image: IMAGE\n",
    "Task, a sidecar": "apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: t}\nspec: {sidecars: [{image: 'IMAGE'}]}\n",
    "Pipeline": "apiVersion: tekton.dev/v1\nkind: Pipeline\nmetadata: {name: p}\nspec:\n"
    "  tasks:\n  - taskSpec:\n      steps:\n      - image: IMAGE\n",
    "a TaskRun in a TriggerTemplate": "apiVersion: triggers.tekton.dev/v1beta1\nkind: TriggerTemplate\nmetadata: {name: t}\nspec:\n"
    "  resourcetemplates:\n  - apiVersion: tekton.dev/v1\n    kind: TaskRun\n    metadata: {generateName: r-}\n"
    "    spec: {taskSpec: {steps: [{image: 'IMAGE'}]}}\n",
    "Rollout": "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: r}\nspec:\n"
    "  template: {spec: {containers: [{name: a, image: 'IMAGE'}]}}\n",
    "Knative Service": "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: s}\nspec:\n"
    "  template: {spec: {containers: [{image: 'IMAGE'}]}}\n",
    "MCPServer": "apiVersion: toolhive.stacklok.dev/v1alpha1\nkind: MCPServer\nmetadata: {name: m}\nspec: {image: 'IMAGE'}\n",
    "Prometheus": "apiVersion: monitoring.coreos.com/v1\nkind: Prometheus\nmetadata: {name: p}\nspec: {image: 'IMAGE'}\n",
    "Grafana": "apiVersion: grafana.integreatly.org/v1beta1\nkind: Grafana\nmetadata: {name: g}\nspec: {version: 'IMAGE'}\n",
    "Strimzi": "apiVersion: kafka.strimzi.io/v1beta2\nkind: Kafka\nmetadata: {name: k}\nspec: {kafka: {image: 'IMAGE'}}\n",
    "RunnerDeployment": "apiVersion: actions.summerwind.dev/v1alpha1\nkind: RunnerDeployment\nmetadata: {name: r}\nspec:\n"
    "  template: {spec: {image: 'IMAGE'}}\n",
    "WorkflowTemplate, a script": "apiVersion: argoproj.io/v1alpha1\nkind: WorkflowTemplate\nmetadata: {name: w}\nspec:\n"
    "  templates:\n  - script:\n      image: IMAGE\n",
    "CronWorkflow": "apiVersion: argoproj.io/v1alpha1\nkind: CronWorkflow\nmetadata: {name: w}\nspec:\n"
    "  workflowSpec: {templates: [{container: {image: 'IMAGE'}}]}\n",
    "an image volume": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: w}\nspec: {template: {spec: {\n"
    "  volumes: [{name: v, image: {pullPolicy: Always, reference: 'IMAGE'}}]}}}\n",
    "a custom resource in a chart's values": "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: h}\nspec:\n"
    "  values:\n    extraObjects:\n    - apiVersion: postgresql.cnpg.io/v1\n      kind: Cluster\n"
    "      metadata: {name: db}\n      spec: {imageName: 'IMAGE'}\n",
}  # fmt: skip


@each_row("text", OBJECTS.values(), ids=OBJECTS)
def test_the_image_of_a_custom_resource_is_edited_alone(text: str) -> None:
    content = text.replace("IMAGE", "reg.io/team/web:1.0").encode()

    (field,) = manifest.select(manifest.fields(content, "f.yaml"), "reg.io/team/web")
    edited = manifest.apply(content, manifest.plan(content, field, "2.0"))

    assert edited == text.replace("IMAGE", "reg.io/team/web:2.0").encode()


@pytest.mark.parametrize(
    "text",
    [
        OBJECTS["Dragonfly"].replace("dragonflydb.io", "example.io"),
        OBJECTS["Dragonfly"].replace("  image", "  other"),
        OBJECTS["an image volume"].replace("volumes", "disks"),
        OBJECTS["Grafana"].replace("IMAGE", "11.2.0"),
        OBJECTS["Task, a step"].replace("steps", "results"),
    ],
)
def test_nothing_else_of_a_custom_resource_is_an_image(text: str) -> None:
    assert manifest.fields(text.replace("IMAGE", "reg.io/team/web:1.0").encode(), "f.yaml") == ()


def test_a_tag_beside_its_repository_is_the_field_where_an_operator_wants_it_so() -> None:
    head = "apiVersion: operator.victoriametrics.com/v1beta1\nkind: VMCluster\nmetadata: {name: v}\nspec:\n"
    content = f"{head}  vmselect: {{image: {{repository: reg.io/vm, tag: v1}}}}\n".encode()

    (field,) = manifest.select(manifest.fields(content, "f.yaml"), "reg.io/vm")

    assert field.route == (0, "spec", "vmselect", "image", "tag")
    assert manifest.apply(content, manifest.plan(content, field, "v2")) == content.replace(b"v1}", b"v2}")


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: upgrade.cattle.io/v1\nkind: Plan\nmetadata: {name: p}\nspec: {version: v1, upgrade: {image: reg.io/k}}\n",
        "apiVersion: monitoring.coreos.com/v1\nkind: Prometheus\nmetadata: {name: p}\nspec: {version: v1, image: reg.io/k}\n",
    ],
)
def test_an_operator_that_has_a_version_may_join_it_to_an_image_without_a_tag(text: str) -> None:
    (field,) = manifest.fields(text.encode(), "f.yaml")
    with pytest.raises(FieldUnsafe, match="its tag stands in version"):
        manifest.plan(text.encode(), field, "2.0")


def test_an_image_without_a_tag_and_without_a_version_gets_its_first_one() -> None:
    content = OBJECTS["Dragonfly"].replace("IMAGE", "reg.io/web").encode()
    (field,) = manifest.fields(content, "f.yaml")
    assert manifest.apply(content, manifest.plan(content, field, "2.0")) == content.replace(
        b"web", b"web:2.0"
    )


def test_a_strategic_patch_for_a_custom_resource_has_the_same_fields() -> None:
    content = (
        b"resources: [db.yaml]\npatches:\n- patch: |\n    apiVersion: postgresql.cnpg.io/v1\n    kind: Cluster\n"
        b"    metadata: {name: db}\n    spec:\n      imageName: reg.io/db:1 # keep\n"
    )
    (field,) = manifest.fields(content, "kustomization.yaml")
    assert (str(field.image), field.span.line) == ("reg.io/db:1", 8)
    assert manifest.apply(content, manifest.plan(content, field, "2")) == content.replace(b":1 #", b":2 #")


def test_the_table_is_well_formed() -> None:
    for entry in custom_resources.ENTRIES:
        assert entry.source, f"{entry.group} {entry.kinds} says where it is known from"
        for path in entry.paths:
            assert custom_resources.steps(path)[0] == "spec", path
            assert ".." not in path, path


OPERATIONS = {
    "an image": "- op: replace\n  path: /spec/template/spec/containers/0/image\n  value: IMAGE\n",
    "a container": "- op: add\n  path: /spec/template/spec/containers/-\n  value: {name: b, image: 'IMAGE'}\n",
    "all containers": "- op: add\n  path: /spec/template/spec/containers\n  value:\n  - name: b\n    image: IMAGE\n",
    "a pod's spec": "- op: replace\n  path: /spec/template/spec\n  value: {initContainers: [{name: b, image: 'IMAGE'}]}\n",
    "values of a chart": "- op: add\n  path: /spec/values/image\n  value: {repository: REPOSITORY, tag: 'TAG'}\n",
    "all values of a chart": "- op: add\n  path: /spec/values\n  value: {a: {image: 'IMAGE'}}\n",
}


def written(text: str, tag: str) -> bytes:
    return (
        text.replace("IMAGE", f"reg.io/web:{tag}").replace("TAG", tag).replace("REPOSITORY", "reg.io/web")
    ).encode()


@each_row("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_the_value_of_a_json_patch_holds_an_image_where_its_path_leads_to_one(operation: str) -> None:
    inside = "patches:\n- target: {kind: Deployment}\n  patch: |-\n" + "".join(
        f"    {line}\n" for line in operation.splitlines()
    )
    for text in (operation, inside):
        before, after = written(text, "1.0"), written(text, "2.0")
        (field,) = manifest.select(manifest.fields(before, "f.yaml"), "reg.io/web")
        assert manifest.apply(before, manifest.plan(before, field, "2.0")) == after


@pytest.mark.parametrize(
    "operation",
    [
        "- op: test\n  path: /spec/template/spec/containers/0/image\n  value: reg.io/web:1.0\n",
        "- op: add\n  path: /metadata/annotations/note\n  value: reg.io/web:1.0\n",
        "- op: copy\n  from: /a/image\n  path: /spec/image\n",
    ],
)
def test_other_values_of_a_json_patch_are_none(operation: str) -> None:
    assert manifest.fields(operation.encode(), "f.yaml") == ()
