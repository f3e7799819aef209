"""What kustomize's own types take: the keys of a kustomization, and the form of each value.

Law: kustomize reads strictly, and builds nothing of a kustomization with a key that it does not know, or with a number or a boolean
where it expects a text (`newTag: 1.10`). Flux reads the kustomization at `spec.path` itself, and hands on what it has understood: keys
that it does not know are left out there, and a number becomes a text (`1.1`). What is said here is said with its line.

Source: sigs.k8s.io/kustomize/api v0.21.1, `types/*.go` (their JSON tags, found without regard to case), `Kustomization.Unmarshal`;
sigs.k8s.io/yaml v1.6.0, `yaml.go` (YAMLToJSON, convertToJSONableObject); go.yaml.in/yaml/v2, `resolve.go`; fluxcd/pkg/kustomize
v1.35.4, `kustomize_generator.go` (GenerateManifest).
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from bumper.dataclasses import replace
from bumper.fluxtree.layers import Gap
from bumper.fluxtree.resource import Route, written
from bumper.manifest import go_yaml
from bumper.manifest.document import Document, text
from bumper.manifest.go_yaml import FLAG, FRACTION, NOTHING, NUMBER, TEXT
from bumper.manifest.yamltext import Scalar

COMPONENT = "Component"
ANYTHING = "anything"
# A scalar, a list of what is in it, a mapping of any keys (`EACH`), or one of these keys.
Form: TypeAlias = "str | list[Form] | Mapping[str, Form]"
EACH = "*"

_PAIRS: Form = {EACH: TEXT}
_GVK: Mapping[str, Form] = {"group": TEXT, "version": TEXT, "kind": TEXT}
_ID: Mapping[str, Form] = {**_GVK, "name": TEXT, "namespace": TEXT}
_SELECTOR: Mapping[str, Form] = {**_ID, "annotationSelector": TEXT, "labelSelector": TEXT}
_FIELD_OPTIONS: Form = {"delimiter": TEXT, "index": NUMBER, "encoding": TEXT, "create": FLAG}
_PATCH: Form = {
    "path": TEXT,
    "patch": TEXT,
    "target": _SELECTOR,
    "options": {"allowNameChange": FLAG, "allowKindChange": FLAG},
}
_IMAGE: Form = {"name": TEXT, "newName": TEXT, "newTag": TEXT, "tagSuffix": TEXT, "digest": TEXT}
_GENERATOR_OPTIONS: Form = {
    "labels": _PAIRS,
    "annotations": _PAIRS,
    "disableNameSuffixHash": FLAG,
    "immutable": FLAG,
}
_GENERATOR: Mapping[str, Form] = {
    "namespace": TEXT,
    "name": TEXT,
    "behavior": TEXT,
    "literals": [TEXT],
    "files": [TEXT],
    "envs": [TEXT],
    "env": TEXT,
    "options": _GENERATOR_OPTIONS,
}
KUSTOMIZATION: Form = {
    "apiVersion": TEXT,
    "kind": TEXT,
    "metadata": {"name": TEXT, "namespace": TEXT, "labels": _PAIRS, "annotations": _PAIRS},
    "openapi": _PAIRS,
    "namePrefix": TEXT,
    "nameSuffix": TEXT,
    "namespace": TEXT,
    "commonLabels": _PAIRS,
    "labels": [
        {
            "pairs": _PAIRS,
            "includeSelectors": FLAG,
            "includeTemplates": FLAG,
            "fields": [{**_GVK, "path": TEXT, "create": FLAG}],
        }
    ],
    "commonAnnotations": _PAIRS,
    "patchesStrategicMerge": [TEXT],
    "patchesJson6902": [_PATCH],
    "patches": [_PATCH],
    "images": [_IMAGE],
    "imageTags": [_IMAGE],
    "replacements": [
        {
            "path": TEXT,
            "source": {**_ID, "fieldPath": TEXT, "options": _FIELD_OPTIONS},
            "sourceValue": TEXT,
            "targets": [
                {"select": _SELECTOR, "reject": [_SELECTOR], "fieldPaths": [TEXT], "options": _FIELD_OPTIONS}
            ],
        }
    ],
    "replicas": [{"name": TEXT, "count": NUMBER}],
    "vars": [{"name": TEXT, "objref": {**_ID, "apiVersion": TEXT}, "fieldref": {"fieldPath": TEXT}}],
    "sortOptions": {"order": TEXT, "legacySortOptions": {"orderFirst": [TEXT], "orderLast": [TEXT]}},
    "resources": [TEXT],
    "components": [TEXT],
    "crds": [TEXT],
    "bases": [TEXT],
    "configMapGenerator": [_GENERATOR],
    "secretGenerator": [{**_GENERATOR, "type": TEXT}],
    "helmGlobals": ANYTHING,
    "helmCharts": ANYTHING,
    "helmChartInflationGenerator": ANYTHING,
    "generatorOptions": _GENERATOR_OPTIONS,
    "configurations": [TEXT],
    "generators": [TEXT],
    "transformers": [TEXT],
    "validators": [TEXT],
    "buildMetadata": [TEXT],
}

# What kustomize takes for the `apiVersion` of each kind, if any is written.
_VERSIONS = {
    "Kustomization": "kustomize.config.k8s.io/v1beta1",
    COMPONENT: "kustomize.config.k8s.io/v1alpha1",
}
# Below these keys are read here as kustomize reads them.
_IN_ANY_LETTERS = frozenset({"target", "select", "reject", "source", "vars"})
# A number with a point may be a whole one.
_TAKEN = {TEXT: (TEXT,), FLAG: (FLAG,), NUMBER: (NUMBER, FRACTION)}


class Mismatch(NamedTuple):
    """What is not as kustomize takes it. `unknown_key` is the way to a key that it does not know, `becomes` the text that Flux makes
    of `plain` in the kustomization at `spec.path`; `is_recased` is said of a key that kustomize knows in other letters, and takes.
    """

    gap: Gap
    unknown_key: str = ""
    is_recased: bool = False
    plain: str = ""
    becomes: str = ""

    @property
    def is_dropped(self) -> bool:
        """Whether Flux leaves it out of the kustomization at `spec.path`, and what is built is what was meant but for it.

        A patch without a key that was to select its objects is another one: that is refused there, too.
        """
        return bool(self.unknown_key) and not self.unknown_key.startswith(("patches[", "patchesJson6902["))

    @property
    def is_scalar(self) -> bool:
        """Whether it is a number or a boolean in the place of a text."""
        return bool(self.becomes)

    @property
    def rewritten(self) -> tuple[Gap, ...]:
        """That Flux makes another text of it than is written; none where that is the same."""
        message = f"{self.plain} is written without quotes, of which Flux makes {self.becomes}"
        return () if self.becomes == self.plain else (replace(self.gap, message=message),)


def mismatches(document: Document) -> Iterator[Mismatch]:
    """What kustomize does not take in a kustomization, by its line."""
    value = document.value
    kind, version = text(value.get("kind")) or "Kustomization", text(value.get("apiVersion"))
    expected = _VERSIONS.get(kind)
    if expected is None or version not in ("", expected):
        message = f"{version} {kind} is no kustomization, expected {expected or _VERSIONS['Kustomization']}".lstrip()
        yield Mismatch(
            Gap(document.path, document.line("kind" if expected is None else "apiVersion"), message)
        )
        return
    yield from _mismatches(document, document.read(lambda scalar: scalar), KUSTOMIZATION, ())


def _mismatches(document: Document, value: Any, form: Form, route: Route) -> Iterator[Mismatch]:
    if form == ANYTHING or (isinstance(value, Scalar) and go_yaml.form_of(value) == NOTHING):
        return
    if isinstance(form, list) and isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _mismatches(document, inner, form[0], (*route, at))
    elif isinstance(form, Mapping) and isinstance(value, dict):
        forms = {key.lower(): inner for key, inner in form.items()}
        for key, inner in value.items():
            known = forms.get(str(key).lower(), form.get(EACH))
            if known is None:
                message = (
                    f"{written((*route, key))} is no key that kustomize knows: it refuses the kustomization"
                )
                yield Mismatch(
                    Gap(document.path, document.line(*route, key), message),
                    unknown_key=written((*route, key)),
                )
                continue
            if not {key, EACH} & form.keys() and _IN_ANY_LETTERS.isdisjoint(route):
                message = f"{written((*route, key))} is read by kustomize in any letters, and not followed here: expected its own"
                yield Mismatch(Gap(document.path, document.line(*route, key), message), is_recased=True)
            yield from _mismatches(document, inner, known, (*route, key))
    elif not (isinstance(value, Scalar) and go_yaml.form_of(value) in _TAKEN.get(str(form), ())):
        yield _mismatch(Gap(document.path, document.line(*route), written(route)), value, form)


def _mismatch(place: Gap, value: Any, form: Form) -> Mismatch:
    plain = value.value if isinstance(value, Scalar) and form == TEXT else ""
    what = plain and f"{plain} without quotes"
    if not what:
        what = (
            value.shown if isinstance(value, Scalar) else "a list" if isinstance(value, list) else "a mapping"
        )
    expected = form if isinstance(form, str) else "a list" if isinstance(form, list) else "a mapping"
    message = f"{place.message} is {what}, expected {expected}: kustomize refuses the kustomization"
    becomes = go_yaml.as_text(plain) if plain else ""
    return Mismatch(replace(place, message=message), plain=plain, becomes=becomes)
