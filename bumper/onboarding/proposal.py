"""The commits that bring a site or take one away, each proposed on one tip, and the verdicts on those that nobody follows."""

from datetime import datetime

from bumper.dataclasses import dataclass, replace
from bumper.deploy.commit.push import Proposal
from bumper.deploy.hold import annotations
from bumper.errors import Outcome, Refused
from bumper.image import ImageReference
from bumper.objects import NO_OBJECT
from bumper.observation import Desired
from bumper.onboarding import addition, removal
from bumper.onboarding.addition import NO_IMAGE_YET, Addition, SiteRequest
from bumper.onboarding.message import of_addition, of_removal
from bumper.onboarding.removal import Removal
from bumper.ports.git import Repository
from bumper.ports.github import Pull
from bumper.request import Origin
from bumper.revision import Revision
from bumper.rollout.verdict import Verdict


@dataclass(frozen=True)
class SiteAddition(Proposal):
    """The commit that brings a site; `addition` says where its image stands."""

    addition: Addition

    @property
    def name(self) -> str:
        """The site's."""
        return self.addition.wanted.name

    @property
    def image(self) -> ImageReference:
        """The image that is written."""
        return self.addition.target.image

    def planned(self) -> Verdict:
        """Of a dry run."""
        return Verdict(Outcome.PLANNED, "DryRun", f"{self._summary} would be added; nothing was written")

    def pushed(self, revision: Revision) -> Verdict:
        """Of a commit that is not followed, or that cannot be since there is no image yet."""
        at = f"{self._summary} is on the branch as {revision.short}"
        if self.image.tag != NO_IMAGE_YET:
            return Verdict(Outcome.PUSHED, "Pushed", f"{at}; not followed")
        hint = f"bump --site {self.name} --sha SHA, once the image is pushed"
        return Verdict(Outcome.PUSHED, "NoImageYet", f"{at}, without an image yet", hint=hint)

    def proposed(self, pull: Pull) -> Verdict:
        """Of a pull request that somebody else is to merge."""
        message = f"{self._summary} is proposed by {pull}: {pull.url}"
        hint = f"once it is merged: bump track --site {self.name}"
        return Verdict(Outcome.PUSHED, "PullRequest", message, hint=hint)

    @property
    def _summary(self) -> str:
        like = self.addition.like
        shape = f", modelled on {like}" if like else ", in the plain form"
        paths = dict.fromkeys(target.site.path for target in self.addition.targets)
        return f"{', '.join(paths)} ({len(self.files)} files{shape})"


def add(
    wanted: SiteRequest, image: ImageReference | None, repository: Repository, branch: str, origin: Origin
) -> SiteAddition:
    """The new site on the tip of the branch, with the image or with none yet; Refused where it cannot be."""
    tip = repository.fetch(branch)
    tag, digest = (image.tag, image.digest) if image else (NO_IMAGE_YET, "")
    made = addition.plan(repository.tree(tip), wanted, tag, digest)
    written = image.with_tag(tag, digest) if image else made.target.image
    return SiteAddition(tip, made.files, of_addition(made, written, origin), made)


@dataclass(frozen=True)
class SiteRemoval(Proposal):
    """The commit that takes a site away; `removal` says what that means."""

    removal: Removal

    @property
    def name(self) -> str:
        """The site's."""
        return self.removal.name

    def planned(self) -> Verdict:
        """Of a dry run."""
        return Verdict(
            Outcome.PLANNED, "DryRun", f"{len(self.files)} files would change; nothing was written"
        )

    def pushed(self, revision: Revision) -> Verdict:
        """Of a commit that is not followed."""
        message = f"{self.name} is off the branch as of {revision.short}; not followed"
        return Verdict(Outcome.PUSHED, "Pushed", message)

    def not_pruned(self, revision: Revision) -> Verdict:
        """Of a removal that deletes nothing in the cluster."""
        message = f"{self.name} is off the branch as of {revision.short}; nothing in the cluster goes"
        return Verdict(Outcome.PUSHED, "NotPruned", message, hint=self.removal.why_kept)

    def desired(self, revision: Revision | None) -> Desired:
        """The objects whose absence is waited for; without a revision as they stand before."""
        site, deleted = self.removal.site, self.removal.deleted
        workload = next((built.key for built in deleted if built.key.kind == "Deployment"), NO_OBJECT)
        return replace(site.desired(revision), site=self.name, workload=workload)

    def require_no_more(self, later: "SiteRemoval") -> None:
        """Raises Refused where the removal on a later tip would delete more than this one, which somebody agreed to."""
        agreed = {built.key for built in self.removal.deleted}
        if more := sorted({built.key for built in later.removal.deleted} - agreed):
            raise Refused(
                f"{self.name}: another push added {', '.join(map(str, more))} to what would be deleted",
                hint="run the command again to see all of it",
            )


def remove(name: str, repository: Repository, branch: str, origin: Origin, now: datetime) -> SiteRemoval:
    """The removal of the site on the tip of the branch; Refused where it is held, or something else needs it."""
    tip = repository.fetch(branch)
    made = removal.plan(repository.tree(tip), name)
    for held, hold in annotations.of_kustomization(made.site).items():
        if hold.holds_at(now):
            option = "" if held == name else f" --kustomization {name}"
            raise Refused(
                f"{hold.place}: {held} is not to be changed: {hold}",
                hint=f"bump release --site {held}{option}",
            )
    return SiteRemoval(tip, made.files, of_removal(made, origin), made)
