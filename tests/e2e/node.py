"""A real node: kubelet, containerd and runc on this machine, for one stack. Needs Linux and root; `obstacle` says what is missing.

containerd, kubelet and all containers live in namespaces of mounts and processes that end with their first process, however that ends:
no mount, shim or container outlives them. What the kernel keeps beyond it, a bridge and empty control groups, bears the stack's name
(`node_traces`), and is removed by the stack, by its warden, or by the next stack.
"""

import functools
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .build import KUBERNETES, NODE, RUNTIME, binary, missing, pins
from .certificates import KeyPair
from .node_traces import create_bridge, create_group
from .parts import Command, Surroundings

_INIT = Path(__file__).parent / "node_init.py"
SANDBOX_IMAGE = "sandbox:1"
_PODS = 250
_PROBE = "mkdir /sys/fs/cgroup/{0}bump-e2e-probe && rmdir /sys/fs/cgroup/{0}bump-e2e-probe && mount -t tmpfs none /mnt && \
cd /mnt && mkdir lower upper work merged && mount -t overlay none -o lowerdir=lower,upperdir=upper,workdir=work merged"


@functools.cache
def obstacle() -> str:
    """Why no real node can run here; empty where one can."""
    if sys.platform != "linux":
        return "this is not Linux"
    if os.geteuid() != 0:
        return "it needs root"
    if shutil.which("runc") is None:
        return "there is no runc (on Debian: apt-get install --no-install-recommends runc)"
    if absent := [program.name for program in missing(NODE)]:
        return f"not built: {', '.join(absent)}"
    if not Path("/dev/kmsg").exists():
        return "there is no /dev/kmsg"
    script = _PROBE.format("" if _is_unified() else "memory/")
    command = ["unshare", "--mount", "--pid", "--net", "--fork", "--mount-proc", "sh", "-ec", script]
    try:
        tried = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return tried.stderr.strip() if tried.returncode != 0 else ""


def version() -> str:
    """What a real node here is made of."""
    runc = subprocess.run(["runc", "--version"], capture_output=True, text=True, check=True).stdout.split()[2]
    containerd = pins(RUNTIME)["github.com/containerd/containerd/v2"]
    return f"kubelet {KUBERNETES}, containerd {containerd}, runc {runc}"


def _is_unified() -> bool:
    return Path("/sys/fs/cgroup/cgroup.controllers").exists()


@dataclass(frozen=True)
class RealNode:
    """The files and command lines of one node. `name` is that of its bridge and its control groups, `subnet` its pods' first bytes."""

    around: Surroundings
    name: str
    subnet: str

    @property
    def address(self) -> str:
        """The node's own address, on its bridge: it is there as long as the stack is, and nobody else reaches it."""
        return f"{self.subnet}.1"

    def prepare(self, registry: str) -> None:
        """Makes bridge and control groups, and writes all configuration; `registry` is served by plain HTTP."""
        create_bridge(self.name, self.address)
        create_group(self.name)
        for part in ("containerd", "cni", "certs.d", "pods"):
            self.around.data(part)
        hosts = self.around.data("certs.d") / registry
        hosts.mkdir()
        (hosts / "hosts.toml").write_text(f'server = "http://{registry}"\n')
        (self.around.folder / "resolv.conf").write_text(f"nameserver {self.address}\n")
        (self.around.folder / "containerd.toml").write_text(self._containerd(registry))
        self._write_network()

    def runtime(self) -> Command:
        """containerd, as the second process of namespaces that end with the first."""
        unshare = [
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "--propagation",
            "private",
        ]
        init = [sys.executable, "-I", "-S", str(_INIT), str(self.around.folder)]
        return [*unshare, *init, str(binary("containerd")), "-c", str(self.around.folder / "containerd.toml")]

    def kubelet(self, unshare_pid: int, kubeconfig: Path, serving: KeyPair, node: str) -> Command:
        """The kubelet, in the namespaces that the process `unshare_pid` has made."""
        configuration = self.around.folder / "kubelet.yaml"
        configuration.write_text(json.dumps(self._kubelet(serving)))
        inside = Path(f"/proc/{unshare_pid}/task/{unshare_pid}/children").read_text().split()[0]
        return [
            *("nsenter", "--target", inside, "--mount", "--pid", "--"),
            binary("kubelet"),
            f"--kubeconfig={kubeconfig}",
            f"--config={configuration}",
            f"--root-dir={self.around.data('kubelet')}",
            f"--cert-dir={self.around.data('kubelet')}",
            f"--hostname-override={node}",
            f"--node-ip={self.address}",
        ]

    def _write_network(self) -> None:
        programs = self.around.data("cni") / "bin"
        programs.mkdir()
        for name in ("bridge", "host-local", "loopback"):
            (programs / name).symlink_to(binary(name))
        addresses = {
            "type": "host-local",
            "ranges": [[{"subnet": f"{self.subnet}.0/24", "gateway": self.address}]],
            "dataDir": str(self.around.data("cni") / "addresses"),
        }
        bridge = {
            "type": "bridge",
            "bridge": self.name,
            "isGateway": True,
            "ipMasq": False,
            "ipam": addresses,
        }
        network = {"cniVersion": "1.0.0", "name": self.name, "plugins": [bridge]}
        (self.around.data("cni") / "net").mkdir()
        (self.around.data("cni") / "net" / "10-bridge.conflist").write_text(json.dumps(network))

    def _containerd(self, registry: str) -> str:
        folder, cni = self.around.data("containerd"), self.around.data("cni")
        return f"""\
version = 3
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.internal.v1.opt"]
[grpc]
  address = "{folder}/socket"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "{registry}/{SANDBOX_IMAGE}"
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = "{self.around.data("certs.d")}"
[plugins."io.containerd.cri.v1.runtime"]
  disable_apparmor = true
  # Where a negative oom_score_adj is forbidden, no sandbox would start.
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["{cni}/bin"]
    conf_dir = "{cni}/net"
  [plugins."io.containerd.cri.v1.runtime".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      runtime_path = "{binary("containerd-shim-runc-v2")}"
      [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
        BinaryName = "{shutil.which("runc")}"
        SystemdCgroup = false
"""

    def _kubelet(self, serving: KeyPair) -> dict[str, object]:
        folder = self.around.folder
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": self.address,
            "port": self.around.ports["kubelet"],
            "healthzPort": 0,
            "tlsCertFile": str(serving.certificate),
            "tlsPrivateKeyFile": str(serving.key),
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": False},
                "x509": {"clientCAFile": str(self.around.authority)},
            },
            "authorization": {"mode": "AlwaysAllow"},
            "containerRuntimeEndpoint": f"unix://{folder}/containerd/socket",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self.name}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "enforceNodeAllocatable": [],
            "makeIPTablesUtilChains": False,
            "localStorageCapacityIsolation": False,
            "oomScoreAdj": 0,
            "maxPods": _PODS,
            "podLogsDir": str(folder / "pods"),
            "resolvConf": str(folder / "resolv.conf"),
            "evictionHard": {"memory.available": "1Mi"},
            "imageGCHighThresholdPercent": 100,
            "serializeImagePulls": False,
            "registryPullQPS": 0,
            "eventRecordQPS": 0,
            "kubeAPIQPS": 500,
            "kubeAPIBurst": 1000,
        }


class NoNames:
    """A name server that knows no name: so that none is asked of the outside world. Runs as a context manager."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 53))
        self._thread = threading.Thread(target=self._answer, name="names", daemon=True)

    def __enter__(self) -> "NoNames":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # A socket that a thread waits at is not closed before it wakes, and its address stays taken.
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _answer(self) -> None:
        while True:
            query, asker = self._socket.recvfrom(4096)
            if not query:
                return
            # A response to the same question, recursion available, no such name (RFC 1035, section 4.1.1).
            with suppress(OSError):  # who asked is gone
                self._socket.sendto(query[:2] + b"\x81\x83" + query[4:6] + bytes(6) + query[12:], asker)
