"""What can happen to the pods of a deploy. Each function is a scenario: its first lines bring it about, the last waits for it."""

from .looks import eventually
from .stage import Play, scenario

_ENVIRONMENT = "        env: [{name: KEY, valueFrom: {%s: {name: settings, key: key}}}]"


@scenario("a new tag of a good image")
def healthy(stage: Play) -> None:
    stage.until_ready(stage.push_tag("2.0.0"))


@scenario("a new tag of a good image, three replicas", deployment={"replicas": 3})
def three_replicas(stage: Play) -> None:
    stage.until_ready(stage.push_tag("2.0.0"))


@scenario("an image that becomes ready late")
def slow_start(stage: Play) -> None:
    stage.until_ready(stage.push_tag("2.0.0", behaviour="slow", ready_after_s=15))


@scenario("a multi-platform image")
def multi_platform(stage: Play) -> None:
    stage.stack.images.push_index(stage.name, "2.0.0", ("amd64", "arm64"))
    stage.until_ready(stage.push_tag("2.0.0", absent=True))


@scenario("a tag that the registry does not have")
def missing_tag(stage: Play) -> None:
    stage.push_tag("2.0.0", absent=True)
    stage.until_waiting("ImagePullBackOff")


@scenario("a tag that the registry does not have at first")
def late_tag(stage: Play) -> None:
    commit = stage.push_tag("2.0.0", absent=True)
    stage.until_waiting("ImagePullBackOff")
    stage.stack.images.push(stage.name, "2.0.0")
    stage.say("pushed the image")
    stage.until_ready(commit)


@scenario("a repository that the registry does not have")
def missing_repository(stage: Play) -> None:
    stage.edit(b"/missing-repository:1.0.0", b"/mising-repository:1.0.0", "A typing error")
    stage.until_waiting("ImagePullBackOff")


@scenario("an image name that is none")
def invalid_name(stage: Play) -> None:
    stage.edit(b"/invalid-name:1.0.0", b"/Invalid-Name:1.0.0", "A capital letter")
    stage.until_waiting("InvalidImageName")


@scenario("a registry that nobody answers for")
def unreachable_registry(stage: Play) -> None:
    stage.edit(stage.stack.registry.encode(), b"127.0.0.1:1", "Another registry")
    stage.until_waiting("ImagePullBackOff")


@scenario("a registry whose name does not resolve")
def unknown_registry(stage: Play) -> None:
    stage.edit(stage.stack.registry.encode(), b"registry.invalid", "Another registry")
    stage.until_waiting("ImagePullBackOff")


@scenario("an image for other platforms only")
def wrong_platform(stage: Play) -> None:
    stage.stack.images.push_index(stage.name, "2.0.0", ("s390x", "riscv64"))
    stage.push_tag("2.0.0", absent=True)
    stage.until_waiting("ImagePullBackOff")


@scenario("an image that ends with code 1")
def crash_loop(stage: Play) -> None:
    stage.push_tag("2.0.0", behaviour="crash", log="starting\nfatal: no such table: pages")
    stage.until_waiting("CrashLoopBackOff", restarts=1)


@scenario("an image that is killed for its memory", container={"resources": {"limits": {"memory": "32Mi"}}})
def out_of_memory(stage: Play) -> None:
    stage.push_tag("2.0.0", behaviour="oom")
    stage.until_waiting("CrashLoopBackOff", restarts=1)


@scenario("an image that never becomes ready")
def never_ready(stage: Play) -> None:
    stage.push_tag("2.0.0", behaviour="unready")
    stage.until_event("Unhealthy")


@scenario("a crash loop past progressDeadlineSeconds", deployment={"progressDeadlineSeconds": 5})
def past_deadline(stage: Play) -> None:
    stage.push_tag("2.0.0", behaviour="crash")

    def look() -> bool:
        conditions = ((stage.deployment() or {}).get("status") or {}).get("conditions") or []
        return any(entry["reason"] == "ProgressDeadlineExceeded" for entry in conditions)

    eventually(look, "ProgressDeadlineExceeded")


@scenario("an init container that ends with code 1")
def init_crash(stage: Play) -> None:
    stage.stack.images.push("migration", "1.0.0", behaviour="crash", log="cannot connect")
    init = f"initContainers: [{{name: migration, image: '{stage.stack.registry}/migration:1.0.0'}}]"
    stage.edit(b"    spec:\n", f"    spec:\n      {init}\n".encode(), "A migration")
    eventually(
        lambda: [
            entry
            for pod in stage.pods()
            for entry in (pod.get("status") or {}).get("initContainerStatuses") or []
            if (entry["state"].get("waiting") or {}).get("reason") == "CrashLoopBackOff"
        ],
        "the init container in CrashLoopBackOff",
    )


@scenario("a container that needs a Secret which is not there")
def missing_secret(stage: Play) -> None:
    _need(stage, "secretKeyRef")
    stage.until_waiting("CreateContainerConfigError")


@scenario("a container that needs a ConfigMap which is not there")
def missing_config_map(stage: Play) -> None:
    _need(stage, "configMapKeyRef")
    stage.until_waiting("CreateContainerConfigError")


@scenario("a container that needs a key which its Secret does not have")
def missing_key(stage: Play) -> None:
    body = {"metadata": {"name": "settings"}, "stringData": {"other": "value"}}
    stage.stack.api.create("Secret", stage.name, body)
    _need(stage, "secretKeyRef")
    stage.until_waiting("CreateContainerConfigError")


@scenario("a volume of a Secret which is not there")
def missing_volume(stage: Play) -> None:
    volumes = b"    spec:\n      volumes: [{name: settings, secret: {secretName: settings}}]\n"
    stage.edit(b"    spec:\n", volumes, "A volume")
    stage.until_event("FailedMount")


@scenario("a pod that fits on no node")
def unschedulable(stage: Play) -> None:
    name = f"- name: {stage.name}\n"
    stage.edit(
        name.encode(), f"{name}        resources: {{requests: {{cpu: '100'}}}}\n".encode(), "More cores"
    )
    stage.until_event("FailedScheduling")


@scenario("no new pod fits the namespace's quota")
def quota(stage: Play) -> None:
    api = stage.stack.api
    api.create("ResourceQuota", stage.name, {"metadata": {"name": "full"}, "spec": {"hard": {"pods": "1"}}})

    def look() -> bool:
        resource_quota = api.find("ResourceQuota", stage.name, "full") or {}
        return bool((resource_quota.get("status") or {}).get("used"))

    eventually(look, "the quota is in force")
    stage.push_tag("2.0.0")
    stage.until_event("FailedCreate")


@scenario("a Deployment that is paused")
def paused(stage: Play) -> None:
    stage.edit(b"  replicas: 1\n", b"  replicas: 1\n  paused: true\n", "Paused")
    commit = stage.push_tag("2.0.0")
    eventually(lambda: stage.applied(commit), "the paused Deployment is applied")


@scenario("a Deployment without replicas", deployment={"replicas": 0})
def no_replicas(stage: Play) -> None:
    stage.until_ready(stage.push_tag("2.0.0"))


@scenario("a later tag while the first one still rolls out")
def superseded(stage: Play) -> None:
    stage.push_tag("2.0.0", behaviour="slow", ready_after_s=30)
    eventually(lambda: len(stage.pods()) > 1, "a new pod")
    stage.until_ready(stage.push_tag("3.0.0"))


@scenario("a revert of a tag that crashes")
def revert(stage: Play) -> None:
    stage.push_tag("2.0.0", behaviour="crash")
    stage.until_waiting("CrashLoopBackOff")
    stage.until_ready(stage.push_tag("1.0.0", absent=True))


def _need(stage: Play, reference: str) -> None:
    name = f"- name: {stage.name}\n"
    stage.edit(name.encode(), f"{name}{_ENVIRONMENT % reference}\n".encode(), "Settings")
