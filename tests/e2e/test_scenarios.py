"""Each scenario with its verdict, against the real stack and, where it plays it, against the sandbox: `bump` as a process.

They run side by side, each with its own fleet; those that break what others need come after, one by one.
"""

import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from .access import FOLLOWER
from .api import path_of
from .deploys import DEPLOYS, READY, TAG, Act, Deploy
from .fleet import Site, fleet
from .looks import eventually, running_images
from .platforms import Sandbox
from .program import Ended, Ground
from .repository import Repository, sites
from .stack import Stack

_AT_ONCE = 12
PLAYED = [("real", name) for name in DEPLOYS] + [
    ("sandbox", deploy.name) for deploy in DEPLOYS.values() if deploy.both
]


@pytest.fixture(scope="module")
def real(stack: Stack) -> Ground:
    """The real stack, for a `bump` with no more rights than following a deploy takes."""
    return Ground(stack, {"KUBECONFIG": str(stack.account("scenarios", FOLLOWER))})


@pytest.fixture(scope="module")
def plays(
    request: pytest.FixtureRequest, real: Ground
) -> Iterator[dict[tuple[str, str], Future[list[Ended]]]]:
    """The deploys that this run asks for, on both platforms at once."""
    wanted = {
        (item.callspec.params["ground"], item.callspec.params["name"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == test_the_verdict.__name__
    }
    with ExitStack() as opened:
        small = opened.enter_context(Sandbox(speed=3.0))
        grounds = {"real": real, "sandbox": Ground(small, small.environ())}
        together = opened.enter_context(ThreadPoolExecutor(_AT_ONCE))
        chosen = [(where, DEPLOYS[name]) for where, name in PLAYED if (where, name) in wanted]
        futures = {
            (where, deploy.name): together.submit(deploy.act, grounds[where])
            for where, deploy in chosen
            if not deploy.alone
        }
        alone = opened.enter_context(ThreadPoolExecutor(1))
        before = list(futures.values())
        for where, deploy in chosen:
            if deploy.alone:
                futures[where, deploy.name] = alone.submit(_after, before, deploy, grounds[where])
        yield futures


def _after(before: list[Future[list[Ended]]], deploy: Deploy, ground: Ground) -> list[Ended]:
    for future in before:
        future.exception()
    return deploy.act(ground)


@pytest.mark.parametrize(("ground", "name"), PLAYED)
def test_the_verdict(ground: str, name: str, plays: dict[tuple[str, str], Future[list[Ended]]]) -> None:
    ended = plays[ground, name].result()
    verdicts = tuple((*run.verdict, run.exit_code) for run in ended)
    assert verdicts == DEPLOYS[name].verdicts, "\n".join(map(str, ended))


def test_seven_sites_in_one_commit(stack: Stack, real: Ground, tree: Repository) -> None:
    named = list(sites(tree))
    assert len(named) == 7
    digests = {site: stack.images.push(site, TAG) for site in named}
    before = tree.tip
    ended = real.start(tree.url, *(word for site in named for word in ("--set", f"{site}={TAG}"))).result()
    landed = {site["site"]: (site["outcome"], site["commit"]) for site in ended.answer["sites"]}
    assert landed == dict.fromkeys(named, ("ready", tree.tip)), ended
    assert ended.exit_code == 0
    assert _parents(tree, tree.tip) == [before]
    for site in named:
        image = f"{stack.registry}/{site}"
        assert running_images(stack, site) == {(f"{image}:{TAG}", f"{image}@{digests[site]}")}


def test_sixteen_bumps_at_once(stack: Stack, real: Ground) -> None:
    """Each of another site of one repository: none is lost, none undoes another's, each site becomes Ready."""
    named = [f"race-{number:02}" for number in range(16)]
    repository = fleet(stack, "race", [Site(name) for name in named])
    eventually(lambda: all(running_images(stack, name) for name in named), "all sites run")
    before = repository.tip
    for name in named:
        stack.images.push(name, TAG)
    runs = [real.start(repository.url, "--site", name, "--tag", TAG) for name in named]
    for ended in [run.result() for run in runs]:
        assert (*ended.verdict, ended.exit_code) == READY, ended
    assert sites(repository) == dict.fromkeys(named, TAG)
    pushed = _log(repository, f"{before}..main")
    assert sorted(pushed) == sorted(f"Deploy {name} {TAG}" for name in named)


def test_an_expired_watch(stack: Stack, real: Ground) -> None:
    """A server that has started anew does not know the versions of before: it answers 410 to the watches that go on from there."""
    act = Act(real, "expired", {})
    act.until_ready(act.first)
    act.image(behaviour="slow", ready_after_s=60)
    run = act.bump()
    eventually(lambda: len(act.pods()) > 1, "a pod of the new tag")
    version = (act.deployment() or {})["metadata"]["resourceVersion"]
    stack.restart("kube-apiserver")
    query = {"watch": "1", "resourceVersion": version, "timeoutSeconds": "1"}
    answer = stack.api.request("GET", path_of("Deployment"), params=query)
    assert re.search(r'"code":410|too old resource version', answer.text), answer.text
    ended = run.result()
    assert (*ended.verdict, ended.exit_code) == READY, ended


def _parents(repository: Repository, commit: str) -> list[str]:
    return _git(repository, "rev-parse", f"{commit}^@").split()


def _log(repository: Repository, revisions: str) -> list[str]:
    return _git(repository, "log", "--format=%s", revisions).splitlines()


def _git(repository: Repository, *arguments: str) -> str:
    folder = repository.stack.git.path(f"{repository.name}.git")
    return subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()
