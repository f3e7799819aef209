"""The words that scenarios are told in, and how one is put on.

A scenario does nothing that `bump` does: it pushes by plain git and asks Flux to fetch. So it can be recorded, and
played against any follower.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from .api import Object
from .fleet import Site, fleet
from .looks import condition, eventually, waiting
from .platforms import Platform
from .record import Recorder
from .repository import Repository
from .stack import FLUX_NAMESPACE, Stack

# Who follows a scenario gives their verdict first, and then it goes on.
UNTIL_SEEN = "goes on when it is seen"


class Notes(Protocol):
    """Hears what a scenario does, at the moment it does it."""

    def note(self, text: str) -> None: ...


class Play:
    """One scenario on the stage: its fleet, and the words that scenarios are told in."""

    def __init__(self, stack: Platform, name: str, repository: Repository, notes: Notes) -> None:
        self.stack = stack
        self.name = name
        self.repository = repository
        self._notes = notes

    def push_tag(self, tag: str, **image: Any) -> str:
        """Pushes an image (unless `image` is absent=True) and the commit that names it, and has Flux fetch it."""
        if not image.pop("absent", False):
            self.stack.images.push(self.name, tag, **image)
        is_release = self.stack.api.find("HelmRelease", self.name, self.name) is not None
        set_tag = self.repository.set_release_tag if is_release else self.repository.set_tag
        commit = set_tag(self.name, tag)
        self.say(f"pushed {commit}: {self.name}:{tag}")
        self.repository.request_fetch(self.name)
        return commit

    def edit(self, old: bytes, new: bytes, message: str) -> str:
        """Pushes the site's Deployment with this one place changed."""
        commit = self.repository.replace(f"k8s/{self.name}/deployment.yaml", old, new, message)
        self.say(f"pushed {commit}: {message}")
        self.repository.request_fetch(self.name)
        return commit

    def push_file(self, path: str, content: bytes | None, message: str) -> str:
        """Pushes one file below the site's folder; None removes it."""
        commit = self.repository.push({f"k8s/{self.name}/{path}": content}, message)
        self.say(f"pushed {commit}: {message}")
        self.repository.request_fetch(self.name)
        return commit

    def patch(self, kind: str, name: str, spec: Object) -> None:
        """Changes the spec of one of Flux's objects, as `kubectl patch` does."""
        self.stack.api.merge(kind, FLUX_NAMESPACE, name, {"spec": spec})
        self.say(f"patched {kind} {name}: {spec}")

    def say(self, text: str) -> None:
        self._notes.note(text)

    # --- what a scenario waits for

    def until_ready(self, commit: str) -> None:
        """The commit is applied and its rollout complete."""
        eventually(lambda: self.applied(commit) and self.rolled_out(), f"{self.name}: {commit} rolled out")

    def until_kustomization(self, reason: str, text: str = "") -> None:
        """The Ready condition of the site's Kustomization has this reason, and this text in its message."""

        def look() -> bool:
            ready = condition(self.kustomization(), "Ready")
            return ready.get("reason") == reason and text in ready.get("message", "")

        eventually(look, f"Kustomization {self.name} {reason}", timeout_s=120)

    def until_source(self, reason: str) -> None:
        """The Ready condition of the source has this reason."""
        eventually(lambda: condition(self.source(), "Ready").get("reason") == reason, f"{self.name} {reason}")

    def until_fetched(self, commit: str) -> None:
        """The source's artifact is of this commit."""

        def look() -> bool:
            artifact = ((self.source() or {}).get("status") or {}).get("artifact") or {}
            return str(artifact.get("revision", "")).endswith(commit)

        eventually(look, f"{commit} fetched")

    def until_waiting(self, reason: str, restarts: int = 0) -> None:
        """A container of the site waits for this reason."""

        def look() -> bool:
            return any(entry["restartCount"] >= restarts for entry in waiting(self.stack, self.name, reason))

        eventually(look, f"a container of {self.name} in {reason}")

    def until_event(self, reason: str) -> None:
        """An event of that reason is there."""
        eventually(
            lambda: [event for event in self.stack.api.list("Event", self.name) if event["reason"] == reason],
            f"an event {reason} in {self.name}",
        )

    def source(self) -> Object | None:
        return self.stack.api.find("GitRepository", FLUX_NAMESPACE, self.name)

    def kustomization(self) -> Object | None:
        return self.stack.api.find("Kustomization", FLUX_NAMESPACE, self.name)

    def deployment(self) -> Object | None:
        return self.stack.api.find("Deployment", self.name, self.name)

    def pods(self) -> list[Object]:
        return self.stack.api.list("Pod", self.name)

    def applied(self, commit: str) -> bool:
        status = (self.kustomization() or {}).get("status") or {}
        return str(status.get("lastAppliedRevision", "")).endswith(commit)

    def rolled_out(self) -> bool:
        """All replicas are of the last generation and available, none is left of another."""
        deployment = self.deployment()
        if deployment is None:
            return False
        status = deployment.get("status") or {}
        counts = {status.get(key) or 0 for key in ("updatedReplicas", "replicas", "availableReplicas")}
        return status.get("observedGeneration") == deployment["metadata"]["generation"] and counts == {
            deployment["spec"]["replicas"]
        }


@dataclass(frozen=True)
class Scenario:
    """`steps` run on a fleet of one site, healthy at tag 1.0.0 if `settle`; they return when there is no more to see."""

    what: str
    steps: Callable[[Play], None]
    site: dict[str, Any]
    source: dict[str, Any] = field(default_factory=dict)
    settle: bool = True


SCENARIOS: dict[str, Scenario] = {}


def scenario(
    what: str, *, source: dict[str, Any] | None = None, settle: bool = True, **site: Any
) -> Callable[[Callable[[Play], None]], Callable[[Play], None]]:
    """Enters the function as a scenario; `site` is what its Site has beyond the minimum."""

    def enter(steps: Callable[[Play], None]) -> Callable[[Play], None]:
        SCENARIOS[steps.__name__.replace("_", "-")] = Scenario(what, steps, site, source or {}, settle)
        return steps

    return enter


def set_up(name: str, stack: Platform, notes: Notes) -> Play:
    """The scenario's fleet, up and running if it is to be: fleet, site and namespace bear the scenario's name."""
    chosen = SCENARIOS[name]
    repository = fleet(stack, name, [Site(name, **chosen.site)], source=chosen.source)
    stage = Play(stack, name, repository, notes)
    if chosen.settle:
        stage.until_ready(repository.tip)
    return stage


def play(name: str, stack: Stack) -> Recorder:
    """Sets the fleet up and records the steps."""
    recorder = Recorder(stack.api, namespaces=[name], names=[name])
    stage = set_up(name, stack, recorder)
    with recorder:
        SCENARIOS[name].steps(stage)
    for kind in ("Kustomization", "GitRepository"):
        if stack.api.find(kind, FLUX_NAMESPACE, name) is not None:
            stack.api.merge(kind, FLUX_NAMESPACE, name, {"spec": {"suspend": True}})
    return recorder
