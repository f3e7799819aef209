"""Writing the choice of a site's image into git: the job of `bump adopt`."""

from dataclasses import replace

from bumper.app.context import Context
from bumper.app.jobs.commit import CommitJob
from bumper.app.output import Output, Result
from bumper.app.run import carry_out
from bumper.app.settings import AdoptSettings
from bumper.app.wiring import Systems
from bumper.deploy.commit.push import Landed
from bumper.errors import EXIT_CODES
from bumper.onboarding import adoption
from bumper.onboarding.adoption import SiteAdoption
from bumper.ports import Terminal
from bumper.revision import Revision


def adopt(settings: AdoptSettings, context: Context) -> int:
    """Writes the choice in one commit, or proposes it; returns the exit code."""
    run = settings.run
    with (
        Systems(context, run.repository, run.permissions) as systems,
        Output(systems, run.output) as output,
    ):
        output.begin(name_sites=False)
        return carry_out(_AdoptJob(settings, systems, output.terminal), output, dry_run=run.dry_run)


class _AdoptJob(CommitJob[SiteAdoption]):
    def __init__(self, settings: AdoptSettings, systems: Systems, terminal: Terminal) -> None:
        super().__init__(settings.run, systems, terminal)
        self._wanted = settings
        self._origin = systems.context.surroundings.origin()

    def propose(self, tip: str) -> SiteAdoption:
        tree = self._systems.repository.tree(tip)
        return adoption.propose(
            self._wanted.site, self._wanted.choice, self._origin, tip, tree, self._wanted.serves
        )

    def confirm(self, plan: SiteAdoption) -> Result | None:
        if not (self._wanted.only_proposes and plan.files):
            return None
        changes = {path: after for path, (_, after) in plan.files.items()}
        branch = self._settings.repository.branch
        pull = self._systems.pull_requests().propose(plan.tip, changes, plan.message, branch)
        return self.result(replace(plan, pull=pull), None)

    def result(self, plan: SiteAdoption, revision: Revision | None) -> Result:
        code = EXIT_CODES[adoption.outcome(plan, revision)]
        return Result(adoption.lines(plan, revision), adoption.as_data(plan, revision), code)

    def standing(self, landed: Landed[SiteAdoption] | None) -> list[str]:
        return ["a push may have arrived: running the same command again is harmless"]
