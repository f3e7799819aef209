"""Keeps an older build from going over a newer one: runs of one site end in any order.

Law: refused is only a build that is proved to be older. Asked is first the witness that costs nothing (a checkout), then GitHub, and
the registry last, for what the deployed image says of itself; the first witness that knows decides, and is named. Two builds that
diverged are neither older nor newer; where no witness knows, the deploy goes on and says so.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial

from bumper.build_order import (
    Decision,
    Order,
    by_creation,
    commit_in,
    commit_in_label,
    commit_of,
    is_same_commit,
    unknown,
)
from bumper.dataclasses import dataclass, field
from bumper.deploy.pipeline import Admission, Change, Guard
from bumper.errors import BumpError, Refused, Transient
from bumper.fluxtree.sites.find import Target
from bumper.image import ImageManifest, ImageReference
from bumper.ports.deadline import left_s
from bumper.ports.git import Ancestry
from bumper.ports.registry import Registry
from bumper.ports.run import Progress
from bumper.ports.threads import Early, begin, outcome, side_by_side
from bumper.record import Recorded
from bumper.request import Choice, Wanted
from bumper.safe_text import printable

OLDER = "older"
FORCE = "--force --reason TEXT"


@dataclass
class OrderGuard(Guard):
    """`wanted` are the sites by their keys. `ancestries` are asked in their order; `deploys` gives those of a site on a tip, newest
    first: who deployed the newer build.

    With `force` an older build is noted and let through. `choice` is how the sites were named.
    """

    wanted: Mapping[str, Wanted]
    ancestries: Sequence[Ancestry]
    registry: Registry
    progress: Progress
    force: bool = False
    deploys: Callable[[Target, str], Sequence[Recorded]] = lambda target, tip: ()
    choice: Choice = field(default_factory=Choice)
    _known: dict[tuple[str, str, str], Decision] = field(default_factory=dict)
    _foreseen: Sequence[tuple[Change, ImageManifest]] = ()
    _by_commits: dict[tuple[str, str], list[Decision]] = field(default_factory=dict)
    _deployed: dict[ImageReference, Callable[[], ImageManifest]] = field(default_factory=dict)
    _early: Mapping[ImageReference, Early[ImageManifest]] = field(default_factory=dict)

    def expect(self, targets: Mapping[str, Target]) -> None:
        """Begins to ask for each deployed image that is certain to be asked for, since nothing can tell the order by commits."""
        images = [target.image for key, target in targets.items() if self._is_certain(key, target.image)]
        early = {
            image: Early(image.registry, partial(self.registry.resolve, image, behind=True))
            for image in images
        }
        # Where the machine starts no further thread, they are asked for when they are needed.
        with suppress(RuntimeError):
            begin([*early.values()])
            self._early = early

    def _is_certain(self, key: str, there: ImageReference) -> bool:
        wanted = self.wanted.get(key)
        before = commit_in(there.tag)
        if wanted is None or there.tag == wanted.version or (self.ancestries and before):
            return False
        # The tag of a commit may turn out to be the one that is deployed.
        return not (wanted.is_commit and is_same_commit(before, wanted.version))

    def foresee(self, changes: Sequence[tuple[Change, ImageManifest]]) -> None:
        """Remembers the changes: once the registry is asked for the deployed image of one, it is for those of all that need it."""
        self._foreseen = changes

    def admit(self, change: Change, held: ImageManifest, tip: str) -> Admission:
        """How the image stands to the deployed one; Refused where it is proved to be older, unless `force`."""
        decision = self._decision(change, held)
        there, ours = _shown(change.target.image), _shown(change.image)
        if decision.order is Order.OLDER and not self.force:
            site = change.target.site
            raise Refused(
                f"{change.place}: {ours} is older than {there}, which is deployed: {decision.evidence}{self._by_whom(change, tip)}",
                hint=f"to deploy it all the same: {FORCE}; to go back to an earlier one: "
                f"bump rollback {self.choice.site_options(site.name, site.named)}",
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
        before, after = commit_in(there.tag), self.commit(change.key, held)
        reasons: list[str] = []
        for decision in self._told(before, after, there, held):
            if decision.order is not Order.UNKNOWN:
                return decision
            reasons.append(decision.evidence)
        return unknown(reasons)

    def commit(self, key: str, held: ImageManifest) -> str:
        """The commit that the wanted image was built from, as long as it is known; empty where nothing names one."""
        wanted = self.wanted.get(key)
        asked = wanted.version if wanted and wanted.is_commit else ""
        known_commit = commit_of(asked or held.image.tag, held.revision)
        return known_commit if len(known_commit) >= len(asked) else asked

    def _told(
        self, before: str, after: str, there: ImageReference, held: ImageManifest
    ) -> Iterator[Decision]:
        """What each witness says, the cheapest first; a witness is asked only if the witnesses before it did not know."""
        yield from self._told_by_commits(before, after)
        try:
            deployed = self._asked(there)
        except BumpError as error:
            yield Decision(Order.UNKNOWN, f"the registry does not tell of {there.tag}: {error.message}")
            return
        label, our_label = commit_in_label(deployed.revision), commit_in_label(held.revision)
        ends = label or before, our_label or after
        # Equal labels on two images say nothing: both may come from the base image.
        if all(ends) and ends[0] != ends[1] and ends != (before, after):
            yield from self.compared(*ends)
        elif not all(ends):
            nameless = [
                _shown(image) for image, end in zip((there, held.image), ends, strict=True) if not end
            ]
            yield Decision(Order.UNKNOWN, f"neither tag nor label of {' and '.join(nameless)} names a commit")
        yield by_creation(deployed.created, held.created)

    def _told_by_commits(self, before: str, after: str) -> Sequence[Decision]:
        """What `ancestries` say up to the first that knows; nothing where a commit is not known."""
        if not (before and after):
            return ()
        if (before, after) not in self._by_commits:
            decisions = self._by_commits[before, after] = []
            for decision in self.compared(before, after):
                decisions.append(decision)
                if decision.order is not Order.UNKNOWN:
                    break
        return self._by_commits[before, after]

    def _asked(self, there: ImageReference) -> ImageManifest:
        """The deployed image. With the first, all are asked for, side by side, of which commits alone do not tell the order."""
        if there not in self._deployed:
            images = [
                image for image in dict.fromkeys([there, *self._untold()]) if image not in self._deployed
            ]
            answers = side_by_side([partial(outcome, partial(self._resolved, image)) for image in images])
            self._deployed.update(zip(images, answers, strict=True))
        return self._deployed[there]()

    def _resolved(self, there: ImageReference) -> ImageManifest:
        """What was asked for early, or else is asked for now. What failed and may heal before anybody needed it has another try."""
        early = self._early.get(there)
        if early is None:
            return self.registry.resolve(there)
        had_ended, limit_s = early.has_ended, left_s()
        try:
            return early.result()
        except TimeoutError:
            message = f"{there}: the answer was not complete after {round(limit_s, 1):g} s"
            raise Transient(message) from None
        except Transient:
            if not had_ended:
                raise
        return self.registry.resolve(there)

    def _untold(self) -> Iterator[ImageReference]:
        for change, held in self._foreseen:
            there = change.target.image
            decisions = self._told_by_commits(commit_in(there.tag), self.commit(change.key, held))
            if there.tag != change.image.tag and all(each.order is Order.UNKNOWN for each in decisions):
                yield there

    def compared(self, before: str, after: str) -> Iterator[Decision]:
        """What each of `ancestries` says of two commits; where there is none, a decision that says so."""
        for ancestry in self.ancestries:
            yield ancestry.order(before, after)
        if not self.ancestries:
            yield Decision(
                Order.UNKNOWN,
                "neither a checkout of the source repository (--source) nor GitHub (GITHUB_TOKEN, BUMP_SOURCE_REPOSITORY) is at hand",
            )

    def _by_whom(self, change: Change, tip: str) -> str:
        try:
            deploys = self.deploys(change.target, tip)
        except BumpError:  # the refusal stands, even where the history cannot be read
            return ""
        tag = change.target.image.tag
        record = next((deploy.record for deploy in deploys if deploy.record.tag == tag), None)
        if record is None:
            return ""
        return f"; {tag} was deployed by {printable(record.who)} at {record.at:%Y-%m-%d %H:%M} UTC in {record.commit[:7]}"


def _shown(image: ImageReference) -> str:
    return image.tag or image.digest or "an image without a tag"
