"""What does not change in an object once it is there, whatever git says: a Job's template, an object that is left alone.

Law: said of the object as it is built, before anything is written. Whether a Job is there is not asked: it is, wherever Flux has
applied it before, unless it goes away by itself.

Sources: kubernetes/kubernetes pkg/apis/batch/validation (`spec.template` of a Job: field is immutable); tektoncd/pipeline
pkg/apis/pipeline/v1/{taskrun,pipelinerun}_validation.go ("Once the … has started, no updates are allowed"); kustomize-controller
docs/spec/v1/kustomizations.md (`spec.force`, the annotations `force`, `ssa` and `reconcile`); the fields beside a Job's template:
kubernetes/kubernetes v1.34, pkg/apis/{apps,batch,core,rbac}/validation (Validate…Update).
"""

from collections.abc import Mapping

from bumper.fluxtree.discovery import GROUP
from bumper.fluxtree.resource import Resource, Route
from bumper.manifest.document import is_true, mapping, text

REMEDY = "correct the object first, or leave it out: --container with the names of those that move"
_RUNS_ONCE: Mapping[tuple[str, str], str] = {
    ("batch", "Job"): "its template is immutable",
    ("tekton.dev", "TaskRun"): "its spec is immutable",
    ("tekton.dev", "PipelineRun"): "its spec is immutable",
}


_FIXED: Mapping[tuple[str, str], tuple[Route, ...]] = {
    ("batch", "Job"): (
        ("spec", "template"),
        ("spec", "selector"),
        ("spec", "completionMode"),
        ("spec", "podFailurePolicy"),
    ),
    ("tekton.dev", "TaskRun"): (("spec",),),
    ("tekton.dev", "PipelineRun"): (("spec",),),
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


def fixed_field(resource: Resource, route: Route, owner: Resource) -> str:
    """The field that the API refuses to change, and that the route leads into; empty where it may, or where Flux replaces it."""
    if _is_replaced(resource, owner):
        return ""
    kind = resource.group, resource.kind
    if kind in _FREE and route[:1] == ("spec",) and not _is_image_of_a_pod(kind, route):
        return "" if route[1] in _FREE[kind] else f"spec.{route[1]}"
    if kind in (("", "ConfigMap"), ("", "Secret")) and is_true(resource.at("immutable")):
        return str(route[0]) if route[0] in ("data", "binaryData", "stringData") else ""
    fixed = next((each for each in _FIXED.get(kind, ()) if route[: len(each)] == each), ())
    return ".".join(map(str, fixed))


def _is_image_of_a_pod(kind: tuple[str, str], route: Route) -> bool:
    return kind == ("", "Pod") and route[1] in ("containers", "initContainers") and route[-1] == "image"


def _is_replaced(resource: Resource, owner: Resource) -> bool:
    """Whether Flux makes it anew where the API refuses the change, or it goes away by itself."""
    is_forced = _settings(resource).get("force") == "enabled" or is_true(owner.at("spec", "force"))
    return is_forced or resource.at("spec", "ttlSecondsAfterFinished") is not None


def why_kept(resource: Resource, owner: Resource) -> str:
    """Why an edit would not reach the object, or would fail there; empty where it does reach it. `owner` is its Kustomization."""
    settings = _settings(resource)
    place = f"{resource} ({resource.path}:{resource.line()})"
    if settings.get("reconcile") == "disabled" or settings.get("ssa") in ("ifnotpresent", "ignore"):
        key = "reconcile" if settings.get("reconcile") == "disabled" else "ssa"
        return f"the annotation {GROUP}/{key} of {place} has Flux leave the object as it is, expected no such annotation"
    why = _RUNS_ONCE.get((resource.group, resource.kind))
    if not why or _is_replaced(resource, owner):
        return ""
    return (
        f"{why}, so that the API refuses another image in {place} once it is there: expected the annotation "
        f"{GROUP}/force: enabled, by which Flux replaces it"
    )


def _settings(resource: Resource) -> Mapping[str, str]:
    """What annotations or labels say to Flux, without its prefix, in lower case as Flux compares it."""
    metadata = mapping(resource.value.get("metadata"))
    written = {**mapping(metadata.get("labels")), **mapping(metadata.get("annotations"))}
    prefix = f"{GROUP}/"
    return {
        key.removeprefix(prefix): text(value).lower()
        for key, value in written.items()
        if key.startswith(prefix)
    }
