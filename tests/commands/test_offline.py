"""What is said before anything else is asked: without a cluster, without a registry, of a directory."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import commandline
import pytest
from commandline import Ran

ROOT = Path(__file__).parents[2]
SITE = "kevinryan-io"
PLACE = "k8s/kevinryan-io/deployment.yaml:18"


def git(directory: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
    ran = subprocess.run(
        ["git", *identity, *arguments], cwd=directory, check=True, capture_output=True, text=True
    )
    return ran.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Our own tree in a checkout without an origin; nobody answers for its registry."""
    root = tmp_path / "platform"
    shutil.copytree(ROOT / "k8s", root / "k8s", ignore=shutil.ignore_patterns("gotk-components.yaml"))
    for path in (root / "k8s").rglob("*.yaml"):
        path.write_bytes(path.read_bytes().replace(b"kevinryanacr.azurecr.io", b"127.0.0.1:9"))
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "A platform")
    return root


def bump(cwd: Path, *arguments: str, **environ: str) -> Ran:
    kept = ("GITHUB_ACTIONS", "KUBECONFIG", "BUMP_REPO", "BUMP_CONTEXT")
    inherited = {key: value for key, value in os.environ.items() if key not in kept}
    return commandline.bump(*arguments, environ={**inherited, "HOME": str(cwd), **environ}, cwd=cwd)


@pytest.mark.slow
def test_offline_shows_what_git_wants_of_every_site(checkout: Path) -> None:
    code, stdout, stderr = bump(checkout, "status", "--offline")
    assert code == 0, stderr
    lines = stdout.splitlines()
    head = next(at for at, line in enumerate(lines) if line.startswith("SITE"))
    assert (
        lines[head - 1]
        == f"main@sha1:{git(checkout, 'rev-parse', 'HEAD')[:7]} wanted   no cluster was asked (--offline)"
    )
    rows = {line.split()[0]: line.split()[1:] for line in lines[head + 1 :] if not line.startswith(" ")}
    assert rows[SITE] == ["08a2c8e", PLACE]
    assert rows["umami"][0] == "postgresql-latest"
    assert rows["observability"][0] == "-"
    assert any(line.startswith("  observability: nothing to deploy: ") for line in lines)


@pytest.mark.slow
def test_without_a_kubeconfig_the_same_is_shown_with_the_reason(checkout: Path, tmp_path: Path) -> None:
    bare = tmp_path / "platform.git"
    git(checkout, "clone", "-q", "--bare", ".", str(bare))
    for environ, why in (
        ({}, "there is no kubeconfig"),
        ({"KUBECONFIG": "/nowhere/config"}, "/nowhere/config"),
    ):
        code, stdout, _ = bump(tmp_path, "status", "--repo", str(bare), "--output", "json", **environ)
        answer = json.loads(stdout)
        sites: dict[str, Any] = {site["site"]: site for site in answer["sites"]}
        assert code == 0
        assert (sites[SITE]["wanted"]["tag"], sites[SITE]["wanted"]["place"]) == ("08a2c8e", PLACE)
        assert (sites[SITE]["outcome"], sites[SITE]["verdict"]["reason"]) == ("unknown", "NotAsked")
        assert why in sites[SITE]["verdict"]["message"]
    code, _, stderr = bump(tmp_path, "status", "--repo", str(bare), "--exit-code")
    assert (code, "no kubeconfig" in stderr) == (2, True), "a verdict was asked for"


def test_one_site_offline(checkout: Path, tmp_path: Path) -> None:
    code, stdout, _ = bump(tmp_path, "status", SITE, "--offline", "--repo", str(checkout))
    assert code == 0
    assert f"  wanted       127.0.0.1:9/{SITE}:08a2c8e   {PLACE}" in stdout.splitlines()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--watch",), "--offline and --watch exclude each other"),
        (("--exit-code",), "--offline and --exit-code exclude each other"),
        (("--repo", "https://git.example/x.git"), "--offline reads a checkout on this machine"),
    ],
)
def test_offline_needs_a_checkout_and_no_verdict(
    checkout: Path, arguments: tuple[str, ...], message: str
) -> None:
    code, _, stderr = bump(checkout, "status", "--offline", *arguments)
    assert code == 2
    assert message in stderr


def dry(cwd: Path, checkout: Path, *arguments: str) -> Ran:
    return bump(cwd, *arguments, "--repo", str(checkout), "--dry-run", "--wait-for-image", "0s")


@pytest.mark.slow
def test_a_dry_run_shows_file_and_diff_though_the_registry_does_not_answer(
    checkout: Path, tmp_path: Path
) -> None:
    code, stdout, stderr = dry(tmp_path, checkout, "--site", SITE, "--tag", "def5678")
    assert code == 6, stderr
    assert (
        f"{PLACE} would go to def5678; nothing was written, and neither image, holds nor order were looked at"
        in stdout
    )
    assert f"+          image: 127.0.0.1:9/{SITE}:def5678\n" in stdout
    assert f"{checkout}: its own branch main is read, not that of its origin" in stdout


def test_what_git_alone_tells_stands_above_the_diff_though_the_registry_does_not_answer(
    checkout: Path,
) -> None:
    sync = checkout / "k8s/flux-system" / f"{SITE}-sync.yaml"
    sync.write_text(sync.read_text().replace("spec:\n", "spec:\n  suspend: true\n", 1))
    deployment = checkout / f"k8s/{SITE}/deployment.yaml"
    added = f"          args: [--image=127.0.0.1:9/{SITE}:08a2c8e]\n"
    deployment.write_text(deployment.read_text().replace(f"{SITE}:08a2c8e\n", f"{SITE}:08a2c8e\n{added}", 1))
    git(checkout, "commit", "-qam", "Suspend it")
    done = bump(
        checkout, SITE, "--tag", "new", "--dry-run", "--wait-for-image", "0s", "--repo", str(checkout)
    )
    assert f"Kustomization {SITE} is suspended in git" in done.stdout
    assert (
        f"names the image too and stays: k8s/{SITE}/deployment.yaml:19 127.0.0.1:9/{SITE}:08a2c8e"
        in done.stdout
    )


def test_where_the_registry_alone_knows_the_digest_it_is_what_is_missing(checkout: Path) -> None:
    deployment = checkout / f"k8s/{SITE}/deployment.yaml"
    pinned = f"{SITE}:08a2c8e@sha256:{'a' * 64}"
    deployment.write_text(deployment.read_text().replace(f"{SITE}:08a2c8e\n", f"{pinned}\n", 1))
    git(checkout, "commit", "-qam", "Pin it")
    done = bump(
        checkout, SITE, "--tag", "new", "--dry-run", "--wait-for-image", "0s", "--repo", str(checkout)
    )
    assert done.code == 6
    assert "127.0.0.1:9 cannot be reached" in done.stderr
    assert "--digest" not in done.stderr


def test_of_a_full_sha_the_likely_tag_is_shown_and_called_so(checkout: Path, tmp_path: Path) -> None:
    sha = "def5678" + "0" * 33
    code, stdout, _ = dry(tmp_path, checkout, "--site", SITE, "--sha", sha)
    assert code == 6
    assert f"+          image: 127.0.0.1:9/{SITE}:def5678\n" in stdout
    assert f"{SITE}: def5678 stands here for the tag of {sha}, which the registry tells" in stdout


def test_what_is_refused_by_git_alone_is_said_before_the_registry(checkout: Path, tmp_path: Path) -> None:
    code, _, stderr = dry(tmp_path, checkout, "--site", "kevinryan-oi", "--tag", "def5678")
    assert code == 4
    assert "did you mean 'kevinryan-io'?" in stderr


@pytest.mark.slow
def test_a_dry_run_reads_the_directory_and_not_its_origin(checkout: Path, tmp_path: Path) -> None:
    git(checkout, "remote", "add", "origin", "https://127.0.0.1:9/nobody.git")
    manifest = checkout / "k8s" / SITE / "deployment.yaml"
    manifest.write_text(manifest.read_text().replace("08a2c8e", "aaa1111"))
    git(checkout, "commit", "-qam", "Not pushed yet")
    _, stdout, _ = dry(tmp_path, checkout, "--site", SITE, "--tag", "def5678")
    assert f"-          image: 127.0.0.1:9/{SITE}:aaa1111\n" in stdout


def test_doctor_fails_where_no_site_can_be_resolved(tmp_path: Path) -> None:
    root = tmp_path / "platform"
    manifest = root / "k8s" / "sync.yaml"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps, namespace: flux-system}\n"
        "spec: {path: ./k8s, sourceRef: {kind: GitRepository, name: flux-system}}\n"
    )
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "Nothing to deploy")
    bare = tmp_path / "platform.git"
    git(root, "clone", "-q", "--bare", ".", str(bare))
    code, stdout, _ = bump(tmp_path, "doctor", "--repo", str(bare), "--output", "json")
    first = json.loads(stdout)["findings"][0]
    assert code == 6
    assert (first["area"], first["result"]) == ("git", "missing")
    assert first["found"].endswith("1 Flux Kustomization, 0 with an image to deploy")
    assert "no site can be resolved" in first["why"]
    assert "bump" in first["advice"]


@pytest.mark.parametrize(("kind", "results"), [("CloneSet", ["missing"]), ("Rollout", [])])
def test_doctor_names_a_kind_that_can_not_be_followed(tmp_path: Path, kind: str, results: list[str]) -> None:
    root = tmp_path / "platform"
    (root / "k8s").mkdir(parents=True)
    (root / "k8s" / "web.yaml").write_text(
        f"apiVersion: apps.example/v1\nkind: {kind}\nmetadata: {{name: web, namespace: web}}\n"
        "spec: {template: {spec: {containers: [{name: web, image: 127.0.0.1:9/web:1.0.0}]}}}\n"
    )
    (root / "sync.yaml").write_text(
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: web, namespace: flux-system}\n"
        "spec: {path: ./k8s, sourceRef: {kind: GitRepository, name: flux-system}}\n"
    )
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "One site")
    bare = tmp_path / "platform.git"
    git(root, "clone", "-q", "--bare", ".", str(bare))
    _, stdout, _ = bump(tmp_path, "doctor", "web", "--repo", str(bare), "--output", "json")
    unfollowed = [
        finding for finding in json.loads(stdout)["findings"] if "can't be followed" in finding["found"]
    ]
    assert [finding["result"] for finding in unfollowed] == results
    assert all(f"web: {kind} web/web" in finding["found"] for finding in unfollowed)


@pytest.mark.slow
def test_rbac_names_what_it_leaves_out(checkout: Path, tmp_path: Path) -> None:
    bare = tmp_path / "platform.git"
    git(checkout, "clone", "-q", "--bare", ".", str(bare))
    code, stdout, _ = bump(tmp_path, "doctor", "--rbac", "--repo", str(bare))
    assert code == 0
    comments = [line for line in stdout.splitlines() if line.startswith("#")]
    assert any(line.startswith("# Left out: ") for line in comments)
    assert any(line.startswith("#   observability: ") for line in comments)
    assert not any(line.startswith(f"#   {SITE}: ") for line in comments)
    _, as_json, stderr = bump(tmp_path, "doctor", "--rbac", "--repo", str(bare), "--output", "json")
    assert json.loads(as_json)["kind"] == "List"
    assert "  observability: " in stderr
    _, manifest, _ = bump(tmp_path, "doctor", SITE, "--rbac", "--repo", str(bare))
    assert "Left out" not in manifest
