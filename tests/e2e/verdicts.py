"""Each deploy's truth beside the verdict of `bump`, and the seconds from the cluster's showing to our line.

When a cause was shown is read off what the API server said meanwhile (`record`), by rules that are no rules of `bumper.rollout`: the
first moment at which any container, event or condition of the site bore the cause that the verdict names.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bumper.rollout.steadiness import STEADY_S

from . import page
from .api import Object
from .deploys import Deploy
from .program import Ended

Lines = Sequence[dict[str, Any]]
Objects = dict[tuple[str, str], Object]

_PULLS = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
# What is certain is said within that long; what may heal, that long after its patience has ended.
PROMPT_S = 5.0
_WRONG = "**wrong**"
_PATIENCE = Path(__file__).parents[2] / "docs" / "patience.md"
_ROW = re.compile(r"^\| (?P<reasons>`[^|]*) \| (?P<after>[^|]*) \|", re.MULTILINE)


@dataclass(frozen=True)
class Measured:
    """How one deploy ended, and how long after the cluster had shown it; None where the verdict needs no showing."""

    deploy: Deploy
    ended: tuple[Ended, ...]
    after_s: float | None
    patience_s: float = 0.0

    @property
    def verdicts(self) -> tuple[tuple[str, str, int], ...]:
        return tuple((*run.verdict, run.exit_code) for run in self.ended)

    @property
    def is_right(self) -> bool:
        return self.verdicts == self.deploy.verdicts


def patience_s(reason: str) -> float:
    """The longest time that docs/patience.md grants to a cause; 0 for what is certain at once."""
    return _granted().get(reason, 0.0)


@cache
def _granted() -> dict[str, float]:
    granted: dict[str, float] = {}
    for row in _ROW.finditer(_PATIENCE.read_text(encoding="utf-8")):
        longest = max(map(float, re.findall(r"(\d+) s\b", row["after"])), default=0.0)
        for reason in re.findall(r"`(\w+)`", row["reasons"]):
            granted[reason] = max(longest, granted.get(reason, 0.0))
    return granted


def measure(deploy: Deploy, ended: Sequence[Ended], lines: Lines, started_s: float) -> Measured:
    """What was recorded meanwhile, `started_s` being the monotonic clock's time of its beginning."""
    if not ended:
        return Measured(deploy, (), None)
    last = ended[-1]
    own = [line for line in lines if _concerns(line, deploy.name)]
    shown_s = shown_at(last, own)
    after_s = None if shown_s is None else last.said_at_s - started_s - shown_s
    outcome, reason = last.verdict
    granted_s = patience_s(reason)
    if outcome == "ready" and _is_without_probe(own):
        granted_s = STEADY_S
    return Measured(deploy, tuple(ended), after_s, granted_s)


def _is_without_probe(lines: Lines) -> bool:
    return any(
        "readinessProbe" not in container
        for line in lines
        if line["object"]["kind"] == "Deployment"
        for container in line["object"]["spec"]["template"]["spec"]["containers"]
    )


def shown_at(ended: Ended, lines: Lines) -> float | None:
    """When the cluster first bore what the verdict says; None where nothing in the cluster shows it."""
    shows = _rule(*ended.verdict)
    if shows is None or not ended.answer["sites"]:
        return None
    site = ended.answer["sites"][0]
    for at_s, objects in _states(lines):
        if shows(objects, site):
            return at_s
    return math.nan


def _concerns(line: dict[str, Any], name: str) -> bool:
    metadata = (line.get("object") or {}).get("metadata") or {}
    return name in (metadata.get("namespace"), metadata.get("name"))


def _states(lines: Lines) -> Iterator[tuple[float, Objects]]:
    """All objects after each change, with its time."""
    objects: Objects = {}
    for line in lines:
        subject = line["object"]
        key = subject["kind"], subject["metadata"]["name"]
        if line["type"] == "DELETED":
            objects.pop(key, None)
        else:
            objects[key] = subject
        yield line["at_s"], objects


Shows = Callable[[Objects, dict[str, Any]], bool]


def _rule(outcome: str, reason: str) -> Shows | None:
    if outcome == "ready":
        return _is_complete
    if outcome in ("refused", "timed-out"):
        return None  # before anything was written, and at the deadline
    if outcome == "superseded":
        return None  # shown by the branch
    if reason in ("Suspended", "Paused"):
        return None  # so from the beginning
    return _RULES.get(reason, _kustomization_says(reason))


def _is_complete(objects: Objects, site: dict[str, Any]) -> bool:
    """The commit, or a later one with its tag, is applied, and every replica is of the last generation and available."""
    applied = _is_applied(objects, site["commit"]) or _is_later_applied(objects, site["tag"])
    rolled = [_rolled_out(subject) for (kind, _), subject in objects.items() if kind == "Deployment"]
    return applied and bool(rolled) and all(rolled)


def _is_applied(objects: Objects, commit: str) -> bool:
    return any(
        str((subject.get("status") or {}).get("lastAppliedRevision", "")).endswith(commit)
        for (kind, _), subject in objects.items()
        if kind == "Kustomization"
    )


def _is_later_applied(objects: Objects, tag: str) -> bool:
    """The last revision that was fetched is applied, and the Deployments have the tag."""
    statuses = {kind: subject.get("status") or {} for (kind, _), subject in objects.items()}
    fetched = (statuses.get("GitRepository", {}).get("artifact") or {}).get("revision")
    has_it = fetched and statuses.get("Kustomization", {}).get("lastAppliedRevision") == fetched
    images = [
        container["image"]
        for (kind, _), subject in objects.items()
        if kind == "Deployment"
        for container in subject["spec"]["template"]["spec"]["containers"]
    ]
    return bool(has_it and images) and all(image.endswith(f":{tag}") for image in images)


def _rolled_out(deployment: Object) -> bool:
    status, replicas = deployment.get("status") or {}, deployment["spec"]["replicas"]
    counts = {status.get(key) or 0 for key in ("updatedReplicas", "replicas", "availableReplicas")}
    return status.get("observedGeneration") == deployment["metadata"]["generation"] and counts == {replicas}


def _containers(objects: Objects) -> Iterator[Object]:
    for (kind, _), pod in objects.items():
        if kind == "Pod":
            for statuses in ("initContainerStatuses", "containerStatuses"):
                yield from (pod.get("status") or {}).get(statuses) or ()


def _waits(*reasons: str) -> Shows:
    def shows(objects: Objects, _: dict[str, Any]) -> bool:
        waiting = {(entry["state"].get("waiting") or {}).get("reason") for entry in _containers(objects)}
        return bool(waiting & set(reasons))

    return shows


def _has_ended(objects: Objects, _: dict[str, Any]) -> bool:
    """A container of a pod that is to stay has ended, or is started anew."""
    staying = {
        key: pod
        for key, pod in objects.items()
        if key[0] == "Pod" and "deletionTimestamp" not in pod["metadata"]
    }
    return any(
        entry["restartCount"] or (entry["state"].get("terminated") or {}).get("exitCode")
        for entry in _containers(staying)
    )


def _event(*reasons: str) -> Shows:
    def shows(objects: Objects, _: dict[str, Any]) -> bool:
        return any(kind == "Event" and subject["reason"] in reasons for (kind, _), subject in objects.items())

    return shows


def _either(*rules: Shows) -> Shows:
    return lambda objects, site: any(rule(objects, site) for rule in rules)


def _kustomization_says(reason: str) -> Shows:
    def shows(objects: Objects, _: dict[str, Any]) -> bool:
        conditions = [
            condition
            for (kind, _), subject in objects.items()
            if kind == "Kustomization"
            for condition in (subject.get("status") or {}).get("conditions") or ()
        ]
        return any(
            (entry["type"], entry["status"], entry["reason"]) == ("Ready", "False", reason)
            for entry in conditions
        )

    return shows


_PULL = _waits(*_PULLS)
_RULES: dict[str, Shows] = {
    **dict.fromkeys(
        (
            "NoSuchTag",
            "NoSuchRepository",
            "TagGone",
            "InvalidImageName",
            "RegistryUnreachable",
            "PullDenied",
            "ImageNeverPulled",
            "ImagePullFailed",
        ),
        _PULL,
    ),
    "WrongArchitecture": _either(_PULL, _has_ended),
    **dict.fromkeys(("CrashLoop", "OOMKilled", "KilledByProbe"), _has_ended),
    "MissingConfig": _either(_waits("CreateContainerConfigError"), _event("FailedMount")),
    "ContainerConfigFailed": _waits("CreateContainerConfigError"),
    "ContainerStartFailed": _either(
        _waits("RunContainerError", "CreateContainerError", "PostStartHookError"), _has_ended
    ),
    "NotReady": _event("Unhealthy"),
    "NotStarted": _event("Unhealthy"),
    "QuotaExceeded": _event("FailedCreate"),
    "Unschedulable": _event("FailedScheduling"),
}


HEADING = "What happened, and what bump said"
_BODY = """\
Each deploy is played on a real Kubernetes, a real Flux and a real node, and `bump` follows it, as `bump track` where somebody else
pushes. {stack}; {machine}, {at_once} deploys at once.

**{rows} deploys, {wrong} verdicts wrong, {late} late.** *Shown* is the moment at which the API server first said what the verdict
names; the seconds run from there to the line of `bump`. What may heal by itself is given the patience beside it, at most
([patience.md](patience.md)); what is certain has {prompt:.0f} s. Without seconds: the verdict needs no showing (a refusal, a deadline,
a suspension, another commit).

| what happens | verdict | exit code | shown to said | patience | right? |
|---|---|---|---|---|---|
{table}
"""


def write(path: Path, measured: Iterable[Measured], stack: str, at_once: int) -> None:
    """The table as a section of the page; a deploy that was not played this time keeps the row that it has."""
    written = page.rows(path, HEADING) | {row.deploy.what: _row(row) for row in measured}
    page.put(path, HEADING, body(written, stack, at_once))


def body(written: Mapping[str, str], stack: str, at_once: int) -> str:
    """The section for these rows, with the number of verdicts that are wrong and of those that came late."""
    ends = [row.rsplit(" | ", 1)[1] for row in written.values()]
    return _BODY.format(
        stack=stack,
        machine=page.machine(),
        at_once=at_once,
        rows=len(written),
        wrong=sum(end.startswith(_WRONG) for end in ends),
        late=sum(end.startswith("late") for end in ends),
        prompt=PROMPT_S,
        table="\n".join(written[what] for what in sorted(written)),
    )


def is_late(row: Measured) -> bool:
    """Later than what the verdict's reason is granted."""
    if row.after_s is None or not row.ended:
        return False
    return not row.after_s <= row.patience_s + PROMPT_S


def _row(row: Measured) -> str:
    outcomes = ", then ".join(f"{outcome}: {reason}" for outcome, reason, _ in row.verdicts)
    codes = ", ".join(str(code) for _, _, code in row.verdicts)
    after = "" if row.after_s is None else f"{row.after_s:.1f} s"
    granted = f"{row.patience_s:.0f} s" if row.patience_s else ""
    right = (
        ("late" if is_late(row) else "right") if row.is_right else f"{_WRONG}, expected {row.deploy.verdicts}"
    )
    return f"| {row.deploy.what} | {outcomes} | {codes} | {after} | {granted} | {right} |"
