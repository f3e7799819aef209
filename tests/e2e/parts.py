"""The command lines of the parts of a stack: everything on loopback, everything below one folder, nothing that reaches outside."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .build import binary
from .certificates import KeyPair

Command = Sequence[str | Path]

# Nobody listens there: what a controller asks of the outside world (a chart's repository) fails at once,
# and no request leaves the machine.
_OFFLINE = {
    "HTTP_PROXY": "http://127.0.0.1:1",
    "HTTPS_PROXY": "http://127.0.0.1:1",
    "NO_PROXY": "127.0.0.1,localhost",
}


@dataclass(frozen=True)
class Surroundings:
    """What the command lines have in common: the folder, who the certificate authority is, and the ports by name."""

    folder: Path
    authority: Path
    ports: Mapping[str, int]

    def url(self, part: str, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.ports[part]}"

    def address(self, part: str) -> str:
        return f"127.0.0.1:{self.ports[part]}"

    def data(self, part: str) -> Path:
        """The part's own folder, made if it is not there."""
        folder = self.folder / part
        folder.mkdir(exist_ok=True)
        return folder


def etcd(around: Surroundings) -> Command:
    return [
        binary("controlplane"),
        "etcd",
        f"--data-dir={around.data('etcd')}",
        f"--listen-client-urls={around.url('etcd')}",
        f"--advertise-client-urls={around.url('etcd')}",
        f"--listen-peer-urls={around.url('etcd-peer')}",
        f"--initial-advertise-peer-urls={around.url('etcd-peer')}",
        f"--initial-cluster=default={around.url('etcd-peer')}",
        "--unsafe-no-fsync",  # a lost power supply loses a test run, nothing more
        "--log-level=warn",
    ]


def apiserver(
    around: Surroundings, serving: KeyPair, kubelet_client: KeyPair, service_accounts: Path
) -> Command:
    return [
        binary("controlplane"),
        "kube-apiserver",
        f"--etcd-servers={around.url('etcd')}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={around.ports['kube-apiserver']}",
        f"--cert-dir={around.data('kube-apiserver')}",
        f"--tls-cert-file={serving.certificate}",
        f"--tls-private-key-file={serving.key}",
        f"--client-ca-file={around.authority}",
        f"--service-account-key-file={service_accounts}",
        f"--service-account-signing-key-file={service_accounts}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--kubelet-client-certificate={kubelet_client.certificate}",
        f"--kubelet-client-key={kubelet_client.key}",
        f"--kubelet-certificate-authority={around.authority}",
        "--kubelet-preferred-address-types=InternalIP",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        # It would mark a new node not-ready until the node controller has looked: seconds for nothing.
        "--disable-admission-plugins=TaintNodesByCondition",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--endpoint-reconciler-type=none",
        "--profiling=false",
    ]


def controller_manager(around: Surroundings, kubeconfig: Path, service_accounts: Path) -> Command:
    return [
        binary("controlplane"),
        "kube-controller-manager",
        f"--kubeconfig={kubeconfig}",
        f"--root-ca-file={around.authority}",
        f"--service-account-private-key-file={service_accounts}",
        "--bind-address=127.0.0.1",
        f"--secure-port={around.ports['kube-controller-manager']}",
        f"--cert-dir={around.data('kube-controller-manager')}",
        "--authentication-skip-lookup",
        "--leader-elect=false",
        "--profiling=false",
    ]


def scheduler(around: Surroundings, kubeconfig: Path, serving: KeyPair) -> Command:
    return [
        binary("controlplane"),
        "kube-scheduler",
        f"--kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        f"--secure-port={around.ports['kube-scheduler']}",
        f"--tls-cert-file={serving.certificate}",
        f"--tls-private-key-file={serving.key}",
        "--authentication-skip-lookup",
        "--leader-elect=false",
        "--profiling=false",
    ]


def played_kubelet(around: Surroundings, identity: KeyPair, node: str, speed: float) -> Command:
    return [
        sys.executable,
        "-m",
        f"{__package__}.kubelet",
        f"--server={around.url('kube-apiserver', 'https')}",
        f"--authority={around.authority}",
        f"--certificate={identity.certificate}",
        f"--key={identity.key}",
        f"--node={node}",
        f"--port={around.ports['kubelet']}",
        f"--speed={speed:g}",
    ]


def played_kubelet_environ() -> dict[str, str]:
    """Makes our own package importable, wherever the kubelet starts."""
    root = Path(__file__).resolve().parents[len(__package__.split("."))]
    return {
        "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def registry(around: Surroundings) -> Command:
    configuration = around.folder / "registry.yml"
    configuration.write_text(
        "version: 0.1\n"
        "log: {level: warn, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: '{around.data('registry')}'}}, delete: {{enabled: true}}}}\n"
        f"http: {{addr: '{around.address('registry')}'}}\n"
    )
    return [binary("registry"), "serve", configuration]


REGISTRY_ENVIRON = {"OTEL_TRACES_EXPORTER": "none", **_OFFLINE}


def source_controller(around: Surroundings) -> Command:
    return [
        binary("source-controller"),
        *_controller(around, "source-controller"),
        f"--storage-path={around.data('source-controller')}",
        f"--storage-addr={around.address('source-storage')}",
        f"--storage-adv-addr={around.address('source-storage')}",
    ]


def source_watcher(around: Surroundings, kubeconfig: Path) -> Command:
    return [
        binary("source-watcher"),
        *_controller(around, "source-watcher"),
        f"--storage-path={around.data('source-watcher')}",
        f"--storage-addr={around.address('watcher-storage')}",
        f"--storage-adv-addr={around.address('watcher-storage')}",
    ]


def helm_controller(around: Surroundings, kubeconfig: Path) -> Command:
    return [binary("helm-controller"), *_controller(around, "helm-controller"), "--requeue-dependency=2s"]


def flagger(around: Surroundings, kubeconfig: Path) -> Command:
    """Without a mesh: blue/green by Kubernetes' own Services. Its metrics and health are all that it serves, on every address."""
    return [
        binary("flagger"),
        f"-kubeconfig={kubeconfig}",
        "-mesh-provider=kubernetes",
        "-metrics-server=http://127.0.0.1:1",
        f"-port={around.ports['flagger-health']}",
        "-control-loop-interval=1s",
        "-log-level=info",
    ]


def argo_rollouts(around: Surroundings, kubeconfig: Path) -> Command:
    """Metrics and health are all that it serves, on every address."""
    return [
        binary("argo-rollouts"),
        f"--kubeconfig={kubeconfig}",
        "--leader-elect=false",
        f"--metricsPort={around.ports['argo-rollouts-metrics']}",
        f"--healthzPort={around.ports['argo-rollouts-health']}",
    ]


@dataclass(frozen=True)
class Controller:
    """One that a stack starts where it is asked to: its command line, and where it says that it is ready."""

    command: Callable[[Surroundings, Path], Command]
    ready: str = "readyz"


MORE: Mapping[str, Controller] = {
    "source-watcher": Controller(source_watcher),
    "helm-controller": Controller(helm_controller),
    "flagger": Controller(flagger, "healthz"),
    "argo-rollouts": Controller(argo_rollouts, "healthz"),
}


def kustomize_controller(around: Surroundings, options: Sequence[str], *, notifies: bool) -> Command:
    """With `notifies` it tells notification-controller of its events."""
    events = f"{around.url('events')}/" if notifies else ""
    return [binary("kustomize-controller"), *_controller(around, "kustomize-controller", events), *options]


def notification_controller(around: Surroundings) -> Command:
    return [
        binary("notification-controller"),
        *_controller(around, "notification-controller", around.address("events")),
        f"--receiverAddr={around.address('receiver')}",
        # An event that repeats within five minutes is dropped; tests deploy the same site again and again.
        "--rate-limit-interval=1s",
    ]


def controller_environ(around: Surroundings, part: str, kubeconfig: Path) -> dict[str, str]:
    """What Flux's controllers read from the environment. Their working files lie below the stack's folder."""
    scratch = around.data(f"{part}-tmp")
    return {
        "RUNTIME_NAMESPACE": "flux-system",
        "KUBECONFIG": str(kubeconfig),
        "TMPDIR": str(scratch),
        **_OFFLINE,
    }


def _controller(around: Surroundings, part: str, events: str = "") -> list[str]:
    return [
        f"--metrics-addr={around.address(f'{part}-metrics')}",
        f"--health-addr={around.address(f'{part}-health')}",
        "--enable-leader-election=false",
        "--watch-all-namespaces=true",
        "--log-level=info",
        f"--events-addr={events}",
    ]
