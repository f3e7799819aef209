"""What can happen to a deploy on its node, and only a real kubelet and a real runtime show: each text is theirs."""

import json
from collections.abc import Mapping
from typing import Any

from .looks import containers, eventually
from .refusals import BASIC, DENIED, TOKEN, UNAUTHORIZED, refusing_registry
from .stage import Play, scenario

_ON_8080 = {"path": "/healthz", "port": 8080}
_SOON = {"periodSeconds": 1, "failureThreshold": 2}
_NO_PROBE = {"readinessProbe": None}


# --- pulling


def _elsewhere(stage: Play, registry: str) -> None:
    plain = (
        stage.stack.folder / "certs.d" / registry
    )  # where containerd looks whether a registry speaks plain HTTP
    plain.mkdir(parents=True)
    (plain / "hosts.toml").write_text(f'server = "http://{registry}"\n')
    stage.edit(stage.stack.registry.encode(), registry.encode(), "Another registry")
    stage.until_waiting("ImagePullBackOff")


@scenario("a registry that asks for name and password, and the node has none")
def login_wanted(stage: Play) -> None:
    _elsewhere(stage, refusing_registry(401, BASIC, UNAUTHORIZED))


@scenario("a registry whose token service gives the node no token")
def no_token(stage: Play) -> None:
    _elsewhere(stage, refusing_registry(401, TOKEN, UNAUTHORIZED))


@scenario("a registry that knows the node and forbids the pull")
def pull_forbidden(stage: Play) -> None:
    _elsewhere(stage, refusing_registry(403, None, DENIED))


@scenario("a registry that is out of order")
def registry_out_of_order(stage: Play) -> None:
    _elsewhere(stage, refusing_registry(503))


@scenario("an image for another platform, without an index")
def other_platform(stage: Play) -> None:
    stage.until_ready(stage.push_tag("2.0.0", architecture="s390x"))


@scenario("an image whose program is for another processor than the image says")
def foreign_program(stage: Play) -> None:
    stage.push_tag("2.0.0", behaviour="foreign")
    stage.until_waiting("CrashLoopBackOff")


@scenario(
    "an image that is to be on the node, and never pulled", container={"imagePullPolicy": "IfNotPresent"}
)
def never_pulled(stage: Play) -> None:
    stage.edit(b"imagePullPolicy: IfNotPresent", b"imagePullPolicy: Never", "Never pull")
    stage.push_tag("2.0.0")
    stage.until_waiting("ErrImageNeverPull")


@scenario("a new tag of the image that runs already")
def same_image(stage: Play) -> None:
    stage.until_ready(stage.push_tag("2.0.0", labels={"org.opencontainers.image.version": "1.0.0"}))


@scenario("an image named by tag and digest")
def by_digest(stage: Play) -> None:
    digest = stage.stack.images.push(stage.name, "2.0.0")
    stage.until_ready(stage.edit(b":1.0.0", f":2.0.0@{digest}".encode(), "A digest"))


@scenario("a digest that the registry does not have")
def missing_digest(stage: Play) -> None:
    stage.edit(b":1.0.0", b":2.0.0@sha256:" + b"0" * 64, "A digest of nothing")
    stage.until_waiting("ImagePullBackOff")


# --- starting


@scenario("a command that the image does not have")
def bad_command(stage: Play) -> None:
    _also(stage, {"command": ["/bin/serve"]})
    stage.until_waiting("CrashLoopBackOff")


@scenario("a container that may not run as root, and is to")
def runs_as_root(stage: Play) -> None:
    _also(stage, {"securityContext": {"runAsNonRoot": True, "runAsUser": 0}})
    stage.until_waiting("CreateContainerConfigError")


@scenario("a hook after the start that fails")
def post_start_fails(stage: Play) -> None:
    _also(stage, {"lifecycle": {"postStart": {"exec": {"command": ["/bin/prepare"]}}}})
    stage.until_event("FailedPostStartHook")


@scenario("a volume of a key which its Secret does not have")
def missing_volume_key(stage: Play) -> None:
    body = {"metadata": {"name": "settings"}, "stringData": {"other": "value"}}
    stage.stack.api.create("Secret", stage.name, body)
    secret = {"secretName": "settings", "items": [{"key": "key", "path": "key"}]}
    _pod(stage, {"volumes": [{"name": "settings", "secret": secret}]})
    stage.until_event("FailedMount")


@scenario("an init container that goes on and on")
def init_waits(stage: Play) -> None:
    stage.stack.images.push("waits", "1.0.0", behaviour="wait")
    _pod(stage, {"initContainers": [{"name": "waits", "image": f"{stage.stack.registry}/waits:1.0.0"}]})
    eventually(lambda: len(stage.pods()) > 1, "a new pod")


@scenario("a native sidecar that runs on")
def sidecar(stage: Play) -> None:
    stage.stack.images.push("proxy", "1.0.0", behaviour="wait")
    stage.until_ready(_with_sidecar(stage, "proxy"))


@scenario("a native sidecar that crashes")
def sidecar_crash(stage: Play) -> None:
    stage.stack.images.push("broken-proxy", "1.0.0", behaviour="crash", log="no upstream")
    _with_sidecar(stage, "broken-proxy")


# --- running


@scenario("an image that ends with code 0")
def ends_well(stage: Play) -> None:
    stage.push_tag("2.0.0", behaviour="done")
    stage.until_waiting("CrashLoopBackOff", restarts=1)


@scenario("an image without a probe that runs on", container=_NO_PROBE)
def no_probe(stage: Play) -> None:
    stage.until_ready(stage.push_tag("2.0.0"))


@scenario("an image without a probe that crashes after four seconds", container=_NO_PROBE)
def late_crash(stage: Play) -> None:
    stage.push_tag("2.0.0", behaviour="expire", argument="4")
    eventually(
        lambda: [entry for entry in containers(stage.stack, stage.name) if entry["restartCount"] > 1],
        "two restarts",
    )


@scenario(
    "a root file system that can't be written, and an image that does",
    container={"securityContext": {"readOnlyRootFilesystem": True}},
)
def read_only(stage: Play) -> None:
    stage.push_tag("2.0.0", behaviour="write", argument="/cache")
    stage.until_waiting("CrashLoopBackOff", restarts=1)


@scenario(
    "a liveness probe that fails after three seconds",
    container={"livenessProbe": {"httpGet": _ON_8080, **_SOON}, "readinessProbe": None},
)
def liveness(stage: Play) -> None:
    stage.push_tag("2.0.0", behaviour="sick", argument="3")
    stage.until_event("Unhealthy")


@scenario("a startup probe that never passes", container={"startupProbe": {"httpGet": _ON_8080, **_SOON}})
def startup(stage: Play) -> None:
    stage.push_tag("2.0.0", behaviour="unready")
    stage.until_event("Unhealthy")


@scenario(
    "a startup probe that grants the time which the image needs",
    container={"startupProbe": {"httpGet": _ON_8080, "periodSeconds": 1, "failureThreshold": 60}},
)
def startup_in_time(stage: Play) -> None:
    stage.until_ready(stage.push_tag("2.0.0", behaviour="slow", ready_after_s=10))


_TCP = {"readinessProbe": {"tcpSocket": {"port": 8080}}}


@scenario("a readiness probe by TCP, to a port that nobody listens on", container=_TCP)
def tcp_probe(stage: Play) -> None:
    stage.edit(b"port: 8080", b"port: 81", "Another port")
    stage.until_event("Unhealthy")


@scenario("a readiness probe by a command that the image does not have", container=_TCP)
def exec_probe(stage: Play) -> None:
    stage.edit(b"tcpSocket:\n            port: 8080", b"exec: {command: [/bin/check]}", "A command")
    stage.until_event("Unhealthy")


# --- ending


@scenario("an old version that takes five seconds to end")
def graceful(stage: Play) -> None:
    stage.until_ready(stage.push_tag("1.5.0", behaviour="linger", argument="5"))
    stage.until_ready(stage.push_tag("2.0.0"))


@scenario(
    "an old version that never ends by itself",
    deployment={"strategy": {"type": "Recreate"}},
)
def stubborn(stage: Play) -> None:
    stage.until_ready(stage.push_tag("1.5.0", behaviour="stubborn"))
    stage.until_ready(stage.push_tag("2.0.0"))


def _also(stage: Play, container: Mapping[str, Any]) -> str:
    """Pushes the Deployment with this in its container, too."""
    name = f"- name: {stage.name}\n"
    lines = "".join(f"        {key}: {json.dumps(value)}\n" for key, value in container.items())
    return stage.edit(name.encode(), (name + lines).encode(), f"With {', '.join(container)}")


def _pod(stage: Play, spec: Mapping[str, Any]) -> str:
    """Pushes the Deployment with this in the spec of its pods, too."""
    lines = "".join(f"      {key}: {json.dumps(value)}\n" for key, value in spec.items())
    return stage.edit(b"    spec:\n", f"    spec:\n{lines}".encode(), f"With {', '.join(spec)}")


def _with_sidecar(stage: Play, image: str) -> str:
    container = {
        "name": image,
        "image": f"{stage.stack.registry}/{image}:1.0.0",
        "restartPolicy": "Always",
    }
    return _pod(stage, {"initContainers": [container]})
