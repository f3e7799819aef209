"""What was broken before our push: another commit's doing, whatever ours did to it.

Law: only a failure that stood there before our commit was on the branch is put on somebody else, and only if it is the same one. A
site whose own old version fails proves nothing: the deploy may be the cure, and is judged by itself.
"""

import re
from collections.abc import Sequence

from bumper.dataclasses import replace
from bumper.errors import Outcome
from bumper.objects import Condition, Object, ObjectKey, at, condition
from bumper.observation import Baseline, Desired, Observation
from bumper.rollout.flux import refused_object, unhealthy_objects
from bumper.rollout.patience import Finding
from bumper.rollout.pods import serving_replica_set
from bumper.rollout.template import changes_beside_image, template_image
from bumper.rollout.verdict import Stage
from bumper.rollout.workload import completion

# A change of one tag, proved to be no more, neither breaks a build nor moves a path.
_NEVER_OURS = ("BuildFailed", "ArtifactFailed")
# What a change of the image can make: a checksum over an encrypted file (kustomize-controller 1.9.4 internal/decryptor/decryptor.go),
# and a refusal of the image itself.
_CHECKSUM = "failed to verify sops data integrity"
_OF_IMAGE = re.compile(r"image|denied", re.IGNORECASE)
# kustomize-controller 1.9.4 internal/controller/kustomization_controller.go, checkHealth.
_CHECKING = "Running health checks"
# Other commits come this way too, and go on.
_PASSING_BY = ("DependencyNotReady", "HealthCheckCanceled")
# What a failure is not about: revisions, times, the folder of a build.
_PASSING = re.compile(r"\b(?:sha1:)?[0-9a-f]{7,64}\b|\b\d+(?:\.\d+)?(?:ms|s|m|h)\b|/tmp/\S*?/|\d+")


def notice(desired: Desired, before: Baseline) -> str:
    """What is broken before the push, as a sentence; empty where nothing is, or a person would not call it broken."""
    for key, flux_object in (
        (desired.source, before.source),
        (desired.kustomization, before.kustomization),
    ):
        ready = condition(flux_object, "Ready")
        if (
            ready
            and ready.status == "False"
            and ready.reason not in ("DependencyNotReady", "HealthCheckCanceled")
        ):
            tried = f" at commit {before.tried}" if before.tried and key == desired.kustomization else ""
            return f"{key} is broken before this deploy{tried}: {ready.reason}: {ready.message}"
    return ""


def ran(desired: Desired, before: Baseline) -> bool:
    """Whether the image of `desired`, which git held before the push, was rolled out completely then, and in pods."""
    workload = before.workload
    if before.canary is not None:
        # Flagger keeps its target at no pods: what it promoted last has run.
        status = at(before.canary, "status") or {}
        is_promoted = bool(status.get("lastPromotedSpec")) and status.get("lastAppliedSpec") == status.get(
            "lastPromotedSpec"
        )
        return is_promoted and desired.is_met_by(template_image(desired, workload))
    return (
        workload is not None
        and desired.is_met_by(template_image(desired, workload))
        and completion(workload).is_complete
        and at(workload, "spec", "replicas") != 0
    )


def not_ours(of_flux: Sequence[Finding], desired: Desired, observation: Observation) -> list[Finding]:
    """Flux's findings, each that stood there before our push turned into `blocked`."""
    before = observation.before
    if before is None or desired.revision is None:
        return list(of_flux)
    seen = [(finding, _was_there(finding, desired, before, observation)) for finding in of_flux]
    return [
        _of_somebody_else(finding, before, was_there=was_there)
        if was_there or _came_along(finding, before, observation)
        else _begun_before(finding, before)
        for finding, was_there in seen
    ]


_FIELDS_SHOWN = 4
# An image that can't be had is at fault whatever else changed.
_OF_IMAGE_ALONE = (
    "InvalidImageName",
    "WrongArchitecture",
    "ImageFormat",
    "NoSuchRepository",
    "NoSuchTag",
    "SignatureRejected",
)


def not_proved_by_image(
    findings: Sequence[Finding], desired: Desired, observation: Observation
) -> list[Finding]:
    """The findings, with the word that other fields of the template changed as well: then nothing proves the image at fault."""
    if not any(map(_blames_image, findings)):
        return list(findings)
    changed = changes_beside_image(desired, _template_before(desired, observation), observation.workload)
    if not changed:
        return list(findings)
    shown = ", ".join(changed[:_FIELDS_SHOWN]) + (", …" if len(changed) > _FIELDS_SHOWN else "")
    text = f"; {shown} changed in the same rollout, so it may not be the image"
    return [
        replace(
            finding,
            verdict=replace(finding.verdict, message=finding.verdict.message + text, helps_to_go_back=False),
        )
        if _blames_image(finding)
        else finding
        for finding in findings
    ]


def _blames_image(finding: Finding) -> bool:
    """Whether it sends back for what the pods do, which takes more than the image."""
    verdict = finding.verdict
    is_of_pods = verdict.outcome is Outcome.FAILED and verdict.stage is Stage.ROLLED_OUT
    return is_of_pods and verdict.helps_to_go_back and verdict.reason not in _OF_IMAGE_ALONE


def _template_before(desired: Desired, observation: Observation) -> Object | None:
    """What ran before: the workload as it was seen before the push, else the newest of the older ReplicaSets that has pods."""
    if observation.before is not None and observation.before.workload is not None:
        return observation.before.workload
    return serving_replica_set(desired, observation)


def _begun_before(finding: Finding, before: Baseline) -> Finding:
    """The finding, with the word that Flux waited before our commit already, where other objects than ours fail its health check."""
    verdict, ready = finding.verdict, condition(before.kustomization, "Ready")
    is_of_others = verdict.reason == "HealthCheckFailed" and verdict.outcome is Outcome.BLOCKED
    if not (is_of_others and ready and ready.status == "Unknown" and ready.message.startswith(_CHECKING)):
        return finding
    text = f"Flux waited before ours already ({ready.message}): {verdict.message}"
    return replace(finding, verdict=replace(verdict, message=text))


def _of_somebody_else(finding: Finding, before: Baseline, *, was_there: bool) -> Finding:
    verdict = finding.verdict
    if not was_there:
        text = f"broken by commit {before.untried} or one before it, not by the tag that ours sets: {verdict.message}"
        return replace(finding, verdict=replace(verdict, outcome=Outcome.BLOCKED, message=text))
    since = (
        f"broken since commit {before.tried} or earlier, before ours"
        if before.tried
        else "broken before our commit"
    )
    text = f"{since}: {verdict.message}"
    return replace(finding, verdict=replace(verdict, outcome=Outcome.BLOCKED, message=text))


def _was_there(finding: Finding, desired: Desired, before: Baseline, observation: Observation) -> bool:
    if (
        finding.verdict.outcome not in (Outcome.FAILED, Outcome.BLOCKED)
        or finding.verdict.reason in _PASSING_BY
    ):
        return False
    if finding.verdict.stage is Stage.FETCHED:
        return _is_same(before.source, observation.source, finding.verdict.reason, desired)
    return _is_same(before.kustomization, observation.kustomization, finding.verdict.reason, desired)


def _came_along(finding: Finding, before: Baseline, observation: Observation) -> bool:
    """Whether a failure that a change of one tag can't make came with commits that Flux had not tried before ours."""
    ready = condition(observation.kustomization, "Ready")
    if not before.untried or ready is None or finding.verdict.outcome is not Outcome.FAILED:
        return False
    if ready.reason in _NEVER_OURS:
        return _CHECKSUM not in ready.message
    return ready.reason == "ReconciliationFailed" and _OF_IMAGE.search(ready.message) is None


def _is_same(before: Object | None, now: Object | None, reason: str, desired: Desired) -> bool:
    """Whether one object was not Ready before for what it is not Ready for now."""
    old, new = condition(before, "Ready"), condition(now, "Ready")
    if old is None or new is None or old.status != "False" or not old.reason == new.reason == reason:
        return False
    if reason in _NEVER_OURS:
        return True
    if reason == "HealthCheckFailed":
        return _is_about_the_same_others(old, new, desired.workload)
    return refused_object(old.message) == refused_object(new.message) and (
        _lasting(old.message, desired) == _lasting(new.message, desired)
    )


def _is_about_the_same_others(old: Condition, new: Condition, workload: ObjectKey) -> bool:
    """Whether a health check failed for other objects than ours, then and now."""
    then, now = set(unhealthy_objects(old.message)), set(unhealthy_objects(new.message))
    return bool(then & now) and workload not in now


def _lasting(message: str, desired: Desired) -> str:
    """A message without what differs from try to try and from version to version."""
    for image in (desired.image, desired.previous):
        if image and image.tag:
            message = message.replace(image.tag, "")
    return _PASSING.sub("", message)
