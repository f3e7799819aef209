"""Where the Kubernetes API keeps the kinds that we read.

Law: a table, not discovery: a deploy asks for few kinds, and discovery costs requests. Only where a cluster has another version of a
custom kind than the table is its group asked which one it prefers.
"""

from bumper.dataclasses import dataclass


@dataclass(frozen=True)
class Resource:
    """A kind as URLs name it. `group` is empty for the core group."""

    kind: str
    group: str
    version: str
    plural: str

    def path(self, namespace: str = "", name: str = "", version: str = "") -> str:
        """The URL's path of an object, or of a collection without `name`; of all namespaces without `namespace`."""
        root = f"/apis/{self.group}" if self.group else "/api"
        place = f"/namespaces/{namespace}" if namespace else ""
        return f"{root}/{version or self.version}{place}/{self.plural}" + (f"/{name}" if name else "")

    def __str__(self) -> str:
        return self.plural


POD = Resource("Pod", "", "v1", "pods")
EVENT = Resource("Event", "", "v1", "events")
NODE = Resource("Node", "", "v1", "nodes")
REPLICA_SET = Resource("ReplicaSet", "apps", "v1", "replicasets")
JOB = Resource("Job", "batch", "v1", "jobs")
KUSTOMIZATION = Resource("Kustomization", "kustomize.toolkit.fluxcd.io", "v1", "kustomizations")
HELM_RELEASE = Resource("HelmRelease", "helm.toolkit.fluxcd.io", "v2", "helmreleases")
# What a HelmRelease's pods belong to.
PODS_OWNERS = (
    Resource("Deployment", "apps", "v1", "deployments"),
    Resource("StatefulSet", "apps", "v1", "statefulsets"),
    Resource("DaemonSet", "apps", "v1", "daemonsets"),
)
SOURCES = (
    Resource("GitRepository", "source.toolkit.fluxcd.io", "v1", "gitrepositories"),
    Resource("OCIRepository", "source.toolkit.fluxcd.io", "v1", "ocirepositories"),
    Resource("Bucket", "source.toolkit.fluxcd.io", "v1", "buckets"),
    Resource("ExternalArtifact", "source.toolkit.fluxcd.io", "v1", "externalartifacts"),
)
ARTIFACT_GENERATOR = Resource(
    "ArtifactGenerator", "source.extensions.fluxcd.io", "v1beta1", "artifactgenerators"
)
RECEIVER = Resource("Receiver", "notification.toolkit.fluxcd.io", "v1", "receivers")
ACCESS_REVIEW = Resource("SelfSubjectAccessReview", "authorization.k8s.io", "v1", "selfsubjectaccessreviews")
ROLLOUT = Resource("Rollout", "argoproj.io", "v1alpha1", "rollouts")
# The core kind of that name is not read.
KNATIVE_SERVICE = Resource("Service", "serving.knative.dev", "v1", "services")
CANARY = Resource("Canary", "flagger.app", "v1beta1", "canaries")
WORKLOADS = (
    *PODS_OWNERS,
    JOB,
    Resource("CronJob", "batch", "v1", "cronjobs"),
    HELM_RELEASE,
    ROLLOUT,
    KNATIVE_SERVICE,
)

KINDS = {
    resource.kind: resource
    for resource in (*SOURCES, ARTIFACT_GENERATOR, KUSTOMIZATION, *WORKLOADS, CANARY, REPLICA_SET, POD, EVENT)
}
