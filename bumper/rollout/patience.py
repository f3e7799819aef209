"""How long a cause must stand before it is believed.

Law: graces count on our own clock from our own first look; the cluster's clock is never compared with ours. A cause that heals inside
its grace was a blip and leaves no trace; a cause that comes and goes (a container between two crashes, a Kustomization between two
tries) is remembered over the gap, or it could never be believed. Time in which nobody looked (an API that was down) is no gap.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bumper.dataclasses import dataclass
from bumper.errors import Outcome
from bumper.rollout.verdict import Sighting, Sightings, Verdict

# Longer than a Kustomization's shortest `retryInterval` in practice and than most containers take from start to crash.
GAP_S = 30.0


@dataclass(frozen=True)
class Finding:
    """A cause seen in one look, and the verdict that it would lead to.

    It is believed after `grace_s` seconds, or as soon as the cluster itself has counted `enough_tries`. `key` says which findings of
    two looks are the same: it names no pod, since a controller replaces pods. `stood_s` is how long it had stood when it was seen, by
    the cluster's own clock: that of the first look counts, since from then on ours goes on.
    """

    key: str
    verdict: Verdict
    grace_s: float
    tries: int = 1
    enough_tries: int | None = None
    stood_s: float = 0.0


class Weighed(NamedTuple):
    """The first finding that is believed, if any; what to remember; and when (our clock) the next grace ends."""

    believed: Finding | None
    sightings: Sightings
    due_s: float | None


def weigh(findings: Sequence[Finding], sightings: Mapping[str, Sighting], at_s: float) -> Weighed:
    """Which of the findings is believed at `at_s`; of several the first in the order given."""
    kept = Sightings(
        {key: sighting for key, sighting in sightings.items() if at_s - sighting.last_s <= GAP_S}
    )
    if findings and findings[0].verdict.outcome is not Outcome.READY:
        kept.last, kept.last_s = findings[0].verdict, at_s
    elif isinstance(sightings, Sightings):
        kept.last, kept.last_s = sightings.last, sightings.last_s
    believed: Finding | None = None
    due_s: list[float] = []
    for finding in findings:
        # However long ago it was seen: had a look missed it for the length of a gap, it would have been dropped then.
        since_s = sightings[finding.key].first_s if finding.key in sightings else at_s - finding.stood_s
        kept[finding.key] = Sighting(since_s, finding.tries, at_s)
        end_s = since_s + finding.grace_s
        enough = finding.enough_tries is not None and finding.tries >= finding.enough_tries
        if at_s < end_s and not enough:
            due_s.append(end_s)
        elif believed is None:
            believed = finding
    return Weighed(believed, kept, min(due_s, default=None))
