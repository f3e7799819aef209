"""The demo as a user starts it: the real command against the sandbox, over real HTTP, with the real libraries."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import commandline
import pytest

ROOT = Path(__file__).parents[2]
USAGE = (ROOT / "docs" / "usage.md").read_text(encoding="utf-8")
# What differs from run to run, and by how fast the machine is.
VARYING = (
    (re.compile(r"127\.0\.0\.1:\d+"), "<address>"),
    (re.compile(r"(sha256:|main@sha1:)[0-9a-f]{7}"), r"\1<hash>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<plan>"),
    (re.compile(r"\d+\.\d+ ?s\b"), "<time>"),
    (re.compile(r"-[0-9a-z]{6,10}-[0-9a-z]{5}(?=[_\W])"), "-<pod>"),
    (re.compile(r"\([0-9a-f-]{36}\)"), "(<uid>)"),
    (re.compile(r"back-off \d+s"), "back-off <time>"),
)


def demo(
    *arguments: str, cwd: Path, command: tuple[str, ...] = (sys.executable, "-m", "bumper"), path: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command, "demo", *arguments],
        cwd=cwd,
        env={
            **os.environ,
            "KUBECONFIG": str(cwd / "none"),
            "HOME": str(cwd),
            **({"PYTHONPATH": path} if path else {}),
        },
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def essence(text: str) -> list[str]:
    """The lines from the first command on that every run shows, alike in every run."""
    for pattern, name in VARYING:
        text = pattern.sub(name, text)
    shown = text[text.index("$ bump ") :].strip().splitlines()
    return [line.rstrip() for line in shown if not line.startswith("  · ")]


def printed(introduction: str) -> list[str]:
    """The block of docs/usage.md that follows these words."""
    return essence(USAGE.partition(introduction)[2].split("```")[1])


@pytest.fixture(scope="module")
def success(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    return demo(cwd=tmp_path_factory.mktemp("anywhere"))


@pytest.mark.slow
def test_the_demo_shows_the_diff_each_stage_and_ready(success: subprocess.CompletedProcess[str]) -> None:
    assert success.returncode == 0, success.stdout + success.stderr
    assert "simulated" in success.stdout
    assert success.stderr == ""
    assert essence(success.stdout) == printed("It prints:")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("failure", "code", "cause"),
    [
        ("image", 11, "not found"),
        ("crash", 11, "exit code 1"),
        ("suspended", 6, "flux resume kustomization"),
    ],
)
def test_a_failure_is_told_with_its_cause_and_what_is_still_served(
    failure: str, code: int, cause: str, tmp_path: Path
) -> None:
    done = demo("--fail", failure, cwd=tmp_path)
    assert done.returncode == code, done.stdout + done.stderr
    verdict = done.stdout[done.stdout.index("✗") :]
    assert cause in verdict
    assert "visitors see the old version" in verdict
    assert "Ready in" not in verdict
    if failure == "crash":
        assert essence(done.stdout) == printed("`bump demo --fail crash` shows a failure")
    assert list(tmp_path.iterdir()) == [], "nothing is left in the user's home"


@pytest.mark.slow
def test_what_flux_cannot_build_is_refused_before_the_push(tmp_path: Path) -> None:
    done = demo("--fail", "build", cwd=tmp_path)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "so that Flux cannot build the directory" in done.stdout
    assert "✓ commit" not in done.stdout
    assert done.stderr == (
        "error: k8s/shop-example/broken.yaml:1: an object without metadata.name: kustomize refuses the build\n"
        "help:  Flux cannot build this: correct it first\n"
    )


@pytest.mark.slow
def test_a_tour_shows_a_deploy_a_failure_and_the_way_back(tmp_path: Path) -> None:
    done = demo("--tour", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    commands = re.findall(r"^\$ bump (.*?) (?:--repo \S+)(.*)$", done.stdout, re.MULTILINE)
    assert ["".join(pieces) for pieces in commands] == [
        "--site shop-example --sha abc1234 --dry-run",
        "--site shop-example --sha abc1234",
        "--site shop-example --sha bad5678",
        "rollback --site shop-example --reason 'it crashes'",
        "--site shop-example --sha bad5678",
        "status",
        "history --site shop-example",
    ]
    assert re.findall(r"^\$ echo \$\?\n(\d+)$", done.stdout, re.MULTILINE) == [
        "0",
        "0",
        "11",
        "0",
        "4",
        "0",
        "0",
    ]
    assert "bad5678 was rejected" in done.stderr


@pytest.mark.slow
def test_this_projects_own_tree_is_played_too(tmp_path: Path) -> None:
    done = demo("--tree", str(ROOT / "k8s"), "--fail", "suspended", cwd=tmp_path)
    assert done.returncode == 6, done.stdout + done.stderr
    assert "Flux has brought kevinryan-io up from git" in done.stdout


@pytest.mark.slow
def test_an_installed_copy_runs_it_from_any_directory(tmp_path: Path) -> None:
    source, site, anywhere = tmp_path / "source", tmp_path / "site", tmp_path / "anywhere"
    for name in ("bumper", "bumper_sandbox"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    install = ["install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target", str(site)]
    subprocess.run([sys.executable, "-m", "pip", *install, str(source)], cwd=tmp_path, check=True)
    shutil.rmtree(source)
    anywhere.mkdir()
    done = demo(cwd=anywhere, command=(str(site / "bin" / "bump"),), path=str(site))
    assert done.returncode == 0, done.stdout + done.stderr
    assert str(site) in done.stdout, "the tree is the one that was installed"
    assert "\nReady in " in done.stdout


@pytest.mark.slow
def test_a_strangers_repository_without_a_sync_file_is_played(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    source = "sourceRef: {kind: GitRepository, name: home}"
    head = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\n"
    files = {
        "kubernetes/flux/cluster/ks.yaml": head
        + "metadata: {name: cluster-apps, namespace: flux-system}\n"
        + f"spec: {{interval: 10m, path: ./kubernetes/apps, prune: true, {source}}}\n",
        "kubernetes/apps/kustomization.yaml": "resources: [web/ks.yaml]\n",
        "kubernetes/apps/web/ks.yaml": head
        + "metadata: {name: web, namespace: flux-system}\n"
        + f"spec: {{interval: 10m, path: ./kubernetes/apps/web/app, prune: true, wait: true, {source}}}\n",
        "kubernetes/apps/web/app/web.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: web}\n---\n"
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: web}\n"
        "spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, "
        'spec: {containers: [{name: web, image: "ghcr.io/acme/web:1.0"}]}}}\n',
    }
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    done = demo("--tree", str(folder), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Flux has brought web up from git at 1.0." in done.stdout
    assert "\nReady in " in done.stdout


def test_a_tree_that_is_none_is_refused(tmp_path: Path) -> None:
    done = commandline.bump("demo", "--tree", str(tmp_path), environ={}, cwd=tmp_path)
    assert done.code == 2
    assert "expected a directory flux-system" in done.stderr
