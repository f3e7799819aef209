"""A job that is done with its commit: nothing is followed."""

from abc import abstractmethod
from collections.abc import Callable
from typing import TypeVar

from bumper.app.context import Context
from bumper.app.output import Output, Result
from bumper.app.run import Job, P, carry_out
from bumper.app.settings import RunSettings
from bumper.app.wiring import Systems
from bumper.dataclasses import replace
from bumper.deploy.commit.push import Landed, land
from bumper.onboarding.reviewed import Reviewed
from bumper.ports.git import Writer
from bumper.ports.run import Terminal
from bumper.retry import answered
from bumper.revision import Revision
from bumper.style import Span

R = TypeVar("R", bound=Reviewed)


def commit(
    settings: RunSettings,
    context: Context,
    job: "Callable[[Systems, Terminal], CommitJob[P]]",
    *,
    sites: int = 1,
) -> int:
    """Carries such a job out on the systems of the run; returns the exit code. `sites` is how many it is about."""
    with (
        Systems(context, settings.repository, settings.permissions) as systems,
        Output(systems, settings.output) as output,
    ):
        output.begin(name_sites=sites > 1)
        return carry_out(job(systems, output.terminal), output, dry_run=settings.dry_run)


class CommitJob(Job[P]):
    """Proposes on the tip, and on each new one after a lost race. What becomes of a pull request is said on the terminal."""

    def __init__(self, settings: RunSettings, systems: Systems, terminal: Terminal) -> None:
        self._settings = settings
        self._systems = systems
        self._terminal = terminal
        self._writer: Writer | None = None

    @abstractmethod
    def propose(self, tip: str) -> P:
        """What is to be committed on this tip of the branch."""

    @abstractmethod
    def result(self, plan: P, revision: Revision | None) -> Result:
        """How it ended: at `revision`, or with none as a dry run."""

    def open(self) -> None:
        self._writer = self._systems.writer(self._settings.commit, self._tell)

    def plan(self) -> P:
        return answered(self._propose, self._systems.clock, self._settings.commit.push_s)

    def planned(self, plan: P) -> Result:
        return self.result(plan, None)

    def land(self, plan: P) -> Landed[P]:
        assert self._writer, "opened before it lands"
        branch, timeout_s = self._settings.repository.branch, self._settings.commit.push_s
        return land(plan, self._propose, self._writer, branch, self._systems.clock, timeout_s)

    def follow(self, landed: Landed[P]) -> Result:
        return self.result(landed.plan, landed.revision)

    def standing(self, landed: Landed[P] | None) -> list[str]:
        return ["a push may have arrived: running the same command again is harmless"]

    def _propose(self) -> P:
        return self.propose(self._systems.repository.fetch(self._settings.repository.branch))

    def _tell(self, text: str) -> None:
        self._terminal.write([(Span(f"  {text}", "quiet"),)])


class ReviewedJob(CommitJob[R]):
    """One that may be left at an open pull request, for people to read before anything is written (`only_proposes`)."""

    def __init__(
        self, settings: RunSettings, systems: Systems, terminal: Terminal, *, only_proposes: bool
    ) -> None:
        super().__init__(settings, systems, terminal)
        self._only_proposes = only_proposes

    def confirm(self, plan: R) -> Result | None:
        if not (self._only_proposes and plan.files):
            return None
        pull = self._systems.propose(plan, self._settings.repository.branch, self._settings.commit.wording)
        return self.result(replace(plan, pull=pull), None)
