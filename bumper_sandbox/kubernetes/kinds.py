"""The kinds that the sandbox's API serves: the table of the known ones, and how an unknown one is named when a manifest brings it.

Law: a kind of one of Kubernetes' own groups is served only if it stands in the table, so that a misspelt kind fails as it does in a
cluster. Any other kind is taken as if its definition were installed: it is stored and served, and no controller acts on it.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """`group` is empty for the core group. `played_by` is empty where no controller of the sandbox acts on the kind."""

    group: str
    version: str
    name: str
    plural: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    has_status: bool = True
    has_generation: bool = True
    played: bool = False

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """`kustomizations.kustomize.toolkit.fluxcd.io`: as errors name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


def _core(name: str, plural: str, *short_names: str, **options: bool) -> Kind:
    return Kind("", "v1", name, plural, short_names=short_names, **options)


NAMESPACE = _core("Namespace", "namespaces", "ns", namespaced=False, has_generation=False, played=True)
NODE = _core("Node", "nodes", "no", namespaced=False, has_generation=False, played=True)
EVENT = _core("Event", "events", "ev", has_status=False, has_generation=False, played=True)
POD = _core("Pod", "pods", "po", played=True)
SECRET = _core("Secret", "secrets", has_status=False, has_generation=False, played=True)
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments", short_names=("deploy",), played=True)
REPLICA_SET = Kind("apps", "v1", "ReplicaSet", "replicasets", short_names=("rs",), played=True)
GIT_REPOSITORY = Kind(
    "source.toolkit.fluxcd.io",
    "v1",
    "GitRepository",
    "gitrepositories",
    short_names=("gitrepo",),
    played=True,
)
KUSTOMIZATION = Kind(
    "kustomize.toolkit.fluxcd.io", "v1", "Kustomization", "kustomizations", short_names=("ks",), played=True
)

_RBAC = "rbac.authorization.k8s.io"
# Kinds with nothing to run: applied, they are as complete as in a cluster.
_INERT = (
    _core("ConfigMap", "configmaps", "cm", has_status=False, has_generation=False, played=True),
    _core("Service", "services", "svc", has_generation=False, played=True),
    _core("ServiceAccount", "serviceaccounts", "sa", has_status=False, has_generation=False, played=True),
    *(
        Kind(
            _RBAC, "v1", name, f"{name.lower()}s", scope, has_status=False, has_generation=False, played=True
        )
        for name, scope in (
            ("Role", True),
            ("RoleBinding", True),
            ("ClusterRole", False),
            ("ClusterRoleBinding", False),
        )
    ),
)
# Kinds of the tree whose controllers are not in the sandbox.
_STORED = (
    Kind("helm.toolkit.fluxcd.io", "v2", "HelmRelease", "helmreleases", short_names=("hr",)),
    Kind("source.toolkit.fluxcd.io", "v1", "HelmRepository", "helmrepositories", short_names=("helmrepo",)),
    Kind("external-secrets.io", "v1", "ExternalSecret", "externalsecrets", short_names=("es",)),
    Kind("external-secrets.io", "v1", "SecretStore", "secretstores", short_names=("ss",)),
    Kind("external-secrets.io", "v1", "ClusterSecretStore", "clustersecretstores", False, ("css",)),
    Kind("traefik.io", "v1alpha1", "IngressRoute", "ingressroutes", has_status=False),
    Kind("apps", "v1", "StatefulSet", "statefulsets", short_names=("sts",)),
    Kind("apps", "v1", "DaemonSet", "daemonsets", short_names=("ds",)),
    Kind("batch", "v1", "Job", "jobs"),
    Kind("batch", "v1", "CronJob", "cronjobs", short_names=("cj",)),
    Kind("networking.k8s.io", "v1", "Ingress", "ingresses", short_names=("ing",)),
    Kind(
        "networking.k8s.io",
        "v1",
        "NetworkPolicy",
        "networkpolicies",
        short_names=("netpol",),
        has_status=False,
    ),
    Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", short_names=("pdb",)),
    Kind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", short_names=("hpa",)),
    Kind("networking.k8s.io", "v1", "IngressClass", "ingressclasses", namespaced=False, has_status=False),
    Kind("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", False, ("pc",), has_status=False),
    Kind("storage.k8s.io", "v1", "StorageClass", "storageclasses", False, ("sc",), has_status=False),
    _core("ResourceQuota", "resourcequotas", "quota", has_generation=False),
    _core("LimitRange", "limitranges", "limits", has_status=False, has_generation=False),
    _core("PersistentVolume", "persistentvolumes", "pv", namespaced=False, has_generation=False),
    _core("PersistentVolumeClaim", "persistentvolumeclaims", "pvc", has_generation=False),
)
# Groups below k8s.io whose kinds come with definitions that somebody installs.
_DEFINED = {"gateway.networking.k8s.io", "snapshot.storage.k8s.io", "policy.networking.k8s.io"}
_BUILT_IN = (NAMESPACE, NODE, EVENT, POD, SECRET, DEPLOYMENT, REPLICA_SET, GIT_REPOSITORY, KUSTOMIZATION)


class Kinds:
    """The kinds one API serves. Grows when a manifest brings a custom kind; safe to use from several threads."""

    def __init__(self) -> None:
        self._kinds = {(kind.api_version, kind.name): kind for kind in (*_BUILT_IN, *_INERT, *_STORED)}
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[Kind]:
        with self._lock:
            return iter(tuple(self._kinds.values()))

    def find(self, api_version: str, name: str) -> Kind | None:
        """The kind as manifests write it, or None if it is not served."""
        with self._lock:
            return self._kinds.get((api_version, name))

    def by_plural(self, group: str, version: str, plural: str) -> Kind | None:
        """The kind as URLs write it."""
        return next(
            (kind for kind in self if (kind.group, kind.version, kind.plural) == (group, version, plural)),
            None,
        )

    def admit(self, api_version: str, name: str, *, namespaced: bool) -> Kind | None:
        """The kind of a manifest; a custom kind is installed on first sight. None for an unknown kind of a built-in group."""
        known = self.find(api_version, name)
        group, _, version = api_version.rpartition("/")
        if known or _is_built_in(group):
            return known
        kind = Kind(group, version, name, _plural(name), namespaced)
        with self._lock:
            return self._kinds.setdefault((api_version, name), kind)


def _is_built_in(group: str) -> bool:
    # Kubernetes reserves groups without a dot and those under k8s.io for itself.
    return "." not in group or (group.endswith(".k8s.io") and group not in _DEFINED)


def _plural(name: str) -> str:
    lower = name.lower()
    if lower.endswith(("s", "x", "ch", "sh")):
        return lower + "es"
    return lower[:-1] + "ies" if lower.endswith("y") and lower[-2:-1] not in tuple("aeiou") else lower + "s"
