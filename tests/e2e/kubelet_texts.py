"""The texts of a real node. Nothing here is ours: each function names the file and version that prints it.

`kubelet` stands for k8s.io/kubernetes v1.36.1 pkg/kubelet, `containerd` for github.com/containerd/containerd/v2 v2.2.0,
which pulls with its transfer service unless it is told otherwise (internal/cri/config/config.go, UseLocalImagePull).
"""

import json

from .api import Object


def pod_label(pod: Object) -> str:
    """kubelet/util/format/pod.go, PodDesc."""
    metadata = pod["metadata"]
    return f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"


def quoted(text: str) -> str:
    """Go's %q for printable text."""
    return json.dumps(text, ensure_ascii=False)


# --- pulling: kubelet/images/image_manager.go


def pulling(image: str) -> str:
    return f"Pulling image {quoted(image)}"


def pulled(image: str, took_s: float, size_bytes: int) -> str:
    took = go_duration(took_s)
    return f"Successfully pulled image {quoted(image)} in {took} ({took} including waiting). Image size: {size_bytes} bytes."


def already_present(image: str) -> str:
    """With KubeletEnsureSecretPulledImages, on by default since 1.35."""
    return f"Container image {quoted(image)} already present on machine and can be accessed by the pod"


def never_pulled(image: str) -> str:
    return f"Container image {quoted(image)} is not present with pull policy of Never"


def pull_failed(image: str, error: str) -> str:
    return f"Failed to pull image {quoted(image)}: {error}"


def pull_back_off(image: str) -> str:
    return f"Back-off pulling image {quoted(image)}"


def pull_back_off_because(image: str, error: str) -> str:
    """What stands in the container's status, with the last error of the pull."""
    return f"{pull_back_off(image)}: ErrImagePull: {error}"


def invalid_image_name(image: str) -> str:
    """image_manager.go with pkg/util/parsers/parsers.go and distribution/reference's ErrReferenceInvalidFormat."""
    return f"Failed to apply default image tag {quoted(image)}: couldn't parse image name {quoted(image)}: invalid reference format"


def start_failed(reason: str) -> str:
    """kubelet/kuberuntime/kuberuntime_container.go, startContainer: the event beside each failure to start."""
    return f"Error: {reason}"


def rpc_error(code: str, description: str) -> str:
    """How an error of the runtime looks to the kubelet: google.golang.org/grpc internal/status/status.go, Error."""
    return f"rpc error: code = {code} desc = {description}"


def pull_and_unpack(image: str, cause: str) -> str:
    """containerd/internal/cri/server/images/image_pull.go, pullImageWithTransferService."""
    return f"failed to pull and unpack image {quoted(image)}: {cause}"


def unresolved(cause: str) -> str:
    """containerd/core/transfer/local/pull.go."""
    return f"failed to resolve image: {cause}"


def not_found(image: str) -> str:
    """containerd/core/remotes/docker/resolver.go: a registry that answers 404, for a tag and for a repository alike."""
    return f"{image}: not found"


def access_denied(cause: str) -> str:
    """containerd/core/remotes/docker/resolver.go, for what wraps ErrInvalidAuthorization."""
    return f"pull access denied, repository does not exist or may require authorization: {cause}"


NO_BASIC_CREDENTIALS = (
    "authorization failed: no basic auth credentials"  # containerd/core/remotes/docker/authorizer.go
)


def token_refused(error: str) -> str:
    """containerd/core/remotes/docker/authorizer.go, invalidAuthorization: what the second challenge says."""
    return f"server message: {error}: authorization failed"


def no_anonymous_token(cause: str) -> str:
    """containerd/core/remotes/docker/authorizer.go in resolver.go, do."""
    return f"failed to authorize: failed to fetch anonymous token: {cause}"


def unexpected_status(method: str, url: str, status: str) -> str:
    """containerd/core/remotes/errors/errors.go; `status` is as in `503 Service Unavailable`."""
    return f"unexpected status from {method} request to {url}: {status}"


def request_failed(method: str, url: str, cause: str) -> str:
    """containerd/core/remotes/docker/resolver.go, do, around net/url's Error."""
    return f"failed to do request: {method.capitalize()} {quoted(url)}: {cause}"


def connection_refused(address: str) -> str:
    """Go 1.26 net/net.go, OpError."""
    return f"dial tcp {address}: connect: connection refused"


def no_such_host(host: str) -> str:
    """Go 1.26 net/net.go, OpError around DNSError."""
    return f"dial tcp: lookup {host}: no such host"


NO_PLATFORM = "no match for platform in manifest: not found"  # containerd/core/images/handlers.go


# --- starting, running, ending

CREATED = "Container created"  # kubelet/kuberuntime/kuberuntime_container.go
STARTED = "Container started"


def stopping(container: str) -> str:
    """kubelet/kuberuntime/kuberuntime_container.go, killContainer."""
    return f"Stopping container {container}"


def restart_back_off_event(container: str, pod: Object) -> str:
    """kubelet/kuberuntime/kuberuntime_manager.go, doBackOff."""
    return f"Back-off restarting failed container {container} in pod {pod_label(pod)}"


def restart_back_off(container: str, pod: Object, wait_s: int) -> str:
    """The same function: what stands in the container's status."""
    return f"back-off {go_duration(wait_s)} restarting failed container={container} pod={pod_label(pod)}"


def readiness_failed(status: int) -> str:
    """kubelet/prober/prober.go with pkg/probe/http/http.go."""
    return f"Readiness probe failed: HTTP probe failed with statuscode: {status}"


def object_not_found(kind: str, name: str) -> str:
    """kubelet/util/manager/watch_based_manager.go: apierrors.NewNotFound with the resource `secret` or `configmap`."""
    return f"{kind.lower()} {quoted(name)} not found"


def key_not_found(kind: str, namespace: str, name: str, key: str) -> str:
    """kubelet/kubelet_pods.go, makeEnvironmentVariables."""
    return f"couldn't find key {key} in {kind} {namespace}/{name}"


def mount_failed(volume: str, cause: str) -> str:
    """pkg/volume/util/operationexecutor/operation_generator.go, GenerateMountVolumeFunc."""
    return f"MountVolume.SetUp failed for volume {quoted(volume)} : {cause}"


# --- logs: kubelet/kubelet_pods.go, validateContainerLogStatus


def no_logs(pod: str, container: str, reason: str) -> str:
    cause = {
        "ErrImagePull": "image can't be pulled",
        "ImagePullBackOff": "trying and failing to pull image",
    }.get(reason, reason)
    return f"container {quoted(container)} in pod {quoted(pod)} is waiting to start: {cause}"


def no_previous(pod: str, container: str) -> str:
    return f"previous terminated container {quoted(container)} in pod {quoted(pod)} not found"


def go_duration(seconds: float) -> str:
    """Go's time.Duration.String, to the millisecond: `20ms`, `1.5s`, `2m40s`."""
    milliseconds = round(seconds * 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text
