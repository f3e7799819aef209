"""One stack for the whole run: a cluster costs seconds and half a gigabyte. A test that breaks parts of it starts its own.

`BUMP_E2E_LOGS=FOLDER` keeps the logs of all parts there; `E2E_KUBECONFIG=FILE` is a cluster to be used instead (guest.py).
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from . import build, node
from .guest import Guest
from .repository import Repository, platform
from .stack import Stack


def pytest_report_header() -> str:
    """Which of the two nodes runs the containers of the tests."""
    why = node.obstacle()
    return f"node: PLAYED, no container runs: {why}" if why else f"node: real, {node.version()}"


@pytest.fixture(scope="session")
def programs() -> None:
    """The programs are built: `make e2e` builds them first, since that can take minutes."""
    _require(build.needed(), "")


@pytest.fixture(scope="session")
def controllers(programs: None) -> Callable[..., tuple[str, ...]]:
    """Asks for further controllers by their names: those of them that `make e2e-all` builds are built."""

    def named(*names: str) -> tuple[str, ...]:
        _require([program for program in build.MORE if program.name in names], " --all")
        return names

    return named


def _require(wanted: Sequence[build.Program], argument: str) -> None:
    absent = [program.name for program in build.missing(wanted)]
    if absent:
        command = f"python tests/e2e/build.py{argument}"
        pytest.exit(f"not built: {', '.join(absent)}; run `{command}` first", returncode=2)


@pytest.fixture(scope="session")
def stack(programs: None) -> Iterator[Stack]:
    """A running cluster."""
    keep = os.environ.get("BUMP_E2E_LOGS")
    with Stack(keep=Path(keep) if keep else None) as running:
        yield running


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Stack | Guest]:
    """What tests of `bump` itself stand on: a stack of our own, or the cluster that we were told of."""
    kubeconfig = os.environ.get("E2E_KUBECONFIG")
    if not kubeconfig:
        yield request.getfixturevalue("stack")
        return
    with Guest(Path(kubeconfig), os.environ) as guest:
        yield guest


@pytest.fixture(scope="session")
def tree(stack: Stack) -> Repository:
    """Our own k8s/ tree, followed by Flux."""
    repository = platform(stack)
    repository.bootstrap()
    return repository
