"""What a token of a GitHub App is asked for in the platform repository. Each command states it; nothing guesses it.

Law: no more than the run does. A dry run reads, whatever it would have written; pull requests are asked for only by a run that opens
one, commit statuses only by one that follows them.
"""

from bumper.dataclasses import dataclass

READ, WRITE = "read", "write"


@dataclass(frozen=True)
class Permissions:
    """GitHub's own names; each is `read`, `write`, or empty for nothing."""

    contents: str = READ
    pull_requests: str = ""
    statuses: str = ""

    def asked(self) -> dict[str, str]:
        """As GitHub's API takes them: without those that are not asked for."""
        every = {
            "contents": self.contents,
            "pull_requests": self.pull_requests,
            "statuses": self.statuses,
        }
        return {name: level for name, level in every.items() if level}


READ_ONLY = Permissions()
