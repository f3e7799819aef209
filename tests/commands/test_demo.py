"""The demo as a user starts it: the real command against the sandbox, over real HTTP, with the real libraries."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def demo(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bumper", "demo", *arguments],
        cwd=cwd,
        env={**os.environ, "KUBECONFIG": str(cwd / "none"), "HOME": str(cwd)},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_the_demo_shows_the_diff_each_stage_and_ready(tmp_path: Path) -> None:
    done = demo(cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    for said in (
        "simulated",
        "+          image: ",
        "✓ image",
        "✓ commit",
        "✓ fetched",
        "✓ applied",
        "✓ rolled out",
        "\nReady in ",
    ):
        assert said in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("failure", "code", "said"),
    [
        ("image", 11, "not found"),
        ("crash", 11, "exit code 1"),
        ("build", 11, "missing metadata.name"),
        ("suspended", 6, "flux resume kustomization"),
    ],
)
def test_a_failure_is_told_with_its_cause_and_what_is_still_served(
    failure: str, code: int, said: str, tmp_path: Path
) -> None:
    done = demo("--fail", failure, cwd=tmp_path)
    assert done.returncode == code, done.stdout + done.stderr
    verdict = done.stdout[done.stdout.index("✗") :]
    assert said in verdict
    assert "visitors see the old version" in verdict
    assert "Ready in" not in verdict


def test_nothing_is_left_in_the_users_home(tmp_path: Path) -> None:
    demo("--fail", "suspended", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_tree_that_is_none_is_refused(tmp_path: Path) -> None:
    done = demo("--tree", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 2
    assert "expected a directory flux-system" in done.stderr
