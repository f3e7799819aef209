"""Builds the programs that the end-to-end tests start, once, into a cache outside the checkout.

    python tests/e2e/build.py            what the stack needs
    python tests/e2e/build.py --peers    also the programs that bump is compared with
    python tests/e2e/build.py --where    only print the folder

The cache is keyed by what is built (go.mod, go.sum, main.go and this file's table): another pin is another folder. A program counts as
built only under its final name, which it gets by a rename after a build that ended well. Standard library only: it runs before
any virtual environment is there.
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

GO_MODULE = Path(__file__).parent / "go"
_HEARTBEAT_S = 30.0
_NICENESS = 10
_KEPT_S = 30 * 24 * 3600


def pins() -> dict[str, str]:
    """Module → version, as go.mod requires them."""
    rows = [line.split() for line in (GO_MODULE / "go.mod").read_text().splitlines() if line.startswith("\t")]
    return {row[0]: row[1] for row in rows if row[1] != "=>"}


KUBERNETES = pins()["k8s.io/kubernetes"]
FLUX = pins()["github.com/fluxcd/flux2/v2"]


class BuildError(Exception):
    """A program could not be built: the message says which and what to do."""


@dataclass(frozen=True)
class Program:
    """One program: `package` is what `go build` takes, `stamps` are variables set by the linker (name, value).

    `prepare` makes ready what the module lacks and returns further arguments of `go build`.
    """

    name: str
    package: str
    stamps: tuple[tuple[str, str], ...] = ()
    prepare: Callable[[], list[str]] = list


_KUBERNETES_STAMPS = tuple(
    (f"k8s.io/component-base/version.{field}", value)
    for field, value in (
        ("gitVersion", KUBERNETES),
        ("gitMajor", KUBERNETES.removeprefix("v").split(".")[0]),
        ("gitMinor", KUBERNETES.split(".")[1]),
    )
)


def _complete_flux() -> list[str]:
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
    source, copy = Path(json.loads(answer.stdout)["Dir"]), build_folder() / "flux2"
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
    module = build_folder() / "flux.mod"
    module.write_text(f"{(GO_MODULE / 'go.mod').read_text()}\nreplace github.com/fluxcd/flux2/v2 => {copy}\n")
    shutil.copyfile(GO_MODULE / "go.sum", module.with_suffix(".sum"))
    return [f"-modfile={module}"]


STACK = (
    Program("controlplane", ".", _KUBERNETES_STAMPS),
    Program("source-controller", "github.com/fluxcd/source-controller"),
    Program("kustomize-controller", "github.com/fluxcd/kustomize-controller"),
    Program("notification-controller", "github.com/fluxcd/notification-controller"),
    Program("registry", "github.com/distribution/distribution/v3/cmd/registry"),
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


def cache_root() -> Path:
    """The folder of all cached builds: `BUMP_E2E_CACHE`, else `bump-e2e` in the user's cache folder."""
    chosen = os.environ.get("BUMP_E2E_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bump-e2e"


@functools.cache
def build_folder() -> Path:
    """The folder of this build: another content of the Go module gives another folder."""
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum", "main.go"):
        digest.update((GO_MODULE / name).read_bytes())
    digest.update(
        repr([(program.name, program.package, program.stamps) for program in (*STACK, *PEERS)]).encode()
    )
    return cache_root() / digest.hexdigest()[:16]


def binary(name: str) -> Path:
    """Where the program lies once it is built."""
    return build_folder() / "bin" / name


def missing(programs: Sequence[Program]) -> list[Program]:
    """Those of the programs that are not built yet."""
    return [program for program in programs if not binary(program.name).is_file()]


def build(programs: Sequence[Program]) -> None:
    """Builds what is missing, one after the other; two runs at once wait for each other."""
    _forget_old()
    if not missing(programs):
        return
    with _only_one():
        todo = missing(programs)
        if todo:
            require_go()
        for number, program in enumerate(todo, start=1):
            _build_one(program, f"[{number}/{len(todo)}] {program.name}")


def require_go() -> None:
    """Raises BuildError where there is no Go, or one that is older than go.mod asks for."""
    wanted = next(
        line.split()[1] for line in (GO_MODULE / "go.mod").read_text().splitlines() if line.startswith("go ")
    )
    if shutil.which("go") is None:
        raise BuildError(
            f"there is no `go` on the PATH: the end-to-end tests build their cluster with Go {wanted} or newer"
        )
    # Asked inside the module, `go` itself compares its version with go.mod, and fetches a newer one where it may.
    answer = subprocess.run(
        ["go", "env", "GOVERSION"], cwd=GO_MODULE, capture_output=True, text=True, check=False
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
    target = binary(program.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    log = target.parent.parent / f"{program.name}.log"
    stamps = " ".join(f"-X {name}={value}" for name, value in program.stamps)
    command = [
        "go",
        "build",
        *program.prepare(),
        "-ldflags",
        f"-s -w {stamps}".rstrip(),
        "-o",
        str(partial),
        program.package,
    ]
    started = time.monotonic()
    _say(f"{title}: building {program.package}")
    with log.open("w") as output:
        process = subprocess.Popen(
            _letting_others_go_first(command),
            cwd=GO_MODULE,
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


def _forget_old() -> None:
    """Marks this build as used, and removes those that nobody has used for a month."""
    build_folder().mkdir(parents=True, exist_ok=True)
    os.utime(build_folder())
    for other in cache_root().iterdir():
        if re.fullmatch("[0-9a-f]{16}", other.name) and time.time() - other.stat().st_mtime > _KEPT_S:
            shutil.rmtree(other, ignore_errors=True)


@contextlib.contextmanager
def _only_one() -> Iterator[None]:
    folder = build_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
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
    parser.add_argument("--peers", action="store_true", help="also the programs that bump is compared with")
    parser.add_argument("--where", action="store_true", help="only print the folder of the programs")
    options = parser.parse_args(arguments)
    if options.where:
        print(build_folder() / "bin")  # noqa: T201
        return 0
    programs = (*STACK, *PEERS) if options.peers else STACK
    started = time.monotonic()
    try:
        build(programs)
    except BuildError as error:
        _say(f"error: {error}")
        return 1
    _say(f"{len(programs)} programs in {build_folder() / 'bin'} ({time.monotonic() - started:.1f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
