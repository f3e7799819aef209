"""A commit status for each site on the commit that it was built from: `bump/SITE`."""

from collections.abc import Callable

from bumper.dataclasses import dataclass, field
from bumper.ports.github import StatusHub
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
    _posted: dict[str, Checked] = field(default_factory=dict)

    def publish(self, story: Story, *, is_last: bool) -> None:
        """Tells what the story says of each site."""
        unknown = []
        for checked in states.checks(story):
            sha = self.source.commit(checked.version)
            if not sha:
                unknown.append(checked.version)
            elif self._posted.get(checked.context) != checked:
                self.hub.tell(sha, checked.context, checked.state, checked.description, story.pages.run)
                self._posted[checked.context] = checked
        if unknown and is_last:
            raise self.source.unknown(unknown)

    def close(self) -> None:
        self.close_hub()
