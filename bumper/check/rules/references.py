"""Rules about what is referred to by name and must be there: secrets, configuration, claims, accounts, stores."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from bumper.check.cluster import Cluster
from bumper.check.finding import ERROR, WARNING, rule
from bumper.fluxtree.resource import Fault, Resource, Route
from bumper.manifest.document import is_true, items, mapping, text

# Every namespace has these.
_BUILT_IN = {("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")}


class Reference(NamedTuple):
    """`kind` and `name` of what is meant, in the namespace of `resource`; `route` is where it stands."""

    resource: Resource
    kind: str
    name: str
    route: Route


@rule(
    "secret-missing",
    ERROR,
    why="A pod that refers to a Secret that is not there does not start; a route gets no certificate.",
    fix="Correct the name, or add what makes it; silence this if it alone is made by hand.",
)
def secret(cluster: Cluster) -> Iterator[Fault]:
    yield from (fault for space, fault in _missing(cluster, "Secret") if cluster.makes_some("Secret", space))


@rule(
    "secret-by-hand",
    WARNING,
    why="The tree makes no Secret in this namespace at all: whoever makes this one by hand has to do it again on a new cluster.",
    fix="Add what makes it (ExternalSecret, SealedSecret, Certificate), or silence this.",
)
def by_hand(cluster: Cluster) -> Iterator[Fault]:
    yield from (
        fault for space, fault in _missing(cluster, "Secret") if not cluster.makes_some("Secret", space)
    )


@rule(
    "configmap-missing",
    ERROR,
    why="A pod that refers to a ConfigMap that is not there does not start.",
    fix="Add the ConfigMap, list its file, or correct the name.",
)
def configmap(cluster: Cluster) -> Iterator[Fault]:
    yield from (fault for _, fault in _missing(cluster, "ConfigMap"))


@rule(
    "claim-missing",
    ERROR,
    why="A pod that refers to a PersistentVolumeClaim that is not there is never scheduled.",
    fix="Add the claim, or correct the name.",
)
def claim(cluster: Cluster) -> Iterator[Fault]:
    yield from (fault for _, fault in _missing(cluster, "PersistentVolumeClaim"))


@rule(
    "account-missing",
    ERROR,
    why="No pod is made for a workload whose ServiceAccount is not there.",
    fix="Add the ServiceAccount, or correct the name.",
)
def account(cluster: Cluster) -> Iterator[Fault]:
    yield from (fault for _, fault in _missing(cluster, "ServiceAccount"))


@rule(
    "store-missing",
    ERROR,
    why="An ExternalSecret without its store never makes its Secret.",
    fix="Correct kind and name in secretStoreRef, or add the store.",
)
def store(cluster: Cluster) -> Iterator[Fault]:
    for resource in cluster.of_kind("ExternalSecret"):
        kind = text(resource.at("spec", "secretStoreRef", "kind")) or "SecretStore"
        name = text(resource.at("spec", "secretStoreRef", "name"))
        space = "" if kind.startswith("Cluster") else resource.namespace
        if name and _asks_a_store(resource) and not cluster.has(kind, space, name):
            yield resource.fault(
                f"{resource} takes its values from {kind} {name}, which nothing makes",
                "spec",
                "secretStoreRef",
                "name",
            )


def _asks_a_store(resource: Resource) -> bool:
    """Whether it takes any value from its own store: what generators make needs none."""
    listed = [mapping(source) for source in items(resource.at("spec", "dataFrom"))]
    is_made = bool(listed) and all(mapping(source.get("sourceRef")).get("generatorRef") for source in listed)
    return resource.is_named and (bool(resource.at("spec", "data")) or not is_made)


def _missing(cluster: Cluster, kind: str) -> Iterator[tuple[str, Fault]]:
    """The faults of references to that kind, each with its namespace."""
    for named in cluster.once("references", lambda: _known(cluster)):
        resource, space = named.resource, named.resource.namespace
        if named.kind != kind or not named.name or (kind, named.name) in _BUILT_IN:
            continue
        if not cluster.has(kind, space, named.name) and not _is_claimed(cluster, kind, space, named.name):
            message = f"{resource} refers to {kind} {named.name}, which nothing makes in {space}"
            yield space, resource.fault(message, *named.route)


def _known(cluster: Cluster) -> Iterator[Reference]:
    """Every reference of an object whose own name is known."""
    return (named for resource in cluster.resources if resource.is_named for named in references(resource))


def references(resource: Resource) -> Iterator[Reference]:
    """Everything that the object needs by name."""
    if resource.pod is not None:
        yield from _of_pod(resource)
    match resource.kind:
        case "IngressRoute":
            yield Reference(
                resource,
                "Secret",
                text(resource.at("spec", "tls", "secretName")),
                ("spec", "tls", "secretName"),
            )
        case "Ingress" if not _has_issuer(resource):
            for at, tls in enumerate(items(resource.at("spec", "tls"))):
                yield Reference(
                    resource,
                    "Secret",
                    text(mapping(tls).get("secretName")),
                    ("spec", "tls", at, "secretName"),
                )
        case "HelmRelease":
            for at, source in enumerate(map(mapping, items(resource.at("spec", "valuesFrom")))):
                if not is_true(source.get("optional")):
                    route = ("spec", "valuesFrom", at, "name")
                    yield Reference(resource, text(source.get("kind")), text(source.get("name")), route)


def _of_pod(resource: Resource) -> Iterator[Reference]:
    spec: Route = (*(resource.pod or ()), "spec")
    for at, pull in enumerate(items(resource.at(*spec, "imagePullSecrets"))):
        yield Reference(
            resource, "Secret", text(mapping(pull).get("name")), (*spec, "imagePullSecrets", at, "name")
        )
    yield Reference(
        resource,
        "ServiceAccount",
        text(resource.at(*spec, "serviceAccountName")),
        (*spec, "serviceAccountName"),
    )
    for route, container in resource.containers():
        for at, entry in enumerate(map(mapping, items(container.get("env")))):
            source = mapping(entry.get("valueFrom"))
            for key, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
                yield from _required(resource, kind, source.get(key), (*route, "env", at, "valueFrom", key))
        for at, entry in enumerate(map(mapping, items(container.get("envFrom")))):
            for key, kind in (("secretRef", "Secret"), ("configMapRef", "ConfigMap")):
                yield from _required(resource, kind, entry.get(key), (*route, "envFrom", at, key))
    for at, volume in enumerate(map(mapping, items(resource.at(*spec, "volumes")))):
        yield from _of_volume(resource, volume, (*spec, "volumes", at))


def _of_volume(resource: Resource, volume: dict[str, Any], route: Route) -> Iterator[Reference]:
    yield from _required(resource, "Secret", volume.get("secret"), (*route, "secret"), "secretName")
    yield from _required(resource, "ConfigMap", volume.get("configMap"), (*route, "configMap"))
    yield from _required(
        resource,
        "PersistentVolumeClaim",
        volume.get("persistentVolumeClaim"),
        (*route, "persistentVolumeClaim"),
        "claimName",
    )
    for at, source in enumerate(map(mapping, items(mapping(volume.get("projected")).get("sources")))):
        for key, kind in (("secret", "Secret"), ("configMap", "ConfigMap")):
            yield from _required(resource, kind, source.get(key), (*route, "projected", "sources", at, key))


def _required(
    resource: Resource, kind: str, source: Any, route: Route, key: str = "name"
) -> Iterator[Reference]:
    fields = mapping(source)
    if fields and not is_true(fields.get("optional")):
        yield Reference(resource, kind, text(fields.get(key)), (*route, key))


def _has_issuer(resource: Resource) -> bool:
    """Whether cert-manager makes the Secret that the Ingress names."""
    annotations = mapping(resource.at("metadata", "annotations"))
    return any("cert-manager" in key or "tls-acme" in key for key in annotations)


def _is_claimed(cluster: Cluster, kind: str, namespace: str, name: str) -> bool:
    """Whether a StatefulSet makes the claim for one of its pods."""
    if kind != "PersistentVolumeClaim":
        return False
    return any(
        name.startswith(
            f"{text(mapping(mapping(template).get('metadata')).get('name'))}-{stateful_set.name}-"
        )
        for stateful_set in cluster.of_kind("StatefulSet")
        if stateful_set.namespace == namespace
        for template in items(stateful_set.at("spec", "volumeClaimTemplates"))
    )
