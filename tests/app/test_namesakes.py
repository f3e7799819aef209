"""What the clusters build under a name that the repository has several times."""

from collections.abc import Sequence
from typing import Any

import pytest
from clusters import Untold
from trees import MemoryTree, deployment, flux, sync

from bumper.app.namesakes import elsewhere, inventory, live_builds, require_followed
from bumper.errors import Unreachable, UsageError
from bumper.fluxtree.sites.find import Target, find
from bumper.objects import ObjectKey
from bumper.observation import Desired, Observation
from bumper.request import Choice, LiveBuild


class Answering(Untold):
    """A cluster that has this Kustomization, has none, or can't be read."""

    name = "east"

    def __init__(self, spec: dict[str, Any] | None, *, is_away: bool = False) -> None:
        self.asked: list[ObjectKey] = []
        self._spec = spec
        self._is_away = is_away

    def observe(self, desired: Sequence[Desired]) -> list[Observation]:
        self.asked += [each.kustomization for each in desired]
        if self._is_away:
            raise Unreachable("east: no answer")
        return [Observation(0.0, kustomization=None if self._spec is None else {"spec": self._spec})]

    def wait(self, timeout_s: float) -> bool:
        return False

    def request_fetch(self, source: ObjectKey) -> str:
        return ""

    def notices(self) -> tuple[str, ...]:
        return ()

    def kustomizations(self, namespaces: Sequence[str]) -> list[dict[str, Any]]:
        if self._is_away:
            raise Unreachable("east: no answer")
        metadata = {"name": "web", "namespace": namespaces[0]}
        return [] if self._spec is None else [{"metadata": metadata, "spec": self._spec}]


def test_each_cluster_tells_what_it_builds_and_one_that_is_away_tells_nothing() -> None:
    east = Answering({"path": "./apps/east", "sourceRef": {"kind": "GitRepository", "name": "fleet"}})
    west = Answering(
        {"path": "./apps/west", "sourceRef": {"kind": "GitRepository", "name": "fleet", "namespace": "flux"}}
    )
    live = live_builds([east, west, Answering(None), Answering({}, is_away=True)])
    assert live("team", "web") == {
        LiveBuild("./apps/east", "GitRepository team/fleet"),
        LiveBuild("./apps/west", "GitRepository flux/fleet"),
    }
    assert east.asked == [ObjectKey("Kustomization", "team", "web")]


def test_a_cluster_is_asked_once() -> None:
    east = Answering({"path": "./apps/east"})
    live = live_builds([east])
    assert live("team", "web") == live("team", "web")
    assert len(east.asked) == 1


def test_all_that_the_clusters_build_is_listed_and_nothing_of_one_that_is_away() -> None:
    east = Answering({"path": "./apps/east", "sourceRef": {"kind": "GitRepository", "name": "fleet"}})
    (build,) = inventory([east, Answering(None), Answering({}, is_away=True)])(["team"])
    assert (build, build.cluster) == (LiveBuild("./apps/east", "GitRepository team/fleet"), "east")
    assert build.address() == ""


def target(cluster: str) -> Target:
    files: dict[str, str] = {}
    for name in ("east", "west"):
        files[f"clusters/{name}/flux-system/gotk-sync.yaml"] = sync(f"./clusters/{name}")
        files[f"clusters/{name}/web.yaml"] = flux("web", f"./apps/{name}")
        files[f"apps/{name}/web.yaml"] = deployment("web", "reg.io/web:1")
    return find(MemoryTree(files), "web", Choice(kustomization=f"clusters/{cluster}/web.yaml"))


def building(cluster: str) -> LiveBuild:
    return LiveBuild(f"./apps/{cluster}", "GitRepository flux-system/flux-system")


def test_a_site_is_elsewhere_where_another_one_is_built_under_its_name() -> None:
    both = [target("east"), target("west")]
    assert elsewhere(both, lambda site: building("east")) == {"web (west)"}
    assert elsewhere(both, lambda site: None) == frozenset()


def test_a_site_that_no_cluster_has_is_refused_before_it_is_pushed() -> None:
    require_followed(target("east"), {"a": building("west"), "b": building("east")})
    require_followed(target("east"), {"a": building("west"), "b": None})
    require_followed(target("east"), {})
    with pytest.raises(
        UsageError, match=r"builds apps/east, and no cluster that is followed does: a builds ./apps/west"
    ):
        require_followed(target("east"), {"a": building("west")})
