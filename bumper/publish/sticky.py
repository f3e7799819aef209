"""The one comment of a pull request that tells of its deploys.

Law: one comment, edited in place, however many runs write at once. GitHub has no "create unless there is one" and no "edit unless it
has changed". So a run that has created a comment looks again: of several, the oldest stays, and the others are deleted by the runs
that made them. And the run that has written the last word looks whether it still stands there, because another run may have
written over it.
"""

from bumper.ports.github import CommentHub, Posted
from bumper.publish.comment import MARKER, holds, merged
from bumper.publish.story import Story

# How often the last word is written again after another run wrote over it.
_LAST_WORDS = 4


class Sticky:
    """Keeps the comment of one pull request; `pull` is its number."""

    def __init__(self, hub: CommentHub, pull: int) -> None:
        self._hub = hub
        self._pull = pull
        self._number: int | None = None

    def write(self, story: Story, *, is_last: bool = False) -> None:
        """Brings the comment to what `story` says; the last time it is looked at once more."""
        self._write(story)
        for _ in range(_LAST_WORDS if is_last else 0):
            posted = self._find()
            if posted and holds(posted.body, story):
                return
            self._number = posted.number if posted else None
            self._write(story)

    def _write(self, story: Story) -> None:
        standing = self._hub.comment(self._number) if self._number else self._find()
        if standing is None:
            self._create(story)
            return
        self._number = standing.number
        body = merged(standing.body, story)
        if body != standing.body and not self._hub.edit_comment(standing.number, body):
            self._number = None
            self._create(story)

    def _create(self, story: Story) -> None:
        created = self._hub.create_comment(self._pull, merged("", story))
        self._number = created.number
        oldest = self._find()
        if oldest and oldest.number != created.number:
            # Another run was faster: its comment stays, with our sections in it.
            self._hub.delete_comment(created.number)
            self._number = oldest.number
            self._hub.edit_comment(oldest.number, merged(oldest.body, story))

    def _find(self) -> Posted | None:
        """The oldest comment of ours. Somebody else's is never touched, whatever stands in it."""
        ours = (posted for posted in self._hub.comments(self._pull) if posted.body.startswith(MARKER))
        return min(
            (posted for posted in ours if self._hub.wrote(posted)),
            key=lambda posted: posted.number,
            default=None,
        )
