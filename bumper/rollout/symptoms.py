"""What a container or pod shows of each cause, in the words of the kubelet and the runtimes.

Law: a text is matched only where it was read in its source, which is named beside it: kubelet, scheduler and API server of Kubernetes
1.36.1, containerd 2 (core/remotes, core/images), containers/image 5 (CRI-O), runc 1. "manifest unknown", "name unknown",
"unauthorized", "denied" and "toomanyrequests" are error codes of the OCI distribution specification, which both runtimes print in
lower case (containerd core/remotes/docker/errcode.go). containerd asks for a manifest with HEAD, whose answer has no body: from it a
missing repository and a missing tag look the same, "<reference>: not found".
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from bumper.image import ImageReference
from bumper.objects import Object, at, condition
from bumper.observation import Desired
from bumper.rollout.serving import last_time

See = Callable[["Sight"], "Seen | None"]


class Sight(NamedTuple):
    """One container of one of our pods, or the pod itself (`status` and `spec` empty), with its events, the oldest first.

    `of_claims` are the events of the volume claims that the pod mounts, `age_s` is how long the pod has been there.
    """

    desired: Desired
    pod: Object
    spec: Object
    status: Object
    events: list[Object]
    log: str
    is_init: bool = False
    of_claims: Sequence[Object] = ()
    age_s: float = 0.0

    @property
    def waiting(self) -> str:
        return at(self.status, "state", "waiting", "reason") or ""

    @property
    def message(self) -> str:
        return at(self.status, "state", "waiting", "message") or ""

    @property
    def terminated(self) -> Object | None:
        """How the container ended last, if it ever did."""
        for state in ("state", "lastState"):
            ended: Object | None = at(self.status, state, "terminated")
            if ended:
                return ended
        return None

    @property
    def is_running(self) -> bool:
        return at(self.status, "state", "running") is not None

    @property
    def is_ready(self) -> bool:
        return self.status.get("ready") is True

    @property
    def restarts(self) -> int:
        return at(self.status, "restartCount") or 0

    @property
    def endings(self) -> int:
        """How often the container has ended: each restart stands for one, and so does not running now."""
        return self.restarts + (0 if self.is_running else 1)

    @property
    def restarts_by_itself(self) -> bool:
        """Not so in a Job, which counts its own retries and says when it gives up."""
        return self.desired.workload.kind not in ("Job", "CronJob")

    @property
    def is_sidecar(self) -> bool:
        """Whether it stands among the init containers and runs on all the same: its end is no success."""
        return self.is_init and self.spec.get("restartPolicy") == "Always"

    def events_of(self, *reasons: str) -> list[Object]:
        """Those of its events that have one of these reasons."""
        return [event for event in self.events if event.get("reason") in reasons]

    @property
    def is_ours(self) -> bool:
        """Whether this is a container that the deploy changes: by its name, or since it runs the very image."""
        ours = (self.desired.container, *self.desired.beside)
        image = ImageReference.split(self.spec.get("image") or "")
        if self.desired.container or not image.repository:
            is_named = not self.desired.container or self.spec.get("name") in ours
            return is_named or self.desired.is_met_by(image)
        # Charts name their containers themselves, and meshes put more beside them.
        others = [
            *(at(self.pod, "spec", "initContainers") or ()),
            *(at(self.pod, "spec", "containers") or ()),
        ]
        repositories = {ImageReference.split(each.get("image") or "").repository for each in others}
        return (
            image.repository == self.desired.image.repository
            or self.desired.image.repository not in repositories
        )


class Seen(NamedTuple):
    """What shows the cause, in the cluster's own words, and how many tries the cluster has counted."""

    fact: str
    tries: int = 1


# kubelet images/types.go; RegistryUnavailable is k8s.io/cri-api's, passed on by image_manager.go, evalCRIPullErr.
PULL_REASONS = ("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable")

# containerd core/images/handlers.go and image.go; containers/image internal/manifest/oci_index.go and docker_schema2_list.go.
NO_PLATFORM = (
    r"(?P<fact>no match for platform in manifest"
    r"|no image found in (?:image index|manifest list) for architecture[^:]*)"
)
# The errors of Go's net, net/http and crypto/x509 inside containerd's "failed to do request: …" and containers/image's "pinging
# container registry …"; an answer that is no answer to the question (containerd core/remotes/errors/errors.go, containers/image
# docker/errors.go); kubelet image_manager.go, evalCRIPullErr. "failed with status code [manifests …]" is containerd 1.6.20,
# remotes/docker/resolver.go.
UNREACHABLE = (
    r"(?P<fact>dial tcp\b.*|lookup \S+.*: no such host|[^:\"]*i/o timeout|net/http: .*|x509: .*|connection re(?:fused|set).*"
    r"|(?:unexpected status (?:code|from \w+ request to) \S+|failed with status code \[[^\]]*\]): (?:429|5\d\d).*"
    r"|too many requests to registry|\btoomanyrequests: .*"
    r"|because the registry is unavailable.*)"
    r"|failed to do request: \w+ \"[^\"]*\": (?P<answer>.+)"
)
# containerd core/remotes/docker/resolver.go: Docker's first form of a manifest.
OLD_FORMAT = r"(?P<fact>media type \S+ is no longer supported since containerd \S+)"
# containerd core/remotes/docker/resolver.go, authorizer.go and fetcher.go; containers/image docker/errors.go.
DENIED = (
    r"(?P<fact>pull access denied.*|failed to authorize: .*|authorization failed.*|unauthorized: .*"
    r"|(?:unexpected status (?:code|from \w+ request to) \S+|failed with status code \[[^\]]*\]): 40[13].*"
    r"|unable to retrieve auth token.*"
    r"|\bdenied: .*|requested access to the resource is denied)"
)
# Go's texts of ENOSPC, EDQUOT, EROFS, EIO, EMFILE and ENFILE (syscall/zerrors_linux_amd64.go), which end what containerd and
# containers/image say of a layer that they can't write.
NODE_DISK = r"(?P<fact>no space left on device|disk quota exceeded|read-only file system|input/output error|too many open files)"
NO_REPOSITORY = r"(?P<fact>name unknown)"
# What a start asks of the image: its program, its user, its directory (Go's os/exec; containerd internal/cri/opts/spec_opts.go;
# moby/sys user/user.go; runc 1.5.1 libcontainer/init_linux.go).
_OF_IMAGE = re.compile(
    r"exec(?:: \"| /)|exec format error|no command specified|unable to find (?:user|group) |chdir to cwd \("
)
# kubelet 1.36.1 kuberuntime/kuberuntime_container.go, container/sync_result.go.
_START_REASONS = ("CreateContainerError", "RunContainerError", "PreCreateHookError", "PreStartHookError")
# gRPC's words for a runtime that is away (kubelet and containerd pass them on); kubelet images/helpers.go; containerd
# internal/cri/server/container_create.go, where the answer to an earlier question is still awaited.
_AWAY = re.compile(
    r"code = Unavailable desc = connection error.*|pull QPS exceeded"
    r"|failed to reserve container name .*|^(?:rpc error: code = DeadlineExceeded desc = )?context deadline exceeded$"
)


def pull(pattern: str) -> See:
    """A pull that fails with an answer of that pattern, whose group that matches is quoted."""
    compiled = re.compile(pattern)

    def see(sight: Sight) -> Seen | None:
        match = compiled.search(_pull_text(sight)) if sight.waiting in PULL_REASONS else None
        return Seen(match[match.lastgroup or 0], _pull_tries(sight)) if match else None

    return see


def no_tag(sight: Sight) -> Seen | None:
    """The registry answered that it has no such tag (or, from containerd, no such repository)."""
    image = ImageReference.parse(sight.spec.get("image") or "")
    if sight.waiting not in PULL_REASONS or image is None:
        return None
    # containerd resolver.go writes the whole reference before it. A blob or layer that is missing ends in "not found" too.
    reference = re.escape(image.digest or image.tag or "latest")
    match = re.search(rf"manifest unknown|(?<=[:@]{reference}: )not found", _pull_text(sight))
    return Seen(match[0], _pull_tries(sight)) if match else None


def tag_gone(sight: Sight) -> Seen | None:
    """The same for an image that the registry had before the push: a digest that no manifest names came from nowhere else."""
    pinned = ImageReference.split(sight.spec.get("image") or "").digest
    was_there = sight.desired.was_in_registry or (sight.desired.image.digest and not pinned)
    return no_tag(sight) if sight.is_ours and was_there else None


def _pull_text(sight: Sight) -> str:
    """What the runtime answered. Since kubelet 1.32 it follows "Back-off pulling image …"; before, only the event has it."""
    return " ".join([sight.message, *(event.get("message") or "" for event in _pull_failures(sight)[-1:])])


def _pull_failures(sight: Sight) -> list[Object]:
    # kubelet images/image_manager.go, pullImage.
    start = f'Failed to pull image "{sight.spec.get("image") or ""}"'
    return [event for event in sight.events if (event.get("message") or "").startswith(start)]


def _pull_tries(sight: Sight) -> int:
    return _count(_pull_failures(sight)) or 1


def _count(events: list[Object]) -> int:
    return sum(at(event, "series", "count") or event.get("count") or 1 for event in events)


def waiting(*reasons: str) -> See:
    """A container that waits for one of these reasons; the message says the rest."""

    def see(sight: Sight) -> Seen | None:
        return Seen(sight.message or sight.waiting) if sight.waiting in reasons else None

    return see


def runtime_away(sight: Sight) -> Seen | None:
    """The runtime of the node does not answer, or does not come to its work: nothing of the image."""
    if sight.waiting not in (*PULL_REASONS, *_START_REASONS, "ImageInspectError"):
        return None
    match = _AWAY.search(sight.message)
    return Seen(match[0]) if match else None


# The API server's NotFound for an object, and kubelet kubelet_pods.go, makeEnvironmentVariables, for a key; for volumes
# pkg/volume/secret/secret.go and pkg/volume/configmap/configmap.go.
_MISSING = re.compile(
    r"(?:secret|configmap) \"[^\"]+\" not found|couldn't find key \S+ in (?:Secret|ConfigMap) \S+"
    r"|(?:configmap )?references non-existent (?:secret|config) key: \S+"
)


def missing_config(sight: Sight) -> Seen | None:
    """A Secret, a ConfigMap or a key that is not there, for an environment variable or a volume."""
    seen = waiting("CreateContainerConfigError")(sight) or event("FailedMount")(sight)
    match = _MISSING.search(seen.fact) if seen else None
    return Seen(match[0]) if match else None


def wrong_user(sight: Sight) -> Seen | None:
    """An image that runs as root, or as nobody knows whom, where the pod forbids it.

    kubelet kuberuntime/security_context_others.go, verifyRunAsNonRoot.
    """
    is_refused = sight.waiting == "CreateContainerConfigError" and "runAsNonRoot and image" in sight.message
    return Seen(sight.message) if is_refused else None


def user_forbidden(sight: Sight) -> Seen | None:
    """A user that the pod's own manifest names and forbids (the same function of the kubelet): no time heals it, and no image."""
    is_refused = sight.waiting == "CreateContainerConfigError" and "breaks non-root policy" in sight.message
    return Seen(sight.message) if is_refused else None


def no_start(sight: Sight) -> Seen | None:
    """A container that the runtime can't start: said while the kubelet waits, then as the reason of its end.

    containerd internal/cri/server/helpers.go, errorStartReason.
    """
    if sight.waiting in _START_REASONS:
        return Seen(sight.message or sight.waiting)
    ended = sight.terminated
    if ended is None or ended.get("reason") != "StartError" or sight.is_running:
        return None
    return Seen(ended.get("message") or "StartError", sight.endings)


def no_start_of_image(sight: Sight) -> Seen | None:
    """The same for what the image lacks: it will not be there at the next try."""
    seen = no_start(sight)
    return seen if seen and _OF_IMAGE.search(seen.fact) else None


def hook_failed(sight: Sight) -> Seen | None:
    """A container that the kubelet ends because its postStart hook fails; between two tries it waits as after a crash.

    kubelet kuberuntime/kuberuntime_container.go, startContainer; the event says no more than that.
    """
    about = [event for event in sight.events_of("FailedPostStartHook") if _is_about(event, sight)]
    if sight.is_ready or not (about or sight.waiting == "PostStartHookError"):
        return None
    command = " ".join(map(str, at(sight.spec, "lifecycle", "postStart", "exec", "command") or ()))
    text = sight.message if sight.waiting == "PostStartHookError" else ""
    return Seen(f"its postStart hook fails: {text or command or 'PostStartHook failed'}", _count(about) or 1)


def lost(sight: Sight) -> Seen | None:
    """A container of which the kubelet found nothing (kubelet_pods.go, after a node or its runtime was set up anew)."""
    ended = at(sight.status, "state", "terminated")
    is_lost = at(ended, "reason") == "ContainerStatusUnknown"
    return Seen(at(ended, "message") or "ContainerStatusUnknown") if is_lost else None


def out_of_memory(sight: Sight) -> Seen | None:
    """Killed at its memory limit: the reason OOMKilled is the runtime's, and kubelet kuberuntime/helpers.go matches it too."""
    ended = sight.terminated
    if ended is None or ended.get("reason") != "OOMKilled" or sight.is_ready or not sight.restarts_by_itself:
        return None
    limit = at(sight.spec, "resources", "limits", "memory")
    return Seen(f"memory limit {limit}" if limit else "it has no limit: the node ran out", sight.endings)


def wrong_executable(sight: Sight) -> Seen | None:
    """Linux's ENOEXEC, which runc prints into the container's own log (libcontainer/standard_init_linux.go, system.Exec).

    It is all that the log says then: a program that ran and failed to start another one has printed that itself, and crashed.
    """
    lines = [line.rstrip() for line in sight.log.splitlines() if line.strip()]
    is_all = bool(lines) and all(line.endswith("exec format error") for line in lines)
    return (
        Seen("exec format error") if is_all and sight.terminated is not None and not sight.is_ready else None
    )


def crash(sight: Sight) -> Seen | None:
    """A container that ends where it should run on. An init container that ends with 0 has done its work."""
    ended = sight.terminated
    is_down = sight.waiting == "CrashLoopBackOff" or at(sight.status, "state", "terminated") is not None
    if ended is None or not is_down or not sight.restarts_by_itself:
        return None
    code, why = ended.get("exitCode"), ended.get("message") or ""
    if sight.is_init and not sight.is_sidecar and code == 0:
        return None
    return Seen(f"exit code {code}" + (f", {why}" if why else ""), sight.endings)


# kubelet prober/prober.go: "… probe failed: <answer>", "… probe errored: …", in 1.36 "… probe errored and resulted in … state: …".
_PROBE = re.compile(
    r"(?P<probe>Readiness|Liveness|Startup) probe (?:failed|errored[^:]*): (?P<answer>.*)", re.DOTALL
)


def not_ready(sight: Sight) -> Seen | None:
    """A container that runs while its readiness probe fails."""
    failure = _probe_failure(sight, ("Readiness",))
    return failure if failure and sight.is_running and not sight.is_ready else None


def not_started(sight: Sight) -> Seen | None:
    """A container that runs while its startup probe fails, and has not been restarted for it yet."""
    failure = _probe_failure(sight, ("Startup",))
    is_starting = sight.is_running and sight.status.get("started") is False
    return failure if failure and is_starting else None


def initializing(sight: Sight) -> Seen | None:
    """An init container that goes on and on; a sidecar does so by right."""
    if not sight.is_init or sight.is_sidecar or not sight.is_running:
        return None
    started = at(sight.status, "state", "running", "startedAt")
    return Seen(f"since {started}, cluster time" if started else "no start time is known")


def killed_by_probe(sight: Sight) -> Seen | None:
    """A container that the kubelet restarts because its liveness or startup probe fails."""
    failure = _probe_failure(sight, ("Liveness", "Startup"))
    if failure is None or sight.is_ready or not sight.restarts or not sight.restarts_by_itself:
        return None
    return Seen(failure.fact, sight.restarts)


def _probe_failure(sight: Sight, probes: tuple[str, ...]) -> Seen | None:
    failures = []
    for event in sight.events_of("Unhealthy"):
        match = _PROBE.match(event.get("message") or "")
        if match and match["probe"] in probes and _is_about(event, sight):
            failures.append((event, match))
    if not failures:
        return None
    match = failures[-1][1]
    request = _probe_request(at(sight.spec, match["probe"].lower() + "Probe") or {})
    probe_text = " ".join(part for part in (match["probe"].lower(), "probe", request) if part)
    return Seen(f"{probe_text}: {match['answer']}", _count([event for event, _ in failures]))


def _is_about(event: Object, sight: Sight) -> bool:
    # kubelet container/ref.go: `spec.containers{name}`; empty where the event speaks of the pod.
    path = at(event, "involvedObject", "fieldPath") or ""
    return not path or path.endswith(f"{{{sight.spec.get('name')}}}")


def _probe_request(probe: Object) -> str:
    if "httpGet" in probe:
        return f"GET {at(probe, 'httpGet', 'path') or '/'} on port {at(probe, 'httpGet', 'port')}"
    if "tcpSocket" in probe:
        return f"TCP to port {at(probe, 'tcpSocket', 'port')}"
    if "grpc" in probe:
        return f"gRPC to port {at(probe, 'grpc', 'port')}"
    return " ".join(str(word) for word in at(probe, "exec", "command") or ())


def unschedulable(sight: Sight) -> Seen | None:
    """Reason PodReasonUnschedulable of core/v1; the message is the scheduler's ("0/3 nodes are available: …")."""
    scheduled = condition(sight.pod, "PodScheduled")
    if scheduled is None or (scheduled.status, scheduled.reason) != ("False", "Unschedulable"):
        return None
    return Seen(scheduled.message)


# kubernetes 1.36.1 pkg/scheduler/framework/plugins/noderesources/fit.go.
_NO_ROOM = re.compile(r"Insufficient \S+|Too many pods")
# pkg/scheduler/framework/plugins/volumebinding/volume_binding.go and binder.go.
_NO_VOLUME = re.compile(
    r"pod has unbound immediate PersistentVolumeClaims|node\(s\) didn't find available persistent volumes to bind"
)
_NO_CLAIM = re.compile(
    r"persistentvolumeclaim \"[^\"]+\" (?:not found|bound to non-existent persistentvolume|is being deleted)"
)
# pkg/controller/volume/persistentvolume/pv_controller.go passes on the NotFound of client-go's lister.
_NO_CLASS = re.compile(r"storageclass\.storage\.k8s\.io \"[^\"]+\" not found")


# pkg/scheduler/scheduler.go and framework/plugins/nodeunschedulable/node_unschedulable.go; earlier versions (1.33) name
# the taint, among them those that the node controllers set (core/v1 well_known_taints.go).
_NODES_OUT = re.compile(
    r"no nodes available to schedule pods"
    r"|0/\d+ nodes are available: (?:, )?(?:\d+ node\(s\) (?:were unschedulable"
    r"|had untolerated taint \{node\.kubernetes\.io/[^}]*\})(?:, |\. |\.?$))+(?:preemption: |$)"
)


def nodes_out(sight: Sight) -> Seen | None:
    """Nodes that take no pod at all for now, whatever it asks for."""
    seen = unschedulable(sight)
    return seen if seen and _NODES_OUT.match(seen.fact) else None


def scheduler_error(sight: Sight) -> Seen | None:
    """Reason SchedulerError of core/v1 (pkg/scheduler/schedule_one.go): it could not even try."""
    scheduled = condition(sight.pod, "PodScheduled")
    is_error = scheduled is not None and scheduled.reason == "SchedulerError" and not sight.status
    return Seen(scheduled.message) if scheduled and is_error else None


# A scheduler and a kubelet that live begin with a pod within a second or two.
_SOON_S = 10.0


def never_looked_at(sight: Sight) -> Seen | None:
    """A pod that no scheduler has looked at: each writes down what it found (pkg/scheduler/schedule_one.go)."""
    is_waiting = not sight.status and at(sight.pod, "status", "phase") == "Pending"
    if (
        not is_waiting
        or sight.age_s < _SOON_S
        or at(sight.pod, "spec", "nodeName")
        or condition(sight.pod, "PodScheduled")
        or sight.events
    ):
        return None
    return Seen(at(sight.pod, "spec", "schedulerName") or "default-scheduler")


def node_silent(sight: Sight) -> Seen | None:
    """A pod that has its node, whose kubelet has not begun with it: not even a status of its containers is there."""
    scheduled, node = condition(sight.pod, "PodScheduled"), at(sight.pod, "spec", "nodeName") or ""
    is_placed = scheduled is not None and scheduled.status == "True" and bool(node)
    is_begun = at(sight.pod, "status", "containerStatuses") or at(
        sight.pod, "status", "initContainerStatuses"
    )
    is_waiting = not sight.status and at(sight.pod, "status", "phase") == "Pending" and not is_begun
    is_late = sight.age_s >= _SOON_S
    begun_events = sight.events_of("FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", *_GOES_ON)
    return Seen(node) if is_placed and is_waiting and is_late and not begun_events else None


def no_room(sight: Sight) -> Seen | None:
    """Nodes that are full."""
    seen = unschedulable(sight)
    return seen if seen and _NO_ROOM.search(seen.fact) else None


def unbound(sight: Sight) -> Seen | None:
    """Claims without a volume, with what their controller said last."""
    seen = unschedulable(sight)
    if seen is None or not _NO_VOLUME.search(seen.fact):
        return None
    return Seen(": ".join(filter(None, (seen.fact.rstrip("."), _of_claims(sight)))))


def claim_missing(sight: Sight) -> Seen | None:
    """A claim that is not there, or has lost its volume."""
    seen = unschedulable(sight)
    return seen if seen and _NO_CLAIM.search(seen.fact) else None


def class_missing(sight: Sight) -> Seen | None:
    """A claim whose storage class is not there: no controller makes a volume for it."""
    seen = unschedulable(sight)
    match = _NO_CLASS.search(_of_claims(sight)) if seen and _NO_VOLUME.search(seen.fact) else None
    return Seen(match[0]) if match else None


def _of_claims(sight: Sight) -> str:
    return str(sight.of_claims[-1].get("message") or "") if sight.of_claims else ""


def node_not_ready(sight: Sight) -> Seen | None:
    """A pod that was Ready until its node was lost (pkg/controller/util/node/controller_utils.go, MarkPodsNotReady)."""
    ready, inside = condition(sight.pod, "Ready"), condition(sight.pod, "ContainersReady")
    is_out = ready is not None and ready.status == "False" and inside is not None and inside.status == "True"
    newest = sight.events[-1] if sight.events else {}
    if sight.status or not is_out or newest.get("reason") != "NodeNotReady":
        return None
    return Seen(f"{at(sight.pod, 'spec', 'nodeName') or ''}: {newest.get('message') or ''}".lstrip(": "))


def gated(sight: Sight) -> Seen | None:
    """Reason PodReasonSchedulingGated of core/v1: the scheduler leaves the pod alone until its gates are taken away."""
    scheduled = condition(sight.pod, "PodScheduled")
    if sight.status or scheduled is None or scheduled.reason != "SchedulingGated":
        return None
    gates = [gate.get("name") or "" for gate in at(sight.pod, "spec", "schedulingGates") or ()]
    return Seen(", ".join(gates) or scheduled.message)


def gate_closed(sight: Sight) -> Seen | None:
    """A readiness gate that says no, where all containers are ready (kubelet status/generate.go, GeneratePodReadyCondition)."""
    for gate in _open_questions(sight):
        closed = condition(sight.pod, gate)
        if closed is not None:
            why = ": ".join(part for part in (closed.reason, closed.message) if part)
            return Seen(f"{gate} is {closed.status}" + (f": {why}" if why else ""))
    return None


def gate_unanswered(sight: Sight) -> Seen | None:
    """A readiness gate of which nobody says anything."""
    silent = [gate for gate in _open_questions(sight) if condition(sight.pod, gate) is None]
    return Seen(", ".join(silent)) if silent else None


def _open_questions(sight: Sight) -> list[str]:
    """The readiness gates that are not True, while nothing else keeps the pod from being ready."""
    containers_ready = condition(sight.pod, "ContainersReady")
    if sight.status or containers_ready is None or containers_ready.status != "True":
        return []
    gates = [gate.get("conditionType") or "" for gate in at(sight.pod, "spec", "readinessGates") or ()]
    states = {gate: condition(sight.pod, gate) for gate in gates}
    return [gate for gate, state in states.items() if state is None or state.status != "True"]


_GOES_ON = ("Pulling", "Pulled", "Created", "Started")


def event(*reasons: str) -> See:
    """A pod that got no further than its newest event of these reasons."""

    def see(sight: Sight) -> Seen | None:
        about, later = sight.events_of(*reasons), sight.events_of(*_GOES_ON)
        # Events outlive what they tell of. Two of the same second are told apart by neither: then the pod has gone on.
        if sight.status or not about or any(last_time(event) >= last_time(about[-1]) for event in later):
            return None
        text = about[-1].get("message") or ""
        return Seen(text, _count(about)) if text else None

    return see


def evicted(sight: Sight) -> Seen | None:
    """kubelet eviction/helpers.go: reason Evicted, "The node was low on resource: …"."""
    is_out = is_put_out(sight.pod) and at(sight.pod, "status", "reason") == "Evicted"
    return Seen(at(sight.pod, "status", "message") or "") if is_out and not sight.status else None


def is_put_out(pod: Object) -> bool:
    """Whether the kubelet ended the pod or never let it in: only then a Failed pod itself has a reason.

    kubelet kubelet.go, rejectPod; lifecycle/predicate.go (OutOf…, NodeAffinity, UnexpectedAdmissionError); preemption/preemption.go;
    nodeshutdown/nodeshutdown_manager.go (NodeShutdown, Terminated); active_deadline.go (DeadlineExceeded).
    """
    return at(pod, "status", "phase") == "Failed" and bool(at(pod, "status", "reason"))


def rejected(sight: Sight) -> Seen | None:
    """The same for any reason. A Job counts its own retries and says when it gives up."""
    if sight.status or not is_put_out(sight.pod) or not sight.restarts_by_itself:
        return None
    message = at(sight.pod, "status", "message") or ""
    return Seen(f"{at(sight.pod, 'status', 'reason')}" + (f": {message}" if message else ""))
