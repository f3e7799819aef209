"""Keeps an older build from going over a newer one: runs of one site end in any order.

Law: refused is only what something proves to be older. Asked is first what costs nothing (a checkout), then GitHub, and the registry
last, for what the image that is there says of itself; the first that knows decides, and is named. Two that diverged are neither older
nor newer; where nobody knows, the deploy goes on and says so.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bumper.build_order import Decision, Order, by_creation, commit_in, commit_in_label, commit_of, unknown
from bumper.deploy.pipeline import Admission, Change
from bumper.errors import BumpError, Refused
from bumper.image import ImageManifest, ImageReference
from bumper.ports import Ancestry, Progress, Registry
from bumper.record import Recorded
from bumper.request import Wanted
from bumper.safe_text import printable

OLDER = "older"
FORCE = "--force --reason TEXT"


@dataclass
class OrderGuard:
    """`ancestries` are asked in their order; `deploys` gives those of a site, newest first, to say who deployed the newer one.

    A `pipeline.Guard`. With `force` what is older is told and let through.
    """

    wanted: Mapping[str, Wanted]
    ancestries: Sequence[Ancestry]
    registry: Registry
    progress: Progress
    force: bool = False
    deploys: Callable[[str], Sequence[Recorded]] = lambda site: ()
    _known: dict[tuple[str, str, str], Decision] = field(default_factory=dict)

    def admit(self, change: Change, held: ImageManifest, tip: str) -> Admission:
        decision = self._decision(change, held)
        there, ours = _shown(change.target.image), _shown(change.image)
        if decision.order is Order.OLDER and not self.force:
            raise Refused(
                f"{change.place}: {ours} is older than {there}, which is deployed: {decision.evidence}{self._by_whom(change)}",
                hint=f"to deploy it all the same: {FORCE}; to go back to an earlier one: bump rollback --site {change.site}",
            )
        if decision.order is Order.OLDER:
            return Admission(OLDER, f"older ({decision.witness}), forced", decision, settles_race=True)
        if decision.order is Order.NEWER:
            return Admission(note=f"newer ({decision.witness})", order=decision, settles_race=True)
        if decision.order is Order.DIVERGED:
            self.progress.notice(
                f"{change.site}: {there} and {ours} diverged, neither is the older one ({decision.evidence})"
            )
        if decision.order is Order.UNKNOWN:
            self.progress.notice(
                f"{change.site}: not known whether {ours} is newer than {there}: {decision.evidence}"
            )
        return Admission(order=decision)

    def _decision(self, change: Change, held: ImageManifest) -> Decision:
        there = change.target.image
        key = change.site, str(there), str(change.image)
        if key not in self._known:
            self._known[key] = self._compared(change, held)
        return self._known[key]

    def _compared(self, change: Change, held: ImageManifest) -> Decision:
        there = change.target.image
        if there.tag == change.image.tag:
            return Decision(Order.SAME, "the tag is the same")
        before, after = commit_in(there.tag), self.commit(change.site, held)
        reasons: list[str] = []
        for decision in self._told(before, after, there, held):
            if decision.order is not Order.UNKNOWN:
                return decision
            reasons.append(decision.evidence)
        return unknown(reasons)

    def commit(self, site: str, held: ImageManifest) -> str:
        """The commit that the wanted image was built from, as long as it is known; empty where nothing names one."""
        wanted = self.wanted.get(site)
        asked = wanted.version if wanted and wanted.is_commit else ""
        found = commit_of(asked or held.image.tag, held.revision)
        return found if len(found) >= len(asked) else asked

    def _told(
        self, before: str, after: str, there: ImageReference, held: ImageManifest
    ) -> Iterator[Decision]:
        """What each witness says, the cheapest first; one is asked only if those before it did not know."""
        if before and after:
            yield from self.compared(before, after)
        try:
            found = self.registry.resolve(there)
        except BumpError as error:
            yield Decision(Order.UNKNOWN, f"the registry does not tell of {there.tag}: {error.message}")
            return
        label, our_label = commit_in_label(found.revision), commit_in_label(held.revision)
        ends = label or before, our_label or after
        # Equal labels on two images say nothing: both may come from the base image.
        if all(ends) and ends[0] != ends[1] and ends != (before, after):
            yield from self.compared(*ends)
        elif not all(ends):
            nameless = [
                _shown(image) for image, end in zip((there, held.image), ends, strict=True) if not end
            ]
            yield Decision(Order.UNKNOWN, f"neither tag nor label of {' and '.join(nameless)} names a commit")
        yield by_creation(found.created, held.created)

    def compared(self, before: str, after: str) -> Iterator[Decision]:
        """What each of them says of two commits; at its end whatever says that nobody could be asked."""
        for ancestry in self.ancestries:
            yield ancestry.order(before, after)
        if not self.ancestries:
            yield Decision(
                Order.UNKNOWN,
                "neither a checkout of the source repository (--source) nor GitHub (GITHUB_TOKEN, BUMP_SOURCE_REPOSITORY) is at hand",
            )

    def _by_whom(self, change: Change) -> str:
        try:
            deploys = self.deploys(change.site)
        except BumpError:  # what is refused is refused, whoever it was
            return ""
        tag = change.target.image.tag
        found = next((one.record for one in deploys if one.record.tag == tag), None)
        if found is None:
            return ""
        return f"; {tag} was deployed by {printable(found.who)} at {found.at:%Y-%m-%d %H:%M} UTC in {found.commit[:7]}"


def _shown(image: ImageReference) -> str:
    return image.tag or image.digest or "an image without a tag"
