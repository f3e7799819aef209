"""The main job on the sandbox: brings one site up from git, lets something go wrong if asked, then has the real command run.

It prints nothing and starts no program: `say` writes lines, `bump` runs the command with these arguments and gives its exit code.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bumper.errors import EXIT_BUG, EXIT_CODES, Outcome, UsageError
from bumper.objects import ObjectKey, at, condition
from bumper_sandbox.faults import FAULTS
from bumper_sandbox.flux.bootstrap import NAMESPACE
from bumper_sandbox.sites import Site
from bumper_sandbox.stack import Stack

# The small platform that travels with this package.
TREE = Path(__file__).parent / "example" / "k8s"
# Any short SHA does: no site's source is part of the platform.
SHA = "abc1234"
_BROKEN = "bad5678"
_FAILED, _REFUSED = EXIT_CODES[Outcome.FAILED], EXIT_CODES[Outcome.REFUSED]
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
        site = self._begin(site_name)
        if fault:
            self._push(site, SHA)
            self.say(FAULTS[fault](self.stack, site, SHA))
            return self.bump(self._deploy(site, SHA))
        return self._deploy_twice(site)

    def tour(self, site_name: str = "", pause: Callable[[], None] = lambda: None) -> int:
        """A deploy, one that fails, and the way back, with a `pause` between them.

        0 where each command ended as it should, else the exit code of the first that did not.
        """
        site = self._begin(site_name)
        if code := self._deploy_twice(site):
            return code
        acts = [
            self._failing(site),
            (
                "Back to the last version that was Ready, in one commit:",
                self._on("rollback", site, "--reason", "it crashes"),
                0,
            ),
            (
                "The rejected build is kept off from now on. The same deploy once more:",
                self._deploy(site, _BROKEN),
                _REFUSED,
            ),
            ("How the sites stand now:", ["status", "--repo", self.stack.url], 0),
            ("And what git remembers of all this:", self._on("history", site), 0),
        ]
        for text, command, expected in acts:
            pause()
            self.say(text)
            code = self.bump(command)
            if code != expected:
                return code or EXIT_BUG
        self.say("That was all. Nothing of it is left on this machine.")
        return 0

    def _begin(self, site_name: str) -> Site:
        stack = self.stack
        site = stack.site(site_name)
        self._introduce()
        self._bring_up(site)
        return site

    def _deploy_twice(self, site: Site) -> int:
        """What would change, and then for real; the exit code."""
        # Built a while ago, so that the next build is the newer one beyond the doubt that clocks leave.
        self._push(site, SHA, timedelta(hours=1))
        self.say(f"Its build workflow has pushed {SHA}. What would change:")
        if code := self.bump([*self._deploy(site, SHA), "--dry-run"]):
            return code
        self.say("And now for real:")
        return self.bump(self._deploy(site, SHA))

    def _failing(self, site: Site) -> tuple[str, list[str], int]:
        self._push(site, _BROKEN)
        return FAULTS["crash"](self.stack, site, _BROKEN), self._deploy(site, _BROKEN), _FAILED

    def _push(self, site: Site, tag: str, ago: timedelta = timedelta()) -> None:
        self.stack.registry.push(site.image.path, tag, created=(datetime.now(UTC) - ago).isoformat())

    def _deploy(self, site: Site, sha: str) -> list[str]:
        return ["--site", site.name, "--sha", sha, *_image(site), "--repo", self.stack.url]

    def _on(self, verb: str, site: Site, *options: str) -> list[str]:
        return [verb, "--site", site.name, *options, *_image(site), "--repo", self.stack.url]

    def _introduce(self) -> None:
        stack = self.stack
        self.say(f"  git         {stack.url}   from {stack.platform.folder}, behind a token")
        self.say(f"  registry    {stack.registry.host}   with ACR's token exchange")
        self.say(
            f"  Kubernetes  {stack.cluster.api.url}   simulated, {stack.speed:g} times as fast: a small Flux and a small "
            "kubelet, no containers run"
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
        yield ObjectKey("Kustomization", NAMESPACE, self.stack.platform.name)
        yield from site.parents
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
        ready = "" if self.stack.waits_for_unplayed else " and taken as ready"
        return f"Not played, only stored{ready}: {', '.join(kinds)}." if kinds else ""


def _image(site: Site) -> list[str]:
    """The option that names the image of a site that is not called like it."""
    return ["--image", site.image.path] if site.unlike else []


def _not_played(text: str) -> UsageError:
    return UsageError(
        f"the sandbox cannot bring this tree up: {text}", hint="choose another one with --site or --tree"
    )
