"""Bringing a new site to Ready: the job of `bump new-site`."""

from collections.abc import Iterable

from bumper.app.context import Context
from bumper.app.output import Output, Result
from bumper.app.run import Job, carry_out, report_of
from bumper.app.settings import NewSiteSettings
from bumper.app.tracker import Tracker
from bumper.app.wiring import Systems
from bumper.dataclasses import replace
from bumper.deploy import image_gate
from bumper.deploy.commit import push
from bumper.deploy.commit.push import Landed
from bumper.errors import ImageAmbiguous, ImageMissing, Unreachable
from bumper.fluxtree.sites.find import Target
from bumper.image import ImageReference
from bumper.onboarding import proposal
from bumper.onboarding.addition import NO_IMAGE_YET
from bumper.onboarding.proposal import SiteAddition
from bumper.progress import Journal
from bumper.publish.report import Report, SiteReport
from bumper.recording.encoding import Subject
from bumper.request import Deadlines, Request, Wanted
from bumper.retry import answered
from bumper.revision import Revision
from bumper.rollout.verdict import Verdict

_MOST_LISTED = 8


def add_site(settings: NewSiteSettings, context: Context) -> int:
    """Adds the site, follows it to Ready, and returns the exit code of its outcome."""
    run = settings.run
    with (
        Systems(context, run.repository, run.permissions) as systems,
        Output(systems, run.output) as output,
    ):
        tracker = Tracker(systems, run.follow)
        journal = output.begin(name_sites=len(tracker.clusters) > 1)
        return carry_out(_NewSite(settings, systems, tracker, journal), output, dry_run=run.dry_run)


class _NewSite(Job[SiteAddition]):
    def __init__(
        self, settings: NewSiteSettings, systems: Systems, tracker: Tracker, journal: Journal
    ) -> None:
        self._settings = settings
        self._run = settings.run
        self._systems = systems
        self._tracker = tracker
        self._journal = journal
        self._origin = systems.context.surroundings.origin()
        self._wanted = settings.site
        self._name = settings.site.name
        self._image: ImageReference | None = None

    def open(self) -> None:
        self._tracker.open()

    def plan(self) -> SiteAddition:
        first = answered(self._propose, self._systems.clock, self._run.commit.push_timeout_s)
        # Chosen once: what is planned again on another tip shall be the same site.
        like = first.addition.like
        self._tracker.look_ahead(first.addition.targets)
        self._wanted = replace(self._wanted, like=like, is_plain=not like)
        self._image = self._first_image(first.addition.target)
        plan = self._propose()
        for notice in plan.addition.notices:
            self._journal.notice(f"{plan.name}: {notice}")
        return plan

    def planned(self, plan: SiteAddition) -> Result:
        return self._unfollowed(plan, None, plan.planned(), plan.diff())

    def confirm(self, plan: SiteAddition) -> Result | None:
        if not self._settings.only_proposes:
            return None
        pull = self._systems.propose(plan, self._run.repository.branch, self._run.commit.wording)
        return self._unfollowed(plan, None, plan.proposed(pull))

    def land(self, plan: SiteAddition) -> Landed[SiteAddition]:
        branch, commit = self._run.repository.branch, self._run.commit
        self._tracker.require_clusters(self._journal)
        landed = push.land(
            plan,
            self._propose,
            self._systems.writer(commit, self._tell),
            branch,
            self._systems.clock,
            commit.push_s,
            lambda _, text: self._tell(text),
        )
        place = landed.plan.addition.place
        self._journal.done(plan.name, "commit", f"{landed.revision.short}   {place}")
        return landed

    def follow(self, landed: Landed[SiteAddition]) -> Result:
        plan, revision = landed.plan, landed.revision
        if not self._run.follow.is_wanted or plan.image.tag == NO_IMAGE_YET:
            return self._unfollowed(plan, revision, plan.pushed(revision))
        targets = plan.addition.targets
        self._share_steps(targets)
        subjects = [_subject(target, revision, self._journal) for target in targets]
        followed = self._tracker.follow(subjects, targets, self._journal)
        return Result.of(report_of(subjects, followed, self._journal))

    def standing(self, landed: Landed[SiteAddition] | None) -> list[str]:
        name = self._name
        if landed:
            return [
                f"{name} is on the branch as {landed.revision.short}",
                f"the cluster goes on by itself; to follow again: bump track --site {name} --commit {landed.revision.sha}",
            ]
        if any(step.stage == "commit" for step in self._journal.steps(name)):
            return [
                "a push was under way and may have arrived: look at the branch before running the same command again"
            ]
        return ["nothing was written"]

    def _share_steps(self, targets: Iterable[Target]) -> None:
        """What was done for the site was done for it in each of its clusters."""
        labels = [target.site.label for target in targets if target.site.label != self._name]
        for label in labels:
            self._journal.begin(label, "new", self._image.tag if self._image else NO_IMAGE_YET)
            steps = [replace(step, site=label) for step in self._journal.steps(self._name)]
            self._journal.resume(label, steps, self._journal.since(self._name))

    def _propose(self) -> SiteAddition:
        repository, branch = self._systems.repository, self._run.repository.branch
        return proposal.add(self._wanted, self._image, repository, branch, self._origin)

    def _tell(self, text: str) -> None:
        self._journal.moving(self._name, "commit", text)

    def _first_image(self, target: Target) -> ImageReference:
        """The image that the site begins with: the one asked for, the only one there is, or none yet."""
        name, wanted = self._name, self._settings.wanted
        if wanted is None:
            tag = self._only_tag(target.image)
            self._journal.begin(name, "new", tag or NO_IMAGE_YET)
            return self._resolved(Wanted(name, tag), target) if tag else target.image.with_tag(NO_IMAGE_YET)
        self._journal.begin(name, "new", wanted.version)
        return self._resolved(wanted, target)

    def _resolved(self, wanted: Wanted, target: Target) -> ImageReference:
        settings, systems = self._settings, self._systems
        deadlines = Deadlines(
            settings.image_timeout_s, self._run.commit.push_timeout_s, self._run.follow.timeout_s
        )
        request = Request(
            (wanted,),
            self._run.repository.branch,
            deadlines=deadlines,
            platforms=settings.platforms,
            source=systems.context.surroundings.source_url(systems.repository.url),
        )
        nodes = tuple if settings.platforms else self._tracker.nodes(self._journal)
        # The image is one for all clusters.
        targets = {self._name: replace(target, site=replace(target.site, where=""))}
        manifests = image_gate.resolve(
            request, targets, systems.registry, systems.clock, self._journal, nodes
        )
        return manifests[self._name].image

    def _only_tag(self, image: ImageReference) -> str:
        """The only tag of the repository; empty, with a notice, where there is none or the registry cannot tell."""
        problem = ""
        try:
            tags = self._systems.registry.tags(image.with_tag("")).names
        except (ImageMissing, Unreachable) as error:
            tags, problem = (), error.message
        if len(tags) > 1:
            listed = ", ".join(tags[:_MOST_LISTED]) + (" and more" if len(tags) > _MOST_LISTED else "")
            raise ImageAmbiguous(
                f"{image.repository}: {len(tags)} tags, expected one to begin with ({listed})",
                hint="name it: --tag TAG or --sha SHA",
            )
        if not tags:
            self._tell_no_image(problem)
        return tags[0] if tags else ""

    def _tell_no_image(self, problem: str) -> None:
        name = self._name
        self._journal.notice(
            f"{name}: no image yet: {NO_IMAGE_YET} is written for its tag, and no pod runs before "
            f"bump --site {name} --sha SHA brings the first image"
        )
        if problem:
            self._journal.notice(f"{name}: its tags are not known: {problem}")

    def _unfollowed(
        self, plan: SiteAddition, revision: Revision | None, verdict: Verdict, diff: str = ""
    ) -> Result:
        site = SiteReport(
            site=plan.name,
            previous=plan.image.with_tag(""),
            image=plan.image,
            place=plan.addition.place,
            revision=revision,
            verdict=verdict,
            steps=self._journal.steps(plan.name),
            url=plan.addition.target.url,
        )
        journal = self._journal
        return Result.of(Report((site,), journal.seconds, tuple(journal.notices), diff))


def _subject(target: Target, revision: Revision, journal: Journal) -> Subject:
    label = target.site.label
    return Subject(
        followed=target.desired(revision),
        places=target.all_places,
        stays=tuple(map(str, target.stays)),
        previous=target.image.with_tag(""),
        place=target.place,
        revision=revision,
        url=target.url,
        header=("new", target.image.tag),
        steps=journal.steps(label),
        since_s=journal.since(label),
    )
