"""Several sites in one commit: their images are asked for side by side, and what comes out is told in the order of the sites."""

import threading
from collections.abc import Iterator, Mapping

import pytest
from platforms import HandClock, Quiet, files, remote, server

from bumper.app.clock import SystemClock
from bumper.deploy import pipeline
from bumper.deploy.order_guard import OrderGuard
from bumper.errors import ImageMissing, NoAccess
from bumper.request import Deadlines, Request, Wanted
from bumper.systems.registry import Registry
from bumper_sandbox.registry.routes import Reply
from bumper_sandbox.registry.server import Fault, RegistryServer

SITES = tuple(f"site-{number}" for number in range(5))
MOST_S = 10.0


class Meeting(RegistryServer):
    """Answers for a tag of `together` only once so many have asked for it."""

    def __init__(self, together: Mapping[str, int]) -> None:
        super().__init__(authentication="none")
        self.together = {tag: threading.Barrier(askers) for tag, askers in together.items()}

    def answer(self, method: str, target: str, headers: Mapping[str, str], content: bytes) -> Reply:
        _, _, tag = target.rpartition("/manifests/")
        # The first question of all to a registry goes alone.
        if tag in self.together and f"{SITES[0]}/manifests/2" not in target:
            self.together[tag].wait(MOST_S)
        return super().answer(method, target, headers, content)


def prepare(registry: RegistryServer, tags: Mapping[str, str], image_s: float = 0.0) -> Quiet:
    """What is told while the sites are brought to these tags; the guard against older builds is asked as well."""
    progress = Quiet()
    asked = Registry(environ={}, clock=SystemClock())
    wanted = {site: Wanted(site, tag) for site, tag in tags.items()}
    request = Request(tuple(wanted.values()), "main", deadlines=Deadlines(image_s, 20.0))
    with server() as git, remote(git.create("platform.git", files(registry.host, *SITES))) as there:
        try:
            guards = [OrderGuard(wanted, (), asked, progress)]
            pipeline.prepare(request, there, asked, HandClock(), progress, guards=guards)
        finally:
            asked.close()
    return progress


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    with RegistryServer(authentication="none") as running:
        for site in SITES:
            running.push(site, "1.0")
            running.push(site, "2.0")
        yield running


def test_images_and_those_that_are_deployed_are_asked_for_side_by_side() -> None:
    with Meeting({"2.0": len(SITES) - 1, "1.0": len(SITES)}) as registry:
        for site in SITES:
            registry.push(site, "1.0", created="2026-01-01T00:00:00Z")
            registry.push(site, "2.0", created="2026-02-01T00:00:00Z")
        heard = prepare(registry, dict.fromkeys(SITES, "2.0")).heard
    assert [each[1] for each in heard if each[0] == "done"] == list(SITES)
    assert not [each for each in heard if each[0] == "notice"], "each build was seen to be the newer one"


def test_the_first_that_is_missing_is_named_and_the_others_are_asked_for_once(
    registry: RegistryServer,
) -> None:
    tags = dict.fromkeys(SITES, "2.0") | {SITES[1]: "9.0", SITES[3]: "9.1"}
    with pytest.raises(ImageMissing, match=r"/site-1:9\.0: .*; near it: 2\.0, 1\.0"):
        prepare(registry, tags, image_s=5.0)
    paths = [each.path for each in registry.asked]
    assert paths.count("/v2/site-1/manifests/9.0") == paths.count("/v2/site-3/manifests/9.1") > 1
    assert [paths.count(f"/v2/{site}/manifests/2.0") for site in SITES] == [1, 0, 1, 0, 1]


def test_what_waiting_does_not_heal_ends_the_wait_for_the_others(registry: RegistryServer) -> None:
    registry.faults.append(Fault("/v2/site-3/manifests/.*", 403, times=99))
    with pytest.raises(NoAccess, match="site-3"):
        prepare(registry, dict.fromkeys(SITES, "2.0") | {SITES[1]: "9.0"}, image_s=300.0)
    assert [each.path for each in registry.asked].count("/v2/site-1/manifests/9.0") == 1
