"""The lines of a recording: values to JSON and back."""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from bumper.build_order import Decision, Order, Witness
from bumper.dataclasses import dataclass, field
from bumper.errors import BumpError, NoAccess, Transient, Unreachable, UsageError
from bumper.image import ImageReference
from bumper.objects import Object, ObjectKey
from bumper.observation import Baseline, Desired, Observation, RevisionFacts
from bumper.ports.run import State, Step
from bumper.ports.shape import Each, Maybe, Misshapen, Shape, held_to
from bumper.revision import Revision
from bumper.rollout.fields import misfit
from bumper.safe_text import mask

VERSION = 1
_SINGLE = ("source", "kustomization", "workload", "canary", "primary")
_SEVERAL = ("replica_sets", "pods", "events", "dependencies", "makers")
_ERRORS: dict[str, type[BumpError]] = {
    "Transient": Transient,
    "NoAccess": NoAccess,
    "Unreachable": Unreachable,
    "UsageError": UsageError,
}

Entry = dict[str, Any]

_KEY: Shape = [str]
_DESIRED: Shape = {
    **dict.fromkeys(("site", "image", "container"), str),
    **dict.fromkeys(("previous", "revision", "identity", "where", "named"), Maybe(str)),
    **dict.fromkeys(("kustomization", "source", "workload"), _KEY),
    "replicas": Maybe(int),
    "beside": Maybe([str]),
    "makers": Maybe([_KEY]),
}
_SUBJECT: Shape = {
    **dict.fromkeys(("previous", "place", "revision", "url"), str),
    "desired": _DESIRED,
    "header": [str],
    "written": bool,
    "steps": [{"stage": str, "state": str, "detail": str, "seconds": float}],
    "since_s": float,
    "order": Maybe({"order": str, "evidence": str, "by": Maybe(str)}),
    "others": Maybe([_DESIRED]),
    "places": Maybe([str]),
    "stays": Maybe([str]),
}
_HEAD: Shape = {
    "recording": int,
    "contexts": [str],
    "sites": [_SUBJECT],
    "notices": [str],
    "elsewhere": Maybe(Each([str])),
    **dict.fromkeys(("started_s", "began_s", "timeout_s"), float),
}
_LOOK: Shape = {
    "site": str,
    "follows": Maybe(_KEY),
    "logs": Maybe(Each(str)),
    "unreadable": Maybe(Each(str)),
    "cluster_time": Maybe(str),
    **dict.fromkeys(_SINGLE, Maybe(int)),
    **dict.fromkeys(_SEVERAL, Maybe([int])),
}
_FACTS: Shape = {
    **dict.fromkeys(("includes_commit", "is_removed", "is_off_branch"), Maybe(bool)),
    **dict.fromkeys(("subject", "author"), str),
    "image": Maybe(str),
}
_ENTRY: Shape = {
    **dict.fromkeys(("at_s", "asked_s", "end_s"), Maybe(float)),
    **dict.fromkeys(("context", "answer"), Maybe(str)),
    "look": Maybe([_LOOK]),
    "error": Maybe({"type": str, "message": str, "hint": str, "retry_after_s": Maybe(float)}),
    "before": Maybe([Maybe({"tried": str, "untried": str, **dict.fromkeys(_SINGLE, Maybe(int))})]),
    "facts": Maybe({"site": str, "revisions": Each(_FACTS)}),
    "notices": Maybe([str]),
}


@dataclass(frozen=True)
class Subject:
    """One site of a recording: what a report says of it beside the verdict. `steps` were over at `since_s`, before following began.

    `followed` is what must become true for all of its workloads, the leading one first. `places` are all fields that name the image,
    `stays` what names it and does not move.
    """

    followed: tuple[Desired, ...]
    previous: ImageReference
    place: str
    revision: Revision | None
    url: str
    header: tuple[str, str]
    is_written: bool = True
    steps: tuple[Step, ...] = ()
    since_s: float = 0.0
    order: Decision | None = None
    places: tuple[str, ...] = ()
    stays: tuple[str, ...] = ()

    @property
    def desired(self) -> Desired:
        """What must become true for the workload that leads."""
        return self.followed[0]


@dataclass(frozen=True)
class Head:
    """The first line. `started_s` is when the run began, `began_s` when following did; `notices` were given in between."""

    contexts: tuple[str, ...]
    started_s: float
    began_s: float
    timeout_s: float
    subjects: tuple[Subject, ...]
    notices: tuple[str, ...] = ()
    elsewhere: Mapping[str, Collection[str]] = field(default_factory=dict)


def read(lines: Iterable[str]) -> tuple[Head, list[Entry]]:
    """A whole recording, its objects put back into its looks; a last line that was cut off is left out.

    UsageError for anything else.
    """
    head: Head | None = None
    objects: list[Object] = []
    entries: list[Entry] = []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            if head is None:
                head = decode_head(held_to(_HEAD, entry, "the head"))
            elif "object" in entry:
                objects.append(_readable(entry["object"]))
            else:
                _require_readable(held_to(_ENTRY, entry, "the entry"))
                # Null is the same as nothing, and nobody asks for it.
                given = {key: value for key, value in entry.items() if value is not None}
                entries.append(_filled(given, objects))
        except (
            *(ValueError, KeyError, TypeError, IndexError, AttributeError),
            *(OverflowError, RecursionError),
        ) as error:
            if head and isinstance(error, ValueError) and not line.endswith("\n"):
                break
            why = f": {error}" if isinstance(error, Misshapen) else ""
            raise UsageError(
                f"line {number} is no line of a recording{why}", hint="expected what --record wrote"
            ) from None
    if head is None:
        raise UsageError("the recording is empty", hint="expected what --record wrote")
    return head, entries


def _readable(obj: Any) -> Object:
    """The object, whose fields are of the types that they are read as."""
    if problem := misfit(obj):
        raise Misshapen(problem)
    read: Object = obj
    return read


def _require_readable(entry: Mapping[str, Any]) -> None:
    """Raises what reading the entry would raise later, in the middle of a verdict."""
    is_look = entry["look"] is not None or entry["error"] is not None
    if entry["asked_s"] is not None and (entry["at_s"] is None or not is_look):
        raise Misshapen("the entry: was asked, and has no answer")
    for site in entry["look"] or ():
        ObjectKey(*site["follows"] or ("", "", ""))
    for known in entry["before"] or ():
        decode_baseline(known or {"tried": "", "untried": ""})
    if entry["error"]:
        decode_error(entry["error"])
    if entry["facts"]:
        decode_facts(entry["facts"]["revisions"])


def line(entry: Mapping[str, Any]) -> str:
    """One line of the file."""
    return json.dumps(entry, separators=(",", ":"), ensure_ascii=False) + "\n"


def encode_head(head: Head) -> Entry:
    """The first line of a recording; secrets in the notices are masked."""
    return {
        "recording": VERSION,
        "contexts": list(head.contexts),
        "started_s": head.started_s,
        "began_s": head.began_s,
        "timeout_s": head.timeout_s,
        "sites": [_encode_subject(subject) for subject in head.subjects],
        "notices": [mask(notice) for notice in head.notices],
        "elsewhere": {context: sorted(labels) for context, labels in head.elsewhere.items() if labels},
    }


def decode_head(entry: Mapping[str, Any]) -> Head:
    """The inverse of `encode_head`. ValueError, KeyError or TypeError for what is no head of this version."""
    if entry.get("recording") != VERSION:
        raise ValueError(f"expected a recording of version {VERSION}")
    if not entry["sites"] or not entry["contexts"]:
        raise ValueError("expected a site and a context")
    subjects = tuple(_decode_subject(site_entry) for site_entry in entry["sites"])
    started_s, began_s, timeout_s = (float(entry[name]) for name in ("started_s", "began_s", "timeout_s"))
    # Older recordings do not know the last.
    elsewhere = dict(entry.get("elsewhere") or {})
    return Head(
        tuple(entry["contexts"]), started_s, began_s, timeout_s, subjects, tuple(entry["notices"]), elsewhere
    )


def _encode_subject(subject: Subject) -> Entry:
    return {
        "desired": encode_desired(subject.desired),
        "previous": str(subject.previous),
        "place": subject.place,
        "revision": str(subject.revision or ""),
        "url": subject.url,
        "header": list(subject.header),
        "written": subject.is_written,
        "steps": [
            {
                "stage": step.stage,
                "state": step.state.value,
                "detail": mask(step.detail),
                "seconds": step.seconds,
            }
            for step in subject.steps
        ],
        "since_s": subject.since_s,
        "order": _encode_order(subject.order) if subject.order else None,
        "others": [encode_desired(desired) for desired in subject.followed[1:]],
        "places": list(subject.places),
        "stays": [mask(text) for text in subject.stays],
    }


def _decode_subject(entry: Mapping[str, Any]) -> Subject:
    desired = decode_desired(entry["desired"])
    before, after = entry["header"]
    return Subject(
        (desired, *map(decode_desired, entry.get("others") or ())),
        ImageReference.split(entry["previous"]),
        entry["place"],
        Revision.parse(entry["revision"]),
        entry["url"],
        (before, after),
        entry["written"],
        tuple(
            Step(desired.label, step["stage"], State(step["state"]), step["detail"], step["seconds"])
            for step in entry["steps"]
        ),
        float(entry["since_s"]),
        # Older recordings do not know these.
        _decode_order(entry["order"]) if entry.get("order") else None,
        tuple(entry.get("places") or ()),
        tuple(entry.get("stays") or ()),
    )


def _encode_order(decision: Decision) -> Entry:
    return {
        "order": decision.order.value,
        "evidence": mask(decision.evidence),
        "by": decision.witness.value if decision.witness else None,
    }


def _decode_order(entry: Mapping[str, Any]) -> Decision:
    return Decision(Order(entry["order"]), entry["evidence"], Witness(entry["by"]) if entry["by"] else None)


def encode_desired(desired: Desired) -> Entry:
    """What was wanted; object keys are `[kind, namespace, name]`."""
    return {
        "site": desired.site,
        "image": str(desired.image),
        "previous": str(desired.previous) if desired.previous else None,
        "revision": str(desired.revision) if desired.revision else None,
        "kustomization": encode_key(desired.kustomization),
        "source": encode_key(desired.source),
        "workload": encode_key(desired.workload),
        "container": desired.container,
        "replicas": desired.replicas,
        "identity": desired.identity,
        "beside": list(desired.beside),
        "makers": [encode_key(key) for key in desired.makers],
        "where": desired.where,
        "named": desired.named,
        "was_in_registry": desired.was_in_registry,
        "is_elsewhere": desired.is_elsewhere,
    }


def decode_desired(entry: Mapping[str, Any]) -> Desired:
    """The inverse of `encode_desired`."""
    return Desired(
        site=entry["site"],
        image=ImageReference.split(entry["image"]),
        previous=ImageReference.split(entry["previous"]) if entry["previous"] is not None else None,
        revision=Revision.parse(entry["revision"]) if entry["revision"] is not None else None,
        kustomization=ObjectKey(*entry["kustomization"]),
        source=ObjectKey(*entry["source"]),
        workload=ObjectKey(*entry["workload"]),
        container=entry["container"],
        # Older recordings do not know these.
        replicas=entry.get("replicas"),
        identity=entry.get("identity") or "",
        beside=tuple(entry.get("beside") or ()),
        makers=tuple(ObjectKey(*key) for key in entry.get("makers") or ()),
        where=entry.get("where") or "",
        named=entry.get("named") or "",
        was_in_registry=entry.get("was_in_registry") or False,
        is_elsewhere=entry.get("is_elsewhere") or False,
    )


def encode_key(key: ObjectKey) -> list[str]:
    """`[kind, namespace, name]`."""
    return [key.kind, key.namespace, key.name]


def encode_facts(facts: Mapping[str, RevisionFacts]) -> Entry:
    """What git knows of each revision, by its full SHA; secrets in the subjects are masked."""
    return {
        sha: {
            "includes_commit": revision_facts.includes_commit,
            "image": str(revision_facts.image) if revision_facts.image else None,
            "subject": mask(revision_facts.subject),
            "author": revision_facts.author,
            "is_removed": revision_facts.is_removed,
            "is_off_branch": revision_facts.is_off_branch,
        }
        for sha, revision_facts in facts.items()
    }


def decode_facts(entry: Mapping[str, Any]) -> dict[str, RevisionFacts]:
    """The inverse of `encode_facts`."""
    return {
        sha: RevisionFacts(
            facts_entry.get("includes_commit"),
            ImageReference.split(facts_entry["image"]) if facts_entry.get("image") is not None else None,
            facts_entry["subject"],
            facts_entry["author"],
            # Older recordings do not know it.
            bool(facts_entry.get("is_removed")),
            bool(facts_entry.get("is_off_branch")),
        )
        for sha, facts_entry in entry.items()
    }


def encode_error(error: BumpError) -> Entry:
    """A failed look; an error of a class that recordings do not know is written as Unreachable."""
    kind = next(
        (name for name, error_type in _ERRORS.items() if isinstance(error, error_type)), "Unreachable"
    )
    retry_after_s = error.retry_after_s if isinstance(error, Transient) else None
    return {
        "type": kind,
        "message": mask(error.message),
        "hint": error.hint,
        "retry_after_s": retry_after_s,
    }


def decode_error(entry: Mapping[str, Any]) -> BumpError:
    """The error of a failed look, to be raised again."""
    if entry["type"] == "Transient":
        return Transient(entry["message"], hint=entry["hint"], retry_after_s=entry["retry_after_s"])
    return _ERRORS[entry["type"]](entry["message"], hint=entry["hint"])


def decode_observation(entry: Mapping[str, Any], at_s: float) -> Observation:
    """One site of a look, its objects in place, without `revisions`."""
    return Observation(
        at_s=at_s,
        source=entry.get("source"),
        kustomization=entry.get("kustomization"),
        workload=entry.get("workload"),
        replica_sets=tuple(entry.get("replica_sets") or ()),
        pods=tuple(entry.get("pods") or ()),
        events=tuple(entry.get("events") or ()),
        dependencies=tuple(entry.get("dependencies") or ()),
        makers=tuple(entry.get("makers") or ()),
        logs=entry.get("logs") or {},
        unreadable=entry.get("unreadable") or {},
        # Older recordings do not know these.
        cluster_time=entry.get("cluster_time") or "",
        canary=entry.get("canary"),
        primary=entry.get("primary"),
    )


def decode_baseline(entry: Mapping[str, Any]) -> Baseline:
    """How one site stood before the push, its objects in place."""
    objects = {name: entry.get(name) for name in ("source", "kustomization", "workload", "canary")}
    return Baseline(**objects, tried=entry["tried"], untried=entry["untried"])


def baseline_objects(baseline: Baseline) -> dict[str, Object]:
    """The objects of a baseline by the names of its fields; what is absent is left out."""
    return {name: value for name in _SINGLE if (value := getattr(baseline, name, None))}


def objects_of(observation: Observation) -> dict[str, Any]:
    """The objects of an observation by the names of its fields; what is absent is left out."""
    single = {name: getattr(observation, name) for name in _SINGLE}
    several = {name: list(getattr(observation, name)) for name in _SEVERAL}
    return {name: value for name, value in (single | several).items() if value}


def _filled(entry: Entry, objects: list[Object]) -> Entry:
    """The entry with its objects in the place of their numbers."""
    if "look" in entry:
        return {**entry, "look": _seen(entry["look"], objects)}
    if "before" in entry:
        sites = [_with_objects(site, objects) if site else None for site in entry["before"]]
        return {**entry, "before": sites}
    return entry


def _with_objects(site: Mapping[str, Any], objects: list[Object]) -> Entry:
    return {**site, **{name: objects[site[name]] for name in _SINGLE if name in site}}


def _seen(look: Iterable[Mapping[str, Any]], objects: list[Object]) -> list[Entry]:
    """The look with its objects in the place of their numbers."""
    sites = []
    for site in look:
        several = {name: [objects[number] for number in site[name]] for name in _SEVERAL if name in site}
        sites.append({**_with_objects(site, objects), **several})
    return sites
