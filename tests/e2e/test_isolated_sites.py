"""A bump among isolated sites on a real Flux with the real source-watcher: it reconciles its own site and no other.

The way there, and what lacks on it, is in test_isolation.py.
"""

import time
from collections.abc import Callable, Iterator

import pytest

from .access import FOLLOWER
from .fleet import Site, fleet
from .isolation import ARTIFACTS, GATE, bumped, kustomization, origin, ready, runs
from .looks import eventually, running_images
from .program import Ground
from .stack import Options, Stack

SITES = ("lone-a", "lone-b")
_QUIET_S = 4.0


@pytest.fixture(scope="module")
def flux(controllers: Callable[..., tuple[str, ...]]) -> Iterator[Stack]:
    arguments = ("--requeue-dependency=2s", GATE)
    options = Options(played_node=True, kustomize_controller=arguments, more=controllers("source-watcher"))
    with Stack(options) as running:
        yield running


def test_a_bump_reconciles_its_own_site_alone(flux: Stack) -> None:
    repository = fleet(flux, "lone", [Site(name) for name in SITES])
    eventually(lambda: all(running_images(flux, name) for name in SITES), "all sites run")
    ground = Ground(flux, {"KUBECONFIG": str(flux.account("lone", (*FOLLOWER, ARTIFACTS)))})
    isolated = ground.start(repository.url, "isolate", *SITES).result()
    assert (isolated.exit_code, isolated.answer["outcome"]) == (0, "pushed"), isolated
    repository.request_fetch("lone")
    eventually(lambda: all(_is_isolated(flux, name) for name in SITES), "each is built from its artifact")
    time.sleep(_QUIET_S)
    before = {name: runs(flux, name) for name in SITES}
    ended = bumped(flux, ground, repository, "lone-a", "bbb0001")
    assert (*ended.verdict, ended.exit_code) == ("ready", "Ready", 0), ended
    assert origin(flux, "lone-a") == f"main@sha1:{repository.tip}"
    time.sleep(_QUIET_S)
    assert {name: runs(flux, name) - before[name] for name in SITES} == {"lone-a": 1, "lone-b": 0}


def _is_isolated(flux: Stack, name: str) -> bool:
    status = kustomization(flux, name).get("status") or {}
    return ready(flux, "Kustomization", name) and str(status.get("lastAppliedRevision")).startswith("latest@")
