"""Writing the choice of a site's image into git: the job of `bump adopt`."""

from functools import partial

from bumper.app.context import Context
from bumper.app.jobs.commit import ReviewedJob, commit
from bumper.app.output import Result
from bumper.app.settings import AdoptSettings
from bumper.app.wiring import Systems
from bumper.errors import EXIT_CODES
from bumper.onboarding import adoption
from bumper.onboarding.adoption import SiteAdoption
from bumper.ports.run import Terminal
from bumper.revision import Revision


def adopt(settings: AdoptSettings, context: Context) -> int:
    """Writes the choice in one commit, or proposes it; returns the exit code."""
    return commit(settings.run, context, partial(_AdoptJob, settings))


class _AdoptJob(ReviewedJob[SiteAdoption]):
    def __init__(self, settings: AdoptSettings, systems: Systems, terminal: Terminal) -> None:
        super().__init__(settings.run, systems, terminal, only_proposes=settings.only_proposes)
        self._wanted = settings
        self._origin = systems.context.surroundings.origin()

    def propose(self, tip: str) -> SiteAdoption:
        tree = self._systems.repository.tree(tip)
        wanted = self._wanted
        return adoption.propose(
            wanted.site,
            wanted.choice,
            self._origin,
            tip,
            tree,
            wanted.serves,
            wanted.kustomizations,
            wanted.environments,
        )

    def result(self, plan: SiteAdoption, revision: Revision | None) -> Result:
        code = EXIT_CODES[plan.outcome(revision)]
        return Result(adoption.lines(plan, revision), adoption.as_data(plan, revision), code)
