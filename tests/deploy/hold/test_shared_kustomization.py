"""Several sites in one Kustomization: each has its own hold, its own history and its own rollback."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import commandline
import pytest
from commandline import Ran
from git_remotes import content, git
from platforms import TOKEN, deployment, files, kustomization, server
from trees import MemoryTree

from bumper.deploy.hold import annotations
from bumper.deploy.hold.annotations import Hold
from bumper.deploy.hold.change import whose
from bumper.fluxtree.sites import find
from bumper_sandbox.git.server import GitServer
from bumper_sandbox.registry.server import RegistryServer

SYNC = "k8s/flux-system/apps-sync.yaml"
TAGS = ("abc0001", "abc0002", "abc0003")


@dataclass
class Platform:
    """A Kustomization `apps` that builds the sites shop and blog."""

    git: GitServer
    registry: RegistryServer

    @property
    def url(self) -> str:
        return f"{self.git.url}/platform.git"

    def bump(self, *arguments: str, by: str = "ann") -> Ran:
        environ = {**os.environ, "BUMP_TOKEN": TOKEN, "USER": by, "LOGNAME": by, "COLUMNS": "200"}
        return commandline.bump(*arguments, "--repo", self.url, environ=environ)

    def deploy(self, site: str, tag: str, *more: str) -> Ran:
        return self.bump("--site", site, "--tag", tag, "--platform", "linux/amd64", "--no-wait", *more)

    def sync(self) -> str:
        return content(self.git.path("platform.git"), SYNC, "main").decode()

    def subject(self) -> str:
        return git(self.git.path("platform.git"), "show", "--no-patch", "--format=%s", "main")


@pytest.fixture
def platform() -> Iterator[Platform]:
    with server() as running, RegistryServer(authentication="none") as registry:
        both = "---\n".join(deployment(site, f"{registry.host}/{site}:abc0001") for site in ("shop", "blog"))
        for site in ("shop", "blog"):
            for month, tag in enumerate(TAGS, 1):
                registry.push(site, tag, created=f"2026-0{month}-01T00:00:00Z")
        running.create(
            "platform.git", files(registry.host, "apps") | {"k8s/apps/deployment.yaml": both.encode()}
        )
        there = Platform(running, registry)
        for site in ("shop", "blog"):
            assert there.bump("adopt", site, "--kustomization", "apps").code == 0
        yield there


def test_a_hold_keeps_off_one_site_and_its_release_gives_the_bytes_back(platform: Platform) -> None:
    before = platform.sync()
    assert platform.bump("hold", "shop", "--reason", "freeze").code == 0
    assert 'bump/hold.shop: "freeze"' in platform.sync()
    refused = platform.deploy("shop", "abc0002")
    assert (refused.code, "help:  bump release --site shop " in refused.stderr) == (4, True), refused.stderr
    assert platform.deploy("blog", "abc0002").code == 0
    assert platform.bump("release", "shop").code == 0
    assert platform.sync() == before
    assert platform.deploy("shop", "abc0002").code == 0


@pytest.mark.slow
def test_a_rollback_of_one_refuses_no_version_of_the_other(platform: Platform) -> None:
    for site in ("shop", "blog"):
        assert platform.deploy(site, "abc0002").code == 0
    rolled = platform.bump("rollback", "shop", "--no-wait")
    assert (rolled.code, platform.subject()) == (0, "Roll shop back to abc0001"), rolled.stderr
    assert 'bump/hold-rejected.shop: "abc0002"' in platform.sync()
    assert "bump/hold:" not in platform.sync()
    assert platform.deploy("shop", "abc0002").code == 4
    assert platform.deploy("blog", "abc0003").code == 0
    assert platform.deploy("shop", "abc0002", "--force", "--reason", "tried").code == 0


@pytest.mark.slow
def test_a_hold_of_an_earlier_version_holds_every_site_and_the_advised_command_lifts_it(
    platform: Platform,
) -> None:
    assert platform.bump("hold", "apps", "--reason", "old", "--kustomization", "apps").code == 0
    held = platform.sync().replace("bump/hold.apps", "bump/hold")
    held = held.replace("bump/hold-by.apps", "bump/hold-by").replace(
        "bump/hold-since.apps", "bump/hold-since"
    )
    platform.git.commit("platform.git", {SYNC: held.encode()}, "By hand")
    for site in ("shop", "blog"):
        refused = platform.deploy(site, "abc0002", "--kustomization", "apps")
        assert (refused.code, f"bump release --site {site} --kustomization apps " in refused.stderr) == (
            4,
            True,
        )
    assert platform.bump("release", "--site", "blog", "--kustomization", "apps").code == 0
    assert platform.deploy("blog", "abc0002").code == 0


@pytest.mark.slow
def test_a_command_that_is_advised_names_the_site_as_it_was_named(platform: Platform) -> None:
    assert platform.deploy("shop", "abc0002").code == 0
    named = ("--kustomization", "apps", "--image", "shop")
    older = platform.deploy("boutique", "abc0001", *named)
    assert (
        older.code,
        "bump rollback --site boutique --kustomization apps --image shop " in older.stderr,
    ) == (4, True)
    nowhere = platform.bump("rollback", "blog", *named[:2], "--image", "blog", "--no-wait")
    assert "bump rollback --site blog --kustomization apps --image blog --to TAG" in nowhere.stderr


def shared(*names: str) -> MemoryTree:
    both = "---\n".join(deployment(name, f"reg.io/{name}:1") for name in names)
    return MemoryTree(files("reg.io", "web") | {"k8s/web/deployment.yaml": both.encode()})


@pytest.mark.parametrize(
    ("names", "site", "named"),
    [
        (["web"], "web", ""),
        (["web", "api"], "web", "web"),
        (["web"], "shop", "shop"),
        (["web"], "s" * 50, ""),
    ],
)
def test_a_hold_names_its_site_where_the_kustomization_is_not_that_one_alone(
    names: list[str], site: str, named: str
) -> None:
    tree = shared(*names)
    assert whose(tree, find.find_site(tree, site, kustomization="web")) == named


@pytest.mark.slow
def test_a_hold_on_a_name_without_an_image_holds_all_that_is_built(platform: Platform) -> None:
    before = platform.sync()
    assert platform.bump("hold", "apps", "--reason", "freeze").code == 0
    assert 'bump/hold: "freeze"' in platform.sync()
    for site in ("shop", "blog"):
        assert platform.deploy(site, "abc0002").code == 4
    assert platform.bump("release", "apps").code == 0
    assert platform.sync() == before


def test_the_image_of_a_rollback_makes_its_name_a_site() -> None:
    tree = shared("front", "blog")
    site = find.find_site(tree, "web")
    assert (whose(tree, site), whose(tree, site, "reg.io/front")) == ("", "web")


def test_where_a_site_has_two_holds_the_one_that_keeps_more_off_counts() -> None:
    tree = shared("web", "api")
    site = find.find_site(tree, "web")
    path = site.document.path
    rejected = annotations.apply(tree.files[path], site.document, Hold("bad", rejected="abc1234"), "web")
    both = annotations.apply(rejected, site.document, Hold("freeze"))
    held = find.find_site(MemoryTree({**tree.files, path: both}), "web")
    assert [hold.reason for hold in annotations.of_site(held)] == ["bad", "freeze"]
    counting = annotations.counting(held)
    assert counting
    assert counting.reason == "freeze"
    assert annotations.lift(both, held.document, "web") == tree.files[path]


@pytest.mark.slow
def test_what_takes_the_kustomization_away_sees_the_holds_of_all_its_sites(platform: Platform) -> None:
    assert platform.bump("hold", "shop", "--reason", "freeze").code == 0
    refused = platform.bump("remove-site", "apps", "--yes", "--no-wait", "--dry-run")
    assert (refused.code, "shop is not to be changed: held by ann" in refused.stderr) == (4, True), (
        refused.stderr
    )
    assert "bump release --site shop --kustomization apps" in refused.stderr
    assert platform.bump("release", "--site", "shop", "--kustomization", "apps").code == 0
    assert "is not to be changed" not in platform.bump("remove-site", "apps", "--no-wait", "--dry-run").stderr


def test_the_hold_of_another_site_is_none_of_this_one() -> None:
    tree = shared("web", "api")
    site = find.find_site(tree, "web")
    path = site.document.path
    content_held = annotations.apply(tree.files[path], site.document, Hold("freeze"), "api")
    there = MemoryTree({**tree.files, path: content_held, "x.yaml": kustomization("x", "./x")})
    assert annotations.of_site(find.find_site(there, "web")) == ()
