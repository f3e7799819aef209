"""Holding and releasing sites: the job of `bump hold` and `bump release`."""

from bumper.app.context import Context
from bumper.app.jobs.commit import CommitJob
from bumper.app.output import Output, Result
from bumper.app.run import carry_out
from bumper.app.settings import HoldSettings, RunSettings
from bumper.app.wiring import Systems
from bumper.deploy.commit.push import Landed
from bumper.deploy.hold import change, table
from bumper.deploy.hold.annotations import Hold
from bumper.deploy.hold.change import HoldChange, Holding
from bumper.errors import EXIT_CODES
from bumper.ports import Terminal
from bumper.revision import Revision


def hold_or_release(settings: HoldSettings, context: Context) -> int:
    """Puts the hold on the sites, or takes theirs away, in one commit; returns the exit code."""
    run = settings.run
    with (
        Systems(context, run.repository, run.permissions) as systems,
        Output(systems, run.output) as output,
    ):
        output.begin(name_sites=len(settings.sites) > 1)
        job = _HoldJob(_change(settings, context), run, systems, output.terminal)
        return carry_out(job, output, dry_run=run.dry_run)


def _change(settings: HoldSettings, context: Context) -> HoldChange:
    origin = context.surroundings.origin()
    hold = Hold(settings.reason, origin.requested_by, settings.now, settings.until)
    return HoldChange(
        settings.sites,
        None if settings.releases else hold,
        settings.reason,
        origin,
        settings.now,
        settings.kustomization,
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

    def standing(self, landed: Landed[Holding] | None) -> list[str]:
        return ["a push may have arrived: running the same command again is harmless"]
