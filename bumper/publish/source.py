"""Which commit of the site's own repository a version stands for: that is where GitHub shows a deploy."""

import re

from bumper.dataclasses import dataclass, field
from bumper.errors import Unreachable
from bumper.ports.github import Commits

_COMMIT = re.compile(r"[0-9a-f]{7,40}")


@dataclass
class Source:
    """`head` is the commit that the workflow runs for, empty where it is of another repository. `name` is for people."""

    commits: Commits
    head: str
    name: str = "the source repository"
    _shas: dict[str, str] = field(default_factory=dict)

    def commit(self, version: str) -> str:
        """The full SHA; a tag that is no commit stands for the workflow's. Empty where there is no such commit."""
        if version not in self._shas:
            is_head = self.head.startswith(version) or not _COMMIT.fullmatch(version)
            self._shas[version] = self.head if is_head else self.commits.commit(version)
        return self._shas[version]

    def unknown(self, versions: list[str]) -> Unreachable:
        """What to say of versions that no commit was found for."""
        return Unreachable(
            f"{self.name}: found no commit for {', '.join(dict.fromkeys(versions))}",
            hint="name it by --sha, and the repository that the image is built from by BUMP_SOURCE_REPOSITORY",
        )
