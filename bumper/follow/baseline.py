"""How the sites stand before a push: looked at while git and the registry are asked, so that it costs a push no time.

Law: nothing is written that could not be followed. A cluster that does not let us in, that does not answer, or in which the site's own
objects can't be read or can't be followed, ends the run here, and the hint names the way to push all the same.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from bumper.dataclasses import dataclass, replace
from bumper.errors import BumpError, NoAccess, Transient, Unreachable, UsageError
from bumper.objects import Condition, ObjectKey, at, condition
from bumper.observation import Baseline, Desired, Observation
from bumper.ports.git import Repository
from bumper.ports.kubernetes import ClusterAhead
from bumper.ports.run import Clock
from bumper.retry import answered
from bumper.revision import Revision
from bumper.rollout import canary
from bumper.rollout.preflight import unfollowable

# How long a cluster is asked again before the push, and how long a look counts.
ANSWER_S, FRESH_S = 15.0, 10.0

Key: TypeAlias = tuple[str, ObjectKey]
Known: TypeAlias = Mapping[str, Mapping[Key, Baseline]]
# For commands that can do without.
WITHOUT = "to push without following: --no-wait"


def key_of(desired: Desired) -> Key:
    """By what a baseline is found again once the commit is known."""
    return desired.label, desired.workload


@dataclass(frozen=True)
class BaselineLook:
    """One look at several clusters that has begun."""

    looks: Sequence[tuple[ClusterAhead, Callable[[], list[Observation]]]]
    desired: Sequence[Desired]
    clock: Clock
    began_s: float

    @classmethod
    def begin(
        cls, clusters: Sequence[ClusterAhead], desired: Sequence[Desired], clock: Clock
    ) -> "BaselineLook":
        """Asks all clusters at once and waits for none."""
        looks = [(cluster, cluster.begin_to_observe(desired).result) for cluster in clusters]
        return cls(looks, desired, clock, clock.now())

    def known(self, repository: Repository) -> Known:
        """What was seen in each cluster. UsageError where we are not let in, Unreachable where there is no answer."""
        for site in self.desired if self.looks else ():
            if why := unfollowable(site):
                raise _unfollowable(f"{site.workload if site.workload.kind else site.label}: {why}")
        return {cluster.name: self._seen_in(cluster, first, repository) for cluster, first in self.looks}

    def _seen_in(
        self, cluster: ClusterAhead, first: Callable[[], list[Observation]], repository: Repository
    ) -> dict[Key, Baseline]:
        ask = first if self.clock.now() - self.began_s < FRESH_S else _again(cluster, self.desired)
        seen = _required(cluster, ask, _again(cluster, self.desired), self.clock)
        for site, observation in zip(self.desired, seen, strict=True):
            _require_readable(cluster.name, site, observation)
        return {
            key_of(site): _baseline(observation, repository)
            for site, observation in zip(self.desired, seen, strict=True)
        }


def on_parent(known: Known, parent: str, repository: Repository) -> Known:
    """The same, with the commit that ours was put on where a Kustomization had not tried it yet."""
    named = _named(f"sha1:{parent}", repository)
    return {
        context: {
            key: replace(baseline, untried="" if _had_tried(baseline, parent) else named)
            for key, baseline in seen.items()
        }
        for context, seen in known.items()
    }


def _had_tried(baseline: Baseline, commit: str) -> bool:
    status = at(baseline.kustomization, "status") or {}
    texts = [status.get(field) or "" for field in ("lastAttemptedRevision", "lastAppliedRevision")]
    revisions = [Revision.parse(text) for text in texts]
    # A revision that names no commit of ours (an artifact's digest) can't tell: nothing is put on anybody then.
    known = [revision for revision in revisions if revision]
    return not known or any(revision.sha == commit for revision in known)


def _again(cluster: ClusterAhead, desired: Sequence[Desired]) -> Callable[[], list[Observation]]:
    return lambda: cluster.observe(desired)


def _required(
    cluster: ClusterAhead,
    first: Callable[[], list[Observation]],
    again: Callable[[], list[Observation]],
    clock: Clock,
) -> list[Observation]:
    try:
        try:
            return first()
        except Transient:
            return answered(again, clock, ANSWER_S)
    except Transient as error:
        raise Unreachable(_unwritten(error.message), hint=_or_without(error.hint)) from None
    except NoAccess as error:
        raise _unfollowable(error.message, error.hint) from None


def _unfollowable(message: str, hint: str = "") -> UsageError:
    return UsageError(_unwritten(message), hint=_or_without(hint))


def _unwritten(message: str) -> str:
    return f"{message}: nothing was written, since the deploy could not be followed"


def _or_without(hint: str) -> str:
    return "; ".join(filter(None, (hint, WITHOUT)))


def _require_readable(cluster: str, desired: Desired, seen: Observation) -> None:
    """Raises UsageError where the site's own objects may not be read, or are of a kind that can't be followed."""
    for key, read in ((desired.kustomization, seen.kustomization), (desired.workload, seen.workload)):
        if read is None and key.kind and (why := seen.unreadable.get(key.kind)):
            raise _unfollowable(f"{cluster}: {key}: {why}")
    if why := canary.unreadable(desired, seen):
        text = f"{cluster}: whether a Canary of Flagger promotes {desired.workload} can't be read ({why})"
        raise _unfollowable(text, "bump doctor --rbac prints the rights")


def _baseline(seen: Observation, repository: Repository) -> Baseline:
    ready = condition(seen.kustomization, "Ready")
    tried = _tried(seen, ready) if ready and ready.status == "False" else ""
    return Baseline(
        seen.source, seen.kustomization, seen.workload, _named(tried, repository), canary=seen.canary
    )


def _tried(seen: Observation, ready: Condition) -> str:
    """The revision that the Kustomization fails for. That it attempted is written only once its path was there."""
    if ready.reason == "ArtifactFailed":
        return str(at(seen.source, "status", "artifact", "revision") or "")
    return str(at(seen.kustomization, "status", "lastAttemptedRevision") or "")


def _named(text: str, repository: Repository) -> str:
    """`1234567 (Raise the limits, Ada)`: a revision's commit; its digits alone where git does not know it."""
    revision = Revision.parse(text)
    if revision is None:
        return ""
    try:
        return f"{revision.sha[:7]} ({repository.subject(revision.sha)}, {repository.author(revision.sha)})"
    except BumpError:
        return revision.sha[:7]
