"""The main job on the sandbox: brings one site up from git, lets something go wrong if asked, then has the real command run.

It prints nothing and starts no program: `say` writes lines, `bump` runs the command with these arguments and gives its exit code.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bumper.errors import UsageError
from bumper.objects import ObjectKey, at, condition
from bumper_sandbox.faults import FAULTS
from bumper_sandbox.flux.bootstrap import NAMESPACE
from bumper_sandbox.sites import Site, choose
from bumper_sandbox.stack import Stack

# The small platform that travels with this package.
TREE = Path(__file__).parent / "example" / "k8s"
# Any short SHA does: no site's source is part of the platform.
SHA = "abc1234"
START_S = 60.0
_LOOK_S = 0.05
# What Flux says while another object is still on its way.
_PASSING = ("DependencyNotReady", "ArtifactFailed", "Progressing")

Say = Callable[[str], None]
Bump = Callable[[Sequence[str]], int]


@dataclass(frozen=True)
class Demo:
    """One showing. `stack` is running already."""

    stack: Stack
    say: Say
    bump: Bump
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def play(self, site_name: str = "", fault: str = "") -> int:
        """Shows it all for that site, or the first of the tree; the exit code of the last command."""
        stack = self.stack
        site = choose(stack.files, stack.root, stack.registry.host, site_name)
        self._introduce()
        self._bring_up(site)
        stack.registry.push(site.image.path, SHA, created=datetime.now(UTC).isoformat())
        command = ["--site", site.name, "--sha", SHA, "--repo", stack.url]
        if fault:
            self.say(FAULTS[fault](stack, site, SHA))
            return self.bump(command)
        self.say(f"Its build workflow has pushed {SHA}. What would change:")
        if code := self.bump([*command, "--dry-run"]):
            return code
        self.say("And now for real:")
        return self.bump(command)

    def _introduce(self) -> None:
        stack = self.stack
        self.say(f"  git         {stack.url}   from {stack.tree}, behind a token")
        self.say(f"  registry    {stack.registry.host}   with ACR's token exchange")
        self.say(
            f"  Kubernetes  {stack.cluster.api.url}   simulated: a small Flux and a small kubelet, no containers run"
        )

    def _bring_up(self, site: Site) -> None:
        self.stack.bootstrap()
        deadline_s = self.now() + START_S
        while obstacle := self._obstacle(site):
            if self.now() > deadline_s:
                raise _not_played(f"{obstacle}, still so after {START_S:.0f} s")
            self.sleep(_LOOK_S)
        self.say(f"Flux has brought {site.name} up from git at {site.image.tag}. {self._left_out()}".rstrip())

    def _obstacle(self, site: Site) -> str:
        """What the site still waits for, empty if nothing. Raises `UsageError` for what will not pass."""
        for key in self._kustomizations(site):
            ready = condition(self.stack.cluster.find(key), "Ready")
            if ready and ready.status == "False" and ready.reason not in _PASSING:
                raise _not_played(f"{key}: {ready.reason}: {ready.message.strip()}")
        for key, condition_type in ((site.kustomization, "Ready"), (site.workload, "Available")):
            state = condition(self.stack.cluster.find(key), condition_type)
            if state is None or state.status != "True":
                return f"{key} is not {condition_type}" + (f": {state.message.strip()}" if state else "")
        return ""

    def _kustomizations(self, site: Site) -> Iterator[ObjectKey]:
        """The site's Kustomization, after all that it waits for."""
        yield ObjectKey("Kustomization", NAMESPACE, NAMESPACE)
        chain = [site.kustomization]
        for key in chain:
            waits_for = at(self.stack.cluster.find(key), "spec", "dependsOn") or ()
            keys = [
                ObjectKey("Kustomization", entry.get("namespace") or key.namespace, entry["name"])
                for entry in waits_for
            ]
            chain += [other for other in keys if other not in chain]
        yield from reversed(chain)

    def _left_out(self) -> str:
        kinds = sorted({key.kind for key in self.stack.cluster.not_simulated()})
        return f"Stored but not simulated: {', '.join(kinds)}." if kinds else ""


def _not_played(text: str) -> UsageError:
    return UsageError(
        f"the sandbox cannot bring this tree up: {text}", hint="choose another one with --site or --tree"
    )
