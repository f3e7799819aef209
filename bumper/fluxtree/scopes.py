"""Which kinds come with Kubernetes itself, and which have no namespace.

Source: Kubernetes 1.35 API reference.
"""

BUILT_IN_GROUPS = frozenset(
    [
        "",
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "apps",
        "autoscaling",
        "batch",
        "certificates.k8s.io",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "events.k8s.io",
        "flowcontrol.apiserver.k8s.io",
        "networking.k8s.io",
        "node.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "resource.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
    ]
)
_CLUSTER_SCOPED = frozenset(
    [
        "APIService",
        "CSIDriver",
        "CSINode",
        "CertificateSigningRequest",
        "ComponentStatus",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "DeviceClass",
        "FlowSchema",
        "IPAddress",
        "IngressClass",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PodSecurityPolicy",
        "PriorityClass",
        "PriorityLevelConfiguration",
        "ResourceSlice",
        "RuntimeClass",
        "ServiceCIDR",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
        "VolumeAttachment",
        "VolumeAttributesClass",
    ]
)


def is_cluster_scoped_built_in(kind: str, group: str) -> bool:
    """Whether objects of a kind that comes with Kubernetes have no namespace; False for any other kind, as kustomize takes it."""
    return group in BUILT_IN_GROUPS and kind in _CLUSTER_SCOPED


def is_cluster_scoped(kind: str, group: str) -> bool:
    """Whether objects of the kind have no namespace. Custom kinds go by the custom to call such a kind `Cluster…`."""
    if group in BUILT_IN_GROUPS:
        return kind in _CLUSTER_SCOPED
    return (kind.startswith("Cluster") and kind != "Cluster") or kind in (
        "GatewayClass",
        "IngressClassParameters",
    )
