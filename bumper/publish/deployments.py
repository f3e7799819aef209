"""A GitHub Deployment for each site, in an environment that is called like it.

Law: what we did not create is never touched. One Deployment for a site and a commit while it is active, however often the run is
repeated; a state is written when it changes, and success never goes back to something unfinished. What stood in the environment before
is made inactive once the new one is a success: GitHub does so only for environments that nobody visits.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from bumper.ports import DeploymentHub, Standing
from bumper.publish import states
from bumper.publish.source import Source
from bumper.publish.states import Deployed, Phase
from bumper.publish.story import Pages, Story

MARK = "gitops-bump"
# How many of the earlier Deployments are looked at, at most.
_LOOKED_AT = 10
_ENDED = (Phase.INACTIVE, Phase.FAILURE, Phase.ERROR)


@dataclass
class _Held:
    """Ours for one environment in this run, and the earlier ones that were not looked at yet."""

    number: int
    phase: str
    earlier: list[int]


@dataclass
class Deployments:
    """The Deployments of one run."""

    hub: DeploymentHub
    source: Source
    close_hub: Callable[[], None]
    name: str = "deployment"
    _held: dict[str, _Held] = field(default_factory=dict)

    def publish(self, story: Story, *, is_last: bool) -> None:
        """Brings each Deployment to what the story says of it."""
        unknown, told = [], []
        for one in states.deployments(story):
            if sha := self.source.commit(one.version):
                told.append((one, self._bring(one, sha, story.pages)))
            else:
                unknown.append(one.version)
        # What is so now comes first; what is so no more may be late.
        for one, held in told:
            if one.phase is Phase.SUCCESS:
                self._retire(held, one, story.pages)
        if unknown and is_last:
            raise self.source.unknown(unknown)

    def close(self) -> None:
        self.close_hub()

    def _bring(self, one: Deployed, sha: str, pages: Pages) -> _Held:
        if one.environment not in self._held:
            self._held[one.environment] = self._open(one, sha, pages)
        held = self._held[one.environment]
        goes_back = held.phase == Phase.SUCCESS and not one.phase.has_ended
        if held.phase != one.phase and not goes_back:
            self._advance(held.number, one.phase, one.description, one.url, pages)
            held.phase = one.phase
        return held

    def _open(self, one: Deployed, sha: str, pages: Pages) -> _Held:
        """The active Deployment of this site and commit, or a new one."""
        ours = [found for found in self.hub.deployments(one.environment) if _is_ours(found, pages)]
        for found in [found for found in ours if found.sha == sha][:_LOOKED_AT]:
            phases = self.hub.phases(found.number)
            if phases[0] not in _ENDED:
                return _Held(found.number, phases[0], _earlier(ours, found.number))
        description = states.fitted(f"{one.site} {one.tag} by {one.revision.short}")
        number = self.hub.deploy(sha, one.environment, description, _payload(one, pages))
        return _Held(number, "", _earlier(ours, number))

    def _retire(self, held: _Held, one: Deployed, pages: Pages) -> None:
        while held.earlier:
            phases = self.hub.phases(held.earlier[0])
            if phases[0] not in _ENDED:
                self._advance(held.earlier[0], Phase.INACTIVE, f"{one.tag} is there instead", "", pages)
            del held.earlier[0]
            if phases[0] == Phase.INACTIVE and Phase.SUCCESS in phases:
                # When it was a success it ended all before it, and somebody has gone on from there.
                held.earlier.clear()

    def _advance(self, number: int, phase: Phase, description: str, url: str, pages: Pages) -> None:
        address = url if url.startswith(("http://", "https://")) else ""
        self.hub.advance(
            number, phase, states.fitted(description), environment_url=address, log_url=pages.run
        )


def _payload(one: Deployed, pages: Pages) -> dict[str, str]:
    """For programs that listen for Deployments, and for us to know ours again."""
    return {
        "by": MARK,
        "site": one.site,
        "tag": one.tag,
        "platform": pages.platform,
        "branch": one.revision.name,
        "commit": one.revision.sha,
    }


def _is_ours(found: Standing, pages: Pages) -> bool:
    return found.payload.get("by") == MARK and found.payload.get("platform") == pages.platform


def _earlier(ours: list[Standing], number: int) -> list[int]:
    return [found.number for found in ours if found.number < number][:_LOOKED_AT]
