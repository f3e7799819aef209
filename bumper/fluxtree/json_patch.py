"""A JSON patch (RFC 6902), as kustomize applies it.

Law: neither side is changed. What the library refuses is `Refused`, since then nothing is built at all: a path that leads nowhere, an
index beyond the list, a test that fails.

Source: gopkg.in/evanphx/json-patch.v4, `patch.go` (negative indexes count from the end; no operation makes parents; `remove` wants
something there, and `replace` only in a list, whatever the RFC says; a `test` for nothing holds where nothing is), as
sigs.k8s.io/kustomize/api v0.21.1 calls it in `filters/patchjson6902`.
"""

import re
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any

from bumper.fluxtree.leaves import Leaf, each_scalar
from bumper.manifest.document import mapping, text
from bumper.manifest.go_yaml import FLAG, FRACTION, NUMBER, TEXT, as_json, form
from bumper.objects import Object

_INDEX = re.compile(r"-?[0-9]{1,18}")


class Refused(Exception):
    """kustomize refuses the patch."""


def applied(value: Object, operations: list[Any]) -> Object:
    """The object after all operations; Refused."""
    result: Any = value
    for operation in map(mapping, operations):
        result = _applied(result, operation)
    return mapping(result)


def pointer(path: str) -> list[str]:
    """The steps of a JSON pointer."""
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]


def _applied(value: Any, operation: Mapping[str, Any]) -> Any:
    path, name = text(operation.get("path")), text(operation.get("op"))
    steps = pointer(path)
    if not steps or not path.startswith("/"):
        raise Refused(f"the path {path!r} is none below the object")
    match name:
        case "add":
            return _at(
                value, steps, path, lambda parent, step: _add(parent, step, operation.get("value"), path)
            )
        case "replace":
            return _at(
                value, steps, path, lambda parent, step: _set(parent, step, operation.get("value"), path)
            )
        case "remove":
            return _at(value, steps, path, lambda parent, step: _remove(parent, step, path))
        case "copy" | "move":
            origin = text(operation.get("from"))
            moved = _get(value, pointer(origin), origin)
            if name == "move":
                value = _at(
                    value, pointer(origin), origin, lambda parent, step: _remove(parent, step, origin)
                )
            return _at(value, steps, path, lambda parent, step: _add(parent, step, moved, path))
        case "test":
            if not _holds(value, steps, path, operation.get("value")):
                raise Refused(f"the test of {path} fails")
            return value
    raise Refused(f"the operation {name!r} is unknown")


def _at(value: Any, steps: list[str], path: str, change: Callable[[Any, str], None]) -> Any:
    """`value` with the parent of the last step copied and changed, and all above it copied."""
    result = copy(value)
    if len(steps) == 1:
        if not isinstance(result, dict | list):
            raise Refused(f"{path} leads nowhere")
        change(result, steps[0])
        return result
    key = _key(result, steps[0], path)
    result[key] = _at(result[key], steps[1:], path, change)
    return result


def _get(value: Any, steps: list[str], path: str) -> Any:
    for step in steps:
        value = value[_key(value, step, path)]
    return value


def _holds(value: Any, steps: list[str], path: str, expected: Any) -> bool:
    parent = _get(value, steps[:-1], path)
    if isinstance(parent, dict) and steps[-1] not in parent:
        return not expected
    return bool(_typed(_get(parent, steps[-1:], path), is_patch=False) == _typed(expected, is_patch=True))


def _typed(value: Any, *, is_patch: bool) -> Any:
    """A value with what each scalar is: objects have YAML 1.2's booleans, and the numbers of patches are compared as they are."""

    def typed(scalar: Any) -> tuple[str, Any]:
        if not isinstance(scalar, Leaf) or not scalar.is_plain:
            return TEXT, scalar
        kind = form(scalar)
        if kind == FLAG and not (is_patch or scalar.lower() in ("true", "false")):
            return TEXT, scalar
        return NUMBER if kind == FRACTION else kind, str(scalar) if is_patch else as_json(scalar)

    return each_scalar(value, typed)


def _key(value: Any, step: str, path: str) -> Any:
    """The key or index of a step that is there."""
    if isinstance(value, dict) and step in value:
        return step
    if isinstance(value, list) and _INDEX.fullmatch(step):
        at = int(step)
        if -len(value) <= at < len(value):
            return at
    raise Refused(f"{path} leads nowhere: there is no {step}")


def _add(parent: Any, step: str, value: Any, path: str) -> None:
    if isinstance(parent, dict):
        parent[step] = value
        return
    size = len(parent) + 1
    if step != "-" and not (_INDEX.fullmatch(step) and -size <= int(step) < size):
        raise Refused(f"{path} is beyond the end of its list")
    at = len(parent) if step == "-" else int(step)
    parent.insert(at + size if at < 0 else at, value)


def _set(parent: Any, step: str, value: Any, path: str) -> None:
    parent[step if isinstance(parent, dict) else _key(parent, step, path)] = value


def _remove(parent: Any, step: str, path: str) -> None:
    del parent[_key(parent, step, path)]
