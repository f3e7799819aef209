"""Rollouts of a real Argo Rollouts: each deploy with its verdict.

They run side by side, each with its own repository, on a stack of their own. A server of ours is what their analyses measure.
"""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from .access import FOLLOWER
from .api import Api, Object
from .deploys import READY, TAG, Act
from .looks import eventually
from .program import Ended, Ground, Run, results
from .rounds import asked_for, check, side_by_side
from .stack import Options, Stack

pytestmark = pytest.mark.slow

_ROLLOUTS: Object = {
    "apiGroups": ["argoproj.io"],
    "resources": ["rollouts"],
    "verbs": ["get", "list", "watch"],
}
_HALF: Object = {"setWeight": 50}
_ABORTED = ("failed", "RolloutAborted", 11)


class Errors:
    """A web server that says how many errors the new version made: a few."""

    def __enter__(self) -> "Errors":
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = b'{"errors": 7}'
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing is printed."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Rolled(Act):
    """An act on a Rollout in the place of a Deployment."""

    def __init__(self, ground: Ground, api: Api, name: str, spec: Object, files: dict[str, str]) -> None:
        site: dict[str, Any] = {
            "workload": ("argoproj.io/v1alpha1", "Rollout"),
            "deployment": spec,
            "files": files,
        }
        super().__init__(ground, name, site)
        self._api = api

    def status(self) -> Object:
        rollout = self.stack.api.find("Rollout", self.name, self.name) or {}
        return dict(rollout.get("status") or {})

    def until_phase(self, phase: str) -> None:
        eventually(lambda: self.status().get("phase") == phase, f"{self.name}: {phase}", timeout_s=240)

    def says(self, status: Object) -> None:
        """What the plugin of kubectl writes into the status for a person: to promote, or to abort."""
        self._api.merge("Rollout", self.name, self.name, {"status": status}, "status")


@dataclass(frozen=True)
class Scene:
    """The verdict of each run, texts that the last answer must hold, and what the Rollout's spec has beyond the minimum."""

    verdicts: tuple[tuple[str, str, int], ...]
    quotes: tuple[str, ...]
    spec: Object
    files: dict[str, str]
    steps: Callable[[Rolled], list[Run]]


SCENES: dict[str, Scene] = {}


def canary(*steps: Object) -> Object:
    return {"strategy": {"canary": {"steps": list(steps)}}}


def blue_green(**fields: Any) -> Object:
    return {"strategy": {"blueGreen": {"activeService": "active", **fields}}}


def scene(
    *verdicts: tuple[str, str, int],
    spec: Object,
    quotes: tuple[str, ...] = (),
    files: dict[str, str] | None = None,
) -> Callable[[Callable[[Rolled], list[Run]]], Callable[[Rolled], list[Run]]]:
    """Enters the function as a deploy of a Rollout."""

    def enter(steps: Callable[[Rolled], list[Run]]) -> Callable[[Rolled], list[Run]]:
        name = f"argo-{steps.__name__.replace('_', '-')}"
        SCENES[name] = Scene(verdicts, quotes, spec, files or {}, steps)
        return steps

    return enter


def _service(name: str) -> str:
    """JSON, which is YAML. Argo completes its selector, which Flux would set back at each apply: to Argo that is a promotion."""
    annotations = {"kustomize.toolkit.fluxcd.io/ssa": "IfNotPresent"}
    metadata = {"name": name, "namespace": "{name}", "annotations": annotations}
    spec = {"selector": {"app": "{name}"}, "ports": [{"port": 8080}]}
    return json.dumps({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})


def _analysis() -> str:
    web = {"url": "{errors}", "jsonPath": "{$.errors}"}
    metric = {"name": "errors", "successCondition": "result < 3", "provider": {"web": web}}
    metadata = {"name": "few-errors", "namespace": "{name}"}
    return json.dumps(
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "AnalysisTemplate",
            "metadata": metadata,
            "spec": {"metrics": [metric]},
        }
    )


_ACTIVE = {"active.yaml": _service("active")}
_MEASURED = {"analysis.yaml": _analysis()}
_FEW_ERRORS: Object = {"analysis": {"templates": [{"templateName": "few-errors"}]}}


@scene(READY, spec=canary(_HALF, {"pause": {"duration": "5s"}}))
def canary_goes_on_by_itself(act: Rolled) -> list[Run]:
    act.image()
    return [act.bump()]


@scene(READY, spec={"strategy": {"canary": {}}})
def without_steps(act: Rolled) -> list[Run]:
    act.image()
    return [act.bump()]


@scene(
    ("timed-out", "NotRolledOut", 3),
    READY,
    spec=canary(_HALF, {"pause": {}}),
)
def waits_for_a_person(act: Rolled) -> list[Run]:
    act.image()
    first = act.bump("--timeout", "60s")
    act.until_phase("Paused")
    first.result()
    act.says({"pauseConditions": None})
    return [first, act.track(act.repository.tip)]


@scene(READY, spec=canary(_HALF, {"pause": {}}))
def a_person_promotes_meanwhile(act: Rolled) -> list[Run]:
    act.image()
    run = act.bump()
    act.until_phase("Paused")
    act.says({"pauseConditions": None})
    return [run]


@scene(_ABORTED, READY, spec=canary(_HALF, {"pause": {}}))
def a_person_aborts(act: Rolled) -> list[Run]:
    """Going back is Ready at once: the stable version never left."""
    act.image()
    first = act.bump()
    act.until_phase("Paused")
    act.says({"abort": True})
    first.result()
    back = act.ground.start(act.repository.url, "rollback", "--site", act.name, "--reason", "it was aborted")
    return [first, back]


@scene(
    _ABORTED, spec=canary(_HALF, _FEW_ERRORS), files=_MEASURED, quotes=('Metric "errors" assessed Failed',)
)
def failed_analysis(act: Rolled) -> list[Run]:
    act.image()
    return [act.bump()]


@scene(_ABORTED, spec=canary(_HALF, _FEW_ERRORS), files=_MEASURED, quotes=("rolled back  to 1.0.0",))
def failed_analysis_that_bump_rolls_back(act: Rolled) -> list[Run]:
    act.image()
    return [act.bump("--auto-rollback")]


@scene(_ABORTED, spec=canary(_HALF, {"pause": {}}), quotes=('"rolledBack": ""',))
def a_person_aborts_and_nobody_rolls_back(act: Rolled) -> list[Run]:
    act.image()
    run = act.bump("--auto-rollback")
    act.until_phase("Paused")
    act.says({"abort": True})
    return [run]


@scene(("failed", "CrashLoop", 11), spec=canary(_HALF, {"pause": {}}), quotes=("no such table: pages",))
def crash_loop(act: Rolled) -> list[Run]:
    act.image(behaviour="crash", log="no such table: pages")
    return [act.bump()]


@scene(
    ("failed", "ProgressDeadlineExceeded", 11),
    spec={**canary(_HALF), "progressDeadlineSeconds": 20},
)
def over_its_deadline(act: Rolled) -> list[Run]:
    act.image(behaviour="unready")
    return [act.bump()]


@scene(("suspended", "Paused", 6), spec={**canary(_HALF), "paused": True})
def paused_in_git(act: Rolled) -> list[Run]:
    act.image()
    return [act.bump()]


@scene(READY, spec=blue_green(), files=_ACTIVE)
def blue_green_promoted(act: Rolled) -> list[Run]:
    act.image()
    return [act.bump()]


@scene(
    ("timed-out", "NotRolledOut", 3),
    quotes=("BlueGreenPause",),
    spec=blue_green(autoPromotionEnabled=False),
    files=_ACTIVE,
)
def blue_green_waits(act: Rolled) -> list[Run]:
    act.image()
    return [act.bump("--timeout", "60s")]


@scene(("failed", "InvalidSpec", 11), spec=canary(_HALF))
def spec_that_is_wrong(act: Rolled) -> list[Run]:
    act.image()
    before = act.repository.tip
    act.edit(b"setWeight: 50", b"setWeight: 150", "A weight that is none")
    assert act.repository.tip != before
    return [act.bump()]


@scene(("failed", "ProgressDeadlineExceeded", 11), spec={**canary(_HALF), "progressDeadlineSeconds": 20})
def failed_before_anybody_looked(act: Rolled) -> list[Run]:
    commit = act.push_tag(TAG, behaviour="unready")
    act.until_phase("Degraded")
    return [act.track(commit)]


@pytest.fixture(scope="module")
def argo(controllers: Callable[..., tuple[str, ...]]) -> Iterator[Stack]:
    with Stack(Options(more=controllers("argo-rollouts"))) as running:
        yield running


@pytest.fixture(scope="module")
def ground(argo: Stack) -> Ground:
    return Ground(argo, {"KUBECONFIG": str(argo.account("rollouts", (*FOLLOWER, _ROLLOUTS)))})


@pytest.fixture(scope="module")
def plays(
    request: pytest.FixtureRequest, argo: Stack, ground: Ground
) -> Iterator[dict[str, Future[list[Ended]]]]:
    """The deploys that this run asks for, all at once: each waits for the controller most of its time."""
    names = [params["name"] for params in asked_for(request, test_the_verdict)]
    with (
        Errors() as errors,
        side_by_side(names, partial(_play, ground, argo.api, errors), at_once=6) as begun,
    ):
        yield begun


def _play(ground: Ground, api: Api, errors: Errors, name: str) -> list[Ended]:
    chosen = SCENES[name]
    files = {
        file: text.replace("{name}", name).replace("{errors}", errors.url)
        for file, text in chosen.files.items()
    }
    act = Rolled(ground, api, name, chosen.spec, files)
    act.until_phase("Paused" if chosen.spec.get("paused") else "Healthy")
    return results(chosen.steps(act))


@pytest.mark.parametrize("name", SCENES)
def test_the_verdict(name: str, plays: dict[str, Future[list[Ended]]]) -> None:
    check(plays[name].result(), SCENES[name].verdicts, SCENES[name].quotes)
