"""`bump` itself against the real thing, with no more rights than following a deploy takes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .access import FOLLOWER
from .fleet import Site, fleet
from .guest import Guest
from .looks import eventually, running_images
from .repository import Repository
from .stack import Stack


@pytest.fixture(scope="module")
def kubeconfig(cluster: Stack | Guest) -> Path:
    """What a workflow would be given."""
    return cluster.account("follower", FOLLOWER)


def bump(repository: Repository, kubeconfig: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the command as a workflow does: token and kubeconfig by the environment."""
    environ = {
        **os.environ,
        "BUMP_TOKEN": repository.stack.git_token,
        "KUBECONFIG": str(kubeconfig),
        "HOME": str(repository.stack.folder),
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    }
    command = [sys.executable, "-m", "bumper", "--repo", repository.url, *arguments]
    return subprocess.run(
        command,
        env=environ,
        cwd=repository.stack.folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_healthy_bump(cluster: Stack | Guest, kubeconfig: Path) -> None:
    repository = fleet(cluster, "bump-healthy", [Site("bump-healthy")])
    eventually(lambda: running_images(cluster, "bump-healthy"), "the site runs")
    before = repository.tip
    digest = cluster.images.push("bump-healthy", "abc1234")
    ended = bump(repository, kubeconfig, "--site", "bump-healthy", "--sha", "abc1234")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    image = f"{cluster.registry}/bump-healthy"
    assert (f"{image}:abc1234", f"{image}@{digest}") in running_images(cluster, "bump-healthy")
    assert repository.tip != before


def test_an_image_that_is_not_there(cluster: Stack | Guest, kubeconfig: Path) -> None:
    repository = fleet(cluster, "bump-missing", [Site("bump-missing")])
    before = repository.tip
    ended = bump(repository, kubeconfig, "--site", "bump-missing", "--sha", "abc1234")
    assert ended.returncode == 4, ended.stdout + ended.stderr
    assert repository.tip == before


def test_a_crash_loop(cluster: Stack | Guest, kubeconfig: Path) -> None:
    repository = fleet(cluster, "bump-crash", [Site("bump-crash")])
    eventually(lambda: running_images(cluster, "bump-crash"), "the site runs")
    cluster.images.push("bump-crash", "abc1234", behaviour="crash", log="starting\nno such table: pages")
    ended = bump(repository, kubeconfig, "--site", "bump-crash", "--sha", "abc1234")
    assert ended.returncode == 11, ended.stdout + ended.stderr
    assert "no such table: pages" in ended.stdout + ended.stderr
