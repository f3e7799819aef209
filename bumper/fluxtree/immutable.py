"""Which fields of an object the API server refuses to change once the object is there.

Law: only what Kubernetes' own validation says: of other kinds nothing is known, and so nothing is claimed.

Source: k8s.io/kubernetes v1.34, `pkg/apis/batch/validation` (ValidateJobSpecUpdate), `pkg/apis/apps/validation`
(ValidateStatefulSetUpdate, ValidateDeploymentUpdate, ValidateDaemonSetUpdate, ValidateReplicaSetUpdate), `pkg/apis/core/validation`
(ValidatePodUpdate, ValidateConfigMapUpdate, ValidateSecretUpdate), `pkg/apis/rbac/validation` (roleRef).
"""

from collections.abc import Mapping

from bumper.fluxtree.resource import Resource, Route
from bumper.manifest.document import is_true

_FIXED: Mapping[tuple[str, str], tuple[Route, ...]] = {
    ("batch", "Job"): (
        ("spec", "template"),
        ("spec", "selector"),
        ("spec", "completionMode"),
        ("spec", "podFailurePolicy"),
        ("spec", "backoffLimitPerIndex"),
    ),
    ("apps", "Deployment"): (("spec", "selector"),),
    ("apps", "DaemonSet"): (("spec", "selector"),),
    ("apps", "ReplicaSet"): (("spec", "selector"),),
    ("rbac.authorization.k8s.io", "RoleBinding"): (("roleRef",),),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): (("roleRef",),),
}
# Of these everything in `spec` is fixed but what is named here.
_FREE: Mapping[tuple[str, str], frozenset[str]] = {
    ("apps", "StatefulSet"): frozenset(
        {
            "minReadySeconds",
            "ordinals",
            "persistentVolumeClaimRetentionPolicy",
            "replicas",
            "revisionHistoryLimit",
            "template",
            "updateStrategy",
        }
    ),
    ("", "Pod"): frozenset({"activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations"}),
}
_CONTAINERS = ("containers", "initContainers")


def fixed_by(resource: Resource, route: Route) -> str:
    """The field that the API server keeps as it is, and that the route leads into; empty where it may change."""
    kind = resource.group, resource.kind
    if kind in _FREE and route[:1] == ("spec",) and not _is_image_of_pod(kind, route):
        return "" if route[1] in _FREE[kind] else f"spec.{route[1]}"
    if kind in (("", "ConfigMap"), ("", "Secret")) and is_true(resource.at("immutable")):
        return str(route[0]) if route[0] in ("data", "binaryData", "stringData") else ""
    fixed = next((each for each in _FIXED.get(kind, ()) if route[: len(each)] == each), ())
    return ".".join(map(str, fixed))


def _is_image_of_pod(kind: tuple[str, str], route: Route) -> bool:
    return kind == ("", "Pod") and route[1] in _CONTAINERS and route[-1] == "image"
