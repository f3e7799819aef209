"""Where custom resources name images: a table of kinds, each with the paths of its image fields and who says so.

Law: data and nothing else. Containers (`containers`, `initContainers`, `ephemeralContainers`) and image volumes are found without it,
in every kind. A kind that is not here has no image field of its own: what looks like one is named and left alone, and `--field` makes
it one. A path is written from the root of the object; `[]` stands for every entry of a list, `*` for every key of a mapping. A path
that ends with `.tag` is that of a tag beside its `repository`; any other field holds the whole reference.

Extended by one entry: the group, its kinds, the paths, and the type or page that defines the field as the image that is pulled.
"""

from functools import cache

from bumper.dataclasses import dataclass

Path = tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """The image fields of some kinds of one API group; `source` is where their meaning is defined."""

    group: str
    kinds: tuple[str, ...]
    paths: tuple[str, ...]
    source: str


_STEPS = ("steps[].image", "stepTemplate.image", "sidecars[].image")
_TEMPLATES = ("container.image", "script.image", "sidecars[].image")
_KSERVE = tuple(f"spec.{part}.*.image" for part in ("predictor", "transformer", "explainer"))
_BACKENDS = (
    "vmselect",
    "vminsert",
    "vmstorage",
    "vlselect",
    "vlinsert",
    "vlstorage",
    "vtselect",
    "vtinsert",
    "vtstorage",
)


def _below(above: str, paths: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{above}.{path}" for path in paths)


ENTRIES = (
    # Databases and caches
    Entry(
        "postgresql.cnpg.io",
        ("Cluster",),
        ("spec.imageName", "spec.postgresql.extensions[].image.reference"),
        "cloudnative-pg api/v1/cluster_types.go: ClusterSpec.ImageName",
    ),
    Entry(
        "postgresql.cnpg.io",
        ("ImageCatalog", "ClusterImageCatalog"),
        ("spec.images[].image", "spec.images[].extensions[].image.reference"),
        "cloudnative-pg api/v1/imagecatalog_types.go: CatalogImage.Image, CatalogImage.Extensions",
    ),
    Entry(
        "acid.zalan.do",
        ("postgresql",),
        ("spec.dockerImage", "spec.sidecars[].image"),
        "zalando/postgres-operator docs/reference/cluster_manifest.md",
    ),
    Entry(
        "postgres-operator.crunchydata.com",
        ("PostgresCluster", "PGAdmin", "PGUpgrade"),
        (
            "spec.image",
            "spec.backups.pgbackrest.image",
            "spec.proxy.pgBouncer.image",
            "spec.monitoring.pgmonitor.exporter.image",
        ),
        "CrunchyData/postgres-operator postgrescluster_types.go: PostgresClusterSpec.Image",
    ),
    Entry(
        "pgv2.percona.com",
        ("PerconaPGCluster",),
        ("spec.image", "spec.backups.pgbackrest.image", "spec.proxy.pgBouncer.image", "spec.pmm.image"),
        "percona-postgresql-operator deploy/cr.yaml",
    ),
    Entry(
        "pxc.percona.com",
        ("PerconaXtraDBCluster",),
        _below(
            "spec",
            tuple(
                f"{part}.image" for part in ("pxc", "haproxy", "proxysql", "logcollector", "pmm", "backup")
            ),
        ),
        "percona-xtradb-cluster-operator pxc_types.go: PodSpec.Image",
    ),
    Entry(
        "ps.percona.com",
        ("PerconaServerMySQL",),
        _below(
            "spec",
            tuple(
                f"{part}.image"
                for part in (
                    "mysql",
                    "orchestrator",
                    "proxy.haproxy",
                    "proxy.router",
                    "backup",
                    "pmm",
                    "toolkit",
                )
            ),
        ),
        "percona-server-mysql-operator deploy/cr.yaml",
    ),
    Entry(
        "psmdb.percona.com",
        ("PerconaServerMongoDB",),
        ("spec.image", "spec.backup.image", "spec.pmm.image"),
        "percona-server-mongodb-operator psmdb_types.go: PerconaServerMongoDBSpec.Image",
    ),
    Entry(
        "mysql.presslabs.org",
        ("MysqlCluster",),
        ("spec.image",),
        "bitpoke/mysql-operator mysqlcluster_types.go",
    ),
    Entry(
        "k8s.mariadb.com",
        ("MariaDB", "MaxScale"),
        (
            "spec.image",
            "spec.galera.agent.image",
            "spec.galera.initContainer.image",
            "spec.metrics.exporter.image",
        ),
        "mariadb-operator api/v1alpha1/mariadb_types.go: MariaDBSpec.Image",
    ),
    Entry(
        "dragonflydb.io",
        ("Dragonfly",),
        ("spec.image",),
        "dragonfly-operator dragonfly_types.go: DragonflySpec.Image",
    ),
    Entry(
        "databases.spotahome.com",
        ("RedisFailover",),
        (
            "spec.redis.image",
            "spec.sentinel.image",
            "spec.redis.exporter.image",
            "spec.sentinel.exporter.image",
        ),
        "spotahome/redis-operator api/redisfailover/v1/types.go: RedisSettings.Image",
    ),
    Entry(
        "redis.redis.opstreelabs.in",
        ("Redis", "RedisCluster", "RedisReplication", "RedisSentinel"),
        ("spec.kubernetesConfig.image", "spec.redisExporter.image"),
        "OT-CONTAINER-KIT/redis-operator api/common: KubernetesConfig.Image",
    ),
    Entry(
        "cassandra.datastax.com",
        ("CassandraDatacenter",),
        ("spec.serverImage",),
        "cass-operator cassandradatacenter_types.go",
    ),
    Entry(
        "rabbitmq.com",
        ("RabbitmqCluster",),
        ("spec.image",),
        "rabbitmq/cluster-operator rabbitmqcluster_types.go",
    ),
    Entry(
        "minio.min.io",
        ("Tenant",),
        ("spec.image", "spec.kes.image"),
        "minio/operator minio.min.io/v2/types.go: TenantSpec.Image",
    ),
    Entry(
        "ceph.rook.io",
        ("CephCluster",),
        ("spec.cephVersion.image",),
        "rook pkg/apis/ceph.rook.io/v1/types.go: CephVersionSpec.Image",
    ),
    Entry(
        "k8s.elastic.co",
        (
            "Agent",
            "ApmServer",
            "Beat",
            "ElasticMapsServer",
            "Elasticsearch",
            "EnterpriseSearch",
            "Kibana",
            "Logstash",
        ),
        ("spec.image",),
        "elastic/cloud-on-k8s docs/reference/api-docs: spec.image",
    ),
    Entry(
        "opensearch.opster.io",
        ("OpenSearchCluster",),
        ("spec.general.image", "spec.dashboards.image", "spec.initHelper.image"),
        "opensearch-k8s-operator opensearch_types.go: ImageSpec.Image",
    ),
    Entry(
        "zookeeper.pravega.io",
        ("ZookeeperCluster",),
        ("spec.image.tag",),
        "pravega/zookeeper-operator: ContainerImage",
    ),
    # Streams
    Entry(
        "kafka.strimzi.io",
        ("Kafka",),
        _below(
            "spec",
            (
                "kafka.image",
                "zookeeper.image",
                "cruiseControl.image",
                "kafkaExporter.image",
                "entityOperator.topicOperator.image",
                "entityOperator.userOperator.image",
            ),
        ),
        "strimzi api/kafka/model: HasConfigurableImage.getImage",
    ),
    Entry(
        "kafka.strimzi.io",
        ("KafkaConnect", "KafkaMirrorMaker2", "KafkaMirrorMaker", "KafkaBridge"),
        ("spec.image",),
        "strimzi api/kafka/model: AbstractKafkaConnectSpec.image",
    ),
    # Gateways and functions
    Entry(
        "gateway.envoyproxy.io",
        ("EnvoyProxy",),
        _below(
            "spec.provider.kubernetes", ("envoyDeployment.container.image", "envoyDaemonSet.container.image")
        ),
        "envoyproxy/gateway api/v1alpha1/shared_types.go: KubernetesContainerSpec.Image",
    ),
    Entry("openfaas.com", ("Function",), ("spec.image",), "openfaas/faas-netes: FunctionSpec.Image"),
    Entry(
        "fission.io",
        ("Environment",),
        ("spec.runtime.image", "spec.builder.image"),
        "fission pkg/apis/core/v1/types.go",
    ),
    Entry(
        "core.oam.dev",
        ("Application",),
        ("spec.components[].properties.image",),
        "kubevela docs: webservice, worker, task",
    ),
    # Models and agents
    Entry(
        "serving.kserve.io",
        ("InferenceService",),
        _KSERVE,
        "kserve pkg/apis/serving/v1beta1: PredictorExtensionSpec embeds corev1.Container",
    ),
    Entry(
        "toolhive.stacklok.dev",
        ("MCPServer", "EmbeddingServer"),
        ("spec.image",),
        "stacklok/toolhive mcpserver_types.go: MCPServerSpec.Image",
    ),
    Entry(
        "kagent.dev",
        ("MCPServer",),
        ("spec.deployment.image",),
        "kagent-dev/kmcp mcpserver_types.go: MCPServerDeployment.Image",
    ),
    Entry(
        "mcp.x-k8s.io",
        ("MCPServer",),
        ("spec.source.containerImage.ref",),
        "kubernetes-sigs/mcp-lifecycle-operator docs: ContainerImageSource.Ref",
    ),
    Entry(
        "sparkoperator.k8s.io",
        ("SparkApplication",),
        ("spec.image", "spec.driver.image", "spec.executor.image"),
        "kubeflow/spark-operator sparkapplication_types.go",
    ),
    Entry(
        "sparkoperator.k8s.io",
        ("ScheduledSparkApplication",),
        ("spec.template.image", "spec.template.driver.image", "spec.template.executor.image"),
        "kubeflow/spark-operator scheduledsparkapplication_types.go",
    ),
    Entry(
        "flink.apache.org",
        ("FlinkDeployment",),
        ("spec.image",),
        "flink-kubernetes-operator: FlinkDeploymentSpec.image",
    ),
    # Pipelines and runners
    Entry(
        "tekton.dev",
        ("Task", "ClusterTask"),
        _below("spec", _STEPS),
        "tektoncd/pipeline pkg/apis/pipeline/v1/container_types.go",
    ),
    Entry(
        "tekton.dev",
        ("StepAction",),
        ("spec.image",),
        "tektoncd/pipeline stepaction_types.go: StepActionSpec.Image",
    ),
    Entry(
        "tekton.dev",
        ("Pipeline",),
        (*_below("spec.tasks[].taskSpec", _STEPS), *_below("spec.finally[].taskSpec", _STEPS)),
        "tektoncd/pipeline pipeline_types.go: EmbeddedTask",
    ),
    Entry(
        "tekton.dev",
        ("TaskRun",),
        _below("spec.taskSpec", _STEPS),
        "tektoncd/pipeline taskrun_types.go: TaskRunSpec.TaskSpec",
    ),
    Entry(
        "tekton.dev",
        ("PipelineRun",),
        (
            *_below("spec.pipelineSpec.tasks[].taskSpec", _STEPS),
            *_below("spec.pipelineSpec.finally[].taskSpec", _STEPS),
        ),
        "tektoncd/pipeline pipelinerun_types.go: PipelineRunSpec.PipelineSpec",
    ),
    Entry(
        "argoproj.io",
        ("Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate"),
        (*_below("spec.templates[]", _TEMPLATES), *_below("spec.templateDefaults", _TEMPLATES)),
        "argo-workflows pkg/apis/workflow/v1alpha1/workflow_types.go: Template",
    ),
    Entry(
        "argoproj.io",
        ("CronWorkflow",),
        _below("spec.workflowSpec.templates[]", _TEMPLATES),
        "argo-workflows cron_workflow_types.go: CronWorkflowSpec.WorkflowSpec",
    ),
    Entry(
        "argoproj.io",
        ("Sensor", "EventSource"),
        ("spec.template.container.image",),
        "argo-events: Template.Container",
    ),
    Entry(
        "actions.summerwind.dev",
        ("Runner",),
        ("spec.image", "spec.dockerImage"),
        "actions-runner-controller runner_types.go",
    ),
    Entry(
        "actions.summerwind.dev",
        ("RunnerDeployment", "RunnerReplicaSet"),
        ("spec.template.spec.image", "spec.template.spec.dockerImage"),
        "actions-runner-controller runner_types.go: RunnerConfig.Image",
    ),
    Entry(
        "actions.summerwind.dev",
        ("RunnerSet",),
        ("spec.image", "spec.dockerImage"),
        "actions-runner-controller runnerset_types.go",
    ),
    Entry(
        "k6.io",
        ("TestRun", "K6"),
        ("spec.runner.image", "spec.starter.image"),
        "grafana/k6-operator testrun_types.go: Pod.Image",
    ),
    # Observation
    Entry(
        "monitoring.coreos.com",
        ("Prometheus", "PrometheusAgent", "Alertmanager", "ThanosRuler"),
        ("spec.image", "spec.thanos.image"),
        "prometheus-operator Documentation/api-reference/api.md: image, which wins over version, tag and sha",
    ),
    Entry(
        "grafana.integreatly.org",
        ("Grafana",),
        ("spec.version",),
        "grafana-operator grafana_types.go: Version takes a whole reference as well",
    ),
    Entry(
        "operator.victoriametrics.com",
        (
            *("VMSingle", "VMAgent", "VMAlert", "VMAlertmanager", "VMAuth", "VMAnomaly"),
            *("VLogs", "VLSingle", "VLAgent", "VTSingle"),
        ),
        ("spec.image.tag",),
        "VictoriaMetrics/operator api: Image has repository and tag",
    ),
    Entry(
        "operator.victoriametrics.com",
        ("VMCluster", "VLCluster", "VTCluster"),
        tuple(f"spec.{part}.image.tag" for part in _BACKENDS),
        "VictoriaMetrics/operator vmcluster_types.go: VMSelect, VMInsert, VMStorage",
    ),
    Entry(
        "opentelemetry.io",
        ("OpenTelemetryCollector", "TargetAllocator", "OpAMPBridge"),
        ("spec.image", "spec.targetAllocator.image"),
        "opentelemetry-operator apis/v1beta1/common.go: OpenTelemetryCommonFields.Image",
    ),
    Entry(
        "opentelemetry.io",
        ("Instrumentation",),
        ("spec.*.image",),
        "opentelemetry-operator instrumentation_types.go",
    ),
    Entry(
        "jaegertracing.io",
        ("Jaeger",),
        tuple(f"spec.{part}.image" for part in ("allInOne", "collector", "query", "agent", "ingester")),
        "jaeger-operator apis/v1/jaeger_types.go",
    ),
    # Others
    Entry(
        "apps.emqx.io",
        ("EMQX",),
        ("spec.image",),
        "emqx/emqx-operator apis/apps/v2beta1/emqx_types.go: EMQXSpec.Image",
    ),
    Entry(
        "inference.llmkube.dev",
        ("InferenceService",),
        ("spec.image",),
        "its manifests in public GitOps trees: spec.image, beside a modelRef",
    ),
    Entry(
        "foreman.llmkube.dev", ("Agent",), ("spec.execution.image",), "its manifests in public GitOps trees"
    ),
    Entry(
        "litellm.home-operations.com",
        ("LiteLLMProxy",),
        ("spec.image",),
        "its manifests in public GitOps trees",
    ),
    Entry(
        "litellm.home-operations.com",
        ("LiteLLMMCPServer",),
        ("spec.workload.image",),
        "its manifests in public GitOps trees",
    ),
    Entry(
        "renovate-operator.mogenius.com",
        ("RenovateJob",),
        ("spec.image",),
        "mogenius/renovate-operator: RenovateJobSpec.Image",
    ),
    Entry("kaniop.rs", ("Kanidm",), ("spec.image",), "pando85/kaniop: KanidmSpec.image"),
    Entry(
        "kpack.io",
        ("ClusterStack",),
        ("spec.buildImage.image", "spec.runImage.image"),
        "kpack cluster_stack_types.go",
    ),
    Entry(
        "upgrade.cattle.io",
        ("Plan",),
        ("spec.upgrade.image", "spec.prepare.image"),
        "rancher/system-upgrade-controller docs: an untagged image gets the tag of spec.version or of the channel",
    ),
    Entry("k8s.keycloak.org", ("Keycloak",), ("spec.image",), "keycloak operator: KeycloakSpec.image"),
    Entry(
        "pkg.crossplane.io",
        ("Provider", "Configuration", "Function"),
        ("spec.package",),
        "crossplane apis/pkg/v1/package_types.go: PackageSpec.Package",
    ),
    Entry(
        "kubevirt.io",
        ("VirtualMachine",),
        ("spec.template.spec.volumes[].containerDisk.image",),
        "kubevirt api/core/v1/schema.go: ContainerDiskSource.Image",
    ),
)


def steps(path: str) -> Path:
    """The steps of a path: `spec.steps[].image` → `spec`, `steps`, `[]`, `image`."""
    return tuple(step for step in path.replace("[]", ".[]").split(".") if step)


@cache
def kinds() -> frozenset[str]:
    """The kinds that have image fields here, of whatever group."""
    return frozenset(kind for entry in ENTRIES for kind in entry.kinds)


@cache
def image_paths(group: str, kind: str) -> tuple[Path, ...]:
    """The paths of the image fields of a kind, beside its containers and volumes; none for a kind that nothing is known of."""
    entries = (entry for entry in ENTRIES if group == entry.group and kind in entry.kinds)
    return tuple(steps(path) for entry in entries for path in entry.paths)


def below(paths: tuple[Path, ...], step: str | int) -> tuple[Path, ...]:
    """What is left of the paths one step further down."""
    wanted = ("[]",) if isinstance(step, int) else (step, "*")
    return tuple(path[1:] for path in paths if path and path[0] in wanted)
