"""The demo's own steps, without the command that it shows."""

import os
import shutil
from pathlib import Path

import pytest

from bumper.errors import UsageError
from bumper_sandbox.demo import TREE, Demo
from bumper_sandbox.stack import Stack


def test_what_flux_cannot_apply_ends_the_demo_at_once_with_flux_words(tmp_path: Path) -> None:
    tree = tmp_path / "k8s"
    shutil.copytree(TREE, tree)
    (tree / "shop-example" / "namespace.yaml").unlink()
    lines: list[str] = []
    with Stack(tree, os.environ) as stack, pytest.raises(UsageError) as refused:
        Demo(stack, lines.append, lambda command: pytest.fail(f"{command} was run")).play()
    assert "Kustomization flux-system/shop-example: ReconciliationFailed: " in refused.value.message
    assert 'namespaces "shop-example" not found' in refused.value.message


def test_what_stays_unready_is_named_at_the_deadline(tmp_path: Path) -> None:
    tree = tmp_path / "k8s"
    shutil.copytree(TREE, tree)
    seconds = iter(range(0, 10_000, 30))
    with Stack(tree, os.environ) as stack:
        stack.not_replicated.add("4be21c7")
        demo = Demo(stack, lambda line: None, lambda command: 0, now=lambda: float(next(seconds)))
        with pytest.raises(UsageError) as refused:
            demo.play()
    assert "still so after 60 s" in refused.value.message
    assert "Kustomization flux-system/shop-example" in refused.value.message
