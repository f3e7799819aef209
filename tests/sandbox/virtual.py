"""A cluster in virtual time: nothing runs but what a test lets run, and waiting costs nothing."""

import os
import subprocess
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bumper.image import ImageReference
from bumper_sandbox.cluster import Cluster
from bumper_sandbox.flux.source import REQUESTED_AT
from bumper_sandbox.kubernetes.image_pull import Pulled, PullError, not_found
from bumper_sandbox.kubernetes.kinds import Kind
from bumper_sandbox.kubernetes.kubelet import Behaviour, Timing
from bumper_sandbox.kubernetes.loop import Loop
from bumper_sandbox.kubernetes.store import Change, Manifest, Store

START = datetime(2026, 11, 22, 12, 53, 0, tzinfo=UTC)
Done = Callable[[], object]


class VirtualTime:
    """Seconds since `START`."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def now(self) -> float:
        return self.now_s

    def wall(self) -> str:
        return (START + timedelta(seconds=self.now_s)).strftime("%Y-%m-%dT%H:%M:%SZ")


def pull_by_tag(image: ImageReference) -> Pulled | PullError:
    """A registry that has every image but those whose tag says `missing`."""
    return not_found(image) if "missing" in image.tag else Pulled("sha256:" + "ab" * 32, 12_345_678)


def behave_by_tag(image: ImageReference, container: str = "") -> Behaviour:
    """`1.0-crash` crashes, `1.0-unready` never gets ready, `1.0-slow` takes long."""
    for behaviour in ("crash", "unready", "slow"):
        if behaviour in image.tag:
            return behaviour
    return "ready"


class Steps:
    """Moves a loop, and the time with it, until something is so."""

    def __init__(self, loop: Loop, time: VirtualTime) -> None:
        self.loop = loop
        self.time = time

    def until(self, done: Done, limit_s: float = 120.0) -> None:
        """Fails after `limit_s` cluster seconds."""
        end_s = self.time.now_s + limit_s
        while not done():
            delay_s = self.loop.run_due()
            if done():
                return
            assert delay_s is not None, "nothing will ever happen again"
            assert self.time.now_s + delay_s <= end_s, f"not so after {limit_s} s"
            self.time.now_s += delay_s

    def pass_s(self, seconds: float) -> None:
        """Lets the time pass, with everything that is due in it."""
        end_s = self.time.now_s + seconds
        self.loop.call_later(seconds, lambda: None)
        self.until(lambda: self.time.now_s >= end_s, seconds)


class VirtualCluster:
    """A sandbox cluster whose API is reached through its store; close it after use."""

    def __init__(self, **options: Any) -> None:
        self.time = VirtualTime()
        loop = Loop(self.time.now)
        self.cluster = Cluster(
            options.pop("pull", pull_by_tag),
            os.environ,
            behaves=options.pop("behaves", behave_by_tag),
            timing=options.pop("timing", Timing()),
            wall=self.time.wall,
            loop=loop,
            **options,
        )
        self.store: Store = self.cluster.store
        self.changes: list[Change] = []
        self.store.subscribe(self.changes.append)
        self.steps = Steps(loop, self.time)
        self.until, self.pass_s = self.steps.until, self.steps.pass_s

    def close(self) -> None:
        self.cluster.stop()

    def request(self, kind: Kind, namespace: str, name: str) -> None:
        """Asks a Flux object to reconcile now."""
        at = f"{self.time.wall()}.{len(self.changes)}"
        self.edit(
            kind,
            namespace,
            name,
            lambda obj: obj["metadata"].setdefault("annotations", {}).update({REQUESTED_AT: at}),
        )

    def edit(self, kind: Kind, namespace: str, name: str, change: Callable[[Manifest], object]) -> None:
        self.store.update(kind, namespace, name, lambda obj: (change(obj), None)[1])

    def states(self, kind: Kind, name: str) -> list[Manifest]:
        """Every version of an object so far."""
        return [
            change.after
            for change in self.changes
            if change.kind == kind and change.after["metadata"]["name"] == name
        ]


class PlainGit:
    """A working copy that pushes with plain git, as someone without `bump` does."""

    def __init__(self, folder: Path, url: str, token: str) -> None:
        self.folder = folder
        origin = url.replace("http://", f"http://git:{token}@")
        self._run(folder.parent, "clone", "--quiet", origin, str(folder))

    def push(self, files: Mapping[str, str], subject: str = "change") -> str:
        """Commits and pushes the files; the commit."""
        for path, text in files.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_text(text, encoding="utf-8")
        self._run(self.folder, "add", "--all")
        author = ("-c", "user.name=someone", "-c", "user.email=someone@example.com")
        self._run(self.folder, *author, "commit", "--quiet", "--message", subject)
        self._run(self.folder, "push", "--quiet", "origin", "HEAD:main")
        return self._run(self.folder, "rev-parse", "HEAD").strip()

    @staticmethod
    def _run(folder: Path, *arguments: str) -> str:
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
        }
        done = subprocess.run(
            ["git", *arguments], cwd=folder, env=environ, capture_output=True, text=True, check=True
        )
        return done.stdout
