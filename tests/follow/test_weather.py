"""Following over real HTTP through bad weather, and many sites at once: the verdict is that of fine weather."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from platforms import Quiet
from systems.kube.conftest import TIMEOUTS

from benchmarks.fleet import AFTER, BEFORE, Fleet
from bumper.app.clock import SystemClock
from bumper.errors import Outcome
from bumper.follow.cluster import follow
from bumper.follow.loop import Followed
from bumper.follow.revisions import Revisions
from bumper.request import Choice
from bumper.systems.kube import Cluster
from follow.test_cluster import History


@dataclass
class Stage(Quiet):
    """Moves the fleet on when it has been shown how far it is, so that no test waits for a time; `between` is the weather."""

    fleet: Fleet | None = None
    between: Callable[[Fleet], object] = id
    left: set[str] = field(default_factory=set)

    def moving(self, site: str, stage: str, detail: str) -> None:
        super().moving(site, stage, detail)
        assert self.fleet
        if stage == "fetched" and site in self.left and "waiting for main" in detail:
            self.left.discard(site)
            if not self.left:
                self.between(self.fleet)
                self.fleet.fetch()

    def done(self, site: str, stage: str, detail: str) -> None:
        super().done(site, stage, detail)
        assert self.fleet
        if stage == "fetched":
            self.between(self.fleet)
            self.fleet.apply(site)
        elif stage == "applied":
            self.between(self.fleet)
            self.fleet.finish(site)


class Hasty(SystemClock):
    """The loop's pauses are a matter of `test_cluster`; here nobody waits for them."""

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds / 50)


@pytest.fixture
def clock() -> SystemClock:
    return Hasty()


def run(fleet: Fleet, stage: Stage, clock: SystemClock, timeout_s: float = 60.0) -> list[Followed]:
    stage.fleet, stage.left = fleet, set(fleet.names)
    history = History(known={BEFORE.sha: False, AFTER.sha: True})
    with Cluster(None, fleet.environ(), clock, TIMEOUTS) as cluster:
        revisions = Revisions(history, Choice(), clock)
        return follow(list(fleet.desired()), [cluster], revisions, clock, timeout_s, stage)


def rotate(fleet: Fleet) -> None:
    fleet.rotate_token(fleet.api.token + "x")


def forbid_watching(fleet: Fleet) -> None:
    for plural in ("gitrepositories", "kustomizations", "deployments", "replicasets", "pods", "events"):
        fleet.api.forbid("watch", plural)


WEATHER: dict[str, Callable[[Fleet], object]] = {
    "fine": id,
    "the API restarts and drops all connections": lambda fleet: fleet.api.restart(),
    "versions expire: 410": lambda fleet: fleet.api.expire_watches(),
    "429": lambda fleet: fleet.api.fail_next(429, 3),
    "500": lambda fleet: fleet.api.fail_next(500, 2),
    "503": lambda fleet: fleet.api.fail_next(503, 5),
    "504": lambda fleet: fleet.api.fail_next(504, 1),
    "the token is rotated": rotate,
    "watching is forbidden": forbid_watching,
    "asking to fetch is forbidden": lambda fleet: fleet.api.forbid("patch", "gitrepositories"),
}


# The others differ in what the API answers, not in what a run does then.
QUICK = ("the API restarts and drops all connections", "watching is forbidden", "the token is rotated")


@pytest.mark.parametrize(
    "weather",
    [pytest.param(weather, marks=[] if weather in QUICK else pytest.mark.slow) for weather in WEATHER],
)
def test_weather_changes_nothing_but_the_time(weather: str, clock: SystemClock) -> None:
    with Fleet(1) as fleet:
        stage = Stage(between=WEATHER[weather])
        (followed,) = run(fleet, stage, clock)
    assert (followed.verdict.outcome, followed.verdict.reason) == (Outcome.READY, "Ready")
    assert [heard[2] for heard in stage.heard if heard[0] == "done"] == ["fetched", "applied", "rolled out"]


def test_a_permission_that_is_missing_is_one_line(clock: SystemClock) -> None:
    with Fleet(1) as fleet:
        stage = Stage()
        fleet.api.forbid("patch", "gitrepositories")
        (followed,) = run(fleet, stage, clock)
    assert followed.verdict.outcome is Outcome.READY
    notices = [heard[1] for heard in stage.heard if heard[0] == "notice"]
    assert len([text for text in notices if "could not be asked to fetch now" in text]) == 1


def test_an_api_that_stays_away_is_unknown(clock: SystemClock) -> None:
    with Fleet(1) as fleet:
        stage = Stage()
        fleet.api.fail_next(503, 100_000)
        (followed,) = run(fleet, stage, clock, timeout_s=0.3)
    assert (followed.verdict.outcome, followed.verdict.reason) == (Outcome.UNKNOWN, "ClusterUnreachable")


@pytest.mark.slow
def test_two_hundred_sites_are_followed_by_one_process_over_few_connections(clock: SystemClock) -> None:
    most = threads = 0

    def count(fleet: Fleet) -> None:
        nonlocal most, threads
        most = max(most, fleet.api.connections())
        threads = max(
            threads, len([thread for thread in threading.enumerate() if thread.name.startswith("kube ")])
        )

    with Fleet(200) as fleet:
        followed = run(fleet, Stage(between=count), clock)
        asked = sum(fleet.api.requests().values())
    assert {each.verdict.outcome for each in followed} == {Outcome.READY}
    assert len(followed) == 200
    # One stream for each kind (six of them), and those that read at the same time.
    assert most <= 16
    assert threads == 1
    # Each look lists each kind once, however many sites there are: far fewer requests than sites.
    assert asked < 200
