"""Flux's own manifest for this tree (`gotk-components.yaml`), which nobody commits here: as `flux install --export` prints it.

    PYTHONPATH=tests python -m e2e.components > k8s/flux-system/gotk-components.yaml

By the program `flux` where there is one on the PATH, whatever version that is, else from the Go modules of the version that the
end-to-end tests run. The first lines say which. Standard library only, as build.py.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from . import build

CONTROLLERS = ("source-controller", "kustomize-controller", "helm-controller")
# The platform's document names this one; its own modules are not served by the Go proxy.
DOCUMENTED = "v2.8.1"
_PROGRAM = build.Program("components", ".", module=build.OWN_MODULES / "components")
_PUBLISHED = re.compile(
    r"- https://(github\.com/fluxcd/[\w-]+)/releases/download/(v[\d.]+)/[\w-]+\.(crds|deployment)\.yaml"
)
_FOLDERS = {"crds": "crd", "deployment": "manager"}


def manifest(controllers: Sequence[str] = CONTROLLERS) -> str:
    """The manifest, under a comment that says where it comes from."""
    flux = shutil.which("flux")
    return _by_program(flux, controllers) if flux else from_modules(controllers)


def _by_program(flux: str, controllers: Sequence[str]) -> str:
    command = [flux, "install", "--export", f"--components={','.join(controllers)}"]
    made = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    version = re.search(r"# Flux Version: (\S+)", made)
    return _headed(f"the program {flux}", version[1] if version else "of no known version", made)


def from_modules(controllers: Sequence[str] = CONTROLLERS) -> str:
    """The same from the Go modules of Flux and of its controllers, without the program."""
    build.build([_PROGRAM])
    with tempfile.TemporaryDirectory(prefix="flux-manifests-") as folder:
        manifests = Path(folder, "manifests")
        shutil.copytree(
            _module("github.com/fluxcd/flux2/v2", build.FLUX) / "manifests",
            manifests,
            copy_function=shutil.copyfile,
        )
        for controller in controllers:
            _bring_what_is_published(manifests / "bases" / controller)
        command = [str(_PROGRAM.binary), build.FLUX, str(manifests), *controllers]
        made = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return _headed("Flux's Go modules", build.FLUX, made)


def _headed(origin: str, version: str, made: str) -> str:
    note = "" if version == DOCUMENTED else f"; the platform's document names {DOCUMENTED}"
    return f"# Made from {origin}: Flux {version}{note}.\n{made}"


def _bring_what_is_published(base: Path) -> None:
    """Puts the folders that a controller's release was made of in the place of the addresses where it lies."""
    listing = base / "kustomization.yaml"

    def local(published: re.Match[str]) -> str:
        name = _FOLDERS[published[3]]
        source = _module(published[1], published[2]) / "config" / name
        shutil.copytree(source, base / name, copy_function=shutil.copyfile)
        return f"- {name}"

    base.chmod(0o755)  # a copy of the module cache is as read-only as that
    text = _PUBLISHED.sub(local, listing.read_text())
    listing.unlink()
    listing.write_text(text)


def _module(name: str, version: str) -> Path:
    """The folder of a Go module, downloaded where it is not there."""
    answer = subprocess.run(
        ["go", "mod", "download", "-json", f"{name}@{version}"],
        cwd=_PROGRAM.module,
        env=build.go_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        raise build.BuildError(f"{name}@{version}: {answer.stdout.strip() or answer.stderr.strip()}")
    return Path(json.loads(answer.stdout)["Dir"])


if __name__ == "__main__":
    try:
        sys.stdout.write(manifest())
    except (build.BuildError, subprocess.CalledProcessError) as error:
        sys.exit(f"components: {getattr(error, 'stderr', None) or error}")
