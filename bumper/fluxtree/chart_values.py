"""The values that a HelmRelease gives to its chart: its own, and those of ConfigMaps of the same build.

Law: merged as helm-controller merges them, each scalar remembering where it is written, so that a tag in a file that a
configMapGenerator reads is found and edited in that file. A Secret, and a ConfigMap that the build does not hold, are unknown: what
they say of an image is not seen, and they may go over the references before them (`Rival`). Values that can't be read leave a doubt.

Source: fluxcd/pkg, chartutil/values.go (ChartValuesFromReferences: references in order, mappings merged, anything else replaced,
`targetPath` set as `helm --set` does; `spec.values` last).
"""

import re
from collections.abc import Iterable
from typing import Any

from bumper.errors import NotYaml
from bumper.fluxtree.layers import Gap
from bumper.fluxtree.leaves import Leaf, Reader, Rival, Text, near_to, origin_of, rivalled
from bumper.fluxtree.patches import inside
from bumper.fluxtree.resource import Resource, Route
from bumper.fluxtree.transformers import with_value_at
from bumper.manifest.document import items, mapping, plain, text
from bumper.manifest.yamltext import compose, require_few_values
from bumper.objects import Object

GROUP = "helm.toolkit.fluxcd.io"
_DEFAULT = "values.yaml"
_STEP = re.compile(r"(?P<key>[^.\[\]\\,={}]+)|\[(?P<index>[0-9]{1,18})\]")
_NO_BLOCK = (
    "it stands in values that are not as they stand in the file, expected a literal block (values.yaml: |)"
)


def with_all_values(release: Resource, resources: Iterable[Resource]) -> Resource:
    """The HelmRelease with the values of its ConfigMaps among `spec.values`; the same where it has none of them."""
    references = [mapping(entry) for entry in items(release.at("spec", "valuesFrom"))]
    values: Object = {}
    for at, reference in enumerate(references):
        data, target = _data(release, reference, resources), text(reference.get("targetPath"))
        try:
            if data is None:
                rival = release.rival(reference, "spec.values", "spec", "valuesFrom", at)
                values = mapping(_rivalled(values, _route(target) or (), rival))
            else:
                values = _with(values, data, target)
        except NotYaml as error:
            line = release.line("spec", "valuesFrom")
            release = release.doubted(Gap(release.path, line, f"its values can't be read: {error.message}"))
    if not values:
        return release
    merged = _merged(values, mapping(release.at("spec", "values")))
    return release.with_value(with_value_at(release.value, ("spec", "values"), merged))


def _rivalled(values: Any, route: Route, rival: Rival) -> Any:
    """The values where what stands under the route may be set again."""
    if not route:
        return rivalled(values, rival)
    step, rest = route[0], route[1:]
    if isinstance(step, int):
        return [_rivalled(each, rest, rival) if at == step else each for at, each in enumerate(items(values))]
    if not isinstance(values, dict):
        return rivalled(values, rival)
    return {key: _rivalled(inner, rest, rival) if key == step else inner for key, inner in values.items()}


def _data(release: Resource, reference: Object, resources: Iterable[Resource]) -> Any:
    """What stands under the key that a reference names; None where this build does not hold it."""
    if text(reference.get("kind")) != "ConfigMap":
        return None
    name, key = text(reference.get("name")), text(reference.get("valuesKey")) or _DEFAULT
    named = (each for each in resources if each.kind == "ConfigMap" and name in each.names)
    near = [each for each in named if each.namespace in ("", release.namespace)]
    return mapping(near[0].at("data")).get(key) if near else None


def _with(values: Object, data: Any, target: str) -> Object:
    if target:
        route = _route(target)
        return values if route is None else mapping(_set(values, route, data))
    content = _content(data)
    source = compose(content.content, content.path)
    require_few_values(source)
    roots = [plain(root, Reader(content)) for root in source.documents]
    return _merged(values, mapping(roots[0])) if roots else values


def _content(data: Any) -> Text:
    """The YAML text that a value of a ConfigMap is."""
    if isinstance(data, Leaf) and data.file is not None:
        return data.file
    if origin_of(data) is not None:
        return inside(data, 1, _NO_BLOCK)
    near = near_to(data)
    path = near.text.path if near else ""
    return Text(path, str(data).encode(), fixed="it stands in values that are put together of others")


def _route(target: str) -> Route | None:
    """The steps of a target path; None for one with escapes, which are not followed."""
    matches = list(_STEP.finditer(target))
    if "\\" in target or sum(len(match[0]) for match in matches) + target.count(".") != len(target):
        return None
    return tuple(match["key"] or int(match["index"]) for match in matches)


def _set(values: Any, route: Route, data: Any) -> Any:
    if not route:
        return data
    step, rest = route[0], route[1:]
    if isinstance(step, int):
        listed = [*items(values), *[{}] * (step + 1 - len(items(values)))]
        return [_set(each, rest, data) if at == step else each for at, each in enumerate(listed)]
    known = mapping(values)
    return {**known, step: _set(known.get(step), rest, data)}


def _merged(values: Object, over: Object) -> Object:
    result = dict(values)
    for key, inner in over.items():
        before = values.get(key)
        result[key] = (
            _merged(before, inner) if isinstance(before, dict) and isinstance(inner, dict) else inner
        )
    return result
