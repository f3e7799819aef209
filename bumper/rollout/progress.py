"""What each stage is doing, in words: the texts of a line that moves while it waits. They decide nothing."""

from collections.abc import Sequence

from bumper.objects import Object, at, condition
from bumper.revision import Revision
from bumper.rollout.flux import Carries, short, since
from bumper.rollout.look import Look, is_elsewhere
from bumper.rollout.serving import activity
from bumper.rollout.verdict import Stage, Verdict
from bumper.rollout.workload import is_seen

# Who writes status.observedGeneration of a kind that has it.
_CONTROLLERS = {
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet"), "kube-controller-manager"),
    "HelmRelease": "helm-controller",
    "Rollout": "the controller of Argo Rollouts",
    "Service": "the controller of Knative Serving",
}


def details(look: Look, pending: Verdict | None, reached: Sequence[Stage]) -> dict[Stage, str]:
    """One text for each stage, past ones included.

    `pending` is a cause that is still in its grace: it stands at its stage, or at the next that is not yet reached.
    """
    texts = {
        Stage.FETCHED: _fetched(look),
        Stage.APPLIED: _applied(look),
        Stage.ROLLED_OUT: _rolled_out(look),
    }
    if pending is None or not isinstance(pending.stage, Stage):
        return texts
    stages = list(Stage)
    later = stages[stages.index(pending.stage) :]
    stage = next((each for each in later if each not in reached), Stage.ROLLED_OUT)
    counts = (
        look.completion.text if stage is Stage.ROLLED_OUT and look.is_in_cluster and look.completion else ""
    )
    texts[stage] = "; ".join(text for text in (counts, pending.message) if text)
    return texts


def _fetched(look: Look) -> str:
    ours, fetched = look.desired.revision, look.flux.fetched_revision
    if look.flux.is_fetched and look.flux.by_content:
        return f"{fetched or look.flux.applied_revision}, which names no commit and brought the image"
    if look.flux.is_fetched:
        # The source may be read a moment before the Kustomization, or have gone back: only what carries our commit is named.
        has_ours = look.flux.fetched in (Carries.OURS, Carries.OTHER)
        revision = Revision.parse(fetched) if has_ours else None
        if ours is None or revision is None or revision.sha == ours.sha:
            return short(fetched if ours is None or revision else str(ours))
        return f"{short(fetched)}, with {ours.sha[:7]} in it"
    has = f"Flux has {short(fetched)}" if fetched else "Flux has fetched nothing yet"
    if is_unanswered(look.observation.source):
        has += " and has not answered the request to fetch yet"
    if look.flux.fetched is Carries.UNKNOWN:
        return f"{has}: git can't tell whether the commit is in it"
    return f"{has}, waiting for {ours.short if ours else 'a commit with the image'}"


def _applied(look: Look) -> str:
    key = look.desired.kustomization
    if look.is_in_cluster:
        return str(key)
    ready = condition(look.observation.kustomization, "Ready")
    if look.flux.in_flight is Carries.OURS and ready and ready.status == "Unknown":
        return f"{key}: {look.flux.doing} at {short(look.flux.in_flight_revision)}"
    # What an older revision fails with is not ours, but a person who waits wants to see it.
    if ready and ready.status == "False":
        return f"{key} is not Ready{since(ready)}: {ready.reason}"
    return f"waiting for {key}"


def _rolled_out(look: Look) -> str:
    workload = look.desired.workload
    if is_elsewhere(look.observation):
        return f"{workload} runs in another cluster" if workload.kind else ""
    if look.completion is None:
        return f"waiting for {workload}" if workload.kind else ""
    if not look.runs_ours:
        return f"waiting for {workload} to take the new image"
    if look.is_rolled_out and not look.is_applied:
        return f"{look.completion.text}, waiting for {look.desired.kustomization} to be Ready"
    doing = activity(look.desired, look.observation)
    return ", ".join(part for part in (look.completion.text, doing) if part)


def is_unanswered(source: Object | None) -> bool:
    """Whether the last request to fetch was not answered: the controller notes at the end of each run which one it has seen."""
    asked = at(source, "metadata", "annotations", "reconcile.fluxcd.io/requestedAt")
    return bool(asked) and at(source, "status", "lastHandledReconcileAt") != asked


def next_command(look: Look, stage: Stage) -> str:
    """Where a person looks next if it hangs in that stage."""
    source, kustomization, workload = (
        look.desired.source,
        look.desired.kustomization,
        look.desired.workload,
    )
    if stage is Stage.FETCHED and is_unanswered(look.observation.source):
        return (
            "source-controller did not answer the request to fetch: "
            f"kubectl logs -n {source.namespace} deploy/source-controller"
        )
    if stage is Stage.FETCHED:
        return f"kubectl describe {source.kind} {source.name} -n {source.namespace}"
    if stage is Stage.APPLIED and look.flux.is_fetched and not look.flux.is_tried:
        return (
            f"kubectl describe {kustomization.kind} {kustomization.name} -n {kustomization.namespace}; "
            "kustomize-controller has not begun with the commit: "
            f"kubectl logs -n {kustomization.namespace} deploy/kustomize-controller"
        )
    is_unseen = look.observation.workload is not None and not is_seen(look.observation.workload)
    if stage is Stage.ROLLED_OUT and is_unseen and workload.kind in _CONTROLLERS:
        return (
            f"{_CONTROLLERS[workload.kind]} has not seen the change, is it running? kubectl get pods -A; "
            f"kubectl get {workload.kind} {workload.name} -n {workload.namespace} -o yaml"
        )
    if stage is Stage.APPLIED or look.is_rolled_out or not workload.kind:
        return f"kubectl describe {kustomization.kind} {kustomization.name} -n {kustomization.namespace}"
    return f"kubectl describe {workload.kind} {workload.name} -n {workload.namespace}"
