"""What stands between our commit and the cluster: something suspended, a source that does not come to us, an object that is not
there or can't be read, a setting that overrides the image. None of it is this deploy's fault.

Reasons and messages: source-controller 1.9.3, internal/controller/gitrepository_controller.go.
"""

from collections.abc import Iterator

from bumper.errors import Outcome
from bumper.objects import Object, ObjectKey, at, condition
from bumper.observation import Desired, Observation
from bumper.rollout import reconciliation
from bumper.rollout.flux import Carries, Standing, short, since
from bumper.rollout.look import is_elsewhere, is_released_elsewhere
from bumper.rollout.patience import Finding
from bumper.rollout.preflight import another_owner, override
from bumper.rollout.template import template_image
from bumper.rollout.verdict import Stage, Verdict
from bumper.rollout.workload import FOLLOWED_KINDS, completion

# Graces in seconds. What only a person can change is said at once; what heals by itself gets more than one of Flux's tries.
_CERTAIN_S, _GONE_S, _SLIP_S, _ACCESS_S, _MISSING_S, _OUTAGE_S = 3.0, 5.0, 10.0, 15.0, 30.0, 60.0

# While the API server restarts, source-controller 1.9.3 can't read its secret and calls that AuthenticationFailed too. The words
# are Go's (net/net.go, syscall.ECONNREFUSED).
# source-watcher 2.2: suspends a generator, which has no spec.suspend.
# flux-operator, internal/controller/resourceset_controller.go: who owns what a ResourceSet makes, after Flux has applied the set.
_RESOURCE_SET = "resourceset.fluxcd.controlplane.io/name"
_RECONCILE = "source.extensions.fluxcd.io/reconcile"
_API_IS_AWAY = "connect: connection refused"


def suspended(desired: Desired, observation: Observation, flux: Standing) -> Finding | None:
    """The suspended object on the way of our commit, None where there is none. Suspended objects keep an old Ready=True."""
    for key, source in observation.sources(desired):
        if not flux.is_fetched and (resume := _resume(key, source)):
            return _held(key, resume, flux.fetched, Stage.FETCHED, 0.0)
    is_running = flux.in_flight is Carries.OURS or flux.applied is Carries.OURS
    if at(observation.kustomization, "spec", "suspend") and not is_running:
        key = desired.kustomization
        resume = f"flux resume kustomization {key.name} -n {key.namespace}"
        # Git may resume it with what was just pushed: another Kustomization brings that in a moment later.
        grace_s = _SLIP_S if observation.before else 0.0
        return _held(key, resume, flux.applied, Stage.APPLIED, grace_s)
    return None


def _resume(key: ObjectKey, source: Object | None) -> str:
    """The command that resumes a source or a generator; empty where it is not suspended."""
    if at(source, "spec", "suspend"):
        return f"flux resume {_flux_kind(key)} {key.name} -n {key.namespace}"
    if str(at(source, "metadata", "annotations", _RECONCILE) or "").lower() == "disabled":
        return f"kubectl annotate {key.kind} {key.name} -n {key.namespace} {_RECONCILE}-"
    return ""


def _held(key: ObjectKey, hint: str, carried: Carries, stage: Stage, grace_s: float) -> Finding:
    # Whether our commit went in before can't be told while git does not answer: a little patience for that.
    grace_s = _ACCESS_S if carried is Carries.UNKNOWN else grace_s
    message = f"{key} is suspended: Flux does not take the commit"
    return Finding("Suspended", Verdict(Outcome.SUSPENDED, "Suspended", message, hint, stage=stage), grace_s)


def findings(desired: Desired, observation: Observation, flux: Standing) -> list[Finding]:
    """What stands in the way now, what is nearest to the source first."""
    return [
        *_unreadable(desired, observation),
        *(() if flux.is_fetched else _sources(desired, observation, flux)),
        *_kustomization(desired, observation, flux),
        *_workload(desired, observation, flux),
    ]


def _finding(outcome: Outcome, reason: str, message: str, hint: str, grace_s: float, stage: Stage) -> Finding:
    return Finding(reason, Verdict(outcome, reason, message, hint, stage=stage), grace_s)


def _unreadable(desired: Desired, observation: Observation) -> Iterator[Finding]:
    for key, cluster_object, stage in (
        (desired.kustomization, observation.kustomization, Stage.APPLIED),
        (desired.workload, observation.workload, Stage.ROLLED_OUT),
    ):
        why = observation.unreadable.get(key.kind) if cluster_object is None and key.kind else None
        if why and (stage is Stage.APPLIED or key.kind in FOLLOWED_KINDS):
            hint = f"allow get, list and watch of it: kubectl auth can-i list {key.kind} -n {key.namespace}"
            message = f"{key} can't be read ({why}): whether the deploy is Ready can't be told"
            yield _finding(Outcome.UNKNOWN, "NoAccess", message, hint, _ACCESS_S, stage)


def _sources(desired: Desired, observation: Observation, flux: Standing) -> Iterator[Finding]:
    """What holds our commit from the branch on: that it is not there any more, or a source on the way to the Kustomization."""
    ours = observation.revisions.get(desired.revision.sha) if desired.revision else None
    if ours and ours.is_off_branch:
        message = f"{desired.revision} is not on the branch any more: somebody took it off (a force-push)"
        hint = "look who rewrote the branch, and run the same bump again"
        yield _finding(Outcome.BLOCKED, "NotOnBranch", message, hint, 0, Stage.FETCHED)
    for key, source in observation.sources(desired):
        yield from _source(desired, key, source, observation, flux)


def _source(
    desired: Desired, key: ObjectKey, source: Object | None, observation: Observation, flux: Standing
) -> Iterator[Finding]:
    hint = f"flux get {_flux_kind(key)} {key.name} -n {key.namespace}"
    if source is None:
        if key.kind not in observation.unreadable:
            message = f"{key} is not in the cluster"
            yield _finding(Outcome.BLOCKED, "SourceMissing", message, hint, _OUTAGE_S, Stage.FETCHED)
        return
    follows = follows_another(desired, source) if key == desired.fetched else ""
    if follows and flux.fetched is Carries.NOT_OURS:
        message = f"{key} follows {follows}, not the branch that was pushed to: it never reaches the commit"
        yield _finding(
            Outcome.BLOCKED, "SourcePinned", message, f"change spec.ref of {key}", 0, Stage.FETCHED
        )
    ready, verified = condition(source, "Ready"), condition(source, "SourceVerified")
    if verified and verified.status == "False":
        message = f"{key} rejects the commit's signature{since(verified)}: {verified.message}"
        hint = "sign the commit as spec.verify of the source asks"
        yield _finding(Outcome.BLOCKED, "SourceNotVerified", message, hint, _SLIP_S, Stage.FETCHED)
    elif (stalled := condition(source, "Stalled")) and stalled.status == "True":
        message = f"{key} has given up{since(stalled)}: {stalled.message}"
        yield _finding(Outcome.BLOCKED, stalled.reason, message, hint, _CERTAIN_S, Stage.FETCHED)
    elif ready and ready.status == "False":
        fails = "fails" if key.kind == "ArtifactGenerator" else "can't be fetched"
        message = f"{key} {fails}{since(ready)}: {ready.message}"
        is_refused = ready.reason == "AuthenticationFailed" and _API_IS_AWAY not in ready.message
        grace_s = _ACCESS_S if is_refused else _OUTAGE_S
        yield _finding(Outcome.BLOCKED, ready.reason, message, hint, grace_s, Stage.FETCHED)


def follows_another(desired: Desired, source: Object) -> str:
    """What the source follows instead of our branch, in the precedence of GitRepository v1: commit, name, semver, tag, branch."""
    if desired.fetched.kind != "GitRepository":
        return ""
    ref = at(source, "spec", "ref") or {}
    pushed = desired.revision.name if desired.revision else ""
    for field in ("commit", "name", "semver", "tag"):
        if ref.get(field):
            is_ours = field == "name" and (not pushed or ref[field] == f"refs/heads/{pushed}")
            return "" if is_ours else f"the {field} {ref[field]}"
    branch = ref.get("branch") or "master"
    return "" if not pushed or branch == pushed else f"the branch {branch}"


def _kustomization(desired: Desired, observation: Observation, flux: Standing) -> Iterator[Finding]:
    key = desired.kustomization
    if since_text := at(observation.kustomization, "metadata", "deletionTimestamp"):
        message = (
            f"{key} is being deleted since {since_text} (cluster time): Flux applies nothing of it any more"
        )
        hint = f"kubectl get kustomization {key.name} -n {key.namespace} -o yaml"
        yield _finding(Outcome.BLOCKED, "BeingDeleted", message, hint, _OUTAGE_S, Stage.APPLIED)
    if observation.kustomization is not None:
        yield from reconciliation.findings(desired, observation, flux)
    elif key.kind not in observation.unreadable and (flux.is_fetched or observation.source is None):
        # A new one comes with the commit that brings it, so not before that is fetched.
        hint = f"is this the right cluster? flux get kustomizations -n {key.namespace}"
        # What was there before the push does not come with it.
        is_gone = observation.before is not None and observation.before.kustomization is not None
        message = f"{key} is not in the cluster{', and was before this deploy' if is_gone else ''}"
        grace_s = _GONE_S if is_gone else _OUTAGE_S
        yield _finding(Outcome.BLOCKED, "KustomizationMissing", message, hint, grace_s, Stage.APPLIED)


def _workload(desired: Desired, observation: Observation, flux: Standing) -> Iterator[Finding]:
    workload, key = observation.workload, desired.workload
    if key.kind and key.kind not in FOLLOWED_KINDS:
        message = f"{key} can't be followed: no rule says when a {key.kind} is done, so whether the deploy is Ready can't be told"
        hint = f"kubectl get {key.kind.lower()} {key.name} -n {key.namespace} -o yaml; a deploy of it wants --no-wait"
        yield _finding(Outcome.UNKNOWN, "KindNotFollowed", message, hint, _CERTAIN_S, Stage.ROLLED_OUT)
        return
    if not key.kind or key.kind in observation.unreadable:
        return
    is_applied = flux.applied is Carries.OURS and flux.is_settled
    if is_elsewhere(observation):
        if is_applied:
            message = (
                f"{desired.kustomization} applied {short(flux.applied_revision)} to another cluster (its spec.kubeConfig): "
                f"whether {key} runs there can't be seen from here"
            )
            hint = f"in that cluster: kubectl rollout status {key.kind.lower()}/{key.name} -n {key.namespace}"
            yield _finding(Outcome.UNKNOWN, "AnotherCluster", message, hint, _CERTAIN_S, Stage.ROLLED_OUT)
        return
    if workload is None and is_applied:
        same_kind = ", ".join(_inventory(observation.kustomization, key.kind)) or f"no {key.kind}"
        message = f"{key} is not in the cluster, though {desired.kustomization} applied the commit (it made {same_kind})"
        hint = f"kubectl get {key.kind} -A --field-selector metadata.name={key.name}"
        is_gone = observation.before is not None and observation.before.workload is not None
        grace_s = _GONE_S if is_gone else _MISSING_S
        yield _finding(Outcome.UNKNOWN, "WorkloadMissing", message, hint, grace_s, Stage.ROLLED_OUT)
    if workload is None:
        return
    if desired.is_met_by(template_image(desired, workload)):
        if is_released_elsewhere(observation) and is_applied and completion(workload).is_complete:
            message = (
                f"{key} is Ready and installs its chart in another cluster (its spec.kubeConfig): whether its pods run "
                f"{desired.image.tag or desired.image.digest} can't be seen from here"
            )
            hint = f"in that cluster: helm status {key.name}; a deploy of it wants --no-wait"
            yield _finding(Outcome.UNKNOWN, "AnotherCluster", message, hint, _CERTAIN_S, Stage.ROLLED_OUT)
        return
    cause = override(desired, observation)
    if cause or is_applied:
        running_image = template_image(desired, workload)
        made_by = at(workload, "metadata", "labels", _RESOURCE_SET)
        otherwise = (
            f"ResourceSet {made_by} has not made it anew" if made_by else _why_not_ours(desired, observation)
        )
        why = cause.text if cause else otherwise
        message = f"{key} runs {running_image or 'no such container'}, not {desired.image.tag or desired.image.digest}: {why}"
        hint = f"kubectl get {key.kind} {key.name} -n {key.namespace} -o yaml --show-managed-fields"
        slip_s = _OUTAGE_S if made_by else _SLIP_S
        grace_s = (_OUTAGE_S if cause.may_heal else 0.0) if cause else slip_s
        yield _finding(Outcome.BLOCKED, "ImageOverridden", message, hint, grace_s, Stage.APPLIED)


def _why_not_ours(desired: Desired, observation: Observation) -> str:
    key, kustomization = desired.workload, observation.kustomization
    if at(kustomization, "status", "inventory", "entries") and str(key) not in _inventory(
        kustomization, key.kind
    ):
        return (
            f"{desired.kustomization} does not apply it (it is not in its status.inventory): the source's spec.ignore or a "
            ".sourceignore file hides its manifest, or it is built elsewhere"
        )
    if owner := another_owner(desired, observation):
        return f"the {owner} applies it too, and puts its own image back"
    return "a substitution, a patch, a webhook or a person changes it after the file was read"


def _inventory(kustomization: Object | None, kind: str) -> Iterator[str]:
    # `<namespace>_<name>_<group>_<kind>`: neither namespaces nor names of workloads hold an underscore.
    for entry in at(kustomization, "status", "inventory", "entries") or ():
        segments = str(entry.get("id") or "").split("_")
        if len(segments) == 4 and segments[3] == kind:
            yield f"{kind} {segments[0]}/{segments[1]}"


def _flux_kind(key: ObjectKey) -> str:
    """What the flux command of Flux 2.9 calls a kind of source, and a generator of sources."""
    names = {
        "GitRepository": "source git",
        "OCIRepository": "source oci",
        "ExternalArtifact": "source external",
        "ArtifactGenerator": "artifacts generators",
    }
    return names.get(key.kind, f"source {key.kind.lower()}")
