"""How Flux is set up, as far as it decides whether and how soon a deploy gets through. Pure.

Law: only what was read, or what is published about that very version, is said. What a deploy would be told anyway while it waits
(`rollout.preflight`, `rollout.obstacles`) is asked of the same functions.
Sources: kustomize-controller's main.go and its API 1.9.4; source-controller 1.9.3; the issues that the texts name.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from bumper.dataclasses import dataclass
from bumper.doctor.finding import Finding, Mark
from bumper.objects import Object, ObjectKey, at, condition
from bumper.observation import Desired, Observation
from bumper.ports.kubernetes import Installation
from bumper.ports.shape import whole_number
from bumper.rollout.flux import health_timeout_s, seconds
from bumper.rollout.obstacles import follows_another
from bumper.rollout.preflight import override, settings

_NEEDED = ("source-controller", "kustomize-controller")
_ARTIFACT_GATE = "ExternalArtifact"
_GATE = "CancelHealthCheckOnNewRevision"
_WORKERS = 4  # --concurrent of kustomize-controller where it is not set
_LONG_POLL_S = 300.0
_LONG_HEALTH_S = 60.0
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")
_Version = tuple[int, ...]


@dataclass(frozen=True)
class _Controller:
    name: str
    version: str
    flux: str
    arguments: tuple[str, ...]
    is_available: bool

    @property
    def number(self) -> _Version | None:
        return _number(self.version)

    def argument(self, name: str) -> str:
        """The value of `--name=value`; of several the last one counts, as in Go's flags."""
        prefix = f"--{name}="
        values = [argument.removeprefix(prefix) for argument in self.arguments if argument.startswith(prefix)]
        return values[-1] if values else ""

    def has_gate(self, gate: str) -> bool:
        gates = dict(pair.split("=", 1) for pair in self.argument("feature-gates").split(",") if "=" in pair)
        return gates.get(gate, "").lower() == "true"


def findings(
    context: str, sites: Sequence[tuple[Desired, Observation]], seen: Installation, *, may_ask_to_fetch: bool
) -> list[Finding]:
    """What of Flux's settings matters to these sites.

    `context` names the cluster in each finding, `seen` is what Flux's own objects say; `may_ask_to_fetch`: a deploy has the right to
    ask a source to fetch at once.
    """
    controllers = {controller.name: controller for controller in map(_controller, seen.controllers)}
    return [
        *_installed(context, controllers, seen),
        *_known_problems(context, controllers),
        *_artifacts(context, controllers, sites),
        *_health_checks(context, controllers, sites),
        *_sources(context, sites, seen, may_ask_to_fetch=may_ask_to_fetch),
        *(finding for desired, look in sites for finding in _site(context, desired, look)),
    ]


def _controller(deployment: Object) -> _Controller:
    name = str(at(deployment, "metadata", "name") or "")
    containers = at(deployment, "spec", "template", "spec", "containers") or ()
    manager: Object = next((container for container in containers if container.get("name") == "manager"), {})
    _, _, tag = str(manager.get("image") or "").partition("@")[0].rpartition(":")
    return _Controller(
        name=name,
        version=tag if _VERSION.match(tag) else "",
        flux=str((at(deployment, "metadata", "labels") or {}).get("app.kubernetes.io/version") or ""),
        arguments=tuple(map(str, manager.get("args") or ())),
        is_available=bool(at(deployment, "status", "availableReplicas")),
    )


def _number(text: str) -> _Version | None:
    match = _VERSION.match(text)
    return tuple(map(int, match.groups())) if match else None


def _installed(context: str, controllers: Mapping[str, _Controller], seen: Installation) -> Iterator[Finding]:
    if why := seen.unreadable.get("Deployment"):
        yield Finding(
            "flux",
            f"{context}: controllers",
            Mark.WARNING,
            f"can't be read ({why})",
            "whether this version of Flux has known problems, and how it is set, is not known",
            "allow list on deployments in Flux's namespace; tracking itself does not need it",
        )
        return
    if not controllers:
        yield Finding(
            "flux",
            f"{context}: controllers",
            Mark.WARNING,
            "none found beside the sources (Deployments with the label app.kubernetes.io/part-of=flux)",
            "whether this version of Flux has known problems, and how it is set, is not known",
        )
        return
    flux = next(filter(None, (controller.flux for controller in controllers.values())), "")
    versions = ", ".join(
        f"{controller.name} {controller.version or 'of no known version'}"
        for controller in controllers.values()
    )
    yield Finding(
        "flux", f"{context}: controllers", Mark.GOOD, f"Flux {flux}: {versions}" if flux else versions
    )
    for controller in controllers.values():
        if controller.name in _NEEDED and not controller.is_available:
            yield Finding(
                "flux",
                f"{context}: {controller.name}",
                Mark.MISSING,
                "has no available replica",
                "nothing is fetched or applied before it runs",
                f"kubectl get pods -A -l app={controller.name}",
            )


def _known_problems(context: str, controllers: Mapping[str, _Controller]) -> Iterator[Finding]:
    kustomize = controllers.get("kustomize-controller")
    if kustomize and kustomize.number and kustomize.has_gate(_GATE) and kustomize.number < (1, 8, 3):
        yield Finding(
            "flux",
            f"{context}: kustomize-controller {kustomize.version}",
            Mark.WARNING,
            f"may hang in a health check with the feature gate {_GATE} (kustomize-controller#1624, #1625)",
            "a Kustomization that hangs takes no commit any more",
            "update to kustomize-controller 1.8.3 or later, or turn the gate off until then",
        )
    notification = controllers.get("notification-controller")
    flux = _number(notification.flux) if notification else None
    if flux and (2, 8, 0) <= flux < (2, 9, 0):
        posted = (
            "no commit statuses at all (notification-controller#1246)"
            if flux == (2, 8, 0)
            else "commit statuses of successes alone (notification-controller#1373)"
        )
        yield Finding(
            "flux",
            f"{context}: notification-controller",
            Mark.WARNING,
            f"of Flux {notification.flux if notification else ''} posts {posted}",
            "whoever waits for Flux's commit statuses takes a failure for one that is still moving",
            "update to Flux 2.9; bump judges by the cluster's objects and does not need the statuses",
        )


def _artifacts(
    context: str, controllers: Mapping[str, _Controller], sites: Sequence[tuple[Desired, Observation]]
) -> Iterator[Finding]:
    """What it takes to build from an ExternalArtifact (kustomize-controller 1.9.4, `getSource`)."""
    users = sum(desired.source.kind == "ExternalArtifact" for desired, _ in sites)
    kustomize = controllers.get("kustomize-controller")
    if users and kustomize and not kustomize.has_gate(_ARTIFACT_GATE):
        yield Finding(
            "flux",
            f"{context}: kustomize-controller",
            Mark.MISSING,
            f"runs without the feature gate {_ARTIFACT_GATE}",
            f"it refuses the source of {users} Kustomizations here (AccessDenied), and applies nothing of them",
            f"start it with --feature-gates={_ARTIFACT_GATE}=true",
        )
    makers = {desired.makers[0] for desired, _ in sites if desired.makers}
    if makers and controllers and "source-watcher" not in controllers:
        yield Finding(
            "flux",
            f"{context}: source-watcher",
            Mark.MISSING,
            "none found beside the sources",
            f"nothing makes the artifacts of {', '.join(sorted(map(str, makers)))}",
            "flux install --components-extra=source-watcher",
        )


def _health_checks(
    context: str, controllers: Mapping[str, _Controller], sites: Sequence[tuple[Desired, Observation]]
) -> Iterator[Finding]:
    timeouts = {
        desired.kustomization: timeout_s
        for desired, look in sites
        if (timeout_s := health_timeout_s(look.kustomization)) is not None
    }
    seen = {desired.kustomization for desired, look in sites if look.kustomization is not None}
    if seen:
        without = len(seen) - len(timeouts)
        waiting = f"{len(timeouts)} of {len(seen)} Kustomizations wait for health"
        beyond = (
            ": Ready of the others means applied, and their workloads are followed by us" if without else ""
        )
        yield Finding("flux", f"{context}: health checks", Mark.GOOD, waiting + beyond)
    kustomize = controllers.get("kustomize-controller")
    if not kustomize or not timeouts:
        return
    longest_s = max(timeouts.values())
    if longest_s > _LONG_HEALTH_S and not kustomize.has_gate(_GATE) and (kustomize.number or ()) >= (1, 7, 0):
        yield Finding(
            "flux",
            f"{context}: health checks",
            Mark.WARNING,
            f"of a bad revision run up to {longest_s:g} s before a fix is looked at",
            "a rollback waits as long",
            f"start kustomize-controller 1.8.3 or later with --feature-gates={_GATE}=true",
        )
    workers = whole_number(kustomize.argument("concurrent")) or _WORKERS
    if len(timeouts) > workers:
        yield Finding(
            "flux",
            f"{context}: kustomize-controller",
            Mark.WARNING,
            f"has {workers} workers, and {len(timeouts)} Kustomizations here hold one while they wait for health",
            f"{workers} sites that don't get healthy hold up all others until their timeouts",
            "raise --concurrent, or shorten spec.timeout",
        )


def _sources(
    context: str,
    sites: Sequence[tuple[Desired, Observation]],
    seen: Installation,
    *,
    may_ask_to_fetch: bool,
) -> Iterator[Finding]:
    # What is fetched from the repository: of a source that is made of another one, that one.
    fetched = ((desired, look.sources(desired)[0]) for desired, look in sites)
    sources = {key: (desired, source) for desired, (key, source) in fetched if source is not None}
    users = Counter(desired.fetched for desired, _ in sites)
    for key, (desired, source) in sources.items():
        subject = f"{context}: {key}"
        if follows := follows_another(desired, source or {}):
            yield Finding(
                "flux",
                subject,
                Mark.MISSING,
                f"follows {follows}, not the branch that is pushed to",
                f"no commit of that branch reaches its {users[key]} Kustomizations",
                f"change spec.ref of {key}, or name its branch with --branch",
            )
        if at(source, "spec", "suspend"):
            yield _suspended(subject, key)
        yield _how_soon(subject, key, source or {}, seen, may_ask_to_fetch=may_ask_to_fetch)


def _how_soon(
    subject: str, key: ObjectKey, source: Object, seen: Installation, *, may_ask_to_fetch: bool
) -> Finding:
    written = str(at(source, "spec", "interval") or "")
    interval_s = seconds(written) or 0.0
    hooks = [receiver for receiver in seen.receivers if _reaches(receiver, key, source)]
    if hooks:
        return _webhook(subject, hooks, written)
    known = "" if "Receiver" not in seen.unreadable else " (Receivers can't be read: there may be a webhook)"
    polling = f"is polled every {written}, without a webhook{known}"
    if may_ask_to_fetch:
        return Finding("flux", subject, Mark.GOOD, f"{polling}; bump asks it to fetch at once")
    mark = Mark.WARNING if interval_s > _LONG_POLL_S else Mark.GOOD
    return Finding(
        "flux",
        subject,
        mark,
        f"{polling}: a commit waits up to {written}",
        "a deploy takes that much longer",
        "allow patch on the source, or set up a Receiver",
    )


def _webhook(subject: str, hooks: Sequence[Object], interval: str) -> Finding:
    names = ", ".join(f"{ObjectKey.of(receiver)} ({at(receiver, 'spec', 'type')})" for receiver in hooks)
    broken = [receiver for receiver in hooks if at(receiver, "spec", "suspend") or _is_not_ready(receiver)]
    if len(broken) == len(hooks):
        why = condition(broken[0], "Ready")
        ready_message = f": {why.message}" if why and why.message else ""
        return Finding(
            "flux",
            subject,
            Mark.WARNING,
            f"has the webhook {names}, which is suspended or not Ready{ready_message}",
            f"a commit waits up to {interval}, the interval of the poll",
            f"flux get receivers -n {ObjectKey.of(broken[0]).namespace}",
        )
    return Finding("flux", subject, Mark.GOOD, f"is told of commits by {names}, and polled every {interval}")


def _is_not_ready(receiver: Object) -> bool:
    ready = condition(receiver, "Ready")
    return ready is not None and ready.status == "False"


def _reaches(receiver: Object, key: ObjectKey, source: Object) -> bool:
    """Whether the Receiver names the source, by name or (`*`) by its labels."""
    labels = at(source, "metadata", "labels") or {}
    for resource in at(receiver, "spec", "resources") or ():
        place = resource.get("namespace") or at(receiver, "metadata", "namespace")
        if (resource.get("kind"), place) != (key.kind, key.namespace):
            continue
        wanted = resource.get("matchLabels") or {}
        if resource.get("name") == key.name or (
            resource.get("name") == "*" and wanted.items() <= labels.items()
        ):
            return True
    return False


def _site(context: str, desired: Desired, look: Observation) -> Iterator[Finding]:
    subject = f"{context}: {desired.site}"
    key = desired.kustomization
    if look.kustomization is None:
        if key.kind not in look.unreadable:
            yield Finding(
                "flux",
                subject,
                Mark.MISSING,
                f"{key} is not in the cluster",
                "nothing applies this site's manifests there",
                f"is this the right cluster? flux get kustomizations -n {key.namespace}",
            )
        return
    if at(look.kustomization, "spec", "suspend"):
        yield _suspended(subject, key)
    if hinders := override(desired, look):
        why = "whatever git says, the image stays"
        yield Finding("flux", subject, Mark.WARNING, hinders.text, why, "remove it before you deploy")
    for text in settings(desired, look):
        yield Finding("flux", subject, Mark.WARNING, text)


def _suspended(subject: str, key: ObjectKey) -> Finding:
    kind = {"GitRepository": "source git", "OCIRepository": "source oci", "Bucket": "source bucket"}
    command = f"flux resume {kind.get(key.kind, key.kind.lower())} {key.name} -n {key.namespace}"
    return Finding(
        "flux",
        subject,
        Mark.WARNING,
        f"{key} is suspended",
        "Flux takes no commit until it is resumed",
        command,
    )
