"""Deploys whose end nobody noted: their run died or timed out, or nobody waited (`--no-wait`).

Law: what is over is left alone. Of a site only the newest deploy can still be seen; an older one has been superseded, whatever became
of it in between. A failure is over once there is a newer deploy, and may heal until then. Outcomes of a later version are over.
"""

from collections.abc import Iterable
from datetime import datetime

from bumper.dataclasses import dataclass
from bumper.errors import Outcome
from bumper.history.scopes import by_site
from bumper.record import GOOD, Recorded

# How a run ends that could not find out.
_OPEN = frozenset((Outcome.TIMED_OUT, Outcome.SUSPENDED, Outcome.BLOCKED, Outcome.UNKNOWN))


@dataclass(frozen=True)
class Unfinished:
    """A deploy without an end; `newer` is the site's next deploy, None where it is the newest."""

    deploy: Recorded
    newer: Recorded | None = None

    @property
    def has_failed(self) -> bool:
        """Whether it ended badly, and may still heal."""
        return self.deploy.ending is not None and self.deploy.ending.outcome == Outcome.FAILED

    @property
    def contexts(self) -> tuple[str, ...]:
        """The clusters in which it has no end; one without a name where nobody looked."""
        last = {ending.context: ending.outcome for ending in self.deploy.endings}
        return tuple(context for context, outcome in last.items() if outcome in _OPEN) or ("",)


def unfinished(deploys: Iterable[Recorded], since: datetime, until: datetime) -> list[Unfinished]:
    """Those that were made in this time, the oldest first; `deploys` are all, newest first."""
    oldest_first = list(deploys)
    oldest_first.reverse()
    cases = [
        Unfinished(deploy, newer)
        for of_site in by_site(oldest_first).values()
        for deploy, newer in zip(of_site, [*of_site[1:], None], strict=True)
        if since <= deploy.record.at <= until
    ]
    return sorted(filter(_is_open, cases), key=lambda case: case.deploy.record.at)


def _is_open(case: Unfinished) -> bool:
    ending = case.deploy.ending
    return ending is None or ending.outcome in _OPEN or (case.newer is None and case.has_failed)


def compared(before: str, now: Outcome, age_s: float) -> str:
    """How a deploy stands against what was noted of it, as a phrase: `recovered after 14 min`. `before` is empty where nothing was."""
    age = _age(age_s)
    if now in GOOD:
        return f"recovered after {age}" if before else f"seen {age} after its commit"
    if now is Outcome.FAILED:
        return f"still failing after {age}" if before == Outcome.FAILED else f"failing {age} after its commit"
    return "" if now in (Outcome.SUPERSEDED, Outcome.UNKNOWN) else f"still not Ready after {age}"


def _age(seconds: float) -> str:
    minutes = max(0, round(seconds / 60))
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days"
