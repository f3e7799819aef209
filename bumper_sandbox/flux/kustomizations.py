"""The sandbox's kustomize-controller: Kustomizations.

Law: Ready=True comes only after a build of the very bytes that the source fetched and after every object of the build is stored; the
status is written in the form and order of kustomize-controller v1.9.4 (internal/controller/kustomization_controller.go: `Reconcile`,
`reconcile`, `checkHealth`, `finalizeStatus`), with its default flags. Played: dependsOn, prune, wait, timeout, retryInterval,
suspension, deletion; with a `model` whatever that can build. Not played: the limit of four runs at a time, healthChecks, decryption,
remote clusters.
"""

import hashlib
import json
from typing import Any

from bumper_sandbox.flux import conditions, health, server_side_apply
from bumper_sandbox.flux.applier import Applier
from bumper_sandbox.flux.build import BuildError, Model, built, has_directory
from bumper_sandbox.flux.patch import Patcher
from bumper_sandbox.flux.server_side_apply import ApplyError
from bumper_sandbox.flux.source import FINALIZER, MIN_RETRY_S, SourceController, requested_at, wants_run
from bumper_sandbox.kubernetes import durations
from bumper_sandbox.kubernetes.failures import Failure
from bumper_sandbox.kubernetes.kinds import GIT_REPOSITORY, KUSTOMIZATION
from bumper_sandbox.kubernetes.loop import Loop, Reconcile, Task, WorkQueue
from bumper_sandbox.kubernetes.recorder import Recorder
from bumper_sandbox.kubernetes.store import WRITE_S, Change, Key, Manifest, Store, key_of

GROUP = KUSTOMIZATION.group
# --requeue-dependency, the poll interval of health checks, the shortest time-out that the API honours.
DEPENDENCY_RETRY_S, HEALTH_POLL_S, MIN_TIMEOUT_S = 30.0, 5.0, 30.0
# Where the controller unpacks an artifact; stands in texts alone.
_ROOT = "/tmp/kustomization-1662135871"  # noqa: S108


class _Stop(Exception):
    """Ends a run: the reason and message of Ready=False. `retry_s` is None for the Kustomization's own retry interval."""

    def __init__(self, reason: str, message: str, *, retry_s: float | None = None, event: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.retry_s = retry_s
        self.event = event


class KustomizationController:
    """Builds and applies what `sources` fetched; `model` builds what is not understood here."""

    def __init__(
        self,
        store: Store,
        loop: Loop,
        sources: SourceController,
        model: Model | None = None,
        *,
        waits_for_unplayed: bool = True,
    ) -> None:
        self._store = store
        self._loop = loop
        self._sources = sources
        self._events = Recorder(store, "kustomize-controller")
        self._model = model
        self._applier = Applier(store, waits_for_unplayed=waits_for_unplayed)
        self._queue: WorkQueue[Key] = WorkQueue(loop, self._reconcile)
        store.subscribe(self._notice)

    def _notice(self, change: Change) -> None:
        if change.kind == KUSTOMIZATION and wants_run(change):
            self._queue.add(key_of(change.after))
        elif change.kind == GIT_REPOSITORY and _revision(change.after) not in ("", _revision(change.before)):
            source, revision = key_of(change.after), _revision(change.after)
            self._loop.call_later(0.0, lambda: self._source_changed(source, revision))

    def _source_changed(self, source: Key, revision: str) -> None:
        for obj in self._store.select(KUSTOMIZATION)[0]:
            at_it = obj["status"].get("lastAttemptedRevision") == revision
            busy_or_done = conditions.is_true(obj, "Ready") or conditions.is_true(obj, "Reconciling")
            if _source_key(obj) == source and not (at_it and busy_or_done):
                self._queue.add(key_of(obj))

    def _reconcile(self, key: Key) -> Reconcile:
        obj = self._store.find(KUSTOMIZATION, *key)
        if obj is None:
            return None
        try:
            return (yield from self._run(Patcher(self._store, KUSTOMIZATION, obj, WRITE_S)))
        except Failure as failure:
            # Gone in the middle of its run.
            if failure.code == 404:
                return None
            raise

    def _run(self, patcher: Patcher) -> Reconcile:
        obj, start_s = patcher.obj, self._loop.now()
        if "deletionTimestamp" in obj["metadata"]:
            self._prune(obj, _inventory(obj), [])
            obj["metadata"]["finalizers"] = []
            yield from patcher.patch()
            return None
        if FINALIZER not in obj["metadata"].get("finalizers", ()):
            obj["metadata"]["finalizers"] = [FINALIZER]
            yield from patcher.patch()
            return MIN_RETRY_S
        if obj["spec"].get("suspend"):
            yield from self._finish(patcher)
            return None
        next_s: float = durations.seconds(obj["spec"]["interval"])
        try:
            yield from self._apply_revision(patcher, self._ready_source(obj), start_s)
        except _Stop as stop:
            self._mark(obj, "Ready", "False", stop.reason, stop.message)
            if stop.event:
                self._events.normal(obj, stop.reason, stop.event)
            elif stop.retry_s is None:
                self._events.warning(obj, stop.reason, stop.message)
            retry = obj["spec"].get("retryInterval", obj["spec"]["interval"])
            next_s = durations.seconds(retry) if stop.retry_s is None else stop.retry_s
        yield from self._finish(patcher)
        if conditions.is_true(obj, "Ready"):
            took, revision = (
                durations.duration(self._loop.now() - start_s),
                obj["status"]["lastAppliedRevision"],
            )
            every = durations.duration(durations.seconds(obj["spec"]["interval"]))
            message = f"Reconciliation finished in {took}, next run in {every}"
            self._normal(obj, revision, message)
        return next_s

    def _ready_source(self, obj: Manifest) -> Manifest:
        """The source with an artifact, with all dependencies ready; `_Stop` otherwise."""
        reference = obj["spec"]["sourceRef"]
        source = self._store.find(GIT_REPOSITORY, *_source_key(obj))
        if source is None or reference["kind"] != "GitRepository":
            message = f'{GIT_REPOSITORY.name}.{GIT_REPOSITORY.group} "{reference["name"]}" not found'
            retry = obj["spec"].get("retryInterval", obj["spec"]["interval"])
            raise _Stop("ArtifactFailed", message, retry_s=durations.seconds(retry))
        every = durations.duration(DEPENDENCY_RETRY_S)
        if not _revision(source):
            raise _Stop(
                "ArtifactFailed",
                f"Source artifact not found, retrying in {every}",
                retry_s=DEPENDENCY_RETRY_S,
            )
        for reference in obj["spec"].get("dependsOn") or ():
            if problem := self._dependency_problem(obj, source, reference):
                event = f"Dependencies do not meet ready condition, retrying in {every}"
                raise _Stop("DependencyNotReady", problem, retry_s=DEPENDENCY_RETRY_S, event=event)
        return source

    def _dependency_problem(self, obj: Manifest, source: Manifest, reference: Manifest) -> str:
        namespace = reference.get("namespace") or obj["metadata"]["namespace"]
        label = f"dependency '{namespace}/{reference['name']}'"
        dependency = self._store.find(KUSTOMIZATION, namespace, reference["name"])
        if dependency is None:
            return f'{label} not found: {KUSTOMIZATION.resource} "{reference["name"]}" not found'
        is_observed = dependency["metadata"]["generation"] == dependency["status"].get("observedGeneration")
        if not is_observed or not conditions.is_true(dependency, "Ready"):
            return f"{label} is not ready"
        if _source_key(dependency) == _source_key(obj) and dependency["status"].get(
            "lastAppliedRevision"
        ) != _revision(source):
            return f"{label} revision is not up to date"
        return ""

    def _apply_revision(self, patcher: Patcher, source: Manifest, start_s: float) -> Task:
        obj, revision = patcher.obj, _revision(source)
        self._mark(obj, "Ready", "Unknown", "Progressing", "Reconciliation in progress")
        yield from self._report(patcher, "Fetching manifests for", revision)
        commit = self._sources.artifact(*key_of(source), revision)
        if commit is None:
            every = durations.duration(DEPENDENCY_RETRY_S)
            message = f"Source is not ready, artifact not found, retrying in {every}"
            raise _Stop("ArtifactFailed", message, retry_s=DEPENDENCY_RETRY_S)
        path = obj["spec"].get("path") or "./"
        if not has_directory(commit.files, path):
            where = f"{_ROOT}/{path.removeprefix('./').strip('/')}"
            raise _Stop(
                "ArtifactFailed", f"kustomization path not found: stat {where}: no such file or directory"
            )
        obj["status"]["lastAttemptedRevision"] = revision
        yield from self._report(patcher, "Building manifests for", revision)
        try:
            manifests = built(commit.files, key_of(obj), obj["spec"], _ROOT, self._model)
        except BuildError as error:
            raise _Stop("BuildFailed", str(error)) from None
        digest = _digest(manifests)
        yield from self._report(patcher, "Detecting drift for", revision)
        try:
            changed = self._apply(obj, revision, manifests)
        except ApplyError as error:
            self._record(obj, digest, "ReconciliationFailed", revision, start_s)
            raise _Stop("ReconciliationFailed", str(error)) from None
        before = _inventory(obj)
        obj["status"]["inventory"] = {
            "entries": sorted(
                map(server_side_apply.inventory_entry, manifests), key=lambda entry: entry["id"]
            )
        }
        self._prune(obj, before, _inventory(obj))
        try:
            yield from self._check_health(patcher, manifests, revision, drifted=changed)
        except _Stop:
            self._record(obj, digest, "HealthCheckFailed", revision, start_s)
            raise
        obj["status"]["lastAppliedRevision"] = revision
        self._mark(obj, "Ready", "True", "ReconciliationSucceeded", f"Applied revision: {revision}")
        self._record(obj, digest, "ReconciliationSucceeded", revision, start_s)

    def _apply(self, obj: Manifest, revision: str, manifests: list[Manifest]) -> bool:
        """Stores the manifests; whether any of them changed something."""
        namespace, name = key_of(obj)
        lines = self._applier.apply(
            [server_side_apply.owned(manifest, name, namespace) for manifest in manifests]
        )
        if lines:
            self._normal(obj, revision, "\n".join(lines))
        return bool(lines)

    def _prune(self, obj: Manifest, before: list[Manifest], after: list[Manifest]) -> None:
        """Deletes what is in the first inventory and not in the second, if the Kustomization prunes."""
        if obj["spec"].get("prune") and not obj["spec"].get("suspend"):
            lines = self._applier.prune(before, after)
            if lines:
                self._normal(obj, obj["status"].get("lastAttemptedRevision", ""), "\n".join(lines))

    def _check_health(
        self, patcher: Patcher, manifests: list[Manifest], revision: str, *, drifted: bool
    ) -> Task:
        obj = patcher.obj
        # A Kustomization that applies itself does not wait for itself.
        checked = [
            manifest
            for manifest in manifests
            if (manifest["kind"], *key_of(manifest)) != ("Kustomization", *key_of(obj))
        ]
        if not obj["spec"].get("wait") or not manifests:
            conditions.delete(obj, "Healthy")
            return
        start_s, timeout_s = self._loop.now(), _timeout_s(obj)
        was_healthy = conditions.is_true(obj, "Healthy")
        message = (
            f"Running health checks for revision {revision} with a timeout of {durations.duration(timeout_s)}"
        )
        conditions.mark_reconciling(obj, "Progressing", message, self._store.wall())
        self._mark(obj, "Healthy", "Unknown", "Progressing", message)
        yield from patcher.patch()
        problem = yield from self._poll(checked, timeout_s)
        took = durations.duration(self._loop.now() - start_s)
        if problem:
            self._mark(obj, "Healthy", "False", "HealthCheckFailed", problem)
            raise _Stop("HealthCheckFailed", f"health check failed after {took}: {problem}")
        passed = f"Health check passed in {took}"
        is_new = obj["status"].get("lastAppliedRevision") != revision
        if not was_healthy or (is_new and drifted):
            self._normal(obj, revision, passed)
        self._mark(obj, "Healthy", "True", "Succeeded", passed)
        yield from patcher.patch()

    def _poll(self, manifests: list[Manifest], timeout_s: float) -> Any:
        """Looks every five seconds until all are Current; returns the problem, empty if there is none."""
        waited_s = 0.0
        while True:
            states = {
                server_side_apply.subject(manifest): self._applier.health(manifest) for manifest in manifests
            }
            failed = [f"{name} status: '{state}'" for name, state in states.items() if state == health.FAILED]
            if failed:
                return f"failed early due to stalled resources: [{', '.join(failed)}]"
            if all(state == health.CURRENT for state in states.values()):
                return ""
            if waited_s + HEALTH_POLL_S > timeout_s:
                yield timeout_s - waited_s
                waiting = [
                    f"{name} status: '{state}'" for name, state in states.items() if state != health.CURRENT
                ]
                return f"timeout waiting for: [{', '.join(waiting)}]"
            yield HEALTH_POLL_S
            waited_s += HEALTH_POLL_S
            if waited_s >= timeout_s:
                # The look that falls on the end of the time-out never gets its turn: recorded in each of three runs.
                return "client rate limiter Wait returned an error: rate: Wait(n=1) would exceed context deadline"

    def _finish(self, patcher: Patcher) -> Task:
        obj = patcher.obj
        if handled := requested_at(obj):
            obj["status"]["lastHandledReconcileAt"] = handled
        if conditions.is_true(obj, "Ready"):
            conditions.delete(obj, "Reconciling")
            obj["status"]["observedGeneration"] = obj["metadata"]["generation"]
        reconciling = conditions.get(obj, "Reconciling")
        if (conditions.get(obj, "Ready") or {}).get("status") == "False" and reconciling:
            self._mark(obj, "Reconciling", "True", "ProgressingWithRetry", reconciling["message"])
        yield from patcher.patch()

    def _report(self, patcher: Patcher, doing: str, revision: str) -> Task:
        obj = patcher.obj
        message = f"{doing} revision {revision} with a timeout of {durations.duration(_timeout_s(obj))}"
        conditions.mark_reconciling(obj, "Progressing", message, self._store.wall())
        yield from patcher.patch()

    def _normal(self, obj: Manifest, revision: str, message: str) -> None:
        reason = (conditions.get(obj, "Ready") or {}).get("reason", "info")
        notes = {f"{GROUP}/revision": revision} if revision else None
        self._events.normal(obj, reason, message, annotations=notes)

    def _mark(self, obj: Manifest, condition_type: str, status: str, reason: str, message: str) -> None:
        conditions.mark(obj, condition_type, status, reason, message, self._store.wall())

    def _record(self, obj: Manifest, digest: str, outcome: str, revision: str, start_s: float) -> None:
        conditions.record(obj, digest, outcome, revision, self._loop.now() - start_s, self._store.wall())


def _source_key(obj: Manifest) -> Key:
    reference = obj["spec"]["sourceRef"]
    return reference.get("namespace") or obj["metadata"]["namespace"], reference["name"]


def _revision(source: Manifest | None) -> str:
    return str((((source or {}).get("status") or {}).get("artifact") or {}).get("revision", ""))


def _inventory(obj: Manifest) -> list[Manifest]:
    return list((obj["status"].get("inventory") or {}).get("entries") or ())


def _timeout_s(obj: Manifest) -> float:
    spec = obj["spec"]
    wanted_s = (
        durations.seconds(spec["timeout"])
        if "timeout" in spec
        else durations.seconds(spec["interval"]) - 30.0
    )
    return max(wanted_s, MIN_TIMEOUT_S)


def _digest(manifests: list[Manifest]) -> str:
    text = "---\n".join(json.dumps(manifest, sort_keys=True) for manifest in manifests)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
