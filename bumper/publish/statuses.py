"""A commit status for each site on the commit that it was built from: `bump/SITE`."""

from collections.abc import Callable
from dataclasses import dataclass, field

from bumper.ports import StatusHub
from bumper.publish import states
from bumper.publish.source import Source
from bumper.publish.states import Checked
from bumper.publish.story import Story


@dataclass
class Statuses:
    """The commit statuses of one run: written when something has changed, never twice the same."""

    hub: StatusHub
    source: Source
    close_hub: Callable[[], None]
    name: str = "status"
    _told: dict[str, Checked] = field(default_factory=dict)

    def publish(self, story: Story, *, is_last: bool) -> None:
        """Tells what the story says of each site."""
        unknown = []
        for one in states.checks(story):
            sha = self.source.commit(one.version)
            if not sha:
                unknown.append(one.version)
            elif self._told.get(one.context) != one:
                self.hub.tell(sha, one.context, one.state, one.description, story.pages.run)
                self._told[one.context] = one
        if unknown and is_last:
            raise self.source.unknown(unknown)

    def close(self) -> None:
        self.close_hub()
