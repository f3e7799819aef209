"""What the Flux objects say of our commit.

Law: only a revision that carries our commit, by ancestry, speaks of our deploy, for good or ill; what git could not tell is neither
yes nor no. `status.observedGeneration`, `lastHandledReconcileAt` and an old `Ready=True` prove nothing by themselves.
Texts and fields: kustomize-controller 1.9.4 (internal/controller/kustomization_controller.go), source-controller 1.9.3
(internal/controller/gitrepository_controller.go), fluxcd/pkg ssa 0.76.1 (manager_wait.go, errors/errors.go).
"""

import re
from collections.abc import Mapping
from enum import StrEnum

from bumper.dataclasses import dataclass
from bumper.objects import Condition, Object, ObjectKey, at, condition
from bumper.observation import Desired, Observation, RevisionFacts
from bumper.revision import Revision
from bumper.rollout.template import template_image

# "Fetching|Building manifests for", "Detecting drift for", "Running health checks for", then "revision <it> with a timeout of …".
_IN_FLIGHT = re.compile(
    r"(?P<doing>Fetching|Building|Detecting drift|Running health checks)\b.* revision (?P<revision>\S+) with a timeout of"
)
# `utils.FmtObjMetadata`: kind/namespace/name or kind/name.
_OBJECT = r"(?P<kind>[A-Z]\w*)/(?:(?P<namespace>[a-z0-9.-]+)/)?(?P<name>[a-z0-9.:-]+)"
# "failed early due to stalled resources: […]" and "timeout waiting for: […]", each entry "<object> status: '<status>'".
_UNHEALTHY = re.compile(_OBJECT + r" status: '(?P<status>\w+)'")
# "<object> dry-run failed", "<object> not found", "<object> namespace not specified", each followed by the API's answer; then
# manager_apply.go, for an object that had passed its dry run.
_REFUSED = re.compile(
    "^"
    + _OBJECT
    + r" (?:dry-run failed|not found|namespace not specified|apply failed|immutable field detected"
    + r"|failed to migrate API version|metadata\.managedFields cleanup failed)"
)
# What its labels and annotations begin with.
GROUP = "kustomize.toolkit.fluxcd.io"
ORIGIN = "org.opencontainers.image.revision"
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)")
_LONGEST_S = float(1 << 63) / 1e9  # what a time.Duration holds
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


class Carries(StrEnum):
    """What a revision means to our deploy."""

    OURS = "our commit and our image"
    OTHER = "our commit and another image, or the site no more"
    NOT_OURS = "not our commit"
    UNKNOWN = "not known"
    NOTHING = "no revision"


@dataclass(frozen=True)
class Standing:
    """How far our commit has come: each field judges one revision that the objects name, next to its text.

    `is_settled` says that the Kustomization is Ready in its current generation for whatever it applied last, or was before it began
    with a later commit that holds our image as well. `later` is that later commit, as the objects name it; empty where the run that
    `Ready` speaks of is our own. `by_content` says that its source names no commit: then what the workload was given tells whether
    ours is in it.
    """

    fetched: Carries
    attempted: Carries
    applied: Carries
    in_flight: Carries
    fetched_revision: str
    applied_revision: str
    in_flight_revision: str
    doing: str
    is_settled: bool
    later: str = ""
    by_content: bool = False

    @property
    def is_fetched(self) -> bool:
        """Whether Flux has our commit: the Kustomization proves it too, where the source can't be read."""
        return any(
            carried in (Carries.OURS, Carries.OTHER)
            for carried in (self.fetched, self.attempted, self.applied, self.in_flight)
        )

    @property
    def is_tried(self) -> bool:
        """Whether our revision is being applied or was: its manifests may be in the cluster."""
        return Carries.OURS in (self.attempted, self.applied, self.in_flight)

    @property
    def run(self) -> Carries:
        """What the run carries that the current `Ready` speaks of.

        The message of `Reconciling` is written at the start of each run; `lastAttemptedRevision` stays old where the path is missing.
        """
        return self.in_flight if self.in_flight is not Carries.NOTHING else self.attempted


def standing(desired: Desired, observation: Observation) -> Standing:
    """Where our commit stands, from the source and the Kustomization."""
    kustomization = observation.kustomization
    reconciling = condition(kustomization, "Reconciling")
    match = _IN_FLIGHT.match(reconciling.message) if reconciling and reconciling.status == "True" else None
    fetched = at(observation.source, "status", "artifact", "revision") or ""
    attempted = at(kustomization, "status", "lastAttemptedRevision") or ""
    applied = at(kustomization, "status", "lastAppliedRevision") or ""
    in_flight = match["revision"] if match else ""
    origins = _origins(observation)
    fetched, attempted, applied, in_flight = (
        origins.get(revision, revision) for revision in (fetched, attempted, applied, in_flight)
    )
    by_content = bool(desired.workload.kind) and names_no_commit(observation)

    def meaning(revision: str) -> Carries:
        if by_content:
            return _of_content(desired, observation, revision, fetched or applied)
        return carries(desired, observation.revisions, revision)

    later = _later(desired, observation, in_flight or attempted)
    has_applied_ours = meaning(applied) is Carries.OURS
    return Standing(
        fetched=meaning(fetched),
        attempted=meaning(attempted),
        applied=meaning(applied),
        in_flight=meaning(in_flight),
        fetched_revision=fetched,
        applied_revision=applied,
        in_flight_revision=in_flight,
        doing=match["doing"] if match else "",
        is_settled=_is_settled(kustomization)
        or (has_applied_ours and _has_moved_on(kustomization, applied, later)),
        later=later,
        by_content=by_content,
    )


def names_no_commit(observation: Observation) -> bool:
    """Whether the source is there and says nothing of the commit that it was made from: it is known by its content alone."""
    artifact = at(observation.source, "status", "artifact", "revision")
    revision = artifact or at(observation.kustomization, "status", "lastAppliedRevision") or ""
    return bool(revision) and Revision.parse(_origins(observation).get(revision, revision)) is None


def _of_content(desired: Desired, observation: Observation, revision: str, newest: str) -> Carries:
    """What a revision that names no commit means: the newest one put our image into the workload, or it is not ours."""
    if not revision:
        return Carries.NOTHING
    runs_ours = desired.is_met_by(template_image(desired, observation.workload))
    return Carries.OURS if runs_ours and revision == newest else Carries.NOT_OURS


def _origins(observation: Observation) -> dict[str, str]:
    """The commit that an artifact was made from, by the artifact's own revision, which names only a digest.

    kustomize-controller 1.9.4 api/v1/kustomization_types.go, lastAppliedOriginRevision; fluxcd/pkg apis/meta, Artifact.metadata
    with the annotation of the OCI image specification.
    """
    source, kustomization = observation.source, observation.kustomization
    # The same content may be made again from a later commit, which only the source is told of: its word comes last and counts.
    named = (
        (
            at(kustomization, "status", "lastAppliedRevision"),
            at(kustomization, "status", "lastAppliedOriginRevision"),
        ),
        (at(source, "status", "artifact", "revision"), at(source, "status", "artifact", "metadata", ORIGIN)),
    )
    return {revision: origin for revision, origin in named if revision and origin}


def carries(desired: Desired, revisions: Mapping[str, RevisionFacts], text: str) -> Carries:
    """What the revision that Flux wrote as `text` means to our deploy."""
    revision = Revision.parse(text)
    if revision is None:
        return Carries.UNKNOWN if text else Carries.NOTHING
    if desired.revision and revision.sha == desired.revision.sha:
        return Carries.OURS
    facts = revisions.get(revision.sha, RevisionFacts(None, None))
    if desired.revision is None:
        # The branch held the image before we came: the content alone decides, and another one may be older or newer.
        if facts.is_removed:
            return Carries.NOT_OURS
        if facts.image is None:
            return Carries.UNKNOWN
        return Carries.OURS if desired.is_met_by(facts.image) else Carries.NOT_OURS
    if facts.includes_commit is False:
        return Carries.NOT_OURS
    if facts.includes_commit and facts.is_removed:
        return Carries.OTHER
    if facts.includes_commit is None or facts.image is None:
        return Carries.UNKNOWN
    return Carries.OURS if desired.is_met_by(facts.image) else Carries.OTHER


def _is_settled(kustomization: Object | None) -> bool:
    # Ready turns True some 15 ms before lastAppliedRevision changes: a caller must judge that field of the same object too.
    ready = condition(kustomization, "Ready")
    return ready is not None and ready.status == "True" and _is_current(kustomization)


def _is_current(kustomization: Object | None) -> bool:
    """Whether its status speaks of what it is now, and it shall stay."""
    generation = at(kustomization, "metadata", "generation")
    return (
        generation is not None
        and at(kustomization, "status", "observedGeneration") == generation
        and not at(kustomization, "metadata", "deletionTimestamp")
    )


# Of a commit that fails so nothing is in the cluster, whatever it holds.
_NOTHING_APPLIED = ("BuildFailed", "ArtifactFailed")


def _later(desired: Desired, observation: Observation, run: str) -> str:
    """The revision of a run where that is a commit after ours, which brings ours with it; empty where it is ours, or none knows."""
    revision = Revision.parse(run)
    if revision is None or desired.revision is None or revision.sha == desired.revision.sha:
        return ""
    facts = observation.revisions.get(revision.sha)
    if facts is None or facts.includes_commit is not True or facts.is_removed:
        return ""
    ready = condition(observation.kustomization, "Ready")
    is_harmless = ready is not None and ready.status == "False" and ready.reason in _NOTHING_APPLIED
    holds_ours = facts.image is not None and desired.is_met_by(facts.image)
    return run if holds_ours or (facts.image is None and is_harmless) else ""


def _has_moved_on(kustomization: Object | None, applied: str, later: str) -> bool:
    """Whether a revision was applied to the end (only then it is written down), and the Kustomization is at a later one since."""
    return bool(later) and later != applied and _is_current(kustomization)


def short(revision: str) -> str:
    """`main@sha1:3f9d2ab`: a revision as people read it."""
    parsed = Revision.parse(revision)
    return parsed.short if parsed else revision


def since(flux_condition: Condition) -> str:
    """` since <time> (cluster time)`: the cluster's clock is shown, never compared with ours."""
    return (
        f" since {flux_condition.last_transition_time} (cluster time)"
        if flux_condition.last_transition_time
        else ""
    )


def unhealthy_objects(message: str) -> list[ObjectKey]:
    """The objects that a health check names, empty where it names none (kustomize-controller 1.9.4 does so at some time-outs)."""
    return [_key(match) for match in _UNHEALTHY.finditer(message)]


def refused_object(message: str) -> ObjectKey | None:
    """The object that the API refused."""
    match = _REFUSED.match(message)
    return _key(match) if match else None


def _key(match: re.Match[str]) -> ObjectKey:
    return ObjectKey(match["kind"], match["namespace"] or "", match["name"])


def seconds(duration: str) -> float | None:
    """`1m30s` → 90.0, None for what is no duration. The form is that of Go's time.Duration."""
    if not duration or _DURATION.sub("", duration):
        return None
    total = sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(duration))
    return total if total < _LONGEST_S else None


def health_timeout_s(kustomization: Object | None) -> float | None:
    """How long Flux waits for health, None where it does not wait. Default and floor: `Kustomization.GetTimeout` of the API 1.9.4."""
    if not (at(kustomization, "spec", "wait") or at(kustomization, "spec", "healthChecks")):
        return None
    interval_s = seconds(at(kustomization, "spec", "interval") or "") or 0.0
    timeout_s = seconds(at(kustomization, "spec", "timeout") or "")
    return max(timeout_s if timeout_s is not None else interval_s - 30.0, 30.0)
