"""What a story means for GitHub's Deployments and commit statuses.

Law: a Deployment stands for what is on the platform's branch, so there is none before the commit is there: what was refused, or lost
its push, deployed nothing. A commit status stands for the run, and says of a site what its exit code says. A run that has ended leaves
nothing pending, and success is said once, at the end.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from bumper.dataclasses import dataclass
from bumper.errors import EXIT_CODES, Outcome
from bumper.ports.run import Step
from bumper.publish import report
from bumper.publish.report import SiteReport
from bumper.publish.story import SiteStory, Story
from bumper.revision import Revision
from bumper.rollout.verdict import SiteStage, Stage
from bumper.safe_text import printable

# GitHub refuses a longer description with 422. Counted in bytes, the strictest reading of "characters".
LONGEST = 140


class Phase(StrEnum):
    """Of a Deployment, in GitHub's words."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"
    INACTIVE = "inactive"

    @property
    def has_ended(self) -> bool:
        return self not in (Phase.QUEUED, Phase.IN_PROGRESS)


class Check(StrEnum):
    """Of a commit status, in GitHub's words."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


# Failure is the rollout's own; error is whatever keeps us from saying more, and leaves open what the cluster does by itself.
PHASES: Mapping[Outcome, Phase | None] = {
    Outcome.READY: Phase.SUCCESS,
    Outcome.SERVING: Phase.SUCCESS,
    Outcome.APPLIED: Phase.SUCCESS,
    Outcome.UNCHANGED: Phase.SUCCESS,
    Outcome.FAILED: Phase.FAILURE,
    # Nothing of it is left to be in any state.
    Outcome.REMOVED: Phase.INACTIVE,
    # Something newer stands in its place: it neither failed nor is it there.
    Outcome.SUPERSEDED: Phase.INACTIVE,
    Outcome.TIMED_OUT: Phase.ERROR,
    Outcome.SUSPENDED: Phase.ERROR,
    Outcome.BLOCKED: Phase.ERROR,
    Outcome.UNKNOWN: Phase.ERROR,
    # Nobody looks what becomes of it: neither a success nor anything else may be said.
    Outcome.PUSHED: None,
    # Nothing of it is on the branch.
    Outcome.PLANNED: None,
    Outcome.REFUSED: None,
    Outcome.CONTENTION: None,
    Outcome.DENIED: None,
}


@dataclass(frozen=True)
class Deployed:
    """One site in one cluster, as its Deployment should stand. `version` is what was asked for, `tag` what was written for it.

    `kustomization` is what the history tells the site by. `shared_environment` is where an earlier version wrote of it, and of all
    others of its name; empty for the only one of its name.
    """

    environment: str
    site: str
    version: str
    tag: str
    revision: Revision
    phase: Phase
    description: str
    url: str = ""
    kustomization: str = ""
    shared_environment: str = ""


@dataclass(frozen=True)
class Checked:
    """One site, as its status on the source commit should stand."""

    context: str
    version: str
    state: Check
    description: str


def deployments(story: Story) -> list[Deployed]:
    """How each Deployment should stand: one for each site in each cluster that is followed; none for what is not on the branch."""
    return [
        deployed
        for site in story.sites
        for cluster in story.clusters or ("",)
        if _is_followed(site, cluster)
        if (deployed := _deployed(story, site, cluster))
    ]


def checks(story: Story) -> list[Checked]:
    """How the status of each site should stand. A run that ended before it found its sites speaks of the sites asked for."""
    if not story.sites and story.has_ended:
        return [_checked(story, SiteStory(site, "", version)) for site, version in story.asked]
    return [_checked(story, site) for site in story.sites]


def _is_followed(site: SiteStory, cluster: str) -> bool:
    return site.landing is None or not site.landing.clusters or cluster in ("", *site.landing.clusters)


def _deployed(story: Story, site: SiteStory, cluster: str) -> Deployed | None:
    if site.landing is None:
        return None
    name = f"{site.site} in {cluster}"
    reports = [site_report for site_report in site.reports if not cluster or site_report.site == name]
    stages = site.stages.items()
    steps = [step for label, steps in stages if not cluster or label == name for step in steps]
    progress = _ended(story, reports) if story.has_ended else _moving(steps)
    if progress is None:
        return None
    phase, description = progress
    return Deployed(
        environment=_environment(site.site, cluster),
        site=site.site,
        version=site.wanted,
        tag=site.landing.tag,
        revision=site.landing.revision,
        phase=phase,
        description=fitted(description),
        url=site.landing.url,
        kustomization=site.landing.kustomization,
        shared_environment=_environment(site.landing.site, cluster) if site.landing.site else "",
    )


def _environment(site: str, cluster: str) -> str:
    return f"{site} ({cluster})" if cluster else site


def _moving(steps: Sequence[Step]) -> tuple[Phase, str]:
    """Queued until Flux has fetched the commit."""
    following = [step for step in steps if step.stage in {*Stage, *SiteStage}]
    if not following:
        return Phase.QUEUED, "on the platform's branch"
    last = following[-1]
    is_fetched = any(step.stage != Stage.FETCHED for step in following)
    return (Phase.IN_PROGRESS if is_fetched else Phase.QUEUED), f"{last.stage}: {last.detail}"


def _ended(story: Story, reports: Sequence[SiteReport]) -> tuple[Phase, str] | None:
    if not reports:
        return Phase.ERROR, f"not followed any more: {_words(story)}"
    worst = _worst(reports)
    phase = PHASES[worst.verdict.outcome]
    return (phase, _said(worst)) if phase else None


def _checked(story: Story, site: SiteStory) -> Checked:
    state, description = _state(story, site)
    return Checked(f"bump/{site.site}", site.wanted, state, fitted(description))


def _state(story: Story, site: SiteStory) -> tuple[Check, str]:
    if site.reports:
        # Of several clusters the worst one speaks.
        worst = _worst(site.reports)
        name = f"{worst.site}: " if len(site.reports) > 1 else ""
        return _check(worst.verdict.outcome), f"{name}{_said(worst)}"
    if story.has_ended:
        return Check.ERROR, _words(story)
    steps = [steps[-1] for steps in site.stages.values() if steps]
    return Check.PENDING, f"{steps[-1].stage}: {steps[-1].detail}" if steps else "looking at the platform"


def _check(outcome: Outcome) -> Check:
    """By the exit code, which scripts go by too."""
    if outcome is Outcome.FAILED:
        return Check.FAILURE
    return Check.ERROR if EXIT_CODES[outcome] else Check.SUCCESS


def _worst(reports: Sequence[SiteReport]) -> SiteReport:
    gravity = (Check.SUCCESS, Check.ERROR, Check.FAILURE)
    return max(reports, key=lambda site_report: gravity.index(_check(site_report.verdict.outcome)))


def _said(ended: SiteReport) -> str:
    verdict = ended.verdict
    if report.is_good(verdict):
        return (
            f"{report.title(verdict.outcome)}{report.taken(ended, sum(step.seconds for step in ended.steps))}"
        )
    return f"{report.title(verdict.outcome)}{report.comma(ended)}: {verdict.message}"


def _words(story: Story) -> str:
    """Why a run ended without a verdict."""
    if story.error is None:
        return story.standing[0] if story.standing else "the run ended"
    outcome = (story.error.outcome or "not started").replace("-", " ")
    return f"{outcome}: {story.error.message}"


def fitted(text: str) -> str:
    """`text` on one line without secrets, cut to what GitHub takes."""
    line = printable(text).encode()
    return line.decode() if len(line) <= LONGEST else line[: LONGEST - 3].decode(errors="ignore") + "…"
