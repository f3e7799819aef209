"""One deploy as git keeps it: what its commit says, and how it ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from bumper.errors import EXIT_CODES, Outcome, worst_exit_code
from bumper.request import Origin

_OUTCOMES = {outcome.value: outcome for outcome in Outcome}
_GOOD = (Outcome.READY, Outcome.UNCHANGED)


@dataclass(frozen=True)
class Record:
    """One site's deploy in one commit.

    `image` is the repository; `previous` the tag before (or the digest, where no tag stood), empty where neither was known.
    `rollback_of` is the commit that was taken back, `forced` what was overridden (`older`, `held`). `at` is the commit's time, in UTC.
    """

    site: str
    image: str
    previous: str
    tag: str
    digest: str
    origin: Origin
    reason: str
    rollback_of: str
    forced: tuple[str, ...]
    commit: str
    author: str
    at: datetime

    @property
    def who(self) -> str:
        """Who asked for it; the commit's author where the message does not say."""
        return self.origin.requested_by or self.author


@dataclass(frozen=True)
class Ending:
    """One site's verdict in one cluster, of one run. `seconds` is how long that run followed it, the commit and push included.

    `outcome` is one of `errors.Outcome`, or of a later version. `context` is the kubeconfig's name where one was given; `run` a URL.
    """

    site: str
    outcome: str
    reason: str
    seconds: float
    at: datetime
    tag: str
    context: str = ""
    run: str = ""


@dataclass(frozen=True)
class Recorded:
    """One deploy and all that was noted of it, the oldest first."""

    record: Record
    endings: tuple[Ending, ...] = ()

    @cached_property
    def ending(self) -> Ending | None:
        """The one that counts: the last of each cluster, and of several clusters the worst. None where nobody followed the deploy."""
        if len(self.endings) < 2:
            return self.endings[0] if self.endings else None
        last: dict[str, Ending] = {}
        for ending in self.endings:
            before = last.get(ending.context)
            # Of a deploy that is Ready it counts how it became so, not who looked again.
            if not (before and before.outcome in _GOOD and ending.outcome in _GOOD):
                last[ending.context] = ending
        return _worst(list(last.values()))

    @property
    def is_ready(self) -> bool:
        """Whether it is known to have become Ready, in every cluster where it was followed."""
        return self.ending is not None and self.ending.outcome in _GOOD


def _worst(endings: Sequence[Ending]) -> Ending | None:
    known = {
        number: _OUTCOMES[ending.outcome]
        for number, ending in enumerate(endings)
        if ending.outcome in _OUTCOMES
    }
    if not known:  # nothing, or words of a later version
        return endings[0] if endings else None
    code = worst_exit_code(list(known.values()))
    return next(endings[number] for number, outcome in known.items() if EXIT_CODES[outcome] == code)
