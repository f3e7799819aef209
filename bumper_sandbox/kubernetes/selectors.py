"""Label and field selectors, as far as a list or watch may ask for them. Pure.

Source of the grammar: k8s.io/apimachinery, pkg/labels/selector.go and pkg/fields/selector.go.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from bumper_sandbox.kubernetes import failures

Matches = Callable[[Mapping[str, Any]], bool]

_EQUALITY = re.compile(r"\s*(?P<key>[^\s=!,]+)\s*(?P<operator>==|=|!=)\s*(?P<value>[^\s,=!]*)\s*")
_SET = re.compile(r"\s*(?P<key>[^\s=!,]+)\s+(?P<operator>in|notin)\s+\((?P<values>[^)]*)\)\s*")
_EXISTS = re.compile(r"\s*(?P<not>!?)\s*(?P<key>[^\s=!,]+)\s*")
# A comma inside parentheses belongs to a set.
_COMMA = re.compile(r",(?![^(]*\))")


def labels(selector: str) -> Matches:
    """Whether an object's labels match, for example `app=web,tier in (a,b),!old`."""
    rules = [_label_rule(part, selector) for part in _COMMA.split(selector) if part.strip()]

    def matches(obj: Mapping[str, Any]) -> bool:
        labels = (obj.get("metadata") or {}).get("labels") or {}
        return all(rule(labels) for rule in rules)

    return matches


def _label_rule(part: str, selector: str) -> Callable[[Mapping[str, str]], bool]:
    if match := _EQUALITY.fullmatch(part):
        key, value, equal = match["key"], match["value"], match["operator"] != "!="
        return lambda labels: (labels.get(key) == value) == equal
    if match := _SET.fullmatch(part):
        key, inside = match["key"], match["operator"] == "in"
        values = {value.strip() for value in match["values"].split(",")}
        return lambda labels: (labels.get(key) in values) == inside
    if match := _EXISTS.fullmatch(part):
        key, wanted = match["key"], not match["not"]
        return lambda labels: (key in labels) == wanted
    raise failures.bad_request(f"unable to parse requirement: {selector}")


def fields(selector: str) -> Matches:
    """Whether an object's fields match, for example `metadata.name=web,involvedObject.kind=Pod`."""
    rules = []
    for part in selector.split(","):
        if not part.strip():
            continue
        match = _EQUALITY.fullmatch(part)
        if not match:
            raise failures.bad_request(f"invalid selector: '{selector}'; can't understand '{part}'")
        rules.append((match["key"].split("."), match["value"], match["operator"] != "!="))

    def matches(obj: Mapping[str, Any]) -> bool:
        return all((_field(obj, path) == value) == equal for path, value, equal in rules)

    return matches


def _field(obj: Any, path: list[str]) -> str:
    for key in path:
        obj = obj.get(key) if isinstance(obj, Mapping) else None
    return "" if obj is None else str(obj)
