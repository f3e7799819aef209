"""The sandbox's source-controller: GitRepositories.

Law: an artifact holds exactly the bytes that git served for the branch's tip, and the status says so in the form and order of
source-controller v1.9.3 (internal/controller/gitrepository_controller.go, internal/reconcile). Played: branches over HTTP(S) with
basic credentials, polling, requests, suspension, outages. Not played: tags, semver, commits, includes, verification.
"""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bumper_sandbox.flux import conditions
from bumper_sandbox.flux.checkout import Checkout, Commit, Credentials, GitError
from bumper_sandbox.flux.patch import Patcher
from bumper_sandbox.kubernetes import durations
from bumper_sandbox.kubernetes.failures import Failure
from bumper_sandbox.kubernetes.kinds import GIT_REPOSITORY, SECRET
from bumper_sandbox.kubernetes.loop import Loop, Reconcile, Task, WorkQueue
from bumper_sandbox.kubernetes.recorder import Recorder
from bumper_sandbox.kubernetes.store import WRITE_S, Change, Key, Manifest, Store, key_of

REQUESTED_AT = "reconcile.fluxcd.io/requestedAt"
FINALIZER = "finalizers.fluxcd.io"
GROUP = GIT_REPOSITORY.group
# --min-retry-delay and --max-retry-delay of the controllers: 750 ms, doubled up to 15 min.
MIN_RETRY_S, MAX_RETRY_S = 0.75, 900.0
_HOST = "http://source-controller.flux-system.svc.cluster.local./"


class SourceController:
    """`interval_s` replaces the interval of every GitRepository, in cluster seconds; None keeps theirs."""

    def __init__(
        self,
        store: Store,
        loop: Loop,
        folder: Path,
        environ: Mapping[str, str],
        interval_s: float | None = None,
    ) -> None:
        self._store = store
        self._loop = loop
        self._folder = folder
        self._environ = environ
        self._interval_s = interval_s
        self._events = Recorder(store, "source-controller")
        self._checkouts: dict[Key, Checkout] = {}
        self._artifacts: dict[tuple[str, str, str], Commit] = {}
        self._failures: dict[Key, int] = {}
        self._queue: WorkQueue[Key] = WorkQueue(loop, self._reconcile)
        store.subscribe(self._notice)

    def artifact(self, namespace: str, name: str, revision: str) -> Commit | None:
        """What was fetched for that revision, as long as it is the newest."""
        return self._artifacts.get((namespace, name, revision))

    def _notice(self, change: Change) -> None:
        if change.kind == GIT_REPOSITORY and wants_run(change):
            self._queue.add(key_of(change.after))

    def _reconcile(self, key: Key) -> Reconcile:
        obj = self._store.find(GIT_REPOSITORY, *key)
        if obj is None:
            return None
        try:
            return (yield from self._run(key, Patcher(self._store, GIT_REPOSITORY, obj, WRITE_S)))
        except Failure as failure:
            if failure.code == 404:
                return None
            raise

    def _run(self, key: Key, patcher: Patcher) -> Reconcile:
        obj = patcher.obj
        if "deletionTimestamp" in obj["metadata"]:
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
        yield from self._announce(patcher)
        conditions.delete(obj, "ArtifactOutdated")
        commit, error = yield from self._loop.outside(lambda: self._look(key, obj))
        if error:
            return (yield from self._fail(key, patcher, error))
        self._failures.pop(key, None)
        if commit:
            yield from self._keep(key, patcher, commit)
        else:
            conditions.delete(obj, "FetchFailed")
            self._mark(
                obj, "ArtifactInStorage", "True", "Succeeded", _stored(obj["status"]["artifact"]["revision"])
            )
        conditions.delete(obj, "Reconciling")
        yield from self._finish(patcher)
        return self._interval_s or durations.seconds(obj["spec"]["interval"])

    def _announce(self, patcher: Patcher) -> Task:
        obj = patcher.obj
        generation, observed = obj["metadata"]["generation"], obj["status"].get("observedGeneration", 0)
        self._progress(obj, "reconciliation in progress")
        if generation != observed:
            self._progress(obj, f"processing object: new generation {observed} -> {generation}")
            yield from patcher.patch()
        elif requested_at(obj) != obj["status"].get("lastHandledReconcileAt", ""):
            yield from patcher.patch()
        if "artifact" not in obj["status"]:
            self._progress(obj, "building artifact", drift=True)
            conditions.delete(obj, "ArtifactInStorage")
            yield from patcher.patch()

    def _look(self, key: Key, obj: Manifest) -> tuple[Commit | None, str]:
        """The new commit if there is one, and the error if git failed. Changes nothing."""
        url, ref = obj["spec"]["url"], obj["spec"].get("ref") or {}
        branch = ref.get("branch", "master")
        try:
            if set(ref) - {"branch"}:
                raise GitError("the sandbox's source-controller follows branches alone")
            credentials = self._credentials(obj)
            checkout = self._checkouts.get(key)
            if checkout is None:
                checkout = self._checkouts[key] = Checkout(self._folder / "-".join(key), self._environ)
            known = (obj["status"].get("artifact") or {}).get("revision", "")
            head = checkout.head(url, branch, credentials) if known else ""
            if known and known == f"{branch}@sha1:{head}":
                return None, ""
            return checkout.fetch(url, branch, credentials), ""
        except GitError as error:
            return None, f"failed to checkout and determine revision: {error}"

    def _credentials(self, obj: Manifest) -> Credentials | None:
        name = (obj["spec"].get("secretRef") or {}).get("name")
        if not name:
            return None
        namespace = obj["metadata"]["namespace"]
        secret = self._store.find(SECRET, namespace, name)
        if secret is None:
            where = f"{namespace}/{name}"
            raise GitError(f"failed to get secret '{where}': secrets \"{name}\" not found")
        texts = {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}
        return Credentials(texts.get("username", ""), texts.get("password", ""))

    def _keep(self, key: Key, patcher: Patcher, commit: Commit) -> Task:
        obj = patcher.obj
        revision = f"{(obj['spec'].get('ref') or {}).get('branch', 'master')}@sha1:{commit.sha}"
        before = obj["status"].get("artifact")
        conditions.delete(obj, "FetchFailed")
        message = f"new upstream revision '{revision}'"
        if before:
            self._mark(obj, "ArtifactOutdated", "True", "NewRevision", message)
        self._progress(obj, f"building artifact: {message}", drift=True)
        yield from patcher.patch()
        path = f"gitrepository/{key[0]}/{key[1]}/{commit.sha}.tar.gz"
        obj["status"]["artifact"] = {
            "digest": commit.digest,
            "lastUpdateTime": self._store.wall(),
            "path": path,
            "revision": revision,
            "size": commit.size,
            "url": _HOST + path,
        }
        self._artifacts = {
            kept_key: kept for kept_key, kept in self._artifacts.items() if kept_key[:2] != key
        }
        self._artifacts[(*key, revision)] = commit
        conditions.delete(obj, "ArtifactOutdated")
        self._mark(obj, "ArtifactInStorage", "True", "Succeeded", _stored(revision))
        if not before or before["digest"] != commit.digest:
            notes = {f"{GROUP}/digest": commit.digest, f"{GROUP}/revision": revision}
            self._events.normal(
                obj, "NewArtifact", f"stored artifact for commit '{commit.subject}'", annotations=notes
            )

    def _fail(self, key: Key, patcher: Patcher, error: str) -> Reconcile:
        obj = patcher.obj
        self._mark(obj, "FetchFailed", "True", "GitOperationFailed", error)
        self._events.warning(obj, "GitOperationFailed", error)
        reconciling = conditions.get(obj, "Reconciling") or {}
        self._mark(obj, "Reconciling", "True", "ProgressingWithRetry", str(reconciling.get("message", "")))
        self._failures[key] = self._failures.get(key, 0) + 1
        yield from self._finish(patcher, is_observed=False)
        return float(min(MIN_RETRY_S * 2 ** (self._failures[key] - 1), MAX_RETRY_S))

    def _finish(self, patcher: Patcher, *, is_observed: bool = True) -> Task:
        obj = patcher.obj
        handled = requested_at(obj)
        if handled:
            obj["status"]["lastHandledReconcileAt"] = handled
        # Ready is the summary: a failure first, else what is stored.
        for condition_type, ready in (("FetchFailed", "False"), ("ArtifactInStorage", "True")):
            if failure := conditions.get(obj, condition_type):
                self._mark(obj, "Ready", ready, failure["reason"], failure["message"])
                break
        yield from patcher.patch(observe_generation=is_observed and "conditions" in obj["status"])

    def _progress(self, obj: Manifest, message: str, *, drift: bool = False) -> None:
        conditions.mark_reconciling(obj, "Progressing", message, self._store.wall())
        if drift or (conditions.get(obj, "Ready") or {"status": "Unknown"})["status"] == "Unknown":
            self._mark(obj, "Ready", "Unknown", "Progressing", message)

    def _mark(self, obj: Manifest, condition_type: str, status: str, reason: str, message: str) -> None:
        conditions.mark(obj, condition_type, status, reason, message, self._store.wall())


def _stored(revision: str) -> str:
    return f"stored artifact for revision '{revision}'"


def requested_at(obj: Mapping[str, Any]) -> str:
    """The last request to reconcile, empty if there was none."""
    return str((obj["metadata"].get("annotations") or {}).get(REQUESTED_AT, ""))


def wants_run(change: Change) -> bool:
    """Whether a Flux controller is woken: new, a new generation (which a deletion is too), or a new request."""
    if change.before is None or change.event == "DELETED":
        return change.event != "DELETED"
    before, after = change.before["metadata"], change.after["metadata"]
    return before["generation"] != after["generation"] or requested_at(change.before) != requested_at(
        change.after
    )
