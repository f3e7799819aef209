"""How each site of a roster stands in one cluster: a look, judged as a deploy would be, as rows for `overview`.

Law: a cluster that can't be read gives rows all the same: what git wants is known, everything else is unknown, and why.
"""

from collections.abc import Sequence
from dataclasses import replace

from bumper import rollout
from bumper.deploy.hold import annotations
from bumper.errors import BumpError, NoAccess, Outcome, Transient
from bumper.follow.revisions import revisions_of
from bumper.objects import condition
from bumper.observation import Desired, Observation
from bumper.ports import Clock, Cluster, Facts
from bumper.rollout import Verdict
from bumper.rollout.state import State, state
from bumper.status.sites import Entry
from bumper.status.table import Row

# What a cause shows now is judged again as if it had stood so long: longer than every grace.
_STOOD_S = 3600.0
# An API that does not answer at once is asked again, but nobody waits long for a table.
_TRIES, _PAUSE_S = 3, 1.0


def look(cluster: Cluster, entries: Sequence[Entry], lineage: Facts, clock: Clock) -> list[Row]:
    """One row for each entry, in order."""
    try:
        seen = _observe(cluster, [entry.desired for entry in entries], clock)
    except BumpError as error:
        return unseen(cluster.name, entries, error)
    return judged(cluster.name, entries, seen, lineage)


def judged(context: str, entries: Sequence[Entry], seen: Sequence[Observation], lineage: Facts) -> list[Row]:
    """The rows of a look that has been taken."""
    return [_judged(entry, context, one, lineage) for entry, one in zip(entries, seen, strict=True)]


def unseen(context: str, entries: Sequence[Entry], error: BumpError) -> list[Row]:
    """The rows of a cluster that could not be read."""
    reason = "NoAccess" if isinstance(error, NoAccess) else "ClusterUnreachable"
    verdict = Verdict(Outcome.UNKNOWN, reason, error.message, hint=error.hint)
    return [_row(entry, context, State("", (), "", ()), verdict) for entry in entries]


def _observe(cluster: Cluster, desired: Sequence[Desired], clock: Clock) -> list[Observation]:
    for _ in range(_TRIES - 1):
        try:
            return cluster.observe(desired)
        except Transient as error:
            clock.sleep(min(error.retry_after_s or _PAUSE_S, 5 * _PAUSE_S))
    return cluster.observe(desired)


def _judged(entry: Entry, context: str, seen: Observation, lineage: Facts) -> Row:
    desired = entry.desired
    if not entry.is_ours:
        return _row(entry, context, state(desired, seen), _as_flux_says(desired, seen))
    looked = replace(seen, revisions=lineage.facts(desired, revisions_of(seen)))
    judgement = rollout.judge(desired, looked, {})
    pending = None
    if judgement.verdict is None:
        later = rollout.judge(desired, replace(looked, at_s=looked.at_s + _STOOD_S), judgement.sightings)
        pending = later.verdict
    stage = next((one for one in rollout.Stage if one not in judgement.reached), rollout.Stage.ROLLED_OUT)
    row = _row(entry, context, state(desired, looked), judgement.verdict)
    return replace(row, pending=pending, detail=judgement.detail.get(stage, ""))


def _as_flux_says(desired: Desired, seen: Observation) -> Verdict:
    """Of a Kustomization that another repository feeds nothing is known but its own word."""
    ready = condition(seen.kustomization, "Ready")
    if ready is None:
        why = (
            seen.unreadable.get(desired.kustomization.kind)
            or "it is not in the cluster, or has no Ready condition"
        )
        return Verdict(Outcome.UNKNOWN, "NotKnown", f"{desired.kustomization}: {why}")
    outcome = {"True": Outcome.READY, "False": Outcome.BLOCKED}.get(ready.status, Outcome.UNKNOWN)
    return Verdict(outcome, ready.reason, ready.message).printable()


def _row(entry: Entry, context: str, found: State, verdict: Verdict | None) -> Row:
    return Row(
        site=entry.desired.site,
        context=context,
        kustomization=str(entry.desired.kustomization),
        image=entry.image,
        place=entry.place,
        state=found,
        verdict=verdict,
        not_followed=entry.not_followed,
        hold=annotations.read(entry.site.document),
    )
