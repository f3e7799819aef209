"""The table of fields that objects are held to, against what a real API server says of every kind that is read."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from bumper.rollout import fields
from bumper.systems.kube.kinds import KINDS, NODE, RECEIVER

from .stack import Stack

_JSON = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer"}
_DEEP = 20


def test_a_field_has_its_type_wherever_a_kind_has_it(stack: Stack) -> None:
    definitions = _definitions(stack)
    kinds = {(each.group, each.kind) for each in (*KINDS.values(), NODE, RECEIVER)}
    served = {
        (known["group"], known["kind"]): schema
        for schema in definitions.values()
        for known in schema.get("x-kubernetes-group-version-kind") or ()
    }
    # Of these no definition is installed here: Flagger's, Argo's and Knative's run in none of the shared stack's parts.
    assert {group for group, _ in kinds - served.keys()} <= {
        "flagger.app",
        "argoproj.io",
        "serving.knative.dev",
    }
    wrong = [
        f"{kind}{place}: {json_type}, in the table {expected}"
        for (group, kind), schema in served.items()
        if (group, kind) in kinds
        for place, json_type, expected in _differing(schema, "", definitions, ())
    ]
    assert not wrong, "\n".join(sorted(set(wrong)))


def _definitions(stack: Stack) -> dict[str, Any]:
    answer: httpx.Response = stack.api.request("GET", "/openapi/v2", timeout=60.0).raise_for_status()
    definitions: dict[str, Any] = answer.json()["definitions"]
    return definitions


def _differing(
    schema: Mapping[str, Any], place: str, definitions: Mapping[str, Any], inside: tuple[str, ...]
) -> Iterator[tuple[str, str, str]]:
    """Place, type and the table's type of each field that the table knows otherwise."""
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    if name in inside or len(inside) > _DEEP:
        return
    known = definitions[name] if name else schema
    for key, value in (known.get("properties") or {}).items():
        here = f"{place}.{key}"
        expected = fields.TYPES.get(key)
        json_type = _type(value, definitions)
        if expected and json_type and json_type != _JSON[expected]:
            yield here, json_type, _JSON[expected]
        if key not in fields.CHOSEN_BY_PEOPLE:
            yield from _differing(value, here, definitions, (*inside, name))
    if "items" in known:
        yield from _differing(known["items"], f"{place}[]", definitions, (*inside, name))


def _type(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return str((definitions[name] if name else schema).get("type") or "")
