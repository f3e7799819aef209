"""How each site stands in the clusters: one look, judged as a deploy would be, as rows of the table.

Law: a cluster that can't be read gives rows all the same: what git wants is known, everything else is unknown, and why.
"""

import threading
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from bumper.dataclasses import replace
from bumper.deploy.hold import annotations
from bumper.errors import BumpError, NoAccess, Outcome
from bumper.fluxtree.sites.selection import is_of_namesake, live_build
from bumper.follow.loop import Case, Loop
from bumper.follow.revisions import revisions_of
from bumper.follow.threads import in_each
from bumper.objects import condition
from bumper.observation import Desired, Observation
from bumper.ports.kubernetes import Cluster, Facts
from bumper.ports.run import Clock
from bumper.rollout import site as combined
from bumper.rollout.rules import judge
from bumper.rollout.site import WorkloadEnd
from bumper.rollout.state import State, state
from bumper.rollout.verdict import Judgement, Verdict
from bumper.status import sites
from bumper.status.sites import Entry, Place, Seen, place
from bumper.status.table import Row

# What a cluster showed of the workloads of each entry, or why it could not be read.
Answer: TypeAlias = Sequence[Seen] | BumpError

# What a cause shows now is judged again as if it had stood so long: longer than every grace.
_STOOD_S = 3600.0
# An API that does not answer at once is asked again, but nobody waits long for a table.
_PATIENCE_S = 2.0


class _Reading:
    """One look at one cluster, which ends with the first answer (`loop.Follower`)."""

    def __init__(self, cluster: Cluster, entries: Sequence[Entry]) -> None:
        self._cluster = cluster
        self._entries = entries

    def look(self, cases: Sequence[Case]) -> Iterator[Answer | None]:
        seen = sites.observe(self._cluster, self._entries)
        yield from (seen for _ in cases)

    def timed_out(self, case: Case) -> Answer:
        raise AssertionError("an answer is the end")

    def unreachable(self, case: Case, error: BumpError) -> Answer:
        return error

    def refused(self, case: Case, error: BumpError) -> Answer:
        return error


def look(
    clusters: Sequence[Cluster],
    entries: Sequence[Entry],
    facts: Facts,
    clock: Clock,
    patience_s: float = _PATIENCE_S,
) -> list[Row]:
    """One row for each entry in each cluster, in order. A cluster that does not answer is asked again for so long."""
    began_s = clock.now()

    def read(cluster: Cluster, stop: threading.Event | None) -> list[Answer]:
        reading = Loop(cluster, _Reading(cluster, entries), [Case()], clock, stop=stop)
        return reading.run(began_s, began_s + patience_s)

    answers = in_each(clusters, read)
    return [
        row
        for cluster, answer in zip(clusters, answers, strict=True)
        for row in rows(cluster.name, entries, answer, facts)
    ]


class Judged:
    """The rows of one cluster that were judged last: a site that neither was looked at again nor is wanted otherwise keeps its row."""

    def __init__(self) -> None:
        self._rows: dict[Place, tuple[Entry, Seen, Row]] = {}

    def row(self, entry: Entry, context: str, seen: Seen, facts: Facts) -> Row:
        where = place(entry)
        known = self._rows.get(where)
        if known is None or known[0] is not entry or known[1] is not seen:
            self._rows[where] = known = (entry, seen, _judged(entry, context, seen, facts))
        return known[2]


def rows(
    context: str, entries: Sequence[Entry], answer: Answer, facts: Facts, judged: Judged | None = None
) -> list[Row]:
    """The rows of one cluster by what it answered; a cluster that could not be read has rows, too."""
    if isinstance(answer, BumpError):
        return _unseen(context, entries, answer)
    judged = judged or Judged()
    return [
        judged.row(entry, context, seen, facts)
        for entry, seen in zip(entries, answer, strict=True)
        if not _is_only_elsewhere(entry, seen[0])
    ]


def _is_only_elsewhere(entry: Entry, seen: Observation) -> bool:
    """Whether another cluster alone has what no file holds."""
    is_known = "Kustomization" not in seen.unreadable
    return bool(entry.site.known_by) and is_known and not seen.kustomization


def unasked(entries: Sequence[Entry], why: str) -> list[Row]:
    """A row for each entry where no cluster is asked."""
    verdict = Verdict(Outcome.UNKNOWN, "NotAsked", f"no cluster was asked ({why})")
    return [_row(entry, "", State("", (), "", ()), verdict) for entry in entries]


def _unseen(context: str, entries: Sequence[Entry], error: BumpError) -> list[Row]:
    reason = "NoAccess" if isinstance(error, NoAccess) else "ClusterUnreachable"
    verdict = Verdict(Outcome.UNKNOWN, reason, error.message, hint=error.hint)
    return [
        replace(_row(entry, context, State("", (), "", ()), verdict), is_unread=True) for entry in entries
    ]


def _judged(entry: Entry, context: str, seen: Seen, facts: Facts) -> Row:
    desired = entry.desired
    if text := _another_there(entry, seen[0], context):
        verdict = Verdict(
            Outcome.UNKNOWN, "NotInThisCluster", text, hint="look at its own cluster: --context NAME"
        )
        return replace(_row(entry, context, State("", (), "", ()), verdict), is_elsewhere=True)
    if not entry.is_ours:
        return _row(entry, context, state(desired, seen[0]), _as_flux_says(desired, seen[0]))
    looked = [
        replace(look, revisions=facts.facts(each, revisions_of(look)))
        for each, look in zip(entry.followed, seen, strict=True)
    ]
    judgements = [judge(each, look, {}) for each, look in zip(entry.followed, looked, strict=True)]
    ends = _ends(entry, judgements, [judgement.verdict for judgement in judgements])
    shown = _together([state(each, look) for each, look in zip(entry.followed, looked, strict=True)])
    if combined.has_ended(ends):
        return _row(entry, context, shown, combined.verdict(ends), ends)
    later = [
        judgement.verdict
        or judge(each, replace(look, at_s=look.at_s + _STOOD_S), judgement.sightings).verdict
        for each, look, judgement in zip(entry.followed, looked, judgements, strict=True)
    ]
    row = _row(entry, context, shown, None, ends)
    return replace(row, pending=_pending(_ends(entry, judgements, later)), detail=_doing(ends))


def _another_there(entry: Entry, seen: Observation, context: str) -> str:
    """What the cluster builds under the name of the site's Kustomization, if that is another one of the repository."""
    key = entry.desired.kustomization
    build = live_build(seen.kustomization, key.namespace)
    if build is None or not is_of_namesake(entry.site, build):
        return ""
    return f"{context} builds {build.path} as {key}, which is another site of this repository"


def _ends(
    entry: Entry, judgements: Sequence[Judgement], verdicts: Sequence[Verdict | None]
) -> list[WorkloadEnd]:
    return [
        WorkloadEnd(each.workload, verdict, judgement.doing, judgement.is_rolled_out)
        for each, judgement, verdict in zip(entry.followed, judgements, verdicts, strict=True)
    ]


def _pending(ends: Sequence[WorkloadEnd]) -> Verdict | None:
    """What the site will be if nothing changes; None where nothing keeps what still moves from being Ready."""
    if all(end.verdict is None or end.verdict.outcome is Outcome.READY for end in ends):
        return None
    return combined.verdict(ends)


def _doing(ends: Sequence[WorkloadEnd]) -> str:
    """What the first workload that has not ended is doing."""
    moving = next(end for end in ends if end.verdict is None)
    return f"{moving.workload}: {moving.detail}" if len(ends) > 1 else moving.detail


def _together(states: Sequence[State]) -> State:
    """The state of a site: what runs and drifts anywhere in it; its age is that of the workload that leads."""
    running = sorted({tag for each in states for tag in each.running})
    drift = dict.fromkeys(text for each in states for text in each.drift)
    digests = sorted({digest for each in states for digest in each.digests})
    return replace(states[0], running=tuple(running), drift=tuple(drift), digests=tuple(digests))


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


def _row(
    entry: Entry, context: str, shown: State, verdict: Verdict | None, ends: Sequence[WorkloadEnd] = ()
) -> Row:
    return Row(
        site=entry.desired.site,
        context=context,
        kustomization=str(entry.desired.kustomization),
        image=entry.image,
        place=entry.place,
        state=shown,
        verdict=verdict,
        not_followed=entry.not_followed,
        hold=annotations.counting(entry.site),
        freeze=entry.freeze,
        workloads=tuple(ends) if len(ends) > 1 else (),
        stays=entry.stays,
        identity=entry.desired.identity,
        where=entry.desired.where,
    )
