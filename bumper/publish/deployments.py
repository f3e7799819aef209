"""A GitHub Deployment for each site, in an environment that is called like it; of several sites of one name each has its own.

Law: what we did not create is never touched. One Deployment for a site and a commit while it is active, however often the run is
repeated; a state is written when it changes, and success never goes back to something unfinished. What stood in the environment before
is made inactive once the new one is a success: GitHub does so only for environments that nobody visits.
"""

from collections.abc import Callable

from bumper.dataclasses import dataclass, field
from bumper.ports.github import DeploymentHub, Standing
from bumper.publish import states
from bumper.publish.source import Source
from bumper.publish.states import Deployed, Phase
from bumper.publish.story import Pages, Story

MARK = "gitops-bump"
# How many of the earlier Deployments are looked at, at most.
_LOOKED_AT = 10
_ENDED = (Phase.INACTIVE, Phase.FAILURE, Phase.ERROR)
# What ended may heal; what something newer has ended stays so.
_RESUMED = dict.fromkeys(Phase, (Phase.FAILURE, Phase.ERROR)) | {Phase.INACTIVE: _ENDED}


@dataclass
class _Held:
    """Our Deployment in one environment in this run, and the numbers of the earlier Deployments that were not looked at yet."""

    number: int
    phase: str
    earlier: list[int]


@dataclass
class Deployments:
    """The Deployments of one run.

    With `resumes` those that an earlier run left or ended are gone on with, and none is made of what neither succeeded nor failed.
    """

    hub: DeploymentHub
    source: Source
    close_hub: Callable[[], None]
    name: str = "deployment"
    resumes: bool = False
    _held: dict[str, _Held] = field(default_factory=dict)

    def publish(self, story: Story, *, is_last: bool) -> None:
        """Brings each Deployment to what the story says of it."""
        unknown, held_deployments = [], []
        for deployed in states.deployments(story):
            if sha := self.source.commit(deployed.version):
                if held := self._bring(deployed, sha, story.pages):
                    held_deployments.append((deployed, held))
            else:
                unknown.append(deployed.version)
        # The new states come first; earlier Deployments may become inactive late.
        for deployed, held in held_deployments:
            if deployed.phase is Phase.SUCCESS:
                self._retire(held, deployed, story.pages)
        if unknown and is_last:
            raise self.source.unknown(unknown)

    def close(self) -> None:
        self.close_hub()

    def _bring(self, deployed: Deployed, sha: str, pages: Pages) -> _Held | None:
        if deployed.environment not in self._held:
            opened = self._open(deployed, sha, pages)
            if opened is None:
                return None
            self._held[deployed.environment] = opened
        held = self._held[deployed.environment]
        goes_back = held.phase == Phase.SUCCESS and not deployed.phase.has_ended
        if held.phase != deployed.phase and not goes_back:
            self._advance(held.number, deployed.phase, deployed.description, deployed.url, pages)
            held.phase = deployed.phase
        return held

    def _open(self, deployed: Deployed, sha: str, pages: Pages) -> _Held | None:
        """The Deployment of this site and commit that can be gone on with, or a new one."""
        ours = self._ours(deployed.environment, pages)
        shared = [standing.number for standing in self._shared(deployed, pages)][:_LOOKED_AT]
        for standing in [standing for standing in ours if standing.sha == sha][:_LOOKED_AT]:
            phases = self.hub.phases(standing.number)
            if phases[0] not in _ENDED or (self.resumes and phases[0] in _RESUMED[deployed.phase]):
                return _Held(standing.number, phases[0], [*_earlier(ours, standing.number), *shared])
        if self.resumes and deployed.phase not in (Phase.SUCCESS, Phase.FAILURE):
            return None
        description = states.fitted(f"{deployed.site} {deployed.tag} by {deployed.revision.short}")
        number = self.hub.deploy(sha, deployed.environment, description, _payload(deployed, pages))
        return _Held(number, "", [*_earlier(ours, number), *shared])

    def _ours(self, environment: str, pages: Pages) -> list[Standing]:
        return [standing for standing in self.hub.deployments(environment) if _is_ours(standing, pages)]

    def _shared(self, deployed: Deployed, pages: Pages) -> list[Standing]:
        """Those of when the site was the only one of its name, and of earlier versions, which do not say which one they mean."""
        if not deployed.shared_environment:
            return []
        mine = (None, deployed.kustomization)
        shared = self._ours(deployed.shared_environment, pages)
        return [standing for standing in shared if standing.payload.get("kustomization") in mine]

    def _retire(self, held: _Held, deployed: Deployed, pages: Pages) -> None:
        while held.earlier:
            phases = self.hub.phases(held.earlier[0])
            if phases[0] not in _ENDED:
                self._advance(held.earlier[0], Phase.INACTIVE, f"{deployed.tag} is there instead", "", pages)
            del held.earlier[0]
            if phases[0] == Phase.INACTIVE and Phase.SUCCESS in phases:
                # As a success it ended every Deployment before it, and a later Deployment has ended it in turn.
                held.earlier.clear()

    def _advance(self, number: int, phase: Phase, description: str, url: str, pages: Pages) -> None:
        address = url if url.startswith(("http://", "https://")) else ""
        self.hub.advance(
            number, phase, states.fitted(description), environment_url=address, log_url=pages.run
        )


def _payload(deployed: Deployed, pages: Pages) -> dict[str, str]:
    """For programs that listen for Deployments, and for us to know ours again."""
    kustomization = {"kustomization": deployed.kustomization} if deployed.kustomization else {}
    return {
        "by": MARK,
        "site": deployed.site,
        "tag": deployed.tag,
        "platform": pages.platform,
        "branch": deployed.revision.name,
        "commit": deployed.revision.sha,
        **kustomization,
    }


def _is_ours(standing: Standing, pages: Pages) -> bool:
    return standing.payload.get("by") == MARK and standing.payload.get("platform") == pages.platform


def _earlier(ours: list[Standing], number: int) -> list[int]:
    return [standing.number for standing in ours if standing.number < number][:_LOOKED_AT]
