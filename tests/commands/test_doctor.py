"""`bump doctor`, against the sandbox: what it finds is what then happens."""

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import commandline
import pytest
from commandline import Ran
from ruamel.yaml import YAML
from sandbox_github.content import User
from sandbox_github.rules import Ruleset
from sandbox_github.server import GitHubServer, Token

from bumper.objects import ObjectKey, condition
from bumper.systems.git.remote import Remote
from bumper_sandbox.stack import Stack

from . import branch

SITE = "kevinryan-io"
# How each notice of a right that is missing speaks.
LACK = re.compile(r"permission|forbidden|can't be read|could not be asked|watch|nodes")


@pytest.fixture
def stack(stack: Stack) -> Iterator[Stack]:
    until_ready(stack, SITE)
    yield stack
    rights = stack.cluster.api.rights
    rights.forbidden.clear()
    rights.lift()


def until_ready(stack: Stack, site: str) -> None:
    deadline_s = time.monotonic() + 20.0
    while time.monotonic() < deadline_s:
        available = condition(stack.cluster.find(ObjectKey("Deployment", site, site)), "Available")
        if available and available.status == "True":
            return
        time.sleep(0.05)
    raise AssertionError(f"{site} did not become available")


def bump(stack: Stack, *arguments: str, environ: dict[str, str] | None = None, url: str = "") -> Ran:
    surroundings = {**stack.child_environ(), **(environ or {})}
    ran = commandline.bump(*arguments, "--repo", url or stack.url, environ=surroundings)
    assert stack.token not in ran.stdout + ran.stderr
    return ran


def doctor(stack: Stack, *arguments: str, **more: Any) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The findings by area and result."""
    code, stdout, stderr = bump(stack, "doctor", *arguments, "--output", "json", **more)
    answer = json.loads(stdout)
    assert answer["exitCode"] == code, stderr
    return by_area(answer)


def by_area(answer: dict[str, Any]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    findings: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for finding in answer["findings"]:
        findings.setdefault((finding["area"], finding["result"]), []).append(finding)
    assert answer["exitCode"] == (6 if any(result == "missing" for _, result in findings) else 0)
    return findings


def texts(findings: dict[tuple[str, str], list[dict[str, Any]]], area: str, result: str) -> list[str]:
    return [f"{finding['subject']}: {finding['found']}" for finding in findings.get((area, result), [])]


@pytest.mark.slow
def test_a_platform_that_is_ready(stack: Stack) -> None:
    before = len(stack.git.requests)
    commit = branch.tip(stack)
    code, stdout, stderr = bump(stack, "doctor", SITE)
    assert code == 0, stdout + stderr
    lines = stdout.splitlines()
    assert lines[0] == "git"
    assert (
        lines[1]
        == f"  ✓ {stack.url}: main@sha1:{commit[:7]} read: 1 Flux Kustomization, 1 with an image to deploy"
    )
    assert f"  ✓ {stack.registry.host}/{SITE}:08a2c8e: sha256:" in stdout
    assert "with DefaultAzureCredential (" in stdout
    assert (
        f"  ✓ sandbox: namespace {SITE}: 10 of 10 rights: events, pods, pods/log, deployments, replicasets"
        in lines
    )
    assert "  ✓ sandbox: API server: agrees with ours to a few seconds" in lines
    assert lines[-1].startswith("Ready to deploy: ")
    posted = [
        request
        for request in stack.git.requests[before:]
        if request.method == "POST" and "receive-pack" in request.target
    ]
    assert posted == [], "the right to push is asked without a push"


@pytest.mark.slow
def test_what_is_not_in_the_registry_is_missing(stack: Stack) -> None:
    image = f"{stack.registry.host}/sddbook-com"
    with Remote(stack.url, token=stack.token, environ=os.environ) as remote:
        tip = remote.fetch("main")
        path = "k8s/sddbook-com/deployment.yaml"
        content = remote.tree(tip).read([path])[path]
        wanted = content.replace(b"sddbook-com:08a2c8e", b"sddbook-com:abc9999")
        assert wanted != content
        remote.push(remote.commit(tip, {path: wanted}, "Want what is not there"), "main")
    findings = doctor(stack, "sddbook-com")
    (missing,) = texts(findings, "registry", "missing")
    assert missing.startswith(f"{image}:abc9999: the registry has no such image")


@pytest.mark.slow
def test_a_registry_that_cannot_be_reached_is_asked_once(stack: Stack) -> None:
    # The sandbox's registry stands in for every other one; this image is wanted as the tree itself writes it.
    stack.commit(
        {"k8s/umami/deployment.yaml": (stack.platform.folder / "umami" / "deployment.yaml").read_bytes()},
        "Take the image from outside",
    )
    # httpx asks the process itself for a proxy.
    proxy = {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
    job = ("doctor", "umami", "--timeout", "2s", "--repo", stack.url, "--output", "json")
    with commandline.process(*job, environ=stack.child_environ() | proxy) as process:
        stdout, _ = process.communicate()
    findings = by_area(json.loads(stdout))
    assert process.returncode == 6
    (missing,) = texts(findings, "registry", "missing")
    assert missing.startswith("ghcr.io: ghcr.io cannot be reached: ")


@pytest.mark.slow
def test_a_right_that_is_missing_names_the_line_of_the_manifest(stack: Stack) -> None:
    api = stack.cluster.api
    api.forbid("get", "deployments")
    api.forbid("watch", "pods")
    api.forbid("patch", "gitrepositories")
    findings = doctor(stack, SITE)
    assert texts(findings, "cluster", "missing") == [
        f"sandbox: namespace {SITE}: no permission to get deployments"
    ]
    assert texts(findings, "cluster", "warning") == [
        "sandbox: namespace flux-system: no permission to patch gitrepositories",
        f"sandbox: namespace {SITE}: no permission to watch pods",
    ]
    (needed,) = findings["cluster", "missing"]
    assert needed["advice"].endswith(
        f"Role bump in {SITE}: apiGroups ['apps'], resources [deployments], verbs [get]"
    )
    good = [finding["found"] for finding in findings["flux", "good"]]
    assert any("a commit waits up to 1m0s" in text for text in good), "it can't be asked to fetch"


@pytest.mark.slow
@pytest.mark.parametrize("of_all", [False, True])
def test_with_the_printed_manifest_alone_a_deploy_is_followed(stack: Stack, of_all: bool) -> None:
    sites = [] if of_all else [SITE]
    code, printed, stderr = bump(stack, "doctor", *sites, "--rbac", "--output", "json")
    assert code == 0, stderr
    objects = json.loads(printed)["items"]
    tag = "abc0007" if of_all else "abc0006"
    stack.registry.push(SITE, tag)
    stack.cluster.api.rights.restrict(objects)
    code, stdout, stderr = bump(stack, "--site", SITE, "--tag", tag)
    assert code == 0, stdout + stderr
    notices = [line for line in (stdout + stderr).splitlines() if line.startswith("  ! ")]
    assert [line for line in notices if LACK.search(line)] == []
    code, stdout, stderr = bump(stack, "track", "--site", SITE)
    assert (code, "  ! " in stdout + stderr) == (0, False), stdout + stderr
    assert {result for area, result in doctor(stack, SITE) if area == "cluster"} == {"good"}
    if not of_all:
        other = texts(doctor(stack, "specmcp-ai"), "cluster", "missing")
        assert other == ["sandbox: namespace specmcp-ai: no permission to get, list, watch deployments"]


@pytest.mark.slow
def test_the_manifest_is_the_same_in_both_forms(stack: Stack) -> None:
    _, as_json, _ = bump(stack, "doctor", "--rbac", "--output", "json")
    code, text, _ = bump(stack, "doctor", "--rbac", environ={"KUBECONFIG": "/nowhere"})
    assert code == 0
    assert list(YAML(typ="safe", pure=True).load_all(text)) == json.loads(as_json)["items"]
    assert text.startswith(f"# What bump needs to follow every site of {stack.url}, and no more")


def test_a_cluster_that_is_not_there_hides_nothing_else(stack: Stack, tmp_path: Path) -> None:
    config = json.loads(stack.cluster.kubeconfig.read_text())
    config["users"][0]["user"]["token"] = "another"
    other = tmp_path / "kubeconfig"
    other.write_text(json.dumps(config))
    findings = doctor(stack, SITE, environ={"KUBECONFIG": str(other)})
    (missing,) = texts(findings, "cluster", "missing")
    assert "the API server does not accept our credentials" in missing
    assert len(findings["registry", "good"]) == 1
    assert len(findings["git", "good"]) == 2


def test_no_kubeconfig_is_a_finding_too(stack: Stack) -> None:
    findings = doctor(stack, SITE, environ={"KUBECONFIG": "/nowhere"})
    (missing,) = texts(findings, "cluster", "missing")
    assert missing.startswith("kubeconfig: ")


def test_a_repository_that_lets_nobody_in(stack: Stack) -> None:
    findings = doctor(stack, environ={"BUMP_TOKEN": "wrong"})
    (missing,) = texts(findings, "git", "missing")
    assert missing.startswith(f"{stack.url}: no access: ")
    assert any("Kubernetes v1.35.4 answers" in text for text in texts(findings, "cluster", "good"))


def test_a_site_that_is_not_there_is_refused_with_those_that_are(stack: Stack) -> None:
    code, _, stderr = bump(stack, "doctor", "kevinryan-oi")
    assert code == 4
    assert SITE in stderr


@pytest.mark.slow
def test_the_rules_of_the_branch_on_github(stack: Stack) -> None:
    """A repository at home on GitHub: the sandbox's git server and its API, as an Enterprise Server's."""
    name = "octo/platform"
    url = stack.git.create(f"{name}.git", stack.files)
    with GitHubServer() as hub:
        hub.add(name)
        hub.tokens[stack.token] = Token(User("robin"), (name,))
        environ = {"GITHUB_SERVER_URL": stack.git.url, "GITHUB_API_URL": hub.url}
        free = doctor(stack, SITE, url=url, environ=environ)
        assert any(
            "no rule of main is against --commit-via git" in text for text in texts(free, "git", "good")
        )
        assert "GitHub: agrees with ours to a few seconds" in texts(free, "clock", "good")
        hub.settings[name].rulesets.append(Ruleset(7, {"required_signatures": None}))
        bound = doctor(stack, SITE, url=url, environ=environ)
        assert texts(bound, "git", "missing") == [
            f"GitHub {name}: main wants signed commits (required_signatures, ruleset {name}#7)"
        ]
        by_api = doctor(stack, SITE, "--commit-via", "api", url=url, environ=environ)
        assert texts(by_api, "git", "missing") == []
        without = doctor(stack, SITE, url=url, environ={**environ, "BUMP_TOKEN": ""})
        assert texts(without, "git", "warning") == [
            "GitHub: no token for its API: the rules of the branch are not known"
        ]
        hub.tokens.clear()
        unknown = doctor(stack, SITE, url=url, environ=environ)
        assert [text.partition(": ")[0] for text in texts(unknown, "git", "warning")] == ["GitHub"]


@pytest.mark.slow
def test_what_only_the_cluster_has_is_a_site_too(stack: Stack) -> None:
    store = stack.cluster.store
    kind = next(kind for kind in store.kinds if kind.name == "Kustomization")
    source = {"kind": "GitRepository", "name": "flux-system"}
    spec = {"path": f"./k8s/{SITE}", "interval": "1m", "prune": True, "suspend": True, "sourceRef": source}
    store.create(kind, {"metadata": {"name": "beyond", "namespace": "flux-system"}, "spec": spec})
    try:
        _, stdout, _ = bump(stack, "status", "--output", "json")
        assert [row["site"] for row in json.loads(stdout)["sites"] if row["site"] == "beyond"] == ["beyond"]
        _, stdout, _ = bump(stack, "doctor", "--rbac")
        assert f"  beyond: k8s/{SITE}" in stdout
        _, stdout, _ = bump(stack, "doctor", "--rbac", environ={"KUBECONFIG": "/nowhere"})
        assert "beyond" not in stdout
    finally:
        store.delete(kind, "flux-system", "beyond")
