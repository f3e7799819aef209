"""Letting Flux tell GitHub how it goes: the job of `bump notifications`."""

from functools import partial

from bumper.app.context import Context
from bumper.app.jobs.commit import CommitJob, commit
from bumper.app.output import Result
from bumper.app.settings import NotificationsSettings
from bumper.app.wiring import Systems
from bumper.deploy.commit.push import Landed
from bumper.errors import EXIT_CODES
from bumper.onboarding import notifications
from bumper.onboarding.notifications import NotificationsAddition
from bumper.ports.run import Terminal
from bumper.revision import Revision


def add_notifications(settings: NotificationsSettings, context: Context) -> int:
    """Writes the manifests in one commit, and says what is left to do by hand; returns the exit code."""
    return commit(settings.run, context, partial(_NotificationsJob, settings))


class _NotificationsJob(CommitJob[NotificationsAddition]):
    def __init__(self, settings: NotificationsSettings, systems: Systems, terminal: Terminal) -> None:
        super().__init__(settings.run, systems, terminal)
        self._wanted = settings.wanted
        self._origin = systems.context.surroundings.origin()

    def propose(self, tip: str) -> NotificationsAddition:
        return notifications.plan(tip, self._systems.repository.tree(tip), self._wanted, self._origin)

    def result(self, plan: NotificationsAddition, revision: Revision | None) -> Result:
        return Result(
            notifications.lines(plan, revision),
            notifications.as_data(plan, revision),
            EXIT_CODES[notifications.outcome(revision)],
        )

    def standing(self, landed: Landed[NotificationsAddition] | None) -> list[str]:
        return ["a push may have arrived: look at the branch before you start it again"]
