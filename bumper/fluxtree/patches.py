"""The patches of a kustomization, and of a Flux Kustomization, and what they make of objects.

Law: each patch is read once for a tree, and applied as kustomize applies it. A patch that kustomize refuses, or that is for nothing,
raises `Refusal`, since then nothing is built; what cannot be told (a regular expression of Go's own, a patch that is no YAML) leaves a
doubt in every object that it may be for.

Source: sigs.k8s.io/kustomize/api v0.21.1, `internal/builtins/PatchTransformer.go`, `PatchStrategicMergeTransformer.go`,
`PatchJson6902Transformer.go`, `resource/resource.go` (ApplySmPatch keeps name, namespace and kind).
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from posixpath import dirname
from typing import Any

from bumper.dataclasses import dataclass, replace
from bumper.errors import NotYaml
from bumper.fluxtree import json_patch, strategic
from bumper.fluxtree.layers import Gap, Reading, why_missing, within
from bumper.fluxtree.leaves import Reader, Text, near_to, origin_of, reworded, span_of
from bumper.fluxtree.resource import Path, Resource
from bumper.fluxtree.selectors import Identity, Selector, Undecided, identity
from bumper.manifest import NO_BLOCK
from bumper.manifest.blocks import block
from bumper.manifest.document import items, mapping, plain, text
from bumper.manifest.yamltext import compose, require_few_values
from bumper.objects import Object

_IDENTITY = (("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace"))
_STEP = re.compile(r"\d+|-")


class Refusal(Exception):
    """kustomize builds nothing: `gap` says where and why."""

    def __init__(self, gap: Gap) -> None:
        super().__init__(str(gap))
        self.gap = gap


@dataclass(frozen=True, eq=False)
class Patch:
    """One entry of a list of patches. `operations` is None for a strategic merge, whose objects are `merges`.

    `place` is where it is listed, or its file. `is_remembered` says that what it changes is still found by its former name.
    """

    place: Gap
    target: Selector | None
    merges: tuple[Object, ...] = ()
    operations: tuple[Object, ...] | None = None
    unread: str = ""
    renames: bool = False
    changes_kind: bool = False
    is_remembered: bool = True

    def applied(self, resources: list[Resource], may_be: Callable[[Identity], bool]) -> list[Resource]:
        """The objects after it; Refusal. `may_be` says whether there may be an object of a name beside these."""
        if self.unread:
            return self._doubted(resources, self.unread)
        if self.operations is not None:
            return self._with_operations(resources)
        if self.target:
            return self._merged_into_selected(resources)
        for merge in self.merges:
            resources = self._merged_into_named(resources, merge, may_be)
        return resources

    def _doubted(self, resources: list[Resource], reason: str) -> list[Resource]:
        doubt = replace(self.place, message=reason)
        return [known.doubted(doubt) if self._may_select(known) else known for known in resources]

    def _may_select(self, resource: Resource) -> bool:
        try:
            return self.target is None or self.target.selects(resource.value, resource.now, resource.first)
        except Undecided:
            return True

    def _with_operations(self, resources: list[Resource]) -> list[Resource]:
        if not self.target:
            raise self._refusal("a JSON patch needs a target")
        return [after for known in resources for after in self._changed(known, self._operate)]

    def _merged_into_selected(self, resources: list[Resource]) -> list[Resource]:
        if len(self.merges) > 1:
            raise self._refusal(f"{len(self.merges)} objects in one patch with a target, expected one")
        for merge in self.merges:
            change = partial(self._merge, merge=merge)
            resources = [after for known in resources for after in self._changed(known, change)]
        return resources

    def _changed(self, known: Resource, change: Callable[[Resource], Resource | None]) -> Iterator[Resource]:
        try:
            selected = self.target is None or self.target.selects(known.value, known.now, known.first)
            after = change(known) if selected else known
        except Undecided as reason:
            after = known.doubted(replace(self.place, message=str(reason)))
        if after:
            yield after

    def _merged_into_named(
        self, resources: list[Resource], merge: Object, may_be: Callable[[Identity], bool]
    ) -> list[Resource]:
        wanted = identity(merge)
        matching = [known for known in resources if wanted in known.identities]
        if len(matching) > 1 or not (matching or may_be(wanted)):
            count = f"{len(matching)} objects of the build" if matching else "no object of the build"
            raise self._refusal(f"the patch is for {wanted.kind} {wanted.name}, which {count} is")
        return [
            after
            for known in resources
            for after in ([known] if known not in matching else self._merged_certainly(known, merge))
        ]

    def _merged_certainly(self, known: Resource, merge: Object) -> Iterator[Resource]:
        try:
            after = self._merge(known, merge)
        except Undecided as reason:
            after = known.doubted(replace(self.place, message=str(reason)))
        if after:
            yield after

    def _merge(self, known: Resource, merge: Object) -> Resource | None:
        patch = {**merge, "apiVersion": known.value.get("apiVersion", "")}
        value = strategic.merged(known.value, patch)
        if value is None:
            return None
        if self.renames or self.changes_kind:
            known = known.known()
        paths = frozenset(path for path in leaves(merge, ()) if path not in _IDENTITY)
        return replace(known.with_value(self._kept(known.value, value)), changed=known.changed | paths)

    def _kept(self, before: Object, after: Object) -> Object:
        """A strategic merge changes neither kind nor name nor namespace, unless it may."""
        old, new = mapping(before.get("metadata")), dict(mapping(after.get("metadata")))
        for key in ("namespace",) if self.renames else ("name", "namespace"):
            if key in old:
                new[key] = old[key]
            else:
                new.pop(key, None)
        kind = after if self.changes_kind else before
        return {**after, "kind": kind.get("kind", ""), "metadata": new}

    def _operate(self, known: Resource) -> Resource:
        if self.is_remembered:
            known = known.known()
        try:
            value = json_patch.applied(known.value, list(self.operations or ()))
        except json_patch.Refused as refused:
            raise self._refusal(f"{refused} in {known}") from None
        paths = frozenset(_up_to_list(text(mapping(each).get("path"))) for each in self.operations or ())
        return replace(known.with_value(value), changed=known.changed | paths)

    def _refusal(self, message: str) -> Refusal:
        return Refusal(replace(self.place, message=message))


def listed(reading: Reading, place: Gap, entry: Any, *, is_remembered: bool = True) -> Iterator[Patch]:
    """The patches of an entry of a list, whose scalars are leaves; `place` is the list's own. Refusal where a file is not there."""
    fields = mapping(entry)
    target = Selector.read(fields["target"]) if mapping(fields.get("target")) else None
    options = mapping(fields.get("options"))
    here = _place(place, fields.get("patch") or fields.get("path") or entry)
    for patch in _read(reading, here, fields, entry):
        yield replace(
            patch,
            target=target,
            renames=text(options.get("allowNameChange")) == "true",
            changes_kind=text(options.get("allowKindChange")) == "true",
            is_remembered=is_remembered,
        )


def _read(reading: Reading, place: Gap, fields: Mapping[str, Any], entry: Any) -> Iterator[Patch]:
    written = fields.get("path") or (entry if isinstance(entry, str) else "")
    inline = fields.get("patch") or (entry if isinstance(entry, str) else "")
    file = within(dirname(place.path), text(written)) if written and "\n" not in text(written) else None
    if fields.get("path") and fields.get("patch"):
        raise Refusal(
            replace(place, message=f"{place.message} has both path and patch, which kustomize refuses")
        )
    if file and reading.is_file(file):
        _require_json(reading.content(file).decode(errors="replace"), Gap(file, 1, place.message))
        yield reading.once(("patch", file), lambda: _parsed(reading.file(file), Gap(file, 1, "")))
    elif isinstance(inline, list):  # Flux's patchesJson6902, whose operations stand there themselves
        yield Patch(place, None, operations=tuple(map(mapping, inline)))
    elif isinstance(entry, dict) and not (inline or written):  # Flux's patchesStrategicMerge
        yield Patch(place, None, merges=(entry,))
    elif inline and (fields.get("patch") or "\n" in text(inline) or ":" in text(inline)):
        _require_json(text(inline).strip(), place)
        yield _inline(reading, place, inline)
    else:
        why = why_missing(reading, within(dirname(place.path), text(written)))
        raise Refusal(replace(place, message=f"{place.message} names {text(written)}, {why}"))


def _require_json(written: str, place: Gap) -> None:
    """Refusal for a text that begins as a list of JSON and is none: kustomize takes only another beginning for YAML."""
    if not written.startswith("["):
        return
    try:
        json.loads(written)
    except (ValueError, RecursionError) as error:
        message = f"{place.message} has a patch that begins with '[' and is no JSON ({error}), which kustomize refuses"
        raise Refusal(replace(place, message=message)) from None


def _inline(reading: Reading, place: Gap, written: str) -> Patch:
    origin = origin_of(written)
    if origin is None:
        near = near_to(written)
        path, line = (near.text.path, span_of(near).line) if near else (place.path, place.line)
        fixed = "it stands in a patch into which variables are filled, expected it in a text of its own"
        return _parsed(Text(path, written.encode(), line=line, fixed=fixed), place)
    key = ("patch", origin.text.path, origin.text.line, origin.ordinal)
    patch: Patch = reading.once(key, lambda: _parsed(inside(written, place.line), place))
    return patch


def inside(written: Any, line: int, no_block: str = NO_BLOCK) -> Text:
    """The text that stands in a scalar; what cannot be edited there says so, with `no_block` where it is no literal block."""
    origin = origin_of(written)
    assert origin, "only texts of the repository hold other texts"
    content = str(written).encode()
    if origin.text.block or origin.text.fixed:
        return Text(origin.text.path, content, line=line, fixed="it stands in a text inside of a text")
    source = compose(origin.text.content, origin.text.path)
    scalar = next(scalar for scalar in source.scalars if scalar.ordinal == origin.ordinal)
    at = block(source, scalar)
    if at is None:
        return Text(
            origin.text.path, content, line=source.line(scalar.start),
            fixed=no_block,
        )  # fmt: skip
    return Text(origin.text.path, at.content, at, at.line)


def _parsed(content: Text, place: Gap) -> Patch:
    """The patch of a text, still without its target: one of comments alone changes nothing. Refusal."""
    try:
        source = compose(content.content, content.path)
        require_few_values(source)
    except NotYaml as error:
        return Patch(place, None, unread=f"a patch that cannot be read may change it ({error.message})")
    roots = [plain(root, Reader(content)) for root in source.documents]
    roots = [root for root in roots if root]
    if roots and isinstance(roots[0], list):
        # What is no JSON is made JSON: its numbers and booleans are those of YAML 1.1.
        listed = roots[0] if content.content.startswith(b"[") else reworded(roots[0])
        return Patch(place, None, operations=tuple(map(mapping, listed)))
    objects = tuple(each for root in roots for each in _objects(mapping(root)))
    if not all(text(each.get("kind")) and identity(each).name for each in objects):
        raise Refusal(replace(place, message="a patch without kind and name, which kustomize refuses"))
    return Patch(place, None, merges=objects)


def _objects(root: Object) -> list[Object]:
    return (
        [mapping(entry) for entry in items(root.get("items"))] if text(root.get("kind")) == "List" else [root]
    )


def _place(place: Gap, written: Any) -> Gap:
    """Where a leaf stands, or what is known above it."""
    origin = origin_of(written)
    if origin is None or origin.text.block:
        return place
    source = compose(origin.text.content, origin.text.path)
    scalar = next(scalar for scalar in source.scalars if scalar.ordinal == origin.ordinal)
    return Gap(origin.text.path, source.line(scalar.start), place.message)


def leaves(value: Object, above: Path) -> Iterator[Path]:
    """The paths of the values that a mapping holds, up to the lists in it."""
    for key, inner in value.items():
        if key == "$patch":
            yield above
        elif isinstance(inner, dict) and inner:
            yield from leaves(inner, (*above, key))
        else:
            yield (*above, key)


def _up_to_list(path: str) -> Path:
    steps: list[str] = []
    for step in json_patch.pointer(path):
        if _STEP.fullmatch(step):
            break
        steps.append(step)
    return tuple(steps)
