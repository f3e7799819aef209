"""Holding and releasing sites: the job of `bump hold` and `bump release`."""

from functools import partial

from bumper.app.context import Context
from bumper.app.jobs.commit import CommitJob, commit
from bumper.app.output import Result
from bumper.app.settings import HoldSettings, RunSettings
from bumper.app.wiring import Systems
from bumper.deploy.hold import change, table
from bumper.deploy.hold.annotations import Hold
from bumper.deploy.hold.change import HoldChange, Holding
from bumper.errors import EXIT_CODES
from bumper.ports.run import Terminal
from bumper.revision import Revision


def hold_or_release(settings: HoldSettings, context: Context) -> int:
    """Puts the hold on the sites, or takes theirs away, in one commit; returns the exit code."""
    job = partial(_HoldJob, _change(settings, context), settings.run)
    return commit(settings.run, context, job, sites=max(len(settings.sites), len(settings.kustomizations)))


def _change(settings: HoldSettings, context: Context) -> HoldChange:
    origin = context.surroundings.origin()
    hold = Hold(settings.reason, origin.requested_by, settings.now, settings.until)
    return HoldChange(
        settings.sites,
        None if settings.releases else hold,
        settings.reason,
        origin,
        settings.now,
        settings.kustomizations,
        settings.force,
    )


class _HoldJob(CommitJob[Holding]):
    def __init__(
        self, wanted: HoldChange, settings: RunSettings, systems: Systems, terminal: Terminal
    ) -> None:
        super().__init__(settings, systems, terminal)
        self._wanted = wanted

    def propose(self, tip: str) -> Holding:
        return change.propose(self._wanted, tip, self._systems.repository.tree(tip))

    def result(self, plan: Holding, revision: Revision | None) -> Result:
        code = EXIT_CODES[table.outcome(plan, revision)]
        return Result(table.lines(plan, revision), table.as_data(plan, revision), code)
