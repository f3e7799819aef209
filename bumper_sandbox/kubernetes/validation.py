"""What the API server refuses in an object with 422. Pure.

As far as anyone changes such fields here: the durations of Flux's kinds. Source: the CRDs of source-controller v1.9.3 and
kustomize-controller v1.9.4, and a recorded refusal.
"""

import re
from collections.abc import Mapping
from typing import Any

from bumper_sandbox.kubernetes import failures
from bumper_sandbox.kubernetes.kinds import GIT_REPOSITORY, KUSTOMIZATION, Kind

_DURATION = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"
_FIELDS = {GIT_REPOSITORY: ("interval", "timeout"), KUSTOMIZATION: ("interval", "retryInterval", "timeout")}


def check(kind: Kind, obj: Mapping[str, Any]) -> None:
    """Raises `Failure` 422 for the first field that is not as the kind's schema wants it."""
    for name in _FIELDS.get(kind, ()):
        value = (obj.get("spec") or {}).get(name)
        if value is not None and not re.search(_DURATION, str(value)):
            field = f"spec.{name}"
            problem = f"Invalid value: \"{value}\": {field} in body should match '{_DURATION}'"
            raise failures.invalid(kind, obj["metadata"]["name"], field, problem)
