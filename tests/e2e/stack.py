"""One cluster on loopback, started in seconds and gone without a trace.

The control plane, Flux's controllers, a node, a registry and a git server.

    PYTHONPATH=tests python -m e2e.stack --serve     prints its settings, as lines for a shell, and runs until Ctrl-C
"""

import argparse
import contextlib
import os
import secrets
import shutil
import signal
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from bumper_sandbox.git.server import GitServer

from . import crds, node, node_traces, parts
from .access import ADMINISTRATORS, Access
from .api import Object, tls_context
from .images import ImagePusher
from .ports import PortBlock, is_in_use
from .processes import Part, Warden

_READY_S = 90.0  # generous: the machine may be building something at the same time
_PORTS = (
    "etcd",
    "etcd-peer",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "registry",
    "source-storage",
    "source-controller-metrics",
    "source-controller-health",
    "kustomize-controller-metrics",
    "kustomize-controller-health",
    "notification-controller-metrics",
    "notification-controller-health",
    "events",
    "receiver",
    "source-watcher-metrics",
    "source-watcher-health",
    "watcher-storage",
    "helm-controller-metrics",
    "helm-controller-health",
    "flagger-health",
    "argo-rollouts-metrics",
    "argo-rollouts-health",
)
FLUX_NAMESPACE = "flux-system"


@dataclass(frozen=True)
class Options:
    """With `played_node` no container runs, whether or not this machine can run one; `kubelet_speed` then divides all waits of the
    node (probes, back-offs). `kustomize_controller` are further arguments of that controller; with `notifications` Flux's
    notification-controller runs too, and so do the controllers named in `more`."""

    played_node: bool = False
    kubelet_speed: float = 5.0
    kustomize_controller: tuple[str, ...] = ("--requeue-dependency=2s",)
    notifications: bool = False
    more: tuple[str, ...] = ()


class Stack:
    """A running cluster: `api` speaks as its administrator, `git` and `images` are where its platform comes from.

    Everything lies in `folder`, the log of each part as `<part>.log`; it is removed by `stop`, and by the warden when we are
    killed. `keep` is where copies of the logs stay.
    """

    def __init__(self, options: Options | None = None, *, keep: Path | None = None) -> None:
        self.options = options or Options()
        self.keep = keep
        self.folder = Path(tempfile.mkdtemp(prefix="bump-e2e-"))
        self.node = "e2e"
        self.node_is_played = self.options.played_node or bool(node.obstacle())
        self.git_token = secrets.token_hex(16)
        self.timings: dict[str, float] = {}
        self._undo = contextlib.ExitStack()
        self._parts: dict[str, Part] = {}

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Returns once every part is ready and every definition is served."""
        started = time.monotonic()
        self._prepare()
        self._start_registry()
        self.images = self._undo.enter_context(contextlib.closing(ImagePusher(self.registry)))
        self._start_api()
        self.timings["api"] = round(time.monotonic() - started, 2)
        self._start_controllers()
        self._start_flux()
        for part in self._parts.values():
            part.wait_ready(_READY_S)
        self.timings["all"] = round(time.monotonic() - started, 2)
        return self

    def stop(self) -> None:
        """Ends every part and removes the folder."""
        for part in reversed(self._parts.values()):
            part.stop()
        self._parts.clear()
        self._undo.close()

    def restart(self, part: str, *, pause_s: float = 0.0) -> None:
        """Stops a part, waits, and starts it again on its port and its data; returns once it is ready."""
        self.halt(part)
        time.sleep(pause_s)
        self.resume(part)

    def halt(self, part: str) -> None:
        """Stops a part and leaves it so. An API server that still drains its watches after a second is killed."""
        self._parts[part].stop()

    def resume(self, part: str) -> None:
        """Starts a part that was stopped; returns once it is ready."""
        self._parts[part].start()
        self._parts[part].wait_ready(_READY_S)

    def restart_kustomize_controller(self, *arguments: str) -> None:
        """Starts it anew with these arguments of its own; returns once it is ready."""
        name = "kustomize-controller"
        self.halt(name)
        self.options = replace(self.options, kustomize_controller=arguments)
        self._start_flux_controller(name, self._flux_controllers()[name])
        self._parts[name].wait_ready(_READY_S)

    def log(self, part: str) -> str:
        """All that the part has printed."""
        return self._parts[part].log.read_text(errors="replace")

    @property
    def registry(self) -> str:
        """The registry as images name it, `127.0.0.1:PORT`."""
        return self._around.address("registry")

    @property
    def receiver(self) -> str:
        """Where Flux's webhooks are, as a URL."""
        return self._around.url("receiver")

    @property
    def names(self) -> tuple[str, ...]:
        """The parts, in the order of their start."""
        return tuple(self._parts)

    @property
    def node_name(self) -> str:
        """What the bridge and the control groups of a real node are called."""
        return f"{node_traces.PREFIX}{self._block.first}"

    def pids(self) -> dict[str, int]:
        """The process of each part that runs."""
        return {name: part.pid for name, part in self._parts.items() if part.pid is not None}

    def account(self, name: str, rules: Iterable[Object]) -> Path:
        """The kubeconfig file of a new service account that may do this and nothing else, in every namespace."""
        return self.access.account(self.api, FLUX_NAMESPACE, name, rules)

    # --- how it is put together

    def _prepare(self) -> None:
        self._undo.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self._warden = self._undo.enter_context(Warden(self.folder))
        if self.keep:
            self._undo.callback(_copy_logs, self.folder, self.keep)
        ports = self._undo.enter_context(contextlib.closing(PortBlock()))
        self._block = ports
        numbers = {name: ports.take() for name in _PORTS}
        self.access = Access(self.folder / "access", f"https://127.0.0.1:{numbers['kube-apiserver']}")
        self._around = parts.Surroundings(self.folder, self.access.authority, numbers)
        self.admin_kubeconfig = self.access.kubeconfig("e2e", ADMINISTRATORS)
        self.api = self._undo.enter_context(self.access.api(self.access.issue("e2e-tests", ADMINISTRATORS)))
        git = GitServer(self.git_token, os.environ)
        self._warden.remove(git.path(""))
        self.git = self._undo.enter_context(git)

    def _start_registry(self) -> None:
        ready = partial(_answers, f"{self._around.url('registry')}/v2/")
        self._start("registry", parts.registry(self._around), ready, parts.REGISTRY_ENVIRON)

    def _start_api(self) -> None:
        """etcd and the API server, with all definitions served: from the copy of an earlier start where there is one."""
        prepared = crds.snapshot()
        if prepared.is_dir():
            shutil.copytree(prepared, self._around.data("etcd"), dirs_exist_ok=True)
        self._start("etcd", parts.etcd(self._around), partial(_answers, f"{self._around.url('etcd')}/health"))
        client = self.access.issue("kube-apiserver-kubelet-client", ADMINISTRATORS)
        serving = self.access.issue("kube-apiserver")
        command = parts.apiserver(self._around, serving, client, self.access.service_account_key)
        self._start("kube-apiserver", command, self.api.healthy)
        self._parts["etcd"].wait_ready(_READY_S)
        self._parts["kube-apiserver"].wait_ready(_READY_S)
        if not prepared.is_dir():
            crds.install(self.api, _READY_S, crds.definitions())
            self.api.create("Namespace", "", {"metadata": {"name": FLUX_NAMESPACE}})
            self.halt("kube-apiserver")
            self.halt("etcd")
            crds.save(self._around.data("etcd"), prepared)
            self.resume("etcd")
            self.resume("kube-apiserver")

    def _start_controllers(self) -> None:
        around, access = self._around, self.access
        # One identity for all of its controllers: with one each it asks for forty tokens before it starts, and gives up if
        # the API server goes away meanwhile.
        manager = access.kubeconfig("system:kube-controller-manager", ADMINISTRATORS)
        command = parts.controller_manager(around, manager, access.service_account_key)
        self._start("kube-controller-manager", command, self._controllers_run)
        scheduler = parts.scheduler(
            around, access.kubeconfig("system:kube-scheduler"), access.issue("kube-scheduler")
        )
        health = f"{around.url('kube-scheduler', 'https')}/healthz"
        self._start("kube-scheduler", scheduler, partial(_answers, health, tls_context(access.authority)))
        if self.node_is_played:
            self._start_played_node()
        else:
            self._start_node()

    def _start_played_node(self) -> None:
        identity = self.access.issue(f"system:node:{self.node}", "system:nodes")
        command = parts.played_kubelet(self._around, identity, self.node, self.options.kubelet_speed)
        self._start("kubelet", command, self._node_is_ready, parts.played_kubelet_environ())

    def _start_node(self) -> None:
        self._remove_left_overs()
        number, name = self._block.number, self.node_name
        # Addresses for benchmarks of networks (RFC 2544), which no machine has by chance: a network of 256 for each stack.
        real = node.RealNode(self._around, name, f"198.{18 + number // 256}.{number % 256}")
        self._undo.callback(node_traces.remove, name)
        self._warden.after([sys.executable, "-I", "-S", node_traces.__file__, name])
        real.prepare(self.registry)
        self._undo.enter_context(node.NoNames(real.address))
        self._start("containerd", real.runtime(), self._containerd_is_up)
        self._parts["containerd"].wait_ready(_READY_S)
        self.images.push_sandbox(node.SANDBOX_IMAGE)
        serving = self.access.issue("kubelet", address=real.address)
        kubeconfig = self.access.kubeconfig(f"system:node:{self.node}", "system:nodes")
        inside = self._parts["containerd"].pid
        assert inside is not None
        self._start("kubelet", real.kubelet(inside, kubeconfig, serving, self.node), self._node_is_ready)

    def _remove_left_overs(self) -> None:
        """What a stack left that was killed together with its warden. Our own block is ours since a moment ago."""
        for name in node_traces.names():
            first = name.removeprefix(node_traces.PREFIX)
            if first == str(self._block.first) or (first.isdecimal() and not is_in_use(int(first))):
                node_traces.remove(name)

    def _containerd_is_up(self) -> bool:
        return "containerd successfully booted" in self.log("containerd")

    def _start_flux(self) -> None:
        for controller, definitions in (("flagger", crds.FLAGGER), ("argo-rollouts", crds.ARGO_ROLLOUTS)):
            if controller in self.options.more:
                crds.install(self.api, _READY_S, crds.read(definitions))
        for name, command in self._flux_controllers().items():
            self._start_flux_controller(name, command)

    def _flux_controllers(self) -> dict[str, parts.Command]:
        around, options = self._around, self.options
        kustomize = parts.kustomize_controller(
            around, options.kustomize_controller, notifies=options.notifications
        )
        controllers = {
            "source-controller": parts.source_controller(around),
            "kustomize-controller": kustomize,
        }
        if options.notifications:
            controllers["notification-controller"] = parts.notification_controller(around)
        more = {name: parts.MORE[name].command(around, self.admin_kubeconfig) for name in options.more}
        return controllers | more

    def _start_flux_controller(self, name: str, command: parts.Command) -> None:
        path = parts.MORE[name].ready if name in parts.MORE else "readyz"
        ready = partial(_answers, f"{self._around.url(f'{name}-health')}/{path}")
        environ = parts.controller_environ(self._around, name, self.admin_kubeconfig)
        self._start(name, command, ready, environ)

    def _start(
        self,
        name: str,
        command: parts.Command,
        ready: Callable[[], bool],
        environ: dict[str, str] | None = None,
    ) -> None:
        log = self.folder / f"{name}.log"
        part = Part(name, command, log=log, warden=self._warden, ready=ready, environ=environ)
        self._parts[name] = part
        part.start()

    def _controllers_run(self) -> bool:
        """Healthy says only that it listens: its work is there once the first account is."""
        with contextlib.suppress(httpx.HTTPError):
            return self.api.find("ServiceAccount", FLUX_NAMESPACE, "default") is not None
        return False

    def _node_is_ready(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            node = self.api.find("Node", "", self.node) or {}
            conditions = (node.get("status") or {}).get("conditions") or []
            return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)
        return False


def _answers(url: str, tls: ssl.SSLContext | bool = True) -> bool:
    try:
        return httpx.get(url, verify=tls, timeout=2.0, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _copy_logs(folder: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for log in folder.glob("*.log"):
        shutil.copy(log, target)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--serve", action="store_true", required=True, help="run until Ctrl-C")
    parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), Stack() as stack:
        for name, value in (
            ("KUBECONFIG", stack.admin_kubeconfig),
            ("E2E_REGISTRY", stack.registry),
        ):
            print(f"export {name}={value}", flush=True)  # noqa: T201
        threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
