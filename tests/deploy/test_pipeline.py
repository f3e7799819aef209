"""The pipe up to the revision, over real git and a real registry protocol on loopback."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import pytest
from platforms import HandClock, Quiet, files, remote, server

from bumper.app.clock import SystemClock
from bumper.deploy import image_gate, pipeline
from bumper.deploy.pipeline import Landed
from bumper.errors import Contention, Denied, FieldUnsafe, ImageMissing, Refused
from bumper.fluxtree.layers import Reading
from bumper.fluxtree.sites.choose import find_targets
from bumper.ports.git import Tree
from bumper.request import Deadlines, Request, Wanted
from bumper.revision import Revision
from bumper.systems.git.remote import Remote
from bumper.systems.registry import Registry
from bumper_sandbox.git.server import GitServer
from bumper_sandbox.registry.server import RegistryServer

WEB = "k8s/web/deployment.yaml"
API = "k8s/api/deployment.yaml"
FULL = "abc1234def5678abc1234def5678abc1234def56"


@dataclass
class Platform:
    """A repository with the sites web and api at 1.0; the registry has 1.0, 2.0 and 3.0 of both."""

    git: GitServer
    url: str
    registry: RegistryServer

    def content(self, path: str) -> str:
        with remote(self.url) as there:
            return there.tree(there.fetch("main")).read([path])[path].decode()

    def tip(self) -> str:
        with remote(self.url) as there:
            return there.fetch("main")

    def set(self, path: str, old: str, new: str) -> None:
        """A push by somebody else."""
        with remote(self.url) as there:
            tip = there.fetch("main")
            content = there.tree(tip).read([path])[path]
            there.push(
                there.commit(tip, {path: content.replace(old.encode(), new.encode())}, "Somebody else\n"),
                "main",
            )


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[GitServer, RegistryServer]]:
    with server() as git, RegistryServer(authentication="none") as registry:
        for site in ("web", "api"):
            for tag in ("1.0", "2.0", "3.0", "abc1234"):
                registry.push(site, tag)
        yield git, registry


@pytest.fixture
def platform(servers: tuple[GitServer, RegistryServer], request: pytest.FixtureRequest) -> Platform:
    git, registry = servers
    name = f"{abs(hash(request.node.nodeid))}.git"
    return Platform(git, git.create(name, files(registry.host, "web", "api")), registry)


def request_for(*wanted: Wanted, image_s: float = 5.0, push_s: float = 60.0) -> Request:
    return Request(wanted, "main", deadlines=Deadlines(image_s=image_s, push_s=push_s))


def deploy(platform: Platform, asked: Request, repository: "Disturbed | None" = None) -> Landed:
    registry = Registry(environ={}, clock=SystemClock())
    with remote(platform.url) as there:
        used = repository or there
        try:
            plan, manifests = pipeline.prepare(asked, used, registry, SystemClock(), Quiet())
            return pipeline.land(asked, plan, manifests, used, used, SystemClock(), Quiet())
        finally:
            registry.close()


@dataclass
class Disturbed:
    """A repository in which something happens right before each push (`systems.Repository`)."""

    inner: Remote
    happening: Sequence[Callable[[], None]]

    def fetch(self, branch: str) -> str:
        return self.inner.fetch(branch)

    def tree(self, commit: str) -> Tree:
        return self.inner.tree(commit)

    def write(self, parent: str, changes: Mapping[str, bytes | None], message: str, branch: str) -> Revision:
        first, *self.happening = self.happening or [lambda: None]
        first()
        return self.inner.write(parent, changes, message, branch)

    def contains(self, descendant: str, ancestor: str) -> bool | None:
        return self.inner.contains(descendant, ancestor)

    def subject(self, commit: str) -> str:
        return self.inner.subject(commit)

    def author(self, commit: str) -> str:
        return self.inner.author(commit)

    def message(self, commit: str) -> str:
        return self.inner.message(commit)


@pytest.mark.slow
def test_one_tag_changes_and_not_one_byte_more(platform: Platform) -> None:
    before = platform.content(WEB)
    landed = deploy(platform, request_for(Wanted("web", "2.0")))
    assert platform.content(WEB) == before.replace(":1.0", ":2.0")
    assert platform.tip() == landed.revision.sha
    assert landed.plan.diff().splitlines()[-2:] == [
        f"-          image: {platform.registry.host}/web:1.0 # set by the pipeline",
        f"+          image: {platform.registry.host}/web:2.0 # set by the pipeline",
    ]


@pytest.mark.slow
def test_two_sites_are_one_commit(platform: Platform) -> None:
    before = platform.tip()
    landed = deploy(platform, request_for(Wanted("web", "2.0"), Wanted("api", "3.0")))
    assert ":2.0" in platform.content(WEB)
    assert ":3.0" in platform.content(API)
    with remote(platform.url) as there:
        assert there.subject(there.fetch("main")) == "Deploy web 2.0 and 1 more"
        assert there.contains(landed.revision.sha, before) is True


def add(platform: Platform, path: str, name: str, image: str) -> None:
    """One more Deployment, by somebody else."""
    with remote(platform.url) as there:
        tip = there.fetch("main")
        content = there.tree(tip).read([WEB])[WEB].decode()
        written = content.replace("name: web", f"name: {name}").replace(
            f"{platform.registry.host}/web:1.0", image
        )
        there.push(there.commit(tip, {path: written.encode()}, "Add a workload\n"), "main")


def test_every_use_of_the_image_moves_in_the_same_commit_each_as_it_is_pinned(platform: Platform) -> None:
    worker, image = "k8s/web/worker.yaml", f"{platform.registry.host}/web"
    add(platform, worker, "worker", f"{image}:1.0@sha256:{'0' * 64}")
    landed = deploy(platform, request_for(Wanted("web", "2.0")))
    (change,) = landed.plan.changes
    assert [edit.path for edit in change.edits] == [WEB, worker]
    assert f"{image}:2.0 #" in platform.content(WEB)
    assert f"{image}:2.0@{change.image.digest}" in platform.content(worker)
    with remote(platform.url) as there:
        message = there.message(landed.revision.sha)
    assert f"{WEB}, {worker}: {image} goes from 1.0 to 2.0." in message
    assert message.count("Bump-Site: ") == 1


def test_one_use_that_cannot_be_edited_refuses_all(platform: Platform) -> None:
    worker, image = "k8s/web/worker.yaml", f"{platform.registry.host}/web"
    add(platform, worker, "worker", f'"{image}:1\\x2e0"')
    tip = platform.tip()
    with pytest.raises(FieldUnsafe, match=r"k8s/web/worker\.yaml:\d+: ") as caught:
        deploy(platform, request_for(Wanted("web", "2.0")))
    assert caught.value.hint == "change this field by hand; or leave it as it is: --container web"
    assert platform.tip() == tip


def test_a_race_that_pins_one_use_elsewhere_leaves_it_there(platform: Platform) -> None:
    worker, image = "k8s/web/worker.yaml", f"{platform.registry.host}/web"
    add(platform, worker, "worker", f"{image}:1.0")
    with remote(platform.url) as there:
        happening = [lambda: platform.set(worker, ":1.0", ":3.0")]
        landed = deploy(platform, request_for(Wanted("web", "2.0")), Disturbed(there, happening))
    assert ":2.0" in platform.content(WEB)
    assert ":3.0" in platform.content(worker)
    assert [stays.path for stays in landed.plan.changes[0].target.stays] == [worker]


@pytest.mark.slow
def test_a_tag_that_is_there_is_not_written_again(platform: Platform) -> None:
    deploy(platform, request_for(Wanted("web", "2.0")))
    tip = platform.tip()
    landed = deploy(platform, request_for(Wanted("web", "2.0")))
    assert (platform.tip(), landed.revision.sha) == (tip, tip)
    assert [change.edits for change in landed.plan.changes] == [()]


def test_a_full_sha_finds_the_tag_that_is_a_prefix_of_it(platform: Platform) -> None:
    deploy(platform, request_for(Wanted("web", FULL, is_commit=True)))
    assert ":abc1234 #" in platform.content(WEB)


def test_a_missing_image_is_refused_after_the_wait_and_nothing_is_written(platform: Platform) -> None:
    tip, clock, progress = platform.tip(), HandClock(), Quiet()
    registry = Registry(environ={}, clock=SystemClock())
    with remote(platform.url) as there, pytest.raises(ImageMissing, match=r"web:9\.9"):
        pipeline.prepare(request_for(Wanted("web", "9.9"), image_s=20.0), there, registry, clock, progress)
    registry.close()
    assert platform.tip() == tip
    assert 10.0 < clock.time <= 20.0
    assert [heard for heard in progress.heard if "looking again" in heard[-1]]


def test_an_image_that_arrives_while_we_wait_is_taken(platform: Platform) -> None:
    class Pushing(HandClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            platform.registry.push("web", "late")

    registry = Registry(environ={}, clock=SystemClock())
    with remote(platform.url) as there:
        plan, _ = pipeline.prepare(request_for(Wanted("web", "late")), there, registry, Pushing(), Quiet())
    registry.close()
    assert [change.image.tag for change in plan.changes] == ["late"]


@pytest.mark.slow
def test_a_push_that_lost_to_another_site_is_planned_again_and_both_stand(platform: Platform) -> None:
    with remote(platform.url) as there:
        happening = [lambda: platform.set(API, ":1.0", ":7.0")]
        landed = deploy(platform, request_for(Wanted("web", "2.0")), Disturbed(there, happening))
    assert landed.attempts == 2
    assert ":2.0" in platform.content(WEB)
    assert ":7.0" in platform.content(API)


@pytest.mark.slow
def test_what_the_winner_did_to_our_file_stays(platform: Platform) -> None:
    with remote(platform.url) as there:
        happening = [lambda: platform.set(WEB, "# one replica is enough", "# two would be better")]
        deploy(platform, request_for(Wanted("web", "2.0")), Disturbed(there, happening))
    assert "# two would be better" in platform.content(WEB)
    assert ":2.0" in platform.content(WEB)


@pytest.mark.slow
def test_a_winner_that_set_our_field_to_another_tag_is_named_and_stays(platform: Platform) -> None:
    with remote(platform.url) as there:
        happening = [lambda: platform.set(WEB, ":1.0", ":3.0")]
        with pytest.raises(Refused, match=r"another push set web to 3\.0 while 2\.0 .* over 1\.0"):
            deploy(platform, request_for(Wanted("web", "2.0")), Disturbed(there, happening))
    assert ":3.0" in platform.content(WEB)


@pytest.mark.slow
def test_a_winner_that_wrote_our_tag_leaves_nothing_to_write(platform: Platform) -> None:
    with remote(platform.url) as there:
        happening = [lambda: platform.set(WEB, ":1.0", ":2.0")]
        landed = deploy(platform, request_for(Wanted("web", "2.0")), Disturbed(there, happening))
    assert landed.revision.sha == platform.tip()
    assert landed.plan.changes[0].edits == ()


@pytest.mark.slow
def test_races_lost_to_the_deadline_are_contention(platform: Platform) -> None:
    clock, registry = HandClock(), Registry(environ={}, clock=SystemClock())
    asked = request_for(Wanted("web", "2.0"), push_s=2.0)
    with remote(platform.url) as there:
        happening = [
            partial(platform.set, API, f":{number}.0", f":{number + 1}.0") for number in range(1, 100)
        ]
        repository = Disturbed(there, happening)
        plan, manifests = pipeline.prepare(asked, repository, registry, clock, Quiet())
        with pytest.raises(Contention, match=r"lost .* races in 2 s"):
            pipeline.land(asked, plan, manifests, repository, repository, clock, Quiet())
    registry.close()
    assert ":1.0" in platform.content(WEB)
    assert clock.time <= 2.0


def test_a_rule_that_forbids_the_push_is_final_and_in_the_servers_words(platform: Platform) -> None:
    hook = platform.git.path(platform.url.rpartition("/")[2]) / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'main takes no pushes on Fridays' >&2\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    with pytest.raises(Denied, match="main takes no pushes on Fridays"):
        deploy(platform, request_for(Wanted("web", "2.0")))


@pytest.mark.parametrize("writers", [4, pytest.param(12, marks=pytest.mark.slow)])
def test_many_writers_of_one_branch_all_land(servers: tuple[GitServer, RegistryServer], writers: int) -> None:
    git, registry = servers
    sites = [f"site{number:02}" for number in range(writers)]
    for site in sites:
        registry.push(site, "2.0")
    shared = Platform(git, git.create(f"many-{writers}.git", files(registry.host, *sites)), registry)
    start = threading.Barrier(len(sites))

    def writer(site: str) -> Landed:
        start.wait()
        return deploy(shared, request_for(Wanted(site, "2.0")))

    with ThreadPoolExecutor(len(sites)) as pool:
        landed = list(pool.map(writer, sites))
    assert [shared.content(f"k8s/{site}/deployment.yaml").count(":2.0") for site in sites] == [1] * len(sites)
    assert len({landing.revision.sha for landing in landed}) == len(sites)


def test_two_sites_that_share_a_field_are_not_both_written(platform: Platform) -> None:
    asked = request_for(Wanted("web", "2.0"), Wanted("api", "3.0"))
    with remote(platform.url) as there:
        tree = there.tree(tip := there.fetch("main"))
        targets = find_targets(asked, Reading(tree))
        targets["api"] = replace(targets["web"], site=replace(targets["web"].site, name="api"))
        registry = Registry(environ={}, clock=SystemClock())
        manifests = image_gate.resolve(asked, targets, registry, SystemClock(), Quiet())
        manifests["api"] = replace(manifests["api"], image=manifests["web"].image.with_tag("3.0"))
        registry.close()
        with pytest.raises(Refused, match="web and api share this field, and are to get"):
            pipeline.plan(asked, tip, tree, targets, manifests)
