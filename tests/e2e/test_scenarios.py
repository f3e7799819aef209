"""Each scenario with its verdict, against the real stack and, where it plays it, against the sandbox: `bump` as a process.

They run side by side, each with its own fleet; those that break what others need come after, one by one. Most are marked slow:
`make e2e` leaves them out, `make e2e-all` plays all, and BUMP_E2E_VERDICTS=FILE keeps the table of what was shown and what was said
(`verdicts`).
"""

import math
import os
import re
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from .access import FOLLOWER
from .api import path_of
from .deploys import DEPLOYS, READY, TAG, Act, Deploy
from .fleet import Site, fleet
from .looks import eventually, running_images
from .platforms import Platform, Sandbox
from .program import Ground
from .record import Recorder, versions
from .repository import Repository, sites
from .rounds import asked_for
from .stack import FLUX_NAMESPACE, Stack
from .verdicts import Measured, measure, patience_s, write

# What is measured shall not wait for a processor that other deploys have.
_AT_ONCE, _AT_ONCE_MEASURED = 12, 4
_RECORDED_S = 1.0


def _marks(deploy: Deploy) -> list[pytest.MarkDecorator]:
    return [] if deploy.often else [pytest.mark.slow]


PLAYED = [
    pytest.param(ground, deploy.name, marks=_marks(deploy), id=f"{ground}-{deploy.name}")
    for ground in ("real", "sandbox")
    for deploy in DEPLOYS.values()
    if ground == "real" or deploy.both
]
Play = tuple[str, str]  # the ground and the deploy's name


@pytest.fixture(scope="module")
def real(stack: Stack) -> Ground:
    """The real stack, for a `bump` with no more rights than following a deploy takes."""
    return Ground(stack, {"KUBECONFIG": str(stack.account("scenarios", FOLLOWER))})


@pytest.fixture(scope="module")
def plays(
    request: pytest.FixtureRequest, stack: Stack, real: Ground
) -> Iterator[dict[Play, Future[Measured]]]:
    """The deploys that this run asks for, on both platforms at once; the real stack is recorded meanwhile."""
    wanted = [
        (str(params["ground"]), DEPLOYS[params["name"]]) for params in asked_for(request, test_the_verdict)
    ]
    names = [deploy.name for _, deploy in wanted]
    with ExitStack() as opened:
        small = opened.enter_context(Sandbox(speed=3.0))
        grounds = {"real": real, "sandbox": Ground(small, small.environ())}
        recorder = opened.enter_context(Recorder(stack.api, namespaces=names, names=names, logs=False))
        table = os.environ.get("BUMP_E2E_VERDICTS")
        together = opened.enter_context(ThreadPoolExecutor(_AT_ONCE_MEASURED if table else _AT_ONCE))
        futures = {
            (where, deploy.name): together.submit(_play, deploy, grounds[where], recorder)
            for where, deploy in sorted(wanted, key=_takes_long, reverse=True)
            if not deploy.alone
        }
        alone = opened.enter_context(ThreadPoolExecutor(1))
        before = list(futures.values())
        for where, deploy in wanted:
            if deploy.alone:
                futures[where, deploy.name] = alone.submit(_after, before, deploy, grounds[where], recorder)
        yield futures
        if table:
            ended = [
                future for (where, _), future in futures.items() if where == "real" and not future.exception()
            ]
            write(Path(table), [future.result() for future in ended], _stack_of(stack), _AT_ONCE_MEASURED)


def _takes_long(play: tuple[str, Deploy]) -> float:
    """Those whose cause is given the longest patience begin first: they only wait."""
    return max(patience_s(reason) for _, reason, _ in play[1].verdicts)


def _play(deploy: Deploy, ground: Ground, recorder: Recorder) -> Measured:
    ended = deploy.act(ground)
    is_recorded = isinstance(ground.platform, Stack)
    if not is_recorded:
        return measure(deploy, ended, [], recorder.started_s)
    time.sleep(_RECORDED_S)  # what the verdict saw is in the recording, too
    lines = [line for line in recorder.lines if "object" in line]
    _clear_away(ground.platform, deploy.name)
    return measure(deploy, ended, lines, recorder.started_s)


def _clear_away(platform: Platform, name: str) -> None:
    """Containers that crash and probes that fail go on for ever, and take time from the deploys that follow."""
    platform.api.merge("Kustomization", FLUX_NAMESPACE, name, {"spec": {"suspend": True}})
    platform.api.merge("Kustomization", FLUX_NAMESPACE, f"fleet-{name}", {"spec": {"suspend": True}})
    if deployment := platform.api.find("Deployment", name, name):
        platform.api.merge("Deployment", name, deployment["metadata"]["name"], {"spec": {"replicas": 0}})


def _after(before: list[Future[Measured]], deploy: Deploy, ground: Ground, recorder: Recorder) -> Measured:
    for future in before:
        future.exception()
    return _play(deploy, ground, recorder)


def _stack_of(stack: Stack) -> str:
    seen = versions(stack.node_is_played)
    return f"Kubernetes {seen['kubernetes']}, Flux {seen['flux']}; the node: {seen['node']}"


@pytest.mark.parametrize(("ground", "name"), PLAYED)
def test_the_verdict(ground: str, name: str, plays: dict[Play, Future[Measured]]) -> None:
    measured = plays[ground, name].result()
    answers = "\n".join(map(str, measured.ended))
    assert measured.verdicts == DEPLOYS[name].verdicts, answers
    if ground == "real":
        assert measured.after_s is None or not math.isnan(measured.after_s), f"nothing showed it: {answers}"


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
    act.image(behaviour="slow", ready_after_s=30)
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
