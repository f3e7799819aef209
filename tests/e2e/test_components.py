"""The tree of a clone builds once Flux's own manifest is made, and that is what a release of Flux would write."""

import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from .build import FLUX, PROGRAMS, binary, build
from .components import CONTROLLERS, from_modules

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_root_of_the_tree_builds_in_a_clone(tmp_path: Path) -> None:
    build([program for program in PROGRAMS if program.name == "kustomize"])
    made = from_modules()
    assert made.startswith(
        f"# Made from Flux's Go modules: Flux {FLUX}; the platform's document names v2.8.1.\n"
    )
    assert f"# Flux Version: {FLUX}\n# Components: {','.join(CONTROLLERS)}\n" in made
    root = tmp_path / "k8s" / "flux-system"
    shutil.copytree(ROOT / "k8s" / "flux-system", root)
    (root / "gotk-components.yaml").write_text(made)
    built = subprocess.run(
        [binary("kustomize"), "build", root], capture_output=True, text=True, check=True
    ).stdout
    objects = list(YAML(typ="safe").load_all(built))
    deployments = {entry["metadata"]["name"] for entry in objects if entry["kind"] == "Deployment"}
    assert deployments == set(CONTROLLERS)
    definitions = {
        entry["spec"]["names"]["kind"] for entry in objects if entry["kind"] == "CustomResourceDefinition"
    }
    assert {entry["kind"] for entry in objects if ".toolkit." in entry["apiVersion"]} <= definitions
    assert "Kustomization" in definitions
