"""Following a site that goes: until nothing of it is left, or it can't be told."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from clusters import Untold
from platforms import HandClock, Quiet

from bumper.errors import BumpError, NoAccess, Outcome, Transient
from bumper.follow.loop import Followed
from bumper.follow.removal import follow_removal
from bumper.image import ImageReference
from bumper.objects import Object, ObjectKey
from bumper.observation import Desired, Observation

KUSTOMIZATION = ObjectKey("Kustomization", "flux-system", "web")
DESIRED = Desired(
    site="web",
    image=ImageReference(""),
    previous=None,
    revision=None,
    kustomization=KUSTOMIZATION,
    source=ObjectKey("GitRepository", "flux-system", "flux-system"),
    workload=ObjectKey("Deployment", "web", "web"),
    container="",
)
HERE: Object = {"metadata": {"name": "web"}}
GOING: Object = {"metadata": {"name": "web", "deletionTimestamp": "2026-01-01T00:00:00Z"}}
GONE = Observation(0.0)


@dataclass
class Scripted(Untold):
    """A cluster (`ports.Cluster`) that shows one look after another; the last one stays."""

    looks: list[Observation | BumpError]
    clock: HandClock
    name: str = "east"
    refuses: str = ""
    asked: list[ObjectKey] = field(default_factory=list)

    def observe(self, desired: Sequence[Desired]) -> list[Observation]:
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(look, BumpError):
            raise look
        return [look]

    def wait(self, timeout_s: float) -> bool:
        self.clock.sleep(timeout_s)
        return False

    def request_fetch(self, source: ObjectKey) -> str:
        self.asked.append(source)
        return self.refuses

    def notices(self) -> tuple[str, ...]:
        return ()


def run(*looks: Observation | BumpError, refuses: str = "") -> tuple[Followed, Quiet, HandClock, Scripted]:
    clock, heard = HandClock(), Quiet()
    cluster = Scripted(list(looks), clock, refuses=refuses)
    [departed] = follow_removal(DESIRED, [cluster], clock, 60.0, heard)
    return departed, heard, clock, cluster


def test_it_is_removed_once_nothing_is_left() -> None:
    departed, heard, _, cluster = run(
        Observation(0.0, kustomization=HERE, workload=HERE),
        Observation(0.0, kustomization=GOING, workload=HERE),
        Observation(0.0, workload=HERE),
        GONE,
    )
    assert (departed.verdict.outcome, departed.verdict.reason) == (Outcome.REMOVED, "Removed")
    assert cluster.asked == [DESIRED.source], "Flux is asked to fetch, once"
    details = [each[3] for each in heard.heard if each[0] == "moving" and each[2] == "removed"]
    assert details == [
        "Kustomization flux-system/web is still there",
        "Kustomization flux-system/web is being deleted",
        "Deployment web/web is still there",
    ]
    assert heard.heard[-1] == ("done", "web", "removed", "Kustomization flux-system/web and what it made")


@pytest.mark.parametrize("kind", ["Kustomization", "Deployment"])
def test_what_cannot_be_read_is_not_taken_for_gone(kind: str) -> None:
    departed, *_ = run(Observation(0.0, unreadable={kind: "forbidden"}))
    assert (departed.verdict.outcome, departed.verdict.reason) == (Outcome.UNKNOWN, "NoAccess")
    assert "can't be read (forbidden): whether it is gone can't be told" in departed.verdict.message


def test_at_the_deadline_it_says_what_is_still_there() -> None:
    departed, _, clock, _ = run(Observation(0.0, kustomization=GOING))
    assert (departed.verdict.outcome, departed.verdict.reason) == (Outcome.TIMED_OUT, "StillThere")
    assert departed.verdict.message == "at the deadline: Kustomization flux-system/web is being deleted"
    assert clock.time == 60.0


def test_an_outage_is_waited_out_and_a_refusal_is_not() -> None:
    departed, *_ = run(Transient("the API is down"), GONE)
    assert departed.verdict.outcome is Outcome.REMOVED
    departed, _, clock, _ = run(Transient("the API is down"))
    assert (departed.verdict.outcome, departed.verdict.reason) == (Outcome.UNKNOWN, "ClusterUnreachable")
    assert clock.time == 60.0
    departed, _, clock, _ = run(NoAccess("who are you?"))
    assert (departed.verdict.outcome, clock.time) == (Outcome.UNKNOWN, 0.0)


def test_a_source_that_cannot_be_asked_is_a_notice() -> None:
    departed, heard, *_ = run(GONE, refuses="patch is not allowed")
    assert departed.verdict.outcome is Outcome.REMOVED
    assert any(each[0] == "notice" and "patch is not allowed" in each[1] for each in heard.heard)


def test_several_clusters_have_a_verdict_each() -> None:
    clock, heard = HandClock(), Quiet()
    east = Scripted([GONE], clock)
    west = Scripted([Observation(0.0, kustomization=HERE)], clock, name="west")
    followed = follow_removal(DESIRED, [east, west], clock, 10.0, heard)
    assert [(each.label, each.verdict.outcome) for each in followed] == [
        ("web in east", Outcome.REMOVED),
        ("web in west", Outcome.TIMED_OUT),
    ]
