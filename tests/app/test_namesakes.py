"""What the clusters build under a name that the repository has several times."""

from collections.abc import Sequence
from typing import Any

from bumper.app.namesakes import live_builds
from bumper.errors import Unreachable
from bumper.objects import ObjectKey
from bumper.observation import Desired, Observation
from bumper.request import LiveBuild


class Answering:
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
