"""The scenarios as deploys: what happens, whom `bump` is asked to follow, and the verdict that it must give.

Those of `scenarios` push by plain git, and `bump track` follows one of their commits while they go on; in the others `bump` itself
pushes.
"""

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from .fleet import Site, fleet
from .looks import eventually
from .program import Ended, Ground, Run, results
from .scenarios import SCENARIOS
from .stage import UNTIL_SEEN, Play, set_up

_PUSHED = re.compile(r"pushed ([0-9a-f]{40})")
TAG = "abc1234"


def recorded_as(name: str) -> tuple[str, ...]:
    """Where `BUMP_E2E_RECORDS` names a folder, each run writes there what it sees, to become a situation of the tests."""
    folder = os.environ.get("BUMP_E2E_RECORDS")
    return ("--record", str(Path(folder) / f"{name}.jsonl.gz")) if folder else ()


class Act(Play):
    """A play with `bump` in it."""

    def __init__(self, ground: Ground, name: str, site: dict[str, Any]) -> None:
        super().__init__(ground.platform, name, fleet(ground.platform, name, [Site(name, **site)]), self)
        self.ground = ground
        self.first = self.repository.tip
        self._runs = 0

    def note(self, text: str) -> None:
        """Nobody records it."""

    def image(self, tag: str = TAG, **behaves: Any) -> None:
        self.stack.images.push(self.name, tag, **behaves)

    def bump(self, *arguments: str, tag: str = TAG) -> Run:
        """The main job."""
        command = ("--site", self.name, "--tag", tag, *arguments, *self._record())
        return self.ground.start(self.repository.url, *command)

    def track(self, commit: str, *arguments: str) -> Run:
        """Follows a commit that is on the branch."""
        command = ("track", "--site", self.name, "--commit", commit, *arguments, *self._record())
        return self.ground.start(self.repository.url, *command)

    def _record(self) -> tuple[str, ...]:
        self._runs += 1
        return recorded_as(f"{self.name}-{self._runs}")

    def until_pushed(self, before: str) -> str:
        """The commit that `bump` has pushed."""
        eventually(lambda: self.repository.tip != before, f"{self.name}: a push")
        return self.repository.tip


@dataclass(frozen=True)
class Deploy:
    """`act` plays on a fleet of one site that is up, and returns how each run of `bump` in it ended."""

    name: str
    verdicts: tuple[tuple[str, str, int], ...]  # outcome, reason and exit code of each run
    act: Callable[[Ground], list[Ended]]
    both: bool  # the sandbox plays it too
    alone: bool  # it breaks what others need meanwhile
    often: bool  # `make e2e` plays it, and not `make e2e-all` alone
    what: str  # what happens, in truth
    tracks: bool  # somebody else pushes, and `bump track` follows


DEPLOYS: dict[str, Deploy] = {}


@dataclass
class _Follower:
    """Starts `bump track` when the scenario has made its push number `push`, and has it wait for that where it says so."""

    ground: Ground
    name: str
    push: int
    arguments: tuple[str, ...]
    url: str = ""
    runs: list[Run] = field(default_factory=list)
    pushes: int = 0

    def note(self, text: str) -> None:
        if text == UNTIL_SEEN:
            for run in self.runs:
                run.result()
        if pushed := _PUSHED.match(text):
            if self.pushes == self.push:
                track = ("track", "--site", self.name, "--commit", pushed[1], *recorded_as(self.name))
                self.runs.append(self.ground.start(self.url, *track, *self.arguments))
            self.pushes += 1


def _follow(name: str, push: int, arguments: tuple[str, ...], ground: Ground) -> list[Ended]:
    registry = ground.platform.registry
    follower = _Follower(ground, name, push, tuple(text.format(registry=registry) for text in arguments))
    stage = set_up(name, ground.platform, follower)
    follower.url = stage.repository.url
    try:
        SCENARIOS[name].steps(stage)
        return [run.result() for run in follower.runs]
    finally:
        for run in follower.runs:
            run.kill()


def follows(
    name: str,
    outcome: str,
    reason: str,
    exit_code: int,
    *arguments: str,
    push: int = 0,
    both: bool = False,
    alone: bool = False,
    often: bool = False,
) -> None:
    """Enters the scenario of that name, with the verdict on its push number `push`."""
    act = partial(_follow, name, push, arguments)
    what = SCENARIOS[name].what
    DEPLOYS[name] = Deploy(name, ((outcome, reason, exit_code),), act, both, alone, often, what, tracks=True)


def deploy(
    *verdicts: tuple[str, str, int],
    both: bool = False,
    alone: bool = False,
    often: bool = False,
    **site: Any,
) -> Callable[[Callable[[Act], list[Run]]], Callable[[Act], list[Run]]]:
    """Enters the function as a deploy; `site` is what its Site has beyond the minimum."""

    def enter(steps: Callable[[Act], list[Run]]) -> Callable[[Act], list[Run]]:
        name = f"deploy-{steps.__name__.replace('_', '-')}"

        def act(ground: Ground) -> list[Ended]:
            stage = Act(ground, name, site)
            stage.until_ready(stage.first)
            return results(steps(stage))

        what = steps.__name__.replace("_", " ")
        DEPLOYS[name] = Deploy(name, verdicts, act, both, alone, often, what, tracks=False)
        return steps

    return enter


READY = ("ready", "Ready", 0)
CRASHED = ("failed", "CrashLoop", 11)

# --- scenarios in which somebody else pushes

follows("never-ready", "failed", "NotReady", 11, both=True)
follows("check-times-out", "failed", "HealthCheckFailed", 11, both=True)
follows("other-unhealthy", "blocked", "HealthCheckFailed", 6, push=1)
follows("healthy", *READY, both=True, often=True)
follows("healthy-wait", *READY, both=True)
follows("three-replicas", *READY, both=True)
follows("slow-start", *READY, both=True)
follows("multi-platform", *READY)
follows("by-digest", *READY, often=True)
follows("same-image", *READY)
follows("no-probe", *READY, often=True)
follows("sidecar", *READY, often=True)
follows("startup-in-time", *READY)
follows("graceful", *READY, push=1)
follows("stubborn", *READY, push=1)
follows("two-pushes", *READY, push=1)
follows("later-commit", *READY, both=True)
follows("fix-while-checking", *READY, push=1, both=True)
follows("suspended-kustomization", "suspended", "Suspended", 6)
follows("suspended-source", "suspended", "Suspended", 6)

follows("crash-loop", *CRASHED, both=True, often=True)
follows("past-deadline", *CRASHED, both=True)
follows("init-crash", *CRASHED, often=True)
follows("sidecar-crash", *CRASHED)
follows("ends-well", *CRASHED)
follows("late-crash", *CRASHED)
follows("read-only", *CRASHED)
follows("out-of-memory", "failed", "OOMKilled", 11, often=True)
follows("liveness", "failed", "KilledByProbe", 11, often=True)
follows("startup", "failed", "KilledByProbe", 11)
follows("tcp-probe", "failed", "NotReady", 11)
follows("exec-probe", "failed", "NotReady", 11)
follows("bad-command", "failed", "ContainerStartFailed", 11, often=True)
follows("runs-as-root", "failed", "ContainerConfigFailed", 11)
follows("post-start-fails", "failed", "ContainerStartFailed", 11)
follows("init-waits", "timed-out", "NotRolledOut", 3, "--timeout", "20s")

follows("missing-tag", "failed", "NoSuchTag", 11, both=True, often=True)
# It comes later, and the site with it; whoever follows was told before that it is not there.
follows("late-tag", "failed", "NoSuchTag", 11)
# Its image is no longer the site's by its name: --image says so. containerd can't tell a missing repository from a missing tag.
follows("missing-repository", "failed", "NoSuchTag", 11, "--image", "{registry}/mising-repository")
follows("missing-digest", "failed", "NoSuchTag", 11)
follows("invalid-name", "failed", "InvalidImageName", 11, "--image", "{registry}/Invalid-Name")
follows("login-wanted", "failed", "PullDenied", 11, often=True)
follows("no-token", "failed", "PullDenied", 11)
follows("pull-forbidden", "failed", "PullDenied", 11)
follows("unreachable-registry", "failed", "RegistryUnreachable", 11)
follows("unknown-registry", "failed", "RegistryUnreachable", 11)
follows("registry-out-of-order", "failed", "RegistryUnreachable", 11)
follows("wrong-platform", "failed", "WrongArchitecture", 11)
# containerd asks no platform of an image without an index, and the program in it is for this one.
follows("other-platform", *READY)
follows("foreign-program", "failed", "WrongArchitecture", 11)
follows("never-pulled", "failed", "ImageNeverPulled", 11, push=1)

follows("missing-secret", "failed", "MissingConfig", 11)
follows("missing-config-map", "failed", "MissingConfig", 11)
follows("missing-key", "failed", "MissingConfig", 11, often=True)
follows("unschedulable", "failed", "Unschedulable", 11)
follows("quota", "failed", "QuotaExceeded", 11)
follows("no-replicas", *READY)  # with a warning: git asks for no pod
follows("paused", "suspended", "Paused", 6, push=1)

# What the commit wants cannot be read: there is nothing to follow.
follows("broken-yaml", "refused", "NotYaml", 4, both=True)
follows("unknown-kind", "blocked", "ReconciliationFailed", 6)
follows("wrong-type", "failed", "ReconciliationFailed", 11, both=True)
follows("immutable", "failed", "ReconciliationFailed", 11)
follows("missing-namespace", "blocked", "ReconciliationFailed", 6)
follows("superseded", "superseded", "Superseded", 0, both=True)
# What came before is nobody's to know who only follows: it is a later commit with another tag.
follows("revert", "superseded", "Superseded", 0)
follows("controller-restart", *READY, alone=True)
follows("source-outage", *READY, both=True, alone=True)


# --- `bump` itself


@deploy(READY, both=True, often=True)
def healthy(act: Act) -> list[Run]:
    act.image()
    return [act.bump()]


@deploy(READY, both=True, kustomization={"wait": True, "timeout": "2m"})
def slow_and_waited_for(act: Act) -> list[Run]:
    act.image(behaviour="slow", ready_after_s=10)
    return [act.bump()]


@deploy(("refused", "ImageMissing", 4), both=True)
def image_that_does_not_exist(act: Act) -> list[Run]:
    return [act.bump("--wait-for-image", "0")]


@deploy(("failed", "TagGone", 11), both=True)
def image_that_the_node_does_not_find(act: Act) -> list[Run]:
    act.image()
    run = act.bump()
    act.until_pushed(act.first)
    act.stack.images.take_away(act.name, TAG)
    return [run]


@deploy(CRASHED, both=True)
def crash_loop(act: Act) -> list[Run]:
    act.image(behaviour="crash", log="starting\nfatal: no such table: pages")
    return [act.bump()]


@deploy(("timed-out", "NotRolledOut", 3), both=True)
def never_ready_at_the_deadline(act: Act) -> list[Run]:
    act.image(behaviour="unready")
    return [act.bump("--timeout", "15s")]


@deploy(("suspended", "Suspended", 6), READY, both=True)
def suspended_kustomization(act: Act) -> list[Run]:
    act.patch("Kustomization", act.name, {"suspend": True})
    act.image()
    first = act.bump()
    first.result()
    act.patch("Kustomization", act.name, {"suspend": None})
    return [first, act.track(act.repository.tip)]


@deploy(("suspended", "Suspended", 6), READY, both=True)
def suspended_source(act: Act) -> list[Run]:
    act.patch("GitRepository", act.name, {"suspend": True})
    act.image()
    first = act.bump()
    first.result()
    act.patch("GitRepository", act.name, {"suspend": None})
    return [first, act.track(act.repository.tip)]


@deploy(READY, both=True)
def source_out_of_reach_for_a_while(act: Act) -> list[Run]:
    act.patch("GitRepository", act.name, {"url": "http://127.0.0.1:1/nobody.git"})
    act.until_source("GitOperationFailed")
    act.image()
    run = act.bump()
    commit = act.until_pushed(act.first)
    time.sleep(3)  # it follows the source that fails
    act.patch("GitRepository", act.name, {"url": act.repository.url})
    act.until_fetched(commit)
    return [run]


@deploy(("superseded", "Superseded", 0), READY, both=True)
def superseded_by_a_later_bump(act: Act) -> list[Run]:
    act.image(behaviour="unready")
    act.image("def5678")
    first = act.bump()
    eventually(lambda: len(act.pods()) > 1, "a pod of the first")
    return [first, act.bump(tag="def5678")]


@deploy(("superseded", "Reverted", 0), both=True)
def reverted(act: Act) -> list[Run]:
    act.image(behaviour="unready")
    run = act.bump()
    eventually(lambda: len(act.pods()) > 1, "a pod of the new tag")
    act.push_tag("1.0.0", absent=True)
    return [run]


@deploy(("blocked", "BuildFailed", 6), both=True)
def broken_by_a_later_commit(act: Act) -> list[Run]:
    act.image()
    commit = act.repository.set_tag(act.name, TAG)
    act.push_file("service.yaml", b"apiVersion: v1\nkind: [Service\n", "Broken")
    return [act.track(commit, "--timeout", "20s")]


@deploy(("blocked", "DependencyNotReady", 6), both=True)
def blocked_by_a_dependency(act: Act) -> list[Run]:
    act.patch("Kustomization", act.name, {"dependsOn": [{"name": "absent"}]})
    act.image()
    return [act.bump()]


_SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: deploy-pruned}\n"


@deploy(READY, both=True, files={"settings.yaml": _SETTINGS})
def pruned(act: Act) -> list[Run]:
    run = act.track(act.push_file("settings.yaml", None, "No settings any more"))
    eventually(lambda: act.stack.api.find("ConfigMap", act.name, "settings") is None, "it is pruned")
    return [run]


@deploy(READY, both=True, alone=True)
def api_restarted(act: Act) -> list[Run]:
    act.image(behaviour="slow", ready_after_s=15)
    run = act.bump()
    eventually(lambda: len(act.pods()) > 1, "a pod of the new tag")
    act.stack.restart("kube-apiserver")
    return [run]
