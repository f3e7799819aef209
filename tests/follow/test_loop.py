"""The laws of the loop, once for everybody who waits by it; what each makes of a look is tested with it."""

import contextlib
import itertools
import math
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from clusters import Untold
from platforms import HandClock, Quiet
from rollout import test_statuses
from trees import MemoryTree

from bumper.errors import BumpError, NoAccess, Outcome, Transient
from bumper.follow.cluster import follow
from bumper.follow.commit_statuses import Awaited, listen
from bumper.follow.loop import Case, Followed, Intervals, Loop
from bumper.follow.removal import follow_removal
from bumper.follow.revisions import Revisions
from bumper.objects import ObjectKey
from bumper.observation import Desired, Observation
from bumper.ports.git import Tree
from bumper.ports.run import Clock
from bumper.request import Choice
from bumper.revision import Revision
from bumper.rollout.statuses import Proof
from bumper.rollout.verdict import Verdict
from bumper.status import sites
from bumper.status.look import look as look_once
from bumper.status.watch import Picture, Watcher
from follow import test_commit_statuses, test_removal
from follow.test_cluster import BEFORE, DESIRED, NEW, OLD, OURS, History, look, tree

BUSY, OVER = "busy", "over"
Answer = str | BumpError
TIMEOUT_S = 30.0


class ThreadClock:
    """A clock that each thread moves by sleeping, for itself alone."""

    def __init__(self) -> None:
        self._here = threading.local()

    def now(self) -> float:
        return float(getattr(self._here, "time_s", 0.0))

    def sleep(self, seconds: float) -> None:
        self._here.time_s = self.now() + seconds


@dataclass
class Scripted(Untold):
    """A system that gives one answer after the other, the last one for ever: a cluster, or a branch with its statuses."""

    script: list[Answer]
    shown: dict[str, Any]
    clock: Clock
    name: str = "east"
    looks: int = 0
    waits_s: list[float] = field(default_factory=list)
    polled: tuple[str, ...] = ()
    before_look: Callable[[], object] = int

    def observe(self, desired: Sequence[Desired]) -> list[Observation]:
        return [replace(self.answer(), at_s=self.clock.now()) for _ in desired]

    def announced(self, down_to: frozenset[str]) -> Any:
        return self.answer()

    def answer(self) -> Any:
        self.before_look()
        self.looks += 1
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(answer, BumpError):
            raise answer
        return self.shown[answer]

    def wait(self, timeout_s: float) -> bool:
        self.waits_s.append(timeout_s)
        self.clock.sleep(timeout_s)
        return False

    def request_fetch(self, source: ObjectKey) -> str:
        return ""

    def notices(self) -> tuple[str, ...]:
        return self.polled


Ended = tuple[str, Verdict | None]


@dataclass(frozen=True)
class User:
    """Somebody who waits by the loop: `run` gives the context and the verdict of each system."""

    shown: dict[str, Any]
    run: Callable[[Sequence[Scripted], Clock, Quiet], list[Ended]]
    end: Outcome | None
    timeout_s: float = TIMEOUT_S


def deploy(systems: Sequence[Scripted], clock: Clock, progress: Quiet) -> list[Ended]:
    return ended(
        follow([DESIRED], systems, Revisions(History(), Choice(), clock), clock, TIMEOUT_S, progress)
    )


def removal(systems: Sequence[Scripted], clock: Clock, progress: Quiet) -> list[Ended]:
    return ended(follow_removal(test_removal.DESIRED, systems, clock, TIMEOUT_S, progress))


def commit_statuses(systems: Sequence[Scripted], clock: Clock, progress: Quiet) -> list[Ended]:
    (branch,) = systems
    awaited = Awaited(test_statuses.DESIRED, Proof())
    return ended(listen([awaited], branch, test_commit_statuses.Known(), clock, TIMEOUT_S, progress))


def single_look(systems: Sequence[Scripted], clock: Clock, progress: Quiet) -> list[Ended]:
    entries = sites.read(MemoryTree(tree("2.0")), Revision("main", OURS), "web")
    facts = Revisions(History(trees={OURS: tree("2.0")}), Choice(), clock)
    rows = look_once(systems, entries, facts, clock)
    return [(row.context, row.verdict) for row in rows]


def ended(followed: Sequence[Followed]) -> list[Ended]:
    return [(each.context, each.verdict) for each in followed]


USERS = {
    "deploy": User({BUSY: look(BEFORE, OLD), OVER: look(OURS, NEW)}, deploy, Outcome.READY),
    "removal": User(
        {BUSY: Observation(0.0, kustomization=test_removal.HERE), OVER: test_removal.GONE},
        removal,
        Outcome.REMOVED,
    ),
    "commit statuses": User(
        {
            BUSY: [test_commit_statuses.commit(test_statuses.OURS)],
            OVER: [test_commit_statuses.commit(test_statuses.OURS, test_statuses.success())],
        },
        commit_statuses,
        Outcome.READY,
    ),
    "status": User({OVER: look(OURS, NEW)}, single_look, Outcome.READY, timeout_s=2.0),
}
SEVERAL = ["deploy", "removal", "status"]
WITH_A_DEADLINE = ["deploy", "removal", "commit statuses"]


def run(user: User, *script: Answer) -> tuple[Verdict, HandClock, Quiet, Scripted]:
    clock, progress = HandClock(), Quiet()
    system = Scripted(list(script), user.shown, clock)
    ((_, verdict),) = user.run([system], clock, progress)
    assert verdict
    return verdict, clock, progress, system


def away(retry_after_s: float | None = None) -> Transient:
    return Transient("east: no answer in time", retry_after_s=retry_after_s)


@pytest.mark.parametrize("name", USERS)
def test_what_is_away_to_the_deadline_is_unknown_and_the_deadline_is_kept(name: str) -> None:
    verdict, clock, _, system = run(USERS[name], away())
    assert verdict.outcome is Outcome.UNKNOWN
    assert verdict.reason.endswith("Unreachable")
    assert "no answer in time" in verdict.message
    assert clock.time == USERS[name].timeout_s
    assert system.looks > 1


@pytest.mark.parametrize("name", WITH_A_DEADLINE)
def test_what_went_away_before_the_deadline_is_unknown_although_it_answered_before(name: str) -> None:
    verdict, clock, *_ = run(USERS[name], BUSY, away())
    assert (verdict.outcome, clock.time) == (Outcome.UNKNOWN, TIMEOUT_S)


@pytest.mark.parametrize("name", WITH_A_DEADLINE)
def test_what_answers_and_decides_nothing_is_timed_out(name: str) -> None:
    verdict, clock, *_ = run(USERS[name], BUSY)
    assert (verdict.outcome, clock.time) == (Outcome.TIMED_OUT, TIMEOUT_S)


@pytest.mark.parametrize("name", WITH_A_DEADLINE)
def test_the_last_look_is_at_the_deadline(name: str) -> None:
    looks = [BUSY] * run(USERS[name], BUSY)[3].looks
    verdict, clock, *_ = run(USERS[name], *looks[:-1], OVER)
    assert (verdict.outcome, clock.time) == (USERS[name].end, TIMEOUT_S)


@pytest.mark.parametrize("name", USERS)
def test_an_outage_in_the_middle_heals(name: str) -> None:
    user = USERS[name]
    script: list[Answer] = [away(), away(), OVER]
    if BUSY in user.shown:
        script.insert(0, BUSY)
    verdict, *_ = run(user, *script)
    assert verdict.outcome is user.end


@pytest.mark.parametrize("name", USERS)
def test_a_system_is_asked_again_when_it_asked_for(name: str) -> None:
    verdict, clock, *_ = run(USERS[name], away(retry_after_s=1.5), OVER)
    assert (verdict.outcome, clock.time) == (USERS[name].end, 1.5)


@pytest.mark.parametrize("name", USERS)
def test_a_system_that_asks_for_more_than_is_left_is_asked_at_the_deadline(name: str) -> None:
    user = USERS[name]
    healed, clock, *_ = run(user, away(retry_after_s=3600.0), OVER)
    assert (healed.outcome, clock.time) == (user.end, user.timeout_s)
    verdict, clock, _, system = run(user, away(retry_after_s=3600.0))
    assert (verdict.outcome, clock.time, system.looks) == (Outcome.UNKNOWN, user.timeout_s, 2)


@pytest.mark.parametrize("name", USERS)
def test_who_is_refused_is_unknown_at_once(name: str) -> None:
    verdict, clock, _, system = run(USERS[name], NoAccess("east: 401 Unauthorized", hint="log in again"))
    assert (verdict.outcome, verdict.reason, verdict.hint) == (Outcome.UNKNOWN, "NoAccess", "log in again")
    assert (clock.time, system.looks) == (0.0, 1)


@pytest.mark.parametrize("name", WITH_A_DEADLINE)
def test_an_outage_is_one_notice_and_the_stage_waits_for_the_system(name: str) -> None:
    _, _, progress, _ = run(USERS[name], BUSY, *[away()] * 3, OVER)
    assert [heard for heard in progress.heard if heard[0] == "notice"] == [
        ("notice", "east: no answer in time; trying again until the deadline")
    ]
    waiting = [heard[2:] for heard in progress.heard if heard[-1].endswith(" to answer")]
    (stage, named) = waiting[0]
    assert named == f"waiting for {'GitHub' if name == 'commit statuses' else 'east'} to answer"
    assert len(waiting) == 2, "a single failure is a notice alone"
    assert stage == next(heard[2] for heard in reversed(progress.heard) if heard[0] == "done") or (
        name == "deploy" and stage == "fetched"
    )


@pytest.mark.parametrize("name", ["deploy", "removal"])
def test_what_a_system_has_to_say_is_one_notice(name: str) -> None:
    clock, progress = HandClock(), Quiet()
    system = Scripted([BUSY, BUSY, BUSY, OVER], USERS[name].shown, clock, polled=("watch is forbidden",))
    USERS[name].run([system], clock, progress)
    notices = [heard[1] for heard in progress.heard if heard[0] == "notice"]
    assert notices == ["watch is forbidden"]


class Unwatchable(Scripted):
    """A cluster whose watch says what its API would say at the next look."""

    def wait(self, timeout_s: float) -> bool:
        raise NoAccess("east: 403 Forbidden")


@pytest.mark.parametrize("name", ["deploy", "removal"])
def test_who_is_refused_while_waiting_is_unknown_at_once(name: str) -> None:
    clock = HandClock()
    ((_, verdict),) = USERS[name].run([Unwatchable([BUSY], USERS[name].shown, clock)], clock, Quiet())
    assert verdict
    assert (verdict.reason, clock.time) == ("NoAccess", 0.0)


# --- several systems ---


@pytest.mark.parametrize("name", SEVERAL)
def test_several_systems_are_followed_at_once_each_with_the_whole_deadline(name: str) -> None:
    user, clock = USERS[name], ThreadClock()
    at_once = threading.Barrier(2, timeout=10.0)
    first = [at_once.wait, at_once.wait]

    def meet() -> None:
        if first:
            first.pop()()

    systems = [
        Scripted([away()], user.shown, clock, "east", before_look=meet),
        Scripted([away(), away(), OVER], user.shown, clock, "west", before_look=meet),
    ]
    (east, unknown), (west, verdict) = user.run(systems, clock, Quiet())
    assert unknown
    assert verdict
    assert (east, unknown.outcome) == ("east", Outcome.UNKNOWN)
    assert (west, verdict.outcome) == ("west", user.end)
    assert systems[0].looks >= systems[1].looks == 3
    assert clock.now() == 0.0, "nothing was waited for in the thread of the caller"


@pytest.mark.parametrize("name", ["deploy", "removal"])
def test_the_deadline_of_one_system_is_not_shortened_by_another(name: str) -> None:
    user, clock = USERS[name], ThreadClock()
    looks = run(user, BUSY)[3].looks
    systems = [Scripted([BUSY], user.shown, clock, each) for each in ("east", "west", "north")]
    verdicts = user.run(systems, clock, Quiet())
    assert [verdict.outcome for _, verdict in verdicts if verdict] == [Outcome.TIMED_OUT] * 3
    assert [system.looks for system in systems] == [looks] * 3
    assert {sum(system.waits_s) for system in systems} == {TIMEOUT_S}


class Bug(Exception):
    pass


@pytest.mark.parametrize("name", ["deploy", "removal"])
def test_an_end_of_the_run_ends_all_threads(name: str) -> None:
    user, clock = USERS[name], ThreadClock()
    met = threading.Event()

    def interrupted() -> None:
        assert met.wait(10.0)
        raise Bug

    class Endless(Scripted):
        """Time does not pass here: nothing but a stop ends it."""

        def wait(self, timeout_s: float) -> bool:
            self.waits_s.append(timeout_s)
            met.set()
            return False

    systems = [
        Scripted([BUSY], user.shown, clock, "east", before_look=interrupted),
        Endless([BUSY], user.shown, clock, "west"),
    ]
    with pytest.raises(Bug):
        user.run(systems, clock, Quiet())
    assert not [thread for thread in threading.enumerate() if thread.name == "follow west"]
    assert max(systems[1].waits_s) <= 1.0, "a stop is not heard while a system waits"


# --- the loop by itself ---


@dataclass
class Toy:
    """A follower of cases that end at a time; `graces_s` are those that run."""

    clock: HandClock
    ends_s: dict[str, float]
    looked: list[tuple[float, list[str]]] = field(default_factory=list)

    def look(self, cases: Sequence[Case]) -> Iterator[str | None]:
        self.looked.append((self.clock.now(), [case.label for case in cases]))
        for case in cases:
            yield "over" if self.clock.now() >= self.ends_s[case.label] else None

    def timed_out(self, case: Case) -> str:
        return "timed out"

    def unreachable(self, case: Case, error: BumpError) -> str:
        return "unreachable"

    def refused(self, case: Case, error: BumpError) -> str | None:
        return None


def looped(
    ends_s: dict[str, float], graces_s: dict[str, float], stop: threading.Event | None = None
) -> tuple[list[str], Toy]:
    clock = HandClock()
    toy = Toy(clock, ends_s)
    cases = [Case(label=label, due_s=graces_s.get(label)) for label in ends_s]
    system = Scripted([], {}, clock)
    intervals = Intervals(slow_s=7.0, slow_after_s=10.0)
    return Loop(system, toy, cases, clock, intervals=intervals, stop=stop).run(0.0, 12.0), toy


def test_the_end_of_one_case_ends_only_that_case() -> None:
    ends, toy = looped({"a": 5.0, "b": 0.0, "c": math.inf}, {})
    assert ends == ["over", "over", "timed out"]
    assert [labels for _, labels in toy.looked] == [["a", "b", "c"], ["a", "c"], ["c"], ["c"]]


def test_a_wait_ends_at_the_nearest_grace_or_at_the_deadline() -> None:
    _, toy = looped({"a": 3.0, "b": 4.0, "c": math.inf}, {"a": 3.0, "b": 4.0})
    assert [at_s for at_s, _ in toy.looked] == [0.0, 3.0, 4.0, 9.0, 12.0]


@dataclass
class CutOff(Toy):
    """It sees nothing more from `away_s` on."""

    away_s: float = math.inf

    def look(self, cases: Sequence[Case]) -> Iterator[str | None]:
        if self.clock.now() >= self.away_s:
            raise away()
        return super().look(cases)


@pytest.mark.parametrize(("away_s", "end"), [(12.0, "timed out"), (7.0, "unreachable"), (0.0, "unreachable")])
def test_a_look_that_the_deadline_cut_off_takes_nothing_away_from_the_one_before(
    away_s: float, end: str
) -> None:
    clock = HandClock()
    toy = CutOff(clock, {"a": math.inf}, away_s=away_s)
    assert Loop(Scripted([], {}, clock), toy, [Case(label="a")], clock).run(0.0, 12.0) == [end]


def test_a_loop_that_is_stopped_has_no_end_for_what_was_not_over() -> None:
    stop = threading.Event()
    stop.set()
    ends, toy = looped({"a": 0.0}, {}, stop)
    assert (ends, toy.looked) == ([], [])


# --- watching, which has no deadline ---


@dataclass
class Watched(Scripted):
    """A cluster that gives its last answer until the test hands it another one."""

    answers: "queue.Queue[Answer]" = field(default_factory=queue.Queue)

    def answer(self) -> Any:
        with contextlib.suppress(queue.Empty):
            self.script = [self.answers.get(timeout=0.05)]
        return super().answer()


class Platform(History):
    def fetch(self, branch: str) -> str:
        return OURS

    def tree(self, commit: str) -> Tree:
        return MemoryTree(tree("2.0"))

    def renew(self) -> None:
        raise AssertionError("the branch stands still")


class Moving(Platform):
    """A branch that has another tip at each fetch."""

    def __init__(self) -> None:
        self.fetches = self.renewals = 0

    def fetch(self, branch: str) -> str:
        self.fetches += 1
        return f"{self.fetches:040}"

    def renew(self) -> None:
        self.renewals += 1


def test_a_watch_forgets_what_it_knew_of_many_commits() -> None:
    clock, platform = ThreadClock(), Moving()
    cluster = Watched([OVER], {OVER: look(OURS, NEW)}, clock)
    with Watcher([cluster], platform, clock, "main", site="web", fetch_s=0.0, renewed_after=3) as watcher:
        for _ in itertools.islice(watcher.pictures(tick_s=0.0), 7):
            pass
    # Of eight tips that were seen, the fourth and the seventh; each was fetched once more, afterwards.
    assert (platform.renewals, platform.fetches) == (2, 10)


class Still(Moving):
    """A branch that stands still, whatever is asked of it."""

    def fetch(self, branch: str) -> str:
        return OURS


def test_a_watch_forgets_what_it_knew_of_commits_that_flux_alone_speaks_of() -> None:
    spoken_of = [f"{number:040}" for number in range(1, 7)]
    platform = Still()
    cluster = Watched([*spoken_of], {sha: look(sha, NEW) for sha in spoken_of}, ThreadClock())
    with Watcher(
        [cluster], platform, ThreadClock(), "main", site="web", renewed_after=3, fetch_s=0.0
    ) as watcher:
        assert any(platform.renewals for _ in itertools.islice(watcher.pictures(tick_s=0.05), 100))


def test_a_watch_shows_every_outage_and_refusal_and_goes_on() -> None:
    cluster = Watched([OVER], {OVER: look(OURS, NEW)}, ThreadClock())
    script: list[tuple[Answer, str]] = [
        (away(), "ClusterUnreachable"),
        (NoAccess("east: 401"), "NoAccess"),
        (away(retry_after_s=60.0), "ClusterUnreachable"),
        (OVER, "Ready"),
    ]
    with Watcher([cluster], Platform(), ThreadClock(), "main", site="web") as watcher:
        pictures = watcher.pictures(tick_s=10.0)
        for answer, reason in script:
            cluster.answers.put(answer)
            assert reason in itertools.islice(map(reason_of, pictures), 100)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("watch ")]


class Broken(Scripted):
    def answer(self) -> Any:
        raise Bug


def test_a_fault_in_a_thread_of_a_watch_is_not_swallowed() -> None:
    cluster = Broken([], {}, ThreadClock())
    with Watcher([cluster], Platform(), ThreadClock(), "main", site="web") as watcher, pytest.raises(Bug):
        list(itertools.islice(watcher.pictures(tick_s=0.05), 40))


def reason_of(picture: Picture | None) -> str:
    assert picture
    (row,) = picture.rows
    return row.verdict.reason if row.verdict else ""
