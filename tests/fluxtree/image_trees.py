"""Trees whose images stand outside of containers: in image volumes, and in fields that a kustomization's configurations state."""

from dataclasses import dataclass

from trees import flux

POD = (
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n"
    "      containers: [{name: web, image: 'reg.io/web:1'}]\n      ephemeralContainers: [{name: e, image: 'reg.io/web:1'}]\n"
    "      volumes: [{name: a, emptyDir: {}}, {name: v, image: {reference: 'reg.io/web:1', pullPolicy: Always}}]\n"
)
CRON = (
    "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: web}\nspec: {jobTemplate: {spec: {template: {spec: {\n"
    "  volumes: [{name: v, image: {reference: 'reg.io/web:1'}}]}}}}}\n"
)
WIDGET = (
    "apiVersion: example.io/v1\nkind: Widget\nmetadata: {name: web}\nspec:\n"
    "  runtime: [{image: 'reg.io/web:1'}, {image: 'reg.io/other:1'}]\n  other: {image: 'reg.io/web:1'}\n"
)
SPECS = (
    "images:\n- {path: 'spec/runtime[]/image', kind: Widget}\n- {path: spec/other/image, group: other.io}\n"
)
ENTRY = "images: [{name: reg.io/web, newTag: '2'}]\n"


@dataclass(frozen=True)
class ImageTree:
    """The files of `apps/top`; `images` are those that the model finds, by `kind route`, with what kustomize makes of them."""

    files: dict[str, str]
    images: dict[str, str]
    deciders: frozenset[str] = frozenset({"apps/top/kustomization.yaml"})

    @property
    def all_files(self) -> dict[str, str]:
        own = {f"apps/top/{name}": text for name, text in self.files.items()}
        return {
            "clusters/sync.yaml": flux("web", "./apps/top"),
            **own,
        }


IMAGE_TREES = {
    "an image volume that an entry decides": ImageTree(
        {"kustomization.yaml": f"resources: [pod.yaml]\n{ENTRY}", "pod.yaml": POD},
        {
            "Deployment spec/template/spec/containers/0/image": "reg.io/web:2",
            "Deployment spec/template/spec/ephemeralContainers/0/image": "reg.io/web:1",
            "Deployment spec/template/spec/volumes/1/image/reference": "reg.io/web:2",
        },
        frozenset({"apps/top/kustomization.yaml", "apps/top/pod.yaml"}),
    ),
    "an image volume of a CronJob, which no entry is for": ImageTree(
        {"kustomization.yaml": f"resources: [cron.yaml]\n{ENTRY}", "cron.yaml": CRON},
        {"CronJob spec/jobTemplate/spec/template/spec/volumes/0/image/reference": "reg.io/web:1"},
        frozenset({"apps/top/cron.yaml"}),
    ),
    "a field that the configurations state": ImageTree(
        {
            "kustomization.yaml": f"resources: [widget.yaml]\nconfigurations: [specs.yaml]\n{ENTRY}",
            "widget.yaml": WIDGET,
            "specs.yaml": SPECS,
        },
        {
            "Widget spec/runtime/0/image": "reg.io/web:2",
            "Widget spec/runtime/1/image": "reg.io/other:1",
        },
        frozenset({"apps/top/kustomization.yaml", "apps/top/widget.yaml"}),
    ),
    "configurations of a base": ImageTree(
        {
            "kustomization.yaml": f"resources: [base]\n{ENTRY}",
            "base/kustomization.yaml": "resources: [widget.yaml]\nconfigurations: [specs.yaml]\n",
            "base/widget.yaml": WIDGET,
            "base/specs.yaml": SPECS,
        },
        {
            "Widget spec/runtime/0/image": "reg.io/web:2",
            "Widget spec/runtime/1/image": "reg.io/other:1",
        },
        frozenset({"apps/top/kustomization.yaml", "apps/top/base/widget.yaml"}),
    ),
    "configurations of the overlay alone": ImageTree(
        {
            "kustomization.yaml": "resources: [base]\nconfigurations: [specs.yaml]\n",
            "base/kustomization.yaml": f"resources: [widget.yaml]\n{ENTRY}",
            "base/widget.yaml": WIDGET,
            "specs.yaml": SPECS,
        },
        {
            "Widget spec/runtime/0/image": "reg.io/web:1",
            "Widget spec/runtime/1/image": "reg.io/other:1",
        },
        frozenset({"apps/top/base/widget.yaml"}),
    ),
}  # fmt: skip
