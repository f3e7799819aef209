"""The comment on each pull request that a deployed commit came from."""

from collections.abc import Callable

from bumper.dataclasses import dataclass, field, replace
from bumper.ports.github import CommentHub
from bumper.publish.source import Source
from bumper.publish.sticky import Sticky
from bumper.publish.story import SiteStory, Story


@dataclass
class Comments:
    """The comments of one run."""

    hub: CommentHub
    source: Source
    close_hub: Callable[[], None]
    name: str = "comment"
    _pulls: dict[str, int | None] = field(default_factory=dict)
    _stickies: dict[int, Sticky] = field(default_factory=dict)

    def publish(self, story: Story, *, is_last: bool) -> None:
        for pull, part in self._by_pull(story).items():
            self._stickies.setdefault(pull, Sticky(self.hub, pull)).write(part, is_last=is_last)

    def close(self) -> None:
        self.close_hub()

    def _by_pull(self, story: Story) -> dict[int, Story]:
        """What each pull request is told: its own sites. A run that ended before it knew its sites speaks of the workflow's commit."""
        if not story.sites:
            pull = self._pull(self.source.head)
            return {pull: story} if pull and story.has_ended else {}
        sites: dict[int, list[SiteStory]] = {}
        for site in story.sites:
            pull = self._pull(site.wanted)
            if pull:
                sites.setdefault(pull, []).append(site)
        return {pull: replace(story, sites=tuple(some)) for pull, some in sites.items()}

    def _pull(self, version: str) -> int | None:
        if version not in self._pulls:
            sha = self.source.commit(version)
            self._pulls[version] = self.hub.pull_of(sha) if sha else None
        return self._pulls[version]
