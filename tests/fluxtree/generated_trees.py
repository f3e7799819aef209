"""Trees of kustomizations made by chance from a number: always the same one from the same number.

Every form in which an image's tag may be decided has a weight (`WRITES`, `TARGETS`, `LAYERS`, `FLUX`): the chance that a layer has it,
or that a patch is written so. Whether a target is for anything, or for too much, is left to chance: kustomize refuses some trees.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

T = TypeVar("T")
REGISTRY = "reg.example"
# How a patch is written, with its weight.
WRITES = {
    "merge in a block": 4,
    "merge in a file": 4,
    "merge in patchesStrategicMerge, a file": 2,
    "merge in patchesStrategicMerge, a block": 2,
    "operations in a block": 4,
    "operations in a file": 4,
    "operations in patchesJson6902, a block": 2,
    "operations in patchesJson6902, a file": 2,
}
# How a patch says what it is for, with its weight.
TARGETS = {
    "kind and name": 4,
    "kind alone": 1,
    "name as a pattern": 4,
    "kind as a pattern": 2,
    "group": 2,
    "group and version": 2,
    "a namespace": 2,
    "a namespace as a pattern": 2,
    "labelSelector, equal": 2,
    "labelSelector, a set": 2,
    "labelSelector, a key": 1,
    "annotationSelector": 2,
    "the former name": 3,
    "nothing of the tree": 1,
}
# What a layer has beside patches: the chance out of 100.
LAYERS = {
    "namespace": 25,
    "namePrefix": 25,
    "nameSuffix": 15,
    "labels": 15,
    "labels with selectors": 10,
    "commonLabels": 10,
    "commonAnnotations": 10,
    "images, newTag": 30,
    "images, newName": 12,
    "images, newName and newTag": 12,
    "images, digest": 8,
    "images, a name as a pattern": 6,
    "component": 20,
    "replacements, a whole image": 8,
    "replacements, a tag": 8,
}
FLUX = {
    "Flux: patches, a merge": 20,
    "Flux: patches, operations": 20,
    "Flux: images": 25,
    "Flux: targetNamespace": 20,
    "Flux: namePrefix": 15,
    "Flux: nameSuffix": 12,
    "Flux: components": 15,
}
FORMS = (*WRITES, *TARGETS, *LAYERS, *FLUX)
# What the sandbox's own small kustomize understands.
SMALL = (
    "namespace",
    "images, newTag",
    "images, newName",
    "images, newName and newTag",
    "images, digest",
    "Flux: images",
    "Flux: targetNamespace",
)
_KINDS = {
    "Deployment": ("apps/v1", "/spec/template/spec"),
    "StatefulSet": ("apps/v1", "/spec/template/spec"),
    "DaemonSet": ("apps/v1", "/spec/template/spec"),
    "Job": ("batch/v1", "/spec/template/spec"),
    "CronJob": ("batch/v1", "/spec/jobTemplate/spec/template/spec"),
    "Pod": ("v1", "/spec"),
    "App": ("example.org/v1", "/spec/template/spec"),
}
_NAMES = ("web", "web-api", "api", "worker", "web2")


@dataclass
class Workload:
    """One object, as the generator follows it through the layers. `pods` is the JSON pointer of its pod's spec."""

    kind: str
    names: list[str]
    namespaces: list[str]
    labels: dict[str, str]
    annotations: dict[str, str]
    containers: list[str]
    inits: list[str]

    @property
    def version(self) -> str:
        return _KINDS[self.kind][0]

    @property
    def pods(self) -> str:
        return _KINDS[self.kind][1]


@dataclass
class Generated:
    """The files of a tree; what Flux builds is `apps/top`, as `clusters/sync.yaml` says. `forms` are those that it has."""

    files: dict[str, str] = field(default_factory=dict)
    forms: set[str] = field(default_factory=set)


class Chance:
    """Chance that is the same for the same number in every version of Python: only `random()` promises that."""

    def __init__(self, number: int) -> None:
        self._random = Random(number).random

    def below(self, end: int) -> int:
        return int(self._random() * end)

    def of(self, things: Sequence[T]) -> T:
        return things[self.below(len(things))]

    def percent(self, share: int) -> bool:
        return self.below(100) < share

    def weighted(self, weights: dict[str, int]) -> str:
        at = self.below(sum(weights.values()))
        for name, weight in weights.items():
            at -= weight
            if at < 0:
                return name
        raise AssertionError("the weights add up")


def tree(number: int, forms: Collection[str] = FORMS) -> Generated:
    """The tree of a number, with no other forms than these."""
    return _Tree(number, frozenset(forms)).made


class _Tree:
    def __init__(self, number: int, forms: frozenset[str]) -> None:
        self.chance = Chance(number)
        self.forms = forms
        self.made = Generated()
        self.count = 0
        base = [self.workload("apps/base", at) for at in range(1 + self.chance.below(3))]
        listed = [f"w{at}.yaml" for at in range(len(base))]
        self.layer("apps/base", base, listed)
        below = "../base"
        if self.chance.percent(50):
            self.layer("apps/mid", base, [below])
            below = "../mid"
        if self.chance.percent(30):
            base.append(self.workload("apps/top", 9))
            self.layer("apps/top", base, [below, "w9.yaml"])
        else:
            self.layer("apps/top", base, [below])
        self.flux(base)

    def has(self, form: str, weights: dict[str, int]) -> bool:
        has = self.chance.percent(weights[form]) and form in self.forms
        if has:
            self.made.forms.add(form)
        return has

    # -- objects

    def workload(self, directory: str, at: int) -> Workload:
        chance = self.chance
        kind = chance.of(("Deployment", "Deployment", *_KINDS))
        name = f"{chance.of(_NAMES)}{at or ''}"
        namespace = chance.of(("", "", "shop", "default"))
        made = Workload(
            kind,
            [name],
            [namespace],
            {"app": name, "tier": chance.of(("front", "back"))},
            {"team": chance.of(("red", "blue"))},
            ["web", "sidecar"][: 1 + chance.below(2)],
            ["setup"][: chance.below(2)],
        )
        self.made.files[f"{directory}/w{at}.yaml"] = self.manifest(made)
        return made

    def image(self) -> str:
        chance = self.chance
        name = f"{REGISTRY}/{chance.of(('web', 'api', 'shared'))}"
        return chance.of(
            (f"{name}:1.{chance.below(9)}",) * 6 + (name, f"{name}@sha256:{'0' * 64}", f'"{name}:1.0"')
        )

    def manifest(self, made: Workload) -> str:
        def listed(key: str, names: list[str], indent: str) -> list[str]:
            lines = [f"{indent}{key}:"] if names else []
            for name in names:
                lines += [f"{indent}- name: {name}", f"{indent}  image: {self.image()}"]
            return lines

        steps = made.pods.split("/")[1:]
        lines = [
            f"apiVersion: {made.version}",
            f"kind: {made.kind}",
            "metadata:",
            f"  name: {made.names[0]}",
            *([f"  namespace: {made.namespaces[0]}"] if made.namespaces[0] else []),
            f"  labels: {json.dumps(made.labels)}",
            f"  annotations: {json.dumps(made.annotations)}",
        ]
        lines += ["  " * depth + f"{step}:" for depth, step in enumerate(steps)]
        indent = "  " * len(steps)
        lines += listed("initContainers", made.inits, indent) + listed("containers", made.containers, indent)
        return "\n".join(lines) + "\n"

    # -- layers

    def layer(
        self, directory: str, workloads: list[Workload], resources: list[str], *, component: bool = False
    ) -> None:
        """Writes the kustomization of a layer, and follows what it makes of the workloads."""
        chance = self.chance
        lists: dict[str, list[str]] = {}
        plain: list[str] = []
        if not component and self.has("component", LAYERS):
            self.count += 1
            name = f"c{self.count}"
            self.layer(f"apps/{name}", workloads, [], component=True)
            lists["components"] = [f"- ../{name}"]
        patches = chance.below(3) + (1 if component else 0)
        for _ in range(patches if self.forms.issuperset(WRITES) else 0):
            key, lines = self.patch(directory, chance.of(workloads), workloads)
            lists.setdefault(key, []).extend(lines)
        if self.has("namespace", LAYERS):
            namespace = chance.of(("shop", "prod"))
            plain.append(f"namespace: {namespace}")
            for each in workloads:
                each.namespaces.append(namespace)
        prefix = chance.of(("eu-", "x-")) if self.has("namePrefix", LAYERS) else ""
        suffix = chance.of(("-v2", "-blue")) if self.has("nameSuffix", LAYERS) else ""
        plain += [f"namePrefix: {prefix}"] if prefix else []
        plain += [f"nameSuffix: {suffix}"] if suffix else []
        if prefix or suffix:
            for each in workloads:
                each.names.append(f"{prefix}{each.names[-1]}{suffix}")
        plain += self.labels(workloads)
        images = self.images(workloads)
        if images:
            lists["images"] = images
        lists.setdefault("replacements", []).extend(self.replacements(directory, workloads, resources))
        kind, version = ("Component", "v1alpha1") if component else ("Kustomization", "v1beta1")
        body = [f"apiVersion: kustomize.config.k8s.io/{version}", f"kind: {kind}"]
        if resources:
            body += ["resources:", *(f"- {each}" for each in resources)]
        for key, lines in lists.items():
            body += [f"{key}:", *lines] if lines else []
        self.made.files[f"{directory}/kustomization.yaml"] = "\n".join([*body, *plain]) + "\n"

    def labels(self, workloads: list[Workload]) -> list[str]:
        lines = []
        for form, extra in (("labels", ""), ("labels with selectors", ", includeSelectors: true")):
            if self.has(form, LAYERS):
                lines += ["labels:"] if "labels:" not in lines else []
                pairs = {"env": self.chance.of(("prod", "test"))} if not extra else {"zone": "a"}
                lines.append(f"- {{pairs: {json.dumps(pairs)}{extra}}}")
                for each in workloads:
                    each.labels |= pairs
        if self.has("commonLabels", LAYERS):
            lines.append("commonLabels: {tier: common}")
            for each in workloads:
                each.labels["tier"] = "common"
        if self.has("commonAnnotations", LAYERS):
            lines.append("commonAnnotations: {team: green}")
            for each in workloads:
                each.annotations["team"] = "green"
        return lines

    def images(self, workloads: list[Workload]) -> list[str]:
        lines = []
        tag = f"i{self.chance.below(100)}"
        for form in (
            "images, newTag",
            "images, newName",
            "images, newName and newTag",
            "images, digest",
            "images, a name as a pattern",
        ):
            if self.has(form, LAYERS):
                name = f"{REGISTRY}/{self.chance.of(('web', 'api', 'shared', 'patched', 'other'))}"
                lines.append(f"- name: {REGISTRY}/(web|api)" if "pattern" in form else f"- name: {name}")
                lines += (
                    [f"  newName: {REGISTRY}/{self.chance.of(('other', 'renamed'))}"]
                    if "newName" in form
                    else []
                )
                lines += [f"  newTag: {tag}"] if "newTag" in form or "pattern" in form else []
                lines += [f"  digest: sha256:{'2' * 64}", f"  newTag: {tag}"] if "digest" in form else []
        return lines

    def replacements(self, directory: str, workloads: list[Workload], resources: list[str]) -> list[str]:
        lines: list[str] = []
        for form, delimiter in (("replacements, a whole image", ""), ("replacements, a tag", ":")):
            target = self.chance.of(workloads)
            if resources and self.has(form, LAYERS):
                self.count += 1
                value = f"r{self.count}" if delimiter else f"{REGISTRY}/replaced:r{self.count}"
                name = f"source{self.count}"
                self.made.files[f"{directory}/{name}.yaml"] = (
                    f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata:\n  it: {value}\n"
                )
                resources.append(f"{name}.yaml")
                route = target.pods[1:].replace("/", ".")
                entry = self.chance.of((f"[name={target.containers[0]}]", "0", "*"))
                lines += [
                    f"- source: {{kind: ConfigMap, name: {name}, fieldPath: data.it}}",
                    "  targets:",
                    f"  - select: {{kind: {target.kind}, name: {target.names[-1]}}}",
                    f"    fieldPaths: ['{route}.containers.{entry}.image']",
                    *([f"    options: {{delimiter: '{delimiter}', index: 1}}"] if delimiter else []),
                ]
        return lines

    # -- patches

    def patch(self, directory: str, target: Workload, workloads: list[Workload]) -> tuple[str, list[str]]:
        """The list that a patch belongs to, and its lines there."""
        write = self.chance.weighted(WRITES)
        self.made.forms.add(write)
        is_merge = write.startswith("merge")
        body = self.merge(target) if is_merge else self.operations(target)
        selector = self.selector(target) if "StrategicMerge" not in write else ""
        if "merge in a" in write and self.chance.percent(40):
            selector = ""
        if "6902" in write:
            self.made.forms.add("kind and name")
            selector = json.dumps({"kind": target.kind, "name": target.names[-1]})
        name = ""
        if "file" in write:
            self.count += 1
            name = f"p{self.count}.yaml"
            self.made.files[f"{directory}/{name}"] = "\n".join(body) + "\n"
        key = next(
            (word for word in ("patchesStrategicMerge", "patchesJson6902") if word in write), "patches"
        )
        if key == "patchesStrategicMerge":
            return key, [f"- {name}"] if name else ["- |-", *(f"  {line}" for line in body)]
        lines = [f"- path: {name}"] if name else ["- patch: |-", *(f"    {line}" for line in body)]
        return key, [*lines, *([f"  target: {selector}"] if selector else [])]

    def written(self) -> str:
        tag = f"p{self.chance.below(100)}"
        image = f"{REGISTRY}/{self.chance.of(('patched', 'web'))}:{tag}"
        return self.chance.of((image, image, f"'{image}'"))

    def merge(self, target: Workload) -> list[str]:
        """A strategic merge for a workload: into a container that it has, or one that it gets by it."""
        steps = target.pods.split("/")[1:]
        key = "initContainers" if target.inits and self.chance.percent(30) else "containers"
        names = target.inits if key == "initContainers" else [*target.containers, *target.containers, "added"]
        name = self.chance.of(names)
        namespace = target.namespaces[-1] if self.chance.percent(50) else target.namespaces[0]
        lines = [
            f"apiVersion: {target.version}",
            f"kind: {target.kind}",
            "metadata:",
            f"  name: {self.chance.of(target.names)}",
            *([f"  namespace: {namespace}"] if namespace else []),
        ]
        lines += ["  " * depth + f"{step}:" for depth, step in enumerate(steps)]
        indent = "  " * len(steps)
        lines += [f"{indent}{key}:", f"{indent}- name: {name}", f"{indent}  image: {self.written()}"]
        if self.chance.percent(10) and target.kind != "App":
            lines += [f"{indent}- $patch: delete", f"{indent}  name: sidecar"]
        return lines

    def operations(self, target: Workload) -> list[str]:
        """A JSON patch for a workload."""
        chance = self.chance
        key = "initContainers" if target.inits and chance.percent(30) else "containers"
        at = chance.below(len(target.inits if key == "initContainers" else target.containers))
        path = f"{target.pods}/{key}/{at}/image"
        name = chance.of(("replace", "replace", "replace", "add", "whole", "append"))
        if name == "whole":
            return [
                "- op: replace",
                f"  path: {target.pods}/{key}/{at}",
                f"  value: {{name: swapped, image: {self.written()}}}",
            ]
        if name == "append":
            return [
                "- op: add",
                f"  path: {target.pods}/{key}/-",
                "  value:",
                "    name: more",
                f"    image: {self.written()}",
            ]
        return [f"- op: {name}", f"  path: {path}", f"  value: {self.written()}"]

    def selector(self, target: Workload) -> str:
        form = self.chance.weighted(TARGETS)
        self.made.forms.add(form)
        name, namespace = target.names[-1], target.namespaces[-1]
        group, _, version = target.version.rpartition("/")
        equal = self.chance.of((f"app={target.labels['app']}", "tier!=front", "app==none"))
        a_set = self.chance.of(("tier in (front, common)", "tier notin (back)"))
        fields: dict[str, dict[str, str]] = {
            "kind and name": {"kind": target.kind, "name": name},
            "kind alone": {"kind": target.kind},
            "name as a pattern": {"kind": target.kind, "name": self.chance.of((f"{name[:3]}.*", f"({name}|none)", f"{name}[0-9]*"))},
            "kind as a pattern": {"kind": f"{target.kind[:3]}.*", "name": name},
            "group": {"group": group or "apps", "kind": target.kind},
            "group and version": {"group": group, "version": version, "name": name},
            "a namespace": {"kind": target.kind, "namespace": self.chance.of((namespace or "default", "other"))},
            "a namespace as a pattern": {"kind": target.kind, "namespace": self.chance.of(("sh.*", "(prod|default)"))},
            "labelSelector, equal": {"kind": target.kind, "labelSelector": equal},
            "labelSelector, a set": {"kind": target.kind, "labelSelector": a_set},
            "labelSelector, a key": {"kind": target.kind, "labelSelector": self.chance.of(("env", "!env"))},
            "annotationSelector": {"kind": target.kind, "annotationSelector": f"team={self.chance.of(('red', 'green'))}"},
            "the former name": {"kind": target.kind, "name": target.names[0]},
            "nothing of the tree": {"kind": "Deployment", "name": "none"},
        }  # fmt: skip
        return json.dumps(fields[form])

    # -- Flux

    def flux(self, workloads: list[Workload]) -> None:
        """The Flux Kustomization, which Flux writes into the kustomization of the top layer."""
        chance = self.chance
        target = chance.of(workloads)
        lines = ["path: ./apps/top", "sourceRef: {kind: GitRepository, name: flux-system}"]
        patches: list[str] = []
        for form in ("Flux: patches, a merge", "Flux: patches, operations"):
            if self.has(form, FLUX):
                body = self.merge(target) if "merge" in form else self.operations(target)
                patches += [
                    "- patch: |",
                    *(f"    {line}" for line in body),
                    f"  target: {self.selector(target)}",
                ]
        lines += ["patches:", *patches] if patches else []
        if self.has("Flux: images", FLUX):
            lines += [
                "images:",
                f"- name: {REGISTRY}/{chance.of(('web', 'shared', 'patched'))}",
                "  newTag: flux",
            ]
            lines += [f"  newName: {REGISTRY}/flux"] if chance.percent(30) else []
        lines += ["targetNamespace: target"] if self.has("Flux: targetNamespace", FLUX) else []
        lines += ["namePrefix: flux-"] if self.has("Flux: namePrefix", FLUX) else []
        lines += ["nameSuffix: -flux"] if self.has("Flux: nameSuffix", FLUX) else []
        if self.has("Flux: components", FLUX):
            self.layer("apps/flux", workloads, [], component=True)
            lines += ["components: [../flux]"]
        self.made.files["clusters/sync.yaml"] = "\n".join(
            [
                "apiVersion: kustomize.toolkit.fluxcd.io/v1",
                "kind: Kustomization",
                "metadata: {name: top, namespace: flux-system}",
                "spec:",
                *(f"  {line}" for line in lines),
                "",
            ]
        )
