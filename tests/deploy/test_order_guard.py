"""The guard against older builds: real git, a real registry protocol and GitHub's API on loopback."""

import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from git_remotes import git
from openapi import problems
from platforms import Quiet, files, remote, server
from sandbox_github.content import User
from sandbox_github.server import Answer, GitHubServer, Token

from bumper.app.clock import SystemClock
from bumper.build_order import Decision, Order, Witness
from bumper.deploy import pipeline
from bumper.deploy.order_guard import OrderGuard
from bumper.deploy.pipeline import Landed
from bumper.errors import Refused
from bumper.fluxtree.sites.deploys import of_target
from bumper.history.record import records
from bumper.ports.git import Ancestry
from bumper.request import Deadlines, Origin, Request, Wanted
from bumper.systems.git.ancestry import Checkout
from bumper.systems.github.comparison import Comparison
from bumper.systems.registry import Registry
from bumper_sandbox.git.server import GitServer
from bumper_sandbox.registry.server import RegistryServer

WEB = "k8s/web/deployment.yaml"
REVISION = "org.opencontainers.image.revision"
MORNING, NOON, EVENING = (f"2026-03-01T{hour:02}:00:00Z" for hour in (8, 12, 20))


@dataclass(frozen=True)
class Commits:
    """A site's own repository: `first` ← `second` ← `third`, and `side` beside `second`."""

    directory: Path
    first: str
    second: str
    third: str
    side: str


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Commits:
    directory = tmp_path_factory.mktemp("site")
    git(directory, "init", "--quiet", "-b", "main")
    shas = []
    for name in ("first", "second", "third"):
        git(directory, "commit", "--quiet", "--allow-empty", "-m", name)
        shas.append(git(directory, "rev-parse", "HEAD"))
    git(directory, "checkout", "--quiet", "-b", "side", shas[0])
    git(directory, "commit", "--quiet", "--allow-empty", "-m", "side")
    return Commits(directory, shas[0], shas[1], shas[2], git(directory, "rev-parse", "HEAD"))


@pytest.fixture(scope="module")
def servers(source: Commits) -> Iterator[tuple[GitServer, RegistryServer]]:
    with server() as platform, RegistryServer(authentication="none") as registry:
        for sha in (source.first, source.second, source.third, source.side):
            registry.push("web", sha[:7])
        registry.push("web", "v1", labels={REVISION: source.first}, created=MORNING)
        registry.push("web", "v2", labels={REVISION: source.second}, created=NOON)
        # Even where the checkout holds the commit that both inherited.
        registry.push("web", "based-1", labels={REVISION: source.first}, created=NOON)
        registry.push("web", "based-2", labels={REVISION: source.first}, created=EVENING)
        registry.push("web", "nothing")
        yield platform, registry


@dataclass
class Platform:
    """A repository with the site web at 1.0, and the guards that its deploys ask."""

    url: str
    registry: RegistryServer
    progress: Quiet = field(default_factory=Quiet)

    def deploy(
        self,
        version: str,
        *ancestries: Ancestry,
        is_commit: bool = True,
        force: bool = False,
        meanwhile: str = "",
    ) -> Landed:
        """`meanwhile` is what somebody else sets the field to while we push."""
        wanted = Wanted("web", version, is_commit)
        request = Request(
            (wanted,),
            "main",
            deadlines=Deadlines(5.0, 20.0),
            origin=Origin(requested_by="robin"),
            force=force,
            reason="tried" if force else "",
        )
        registry = Registry(environ={}, clock=SystemClock())
        guard = OrderGuard(
            {"web": wanted},
            ancestries,
            registry,
            self.progress,
            force,
        )
        try:
            with remote(self.url) as there:
                history = there.history("main")
                guard.deploys = lambda target, tip: of_target(history.all(), target, there.tree(tip))
                plan, held = pipeline.prepare(
                    request, there, registry, SystemClock(), self.progress, guards=[guard]
                )
                if meanwhile:
                    self.set(meanwhile)
                return pipeline.land(
                    request, plan, held, there, there, SystemClock(), self.progress, guards=[guard]
                )
        finally:
            registry.close()

    def set(self, tag: str) -> None:
        """A push by somebody else."""
        with remote(self.url) as there:
            tip = there.fetch("main")
            content = there.tree(tip).read([WEB])[WEB]
            now = f":{self.tag()} #".encode()
            there.push(there.commit(tip, {WEB: content.replace(now, f":{tag} #".encode())}, "Else\n"), "main")

    def tag(self) -> str:
        with remote(self.url) as there:
            text = there.tree(there.fetch("main")).read([WEB])[WEB].decode()
        return text.partition("/web:")[2].partition(" ")[0]

    def message(self) -> str:
        with remote(self.url) as there:
            return there.message(there.fetch("main"))

    @property
    def notices(self) -> list[str]:
        return [heard[1] for heard in self.progress.heard if heard[0] == "notice"]


@pytest.fixture
def platform(servers: tuple[GitServer, RegistryServer], request: pytest.FixtureRequest) -> Platform:
    there, registry = servers
    name = f"{abs(hash(request.node.nodeid))}.git"
    return Platform(there.create(name, files(registry.host, "web")), registry)


def checkout(source: Commits) -> Checkout:
    return Checkout.at(source.directory, os.environ)


def manifests_asked(registry: RegistryServer) -> int:
    return sum("/manifests/" in asked.path for asked in registry.asked)


@pytest.mark.slow
def test_an_older_commit_is_refused_with_file_evidence_and_who_deployed_the_newer(
    platform: Platform, source: Commits
) -> None:
    platform.set(source.first[:7])
    newer = platform.deploy(source.second[:7], checkout(source)).revision.sha
    with pytest.raises(Refused) as refused:
        platform.deploy(source.first, checkout(source))
    assert refused.value.exit_code == 4
    assert re.fullmatch(
        f"{WEB}:9: {source.first[:7]} is older than {source.second[:7]}, which is deployed: "
        f"ancestry in the checkout {source.directory}; {source.second[:7]} was deployed by robin at "
        rf"20\d\d-\d\d-\d\d \d\d:\d\d UTC in {newer[:7]}",
        refused.value.message,
    )
    assert "--force --reason TEXT" in refused.value.hint
    assert "bump rollback --site web" in refused.value.hint
    assert platform.tag() == source.second[:7]


@pytest.mark.slow
def test_a_newer_commit_passes_and_says_what_it_went_by(platform: Platform, source: Commits) -> None:
    platform.set(source.first[:7])
    asked = manifests_asked(platform.registry)
    landed = platform.deploy(source.third[:7], checkout(source))
    assert platform.tag() == source.third[:7]
    (change,) = landed.plan.changes
    assert change.order == Decision(
        Order.NEWER, f"ancestry in the checkout {source.directory}", Witness.CHECKOUT
    )
    assert [
        heard for heard in platform.progress.heard if heard[0] == "done" and "newer (checkout)" in heard[3]
    ]
    assert platform.notices == []
    # The registry was asked for the wanted image alone.
    assert manifests_asked(platform.registry) == asked + 1


@pytest.mark.slow
def test_force_goes_over_it_and_the_commit_says_so(platform: Platform, source: Commits) -> None:
    platform.set(source.second[:7])
    landed = platform.deploy(source.first[:7], checkout(source), force=True)
    assert platform.tag() == source.first[:7]
    assert "Reason: tried\nBump-Forced: older\n" in platform.message()
    with remote(platform.url) as there:
        tip = there.fetch("main")
    (record,) = records(tip, "", datetime.now(UTC), platform.message())
    assert record.forced == ("older",)
    assert "forced" in landed.plan.changes[0].note


@pytest.mark.slow
def test_force_that_was_not_needed_is_not_in_the_commit(platform: Platform, source: Commits) -> None:
    platform.set(source.first[:7])
    platform.deploy(source.second[:7], checkout(source), force=True)
    assert "Bump-Forced" not in platform.message()


@pytest.mark.slow
def test_two_that_diverged_are_told_and_pass(platform: Platform, source: Commits) -> None:
    platform.set(source.second[:7])
    landed = platform.deploy(source.side[:7], checkout(source))
    assert platform.tag() == source.side[:7]
    assert landed.plan.changes[0].order
    assert landed.plan.changes[0].order.order is Order.DIVERGED
    (notice,) = platform.notices
    diverged = f"web: {source.second[:7]} and {source.side[:7]} diverged, neither is the older one"
    assert notice == f"{diverged} (ancestry in the checkout {source.directory})"


def test_where_nobody_knows_it_goes_on_and_says_why(platform: Platform) -> None:
    platform.deploy("nothing", is_commit=False)
    assert platform.tag() == "nothing"
    (notice,) = platform.notices
    assert notice.startswith(
        "web: not known whether nothing is newer than 1.0: the registry does not tell of 1.0: "
    )


@pytest.mark.slow
def test_the_same_commit_under_another_tag_is_neither(platform: Platform, source: Commits) -> None:
    platform.set(source.second[:7])
    platform.registry.push("web", f"sha-{source.second[:7]}")
    platform.deploy(f"sha-{source.second[:7]}", checkout(source), is_commit=False)
    assert platform.tag() == f"sha-{source.second[:7]}"
    assert platform.notices == []


# A history that is cut off


@pytest.fixture(scope="module")
def shallow(source: Commits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What actions/checkout leaves by default: one commit."""
    directory = tmp_path_factory.mktemp("shallow")
    git(directory, "clone", "--quiet", "--depth=1", "-b", "main", f"file://{source.directory}", "site")
    return directory / "site"


def test_a_shallow_checkout_knows_no_order_and_never_a_wrong_one(shallow: Path, source: Commits) -> None:
    decision = Checkout.at(shallow, os.environ).order(source.third, source.first)
    assert decision == Decision(Order.UNKNOWN, f"the checkout {shallow} does not hold {source.first}")
    # Both commits are there, and the way from one to the other is not: an honest git says no, and we must not.
    git(shallow, "fetch", "--quiet", "--depth=1", "origin", source.first)
    decision = Checkout.at(shallow, os.environ).order(source.third, source.first)
    assert decision.order is Order.UNKNOWN
    assert decision.evidence == f"the checkout {shallow} is shallow and shows no way from one to the other"
    git(shallow, "fetch", "--quiet", "--unshallow", "origin", "main")
    assert Checkout.at(shallow, os.environ).order(source.third, source.first).order is Order.OLDER


def test_a_way_that_a_shallow_checkout_does_show_is_a_proof(source: Commits, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--depth=2", "-b", "main", f"file://{source.directory}", "site")
    checkout = Checkout.at(tmp_path / "site", os.environ)
    assert checkout.order(source.second[:7], source.third[:7]).order is Order.NEWER
    assert checkout.order(source.third, source.second[:9]).order is Order.OLDER


def test_a_partial_clone_fetches_nothing(source: Commits, tmp_path: Path) -> None:
    served = tmp_path / "served"
    git(tmp_path, "clone", "--quiet", "--bare", str(source.directory), str(served))
    git(served, "config", "uploadpack.allowfilter", "true")
    git(served, "config", "uploadpack.allowanysha1inwant", "true")
    git(
        tmp_path,
        "clone",
        "--quiet",
        "--filter=tree:0",
        "--single-branch",
        "-b",
        "main",
        f"file://{served}",
        "partial",
    )
    checkout = Checkout.at(tmp_path / "partial", os.environ)
    assert checkout.order(source.first, source.third).order is Order.NEWER
    assert checkout.order(source.first, source.side).order is Order.UNKNOWN
    shutil.rmtree(served)
    assert checkout.order(source.third, source.first).order is Order.OLDER


def test_a_branch_that_is_called_like_a_commit_is_not_taken_for_it(source: Commits, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", str(source.directory), "site")
    git(tmp_path / "site", "branch", source.first[:7], source.third)
    checkout = Checkout.at(tmp_path / "site", os.environ)
    assert checkout.order(source.second, source.first[:7]).order is Order.UNKNOWN
    assert checkout.order(source.second, source.first).order is Order.OLDER


def test_the_checkout_around_us_counts_unless_it_is_the_platforms(source: Commits, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    git(tmp_path, "clone", "--quiet", str(source.directory), "site")
    site, origin = tmp_path / "site", "https://github.com/acme/platform.git"
    git(site, "remote", "set-url", "origin", origin)
    (site / "src").mkdir()
    for platform, is_there in [
        ("https://github.com/acme/site", True),
        (origin, False),
        ("git@github.com:acme/platform", False),
        (str(site), False),
    ]:
        checkout = Checkout.around(site / "src", os.environ)
        assert checkout
        assert checkout.is_of(platform) is not is_there, platform
    assert Checkout.around(tmp_path / "outside", os.environ) is None


# GitHub


@contextmanager
def hub(source: Commits, repository: str = "acme/web") -> Iterator[tuple[GitHubServer, Comparison]]:
    with GitHubServer() as running:
        running.add("acme/web").parents.update(
            {
                source.first: (),
                source.second: (source.first,),
                source.third: (source.second,),
                source.side: (source.first,),
                "e" * 40: (),
            }
        )
        running.tokens["reader"] = Token(User("robin"), ("acme/web",), writes=False)
        comparison = Comparison(repository, token="reader", now=time.monotonic, api_url=running.url)
        yield running, comparison
        comparison.close()
        assert running.exchanges
        assert [problem for exchange in running.exchanges for problem in problems(exchange)] == []


def test_github_tells_the_order_as_it_describes_it(source: Commits) -> None:
    with hub(source) as (running, comparison):
        rows: Sequence[tuple[str, str, Order]] = [
            (source.first, source.third, Order.NEWER),
            (source.third[:7], source.first[:7], Order.OLDER),
            (source.second, source.second[:7], Order.SAME),
            (source.second, source.side, Order.DIVERGED),
        ]
        for before, after, order in rows:
            assert comparison.order(before, after) == Decision(
                order, "GitHub's comparison in acme/web", Witness.GITHUB
            )
        assert len(running.exchanges) == len(rows)
        assert "files" not in running.exchanges[0].answer.body
        # The first page has the files, which may be many.
        comparison._api.get(f"/repos/acme/web/compare/{source.first}...{source.third}")
        assert "files" in running.exchanges[-1].answer.body


def test_what_github_does_not_tell_is_unknown(source: Commits) -> None:
    with hub(source) as (running, comparison):
        unheard = comparison.order(source.first, "d" * 40)
        assert unheard == Decision(
            Order.UNKNOWN,
            f"GitHub's comparison in acme/web does not know both of {source.first} and {'d' * 40}",
        )
        assert comparison.order(source.first, "e" * 40).order is Order.UNKNOWN
        running.faults.append(Answer(502, {"message": "Server Error"}))
        decision = comparison.order(source.first, source.third)
        assert decision.order is Order.UNKNOWN
        assert "502" in decision.evidence
        # A branch that is called like a SHA.
        running.faults.append(comparing(running, source.second, source.third))
        decision = comparison.order(source.first[:7], source.third)
        assert decision.order is Order.UNKNOWN
        assert source.second in decision.evidence
    with hub(source, "acme/other") as (_, comparison):
        assert comparison.order(source.first, source.third).order is Order.UNKNOWN


def comparing(running: GitHubServer, base: str, head: str) -> Answer:
    return running.answer("GET", f"/repos/acme/web/compare/{base}...{head}?per_page=1&page=2", "reader", None)


@pytest.mark.slow
def test_github_is_asked_where_the_checkout_does_not_know(
    platform: Platform, source: Commits, shallow: Path, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "--quiet", "--depth=1", "-b", "main", f"file://{source.directory}", "site")
    platform.set(source.second[:7])
    with hub(source) as (_, comparison), pytest.raises(Refused, match="GitHub's comparison in acme/web"):
        platform.deploy(source.first[:7], Checkout.at(tmp_path / "site", os.environ), comparison)


# What the images say


@pytest.mark.slow
def test_tags_that_are_no_commits_go_by_the_labels_of_the_images(platform: Platform, source: Commits) -> None:
    platform.set("v2")
    with pytest.raises(Refused, match=r"v1 is older than v2, which is deployed: ancestry in the checkout"):
        platform.deploy("v1", checkout(source), is_commit=False)
    platform.set("v1")
    platform.deploy("v2", checkout(source), is_commit=False)
    assert platform.tag() == "v2"


@pytest.mark.slow
def test_without_any_history_the_times_of_creation_decide(platform: Platform) -> None:
    platform.set("v2")
    with pytest.raises(Refused) as refused:
        platform.deploy("v1", is_commit=False)
    assert (
        "v1 is older than v2, which is deployed: the images were built at 2026-03-01 12:00 UTC and 2026-03-01 08:00 UTC"
        in refused.value.message
    )
    platform.set("v1")
    landed = platform.deploy("v2", is_commit=False)
    assert landed.plan.changes[0].order
    assert landed.plan.changes[0].order.order is Order.NEWER


@pytest.mark.slow
def test_a_label_that_both_images_inherited_is_no_sign_that_they_are_the_same(
    platform: Platform, source: Commits
) -> None:
    platform.set("based-2")
    with pytest.raises(Refused, match="the images were built at"):
        platform.deploy("based-1", checkout(source), is_commit=False)


# The race


@pytest.mark.slow
def test_a_winner_that_is_older_is_written_over(platform: Platform, source: Commits) -> None:
    platform.set(source.first[:7])
    landed = platform.deploy(source.third[:7], checkout(source), meanwhile=source.second[:7])
    assert (platform.tag(), landed.attempts) == (source.third[:7], 2)
    assert f"Bump-From: {source.second[:7]}\n" in platform.message()


@pytest.mark.slow
def test_a_winner_that_is_newer_stays_and_both_are_named(platform: Platform, source: Commits) -> None:
    platform.set(source.first[:7])
    with pytest.raises(
        Refused, match=f"{source.second[:7]} is older than {source.third[:7]}, which is deployed"
    ):
        platform.deploy(source.second[:7], checkout(source), meanwhile=source.third[:7])
    assert platform.tag() == source.third[:7]


@pytest.mark.parametrize("winner", ["side", "nothing"])
@pytest.mark.slow
def test_a_winner_that_is_not_known_to_be_older_stays(
    platform: Platform, source: Commits, winner: str
) -> None:
    tag = source.side[:7] if winner == "side" else "nothing"
    platform.set(source.first[:7])
    with pytest.raises(Refused, match=f"another push set web to {tag} while {source.second[:7]} was being"):
        platform.deploy(source.second[:7], checkout(source), meanwhile=tag)
    assert platform.tag() == tag
