"""The pipe after the push of a removal: until Flux has deleted the site's Kustomization, and with it what that made.

Law: each look reads the objects afresh; gone is only what the API answers for, so what cannot be read is never taken for gone. Flux
takes a Kustomization's objects along before it lets go of it (its finalizer), so that its absence ends the following; the workload is
looked at as well, since a namespace goes on ending after that.
"""

import threading
from collections.abc import Iterator, Sequence

from bumper.dataclasses import dataclass
from bumper.errors import BumpError, Outcome
from bumper.follow.cluster import begin, unreachable
from bumper.follow.loop import Case, Followed, Loop, label, refusal
from bumper.follow.threads import in_each
from bumper.observation import Desired, Observation
from bumper.ports.deadline import until
from bumper.ports.kubernetes import Cluster
from bumper.ports.run import Clock, Progress
from bumper.rollout.verdict import Verdict

REMOVED = "removed"


@dataclass(kw_only=True)
class _Removal(Case):
    """`remaining` is what the last look still showed."""

    desired: Desired
    remaining: str = ""


class _Removals:
    """Judges whether sites are gone from one cluster (`loop.Follower`)."""

    def __init__(self, cluster: Cluster, progress: Progress) -> None:
        self._cluster = cluster
        self._progress = progress

    def look(self, removals: Sequence[_Removal]) -> Iterator[Followed | None]:
        observations = self._cluster.observe([removal.desired for removal in removals])
        for removal, seen in zip(removals, observations, strict=True):
            verdict = self._judged(removal, seen)
            yield self._ended(removal, verdict) if verdict else None

    def timed_out(self, removal: _Removal) -> Followed:
        self._progress.failed(removal.label, REMOVED, removal.remaining)
        message = f"at the deadline: {removal.remaining}"
        verdict = Verdict(Outcome.TIMED_OUT, "StillThere", message, hint=_next_command("describe", removal))
        return self._ended(removal, verdict)

    def unreachable(self, removal: _Removal, error: BumpError) -> Followed:
        self._progress.failed(removal.label, REMOVED, error.message)
        hint = f"the site is off the branch; whether it is gone: {_next_command('get', removal)}"
        return self._ended(removal, unreachable(error, hint))

    def refused(self, removal: _Removal, error: BumpError) -> Followed:
        return self._ended(removal, refusal(error))

    def _judged(self, removal: _Removal, seen: Observation) -> Verdict | None:
        desired = removal.desired
        removal.remaining = _remaining(desired, seen)
        if not removal.remaining:
            self._progress.done(removal.label, REMOVED, f"{desired.kustomization} and what it made")
            return Verdict(Outcome.REMOVED, "Removed", f"{desired.kustomization} and what it made are gone")
        if why := _unreadable(desired, seen):
            self._progress.failed(removal.label, REMOVED, why)
            return Verdict(Outcome.UNKNOWN, "NoAccess", f"{why}: whether it is gone can't be told")
        self._progress.moving(removal.label, REMOVED, removal.remaining)
        return None

    def _ended(self, removal: _Removal, verdict: Verdict) -> Followed:
        return Followed(removal.desired.site, self._cluster.name, removal.label, verdict)


def follow_removal(
    desired: Desired, clusters: Sequence[Cluster], clock: Clock, timeout_s: float, progress: Progress
) -> list[Followed]:
    """The verdict of each cluster: removed, timed-out or unknown."""
    began_s = clock.now()

    def run(cluster: Cluster, stop: threading.Event | None) -> list[Followed]:
        removal = _Removal(
            label=label(desired.site, cluster.name, is_alone=len(clusters) == 1),
            stage=REMOVED,
            desired=desired,
        )
        with until(clock, began_s + timeout_s):
            begin(cluster, [removal], [desired.fetched], progress)
        removals = _Removals(cluster, progress)
        return Loop(cluster, removals, [removal], clock, progress, stop=stop).run(
            began_s, began_s + timeout_s
        )

    return in_each(clusters, run)


def _next_command(verb: str, removal: _Removal) -> str:
    kustomization = removal.desired.kustomization
    return f"kubectl {verb} kustomization {kustomization.name} -n {kustomization.namespace}"


def _remaining(desired: Desired, seen: Observation) -> str:
    """What is still there, as a sentence; empty once nothing is."""
    if seen.kustomization is not None:
        is_ending = (seen.kustomization.get("metadata") or {}).get("deletionTimestamp")
        return (
            f"{desired.kustomization} is being deleted"
            if is_ending
            else f"{desired.kustomization} is still there"
        )
    if _unreadable(desired, seen):
        return f"{desired.kustomization} can't be read"
    return f"{desired.workload} is still there" if seen.workload is not None else ""


def _unreadable(desired: Desired, seen: Observation) -> str:
    for key, read in ((desired.kustomization, seen.kustomization), (desired.workload, seen.workload)):
        if read is None and key.kind and (why := seen.unreadable.get(key.kind)):
            return f"{key} can't be read ({why})"
    return ""
