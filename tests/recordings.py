"""Reads the recordings under `e2e/recorded`, taken of a real API server and a real Flux; `e2e/record.py` states the format."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bumper.image import ImageReference
from bumper.objects import ObjectKey, at
from bumper.observation import Desired, RevisionFacts
from bumper.revision import Revision

RECORDINGS = Path(__file__).parent / "e2e" / "recorded"
_FIELDS = {"GitRepository": "source", "Kustomization": "kustomization", "Deployment": "workload"}
_PUSHED = re.compile(r"pushed (?P<sha>[0-9a-f]{40})(?:: [a-z0-9-]+:(?P<tag>[\w.-]+))?")
_LISTS = {"ReplicaSet": "replica_sets", "Pod": "pods", "Event": "events"}


@dataclass(frozen=True)
class Push:
    """A commit of the recorded branch, when it was pushed, and the image that the Deployment has there."""

    sha: str
    at_s: float
    image: ImageReference


@dataclass(frozen=True)
class Recording:
    """`pushes` begins with the commit that was there before."""

    scenario: str
    versions: Mapping[str, str]
    pushes: tuple[Push, ...]
    lines: tuple[Mapping[str, Any], ...]

    def desired(self, push: int = -1) -> Desired:
        """What was wanted by that push."""
        here = self.pushes[push]
        position = self.pushes.index(here)
        name = self.scenario
        return Desired(
            site=name,
            image=here.image,
            previous=self.pushes[position - 1].image if position else None,
            revision=Revision("main", here.sha),
            kustomization=ObjectKey("Kustomization", "flux-system", name),
            source=ObjectKey("GitRepository", "flux-system", name),
            workload=ObjectKey("Deployment", name, name),
            container=name,
        )

    def facts(self, push: int = -1) -> dict[str, RevisionFacts]:
        """On the recorded branch each commit follows the one before."""
        ours = self.pushes.index(self.pushes[push])
        return {
            pushed.sha: RevisionFacts(position >= ours, pushed.image)
            for position, pushed in enumerate(self.pushes)
        }

    def states(self) -> Iterator[tuple[float, dict[str, Any]]]:
        """All objects after each line, with the second at which it arrived."""
        single: dict[str, Any] = {}
        several: dict[str, dict[str, Any]] = {name: {} for name in _LISTS.values()}
        logs: dict[str, str] = {}
        for line in self.lines:
            snapshot = line.get("object")
            if "log" in line:
                logs[line["log"]] = line["text"]
            elif snapshot and "note" not in line and snapshot["kind"] in _FIELDS:
                single[_FIELDS[snapshot["kind"]]] = snapshot
            elif snapshot and "note" not in line and snapshot["kind"] in _LISTS:
                known = several[_LISTS[snapshot["kind"]]]
                if line["type"] == "DELETED":
                    known.pop(snapshot["metadata"]["name"], None)
                elif snapshot["kind"] != "Event" or snapshot["metadata"]["namespace"] == self.scenario:
                    known[snapshot["metadata"]["name"]] = snapshot
            yield (
                line["at_s"],
                {
                    **single,
                    **{name: list(known.values()) for name, known in several.items()},
                    "logs": dict(logs),
                },
            )

    def state(self, second: float) -> dict[str, Any]:
        """The last state up to that second, a copy."""
        *_, (_, look) = (state for state in self.states() if state[0] <= second)
        copied: dict[str, Any] = json.loads(json.dumps(look))
        return copied


def names() -> list[str]:
    return sorted(path.stem for path in RECORDINGS.glob("*.jsonl"))


@cache
def load(scenario: str) -> Recording:
    head, *lines = map(json.loads, (RECORDINGS / f"{scenario}.jsonl").read_text("utf-8").splitlines())
    return Recording(head["scenario"], head["versions"], tuple(_pushes(lines)), tuple(lines))


def _pushes(lines: list[dict[str, Any]]) -> Iterator[Push]:
    """What was pushed, from the notes: `pushed <commit>: <site>:<tag>`, or `pushed <commit>: <words>` for another change."""
    sources = [line["object"] for line in lines if at(line, "object", "kind") == "GitRepository"]
    revisions = [Revision.parse(at(source, "status", "artifact", "revision") or "") for source in sources]
    notes = [(line["at_s"], match) for line in lines if (match := _PUSHED.match(line.get("note", "")))]
    image = _image(lines, 0.0) or ImageReference("registry.example/app", "1.0.0")
    yield Push(next((revision.sha for revision in revisions if revision), "0" * 40), 0.0, image)
    for number, (at_s, match) in enumerate(notes):
        until_s = notes[number + 1][0] if number + 1 < len(notes) else lines[-1]["at_s"]
        # Of another change than the tag the Deployment itself shows which image it brought.
        image = image.with_tag(match["tag"]) if match["tag"] else _image(lines, until_s) or image
        yield Push(match["sha"], at_s, image)


def _image(lines: list[dict[str, Any]], until_s: float) -> ImageReference | None:
    """What the Deployment's template has by then; at the start what it has first."""
    image = None
    for line in lines:
        if at(line, "object", "kind") == "Deployment" and (image is None or line["at_s"] <= until_s):
            image = line["object"]["spec"]["template"]["spec"]["containers"][0]["image"]
    return ImageReference.split(image) if image else None
