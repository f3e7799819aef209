"""Secrets and ConfigMaps that a pod needs before its containers can be made: which one is missing, in the kubelet's words."""

from collections.abc import Iterator

from . import kubelet_texts as texts
from .api import Api, Object

_SOURCES = (("Secret", "secretKeyRef", "secretRef"), ("ConfigMap", "configMapKeyRef", "configMapRef"))


def missing_for(container: Object, namespace: str, api: Api) -> str:
    """Why this container's environment cannot be made, or nothing."""
    for kind, reference in _environment(container):
        if not reference.get("optional"):
            cause = _missing(kind, namespace, reference["name"], reference.get("key"), api)
            if cause:
                return cause
    return ""


def missing_volume(pod: Object, api: Api) -> str:
    """Why a volume of the pod cannot be mounted, or nothing."""
    for volume in pod["spec"].get("volumes") or []:
        for kind, key, name in (("Secret", "secret", "secretName"), ("ConfigMap", "configMap", "name")):
            source = volume.get(key)
            if source and not source.get("optional"):
                cause = _missing(kind, pod["metadata"]["namespace"], source[name], None, api)
                if cause:
                    return texts.mount_failed(volume["name"], cause)
    return ""


def _environment(container: Object) -> Iterator[tuple[str, Object]]:
    for variable in container.get("env") or []:
        for kind, key, _ in _SOURCES:
            if reference := (variable.get("valueFrom") or {}).get(key):
                yield kind, reference
    for source in container.get("envFrom") or []:
        for kind, _, whole in _SOURCES:
            if reference := source.get(whole):
                yield kind, reference


def _missing(kind: str, namespace: str, name: str, key: str | None, api: Api) -> str:
    source = api.find(kind, namespace, name)
    if source is None:
        return texts.object_not_found(kind, name)
    if key is not None and key not in {**(source.get("data") or {}), **(source.get("binaryData") or {})}:
        return texts.key_not_found(kind, namespace, name, key)
    return ""
