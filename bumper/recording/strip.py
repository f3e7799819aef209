"""Objects as they may be given away.

Law: the file of a recording holds no Secret and no value of an environment variable, header, argument, substitution or chart
setting. Names stay, since a cause may name them. Of the rest every text passes `mask`. What `rollout` judges is not touched: a test
judges every situation with and without.
"""

from collections.abc import Mapping
from typing import Any

from bumper.objects import Object
from bumper.safe_text import MASK, mask

# The whole configuration once more, values of environment variables included.
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# Other tools keep the applied configuration in an annotation too; none that is judged is longer.
_LONGEST_ANNOTATION = 256
_VALUES_OF = ("env", "httpHeaders")
_SPOKEN = ("command", "args")
_SETTINGS = ("values", "substitute")
# What a chart calls an image (see `manifest.candidates`).
_IMAGE_KEYS = ("image", "repository", "registry", "tag", "digest")


def strip(cluster_object: Object) -> dict[str, Any]:
    """The object without secrets, `managedFields` and copies of its own configuration. Raises ValueError for a Secret."""
    if cluster_object.get("kind") == "Secret":
        raise ValueError("a Secret is never recorded")
    stripped: dict[str, Any] = _stripped(cluster_object, "")
    metadata = stripped.get("metadata")
    if isinstance(metadata, dict):
        metadata.pop("managedFields", None)
        if isinstance(metadata.get("annotations"), dict):
            metadata["annotations"] = {
                name: value if len(value) <= _LONGEST_ANNOTATION else MASK
                for name, value in metadata["annotations"].items()
                if name != _LAST_APPLIED
            }
    return stripped


def _stripped(value: Any, key: str) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        if key in _SETTINGS:
            return {name: _setting(setting, name) for name, setting in value.items()}
        return {name: _stripped(field, name) for name, field in value.items()}
    if isinstance(value, list | tuple):
        if key in _SPOKEN:
            return [MASK for _ in value]
        if key in _VALUES_OF:
            return [_without_value(entry) for entry in value]
        return [_stripped(entry, "") for entry in value]
    return value


def _without_value(entry: Any) -> Any:
    stripped = _stripped(entry, "")
    return {**stripped, "value": MASK} if isinstance(stripped, dict) and "value" in stripped else stripped


def _setting(value: Any, key: str) -> Any:
    if isinstance(value, Mapping):
        return {name: _setting(setting, name) for name, setting in value.items()}
    if isinstance(value, list | tuple):
        return [_setting(setting, key) for setting in value]
    if value is None or isinstance(value, bool):
        return value
    return _stripped(value, "") if key in _IMAGE_KEYS else MASK
