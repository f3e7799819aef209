"""Writes commits in the words that the platform's repository asks for (`history.Wording`)."""

from collections.abc import Mapping

from bumper.dataclasses import dataclass
from bumper.history.wording import Wording
from bumper.ports.git import Writer
from bumper.revision import Revision


@dataclass(frozen=True)
class WordedWriter:
    """Another writer (`ports.Writer`) with each message in these words; `author` is `NAME <EMAIL>`, of whom a sign-off speaks."""

    writer: Writer
    wording: Wording
    author: str = ""

    def write(self, parent: str, changes: Mapping[str, bytes | None], message: str, branch: str) -> Revision:
        """What the other one writes."""
        return self.writer.write(parent, changes, self.wording.of(message, self.author), branch)
