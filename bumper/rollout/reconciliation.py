"""Why the Kustomization is not Ready for our commit: a table by the reason of its `Ready` condition.

Law: a failure counts only if it is about a revision that carries our commit; an older one's is not ours. Our edit is one tag, proved
to be all that changed: a failure that names another object or a dependency is `blocked`, not `failed`, and says that our workload is
fine where it is. Reasons and messages: kustomize-controller 1.9.4, internal/controller/kustomization_controller.go.
"""

import re
from collections.abc import Iterator, Sequence

from bumper.errors import Outcome
from bumper.objects import Condition, Object, ObjectKey, at, condition
from bumper.observation import Desired, Observation
from bumper.revision import Revision
from bumper.rollout.flux import (
    GROUP,
    Carries,
    Standing,
    refused_object,
    seconds,
    short,
    since,
    unhealthy_objects,
)
from bumper.rollout.patience import Finding
from bumper.rollout.pods import has_started, own_pods
from bumper.rollout.refusals import (
    blames_cluster,
    blames_manifest,
    fixed_fields,
    lacks_build_input,
    without_objects,
)
from bumper.rollout.serving import ours_is_fine, pod_events
from bumper.rollout.verdict import Stage, Verdict
from bumper.rollout.workload import completion

# Graces in seconds. Flux asks its dependencies again every 30 s; a chain of them may take minutes for each commit.
_CERTAIN_S, _REFUSED_S, _SLIP_S, _RETRY_S, _OUTAGE_S, _ARTIFACT_S, _CHAIN_S = (
    3.0,
    5.0,
    10.0,
    45.0,
    60.0,
    90.0,
    300.0,
)

# getSource, for a source that is an ExternalArtifact.
_CLOSED_GATE = "ExternalArtifact feature gate is disabled"
_OPEN_GATE = (
    "start kustomize-controller with --feature-gates=ExternalArtifact=true; bump doctor tells when it has it"
)

_AGAIN = "Flux tries again by itself"
_DEPENDENCY = re.compile(r"dependency '(?:(?P<namespace>[^/']+)/)?(?P<name>[^']+)' ")
# Both heal when source-controller stores the artifact.
_NO_ARTIFACT = ("Source artifact not found", "Source is not ready, artifact not found")


def findings(desired: Desired, observation: Observation, flux: Standing) -> Iterator[Finding]:
    """What the Kustomization itself says against our commit, if it says anything."""
    ready = condition(observation.kustomization, "Ready")
    if stalled := _given_up(observation.kustomization):
        message = f"{desired.kustomization} has given up{since(stalled)}: {stalled.message}"
        hint = _OPEN_GATE if _CLOSED_GATE in stalled.message else _get(desired)
        # Git may mend it with what was just pushed: another Kustomization brings that in a moment later.
        was_so = _given_up(observation.before.kustomization) if observation.before else None
        grace_s = _SLIP_S if was_so else _CERTAIN_S
        yield _finding(Outcome.BLOCKED, stalled.reason, message, hint, grace_s, Stage.APPLIED)
    elif ready and ready.status == "False":
        rule = RULES.get(ready.reason, _other_failure)
        yield from rule(desired, observation, flux, ready)


def _given_up(kustomization: Object | None) -> Condition | None:
    """What says that Flux has given up; None where it goes on. Before 1.7 a source that it may not read was tried on and on."""
    ready, stalled = condition(kustomization, "Ready"), condition(kustomization, "Stalled")
    if stalled and stalled.status == "True":
        return stalled
    return ready if ready and ready.status == "False" and ready.reason == "AccessDenied" else None


def _finding(
    outcome: Outcome,
    reason: str,
    message: str,
    hint: str,
    grace_s: float,
    stage: Stage,
    *,
    key: str = "",
    is_ours: bool = True,
) -> Finding:
    verdict = Verdict(outcome, reason, message, hint, stage=stage, helps_to_go_back=is_ours)
    return Finding(key or reason, verdict, grace_s)


def _dependency_not_ready(
    desired: Desired, observation: Observation, flux: Standing, ready: Condition
) -> Iterator[Finding]:
    # Checked against the artifact that is there, before any run: the messages of the last run still speak of an older artifact.
    if not flux.is_fetched or flux.is_tried:
        return
    match = _DEPENDENCY.search(ready.message)
    if match is None:
        message = f"{desired.kustomization} waits for a dependency{since(ready)}: {ready.message}{ours_is_fine(desired, observation)}"
        yield _finding(Outcome.BLOCKED, "DependencyNotReady", message, _get(desired), _CHAIN_S, Stage.APPLIED)
        return
    name = match["name"]
    namespace = match["namespace"] or desired.kustomization.namespace
    dependency = next(
        (
            kustomization
            for kustomization in observation.dependencies
            if ObjectKey.of(kustomization).name == name
        ),
        None,
    )
    state, is_stuck = _state_of(dependency, ready)
    grace_s = _dependency_grace_s(dependency, flux, is_stuck=is_stuck)
    message = (
        f"{desired.kustomization} waits for the Kustomization {namespace}/{name}{since(ready)}, which {state}"
        f"{ours_is_fine(desired, observation)}"
    )
    hint = f"flux get kustomization {name} -n {namespace}"
    # By what it is doing: the time in which it only waited its turn does not count for a failure afterwards.
    key = f"DependencyNotReady {name}, {grace_s:g}"
    yield _finding(Outcome.BLOCKED, "DependencyNotReady", message, hint, grace_s, Stage.APPLIED, key=key)


def _state_of(dependency: Object | None, ready: Condition) -> tuple[str, bool]:
    """What a dependency is doing, and whether a person must help to end it."""
    if dependency is None:
        is_missing = "not found" in ready.message
        return ("is not in the cluster" if is_missing else f"is not ready: {ready.message}"), is_missing
    if at(dependency, "spec", "suspend"):
        return "is suspended", True
    theirs = condition(dependency, "Ready")
    if theirs is None or theirs.status != "False":
        # With the same source each commit has to pass the chain from its beginning.
        return "has not applied this revision yet", False
    if theirs.reason == "DependencyNotReady":
        # Whether that one fails is not known here: it may be the next in a chain.
        return f"waits itself{since(theirs)}: {theirs.message}", False
    return f"is not Ready{since(theirs)}: {theirs.reason}: {theirs.message}", True


def _dependency_grace_s(dependency: Object | None, flux: Standing, *, is_stuck: bool) -> float:
    """The patience with a dependency: what only a person or another commit can end needs none."""
    if not is_stuck:
        return _CHAIN_S
    ready, stalled = condition(dependency, "Ready"), condition(dependency, "Stalled")
    if at(dependency, "spec", "suspend"):
        # Git may resume it with what was just pushed.
        return _SLIP_S
    if stalled and stalled.status == "True":
        return _REFUSED_S
    # The very commit that is fetched was tried, and its own content was refused.
    tried = at(dependency, "status", "lastAttemptedRevision") or ""
    is_refused = ready is not None and (
        (ready.reason == "BuildFailed" and not lacks_build_input(ready.message))
        or (ready.reason == "ReconciliationFailed" and blames_manifest(ready.message))
    )
    return _REFUSED_S if is_refused and tried and tried == flux.fetched_revision else _RETRY_S


def _artifact_failed(
    desired: Desired, observation: Observation, flux: Standing, ready: Condition
) -> Iterator[Finding]:
    key, hint = desired.kustomization, _get(desired)
    if ready.message.startswith("kustomization path not found"):
        if flux.run is Carries.OURS or flux.later:
            message = f"{key} does not find its path in {short(flux.in_flight_revision)}: {ready.message}"
            message += _by_whom(observation, flux)
            outcome = Outcome.BLOCKED if flux.later else Outcome.FAILED
            hint = f"correct spec.path of {key}"
            # A tag moves no path.
            yield _finding(outcome, "ArtifactFailed", message, hint, _SLIP_S, Stage.APPLIED, is_ours=False)
        return
    grace_s = _ARTIFACT_S if ready.message.startswith(_NO_ARTIFACT) else _OUTAGE_S
    message = f"{key} can't get its source{since(ready)}: {ready.message}{ours_is_fine(desired, observation)}"
    yield _finding(Outcome.BLOCKED, "ArtifactFailed", message, hint, grace_s, Stage.APPLIED)


def _build_failed(
    desired: Desired, observation: Observation, flux: Standing, ready: Condition
) -> Iterator[Finding]:
    # What cannot be built may be what we cannot read either: then a later commit broke it, which holds ours.
    is_later = bool(flux.later)
    if flux.run is not Carries.OURS and not is_later:
        return
    key = desired.kustomization
    message = f"{key} can't be built at {_revision(desired, flux)}: {ready.message}"
    message += _by_whom(observation, flux)
    if lacks_build_input(ready.message):
        hint = f"give the cluster what the build asks for; {_AGAIN}: {_get(desired)}"
        message += ours_is_fine(desired, observation)
        yield _finding(
            Outcome.BLOCKED, "BuildFailed", message, hint, _OUTAGE_S, Stage.APPLIED, key="BuildFailed, input"
        )
        return
    hint = f"correct the manifests under {at(observation.kustomization, 'spec', 'path') or './'} and push"
    if is_later:
        message += ours_is_fine(desired, observation)
    outcome = Outcome.BLOCKED if is_later else Outcome.FAILED
    # A tag breaks a build in rare cases (a checksum over the file): only who looked before the push can put it on that.
    is_ours = observation.before is not None
    yield _finding(outcome, "BuildFailed", message, hint, _CERTAIN_S, Stage.APPLIED, is_ours=is_ours)


def _reconciliation_failed(
    desired: Desired, observation: Observation, flux: Standing, ready: Condition
) -> Iterator[Finding]:
    if flux.run is not Carries.OURS:
        return
    refused = refused_object(ready.message)
    answer = without_objects(ready.message)
    message = f"{desired.kustomization} can't be applied at {_revision(desired, flux)}: {answer}"
    message += _by_whom(observation, flux)
    is_manifest = blames_manifest(ready.message)
    fixed = fixed_fields(ready.message) if is_manifest else ()
    if refused == desired.workload and is_manifest and not flux.later:
        hint = _make_anew(refused, fixed) if fixed else "correct its manifest and push"
        # What never changes is refused of any version but the one that is there.
        yield _finding(
            Outcome.FAILED,
            "ReconciliationFailed",
            message,
            hint,
            _REFUSED_S,
            Stage.APPLIED,
            is_ours=not fixed,
        )
        return
    message += ours_is_fine(desired, observation)
    # What any version would have been refused for gets the patience that an outage gets, and its own key: its time does not count for
    # a manifest that is refused afterwards.
    if refused is None or (refused == desired.workload and not flux.later) or blames_cluster(ready.message):
        hint = f"the manifest is not what was refused; {_AGAIN}: {_get(desired)}"
        key = "ReconciliationFailed, cluster"
        yield _finding(
            Outcome.BLOCKED, "ReconciliationFailed", message, hint, _OUTAGE_S, Stage.APPLIED, key=key
        )
        return
    hint = f"correct the manifest of {refused} and push" if is_manifest else _get(desired)
    if fixed:
        hint = _make_anew(refused, fixed)
    if refused is not None and refused.kind == "Namespace":
        # Another manifest brings it, or nobody does: what is the matter with it, the cluster tells.
        hint = f"kubectl get namespace {refused.name} -o yaml; {_AGAIN}: {_get(desired)}"
    key = f"ReconciliationFailed {refused}"
    yield _finding(Outcome.BLOCKED, "ReconciliationFailed", message, hint, _SLIP_S, Stage.APPLIED, key=key)


def _make_anew(refused: ObjectKey, fixed: Sequence[str]) -> str:
    return (
        f"{' and '.join(fixed)} of {refused} can't be changed while it is there: put it back, or let Flux delete the object and make "
        f"it anew: the annotation {GROUP}/force: enabled in its manifest"
    )


def _health_check_failed(
    desired: Desired, observation: Observation, flux: Standing, ready: Condition
) -> Iterator[Finding]:
    if flux.run is not Carries.OURS:
        return
    named = unhealthy_objects(ready.message)
    done = completion(observation.workload) if observation.workload is not None else None
    is_done = done is not None and done.is_complete
    message = f"the health check of {desired.kustomization} failed{since(ready)}: {ready.message}"
    hint = f"flux reconcile kustomization {desired.kustomization.name} -n {desired.kustomization.namespace}"
    if named and desired.workload not in named:
        others = ", ".join(str(object_key) for object_key in named)
        message = (
            f"the health check of {desired.kustomization} failed for {others}{since(ready)}: {ready.message}"
        )
        hint = f"kubectl describe {named[0].kind} {named[0].name} -n {named[0].namespace}"
        message += ours_is_fine(desired, observation)
        yield _finding(Outcome.BLOCKED, "HealthCheckFailed", message, hint, _CERTAIN_S, Stage.ROLLED_OUT)
    elif is_done:
        # Flux looked too early, or at something that it does not name: its next try will tell.
        again_s = seconds(at(observation.kustomization, "spec", "retryInterval") or "")
        message += ours_is_fine(desired, observation)
        grace_s = _OUTAGE_S + min(again_s or 0.0, _OUTAGE_S)
        yield _finding(Outcome.BLOCKED, "HealthCheckFailed", message, hint, grace_s, Stage.ROLLED_OUT)
    else:
        # A rollout may go on after Flux has given up on it: while its counts move, this is no failure yet.
        counts = done.text if done else "no workload"
        key = f"HealthCheckFailed {counts}"
        message += f" ({desired.workload}: {counts})" if desired.workload.kind else ""
        yield _finding(
            Outcome.FAILED,
            "HealthCheckFailed",
            message,
            hint,
            _CHAIN_S if _is_being_made(desired, observation) else _OUTAGE_S,
            Stage.ROLLED_OUT,
            key=key,
            is_ours=has_started(desired, observation),
        )


def _is_being_made(desired: Desired, observation: Observation) -> bool:
    """Whether one of our pods is being made and nothing is the matter with it: the image is pulled, its volumes are mounted."""
    return any(
        at(status, "state", "waiting", "reason") in ("ContainerCreating", "PodInitializing")
        for pod in own_pods(desired, observation)
        for status in at(pod, "status", "containerStatuses") or ()
        if not any(
            event.get("type") == "Warning" for event in pod_events(observation, ObjectKey.of(pod).name)
        )
    )


def _canceled(
    desired: Desired, observation: Observation, flux: Standing, ready: Condition
) -> Iterator[Finding]:
    """A newer reconciliation was asked for: nothing has failed, and the next run begins at once."""
    yield from ()


def _other_failure(
    desired: Desired, observation: Observation, flux: Standing, ready: Condition
) -> Iterator[Finding]:
    """PruneFailed, DirectoryCreationFailed, and what later versions invent: not about our one tag."""
    if flux.run is not Carries.OURS:
        return
    message = (
        f"{desired.kustomization} fails{since(ready)}: {ready.message}{ours_is_fine(desired, observation)}"
    )
    yield _finding(Outcome.BLOCKED, ready.reason, message, _get(desired), _OUTAGE_S, Stage.APPLIED)


RULES = {
    "DependencyNotReady": _dependency_not_ready,
    "ArtifactFailed": _artifact_failed,
    "BuildFailed": _build_failed,
    "ReconciliationFailed": _reconciliation_failed,
    "HealthCheckFailed": _health_check_failed,
    "HealthCheckCanceled": _canceled,
}


def _get(desired: Desired) -> str:
    return f"flux get kustomization {desired.kustomization.name} -n {desired.kustomization.namespace}"


def _by_whom(observation: Observation, flux: Standing) -> str:
    """`, which is a later commit (Add a limit, Eve)`; empty where the run is about ours."""
    revision = Revision.parse(flux.later)
    facts = observation.revisions.get(revision.sha) if revision else None
    about = f" ({facts.about})" if facts and facts.about else ""
    return f"; that is a later commit than ours{about}" if flux.later else ""


def _revision(desired: Desired, flux: Standing) -> str:
    return short(flux.later or flux.in_flight_revision or (str(desired.revision) if desired.revision else ""))
