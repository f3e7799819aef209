"""What is known of kinds without asking a cluster: who brings them, and what they make besides themselves.

Law: a kind that is not known here may make anything; nothing is reported as missing where such a kind could have made it.

Sources: fluxcd/flux2 v2.8 (`manifests/bases`); the charts' own CRD templates.
"""

import re
from collections.abc import Iterator

from bumper.fluxtree.resource import Resource
from bumper.fluxtree.scopes import BUILT_IN_GROUPS, is_cluster_scoped
from bumper.manifest.document import items, mapping, text

# Those that every cluster has, and what `flux bootstrap` makes itself.
NAMESPACES = frozenset(["default", "kube-system", "kube-public", "kube-node-lease", "flux-system"])

FLUX = "toolkit.fluxcd.io"
CONTROLLERS = {
    "GitRepository": "source-controller",
    "OCIRepository": "source-controller",
    "HelmRepository": "source-controller",
    "HelmChart": "source-controller",
    "Bucket": "source-controller",
    "Kustomization": "kustomize-controller",
    "HelmRelease": "helm-controller",
    "Alert": "notification-controller",
    "Provider": "notification-controller",
    "Receiver": "notification-controller",
    "ImageRepository": "image-reflector-controller",
    "ImagePolicy": "image-reflector-controller",
    "ImageUpdateAutomation": "image-automation-controller",
    "ArtifactGenerator": "source-watcher",
}

# The Services of Flux's own components: https://fluxcd.io/flux/components/
# kube-webhook-certgen: `--secret-name`; cert-manager's webhook: `--dynamic-serving-ca-secret-name`.
_MADE_SECRET = re.compile(r"--[\w-]*secret-name[= ]([\w.-]+)")
_FLUX_SERVICES = ("notification-controller", "source-controller", "source-watcher", "webhook-receiver")

# What charts and operators do not make, though they make many other things.
MADE_BY_HAND = frozenset([*CONTROLLERS, "Namespace", "SecretStore", "ClusterSecretStore"])

# Namespaces that a chart or its operator makes besides its own, by the chart's name.
CHART_NAMESPACES: dict[str, tuple[str, ...]] = {
    "cilium": ("cilium-secrets",),
    "tigera-operator": ("calico-system", "calico-apiserver"),
}

# API group → the charts that bring its CRDs, by the chart's name.
CHARTS: dict[str, tuple[str, ...]] = {
    "acme.cert-manager.io": ("cert-manager",),
    "autoscaling.k8s.io": ("vertical-pod-autoscaler", "vpa"),
    "bitnami.com": ("sealed-secrets",),
    "ceph.rook.io": ("rook-ceph",),
    "cert-manager.io": ("cert-manager",),
    "external-secrets.io": ("external-secrets",),
    "flagger.app": ("flagger",),
    "generators.external-secrets.io": ("external-secrets",),
    "grafana.integreatly.org": ("grafana-operator",),
    "k8s.mariadb.com": ("mariadb-operator-crds", "mariadb-operator"),
    "keda.sh": ("keda",),
    "kyverno.io": ("kyverno",),
    "longhorn.io": ("longhorn",),
    "metallb.io": ("metallb",),
    "monitoring.coreos.com": (
        "kube-prometheus-stack",
        "prometheus-operator-crds",
        "prometheus-operator",
        "victoria-metrics-k8s-stack",
        "victoria-metrics-operator",
    ),
    "networking.istio.io": ("base", "istio-base"),
    "onepassword.com": ("connect", "onepassword-connect"),
    "operator.victoriametrics.com": (
        "victoria-metrics-k8s-stack",
        "victoria-metrics-operator",
        "victoria-metrics-operator-crds",
    ),
    "postgresql.cnpg.io": ("cloudnative-pg",),
    "secrets-store.csi.x-k8s.io": ("secrets-store-csi-driver",),
    "secrets.hashicorp.com": ("vault-secrets-operator",),
    "security.istio.io": ("base", "istio-base"),
    "snapshot.storage.k8s.io": ("snapshot-controller",),
    "traefik.io": ("traefik", "traefik-crds"),
    "trust.cert-manager.io": ("trust-manager",),
    "velero.io": ("velero",),
    "volsync.backube": ("volsync",),
}
# K3s brings Traefik and the controller of its own charts.
BROUGHT_BY_DISTRIBUTIONS = frozenset(["traefik.io", "helm.cattle.io"])

# Custom kinds that make no Service, pod, Secret, ConfigMap, claim or account of their own; of a whole group where no kind is named.
_MAKES_NOTHING: dict[str, frozenset[str]] = {
    "bitnami.com": frozenset(),
    "cert-manager.io": frozenset(),
    "cilium.io": frozenset(),
    "external-secrets.io": frozenset(["ExternalSecret", "SecretStore", "ClusterSecretStore", "PushSecret"]),
    "gateway.networking.k8s.io": frozenset(
        ["GRPCRoute", "HTTPRoute", "ReferenceGrant", "TCPRoute", "TLSRoute", "UDPRoute", "GatewayClass"]
    ),
    "generators.external-secrets.io": frozenset(),
    "keda.sh": frozenset(),
    "metallb.io": frozenset(),
    "monitoring.coreos.com": frozenset(
        ["AlertmanagerConfig", "PodMonitor", "Probe", "PrometheusRule", "ScrapeConfig", "ServiceMonitor"]
    ),
    "networking.istio.io": frozenset(),
    "security.istio.io": frozenset(),
    "snapshot.storage.k8s.io": frozenset(),
    "traefik.containo.us": frozenset(),
    "traefik.io": frozenset(),
}


def is_flux(resource: Resource) -> bool:
    """Whether the object is of one of Flux's own API groups."""
    return resource.group.endswith(FLUX)


def chart_of(release: Resource) -> str:
    """The name of the chart of a HelmRelease; that of its source where only the source names it."""
    written = text(release.at("spec", "chart", "spec", "chart"))
    return written.rstrip("/").rpartition("/")[2] or text(release.at("spec", "chartRef", "name"))


def made_by(resource: Resource) -> Iterator[tuple[str, str, str]]:
    """Kind, namespace and name of each object that comes of this one, itself included, those that its containers are told to make."""
    # The API server drops a namespace that is written where the kind has none.
    space = "" if is_cluster_scoped(resource.kind, resource.group) else resource.namespace
    at = resource.at
    for name in resource.names:
        yield resource.kind, space, name
    match resource.kind:
        case "ExternalSecret":
            yield "Secret", space, text(at("spec", "target", "name")) or resource.name
        case "SealedSecret":
            yield "Secret", space, text(at("spec", "template", "metadata", "name")) or resource.name
        case "Certificate":
            yield "Secret", space, text(at("spec", "secretName"))
        case "ServiceAccount":
            for secret in items(at("secrets")):
                yield "Secret", space, text(mapping(secret).get("name"))
    for _, container in resource.containers():
        arguments = " ".join(map(text, (*items(container.get("command")), *items(container.get("args")))))
        for match in _MADE_SECRET.finditer(arguments):
            yield "Secret", space, match[1]


def made_by_bootstrap(namespace: str) -> Iterator[tuple[str, str, str]]:
    """Kind, namespace and name of what stands beside the controllers of Flux, which no file of the tree need hold."""
    yield "Secret", namespace, "flux-system"
    yield from (("Service", namespace, name) for name in _FLUX_SERVICES)


def may_make_more(resource: Resource) -> bool:
    """Whether it may bring objects into its namespace that the repository does not show."""
    if resource.group in BUILT_IN_GROUPS:
        return False
    if resource.group.endswith(FLUX):
        return resource.kind == "HelmRelease"
    known = _MAKES_NOTHING.get(resource.group)
    return known is None or bool(known and resource.kind not in known)


def is_mirrored(resource: Resource) -> bool:
    """Whether an annotation tells a controller to copy it into other namespaces."""
    annotations = {
        **mapping(resource.at("metadata", "annotations")),
        **mapping(resource.at("spec", "target", "template", "metadata", "annotations")),
        **mapping(resource.at("spec", "template", "metadata", "annotations")),
        **mapping(resource.at("spec", "secretTemplate", "annotations")),
    }
    return any("reflect" in key or "replicat" in key or "kubed" in key for key in annotations)
