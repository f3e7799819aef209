"""Keeps automation off a site that is held.

Law: a hold counts until it has ended for certain; whatever is not known of it is no reason to pass. A hold that a rollback left
refuses the rejected version and its ancestors, and versions that cannot be compared with it; a newer or diverged version passes.
"""

from collections.abc import Callable
from datetime import datetime

from bumper.build_order import Decision, Order, commit_in, is_same_commit, unknown
from bumper.dataclasses import dataclass
from bumper.deploy.hold import annotations
from bumper.deploy.hold.annotations import Hold
from bumper.deploy.pipeline import Admission, Change, Guard
from bumper.errors import Refused
from bumper.image import ImageManifest
from bumper.ports.git import Comparison
from bumper.ports.run import Progress
from bumper.request import site_options

HELD = "held"


@dataclass
class HoldGuard(Guard):
    """With `force` a hold is told and passed. `now` is in UTC."""

    comparison: Comparison
    progress: Progress
    now: Callable[[], datetime]
    force: bool = False

    def admit(self, change: Change, held: ImageManifest, tip: str) -> Admission | None:
        """None where nothing holds the site; Refused where a hold does, unless `force`."""
        holds = annotations.of_site(change.target.site)
        admissions = [admission for hold in holds if (admission := self._admit(hold, change, held))]
        forced = [admission for admission in admissions if admission.forced]
        return next(iter([*forced, *admissions]), None)

    def _admit(self, hold: Hold, change: Change, held: ImageManifest) -> Admission | None:
        if not hold.holds_at(self.now()):
            self.progress.notice(
                f"{change.site}: {hold.place}: this hold has ended ({hold}); bump release takes it away"
            )
            return None
        decision = self._passes(hold, change, held)
        if decision and decision.order in (Order.NEWER, Order.DIVERGED):
            return Admission(
                note=f"not held back with {hold.rejected}: {decision.order} ({decision.evidence})"
            )
        if not self.force:
            site = change.target.site
            why = f"; {change.image.tag}: {decision.evidence}" if decision else ""
            raise Refused(
                f"{hold.place}: {change.site} is not to be changed: {hold}{why}",
                hint=f"bump release {site_options(site.name, site.named)}; or to deploy it all the same: --force --reason TEXT",
            )
        return Admission(HELD, "held, forced")

    def _passes(self, hold: Hold, change: Change, held: ImageManifest) -> Decision | None:
        """How the image stands to the rejected version; None for a hold that keeps everything off."""
        if not hold.rejected:
            return None
        ours = self.comparison.commit(change.key, held)
        rejected = commit_in(hold.rejected)
        if change.image.tag == hold.rejected or is_same_commit(rejected, ours):
            return Decision(Order.SAME, "it is the rejected version")
        if not (rejected and ours):
            which = hold.rejected if ours else change.image.tag
            return unknown([f"{which} names no commit, so that its order is not known"])
        reasons: list[str] = []
        for decision in self.comparison.compared(rejected, ours):
            if decision.order is not Order.UNKNOWN:
                return decision
            reasons.append(decision.evidence)
        return unknown(reasons)
