"""What the API server adds to an object that leaves it out. Pure.

Law: `with_defaults` never overwrites what is written, and doing it twice changes nothing. Sources: the recorded objects of a
Kubernetes 1.35 API server; k8s.io/kubernetes v1.35.4 pkg/apis/{apps,core}/v1/defaults.go; the CRDs of source-controller v1.9.3,
kustomize-controller v1.9.4 and helm-controller v1.6.0.
"""

from collections.abc import Callable, Mapping
from typing import Any

from bumper.image import ImageReference
from bumper_sandbox.kubernetes.json_values import copied
from bumper_sandbox.kubernetes.kinds import (
    DEPLOYMENT,
    GIT_REPOSITORY,
    KUSTOMIZATION,
    NAMESPACE,
    POD,
    REPLICA_SET,
    Kind,
)

Manifest = dict[str, Any]


def with_defaults(kind: Kind, manifest: Mapping[str, Any]) -> Manifest:
    """A copy of the manifest with the defaults of its kind."""
    made = copied(dict(manifest))
    made["apiVersion"], made["kind"] = kind.api_version, kind.name
    made.setdefault("metadata", {})
    if add := _DEFAULTS.get((kind.group, kind.name)):
        add(made)
    return made


def _observes_nothing(made: Manifest) -> None:
    # Flux's kinds are born with this status, so that nobody takes the absence of conditions for success.
    if made.get("status") is None:
        made["status"] = {"observedGeneration": -1}


def _kustomization(made: Manifest) -> None:
    made.setdefault("spec", {}).setdefault("force", False)
    _observes_nothing(made)


def _git_repository(made: Manifest) -> None:
    made.setdefault("spec", {}).setdefault("timeout", "60s")
    _observes_nothing(made)


def _namespace(made: Manifest) -> None:
    made["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = made["metadata"]["name"]
    made.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    if made.get("status") is None:
        made["status"] = {"phase": "Active"}


def _deployment(made: Manifest) -> None:
    spec = made.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    strategy = spec.setdefault("strategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        limits = strategy.setdefault("rollingUpdate", {})
        limits.setdefault("maxUnavailable", "25%")
        limits.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    _pod_spec(spec.get("template") or {})
    if made.get("status") is None:
        made["status"] = {}


def _replica_set(made: Manifest) -> None:
    made.setdefault("spec", {}).setdefault("replicas", 1)
    if made.get("status") is None:
        made["status"] = {"replicas": 0}


def _pod(made: Manifest) -> None:
    _pod_spec(made)
    if made.get("status") is None:
        made["status"] = {"phase": "Pending", "qosClass": "BestEffort"}


def _pod_spec(template: Manifest) -> None:
    spec = template.get("spec")
    if not isinstance(spec, dict):
        return
    for field, value in (
        ("restartPolicy", "Always"),
        ("terminationGracePeriodSeconds", 30),
        ("dnsPolicy", "ClusterFirst"),
        ("securityContext", {}),
        ("schedulerName", "default-scheduler"),
    ):
        spec.setdefault(field, value)
    for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
        _container(container)


def _container(container: Manifest) -> None:
    container.setdefault("resources", {})
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    image = ImageReference.parse(str(container.get("image", "")))
    moves = image is not None and not image.digest and image.tag in ("", "latest")
    container.setdefault("imagePullPolicy", "Always" if moves else "IfNotPresent")
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if probe in container:
            for field, value in (("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1)):
                container[probe].setdefault(field, value)
            container[probe].setdefault("failureThreshold", 3)
            if "httpGet" in container[probe]:
                container[probe]["httpGet"].setdefault("scheme", "HTTP")


_DEFAULTS: dict[tuple[str, str], Callable[[Manifest], None]] = {
    (KUSTOMIZATION.group, KUSTOMIZATION.name): _kustomization,
    (GIT_REPOSITORY.group, GIT_REPOSITORY.name): _git_repository,
    ("helm.toolkit.fluxcd.io", "HelmRelease"): _observes_nothing,
    ("source.toolkit.fluxcd.io", "HelmRepository"): _observes_nothing,
    (NAMESPACE.group, NAMESPACE.name): _namespace,
    (DEPLOYMENT.group, DEPLOYMENT.name): _deployment,
    (REPLICA_SET.group, REPLICA_SET.name): _replica_set,
    (POD.group, POD.name): _pod,
}
