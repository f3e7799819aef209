"""How each site stands in the clusters: one look, judged as a deploy would be, as rows of the table.

Law: a cluster that can't be read gives rows all the same: what git wants is known, everything else is unknown, and why.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from bumper import rollout
from bumper.deploy.hold import annotations
from bumper.errors import BumpError, NoAccess, Outcome
from bumper.follow.loop import Case, Loop
from bumper.follow.revisions import revisions_of
from bumper.follow.threads import in_each
from bumper.objects import condition
from bumper.observation import Desired, Observation
from bumper.ports import Clock, Cluster, Facts
from bumper.rollout import Verdict
from bumper.rollout.state import State, state
from bumper.status.sites import Entry
from bumper.status.table import Row

# What a cluster showed of each entry, or why it could not be read.
Answer: TypeAlias = Sequence[Observation] | BumpError

# What a cause shows now is judged again as if it had stood so long: longer than every grace.
_STOOD_S = 3600.0
# An API that does not answer at once is asked again, but nobody waits long for a table.
_PATIENCE_S = 2.0


class _Reading:
    """One look at one cluster, which ends with the first answer (`loop.Follower`)."""

    def __init__(self, cluster: Cluster, entries: Sequence[Entry]) -> None:
        self._cluster = cluster
        self._desired = [entry.desired for entry in entries]

    def look(self, cases: Sequence[Case]) -> Iterator[Answer | None]:
        seen = self._cluster.observe(self._desired)
        yield from (seen for _ in cases)

    def timed_out(self, case: Case) -> Answer:
        raise AssertionError("an answer is the end")

    def unreachable(self, case: Case, error: BumpError) -> Answer:
        return error

    def refused(self, case: Case, error: BumpError) -> Answer:
        return error


def look(clusters: Sequence[Cluster], entries: Sequence[Entry], facts: Facts, clock: Clock) -> list[Row]:
    """One row for each entry in each cluster, in order."""
    began_s = clock.now()

    def read(cluster: Cluster, stop: threading.Event | None) -> list[Answer]:
        reading = Loop(cluster, _Reading(cluster, entries), [Case()], clock, stop=stop)
        return reading.run(began_s, began_s + _PATIENCE_S)

    answers = in_each(clusters, read)
    return [
        row
        for cluster, answer in zip(clusters, answers, strict=True)
        for row in rows(cluster.name, entries, answer, facts)
    ]


def rows(context: str, entries: Sequence[Entry], answer: Answer, facts: Facts) -> list[Row]:
    """The rows of one cluster by what it answered; a cluster that could not be read has rows, too."""
    if isinstance(answer, BumpError):
        return _unseen(context, entries, answer)
    return [_judged(entry, context, seen, facts) for entry, seen in zip(entries, answer, strict=True)]


def unasked(entries: Sequence[Entry], why: str) -> list[Row]:
    """A row for each entry where no cluster is asked."""
    verdict = Verdict(Outcome.UNKNOWN, "NotAsked", f"no cluster was asked ({why})")
    return [_row(entry, "", State("", (), "", ()), verdict) for entry in entries]


def _unseen(context: str, entries: Sequence[Entry], error: BumpError) -> list[Row]:
    reason = "NoAccess" if isinstance(error, NoAccess) else "ClusterUnreachable"
    verdict = Verdict(Outcome.UNKNOWN, reason, error.message, hint=error.hint)
    return [_row(entry, context, State("", (), "", ()), verdict) for entry in entries]


def _judged(entry: Entry, context: str, seen: Observation, facts: Facts) -> Row:
    desired = entry.desired
    if not entry.is_ours:
        return _row(entry, context, state(desired, seen), _as_flux_says(desired, seen))
    looked = replace(seen, revisions=facts.facts(desired, revisions_of(seen)))
    judgement = rollout.judge(desired, looked, {})
    pending = None
    if judgement.verdict is None:
        later = rollout.judge(desired, replace(looked, at_s=looked.at_s + _STOOD_S), judgement.sightings)
        pending = later.verdict
    stage = next((each for each in rollout.Stage if each not in judgement.reached), rollout.Stage.ROLLED_OUT)
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


def _row(entry: Entry, context: str, shown: State, verdict: Verdict | None) -> Row:
    return Row(
        site=entry.desired.site,
        context=context,
        kustomization=str(entry.desired.kustomization),
        image=entry.image,
        place=entry.place,
        state=shown,
        verdict=verdict,
        not_followed=entry.not_followed,
        hold=annotations.read(entry.site.document),
    )
