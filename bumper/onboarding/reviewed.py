"""A commit that people may want to read first: it is pushed, or left at an open pull request."""

from collections.abc import Iterable, Mapping

from bumper.dataclasses import dataclass, field
from bumper.deploy.commit.push import Proposal
from bumper.errors import Outcome
from bumper.ports.github import Pull
from bumper.revision import Revision
from bumper.style import STYLES, Line, Span, paragraph


@dataclass(frozen=True)
class Reviewed(Proposal):
    """`pull` is the pull request that it was left at, None where there is none."""

    pull: Pull | None = field(default=None, compare=False, kw_only=True)

    def outcome(self, revision: Revision | None) -> Outcome:
        """Whether it was written, would be, or need not be."""
        if not self.files:
            return Outcome.UNCHANGED
        return Outcome.PUSHED if revision or self.pull else Outcome.PLANNED

    def unwritten(self, revision: Revision | None) -> str:
        """The diff of what stands nowhere yet."""
        return "" if revision or self.pull else self.diff()

    def commit(self, revision: Revision | None) -> Revision | None:
        """The commit that it became, None where nothing was committed."""
        return revision if self.files else None

    def lines(
        self,
        revision: Revision | None,
        name: str,
        titles: Mapping[Outcome, str],
        rows: Iterable[tuple[str, str]],
    ) -> list[Line]:
        """What became of it, below the diff of what stands nowhere yet; `titles` say so in a word or two."""
        ended = self.outcome(revision)
        title = "proposed" if self.pull else titles[ended]
        diff: list[Line] = [(Span(line),) for line in self.unwritten(revision).splitlines()]
        return [*diff, *paragraph(Span(name, "strong"), Span(title, STYLES[ended]), rows)]
