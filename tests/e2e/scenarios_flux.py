"""What can happen to a deploy before its pods: at the source, and at the Kustomization."""

from .looks import condition, eventually
from .stack import FLUX_NAMESPACE
from .stage import UNTIL_SEEN, Play, scenario

_WAITS = {"wait": True, "timeout": "30s"}


@scenario("a slow start, with wait: true", kustomization=_WAITS)
def healthy_wait(stage: Play) -> None:
    stage.until_ready(stage.push_tag("2.0.0", behaviour="slow", ready_after_s=10))


@scenario("never ready, with wait: true", kustomization=_WAITS)
def check_times_out(stage: Play) -> None:
    stage.push_tag("2.0.0", behaviour="unready")
    stage.until_kustomization("HealthCheckFailed")


@scenario(
    "a crash loop past progressDeadlineSeconds, with wait: true",
    kustomization=_WAITS,
    deployment={"progressDeadlineSeconds": 5},
)
def deadline(stage: Play) -> None:
    stage.push_tag("2.0.0", behaviour="crash", log="fatal: no such table: pages")
    stage.until_kustomization("HealthCheckFailed")


@scenario("a fix pushed while the bad revision is still being checked, with wait: true", kustomization=_WAITS)
def fix_while_checking(stage: Play) -> None:
    stage.push_tag("2.0.0", absent=True)
    stage.until_waiting("ImagePullBackOff")
    stage.until_ready(stage.push_tag("3.0.0"))


@scenario(
    "another Deployment of the same Kustomization that never becomes ready, with wait: true",
    kustomization=_WAITS,
)
def other_unhealthy(stage: Play) -> None:
    stage.stack.images.push("worker", "1.0.0", behaviour="unready")
    stage.push_file("worker.yaml", _worker(stage), "A worker")
    stage.push_tag("2.0.0")
    stage.until_kustomization("HealthCheckFailed")


@scenario("a file that is not YAML")
def broken_yaml(stage: Play) -> None:
    stage.push_file("service.yaml", b"apiVersion: v1\nkind: [Service\n", "Broken")
    stage.until_kustomization("BuildFailed")


@scenario("an object of a kind that the cluster does not know")
def unknown_kind(stage: Play) -> None:
    content = b"apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w, namespace: unknown-kind}\n"
    stage.push_file("widget.yaml", content, "A kind that nobody has")
    stage.until_kustomization("ReconciliationFailed")


@scenario("a field with a value of the wrong type")
def wrong_type(stage: Play) -> None:
    stage.edit(b"replicas: 1", b"replicas: three", "Three")
    stage.until_kustomization("ReconciliationFailed")


@scenario("a change of a field that cannot be changed")
def immutable(stage: Play) -> None:
    commit = stage.repository.read("k8s/immutable/deployment.yaml").replace(b"app: immutable", b"app: other")
    stage.push_file("deployment.yaml", commit, "Another selector")
    stage.until_kustomization("ReconciliationFailed")


@scenario("an object in a namespace that is not there")
def missing_namespace(stage: Play) -> None:
    content = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: nowhere}\n"
    stage.push_file("configmap.yaml", content, "Nowhere")
    stage.until_kustomization("ReconciliationFailed")


@scenario(
    "a Kustomization whose path is not in the repository", kustomization={"path": "./nowhere"}, settle=False
)
def missing_path(stage: Play) -> None:
    stage.until_kustomization("ArtifactFailed", "path not found")


@scenario(
    "a Kustomization whose source does not exist",
    kustomization={"sourceRef": {"kind": "GitRepository", "name": "absent"}},
    settle=False,
)
def missing_source(stage: Play) -> None:
    stage.until_kustomization("ArtifactFailed", "not found")


@scenario("a dependency that does not exist", kustomization={"dependsOn": [{"name": "absent"}]}, settle=False)
def dependency(stage: Play) -> None:
    stage.until_kustomization("DependencyNotReady")


@scenario("a push while the Kustomization is suspended, then resumed")
def suspended_kustomization(stage: Play) -> None:
    stage.patch("Kustomization", stage.name, {"suspend": True})
    commit = stage.push_tag("2.0.0")
    stage.until_fetched(commit)
    stage.say(UNTIL_SEEN)
    stage.patch("Kustomization", stage.name, {"suspend": None})
    stage.until_ready(commit)


@scenario("a push while the source is suspended, then resumed")
def suspended_source(stage: Play) -> None:
    stage.patch("GitRepository", stage.name, {"suspend": True})
    commit = stage.push_tag("2.0.0")
    stage.say(UNTIL_SEEN)
    stage.patch("GitRepository", stage.name, {"suspend": None})
    stage.until_ready(commit)


@scenario("a push while the git server is away")
def source_outage(stage: Play) -> None:
    faults = stage.stack.git.faults
    commit = stage.repository.set_tag(stage.name, "1.1.0")
    stage.stack.images.push(stage.name, "1.1.0")
    faults.outage = True
    stage.say(f"pushed {commit}: {stage.name}:1.1.0; the git server answers 503")
    stage.repository.request_fetch(stage.name)
    try:
        stage.until_source("GitOperationFailed")
    finally:
        faults.outage = False
    stage.say("the git server answers again")
    stage.repository.request_fetch(stage.name)
    stage.until_ready(commit)


@scenario("a token that the git server does not accept")
def wrong_token(stage: Play) -> None:
    body = {"metadata": {"name": "wrong"}, "stringData": {"username": "git", "password": "wrong"}}
    stage.stack.api.create("Secret", FLUX_NAMESPACE, body)
    stage.patch("GitRepository", stage.name, {"secretRef": {"name": "wrong"}})
    stage.push_tag("2.0.0")
    eventually(lambda: condition(stage.source(), "FetchFailed").get("status") == "True", "FetchFailed")


@scenario("a branch that the repository does not have", source={"ref": {"branch": "absent"}}, settle=False)
def missing_branch(stage: Play) -> None:
    stage.until_source("GitOperationFailed")


@scenario("a source that is pinned to a commit")
def pinned(stage: Play) -> None:
    stage.patch("GitRepository", stage.name, {"ref": {"commit": stage.repository.tip}})
    stage.push_tag("2.0.0")
    asked = (stage.source() or {})["metadata"]["annotations"]["reconcile.fluxcd.io/requestedAt"]
    eventually(
        lambda: (stage.source() or {})["status"].get("lastHandledReconcileAt") == asked,
        "the request is handled",
    )


@scenario("two pushes before Flux looks")
def two_pushes(stage: Play) -> None:
    stage.stack.images.push(stage.name, "2.0.0")
    stage.say(f"pushed {stage.repository.set_tag(stage.name, '2.0.0')}, not fetched")
    stage.until_ready(stage.push_tag("3.0.0"))


@scenario("a later commit that leaves our tag")
def later_commit(stage: Play) -> None:
    stage.stack.images.push(stage.name, "2.0.0", behaviour="slow", ready_after_s=5)
    stage.push_tag("2.0.0", absent=True)
    stage.until_ready(stage.push_file("README.yaml", b"# nothing\n", "Elsewhere"))


@scenario("a Deployment that is taken out of the repository")
def prune(stage: Play) -> None:
    stage.push_file("deployment.yaml", None, "Gone")
    eventually(lambda: stage.deployment() is None and not stage.pods(), "the Deployment is gone")


@scenario("the API server restarted in the middle")
def api_restart(stage: Play) -> None:
    commit = stage.push_tag("2.0.0")
    stage.say("kube-apiserver stops")
    stage.stack.restart("kube-apiserver")
    stage.say("kube-apiserver is ready")
    stage.until_ready(commit)


@scenario("kustomize-controller restarted while it checks, with wait: true", kustomization=_WAITS)
def controller_restart(stage: Play) -> None:
    commit = stage.push_tag("2.0.0", behaviour="slow", ready_after_s=10)
    eventually(
        lambda: condition(stage.kustomization(), "Healthy").get("reason") == "Progressing", "it checks"
    )
    stage.stack.restart("kustomize-controller")
    stage.say("kustomize-controller was restarted")
    stage.until_ready(commit)


def _worker(stage: Play) -> bytes:
    content = stage.repository.read(f"k8s/{stage.name}/deployment.yaml").replace(
        stage.name.encode(), b"worker"
    )
    return content.replace(b"namespace: worker", f"namespace: {stage.name}".encode())
