"""From what the cluster shows to a verdict: `judge` looks once, `timed_out` says where a deploy hung.

Law: pure and level-triggered. A look is judged by itself, whatever was seen before: only the graces of causes (`Sighting`) go from
look to look. Ready is said only if the source and the applied revision carry our commit (by ancestry) and our image, the
Kustomization is Ready in its current generation, and the workload's controller has seen the new template, finished the rollout and
left no old pod.
The rules stand in order, the first that holds wins, as in kstatus. What they say is in tables: the stages in order (`look`),
completion by kind of workload (`workload`), causes at the pod (`causes`); and what the controllers say (`controllers`,
`reconciliation`, `obstacles`).
"""

from collections.abc import Mapping
from typing import NamedTuple

from bumper.dataclasses import replace
from bumper.errors import Outcome
from bumper.objects import at, condition
from bumper.observation import Desired, Observation
from bumper.revision import Revision
from bumper.rollout import baseline, causes, controllers, obstacles, old_side, steadiness
from bumper.rollout.flux import Carries, short
from bumper.rollout.look import Look, is_elsewhere
from bumper.rollout.patience import Finding, weigh
from bumper.rollout.pods import image_digests, own_pods, restarts
from bumper.rollout.preflight import notices
from bumper.rollout.progress import details, next_command
from bumper.rollout.quotes import quotes
from bumper.rollout.serving import serving
from bumper.rollout.timeline import milestones
from bumper.rollout.verdict import Judgement, Sighting, Sightings, Stage, Verdict
from bumper.safe_text import printable


def judge(desired: Desired, observation: Observation, sightings: Mapping[str, Sighting]) -> Judgement:
    """What this look shows. `sightings` are those of the judgement before, empty at the first."""
    look = Look(desired, observation)
    verdict = _superseded(look)
    ready = None if verdict else _ready(look)
    unproved = steadiness.awaited(desired, look.observation, ready) if ready else None
    verdict = verdict or ready
    findings = [unproved] if unproved else [] if verdict else _findings(look)
    weighed = weigh(findings, sightings if ready else steadiness.without_unseen(sightings), observation.at_s)
    if findings:
        verdict = weighed.believed.verdict if weighed.believed else None
    reached = look.reached(is_ready=verdict is not None and verdict.outcome is Outcome.READY)
    # What is not proved yet is Ready itself: no cause that would be told beside the counts.
    texts = details(look, findings[0].verdict if findings and not unproved else None, reached)
    if unproved and verdict is None:
        texts[Stage.ROLLED_OUT] = "; ".join(
            text
            for text in (
                look.completion.text if look.completion else "",
                steadiness.text(desired, look.observation),
            )
            if text
        )
    return Judgement(
        reached=reached,
        detail={stage: printable(text) for stage, text in texts.items()},
        verdict=_finished(look, verdict) if verdict else None,
        sightings=weighed.sightings,
        notices=tuple(printable(notice) for notice in notices(desired, look.observation)),
        due_s=weighed.due_s,
        milestones=milestones(look, reached),
        is_rolled_out=look.is_rolled_out,
    )


def timed_out(desired: Desired, observation: Observation, judgement: Judgement) -> Verdict:
    """The verdict at our deadline: the stage it hung in, the last fact seen there, what helps to go on from there."""
    look = Look(desired, observation)
    stage = next((stage for stage in Stage if stage not in judgement.reached), Stage.ROLLED_OUT)
    findings = _findings(look)
    hint = findings[0].verdict.hint if findings else next_command(look, stage)
    unknown = "" if findings else _unknown(look)
    if unknown:
        return _finished(look, Verdict(Outcome.UNKNOWN, "NotKnown", unknown, hint, stage=stage))
    reason = "Not" + "".join(word.capitalize() for word in stage.split())
    message = f"not {stage} at the deadline: {judgement.detail.get(stage, '')}"
    evidence = findings[0].verdict.evidence if findings else ()
    if not findings and (last := _last_cause(judgement, stage)):
        message += f"; {_ago(observation.at_s - last.at_s)} the cause was {last.verdict.reason}: {last.verdict.message}"
        hint, evidence = last.verdict.hint, last.verdict.evidence
    if stage is Stage.ROLLED_OUT:
        evidence = (*evidence, *(line for line in quotes(desired, look.observation) if line not in evidence))
    return _finished(look, Verdict(Outcome.TIMED_OUT, reason, message, hint, evidence=evidence, stage=stage))


class _Last(NamedTuple):
    verdict: Verdict
    at_s: float


def _last_cause(judgement: Judgement, stage: Stage) -> _Last | None:
    """The last cause seen, if the deploy still hangs where it was seen: Flux shows some only between its tries."""
    sightings = judgement.sightings
    if not isinstance(sightings, Sightings) or sightings.last is None or sightings.last.stage is not stage:
        return None
    return _Last(sightings.last, sightings.last_s)


def _ago(seconds: float) -> str:
    return f"{seconds:.0f} s before"


# --- the rules ---


def _superseded(look: Look) -> Verdict | None:
    """A later commit holds another image, and Flux has it: ours will not stay, or never comes."""
    flux = look.flux
    for carried, text, has in (
        (flux.applied, flux.applied_revision, "applied"),
        (flux.fetched, flux.fetched_revision, "fetched"),
        (flux.in_flight, flux.in_flight_revision, "begun to apply"),
    ):
        revision = Revision.parse(text)
        if carried is Carries.OTHER and revision:
            return _superseded_by(look, revision, has)
    return None


def _superseded_by(look: Look, revision: Revision, has: str) -> Verdict:
    facts, previous = look.observation.revisions[revision.sha], look.desired.previous
    tag = (facts.image.tag or facts.image.digest) if facts.image else ""
    is_revert = previous is not None and tag == (previous.tag or previous.digest)
    commit = f"commit {revision.sha[:7]}" + (f" ({facts.about})" if facts.about else "")
    reason = "Removed" if facts.is_removed else "Reverted" if is_revert else "Superseded"
    does = "takes the site away" if facts.is_removed else f"puts {tag} back" if is_revert else f"sets {tag}"
    return Verdict(
        Outcome.SUPERSEDED,
        reason,
        f"{commit} {does}, and Flux has {has} it",
        hint="nothing to do here: the later commit is what counts now",
    )


def _ready(look: Look) -> Verdict | None:
    """Everything holds at once."""
    desired, observation = look.desired, look.observation
    is_source_unreadable = observation.source is None and desired.source.kind in observation.unreadable
    # The Kustomization proves it alone where the source that git names is gone since, or is another than its own.
    is_proved_alone = (observation.source is None or _has_another_source(look)) and not look.flux.by_content
    is_source_ours = look.flux.fetched is Carries.OURS or is_source_unreadable or is_proved_alone
    if not (look.is_applied and is_source_ours):
        return None
    if not desired.workload.kind:
        message = f"{desired.kustomization} applied {short(look.flux.applied_revision)}"
        warning = "it has no workload that could be followed: that it was applied is all that is known"
        return Verdict(Outcome.READY, "Applied", message, warnings=(warning,), stage=Stage.ROLLED_OUT)
    if not look.is_rolled_out or look.completion is None:
        return None
    message = f"{desired.workload} runs {desired.image.tag or desired.image.digest}: {look.completion.text}"
    return Verdict(Outcome.READY, "Ready", message, warnings=_warnings(look), stage=Stage.ROLLED_OUT)


def _has_another_source(look: Look) -> bool:
    """Whether the Kustomization in the cluster names another source than git does."""
    reference = at(look.observation.kustomization, "spec", "sourceRef") or {}
    own, named = look.desired.source, look.desired.kustomization.namespace
    there = (reference.get("kind"), reference.get("namespace") or named, reference.get("name"))
    return bool(reference) and there != (own.kind, own.namespace, own.name)


def _findings(look: Look) -> list[Finding]:
    """What may become the verdict once its grace is over, the most telling first."""
    desired, observation, flux = look.desired, look.observation, look.flux
    held = [obstacles.suspended(desired, observation, flux)]
    of_pods: list[Finding] = []
    of_old_side: list[Finding] = []
    of_controllers: list[Finding] = []
    if not look.is_rolled_out:
        held.append(controllers.held_back(desired, observation))
        if look.is_in_cluster:
            of_pods = causes.findings(desired, observation)
            of_old_side = old_side.findings(desired, observation)
            of_controllers = controllers.findings(desired, observation, [*of_pods, *of_old_side])
    of_flux = _excused(
        baseline.not_ours(obstacles.findings(desired, observation, flux), desired, observation),
        [*of_pods, *of_old_side, *of_controllers],
    )
    of_site = [*of_pods, *of_old_side, *of_controllers, *of_flux]
    return [
        *(finding for finding in held if finding),
        *baseline.not_proved_by_image(of_site, desired, observation),
    ]


def _excused(of_flux: list[Finding], of_workload: list[Finding]) -> list[Finding]:
    """Flux's findings, where a health check that fails for what is nobody's fault here is no failure either."""
    cause = of_workload[0].verdict if of_workload else None
    if cause is None or cause.outcome is not Outcome.BLOCKED:
        return of_flux
    return [
        replace(finding, verdict=replace(cause, message=f"{cause.message}; {finding.verdict.message}"))
        if finding.verdict.outcome is Outcome.FAILED and finding.verdict.stage is Stage.ROLLED_OUT
        else finding
        for finding in of_flux
    ]


def _unknown(look: Look) -> str:
    """What could not be found out, if that keeps us from Ready."""
    for carried, revision, has in (
        (look.flux.fetched, look.flux.fetched_revision, "fetched"),
        (look.flux.applied, look.flux.applied_revision, "applied"),
    ):
        if carried is Carries.UNKNOWN:
            return (
                f"Flux has {has} {short(revision)}: git could not tell whether our commit and image are in it"
            )
    return ""


# --- what goes with a verdict ---


def _finished(look: Look, verdict: Verdict) -> Verdict:
    """The verdict with what visitors see now, where that may not be what was asked for."""
    if verdict.outcome is not Outcome.READY and not is_elsewhere(look.observation):
        verdict = replace(verdict, serving=serving(look.desired, look.observation))
    return verdict.printable()


def _warnings(look: Look) -> tuple[str, ...]:
    """What does not keep it from being Ready, but should be known."""
    pods, warnings = own_pods(look.desired, look.observation), []
    if at(look.observation.workload, "spec", "replicas") == 0 and look.observation.canary is None:
        warnings.append("replicas is 0: no pod runs the image")
    if at(look.observation.workload, "status", "desiredNumberScheduled") == 0:
        warnings.append("no node takes it: no pod runs the image")
    if look.desired.workload.kind == "CronJob":
        warnings.append("nothing has run with the image yet: the next run takes it")
    source = look.desired.source
    if _has_another_source(look):
        warnings.append(
            f"{look.desired.kustomization} takes another source in the cluster than {source}, which git names"
        )
    elif look.observation.source is None and source.kind not in look.observation.unreadable:
        warnings.append(f"{source} is not in the cluster: later commits do not come")
    later, ready = look.flux.later, condition(look.observation.kustomization, "Ready")
    if later and ready and ready.status == "False":
        warnings.append(
            f"Flux can't go on to a later commit, {short(later)}: {ready.reason}: {ready.message}"
        )
    if count := restarts(pods):
        warnings.append(f"its containers restarted {'once' if count == 1 else f'{count} times'} before that")
    if different := _digest_difference(look, image_digests(look.desired, pods)):
        warnings.append(different)
    return tuple(warnings)


def _digest_difference(look: Look, running: set[str]) -> str:
    wanted = look.desired.image.digest
    if not wanted or running == {wanted}:
        return ""
    if "Pod" in look.observation.unreadable:
        return "the pods can't be read, so their digest was not compared with the registry's"
    others = ", ".join(sorted(running - {wanted, ""}))
    if others:
        why = "an image for several platforms, or a tag that was moved"
        return f"the pods run {others}, the registry's digest of the tag is {wanted}: {why}"
    return (
        "a pod reports no digest of its image, so it was not compared with the registry's" if running else ""
    )
