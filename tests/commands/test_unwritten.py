"""A Kustomization that no file of the repository holds, as a person makes it: deployed and followed in the sandbox."""

import os
from collections.abc import Iterator
from pathlib import Path

import commandline
import pytest
from commandline import Ran
from onboarding.platforms import workload
from trees import sync

from bumper_sandbox.stack import Stack

HOST = "acme.azurecr.io"  # the sandbox puts its own registry in its place
LIVE = {
    "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
    "kind": "Kustomization",
    "metadata": {"name": "web", "namespace": "flux-system"},
    "spec": {
        "interval": "1m",
        "path": "./fleet/apps/web",
        "prune": True,
        "sourceRef": {"kind": "GitRepository", "name": "flux-system"},
    },
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    root = tmp_path_factory.mktemp("fleet") / "fleet"
    files = {
        "prod/flux-system/gotk-sync.yaml": sync("./fleet/prod"),
        "apps/web/web.yaml": workload("web", image=f"{HOST}/web:0000001"),
    }
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    with Stack(root, dict(os.environ), speed=20.0) as running:
        for month, tag in enumerate(("0000001", "abc0002", "abc0003"), 1):
            running.registry.push("web", tag, created=f"2026-0{month}-01T00:00:00Z")
        running.bootstrap()
        running.cluster.add(LIVE)
        yield running


def bump(stack: Stack, cwd: Path, *arguments: str) -> Ran:
    return commandline.bump(*arguments, "--repo", stack.url, environ=stack.child_environ(), cwd=cwd)


def test_it_is_followed_to_the_end_and_has_one_history_however_it_is_named(
    fleet: Stack, tmp_path: Path
) -> None:
    first = bump(fleet, tmp_path, "--site", "web", "--sha", "abc0002", "--timeout", "40s")
    assert first.code == 0, first.stderr
    assert "no file of this repository holds Kustomization web" in first.stderr + first.stdout
    assert "Ready" in first.stdout
    second = bump(
        fleet, tmp_path, "--site", "web", "--path", "fleet/apps/web", "--sha", "abc0003", "--no-wait"
    )
    assert second.code == 0, second.stderr
    history = bump(fleet, tmp_path, "history", "--site", "web")
    assert "abc0003" in history.stdout
    assert "abc0002" in history.stdout
    shown = bump(fleet, tmp_path, "status", "--site", "web")
    assert shown.code == 0, shown.stderr
    assert "abc0003" in shown.stdout
    back = bump(fleet, tmp_path, "rollback", "--site", "web", "--reason", "slow", "--timeout", "40s")
    assert back.code == 0, back.stderr
    assert "abc0002" in back.stdout + back.stderr
    held = bump(
        fleet,
        tmp_path,
        "hold",
        "--site",
        "web",
        "--kustomization",
        "fleet/apps/web#flux-system/web",
        "--reason",
        "x",
    )
    assert held.code == 4, held.stdout
    assert "no file of this repository holds Kustomization web" in held.stderr
