"""Objects whose image Flux does not change, whatever git says: a Job that is there, an object that is left alone.

Law: said of the object as it is built, before anything is written. Whether a Job is there is not asked: it is, wherever Flux has
applied it before, unless it goes away by itself.

Sources: kubernetes/kubernetes pkg/apis/batch/validation (`spec.template` of a Job: field is immutable); tektoncd/pipeline
pkg/apis/pipeline/v1/{taskrun,pipelinerun}_validation.go ("Once the … has started, no updates are allowed"); kustomize-controller
docs/spec/v1/kustomizations.md (`spec.force`, the annotations `force`, `ssa` and `reconcile`).
"""

from collections.abc import Mapping

from bumper.fluxtree.discovery import GROUP
from bumper.fluxtree.resource import Resource
from bumper.manifest.document import is_true, mapping, text

REMEDY = "correct the object first, or leave it out: --container with the names of those that move"
_RUNS_ONCE: Mapping[tuple[str, str], str] = {
    ("batch", "Job"): "its template is immutable",
    ("tekton.dev", "TaskRun"): "its spec is immutable",
    ("tekton.dev", "PipelineRun"): "its spec is immutable",
}


def why_kept(resource: Resource, owner: Resource) -> str:
    """Why an edit would not reach the object, or would fail there; empty where it does reach it. `owner` is its Kustomization."""
    settings = _settings(resource)
    place = f"{resource} ({resource.path}:{resource.line()})"
    if settings.get("reconcile") == "disabled" or settings.get("ssa") in ("ifnotpresent", "ignore"):
        key = "reconcile" if settings.get("reconcile") == "disabled" else "ssa"
        return f"the annotation {GROUP}/{key} of {place} has Flux leave the object as it is, expected no such annotation"
    why = _RUNS_ONCE.get((resource.group, resource.kind))
    is_replaced = settings.get("force") == "enabled" or is_true(owner.at("spec", "force"))
    if not why or is_replaced or resource.at("spec", "ttlSecondsAfterFinished") is not None:
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
