"""Looking again and again: real git and the sandbox's cluster, and what is shown while either is away."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bumper.app.clock import SystemClock
from bumper.status.table import Row
from bumper.status.watch import Picture, Watcher
from bumper.systems.git.remote import Remote
from bumper.systems.kube import Cluster
from bumper_sandbox.stack import Stack

K8S = Path(__file__).parents[2] / "k8s"
SITE = "kevinryan-io"
PLACE = f"k8s/{SITE}/deployment.yaml"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(K8S, os.environ, speed=20.0) as running:
        running.bootstrap()
        yield running


@pytest.fixture
def remote(stack: Stack) -> Iterator[Remote]:
    with Remote(stack.url, token=stack.token, environ=os.environ) as opened:
        yield opened


@pytest.fixture
def watcher(stack: Stack, remote: Remote) -> Iterator[Watcher]:
    with (
        Cluster(None, stack.child_environ(), SystemClock()) as cluster,
        Watcher([cluster], remote, SystemClock(), "main", site=SITE, fetch_s=0.2) as opened,
    ):
        yield opened
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith(("watch ", "kube "))]
    assert left == []


def until(pictures: Iterator[Picture | None], seen: Callable[[Picture], bool]) -> Picture:
    deadline_s = time.monotonic() + 30.0
    last = None
    for picture in pictures:
        last = picture or last
        if picture and seen(picture):
            return picture
        assert time.monotonic() < deadline_s, last
    raise AssertionError


def row(picture: Picture) -> Row:
    (only,) = picture.rows
    return only


def push(stack: Stack, remote: Remote, tag: str) -> str:
    stack.registry.push(SITE, tag)
    with Remote(stack.url, token=stack.token, environ=os.environ) as other:
        tip = other.fetch("main")
        content = other.tree(tip).read([PLACE])[PLACE]
        held = content.partition(f"/{SITE}:".encode())[2].split()[0]
        wanted = content.replace(b":" + held, f":{tag}".encode())
        return other.push(other.commit(tip, {PLACE: wanted}, f"Deploy {tag}"), "main").sha


@pytest.mark.slow
def test_a_commit_of_somebody_else_is_seen_and_followed(
    stack: Stack, remote: Remote, watcher: Watcher
) -> None:
    pictures = watcher.pictures(tick_s=0.05)
    until(pictures, lambda picture: row(picture).word == "ready")
    pushed = push(stack, remote, "abc0001")
    wanted = until(pictures, lambda picture: picture.tip.sha == pushed)
    assert row(wanted).image
    assert row(wanted).image.tag == "abc0001"  # type: ignore[union-attr]
    ready = until(
        pictures, lambda picture: row(picture).word == "ready" and row(picture).state.running == ("abc0001",)
    )
    assert ready.problems == ()


@pytest.mark.slow
def test_git_that_is_away_is_said_and_the_cluster_is_shown_all_the_same(
    stack: Stack, watcher: Watcher
) -> None:
    pictures = watcher.pictures(tick_s=0.05)
    until(pictures, lambda picture: row(picture).word == "ready")
    stack.git.faults.outage = True
    try:
        away = until(pictures, lambda picture: bool(picture.problems))
    finally:
        stack.git.faults.outage = False
    assert row(away).word == "ready"
    assert away.problems[0].startswith(f"git: {stack.url}: ")
    assert away.problems[0].endswith("what is wanted may be out of date")
    until(pictures, lambda picture: not picture.problems)


@pytest.mark.slow
def test_a_cluster_that_is_away_is_unknown_until_it_is_back(stack: Stack, watcher: Watcher) -> None:
    pictures = watcher.pictures(tick_s=0.05)
    until(pictures, lambda picture: row(picture).word == "ready")
    token, stack.cluster.api.token = stack.cluster.api.token, "another"
    try:
        away = until(pictures, lambda picture: row(picture).word == "unknown")
    finally:
        stack.cluster.api.token = token
    assert row(away).image, "what git wants is known"
    until(pictures, lambda picture: row(picture).word == "ready")


@pytest.mark.slow
def test_a_tick_without_news_is_none(watcher: Watcher) -> None:
    pictures = watcher.pictures(tick_s=0.05)
    until(pictures, lambda picture: row(picture).word == "ready")
    assert None in [next(pictures) for _ in range(20)]
