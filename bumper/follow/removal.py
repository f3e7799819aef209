"""The pipe after the push of a removal: until Flux has deleted the site's Kustomization, and with it what that made.

Law: each look reads the objects afresh; gone is only what the API answers for, so what cannot be read is never taken for gone. Flux
takes a Kustomization's objects along before it lets go of it (its finalizer), so that its absence ends the following; the workload is
looked at as well, since a namespace goes on ending after that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bumper.errors import BumpError, Outcome, Transient
from bumper.follow.cluster import PERIOD_S
from bumper.observation import Desired, Observation
from bumper.ports import Clock, Cluster, Progress
from bumper.rollout import Verdict

FETCHED, REMOVED = "fetched", "removed"


@dataclass(frozen=True)
class Departed:
    """One cluster with its verdict."""

    context: str
    label: str
    verdict: Verdict


def depart(
    desired: Desired, clusters: Sequence[Cluster], clock: Clock, timeout_s: float, progress: Progress
) -> list[Departed]:
    """The verdict of each cluster, one after the other within one deadline: removed, timed-out or unknown."""
    deadline_s = clock.now() + timeout_s
    labels = [f"{desired.site} in {one.name}" if len(clusters) > 1 else desired.site for one in clusters]
    for cluster, label in zip(clusters, labels, strict=True):
        progress.moving(label, FETCHED, "waiting for Flux to fetch the commit")
        _request_fetch(desired, cluster, progress)
    return [
        Departed(cluster.name, label, _followed(desired, cluster, label, clock, deadline_s, progress))
        for cluster, label in zip(clusters, labels, strict=True)
    ]


def _request_fetch(desired: Desired, cluster: Cluster, progress: Progress) -> None:
    try:
        reason = cluster.request_fetch(desired.source)
    except BumpError as error:
        reason = error.message
    if reason:
        progress.notice(f"{cluster.name}: {desired.source} could not be asked to fetch now ({reason})")


def _followed(
    desired: Desired, cluster: Cluster, label: str, clock: Clock, deadline_s: float, progress: Progress
) -> Verdict:
    problem = ""
    while True:
        left_s = deadline_s - clock.now()
        try:
            seen = cluster.observe([desired])[0]
            problem = _left(desired, seen)
            if not problem:
                progress.done(label, REMOVED, f"{desired.kustomization} and what it made")
                return Verdict(
                    Outcome.REMOVED, "Removed", f"{desired.kustomization} and what it made are gone"
                )
            if why := _unreadable(desired, seen):
                progress.failed(label, REMOVED, why)
                return Verdict(Outcome.UNKNOWN, "NoAccess", f"{why}: whether it is gone can't be told")
            progress.moving(label, REMOVED, problem)
            if left_s > 0:
                cluster.wait(min(left_s, PERIOD_S))
        except Transient as error:
            problem = error.message
            clock.sleep(max(0.0, min(left_s, error.retry_after_s or 1.0)))
        except BumpError as error:
            return Verdict(Outcome.UNKNOWN, type(error).__name__, error.message, hint=error.hint)
        if left_s <= 0:
            progress.failed(label, REMOVED, problem)
            return Verdict(
                Outcome.TIMED_OUT,
                "StillThere",
                f"at the deadline: {problem}",
                hint=f"kubectl describe kustomization {desired.kustomization.name} -n {desired.kustomization.namespace}",
            )


def _left(desired: Desired, seen: Observation) -> str:
    """What is still there, in words; empty once nothing is."""
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
    for key, found in ((desired.kustomization, seen.kustomization), (desired.workload, seen.workload)):
        if found is None and key.kind and (why := seen.unreadable.get(key.kind)):
            return f"{key} can't be read ({why})"
    return ""
