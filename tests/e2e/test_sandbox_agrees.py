"""The sandbox held to the real stack: the states of source, Kustomization and Deployment, scenario by scenario, in their order.

The real side is what was recorded (`recorded/`). The sandbox plays the same steps, by plain git.
"""

import difflib
import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
from sandbox.states import Manifest, Names, deployment_states, flux_states

from bumper_sandbox.kubernetes.store import Change

from .platforms import Sandbox
from .scenarios import SCENARIOS
from .stage import set_up

RECORDED = Path(__file__).parent / "recorded"
KINDS = {"GitRepository": flux_states, "Kustomization": flux_states, "Deployment": deployment_states}
PLAYED = (
    "broken-yaml",
    "check-times-out",
    "crash-loop",
    "deadline",
    "fix-while-checking",
    "healthy",
    "healthy-wait",
    "late-tag",
    "later-commit",
    "missing-namespace",
    "missing-tag",
    "multi-platform",
    "never-ready",
    "no-replicas",
    "other-unhealthy",
    "past-deadline",
    "paused",
    "prune",
    "revert",
    "slow-start",
    "source-outage",
    "superseded",
    "suspended-kustomization",
    "suspended-source",
    "three-replicas",
    "two-pushes",
    "wrong-type",
)
NOT_PLAYED = {
    "api-restart": "test_scenarios plays it on both; what the objects say is that of healthy",
    "controller-restart": "the sandbox's controllers are tasks of one loop",
    "dependency": "recorded from before its first reconciliation, whose beginning the recording does not hold",
    "immutable": "the sandbox lets a selector change",
    "init-crash": "no init containers",
    "invalid-name": "the registry of the scenario's image is asked first, no state of these kinds differs",
    "missing-branch": "recorded from before its first reconciliation",
    "missing-config-map": "no references to ConfigMaps",
    "missing-key": "no references to Secrets",
    "missing-path": "recorded from before its first reconciliation",
    "missing-repository": "a second repository of images",
    "missing-secret": "no references to Secrets",
    "missing-source": "recorded from before its first reconciliation",
    "missing-volume": "no volumes",
    "out-of-memory": "no resources",
    "pinned": "the sandbox's source-controller follows branches alone, and says so",
    "quota": "no quotas",
    "unknown-kind": "the sandbox takes a kind of another group as installed",
    "unknown-registry": "one registry",
    "unreachable-registry": "one registry",
    "unschedulable": "no resources",
    "wrong-platform": "the node takes any platform",
    "wrong-token": "changes a Secret's name in the source, which test_flux holds to its texts",
}


class Alike(NamedTuple):
    """What may be written either way by the real controllers themselves, and why: both sides are read as `named`."""

    pattern: re.Pattern[str]
    named: str
    why: str


ALIKE = (
    Alike(
        re.compile(
            r"client rate limiter Wait returned an error: .* would exceed context deadline"
            r"|timeout waiting for: \[[^\]]*\]"
        ),
        "<out of time>",
        "where the time-out is a multiple of the 5 s between two looks, chance decides: recorded are both, the first with 20 s "
        "(data/observed), the second with 30 s",
    ),
    Alike(re.compile(r"from \S+/kustomization-\d+/"), "from <root>/", "a folder of the controller's own"),
)


class Difference(NamedTuple):
    """States that one side has and the other does not. `chance`: neither has it always."""

    kind: str
    scenarios: tuple[str, ...]
    pattern: str
    why: str
    chance: bool = False


_ANY: tuple[str, ...] = PLAYED
DIFFERENCES = (
    Difference(
        "GitRepository",
        ("suspended-source",),
        r"^generation 3 observed 2, artifact main@sha1:r0, (asked|answered)",
        "the real controller took the request down between the push and the resumption, 29 ms later; the sandbox after it",
        chance=True,
    ),
    Difference(
        "Deployment",
        _ANY,
        r"^generation (\d) observed \1 revision \d, replicas \d .*unavailableReplicas 1\n(.|\n)*Progressing=True"
        r" (NewReplicaSetCreated|ReplicaSetUpdated|FoundNewReplicaSet)",
        "whether the first count after a new ReplicaSet sees its pod already: the recordings have both",
        chance=True,
    ),
    Difference(
        "Deployment",
        ("three-replicas",),
        r"^generation 2 observed 2 revision 2, replicas [345] ",
        "pods that become ready within a moment of each other are counted one by one, or together",
        chance=True,
    ),
)


class Versions:
    """What the sandbox's store says of the objects of one scenario, from `begin` on."""

    def __init__(self, sandbox: Sandbox, name: str) -> None:
        self._sandbox = sandbox
        self._name = name
        self._seen: dict[str, list[Manifest]] = {kind: [] for kind in KINDS}
        self._is_on = False
        sandbox.cluster.store.subscribe(self._see)

    def begin(self) -> None:
        for kind in KINDS:
            namespace = self._name if kind == "Deployment" else "flux-system"
            if manifest := self._sandbox.api.find(kind, namespace, self._name):
                self._seen[kind].append(manifest)
        self._is_on = True

    def note(self, text: str) -> None:
        """Not compared: both sides are told the same."""

    def of(self, kind: str) -> list[Manifest]:
        return list(self._seen[kind])

    def _see(self, change: Change) -> None:
        is_ours = change.after["metadata"]["name"] == self._name
        if self._is_on and is_ours and change.kind.name in KINDS:
            self._seen[change.kind.name].append(change.after)


def recorded(scenario: str, kind: str) -> list[Manifest]:
    """Every version that the real API server sent."""
    lines = (RECORDED / f"{scenario}.jsonl").read_text(encoding="utf-8").splitlines()
    objects = (json.loads(line).get("object") or {} for line in lines)
    return [
        manifest
        for manifest in objects
        if manifest.get("kind") == kind and manifest["metadata"]["name"] == scenario
    ]


def play(name: str, sandbox: Sandbox) -> Versions:
    versions = Versions(sandbox, name)
    stage = set_up(name, sandbox, versions)
    versions.begin()
    SCENARIOS[name].steps(stage)
    time.sleep(1)  # the recorder also went on for a turn of its watches
    return versions


def states(kind: str, scenario: str, versions: list[Manifest]) -> list[str]:
    """The distinct states, without what cannot be equal."""
    replica_set = re.compile(rf'"{re.escape(scenario)}-[0-9a-z]+"')
    texts = []
    for state in KINDS[kind](versions, Names()):
        text = replica_set.sub('"<replica set>"', state)
        for alike in ALIKE:
            text = alike.pattern.sub(alike.named, text)
        texts.append(text)
    return texts


def common(sequence: list[str], other: list[str]) -> tuple[list[str], list[str]]:
    """Both without what stands before the first state, or after the last, that the other one begins or ends with.

    A recording begins a moment after the scenario or before it, and ends when nothing more was waited for.
    """
    sequence, other = _between(sequence, other), _between(other, sequence)
    return sequence, other


def _between(states: list[str], other: list[str]) -> list[str]:
    if other and other[0] in states:
        states = states[states.index(other[0]) :]
    if other and other[-1] in states:
        states = states[: len(states) - states[::-1].index(other[-1])]
    return states


def unshared(real: list[str], ours: list[str]) -> Iterator[tuple[str, str]]:
    """Whose state, and the state, where the two sequences part."""
    matcher = difflib.SequenceMatcher(None, real, ours, autojunk=False)
    for tag, start, end, our_start, our_end in matcher.get_opcodes():
        if tag != "equal":
            yield from (("real", state) for state in real[start:end])
            yield from (("sandbox", state) for state in ours[our_start:our_end])


@pytest.fixture(scope="module")
def plays() -> Iterator[dict[str, Future[Versions]]]:
    """All scenarios side by side in one sandbox; that in which the git server is away has its own."""
    with (
        Sandbox(speed=3.0) as shared,
        Sandbox(speed=3.0) as alone,
        ThreadPoolExecutor(6) as pool,
    ):
        yield {name: pool.submit(play, name, alone if name == "source-outage" else shared) for name in PLAYED}


@pytest.mark.parametrize("scenario", PLAYED)
def test_the_sandbox_shows_what_was_recorded(scenario: str, plays: dict[str, Future[Versions]]) -> None:
    versions = plays[scenario].result()
    explained = set()
    for kind in KINDS:
        real, ours = common(
            states(kind, scenario, recorded(scenario, kind)), states(kind, scenario, versions.of(kind))
        )
        assert real, f"{kind}: nothing was recorded"
        for side, state in unshared(real, ours):
            why = _difference(kind, scenario, state)
            assert why, f"{kind}: only in the {side}, and not in the list of differences:\n{state}"
            explained.add(why)
    expected = {
        difference for difference in DIFFERENCES if scenario in difference.scenarios and not difference.chance
    }
    assert expected <= explained, "a difference that is no longer there must leave the list"


def _difference(kind: str, scenario: str, state: str) -> Difference | None:
    return next(
        (
            difference
            for difference in DIFFERENCES
            if difference.kind == kind
            and scenario in difference.scenarios
            and re.search(difference.pattern, state)
        ),
        None,
    )


def test_every_recording_is_compared_or_has_its_reason() -> None:
    names = {path.stem for path in RECORDED.glob("*.jsonl")}
    assert names == set(PLAYED) | set(NOT_PLAYED)
    assert not set(PLAYED) & set(NOT_PLAYED)
