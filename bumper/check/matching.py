"""Whether a label selector finds a set of labels.

Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

from collections.abc import Mapping
from typing import Any

from bumper.manifest.document import items, mapping, text


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """`selector` has `matchLabels` and `matchExpressions`."""
    wanted = mapping(selector.get("matchLabels"))
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(mapping(expression), labels) for expression in items(selector.get("matchExpressions"))
    )


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value = labels.get(text(expression.get("key")))
    values = items(expression.get("values"))
    match text(expression.get("operator")):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    return True
