"""Several sites in one commit: their images are asked for side by side, and what comes out is told in the order of the sites."""

import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence

import pytest
from platforms import HandClock, Quiet, deployment, files, remote, server
from shortages import refuse_threads

from bumper.app.clock import SystemClock
from bumper.build_order import Decision, Order, Witness
from bumper.deploy import pipeline
from bumper.deploy.order_guard import OrderGuard
from bumper.errors import ImageMissing, NoAccess
from bumper.ports.git import Ancestry
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


class Together(RegistryServer):
    """Answers what is asked for `paths` only once all of it is."""

    def __init__(self) -> None:
        super().__init__(authentication="none")
        self.paths: dict[str, threading.Barrier] = {}

    def meet(self, *paths: str) -> None:
        self.paths |= dict.fromkeys(paths, threading.Barrier(len(paths)))

    def config_of(self, site: str, tag: str) -> str:
        stored = self.content.manifest(site, tag)
        assert stored
        return f"/v2/{site}/blobs/{json.loads(stored.content)['config']['digest']}"

    def answer(self, method: str, target: str, headers: Mapping[str, str], content: bytes) -> Reply:
        if target in self.paths:
            self.paths[target].wait(MOST_S)
        return super().answer(method, target, headers, content)


class Known:
    """A history that knows every commit: the later one has the greater digits."""

    def order(self, before: str, after: str) -> Decision:
        return Decision(Order.NEWER if before < after else Order.OLDER, "all is known", Witness.CHECKOUT)


def prepare(
    registry: RegistryServer,
    tags: Mapping[str, str],
    image_s: float = 0.0,
    ancestries: Sequence[Ancestry] = (),
    changed: Mapping[str, bytes] | None = None,
    clock: HandClock | None = None,
) -> Quiet:
    """What is told while the sites are brought to these tags; the guard against older builds is asked as well.

    A site of a Kustomization of another name is called `SITE KUSTOMIZATION`. `changed` are files that are otherwise than each site's
    own image at 1.0.
    """
    progress = Quiet()
    asked = Registry(environ={}, clock=SystemClock())
    sites = [
        Wanted(key.partition(" ")[0], tag, kustomization=key.partition(" ")[2]) for key, tag in tags.items()
    ]
    wanted = {site.key: site for site in sites}
    request = Request(tuple(wanted.values()), "main", deadlines=Deadlines(image_s, 20.0))
    tree = {**files(registry.host, *SITES), **(changed or {})}
    with server() as git, remote(git.create("platform.git", tree)) as there:
        try:
            guards = [OrderGuard(wanted, ancestries, asked, progress)]
            pipeline.prepare(request, there, asked, clock or HandClock(), progress, guards=guards)
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


def test_what_is_deployed_is_asked_for_beside_what_is_wanted() -> None:
    with Together() as registry:
        for tag, created in (("1.0", "2026-01-01T00:00:00Z"), ("2.0", "2026-02-01T00:00:00Z")):
            registry.push("site-0", tag, created=created)
        # The first question goes alone; each of these waits for the other one.
        registry.meet("/v2/site-0/manifests/1.0", registry.config_of("site-0", "2.0"))
        heard = prepare(registry, {"site-0": "2.0"}).heard
        assert not [each for each in heard if each[0] == "notice"], "it was seen to be the newer one"
        assert sorted(each.path for each in registry.asked) == sorted(
            [
                "/v2/",
                *(f"/v2/site-0/manifests/{tag}" for tag in ("1.0", "2.0")),
                *(registry.config_of("site-0", tag) for tag in ("1.0", "2.0")),
            ]
        )


@pytest.mark.parametrize(
    ("deployed", "version", "is_asked"),
    [("abc1234", "def5678", False), ("1.0", "def5678", True), ("1.0", "1.0", False)],
)
def test_it_is_asked_for_where_commits_cannot_tell_and_not_before_that_is_certain(
    registry: RegistryServer, deployed: str, version: str, is_asked: bool
) -> None:
    registry.push("site-0", deployed, created="2026-01-01T00:00:00Z")
    registry.push("site-0", version, created="2026-02-01T00:00:00Z")
    image = f"{registry.host}/site-0:{deployed}"
    changed = {"k8s/site-0/deployment.yaml": deployment("site-0", image).encode()}
    prepare(registry, {"site-0": version}, ancestries=[Known()], changed=changed)
    paths = [each.path for each in registry.asked]
    assert paths.count(f"/v2/site-0/manifests/{version}") == 1
    if deployed != version:
        assert (f"/v2/site-0/manifests/{deployed}" in paths) is is_asked


def test_a_deploy_that_fails_waits_for_nothing_that_only_the_guard_would_need() -> None:
    with Together() as registry:
        registry.push("site-0", "1.0")
        registry.meet("/v2/site-0/manifests/1.0", "the end")
        try:
            with pytest.raises(ImageMissing, match=r"/site-0:9\.0: "):
                prepare(registry, {"site-0": "9.0"})
            assert "/v2/site-0/manifests/1.0" not in [each.path for each in registry.asked]
        finally:
            registry.paths["the end"].abort()


class Pushing(HandClock):
    """While it sleeps, somebody asks for 1.0 in vain, and 2.0 is pushed."""

    def __init__(self, registry: RegistryServer) -> None:
        super().__init__()
        self.registry = registry

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        ends_s = time.monotonic() + MOST_S
        while not any(each.status == 503 for each in self.registry.asked) and time.monotonic() < ends_s:
            time.sleep(0.01)
        self.registry.push("site-0", "2.0", created="2026-02-01T00:00:00Z")


def test_what_failed_before_anybody_needed_it_is_asked_again_when_somebody_does() -> None:
    with RegistryServer(authentication="none") as registry:
        registry.push("site-0", "1.0", created="2026-01-01T00:00:00Z")
        registry.faults.append(Fault("/v2/site-0/manifests/1.0", 503))
        heard = prepare(registry, {"site-0": "2.0"}, image_s=60.0, clock=Pushing(registry)).heard
    assert not [each for each in heard if each[0] == "notice"], "it was seen to be the newer one"
    statuses = [each.status for each in registry.asked if each.path == "/v2/site-0/manifests/1.0"]
    assert statuses == [503, 200]


def test_an_image_of_several_sites_is_asked_for_once(registry: RegistryServer) -> None:
    image = f"{registry.host}/site-0:1.0"
    changed = {
        f"k8s/{site}/deployment.yaml": deployment("site-0", image).encode() for site in ("site-1", "site-2")
    }
    keys = [f"site-0 {kustomization}" for kustomization in SITES[:3]]
    heard = prepare(registry, dict.fromkeys(keys, "2.0"), changed=changed).heard
    assert len([each for each in heard if each[0] == "done"]) == len(keys)
    assert sorted(each.path for each in registry.asked if "manifests" in each.path) == [
        "/v2/site-0/manifests/1.0",
        "/v2/site-0/manifests/2.0",
    ]


def test_where_no_further_thread_starts_it_is_asked_for_when_it_is_needed(
    registry: RegistryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_threads(monkeypatch, lambda thread: thread.name == "early")
    prepare(registry, {SITES[0]: "2.0"})
    assert "/v2/site-0/manifests/1.0" in [each.path for each in registry.asked]
