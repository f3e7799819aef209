"""Freezing sites and lifting that again: the job of `bump freeze`."""

from functools import partial

from bumper.app.context import Context
from bumper.app.jobs.commit import CommitJob, commit
from bumper.app.output import Result
from bumper.app.settings import FreezeSettings, RunSettings
from bumper.app.wiring import Systems
from bumper.deploy.freeze import change, table
from bumper.deploy.freeze.change import FreezeChange, Freezing
from bumper.errors import EXIT_CODES
from bumper.freeze.windows import Selection
from bumper.ports.run import Terminal
from bumper.revision import Revision


def freeze_or_lift(settings: FreezeSettings, context: Context) -> int:
    """Puts a window into the file, or takes one from it, in one commit; returns the exit code."""
    selection = Selection(settings.sites, dict(settings.labels), settings.environments)
    wanted = FreezeChange(
        settings.name or change.name_of(selection),
        selection,
        settings.reason,
        context.surroundings.origin(),
        settings.now,
        settings.until,
        settings.lifts,
        settings.force,
    )
    return commit(settings.run, context, partial(_FreezeJob, wanted, settings.run))


class _FreezeJob(CommitJob[Freezing]):
    def __init__(
        self, wanted: FreezeChange, settings: RunSettings, systems: Systems, terminal: Terminal
    ) -> None:
        super().__init__(settings, systems, terminal)
        self._wanted = wanted

    def propose(self, tip: str) -> Freezing:
        return change.propose(self._wanted, tip, self._systems.repository.tree(tip))

    def result(self, plan: Freezing, revision: Revision | None) -> Result:
        code = EXIT_CODES[plan.outcome(revision)]
        return Result(table.lines(plan, revision), table.result_as_data(plan, revision), code)
