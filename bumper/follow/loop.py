"""The loop of everything that waits: look, judge, tell, wait, until all that is followed has ended or the deadline is there.

Law: level-triggered. What wakes us only ends the waiting: whatever is judged is read afresh, and after a while without news all of
it, so that a lost event, a restarted API or a dropped watch costs time and nothing else. What may heal is asked again up to the
deadline, and is unknown if it does not answer then, never timed out; who is refused ends at once. Graces and deadlines count on our
own clock.
"""

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from bumper.dataclasses import dataclass
from bumper.errors import BumpError, NoAccess, Outcome, Transient
from bumper.ports.deadline import until
from bumper.ports.run import Clock, Progress
from bumper.retry import wish_s
from bumper.rollout.site import WorkloadEnd
from bumper.rollout.timeline import Moment
from bumper.rollout.verdict import Verdict

# Without any news we look this often: the fallback where watching is forbidden, and how often a CI log hears from us.
PERIOD_S = 5.0
# A stop cannot wake a system's own wait: where one may come, no wait is longer than this.
_STEP_S = 1.0
# How long what was seen still counts at the deadline.
FRESH_S = 10.0


@dataclass(frozen=True)
class Followed:
    """One site in one cluster with its verdict; `label` is how progress names the pair. The timeline begins after the push.

    `workloads` is how each of them ended, where several make up the site; the timeline is that of the one that decided.
    """

    site: str
    context: str
    label: str
    verdict: Verdict
    timeline: tuple[Moment, ...] = ()
    workloads: tuple[WorkloadEnd, ...] = ()


@dataclass(kw_only=True)
class Case:
    """What is looked at until it has ended; `label` and `stage` are how progress names it.

    `due_s` is when (our clock) a look is worth its while although nothing has changed: no event marks the end of a grace.
    """

    label: str = ""
    stage: str = ""
    due_s: float | None = None


class Intervals(NamedTuple):
    """Seconds between two looks without news, the same after some minutes (`slow_after_s`), and after a look that failed."""

    look_s: float = PERIOD_S
    slow_s: float = PERIOD_S
    slow_after_s: float = math.inf
    retry_s: float = 1.0


_EVEN = Intervals()


AnyCase = TypeVar("AnyCase", bound=Case)
AnyCase_contra = TypeVar("AnyCase_contra", bound=Case, contravariant=True)
End = TypeVar("End")
End_co = TypeVar("End_co", covariant=True)


class System(Protocol):
    """What is looked at and can be waited for: a `ports.Cluster`, or GitHub."""

    @property
    def name(self) -> str: ...
    def wait(self, timeout_s: float, /) -> object: ...
    def notices(self) -> tuple[str, ...]: ...


class Follower(Protocol[AnyCase_contra, End_co]):
    """How cases are judged, and what is their end where no look decides."""

    def look(self, cases: Sequence[AnyCase_contra]) -> Iterator[End_co | None]:
        """Looks once, then judges and tells of each case in order: its end, None where it goes on. Raises a BumpError."""
        ...

    def timed_out(self, case: AnyCase_contra) -> End_co:
        """The end at the deadline, judged by the last look."""
        ...

    def unreachable(self, case: AnyCase_contra, error: BumpError) -> End_co:
        """The end at the deadline where the last look got no answer."""
        ...

    def refused(self, case: AnyCase_contra, error: BumpError) -> End_co | None:
        """The end where asking again does not help; None where it is asked again all the same."""
        ...


class Loop(Generic[AnyCase, End]):
    """Follows the cases of one system. Without `progress` nobody is shown how it goes; `stop` ends it from another thread."""

    def __init__(
        self,
        system: System,
        follower: Follower[AnyCase, End],
        cases: Sequence[AnyCase],
        clock: Clock,
        progress: Progress | None = None,
        *,
        intervals: Intervals = _EVEN,
        stop: threading.Event | None = None,
    ) -> None:
        self._system = system
        self._follower = follower
        self._cases = cases
        self._clock = clock
        self._progress = progress
        self._intervals = intervals
        self._stop = stop
        self._ends: list[End | None] = [None] * len(cases)
        self._notices: set[str] = set()
        self._failures = 0
        self._seen_s = -math.inf

    def run(self, began_s: float, deadline_s: float) -> list[End]:
        """The end of each case, in order; fewer only if stopped."""
        with until(self._clock, deadline_s):
            return self._run(began_s, deadline_s)

    def _run(self, began_s: float, deadline_s: float) -> list[End]:
        while self._pending() and not self._is_stopped():
            outage = self._attempt(self._look)
            if self._clock.now() >= deadline_s:
                self._expire(outage)
            elif self._pending():
                self._rest(outage, began_s, deadline_s)
        return [end for end in self._ends if end is not None]

    def _pending(self) -> list[int]:
        return [number for number, end in enumerate(self._ends) if end is None]

    def _is_stopped(self) -> bool:
        return self._stop is not None and self._stop.is_set()

    def _look(self) -> None:
        numbers = self._pending()
        ends = self._follower.look([self._cases[number] for number in numbers])
        for number, end in zip(numbers, ends, strict=True):
            self._ends[number] = end
        self._failures, self._seen_s = 0, self._clock.now()

    def _attempt(self, step: Callable[[], None]) -> BumpError | None:
        """What came in the way of the step. What may heal is told, anything else is the end."""
        outage: BumpError | None = None
        try:
            step()
        except BumpError as error:
            outage = error
            if isinstance(error, Transient):
                self._tell_outage(error)
            else:
                self._refuse(error)
        for notice in self._system.notices():
            self._notice(notice)
        return outage

    def _refuse(self, error: BumpError) -> None:
        self._end_pending(lambda case: self._follower.refused(case, error))

    def _expire(self, outage: BumpError | None) -> None:
        # One look that the deadline cut off takes nothing away from the one shortly before it.
        is_fresh = self._failures <= 1 and self._clock.now() - self._seen_s <= FRESH_S
        if outage and not is_fresh:
            self._end_pending(lambda case: self._follower.unreachable(case, outage))
        else:
            self._end_pending(self._follower.timed_out)

    def _end_pending(self, end: Callable[[AnyCase], End | None]) -> None:
        for number in self._pending():
            self._ends[number] = end(self._cases[number])

    def _tell_outage(self, error: Transient) -> None:
        """One failure is a notice; from the second in a row on, what is waited for is the system."""
        self._failures += 1
        self._notice(f"{error.message}; trying again until the deadline")
        if self._progress and self._failures > 1:
            for number in self._pending():
                case = self._cases[number]
                self._progress.moving(case.label, case.stage, f"waiting for {self._system.name} to answer")

    def _notice(self, text: str) -> None:
        if self._progress and text not in self._notices:
            self._notices.add(text)
            self._progress.notice(text)

    def _rest(self, outage: BumpError | None, began_s: float, deadline_s: float) -> None:
        """Waits for news, for the nearest end of a grace or for the deadline; after an outage as long as the system asks for."""
        if outage is None:
            wait_s = min(self._until_due_s(began_s), deadline_s - self._clock.now())
            outage = self._attempt(lambda: self._in_steps(self._system.wait, wait_s))
        if outage and self._pending():
            pause_s = min(wish_s(outage) or self._intervals.retry_s, deadline_s - self._clock.now())
            self._in_steps(self._clock.sleep, pause_s)

    def _until_due_s(self, began_s: float) -> float:
        now_s, intervals = self._clock.now(), self._intervals
        period_s = intervals.look_s if now_s - began_s < intervals.slow_after_s else intervals.slow_s
        due_s = [self._cases[number].due_s for number in self._pending()]
        return min([period_s, *(each_s - now_s for each_s in due_s if each_s is not None)])

    def _in_steps(self, wait: Callable[[float], object], seconds: float) -> None:
        longest_s = _STEP_S if self._stop else math.inf
        while seconds > 0 and not self._is_stopped() and not wait(min(seconds, longest_s)):
            seconds -= longest_s


def label(site: str, cluster: str, *, is_alone: bool) -> str:
    """How progress names a site in a cluster: by the site alone where only one cluster is followed."""
    return site if is_alone else f"{site} in {cluster}"


def refusal(error: BumpError) -> Verdict:
    """The verdict where asking again does not help: no access, or a configuration that broke meanwhile."""
    reason = "NoAccess" if isinstance(error, NoAccess) else type(error).__name__
    return Verdict(Outcome.UNKNOWN, reason, error.message, hint=error.hint)
