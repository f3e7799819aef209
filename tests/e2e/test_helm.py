"""HelmReleases of a chart of our own on the real helm-controller: each deploy with its verdict, followed to the pods.

They run side by side, each with its own repository, on a stack of their own.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from .access import FOLLOWER
from .deploys import (
    CRASHED,
    READY,
    TAG,
    Act,
    image_that_the_node_does_not_find,
    superseded_by_a_later_bump,
)
from .looks import condition, eventually
from .program import Ended, Ground, Run, results
from .rounds import asked_for, check, side_by_side
from .stack import Options, Stack

pytestmark = pytest.mark.slow

_AT_ONCE = 6


@dataclass(frozen=True)
class Released:
    """A deploy of a HelmRelease: the verdict of each run, and texts that the last answer must hold: the cause, by name."""

    verdicts: tuple[tuple[str, str, int], ...]
    quotes: tuple[str, ...]
    release: dict[str, Any]
    steps: Callable[[Act], list[Run]]
    settles: bool


RELEASES: dict[str, Released] = {}


def released(
    *verdicts: tuple[str, str, int], quotes: tuple[str, ...] = (), settles: bool = True, **release: Any
) -> Callable[[Callable[[Act], list[Run]]], Callable[[Act], list[Run]]]:
    """Enters the function as a deploy of a HelmRelease whose spec has this beyond the minimum."""

    def enter(steps: Callable[[Act], list[Run]]) -> Callable[[Act], list[Run]]:
        name = f"helm-{steps.__name__.replace('_', '-')}"
        RELEASES[name] = Released(verdicts, quotes, release, steps, settles)
        return steps

    return enter


@released(READY)
def installed(act: Act) -> list[Run]:
    return [act.track(act.first)]


@released(READY)
def upgraded(act: Act) -> list[Run]:
    act.image()
    return [act.bump()]


@released(READY, timeout="2m")
def upgraded_slowly(act: Act) -> list[Run]:
    act.image(behaviour="slow", ready_after_s=10)
    return [act.bump()]


@released(READY, values={"migrates": True})
def upgraded_with_a_hook(act: Act) -> list[Run]:
    act.image()
    return [act.bump()]


@released(CRASHED, quotes=("no such table: pages",), timeout="2m")
def crash_loop(act: Act) -> list[Run]:
    act.image(behaviour="crash", log="no such table: pages")
    return [act.bump()]


# As with a Deployment that Flux applies itself.
released(("failed", "TagGone", 11), timeout="2m")(image_that_the_node_does_not_find)
released(("superseded", "Superseded", 0), READY, timeout="2m")(superseded_by_a_later_bump)


@released(
    ("failed", "RetriesExceeded", 11),
    quotes=("Helm upgrade failed", "runs but is not ready"),
    upgrade={"timeout": "20s"},
)
def never_ready(act: Act) -> list[Run]:
    act.image(behaviour="unready")
    return [act.bump()]


@released(
    ("failed", "RetriesExceeded", 11),
    quotes=("pre-upgrade hooks failed", "kubectl logs job/helm-failing-hook-migrate"),
    values={"migrates": True},
    upgrade={"timeout": "1m"},
)
def failing_hook(act: Act) -> list[Run]:
    act.image(behaviour="crash", log="no such column: title")
    return [act.bump()]


# A node lets a container end for the third time some 15 s after its first start.
_CRASHES = "30s"
_REMEDIATES = {"retries": 0, "remediateLastFailure": True}
_ROLLS_BACK = {"timeout": _CRASHES, "remediation": {**_REMEDIATES, "strategy": "rollback"}}
_UNINSTALLS = {"timeout": "10s", "remediation": {**_REMEDIATES, "strategy": "uninstall"}}


@released(CRASHED, quotes=("no such table: pages",), upgrade=_ROLLS_BACK)
def crash_that_helm_rolls_back(act: Act) -> list[Run]:
    act.image(behaviour="crash", log="no such table: pages")
    return [act.bump()]


@released(
    ("failed", "RetriesExceeded", 11), quotes=("Helm upgrade failed", "Helm rollback"), upgrade=_ROLLS_BACK
)
def rolled_back_before_anybody_looked(act: Act) -> list[Run]:
    """The failed version is gone when it is asked about: Helm's own words are all there is."""
    commit = _bad_commit(act)
    eventually(lambda: _remediated(act) == "RollbackSucceeded", "Helm has rolled back")
    return [act.track(commit)]


@released(("timed-out", "NotRolledOut", 3), quotes=("HTTP probe failed",), upgrade=_UNINSTALLS)
def uninstalled_after_a_failed_upgrade(act: Act) -> list[Run]:
    """helm-controller then installs the same version anew: that may take its timeout, and its pods say what is the matter."""
    commit = _bad_commit(act)
    eventually(lambda: _remediated(act) == "UninstallSucceeded", "Helm has uninstalled it")
    return [act.track(commit, "--timeout", "60s")]


@released(CRASHED, quotes=("rolled back  to 1.0.0",), timeout="1m")
def crash_that_bump_rolls_back(act: Act) -> list[Run]:
    act.image(behaviour="crash", log="no such table: pages")
    return [act.bump("--auto-rollback")]


@released(("suspended", "Suspended", 6), READY)
def suspended(act: Act) -> list[Run]:
    act.stack.api.merge("HelmRelease", act.name, act.name, {"spec": {"suspend": True}})
    act.image()
    first = act.bump()
    first.result()
    act.stack.api.merge("HelmRelease", act.name, act.name, {"spec": {"suspend": None}})
    return [first, act.track(act.repository.tip)]


@released(("blocked", "DependencyNotReady", 6), quotes=("absent",))
def blocked_by_a_dependency(act: Act) -> list[Run]:
    act.stack.api.merge("HelmRelease", act.name, act.name, {"spec": {"dependsOn": [{"name": "absent"}]}})
    act.image()
    return [act.bump()]


@released(("failed", "CrashLoop", 11), READY, settles=False, timeout=_CRASHES)
def failed_install_that_the_next_version_heals(act: Act) -> list[Run]:
    eventually(lambda: _ready(act).get("reason") == "InstallFailed", "the install fails")
    first = act.track(act.first)
    first.result()
    act.image()
    return [first, act.bump()]


def _bad_commit(act: Act) -> str:
    return act.push_tag(TAG, behaviour="unready")


def _release(act: Act) -> dict[str, Any] | None:
    return act.stack.api.find("HelmRelease", act.name, act.name)


def _ready(act: Act) -> dict[str, Any]:
    return condition(_release(act), "Ready")


def _remediated(act: Act) -> str:
    return str(condition(_release(act), "Remediated").get("reason", ""))


@pytest.fixture(scope="module")
def helm(controllers: Callable[..., tuple[str, ...]]) -> Iterator[Stack]:
    with Stack(Options(more=controllers("helm-controller"))) as running:
        yield running


@pytest.fixture(scope="module")
def ground(helm: Stack) -> Ground:
    return Ground(helm, {"KUBECONFIG": str(helm.account("helm", FOLLOWER))})


@pytest.fixture(scope="module")
def plays(request: pytest.FixtureRequest, ground: Ground) -> Iterator[dict[str, Future[list[Ended]]]]:
    """The deploys that this run asks for, some at once."""
    names = [params["name"] for params in asked_for(request, test_the_verdict)]
    with side_by_side(names, partial(_play, ground), _AT_ONCE) as begun:
        yield begun


def _play(ground: Ground, name: str) -> list[Ended]:
    chosen = RELEASES[name]
    image = {} if chosen.settles else {"behaviour": "crash", "log": "no such table: pages"}
    act = Act(ground, name, {"release": chosen.release, "image": image})
    if chosen.settles:
        eventually(lambda: act.rolled_out() and _ready(act).get("status") == "True", f"{name} is installed")
    return results(chosen.steps(act))


@pytest.mark.parametrize("name", RELEASES)
def test_the_verdict(name: str, plays: dict[str, Future[list[Ended]]]) -> None:
    check(plays[name].result(), RELEASES[name].verdicts, RELEASES[name].quotes)
