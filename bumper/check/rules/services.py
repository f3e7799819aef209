"""Rules about Services: whether pods stand behind them, and whether their ports lead anywhere."""

from collections.abc import Iterator

from bumper.check.cluster import Cluster
from bumper.check.finding import ERROR, WARNING, rule
from bumper.check.matching import matches
from bumper.fluxtree.resource import Fault, Resource
from bumper.manifest.document import items, mapping, text


@rule(
    "service-selects-nothing",
    ERROR,
    why="A Service whose selector finds no pod answers nobody.",
    fix="Make its selector the labels of a pod template in the same namespace.",
)
def selects_nothing(cluster: Cluster) -> Iterator[Fault]:
    for service in _selecting(cluster):
        workloads = cluster.workloads(service.namespace)
        # Where git has no workload at all, the pods come from elsewhere.
        if workloads and not _behind(cluster, service) and not _may_have_pods(cluster, service.namespace):
            labels = ", ".join(
                f"{key}={value}" for key, value in mapping(service.at("spec", "selector")).items()
            )
            yield service.fault(
                f"{service} selects {labels}, which no pod of this namespace has (found: {_told(workloads)})",
                "spec",
                "selector",
            )


@rule(
    "service-port",
    ERROR,
    why="A port that leads to a name no container has answers nobody.",
    fix="Give targetPort the name of a container's port, or its number.",
)
def named_port(cluster: Cluster) -> Iterator[Fault]:
    for service, at, target, ports in cluster.once("service ports", lambda: _ports(cluster)):
        if target and not target.isdigit() and target not in {name for name, _ in ports}:
            names = ", ".join(sorted(name for name, _ in ports if name)) or "no named port"
            yield service.fault(
                f"port {_port(service, at)} of {service} leads to {target}, which no container behind it names (found: {names})",
                "spec", "ports", at, "targetPort",
            )  # fmt: skip


@rule(
    "service-port-undeclared",
    WARNING,
    why="The containers behind the Service declare other ports than the one it leads to, so most likely nothing listens there.",
    fix="Make targetPort one of the containers' ports, or declare the port.",
)
def undeclared_port(cluster: Cluster) -> Iterator[Fault]:
    for service, at, target, ports in cluster.once("service ports", lambda: _ports(cluster)):
        number = target or text(service.at("spec", "ports", at, "port"))
        if number.isdigit() and ports and number not in {number for _, number in ports}:
            numbers = ", ".join(sorted({number for _, number in ports}, key=int))
            yield service.fault(
                f"port {_port(service, at)} of {service} leads to {number}, which no container behind it declares (found: {numbers})",
                "spec", "ports", at, "targetPort",
            )  # fmt: skip


def _selecting(cluster: Cluster) -> Iterator[Resource]:
    for service in cluster.of_kind("Service"):
        is_own = not service.group and text(service.at("spec", "type")) != "ExternalName"
        if (
            is_own
            and mapping(service.at("spec", "selector"))
            and service.knows("spec", "selector")
            and service.is_named
        ):
            yield service


def _behind(cluster: Cluster, service: Resource) -> list[Resource]:
    """The workloads whose pods the Service finds."""
    wanted = {"matchLabels": mapping(service.at("spec", "selector"))}
    return [
        workload for workload in cluster.workloads(service.namespace) if matches(wanted, workload.pod_labels)
    ]


def _may_have_pods(cluster: Cluster, namespace: str) -> bool:
    unknown = (
        workload
        for workload in cluster.workloads(namespace)
        if not workload.knows(*(workload.pod or ()), "metadata", "labels")
    )
    return cluster.has_stray_workloads or cluster.may_hold("Pod", namespace) or any(unknown)


def _ports(cluster: Cluster) -> Iterator[tuple[Resource, int, str, list[tuple[str, str]]]]:
    """Each port of each Service with a known workload behind it: its place, its target, and name and number of every container's port.

    Of a workload that declares none, only names can be missing; beside one whose ports are unknown nothing is told.
    """
    for service in _selecting(cluster):
        behind = _behind(cluster, service)
        if not behind or _may_have_pods(cluster, service.namespace):
            continue
        if not all(other.knows(*(other.pod or ()), "spec", "containers") for other in behind):
            continue
        containers = [container for other in behind for _, container in other.containers()]
        ports = [mapping(port) for container in containers for port in items(container.get("ports"))]
        declared = [(text(port.get("name")), text(port.get("containerPort"))) for port in ports]
        for at, port in enumerate(map(mapping, items(service.at("spec", "ports")))):
            yield service, at, text(port.get("targetPort")), declared


def _port(service: Resource, at: int) -> str:
    return text(service.at("spec", "ports", at, "name")) or text(service.at("spec", "ports", at, "port"))


def _told(workloads: list[Resource]) -> str:
    return "; ".join(
        f"{workload.kind} {workload.name} with "
        f"{', '.join(f'{key}={value}' for key, value in workload.pod_labels.items()) or 'no labels'}"
        for workload in workloads
    )
