"""A platform of many sites with a year of deploys, as git has it: what status, history, promote, sweep and the report are measured on.

Half of the sites are in staging, half in production, each a Flux Kustomization that depends on two others of its cluster. Every
deploy is a commit as `bump` makes it, with the tag in the manifest and a note of how it ended; some fail, a few are taken back or
were followed by nobody. The same numbers give the same commits.
"""

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

from bumper.dataclasses import dataclass, field
from bumper.history import ending
from bumper.history.message import Deploy, compose, dated
from bumper.image import ImageReference
from bumper.record import Ending, StageTime
from bumper.request import Origin

_INFRASTRUCTURE: dict[str, tuple[str, ...]] = {
    "infra-controllers": (),
    "infra-configs": ("infra-controllers",),
}
ENVIRONMENTS = ("staging", "production")
REGISTRY = "registry.example"
BRANCH = "main"
_LENGTH = timedelta(days=365)
_BEFORE = "0000000"
_WHO = ("ann", "bert", "carla", "deniz", "elif", "renovate[bot]")
_FAILURES = ("CrashLoop", "ImagePullBackOff", "ReadinessProbeFailed", "OutOfMemory", "BuildFailed")
_ENDINGS = ("ready",) * 90 + ("failed",) * 6 + ("timed-out",) * 2 + ("",) * 2

_SYNC = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: flux-system, namespace: flux-system}}
spec:
  interval: 1m0s
  ref: {{branch: main}}
  url: https://git.example/acme/platform.git
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: flux-system, namespace: flux-system}}
spec:
  interval: 10m0s
  path: ./clusters/{environment}
  prune: true
  sourceRef: {{kind: GitRepository, name: flux-system}}
"""
_KUSTOMIZATION = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: {name}
  namespace: flux-system{annotations}
spec:
  interval: 10m0s
  path: ./{path}
  prune: true
  sourceRef: {{kind: GitRepository, name: flux-system}}
{depends}"""
_DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {name}}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers:
        - name: {name}
          image: {image}
          readinessProbe: {{httpGet: {{path: /, port: 8080}}}}
"""
_SECRETS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: flux-system}}\ndata: {{on: 'yes'}}\n"
FREEZE = """\
windows:
  - name: weekend
    reason: nobody is there to look
    zone: Europe/Berlin
    environments: [production]
    cron: "0 16 * * FRI"
    for: 64h
  - name: peak
    reason: Christmas
    environments: [production]
    from: 2026-12-18
    until: 2027-01-04
"""


class Place(NamedTuple):
    """A site in its environment."""

    name: str
    environment: str

    @property
    def file(self) -> str:
        """That of its Flux Kustomization."""
        return f"clusters/{self.environment}/{self.name}.yaml"

    @property
    def directory(self) -> str:
        return f"apps/{self.name}/{self.environment}"

    @property
    def manifest(self) -> str:
        return f"{self.directory}/deployment.yaml"

    def image(self, tag: str, digest: str = "") -> ImageReference:
        return ImageReference(f"{REGISTRY}/{self.name}", tag, digest)


def places(sites: int) -> list[Place]:
    """So many sites, half of them in each environment."""
    return [Place(f"site-{number // 2:04}", ENVIRONMENTS[number % 2]) for number in range(sites)]


@dataclass
class Platform:
    """`write` makes a clone of so many sites and deploys in a folder, as it is after a fetch; the last one an hour before `now`."""

    sites: int
    deploys: int
    now: datetime = datetime(2026, 11, 29, 12, tzinfo=UTC)
    hold_every: int = 97
    _places: list[Place] = field(default_factory=list)
    _tags: dict[Place, str] = field(default_factory=dict)

    def write(self, folder: Path, url: str = "https://git.example/acme/platform.git") -> Path:
        """The checkout, whose branch and whose origin's are the same."""
        folder.mkdir(parents=True, exist_ok=True)
        _git(folder, "init", "--quiet", f"--initial-branch={BRANCH}")
        _git(folder, "config", "remote.origin.url", url)
        _git(folder, "config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")
        process = subprocess.Popen(
            ["git", "-C", str(folder), "fast-import", "--quiet"], stdin=subprocess.PIPE, env=_ENVIRON
        )
        assert process.stdin
        with process.stdin as stream:
            for command in self._stream():
                stream.write(command)
        if process.wait():
            raise RuntimeError("git fast-import failed")
        _git(folder, "update-ref", f"refs/remotes/origin/{BRANCH}", f"refs/heads/{BRANCH}")
        _git(folder, "reset", "--quiet", "--hard", BRANCH)
        return folder

    def _stream(self) -> Iterator[bytes]:
        self._places = places(self.sites)
        began = self.now - _LENGTH - timedelta(days=1)
        yield _commit(1, began, b"Begin\n")
        for path, content in self._tree():
            yield _file(path, content)
        notes: list[bytes] = []
        for number in range(self.deploys):
            yield from self._deploy(number, notes)
        yield b"commit refs/notes/bump\ncommitter bench <bench@localhost> %d +0000\ndata 5\nNotes\n" % (
            self.now.timestamp()
        )
        yield from notes

    def _tree(self) -> Iterator[tuple[str, str]]:
        yield ".bump/freeze.yaml", FREEZE
        for environment in ENVIRONMENTS:
            cluster = f"clusters/{environment}"
            yield f"{cluster}/flux-system/gotk-sync.yaml", _SYNC.format(environment=environment)
            for name, needs in _INFRASTRUCTURE.items():
                # The controllers are built alike for both clusters.
                path = f"infra/{environment}/{name}" if needs else f"infra/{name}"
                yield f"{cluster}/{name}.yaml", _kustomization(name, path, needs)
                if needs or environment == ENVIRONMENTS[0]:
                    yield f"{path}/config.yaml", _SECRETS.format(name=name)
        for number, place in enumerate(places(self.sites)):
            hold = (
                "held until the migration is over" if number % self.hold_every == self.hold_every - 1 else ""
            )
            needs = ("infra-configs",) if number % 20 else ("infra-configs", "infra-controllers")
            yield place.file, _kustomization(place.name, place.directory, needs, hold)
            yield place.manifest, _deployment(place, _BEFORE)

    def _deploy(self, number: int, notes: list[bytes]) -> Iterator[bytes]:
        random = Random(number)
        known = self._places
        # All have some, a few have many.
        place = known[number % self.sites] if number % 3 else known[int(self.sites * random.random() ** 2)]
        at = self.now - timedelta(hours=1) - _LENGTH * (1 - (number + 1) / self.deploys)
        at -= timedelta(seconds=at.microsecond / 1e6)
        tag, commit = f"{number + 1:07x}", f"{number + 1:07x}{random.getrandbits(132):033x}"
        repository = f"https://git.example/acme/{place.name}"
        run = f"{repository}/actions/runs/{9_000_000_000 + number * 37}"
        image = place.image(tag, f"sha256:{random.getrandbits(256):064x}")
        before = place.image(self._tags.get(place, _BEFORE))
        self._tags[place] = tag
        file = f"{place.file}#flux-system/{place.name}"
        deploy = Deploy(place.name, place.manifest, before, image, file)
        message = compose([deploy], Origin(repository, commit, run, random.choice(_WHO)))
        message = dated(message, at - timedelta(minutes=random.randrange(6, 90)))
        yield _commit(number + 2, at, message.encode())
        yield _file(place.manifest, _deployment(place, str(image.with_tag(tag))))
        if outcome := random.choice(_ENDINGS):
            seconds = round(random.lognormvariate(3.6, 0.8), 1)
            reason = "Ready" if outcome == "ready" else random.choice(_FAILURES)
            reason = "ProgressingSlowly" if outcome == "timed-out" else reason
            ended = Ending(
                place.name,
                outcome,
                reason,
                seconds,
                at + timedelta(seconds=seconds),
                tag,
                run=run,
                kustomization=file,
                message="" if outcome == "ready" else _message(place, reason),
                stages=_stages(random, seconds),
            )
            line = f"{ending.line(ended)}\n".encode()
            notes.append(b"N inline :%d\ndata %d\n%s\n" % (number + 2, len(line), line))


def _message(place: Place, reason: str) -> str:
    return f"pod {place.name}-7c9fd68b5-x2x8q: container 'web' does not get up ({reason}), 4 tries since 14:02:11"


def _stages(random: Random, seconds: float) -> tuple[StageTime, ...]:
    """Five, in which a deploy of so many seconds passes its time."""
    shares = [random.random() for _ in _STAGES]
    return tuple(
        StageTime(stage, round(seconds * share / sum(shares), 3))
        for stage, share in zip(_STAGES, shares, strict=True)
    )


_STAGES = ("image", "commit", "fetched", "applied", "rolled out")
_ENVIRON = {**os.environ, "LC_ALL": "C"}


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, env=_ENVIRON)


def _commit(mark: int, at: datetime, message: bytes) -> bytes:
    head = b"commit refs/heads/main\nmark :%d\ncommitter bench <bench@localhost> %d +0000\ndata %d\n%s\n"
    return head % (mark, at.timestamp(), len(message), message)


def _file(path: str, content: str) -> bytes:
    data = content.encode()
    return b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(data), data)


def _kustomization(name: str, path: str, needs: tuple[str, ...], hold: str = "") -> str:
    depends = "  dependsOn:\n" + "".join(f"    - name: {each}\n" for each in needs) if needs else ""
    annotations = f"\n  annotations:\n    bump/hold: {hold}" if hold else ""
    return _KUSTOMIZATION.format(name=name, path=path, depends=depends, annotations=annotations)


def _deployment(place: Place, image: str) -> str:
    text = image if "/" in image else str(place.image(image))
    return _DEPLOYMENT.format(name=place.name, image=text)
