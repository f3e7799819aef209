"""What a node says about images: the texts of kubelet v1.35.4 and containerd v2.2.0. Pure.

Law: no text here is made up. kubelet: pkg/kubelet/images/image_manager.go (`pullImage`, `EnsureImageExists`) and
kuberuntime/kuberuntime_container.go; the CRI's error comes as gRPC prints it. containerd: internal/cri/server/images/image_pull.go,
client/pull.go, core/remotes/docker/resolver.go, core/remotes/errors.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bumper.image import ImageReference
from bumper_sandbox.kubernetes.durations import duration


@dataclass(frozen=True)
class Pulled:
    """An image that the node has now; `size` in bytes."""

    digest: str
    size: int


@dataclass(frozen=True)
class PullError:
    """Why the registry gave none, as the CRI says it: see the four functions below."""

    text: str


# Asks the registry for an image, as a node with its own credentials does.
Pull = Callable[[ImageReference], Pulled | PullError]


def not_found(image: ImageReference) -> PullError:
    """The registry answered 404."""
    return PullError(f"rpc error: code = NotFound desc = {_failed(image)}: {image}: not found")


def unauthorized(image: ImageReference) -> PullError:
    """The registry wants credentials that the node does not have (401 after the token exchange, or no token)."""
    denied = "pull access denied, repository does not exist or may require authorization"
    return PullError(
        f"rpc error: code = Unknown desc = {_failed(image)}: {denied}: "
        "authorization failed: no basic auth credentials"
    )


def unexpected(image: ImageReference, url: str, status: str) -> PullError:
    """The registry answered something else, for example `503 Service Unavailable` to a HEAD of `url`."""
    return PullError(
        f"rpc error: code = Unknown desc = {_failed(image)}: unexpected status from HEAD request to {url}: {status}"
    )


def unreachable(image: ImageReference, url: str, address: str) -> PullError:
    """Nobody listens at `address` (`host:port`)."""
    return PullError(
        f'rpc error: code = Unknown desc = {_failed(image)}: failed to do request: Head "{url}": '
        f"dial tcp {address}: connect: connection refused"
    )


def _failed(image: ImageReference) -> str:
    return f'failed to pull and unpack image "{image}": failed to resolve reference "{image}"'


def pulling(image: str) -> str:
    return f'Pulling image "{image}"'


def pulled(image: str, took_s: float, size: int) -> str:
    took = duration(round(took_s, 3))
    return (
        f'Successfully pulled image "{image}" in {took} ({took} including waiting). Image size: {size} bytes.'
    )


def present(image: str) -> str:
    # With the gate KubeletEnsureSecretPulledImages, on by default from 1.35.
    return f'Container image "{image}" already present on machine and can be accessed by the pod'


def failed(image: str, error: str) -> str:
    return f'Failed to pull image "{image}": {error}'


def back_off(image: str) -> str:
    return f'Back-off pulling image "{image}"'


def back_off_waiting(image: str, error: str) -> str:
    """As it stands in the container's status, with the error of the last try."""
    return f"{back_off(image)}: ErrImagePull: {error}"


def invalid_name(image: str) -> str:
    return f'Failed to apply default image tag "{image}": couldn\'t parse image name "{image}": invalid reference format'
