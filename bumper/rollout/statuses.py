"""How a deploy stands by the commit statuses that Flux's notification-controller posts, where the cluster itself can't be asked.

Law: only a status says something; that there is none says nothing. A success counts for our deploy only on a commit that contains ours
and whose file holds our image, and it proves no more than what Flux waited for: with `wait: false` that the manifests were applied.

Sources: notification-controller 1.9.3 (internal/notifier/github.go: success for severity info, failure for error, never pending,
reason `Progressing` left out, nothing posted where the last status of the context reads the same; internal/server/event_handlers.go:
before 1.9.0 failures are dropped, 2.8.0 of Flux posts nothing at all; provider_commit_status.go: the context); kustomize-controller
1.10.1 (internal/controller/kustomization_controller.go: a success event after each run, an error event after each failed one, neither
for a missing artifact, a dependency that is not ready, or a suspended object).
"""

import re
from collections.abc import Mapping, Sequence
from itertools import dropwhile
from typing import Any, NamedTuple

from bumper.dataclasses import dataclass
from bumper.errors import Outcome
from bumper.objects import ObjectKey
from bumper.observation import Desired
from bumper.ports.github import Announced, CommitStatus
from bumper.revision import Revision
from bumper.rollout.patience import Finding, weigh
from bumper.rollout.verdict import Sighting, Stage, Verdict

SUCCESS, FAILURE, ERROR = "success", "failure", "error"
_FAILED = (FAILURE, ERROR)
# The default context ends with the first eight digits of the Provider's UID.
_UID = r"[0-9a-f]{8}"
# The description of a failure is its reason in words. These need no second look; the others are what an API server that was away for a
# moment leaves behind as well, and Flux tries again after `retryInterval`.
_AT_ONCE = frozenset({"build failed", "health check failed"})
_GRACE_S = 45.0
_WHAT = {
    "build failed": "kustomize can't build the site's directory",
    "health check failed": "an object of the Kustomization did not become ready in Flux's time",
    "reconciliation failed": "the API server refused an object, or could not be reached",
    "prune failed": "an object that is not in git any more could not be deleted",
}


@dataclass(frozen=True)
class Proof:
    """What a success of the site's Kustomization proves; `why` is what it leaves open, empty where it proves that the site runs."""

    why: str = ""

    @classmethod
    def of(cls, spec: Mapping[str, Any], workload: ObjectKey) -> "Proof":
        """By what the Kustomization in git waits for."""
        if not workload.kind:
            return cls("it has no workload that could be waited for")
        if str(spec.get("wait", "")).lower() == "true":
            return cls()
        checks = [check for check in spec.get("healthChecks") or () if isinstance(check, dict)]
        if any(
            ObjectKey(check.get("kind", ""), check.get("namespace", ""), check.get("name", "")) == workload
            for check in checks
        ):
            return cls()
        return cls(f"Flux does not wait for {workload}: whether it runs the image is not known")


@dataclass(frozen=True)
class Telling:
    """One look: the verdict once there is one, what there is to say until then, and what to remember (as in `Judgement`)."""

    verdict: Verdict | None
    detail: str
    sightings: Mapping[str, Sighting]
    due_s: float | None = None


def is_about(context: str, kustomization: ObjectKey) -> bool:
    """Whether a context is that of the Kustomization, in the form that notification-controller gives it by default."""
    return re.fullmatch(rf"kustomization/{re.escape(kustomization.name.lower())}/{_UID}", context) is not None


def expected_contexts(before: Sequence[Announced], kustomization: ObjectKey) -> frozenset[str]:
    """The contexts that must speak: one for each cluster, as on the newest commit before ours that has a status of any of them.

    A Provider that was made anew has another context: older commits do not count, or it would be waited for in vain.
    """
    for commit in before:
        if contexts := frozenset(
            status.context for status in commit.statuses if is_about(status.context, kustomization)
        ):
            return contexts
    return frozenset()


def judge(
    desired: Desired,
    proof: Proof,
    commits: Sequence[Announced],
    expected: frozenset[str],
    sightings: Mapping[str, Sighting],
    at_s: float,
) -> Telling:
    """How the site stands. `commits` are the branch's commits that can say something of it, newest first, with their facts.

    `expected` are the contexts that must speak (`expected_contexts`).
    """
    ours = [commit for commit in commits if desired.revision is None or commit.facts.includes_commit]
    contexts = sorted(expected | _contexts(ours, desired.kustomization))
    latest = {context: word for context in contexts if (word := _word(ours, context))}
    meant = {context: _meaning(desired, word) for context, word in latest.items()}
    verdicts = [verdict for verdict in meant.values() if verdict]
    if superseded := [verdict for verdict in verdicts if verdict.outcome is Outcome.SUPERSEDED]:
        return Telling(superseded[0].printable(), "", {})
    findings = [
        Finding(context, verdict, 0.0 if latest[context].status.description in _AT_ONCE else _GRACE_S)
        for context, verdict in meant.items()
        if verdict and verdict.outcome in (Outcome.FAILED, Outcome.BLOCKED)
    ]
    weighed = weigh(findings, sightings, at_s)
    if weighed.believed:
        return Telling(weighed.believed.verdict.printable(), "", {})
    missing = [context for context in contexts if context not in latest]
    if latest and not verdicts and not missing:
        return Telling(_well(desired, proof, list(latest.values())), "", {})
    if verdicts:
        detail = verdicts[0].message + ("; Flux tries again" if findings else "")
    elif missing and latest:
        detail = f"no word yet from {', '.join(missing)}"
    else:
        detail = _silence(desired, ours, has_spoken=bool(contexts))
    return Telling(None, detail, weighed.sightings, weighed.due_s)


def timed_out(desired: Desired, telling: Telling) -> Verdict:
    """The verdict at the deadline: silence is no failure, and no success."""
    return Verdict(
        Outcome.TIMED_OUT,
        "NoStatus",
        f"{telling.detail} at the deadline",
        hint="failures are posted by Flux 2.9 and later, a dependency that is not ready by none: look with kubectl or flux in the "
        "cluster; does an Alert post for this Kustomization? See bump notifications",
        stage=Stage.APPLIED,
    ).printable()


class _Word(NamedTuple):
    commit: Announced
    status: CommitStatus


def _word(ours: Sequence[Announced], context: str) -> _Word | None:
    """The last word of a context: its status on the newest of these commits that has one.

    Of a build that a later commit broke nothing is in the cluster: what was said before that counts on.
    """
    spoken = [
        _Word(commit, status)
        for commit in ours
        for status in commit.statuses
        if status.context == context and status.state in (SUCCESS, *_FAILED)
    ]
    built = next(dropwhile(_broke_a_build, spoken), None)
    is_well = built is not None and built.status.state == SUCCESS
    return built if is_well else next(iter(spoken), None)


def _broke_a_build(word: _Word) -> bool:
    return word.status.state in _FAILED and word.status.description == "build failed"


def _contexts(commits: Sequence[Announced], kustomization: ObjectKey) -> frozenset[str]:
    return frozenset(
        status.context
        for commit in commits
        for status in commit.statuses
        if is_about(status.context, kustomization)
    )


def _meaning(desired: Desired, word: _Word) -> Verdict | None:
    """What the last word of a context means to our deploy; None where all is well."""
    commit, status = word
    image, where = commit.facts.image, f"commit {commit.sha[:7]}"
    if image is None and not commit.facts.is_removed:
        return Verdict(Outcome.UNKNOWN, "NotKnown", f"git could not tell which image {where} holds")
    if image is None or not desired.is_met_by(image):
        does = f"sets {image.tag or image.digest}" if image else "takes the site away"
        about = commit.facts.about
        return Verdict(
            Outcome.SUPERSEDED,
            "Superseded" if image else "Removed",
            f"{where}{f' ({about})' if about else ''} {does}, and Flux speaks of that one",
            hint="nothing to do here: the later commit is what counts now",
        )
    if status.state == SUCCESS:
        return None
    description = status.description or status.state
    is_later = desired.revision is not None and commit.sha != desired.revision.sha
    what = f": {_WHAT[description]}" if description in _WHAT else ""
    return Verdict(
        Outcome.BLOCKED if is_later and _broke_a_build(word) else Outcome.FAILED,
        "".join(part.capitalize() for part in description.split()),
        f"{desired.kustomization}: {description} on {where}{what}",
        hint=f"GitHub is told no more; in the cluster: flux events --for Kustomization/{desired.kustomization.name} "
        f"-n {desired.kustomization.namespace}",
        evidence=(_written(status),),
        warnings=(
            "another object of this Kustomization may be what failed: a commit status does not say which",
        ),
        stage=Stage.ROLLED_OUT if description == "health check failed" else Stage.APPLIED,
        helps_to_go_back=False,
    )


def _well(desired: Desired, proof: Proof, latest: Sequence[_Word]) -> Verdict:
    newest = latest[0].commit
    revision = Revision(desired.revision.name if desired.revision else "", newest.sha)
    where = f"{desired.kustomization} on {revision.short}"
    rest = f"; {proof.why}" if proof.why else " and found its objects healthy"
    hint = "spec.wait: true on the Kustomization lets Flux wait for its objects, and this verdict with it"
    return Verdict(
        Outcome.APPLIED if proof.why else Outcome.READY,
        "Applied" if proof.why else "Ready",
        f"Flux applied {where}{rest}",
        hint=hint if proof.why else "",
        evidence=tuple(_written(word.status) for word in latest),
        warnings=("known by commit statuses alone: pods, digests and causes were not looked at",),
        stage=Stage.APPLIED if proof.why else Stage.ROLLED_OUT,
    ).printable()


def _written(status: CommitStatus) -> str:
    return f"{status.context}: {status.state}, {status.description} ({status.created})"


def _silence(desired: Desired, ours: Sequence[Announced], *, has_spoken: bool) -> str:
    """What the silence of a Kustomization may mean; `has_spoken`: it has a status on a commit before ours."""
    others = sorted(
        {
            status.context
            for commit in ours
            for status in commit.statuses
            if status.context.startswith("kustomization/")
        }
    )
    if others:
        # Flux has fetched the commit: this Kustomization is slower, or fails without a status.
        return f"no status of {desired.kustomization} yet, while {others[0]} has one: it waits or fails"
    if not has_spoken:
        return f"no status of {desired.kustomization}, on no recent commit either: nothing may post them"
    return f"no status of {desired.kustomization} yet"
