"""Deployments that a real Flagger promotes, blue/green without a mesh: each deploy with its verdict.

They run side by side, each with its own repository, on a stack of their own. A gate of ours is what Flagger's webhooks ask.
"""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from .access import FOLLOWER
from .api import Object
from .deploys import READY, TAG, Act
from .looks import eventually
from .program import Ended, Ground, Run, results
from .rounds import asked_for, check, side_by_side
from .stack import Options, Stack

pytestmark = pytest.mark.slow

_CANARIES: Object = {
    "apiGroups": ["flagger.app"],
    "resources": ["canaries"],
    "verbs": ["get", "list", "watch"],
}
_INTERVAL = "10s"  # Flagger's shortest


@dataclass
class Gate:
    """A web server that says yes to the paths that are open, as a person or a load test behind a webhook does."""

    open_paths: set[str] = field(default_factory=set)

    def __enter__(self) -> "Gate":
        gate = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", "0")))
                self.send_response(200 if self.path in gate.open_paths else 403)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Nothing is printed."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}{path}"


class Promoted(Act):
    """An act on a Deployment that a Canary targets."""

    def __init__(self, ground: Ground, name: str, gate: Gate, hook: str) -> None:
        self.gate = gate
        hooks = [{"name": hook, "type": hook, "url": gate.url(f"/{name}"), "timeout": "5s"}] if hook else []
        site = {"deployment": {"replicas": None}, "files": {"canary.yaml": _canary(name, hooks)}}
        super().__init__(ground, name, site)

    def phase(self) -> str:
        canary = self.stack.api.find("Canary", self.name, self.name) or {}
        return str((canary.get("status") or {}).get("phase", ""))

    def until_phase(self, phase: str) -> None:
        eventually(lambda: self.phase() == phase, f"{self.name}: {phase}", timeout_s=240)

    def approve(self) -> None:
        self.gate.open_paths.add(f"/{self.name}")


def _canary(name: str, hooks: list[dict[str, str]]) -> str:
    """JSON, which is YAML."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    analysis = {"interval": _INTERVAL, "threshold": 1, "iterations": 1, "webhooks": hooks}
    spec = {
        "provider": "kubernetes",
        "targetRef": target,
        "progressDeadlineSeconds": 60,
        "service": {"port": 8080},
        "analysis": analysis,
    }
    metadata = {"name": name, "namespace": name}
    return json.dumps(
        {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": metadata, "spec": spec}
    )


@dataclass(frozen=True)
class Promotion:
    """The verdict of each run, texts that the last answer must hold, and the kind of webhook that the Canary asks."""

    verdicts: tuple[tuple[str, str, int], ...]
    quotes: tuple[str, ...]
    hook: str
    steps: Callable[[Promoted], list[Run]]


PROMOTIONS: dict[str, Promotion] = {}


def promotion(
    *verdicts: tuple[str, str, int], quotes: tuple[str, ...] = (), hook: str = ""
) -> Callable[[Callable[[Promoted], list[Run]]], Callable[[Promoted], list[Run]]]:
    """Enters the function as a deploy of a Deployment that a Canary targets."""

    def enter(steps: Callable[[Promoted], list[Run]]) -> Callable[[Promoted], list[Run]]:
        name = f"flagger-{steps.__name__.replace('_', '-')}"
        PROMOTIONS[name] = Promotion(verdicts, quotes, hook, steps)
        return steps

    return enter


@promotion(READY, quotes=("the primary runs abc1234",))
def promoted(act: Promoted) -> list[Run]:
    act.image()
    return [act.bump()]


@promotion(("failed", "CanaryFailed", 11), READY, quotes=("the primary runs 1.0.0",), hook="rollout")
def failed_checks(act: Promoted) -> list[Run]:
    """The analysis fails; going back is Ready at once, since Flagger never left what it promoted last."""
    act.image()
    first = act.bump()
    first.result()
    back = act.ground.start(act.repository.url, "rollback", "--site", act.name, "--reason", "it failed")
    return [first, back]


@promotion(("failed", "CrashLoop", 11), quotes=("no such table: pages",))
def crash_loop(act: Promoted) -> list[Run]:
    act.image(behaviour="crash", log="no such table: pages")
    return [act.bump()]


@promotion(("failed", "CanaryFailed", 11))
def failed_before_anybody_looked(act: Promoted) -> list[Run]:
    commit = act.push_tag(TAG, behaviour="unready")
    act.until_phase("Failed")
    return [act.track(commit)]


@promotion(
    ("timed-out", "NotRolledOut", 3), READY, quotes=("the primary runs abc1234",), hook="confirm-promotion"
)
def waits_for_approval(act: Promoted) -> list[Run]:
    act.image()
    first = act.bump("--timeout", "75s")
    act.until_phase("WaitingPromotion")
    first.result()
    act.approve()
    return [first, act.track(act.repository.tip)]


@promotion(("suspended", "CanarySuspended", 6))
def suspended(act: Promoted) -> list[Run]:
    act.stack.api.merge("Canary", act.name, act.name, {"spec": {"suspend": True}})
    act.image()
    return [act.bump()]


@pytest.fixture(scope="module")
def flagger(controllers: Callable[..., tuple[str, ...]]) -> Iterator[Stack]:
    with Stack(Options(more=controllers("flagger"))) as running:
        yield running


@pytest.fixture(scope="module")
def ground(flagger: Stack) -> Ground:
    return Ground(flagger, {"KUBECONFIG": str(flagger.account("promotions", (*FOLLOWER, _CANARIES)))})


@pytest.fixture(scope="module")
def plays(request: pytest.FixtureRequest, ground: Ground) -> Iterator[dict[str, Future[list[Ended]]]]:
    """The deploys that this run asks for, all at once: each waits for Flagger most of its time."""
    names = [params["name"] for params in asked_for(request, test_the_verdict)]
    with Gate() as gate, side_by_side(names, partial(_play, ground, gate), at_once=len(PROMOTIONS)) as begun:
        yield begun


def _play(ground: Ground, gate: Gate, name: str) -> list[Ended]:
    chosen = PROMOTIONS[name]
    act = Promoted(ground, name, gate, chosen.hook)
    act.until_phase("Initialized")
    return results(chosen.steps(act))


@pytest.mark.parametrize("name", PROMOTIONS)
def test_the_verdict(name: str, plays: dict[str, Future[list[Ended]]]) -> None:
    check(plays[name].result(), PROMOTIONS[name].verdicts, PROMOTIONS[name].quotes)


def test_canaries_that_may_not_be_listed_stop_it_before_the_push(flagger: Stack) -> None:
    kubeconfig = flagger.account("blind", FOLLOWER)
    act = Act(Ground(flagger, {"KUBECONFIG": str(kubeconfig)}), "flagger-blind", {})
    act.until_ready(act.first)
    act.image()
    ended = act.bump().result()
    assert ended.exit_code == 2, ended
    assert "whether a Canary of Flagger promotes Deployment flagger-blind/flagger-blind" in str(ended)
    assert act.repository.tip == act.first
