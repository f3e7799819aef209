"""What one change costs among many sites that are followed, and who is read anew where a change may have been missed."""

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import pytest

from benchmarks.fleet import Fleet
from bumper.errors import Transient
from bumper.objects import Object, ObjectKey, at
from bumper.observation import Desired, Observation
from bumper.systems.kube import Cluster, Timeouts, api
from bumper.systems.kube.kinds import Resource
from systems.kube.clock import Clock
from systems.kube.conftest import TIMEOUTS, World, desired
from systems.kube.test_cluster import until

# On this clock the time for a look at everybody never comes by itself.
RARELY = replace(TIMEOUTS, poll_s=600.0)
STREAMS = 6


class Following:
    """A fleet that is followed, with all watches in place and all that they rang for at their start looked at."""

    def __init__(self, fleet: Fleet, cluster: Cluster) -> None:
        self.fleet = fleet
        self.cluster = cluster
        self.sites = list(fleet.desired())

    def seen(self, *due: str) -> set[str]:
        """The sites that are read now."""
        return set(self.looks(self.sites, *due))

    def looks(self, sites: Collection[Desired], *due: str) -> dict[str, Observation]:
        chosen = list(sites)
        looks = self.cluster.observe_changed(chosen, [each.site in due for each in chosen])
        return {each.site: look for each, look in zip(chosen, looks, strict=True) if look}

    def change(self, site: str, number: int) -> None:
        """A change that rings."""
        self.fleet.count(site, number)
        assert self.cluster.wait(10)

    def settle(self) -> None:
        """Until a change of one site has that site alone looked at: then nothing is in doubt."""

        numbers = itertools.count(100)

        def is_alone() -> bool:
            self.change("site-000", next(numbers))
            return self.seen() == {"site-000"}

        self.cluster.observe(self.sites)
        until(is_alone)
        while self.cluster.wait(0.05):
            self.seen()


@contextmanager
def following(sites: int, timeouts: Timeouts = RARELY, forbidden: str = "") -> Iterator[Following]:
    with Fleet(sites) as fleet:
        if forbidden:
            fleet.api.forbid("watch", forbidden)
        with Cluster(None, fleet.environ(), Clock(), timeouts) as cluster:
            yield Following(fleet, cluster)


def requests(fleet: Fleet) -> int:
    return sum(count for (verb, _), count in fleet.api.requests().items() if verb in ("get", "list"))


def test_one_change_costs_the_same_however_many_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[object] = []
    as_seen = api._as_seen

    def count(resource: Resource, item: Object, seen: Mapping[str, Object]) -> Object:
        read.append(item)
        return as_seen(resource, item, seen)

    monkeypatch.setattr(api, "_as_seen", count)
    costs = []
    for sites in (12, 60):
        with following(sites) as follow:
            follow.settle()
            asked, read[:] = requests(follow.fleet), []
            follow.change("site-007", 3)
            [(site, look)] = follow.looks(follow.sites).items()
            costs.append((requests(follow.fleet) - asked, len(read)))
            assert site == "site-007"
            assert at(look.workload, "status", "updatedReplicas") == 3
            assert look.source
            assert look.kustomization
            assert len(look.pods) == 1
    assert costs[0] == costs[1]
    # The source, the Kustomization, the Deployment, and the lists of its ReplicaSets, pods and events.
    assert costs[0] == (6, 5)


@pytest.fixture
def follow() -> Iterator[Following]:
    with following(12) as followed:
        followed.settle()
        yield followed


ALL = {f"site-{number:03}" for number in range(12)}


def test_who_is_due_is_read_though_nothing_has_changed(follow: Following) -> None:
    assert follow.seen("site-001", "site-002") == {"site-001", "site-002"}


def test_without_a_word_everybody_is_read(follow: Following) -> None:
    assert follow.seen() == ALL


def test_a_source_is_everybody_s(follow: Following) -> None:
    follow.fleet.fetch()
    assert follow.cluster.wait(10)
    assert follow.seen() == ALL


def test_whoever_is_followed_from_now_on_is_read(follow: Following) -> None:
    first, *others = follow.sites
    follow.looks(others, "site-005")
    follow.change("site-001", 3)
    assert set(follow.looks(others)) == {"site-001"}
    follow.change("site-001", 4)
    assert set(follow.looks([first, *others])) == {"site-000", "site-001"}


def test_a_change_of_one_that_has_ended_has_nobody_read(follow: Following) -> None:
    follow.fleet.count("site-000", 3)
    assert follow.cluster.wait(10)
    assert follow.looks(follow.sites[1:]) == {}


def test_a_restart_of_the_server_loses_no_change(follow: Following) -> None:
    follow.fleet.api.restart()
    follow.change("site-004", 3)
    until(lambda: "site-004" in follow.seen("site-003"))


@pytest.mark.parametrize("doubt", ["a version that is gone", "a look that failed"])
def test_in_doubt_everybody_is_read(follow: Following, doubt: str) -> None:
    if doubt == "a version that is gone":
        follow.fleet.api.expire_watches()
    else:
        follow.fleet.api.fail_next(503)
        with pytest.raises(Transient):
            follow.seen("site-003")
    follow.change("site-004", 3)
    until(lambda: _is_all(follow))
    follow.settle()


def _is_all(follow: Following) -> bool:
    try:
        return follow.seen("site-003") == ALL
    except Transient:
        return False


def test_where_a_watch_is_refused_everybody_is_read_each_time() -> None:
    with following(12, replace(RARELY, forbidden_s=600.0), forbidden="events") as follow:
        follow.cluster.observe(follow.sites)
        until(follow.cluster.notices)
        for number in range(3):
            follow.fleet.count("site-004", number)
            assert follow.seen("site-003") == ALL


def test_a_period_later_everybody_is_read_whatever_is_heard() -> None:
    clock = Clock()
    with Fleet(12) as fleet, Cluster(None, fleet.environ(), clock, RARELY) as cluster:
        follow = Following(fleet, cluster)
        follow.settle()
        follow.change("site-004", 3)
        clock.now_s += RARELY.poll_s
        assert follow.seen() == ALL


def test_the_workloads_of_a_site_are_read_together(follow: Following) -> None:
    worker = replace(follow.sites[3], workload=ObjectKey("Deployment", "site-003", "worker"))
    both = [*follow.sites, worker]
    follow.cluster.observe(both)
    follow.change("site-003", 3)
    looks = follow.cluster.observe_changed(both, [False] * len(both))
    assert [number for number, look in enumerate(looks) if look] == [3, len(follow.sites)]


def test_what_a_site_comes_to_depend_on_is_watched_at_once(follow: Following) -> None:
    store, kinds = follow.fleet.store, follow.fleet.store.kinds
    kind = kinds.find("kustomize.toolkit.fluxcd.io/v1", "Kustomization")
    assert kind
    store.update(
        kind, "flux-system", "site-002", lambda own: own["spec"].update(dependsOn=[{"name": "base"}])
    )
    assert follow.cluster.wait(10)
    assert follow.seen() == {"site-002"}
    store.create(kind, {"metadata": {"namespace": "flux-system", "name": "base"}, "spec": {}})
    assert follow.cluster.wait(10)
    [look] = follow.looks(follow.sites).values()
    assert [at(each, "metadata", "name") for each in look.dependencies] == ["base"]


def test_a_crash_of_a_site_is_not_forgotten_when_another_one_is_read(
    world: World, open_cluster: Callable[[], Cluster]
) -> None:
    world.site("web", crashed=True)
    world.site("api", crashed=True)
    world.logs["web-1-a", "web", False] = "the last words"
    cluster = open_cluster()
    sites = [desired("web"), desired("api")]
    cluster.observe(sites)
    world.logs.clear()
    cluster.observe_changed(sites[1:], [True])
    [seen, _] = cluster.observe(sites)
    assert seen.logs == {"web-1-a/web": "the last words"}
