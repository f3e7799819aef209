"""`bump doctor` and a real API server: the RBAC manifest that it prints is enough to deploy, is no more, and reviews agree with it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from bumper.setup.kubeconfig import script as kubeconfig_script
from bumper.setup.request import ActionRelease, ClusterWay, Setup, SiteRepository

from .access import write_kubeconfig
from .api import Api, Object, tls_context
from .build import PROGRAMS, binary, build
from .fleet import Site, fleet
from .looks import eventually, running_images
from .repository import Repository
from .stack import FLUX_NAMESPACE, Stack

OURS, OTHER = "doctor-ours", "doctor-other"
_LACK = re.compile(r"permission|forbidden|can't be read|could not be asked|watch|nodes")
_PATHS = {
    "ServiceAccount": "/api/v1/namespaces/{namespace}/serviceaccounts",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
}


@pytest.fixture(scope="module")
def repository(stack: Stack) -> Repository:
    made = fleet(stack, "doctor", [Site(OURS), Site(OTHER)])
    for site in (OURS, OTHER):
        eventually(lambda site=site: running_images(stack, site), f"{site} runs")  # type: ignore[misc]
    return made


@pytest.fixture(scope="module")
def printed(stack: Stack, repository: Repository) -> str:
    """What the command prints without a cluster to ask."""
    ended = bump(repository, Path("/nowhere"), "doctor", OURS, "--rbac")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def kubeconfig(stack: Stack, printed: str) -> Path:
    """That of the service account which the manifest made, once it was applied."""
    for manifest in YAML(typ="safe", pure=True).load_all(printed):
        path = _PATHS[manifest["kind"]].format(namespace=manifest["metadata"].get("namespace"))
        stack.api.request("POST", path, json=manifest).raise_for_status()
    path = f"/api/v1/namespaces/{FLUX_NAMESPACE}/serviceaccounts/bump/token"
    answer = stack.api.request("POST", path, json={"spec": {"expirationSeconds": 3600}}).raise_for_status()
    user = {"token": answer.json()["status"]["token"]}
    authority = stack.access.authority.read_bytes()
    return write_kubeconfig(stack.folder, "doctor", stack.access.server, authority, user)


def bump(repository: Repository, kubeconfig: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {
        **os.environ,
        "BUMP_TOKEN": repository.stack.git_token,
        "KUBECONFIG": str(kubeconfig),
        "HOME": str(repository.stack.folder),
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    }
    return subprocess.run(
        [sys.executable, "-m", "bumper", *arguments, "--repo", repository.url],
        env=environ,
        cwd=repository.stack.folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def lacks(ended: subprocess.CompletedProcess[str]) -> list[str]:
    """The notices of something that could not be read, listed, watched or asked for."""
    notices = [line for line in (ended.stdout + ended.stderr).splitlines() if line.startswith("  ! ")]
    return [line for line in notices if _LACK.search(line)]


def findings(ended: subprocess.CompletedProcess[str], area: str) -> dict[str, list[Object]]:
    """The findings of an area, by result."""
    answer: dict[str, Any] = json.loads(ended.stdout)
    assert answer["exitCode"] == ended.returncode
    by_result: dict[str, list[Object]] = {}
    for finding in answer["findings"]:
        if finding["area"] == area:
            by_result.setdefault(finding["result"], []).append(finding)
    return by_result


def test_the_account_deploys_and_follows_without_missing_anything(
    stack: Stack, repository: Repository, kubeconfig: Path
) -> None:
    stack.images.push(OURS, "abc1234")
    deployed = bump(repository, kubeconfig, "--site", OURS, "--sha", "abc1234")
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    assert "Ready in" in deployed.stdout
    assert lacks(deployed) == []
    tracked = bump(repository, kubeconfig, "track", "--site", OURS, "--commit", repository.tip)
    assert tracked.returncode == 0, tracked.stdout + tracked.stderr
    assert lacks(tracked) == []


def test_the_last_words_of_a_crash_are_read_with_it_too(
    stack: Stack, repository: Repository, kubeconfig: Path
) -> None:
    stack.images.push(OURS, "bad1234", behaviour="crash", log="starting\nno such table: pages")
    ended = bump(repository, kubeconfig, "--site", OURS, "--sha", "bad1234")
    assert ended.returncode == 11, ended.stdout + ended.stderr
    assert "no such table: pages" in ended.stdout
    assert lacks(ended) == []


def test_the_reviews_agree_with_the_manifest(repository: Repository, kubeconfig: Path) -> None:
    ended = bump(repository, kubeconfig, "doctor", OURS, "--output", "json")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert set(findings(ended, "cluster")) == {"good"}
    assert set(findings(ended, "git")) == {"good"}
    # Flux's own Deployments are none of what following needs: not to see them is a line, and no failure.
    (controllers,) = [
        finding for finding in findings(ended, "flux")["warning"] if "controllers" in finding["subject"]
    ]
    assert "can't be read" in controllers["found"]


def test_another_site_is_not_covered_and_the_reviews_say_so(repository: Repository, kubeconfig: Path) -> None:
    ended = bump(repository, kubeconfig, "doctor", OURS, OTHER, "--output", "json")
    assert ended.returncode == 6, ended.stdout + ended.stderr
    missing = findings(ended, "cluster")["missing"]
    assert [finding["found"] for finding in missing] == ["no permission to get, list, watch deployments"]
    assert OTHER in missing[0]["subject"]
    assert "Role bump in doctor-other" in missing[0]["advice"]


def test_no_secret_and_no_other_namespace_can_be_read(stack: Stack, kubeconfig: Path) -> None:
    token = json.loads(kubeconfig.read_text())["users"][0]["user"]["token"]
    with Api(stack.access.server, tls_context(stack.access.authority), token=token) as account:
        for path in (
            f"/api/v1/namespaces/{FLUX_NAMESPACE}/secrets",
            f"/api/v1/namespaces/{OURS}/secrets",
            f"/api/v1/namespaces/{OTHER}/pods",
            "/api/v1/pods",
        ):
            assert account.request("GET", path).status_code == 403, path
        assert account.request("GET", f"/api/v1/namespaces/{OURS}/pods").status_code == 200


def test_an_administrator_lacks_nothing(stack: Stack, repository: Repository) -> None:
    ended = bump(repository, stack.admin_kubeconfig, "doctor", "--output", "json")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert set(findings(ended, "cluster")) == {"good"}
    versions = [
        finding["found"] for finding in findings(ended, "cluster")["good"] if "answers" in finding["found"]
    ]
    assert versions == ["Kubernetes v1.36.1 answers"]
    assert set(findings(ended, "clock")) == {"good"}


@pytest.mark.slow
def test_the_kubeconfig_that_a_set_up_makes_is_taken_and_ends_with_its_secret(
    stack: Stack, repository: Repository, printed: str, tmp_path: Path
) -> None:
    """The script of `bump setup`, with the real kubectl as the administrator; `gh` keeps what it is given."""
    build([program for program in PROGRAMS if program.name == "kubectl"])
    site = SiteRepository(OURS, "acme/ours", "registry.example", OURS)
    action = ActionRelease("acme/bump", "a" * 40)
    setup = Setup("acme/platform", repository.url, (site,), action, ClusterWay.KUBECONFIG)
    (tmp_path / "rbac.yaml").write_text(printed)
    (tmp_path / "kubeconfig.sh").write_text(kubeconfig_script(setup))
    stored, gh = tmp_path / "stored", tmp_path / "gh"
    gh.write_text(f'#!/bin/sh\n[ "$*" = "secret set KUBECONFIG --repo acme/ours" ] && cat > {stored}\n')
    gh.chmod(0o755)
    path = f"{tmp_path}:{binary('kubectl').parent}:{os.environ['PATH']}"
    environ = {**os.environ, "PATH": path, "KUBECONFIG": str(stack.admin_kubeconfig)}
    made = subprocess.run(
        ["sh", str(tmp_path / "kubeconfig.sh")], env=environ, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stdout + made.stderr
    assert re.search(r"The token ends on 20\d\d-\d\d-\d\dT", made.stdout)
    looked = bump(repository, stored, "doctor", OURS, "--output", "json")
    assert set(findings(looked, "cluster")) == {"good"}, looked.stdout + looked.stderr
    stack.api.request("DELETE", f"/api/v1/namespaces/{FLUX_NAMESPACE}/secrets/bump-token").raise_for_status()

    def ended() -> bool:
        refused = bump(repository, stored, "doctor", OURS, "--output", "json")
        return "401" in json.dumps(findings(refused, "cluster"))

    eventually(ended, "the token has ended", timeout_s=60.0)
