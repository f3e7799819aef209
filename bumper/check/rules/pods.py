"""Rules about what runs: selectors of workloads, images, probes and limits."""

from collections.abc import Iterator
from typing import Any

from bumper.check.cluster import Cluster
from bumper.check.finding import ERROR, WARNING, rule
from bumper.check.matching import matches
from bumper.fluxtree.resource import Fault, Resource, is_variable
from bumper.manifest.document import items, mapping, text

_SELECTING = frozenset(["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"])
_ROLLS_OUT = frozenset(["Deployment", "StatefulSet", "DaemonSet"])


@rule(
    "selector-mismatch",
    ERROR,
    why="Kubernetes refuses a workload whose selector does not find its own pods.",
    fix="Give the template the labels that the selector names; the selector itself can't be changed later.",
)
def selector(cluster: Cluster) -> Iterator[Fault]:
    for resource in cluster.resources:
        if (
            resource.kind not in _SELECTING
            or resource.group != "apps"
            or not resource.knows("spec", "template", "metadata", "labels")
        ):
            continue
        wanted = mapping(resource.at("spec", "selector"))
        if not mapping(wanted.get("matchLabels")) and not items(wanted.get("matchExpressions")):
            yield resource.fault(
                f"{resource} has no selector, expected spec.selector.matchLabels", "spec", "selector"
            )
        elif not matches(wanted, resource.pod_labels):
            yield resource.fault(
                f"{resource} selects {_listed(mapping(wanted.get('matchLabels')))},"
                f" and its template has {_listed(resource.pod_labels)}",
                "spec",
                "selector",
            )


def _listed(labels: dict[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in labels.items()) or "no labels"


@rule(
    "image-tag",
    WARNING,
    why="Without a tag, or with latest, nobody can tell which version runs, and no commit can bring back the one before.",
    fix="Name the version: a tag of its own, or a digest.",
)
def image_tag(cluster: Cluster) -> Iterator[Fault]:
    for resource in cluster.resources:
        for route, container in resource.containers():
            image = resource.image(text(container.get("image")))
            if (
                image.repository
                and not image.digest
                and image.tag in ("", "latest")
                and not is_variable(str(image))
            ):
                what = "the tag latest" if image.tag else "no tag"
                yield resource.fault(
                    f"container {_name(container)} of {resource}: {image.repository} has {what}",
                    *route,
                    "image",
                )


@rule(
    "probe-missing",
    WARNING,
    why="Without a readiness probe a pod gets visitors as soon as its process starts, and a rollout that is broken counts as done.",
    fix="Add a readinessProbe that answers only when the container can serve.",
)
def probe(cluster: Cluster) -> Iterator[Fault]:
    for workload in _serving(cluster):
        for route, container in workload.containers():
            if container.get("ports") and "containers" in route and not container.get("readinessProbe"):
                yield workload.fault(
                    f"container {_name(container)} of {workload} has no readinessProbe",
                    *route,
                    "readinessProbe",
                )


@rule(
    "limit-missing",
    WARNING,
    why="A container without a memory limit can take the memory of the whole node, and others are killed for it.",
    fix="Set resources.limits.memory.",
)
def limit(cluster: Cluster) -> Iterator[Fault]:
    ranged = {limit_range.namespace for limit_range in cluster.of_kind("LimitRange")}
    for workload in _rolling(cluster):
        if workload.namespace in ranged:
            continue
        for route, container in workload.containers():
            limits = mapping(mapping(container.get("resources")).get("limits"))
            if "containers" in route and not limits.get("memory"):
                yield workload.fault(
                    f"container {_name(container)} of {workload} has no memory limit",
                    *route,
                    "resources",
                    "limits",
                    "memory",
                )


def _rolling(cluster: Cluster) -> Iterator[Resource]:
    return (
        resource for resource in cluster.resources if resource.kind in _ROLLS_OUT and resource.group == "apps"
    )


def _serving(cluster: Cluster) -> Iterator[Resource]:
    """The workloads that some Service leads to."""
    chosen: dict[str, list[dict[str, Any]]] = {}
    for service in cluster.of_kind("Service"):
        if wanted := mapping(service.at("spec", "selector")):
            chosen.setdefault(service.namespace, []).append({"matchLabels": wanted})
    for workload in _rolling(cluster):
        if any(matches(wanted, workload.pod_labels) for wanted in chosen.get(workload.namespace, [])):
            yield workload


def _name(container: dict[str, Any]) -> str:
    return text(container.get("name")) or "without a name"
