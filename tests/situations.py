"""Reads the situations under `data/situations` and the recordings under `data/observed`; their READMEs state the formats."""

import copy
import gzip
import json
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import recordings
import replays
from ruamel.yaml import YAML

from bumper.image import ImageReference
from bumper.objects import ObjectKey
from bumper.observation import Baseline, Desired, Observation, RevisionFacts
from bumper.revision import Revision
from bumper.rollout.rules import judge
from bumper.rollout.verdict import Judgement

DATA = Path(__file__).parent / "data"
SITUATIONS = DATA / "situations"
VARIANTS = DATA / "variants.yaml"
OBSERVED = DATA / "observed"
REPOSITORY = "127.0.0.1:25000/team/app"
# No probe asks the pods of the recorded watch: on a clock that shows this they have all run for long enough.
LONG_AFTER = "2026-12-31T00:00:00Z"

# What was pushed while watch.jsonl.gz was recorded, in order: commit and the tag in its manifest. Two of the manifests were broken on
# purpose; which tag they held was not recorded, and does not matter, since they never got into the cluster.
PUSHED = {
    "96d6257d33a12bb4b4e00d1401df3aa9f480c6b5": "1.0.0",
    "a96f738c7ebac07a9f8b644f2b1812cb27ec6544": "1.1.1",
    "1534277b31863f5e7f7a561735ab96f5fc394edf": "1.1.2",
    "702efb0f93dc87b6a353eac7c277b91bf9f4408c": "1.1.3",
    "a107210b56a6a78807c62e2e5dc06066811cb0ef": "1.2.0",
    "5b70c7a385338b823103df892cc735d260e1dccb": "2.0.0-missing",
    "955ea2feb2574d803c792c57d73a87de207da080": "2.0.1-crash",
    "530fa038ca8026aca353671badad18093d364a57": "2.0.2",
    "90693b051b5c7c32b5e14afa17db5ec64253903d": "not-recorded",
    "c4c2288ce248f770d0c95d1db690ab82b0d04756": "not-recorded",
    "c18567a5bcceae5a05572eb2490f70cfe2eac05e": "2.1.0",
    "7d74df0f2e17cc0eeb98524ccb32a10133dded53": "2.2.0",
}


@dataclass(frozen=True)
class Situation:
    """One file: what was wanted, what was seen, and what must be judged of it."""

    name: str
    raw: Mapping[str, Any]
    desired: Desired
    observation: Observation
    expect: Mapping[str, Any]


def names() -> list[str]:
    return sorted(path.stem for path in SITUATIONS.glob("*.yaml"))


@cache
def raw(name: str) -> dict[str, Any]:
    """The file with what it takes from another one (`like`) filled in."""
    return _filled(YAML(typ="safe").load((SITUATIONS / f"{name}.yaml").read_text()))


def _filled(situation: dict[str, Any]) -> dict[str, Any]:
    if "like" not in situation:
        return situation
    base = copy.deepcopy(raw(situation["like"]))
    merged = {**base, **situation}
    merged["change"] = {**(base.get("change") or {}), **(situation.get("change") or {})}
    merged["desired"] = {**(base.get("desired") or {}), **(situation.get("desired") or {})}
    return merged


def load(name: str) -> Situation:
    """A copy of its own, which may be changed."""
    situation: Situation = pickle.loads(_kept(name))
    return situation


def breaking(names: Iterable[str], law: Callable[[Situation], None]) -> list[str]:
    """The situations in which the law does not hold, each with what it says there."""
    return [f"{name}: {error}" for name in names if (error := _breach(load(name), law))]


def _breach(situation: Situation, law: Callable[[Situation], None]) -> str:
    try:
        law(situation)
    except Exception as error:
        return repr(error)
    return ""


@cache
def _kept(name: str) -> bytes:
    return pickle.dumps(_read(name))


@cache
def variants() -> list[Situation]:
    """The neighbours of the situations, all of one file; a copy that nobody may change."""
    written: dict[str, Any] = YAML(typ="safe", pure=False).load(VARIANTS.read_text())
    return [_of(name, _filled(variant)) for name, variant in written.items()]


def _read(name: str) -> Situation:
    return _of(name, raw(name))


def _of(name: str, written: Mapping[str, Any]) -> Situation:
    where = written["recorded"]
    if "recording" in where:
        recording = recordings.load(where["recording"])
        look = {"dependencies": [], "makers": [], "unreadable": {}, **recording.state(where["at"])}
        return _situation(
            name, written, recording.desired(where["push"]), look, recording.facts(where["push"])
        )
    if "replay" in where:
        head, seen = replays.look(where["replay"], where["look"])
        wanted = head.subjects[where.get("site", 0)].desired
        return _situation(
            name,
            written,
            wanted,
            seen[wanted.site],
            replays.facts(where["replay"], wanted.site, where["look"]),
        )
    wanted = desired(**written["desired"])
    look = {**recorded(where), "events": [], "dependencies": [], "makers": [], "logs": {}, "unreadable": {}}
    return _situation(name, written, wanted, look, linear(wanted))


def _situation(
    name: str,
    written: Mapping[str, Any],
    wanted: Desired,
    look: dict[str, Any],
    known: Mapping[str, RevisionFacts],
) -> Situation:
    for path, value in (written.get("change") or {}).items():
        put(look, path, copy.deepcopy(value))
    facts = {**known, **_facts(written.get("facts") or {})}
    return Situation(name, written, wanted, observe(look, facts), written["expect"])


def desired(
    revision: str | None,
    tag: str,
    previous: str = "",
    digest: str = "",
    kind: str = "Deployment",
    branch: str = "main",
    repository: str = REPOSITORY,
    container: str = "demo",
    kustomization: str = "demo",
    source: str = "fleet",
    replicas: int | None = None,
    artifact: str = "",
) -> Desired:
    """The demo application of the recordings; `revision` is the start of a commit, `artifact` what is made of the source for it."""
    sha = next((pushed for pushed in PUSHED if revision and pushed.startswith(revision)), revision)
    fetched = ObjectKey("GitRepository", "flux-system", source)
    return Desired(
        site="demo",
        image=ImageReference(repository, tag, digest),
        previous=ImageReference(repository, previous) if previous else None,
        revision=Revision(branch, sha) if sha else None,
        kustomization=ObjectKey("Kustomization", "flux-system", kustomization),
        source=ObjectKey("ExternalArtifact", "flux-system", artifact) if artifact else fetched,
        makers=(ObjectKey("ArtifactGenerator", "flux-system", "fleet"), fetched) if artifact else (),
        workload=ObjectKey(kind, "apps" if kind else "", "demo" if kind else ""),
        container=container,
        replicas=replicas,
    )


def linear(wanted: Desired) -> dict[str, RevisionFacts]:
    """The facts of the recorded branch, on which each commit follows the one before."""
    shas = list(PUSHED)
    ours = shas.index(wanted.revision.sha) if wanted.revision and wanted.revision.sha in shas else None
    known = wanted.revision is not None and ours is not None
    return {
        sha: RevisionFacts(
            includes_commit=(position >= (ours or 0)) if known else None,
            image=ImageReference(REPOSITORY, tag),
        )
        for position, (sha, tag) in enumerate(PUSHED.items())
    }


def _facts(given: Mapping[str, Any]) -> dict[str, RevisionFacts]:
    return {
        next((pushed for pushed in PUSHED if pushed.startswith(sha)), sha): RevisionFacts(
            includes_commit=facts.get("includes_commit"),
            image=ImageReference.parse(facts["image"]) if facts.get("image") else None,
            subject=facts.get("subject", ""),
            author=facts.get("author", ""),
            is_off_branch=bool(facts.get("is_off_branch")),
        )
        for sha, facts in given.items()
    }


def observe(look: Mapping[str, Any], facts: Mapping[str, RevisionFacts], at_s: float = 0.0) -> Observation:
    return Observation(
        at_s=at_s,
        source=look.get("source"),
        kustomization=look.get("kustomization"),
        workload=look.get("workload"),
        replica_sets=tuple(look.get("replica_sets") or ()),
        pods=tuple(look.get("pods") or ()),
        events=tuple(look.get("events") or ()),
        dependencies=tuple(look.get("dependencies") or ()),
        makers=tuple(look.get("makers") or ()),
        logs=look.get("logs") or {},
        revisions=facts,
        unreadable=look.get("unreadable") or {},
        cluster_time=look.get("cluster_time") or "",
        before=Baseline(**look["before"]) if look.get("before") else None,
        canary=look.get("canary"),
        primary=look.get("primary"),
    )


def recorded(where: Mapping[str, Any]) -> dict[str, Any]:
    """`at`: the state of the watch at that second; `files`: snapshots laid over it; `only`: the kinds that are kept."""
    look: dict[str, Any] = {}
    if "at" in where:
        look = json.loads(_state(where["at"]))
    for name in where.get("files") or ():
        look.update(json.loads((OBSERVED / f"{name}.json").read_text()))
    if "only" in where:
        look = {kind: look[kind] for kind in where["only"] if kind in look}
    return look


def replay() -> Iterator[tuple[float, dict[str, Any]]]:
    """All objects after each event of the recorded watch, with the second at which it arrived."""
    fields = {"GitRepository": "source", "Kustomization": "kustomization", "Deployment": "workload"}
    single: dict[str, Any] = {}
    several: dict[str, dict[str, Any]] = {"ReplicaSet": {}, "Pod": {}}
    for event in _watch():
        snapshot = event["object"]
        kind, name = snapshot["kind"], snapshot["metadata"]["name"]
        if kind in fields:
            single[fields[kind]] = snapshot
        elif event["type"] == "DELETED":
            several[kind].pop(name, None)
        else:
            several[kind][name] = snapshot
        yield (
            event["t"],
            {
                **single,
                "replica_sets": list(several["ReplicaSet"].values()),
                "pods": list(several["Pod"].values()),
            },
        )


@cache
def _state(second: float) -> str:
    """The last state of the recorded watch up to that second, as JSON, so that nobody changes it for the others."""
    *_, (_, look) = (state for state in replay() if state[0] <= second)
    return json.dumps(look)


@cache
def _watch() -> list[dict[str, Any]]:
    with gzip.open(OBSERVED / "watch.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


def put(tree: Any, path: str, value: Any) -> None:
    """Sets what stands at `a/b/c`; None removes it. A list is entered by number, or by the name or type of an entry."""
    *parents, last = (part.replace("~1", "/") for part in path.split("/"))
    for part in parents:
        tree = tree.setdefault(part, {}) if isinstance(tree, dict) else tree[_position(tree, part)]
    if isinstance(tree, dict):
        if value is None:
            del tree[last]
        else:
            tree[last] = value
    elif value is None:
        del tree[_position(tree, last)]
    elif last == "+":
        tree.append(value)
    else:
        tree[_position(tree, last)] = value


def _position(entries: list[Any], part: str) -> int:
    if part.isdigit():
        return int(part)
    for position, entry in enumerate(entries):
        if part in (entry.get("name"), entry.get("type"), (entry.get("metadata") or {}).get("name")):
            return position
    raise KeyError(part)


def at_second(situation: Situation, seconds: float) -> Judgement:
    """The judgement after the situation has stood unchanged for that long."""
    first = judge(situation.desired, replace(situation.observation, at_s=0.0), {})
    return judge(situation.desired, replace(situation.observation, at_s=seconds), first.sightings)
