"""Giving sites a source of their own: the job of `bump isolate`."""

from functools import partial

from bumper.app.context import Context
from bumper.app.jobs.commit import ReviewedJob, commit
from bumper.app.output import Result
from bumper.app.settings import IsolateSettings
from bumper.app.wiring import Systems
from bumper.errors import EXIT_CODES
from bumper.onboarding import isolation
from bumper.onboarding.isolation import Isolation
from bumper.ports.run import Terminal
from bumper.revision import Revision


def isolate(settings: IsolateSettings, context: Context) -> int:
    """Writes the artifacts in one commit, or proposes it; returns the exit code."""
    return commit(settings.run, context, partial(_IsolateJob, settings))


class _IsolateJob(ReviewedJob[Isolation]):
    def __init__(self, settings: IsolateSettings, systems: Systems, terminal: Terminal) -> None:
        super().__init__(settings.run, systems, terminal, only_proposes=settings.only_proposes)
        self._wanted = settings
        self._origin = systems.context.surroundings.origin()

    def propose(self, tip: str) -> Isolation:
        return isolation.propose(self._wanted.sites, self._origin, tip, self._systems.repository.tree(tip))

    def result(self, plan: Isolation, revision: Revision | None) -> Result:
        code = EXIT_CODES[plan.outcome(revision)]
        return Result(isolation.lines(plan, revision), isolation.as_data(plan, revision), code)
