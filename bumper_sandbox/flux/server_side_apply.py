"""From built manifests to writes: the order, the merge and the errors of Flux's server-side apply. Pure.

Law: a field that the manifest has becomes as written; a field that an earlier manifest had and this one has not, goes; every other
field stays as it is. Sources: fluxcd/pkg ssa v0.76.1 (manager_apply.go, errors/errors.go), cli-utils' inventory ids.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from bumper_sandbox.kubernetes.failures import Failure
from bumper_sandbox.kubernetes.json_values import copied

Manifest = dict[str, Any]

OWNER_GROUP = "kustomize.toolkit.fluxcd.io"
# Applied before all others, since others need them.
_DEFINITIONS = ("Namespace", "CustomResourceDefinition", "ClusterRole")
_ORDER = (
    "ServiceAccount",
    "Secret",
    "ConfigMap",
    "Service",
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
)
_NUMBERS = ("replicas", "minReadySeconds", "progressDeadlineSeconds", "revisionHistoryLimit")


class ApplyError(Exception):
    """The text is what Flux puts into the Ready condition with reason ReconciliationFailed."""


def subject(manifest: Mapping[str, Any]) -> str:
    """`Deployment/apps/demo`, as Flux names objects in messages."""
    metadata = manifest["metadata"]
    return "/".join(filter(None, (manifest["kind"], metadata.get("namespace"), metadata["name"])))


def inventory_entry(manifest: Mapping[str, Any]) -> dict[str, str]:
    """`{"id": "apps_demo_apps_Deployment", "v": "v1"}`."""
    group, _, version = manifest["apiVersion"].rpartition("/")
    metadata = manifest["metadata"]
    return {
        "id": "_".join((metadata.get("namespace", ""), metadata["name"], group, manifest["kind"])),
        "v": version,
    }


def in_order(manifests: Sequence[Manifest]) -> list[Manifest]:
    """The manifests as they are applied: definitions first, then by kind and name."""

    def rank(manifest: Manifest) -> tuple[bool, int, str, str]:
        kind = manifest["kind"]
        place = _ORDER.index(kind) if kind in _ORDER else len(_ORDER)
        return (kind not in _DEFINITIONS, place, kind, subject(manifest))

    return sorted(manifests, key=rank)


def owned(manifest: Manifest, name: str, namespace: str) -> Manifest:
    """The manifest with the labels by which a Kustomization marks what is its own."""
    made = copied(manifest)
    labels = made["metadata"].setdefault("labels", {}) or {}
    labels.update({f"{OWNER_GROUP}/name": name, f"{OWNER_GROUP}/namespace": namespace})
    made["metadata"]["labels"] = labels
    return made


def check_types(manifest: Manifest) -> None:
    """Raises `ApplyError` for what the API's schema refuses, as far as the sandbox knows it: the numbers of a Deployment."""
    if manifest["kind"] != "Deployment":
        return
    for field in _NUMBERS:
        value = (manifest.get("spec") or {}).get(field, 0)
        if not isinstance(value, int | float) or isinstance(value, bool):
            given = {str: "string", bool: "boolean", list: "list", dict: "map"}.get(type(value), "null")
            metadata = manifest["metadata"]
            owner = f"{metadata.get('namespace', '')}/{metadata['name']}; {manifest['apiVersion']}, Kind=Deployment"
            raise ApplyError(
                f"{subject(manifest)} dry-run failed: failed to create typed patch object ({owner}): "
                f".spec.{field}: expected numeric (int or float), got {given}\n"
            )


def unknown_kind(manifest: Manifest) -> ApplyError:
    """For a kind that the API does not serve."""
    return ApplyError(
        f'{subject(manifest)} dry-run failed: no matches for kind "{manifest["kind"]}" '
        f'in version "{manifest["apiVersion"]}"\n'
    )


def refused(manifest: Manifest, failure: Failure) -> ApplyError:
    """For what the API refused."""
    if failure.code == 404 and manifest["metadata"].get("namespace"):
        return ApplyError(f"{subject(manifest)} not found: {failure.message}\n")
    if failure.code == 404:
        return ApplyError(
            f"{subject(manifest)} namespace not specified: the server could not find the requested resource\n"
        )
    return ApplyError(f"{subject(manifest)} dry-run failed ({failure.reason}): {failure.message}\n")


def merged(live: Manifest, manifest: Manifest, applied: Manifest | None) -> Manifest:
    """`live` after applying `manifest`; `applied` is what was applied last, None if unknown."""
    made: Manifest = _merge(live, manifest, applied or {})
    return made


def _merge(live: Any, wanted: Any, applied: Any) -> Any:
    if not isinstance(wanted, dict) or not isinstance(live, dict):
        # Defaults inside a list come back when the object is stored, so a list is as the manifest has it.
        return copied(wanted)
    before = applied if isinstance(applied, dict) else {}
    made = {key: value for key, value in live.items() if key in wanted or key not in before}
    for key, value in wanted.items():
        made[key] = _merge(live.get(key), value, before.get(key))
    return made
