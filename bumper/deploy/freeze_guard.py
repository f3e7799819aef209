"""Keeps deploys out of freeze windows.

Law: the calendar is read on the tip that the push compares with, so that no deploy races a freeze: where one comes in between, the
push is lost, and what is planned anew meets it. What can't be read of the calendar is closed; what can't be read of a pull request is
a notice.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from bumper.dataclasses import dataclass, field
from bumper.deploy.pipeline import Admission, Change, Guard
from bumper.errors import BumpError, Refused
from bumper.fluxtree.sites.traits import traits
from bumper.freeze.place import calendar_of
from bumper.image import ImageManifest
from bumper.ports.git import Tree
from bumper.ports.run import Progress

if TYPE_CHECKING:
    from bumper.freeze.windows import Allowance, Calendar, Closure, Window

FROZEN = "frozen"
_FORCE = "to deploy it all the same: --force --reason TEXT"


@dataclass
class FreezeGuard(Guard):
    """`tree` gives the files of a commit, `now` the time in UTC; a deploy may take `lasts` from then on.

    `by` is who asks. `labels` are those of the pull request that brought the commit which a change is built from, by `Change.key`.
    With `force` what is closed is told and passed.
    """

    tree: Callable[[str], Tree]
    now: Callable[[], datetime]
    lasts: timedelta
    progress: Progress
    by: str = ""
    labels: Callable[[str, ImageManifest], frozenset[str]] = lambda key, held: frozenset()
    force: bool = False
    _calendars: "dict[str, Calendar | None]" = field(default_factory=dict)

    def admit(self, change: Change, held: ImageManifest, tip: str) -> Admission | None:
        """None where nothing is closed; Refused where the site is, unless `force`."""
        if tip not in self._calendars:
            self._calendars[tip] = calendar_of(self.tree(tip))
        calendar = self._calendars[tip]
        if calendar is None:
            return None
        site, now = traits(change.target.site), self.now()
        closure = calendar.closure(site, now, self.lasts, self.by)
        refusal = _refusal(change, closure) if closure else self._held_by_label(calendar, change, held)
        if refusal is None:
            allowed = calendar.allowed(site, now, self.by)
            return Admission(note=inside(*allowed)) if allowed else None
        if not self.force:
            raise refusal
        self.progress.notice(f"{refusal.message}; forced")
        return Admission(FROZEN, "frozen, forced")

    def _held_by_label(self, calendar: "Calendar", change: Change, held: ImageManifest) -> Refused | None:
        if not calendar.hold_label:
            return None
        try:
            labels = self.labels(change.key, held)
        except BumpError as error:
            self.progress.notice(
                f"{change.site}: whether its pull request has the label {calendar.hold_label} could not be read: {error.message}"
            )
            return None
        # To GitHub capitals make no other label.
        if calendar.hold_label.lower() not in map(str.lower, labels):
            return None
        return Refused(
            f"{change.site}: the pull request that {change.image.tag} comes from has the label {calendar.hold_label}, which holds it",
            hint=f"take the label off and run it again; {_FORCE}",
        )


def _refusal(change: Change, closure: "Closure") -> Refused:
    help_phrases = [closure.hint] if closure.hint else [_way_out(closure)]
    return Refused(
        f"{closure.place}: {change.site} is not to be changed: {closure}",
        hint="; ".join([*help_phrases, _FORCE]),
    )


def _way_out(closure: "Closure") -> str:
    lifted = closure.window.lifting if closure.window else "mend the file"
    return f"{'run it again then' if closure.until else lifted}; a rollback passes"


def inside(window: "Window", allowance: "Allowance") -> str:
    """Why a site is open in spite of a window."""
    return f"allowed inside of {window.name}: {allowance.reason}"
