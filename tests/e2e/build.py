"""Builds the programs that the end-to-end tests start, once, into a cache outside the checkout.

    python tests/e2e/build.py            what the stack needs
    python tests/e2e/build.py --all      also the controllers of `make e2e-all`
    python tests/e2e/build.py --peers    also the programs that bump is compared with
    python tests/e2e/build.py --images   only what the tests' images hold
    python tests/e2e/build.py --where    only print where each of them lies

Each program has a folder of its own in the cache, keyed by what it is built from: the go.mod, go.sum and .go files of its Go module
and its entry in this file's tables. So a program that is added builds no other one anew. A program that would lift the dependencies
of others stands in a Go module of its own, beside `go`. A program counts as built only under its final name, which it gets by a rename
after a build that ended well. Standard library only: it runs before any virtual environment is there.
"""

import argparse
import contextlib
import fcntl
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# The module that Kubernetes and Flux share.
GO_MODULE = Path(__file__).parent / "go"
# Where those lie that one program, or a few, have for themselves.
OWN_MODULES = Path(__file__).parent / "modules"
RUNTIME = OWN_MODULES / "containerd"
_HEARTBEAT_S = 30.0
_NICENESS = 10
_KEPT_S = 30 * 24 * 3600


def pins(module: Path = GO_MODULE) -> dict[str, str]:
    """Module → version, as the go.mod of one of our own modules requires them."""
    rows = [line.split() for line in (module / "go.mod").read_text().splitlines() if line.startswith("\t")]
    return {row[0]: row[1] for row in rows if row[1] != "=>"}


KUBERNETES = pins()["k8s.io/kubernetes"]
FLUX = pins()["github.com/fluxcd/flux2/v2"]


class BuildError(Exception):
    """A program could not be built: the message says which and what to do."""


@dataclass(frozen=True)
class Program:
    """One program: `package` is what `go build` takes, `stamps` are variables set by the linker (name, value).

    `module` is the folder of the Go module that pins what it is built from. `prepare` makes ready what the module lacks, in the
    program's folder, and returns further arguments of `go build`.
    """

    name: str
    package: str
    stamps: tuple[tuple[str, str], ...] = ()
    prepare: Callable[[Path], list[str]] = lambda folder: []
    module: Path = GO_MODULE

    @property
    def folder(self) -> Path:
        """Where it lies once it is built, beside the log of its build."""
        return cache_root() / "programs" / f"{self.name}-{self.key}"

    @property
    def binary(self) -> Path:
        return self.folder / self.name

    @property
    def key(self) -> str:
        """Another one for another pin, another source or another way to build it."""
        entry = (self.name, self.package, self.stamps)
        return hashlib.sha256(_sources(self.module) + repr(entry).encode()).hexdigest()[:16]


@functools.cache
def _sources(module: Path) -> bytes:
    files = [module / "go.mod", module / "go.sum", *sorted(module.glob("*.go"))]
    return b"".join(file.read_bytes() for file in files if file.is_file())


_KUBERNETES_STAMPS = tuple(
    (f"k8s.io/component-base/version.{field}", value)
    for field, value in (
        ("gitVersion", KUBERNETES),
        ("gitMajor", KUBERNETES.removeprefix("v").split(".")[0]),
        ("gitMinor", KUBERNETES.split(".")[1]),
    )
)


def _complete_flux(folder: Path) -> list[str]:
    """Flux's module lacks the manifests that its command embeds: they are made from its own sources, in a copy.

    Only those that lie in the module: `flux install` would miss the controllers' own, everything else works.
    """
    answer = subprocess.run(
        ["go", "mod", "download", "-json", "github.com/fluxcd/flux2/v2"],
        cwd=GO_MODULE,
        env=go_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    source, copy = Path(json.loads(answer.stdout)["Dir"]), folder / "flux2"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(source, copy, copy_function=shutil.copyfile)
    command = copy / "cmd" / "flux"
    command.chmod(0o755)  # the module cache is read-only, and so is a copy of it
    (command / "manifests").mkdir()
    for name in ("rbac", "policies"):
        manifest = subprocess.run(
            [binary("kustomize"), "build", source / "manifests" / name], capture_output=True, check=True
        )
        (command / "manifests" / f"{name}.yaml").write_bytes(manifest.stdout)
    module = folder / "flux.mod"
    module.write_text(f"{(GO_MODULE / 'go.mod').read_text()}\nreplace github.com/fluxcd/flux2/v2 => {copy}\n")
    shutil.copyfile(GO_MODULE / "go.sum", module.with_suffix(".sum"))
    return [f"-modfile={module}"]


# What all images of the tests hold.
CONTAINER = Program("container", ".", module=Path(__file__).parent / "container")
STACK = (
    Program("controlplane", ".", _KUBERNETES_STAMPS),
    Program("source-controller", "github.com/fluxcd/source-controller"),
    Program("kustomize-controller", "github.com/fluxcd/kustomize-controller"),
    Program("notification-controller", "github.com/fluxcd/notification-controller"),
    Program("registry", "github.com/distribution/distribution/v3/cmd/registry"),
    CONTAINER,
)
# What a real node is made of, beside runc, which is the machine's own: seccomp is C.
NODE = (
    Program("kubelet", "k8s.io/kubernetes/cmd/kubelet", _KUBERNETES_STAMPS),
    Program("containerd", "github.com/containerd/containerd/v2/cmd/containerd", module=RUNTIME),
    Program(
        "containerd-shim-runc-v2",
        "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
        module=RUNTIME,
    ),
    Program("bridge", "github.com/containernetworking/plugins/plugins/main/bridge", module=RUNTIME),
    Program("host-local", "github.com/containernetworking/plugins/plugins/ipam/host-local", module=RUNTIME),
    Program("loopback", "github.com/containernetworking/plugins/plugins/main/loopback", module=RUNTIME),
)
PEERS = (
    Program("kubectl", "k8s.io/kubernetes/cmd/kubectl", _KUBERNETES_STAMPS),
    Program("kustomize", "sigs.k8s.io/kustomize/kustomize/v5"),
    Program(
        "flux",
        "github.com/fluxcd/flux2/v2/cmd/flux",
        (("main.VERSION", FLUX.removeprefix("v")),),
        _complete_flux,
    ),
    Program("yq", "github.com/mikefarah/yq/v4"),
    Program("act", "github.com/nektos/act"),
)
# What some tests start beside the stack. Each has a Go module of its own: its dependencies are none of the others'.
MORE = tuple(
    Program(name, package, module=OWN_MODULES / name)
    for name, package in (
        ("source-watcher", "github.com/fluxcd/source-watcher/v2/cmd"),
        ("helm-controller", "github.com/fluxcd/helm-controller"),
        ("flagger", "github.com/fluxcd/flagger/cmd/flagger"),
        ("argo-rollouts", "github.com/argoproj/argo-rollouts/cmd/rollouts-controller"),
    )
)
PROGRAMS = (*STACK, *NODE, *MORE, *PEERS)


def needed() -> tuple[Program, ...]:
    """What a stack on this machine starts: a real node only where one can run."""
    is_for_a_node = sys.platform == "linux" and os.geteuid() == 0 and shutil.which("runc") is not None
    return (*STACK, *NODE) if is_for_a_node else STACK


def cache_root() -> Path:
    """The folder of all cached builds: `BUMP_E2E_CACHE`, else `bump-e2e` in the user's cache folder."""
    chosen = os.environ.get("BUMP_E2E_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bump-e2e"


def binary(name: str) -> Path:
    """Where the program of that name lies once it is built."""
    return next(program for program in PROGRAMS if program.name == name).binary


def missing(programs: Sequence[Program]) -> list[Program]:
    """Those of the programs that are not built yet."""
    return [program for program in programs if not program.binary.is_file()]


def build(programs: Sequence[Program]) -> None:
    """Builds what is missing, one after the other; two runs at once wait for each other."""
    _forget_old(programs)
    if not missing(programs):
        return
    with _only_one():
        todo = missing(programs)
        for module in {program.module for program in todo}:
            require_go(module)
        for number, program in enumerate(todo, start=1):
            _build_one(program, f"[{number}/{len(todo)}] {program.name}")


def require_go(module: Path = GO_MODULE) -> None:
    """Raises BuildError where there is no Go, or one that is older than the module's go.mod asks for."""
    wanted = next(
        line.split()[1] for line in (module / "go.mod").read_text().splitlines() if line.startswith("go ")
    )
    if shutil.which("go") is None:
        raise BuildError(
            f"there is no `go` on the PATH: the end-to-end tests build their cluster with Go {wanted} or newer"
        )
    # Asked inside the module, `go` itself compares its version with go.mod, and fetches a newer one where it may.
    answer = subprocess.run(
        ["go", "env", "GOVERSION"], cwd=module, capture_output=True, text=True, check=False
    )
    if answer.returncode != 0:
        raise BuildError(f"Go {wanted} or newer is needed: {answer.stderr.strip()}")


def go_environment() -> dict[str, str]:
    """Static programs, the pins of go.sum and nothing else; two compilers at once, as much as two cores bear."""
    return {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOFLAGS": f"-mod=readonly -trimpath -buildvcs=false -p={min(os.cpu_count() or 1, 8)}",
    }


def _build_one(program: Program, title: str) -> None:
    target = program.binary
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    log = target.with_suffix(".log")
    stamps = "".join(f" -X {name}={value}" for name, value in program.stamps)
    command = [
        "go",
        "build",
        *program.prepare(target.parent),
        "-ldflags",
        f"-s -w{stamps}",
        "-o",
        str(partial),
        program.package,
    ]
    started = time.monotonic()
    _say(f"{title}: building {program.package}")
    with log.open("w") as output:
        process = subprocess.Popen(
            _letting_others_go_first(command),
            cwd=program.module,
            env=go_environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_HEARTBEAT_S)
                    continue
                _say(f"{title}: {time.monotonic() - started:.0f} s")
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if process.returncode != 0:
        partial.unlink(missing_ok=True)
        last_lines = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise BuildError(
            f"{program.package} did not build (exit code {process.returncode}, {log}):\n{last_lines}"
        )
    partial.replace(target)
    _say(f"{title}: {time.monotonic() - started:.1f} s, {target.stat().st_size / 1e6:.1f} MB")


def _letting_others_go_first(command: list[str]) -> list[str]:
    """A build of minutes must not make the machine unusable; started by a `nice` already, it is made no nicer, or it starves."""
    nice, more = shutil.which("nice"), _NICENESS - os.nice(0)
    return [nice, "-n", str(more), *command] if nice and more > 0 else command


def _forget_old(programs: Sequence[Program]) -> None:
    """Marks these programs as used, and removes what nobody has used for a month."""
    for program in programs:
        if program.binary.is_file():
            os.utime(program.folder)
    # The folders beside `programs` with a hash as their name are those of an earlier layout.
    earlier = [entry for entry in cache_root().glob("*") if re.fullmatch("[0-9a-f]{16}", entry.name)]
    kept = [entry for kind in ("programs", "definitions") for entry in (cache_root() / kind).glob("*")]
    for folder in (*kept, *earlier):
        if time.time() - folder.stat().st_mtime > _KEPT_S:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _only_one() -> Iterator[None]:
    cache_root().mkdir(parents=True, exist_ok=True)
    with (cache_root() / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another build is running: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _say(line: str) -> None:
    print(f"e2e: {line}", file=sys.stderr, flush=True)  # noqa: T201


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--all", action="store_true", help="also what `make e2e-all` starts beside the stack")
    parser.add_argument("--peers", action="store_true", help="also the programs that bump is compared with")
    parser.add_argument("--images", action="store_true", help="only what the tests' images hold")
    parser.add_argument("--where", action="store_true", help="only print where each program lies")
    options = parser.parse_args(arguments)
    more = (*(MORE if options.all else ()), *(PEERS if options.peers else ()))
    programs = (CONTAINER,) if options.images else (*needed(), *more)
    if options.where:
        print(*(program.binary for program in programs), sep="\n")  # noqa: T201
        return 0
    started = time.monotonic()
    try:
        build(programs)
    except BuildError as error:
        _say(f"error: {error}")
        return 1
    _say(f"{len(programs)} programs in {cache_root()} ({time.monotonic() - started:.1f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
