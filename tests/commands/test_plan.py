"""What a deploy changes in what Flux builds: planned, agreed to and pushed, against the sandbox."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import commandline
import pytest
from commandline import Ran
from trees import deployment, flux, kustomization, sync

from bumper_sandbox.stack import Stack

from .branch import message

HOST = "acme.azurecr.io"  # the sandbox puts its own registry in its place
AT = "spec.template.spec.containers[0].image"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two sites on one base, and one beside them. No cluster follows it."""
    root = tmp_path_factory.mktemp("shared") / "k8s"
    files = {
        "flux-system/gotk-sync.yaml": sync("./k8s/flux-system"),
        "base/kustomization.yaml": kustomization(resources=["web.yaml"]),
        "base/web.yaml": deployment("web", f"{HOST}/web:0000001"),
        "api/api.yaml": deployment("api", f"{HOST}/api:0000001", namespace="api"),
    }
    for site, path in (("web-staging", "staging"), ("web-prod", "prod"), ("api", "api")):
        files[f"flux-system/{site}.yaml"] = flux(site, f"./k8s/{path}")
    for overlay in ("staging", "prod"):
        files[f"{overlay}/kustomization.yaml"] = kustomization(f"namespace: {overlay}", resources=["../base"])
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    with Stack(root, dict(os.environ), speed=20.0) as running:
        for site in ("web", "api"):
            for month, tag in enumerate(("0000001", "abc0002", "abc0003", "abc0004"), 1):
                running.registry.push(site, tag, created=f"2026-0{month}-01T00:00:00Z")
        yield running


def bump(stack: Stack, cwd: Path, *arguments: str) -> Ran:
    return commandline.bump(*arguments, "--repo", stack.url, environ=stack.child_environ(), cwd=cwd)


def web(stack: Stack, *sites: str, sha: str) -> list[str]:
    named = [option for site in sites for option in ("--set", f"{site}={sha}")]
    return [*named, "--image", f"{stack.registry.host}/web", "--no-wait"]


def answer(ran: Ran) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(ran.stdout)
    assert whole["exitCode"] == ran.code, ran.stderr
    return whole


@pytest.mark.slow
def test_a_site_on_the_same_base_is_changed_by_name_or_by_force_alone(shared: Stack, tmp_path: Path) -> None:
    before = message(shared)
    refused = bump(shared, tmp_path, *web(shared, "web-staging", sha="abc0002"))
    assert refused.code == 4
    assert (
        "error: k8s/flux-system/web-prod.yaml:1: Kustomization web-prod is built from k8s/base/web.yaml:10, too: "
        f"Deployment prod/web {AT}: " in refused.stderr
    )
    assert message(shared) == before
    # By force its hold is gone over as well, and both stand in the commit.
    assert bump(shared, tmp_path, "hold", "web-prod", "--reason", "frozen").code == 0
    forced = ("--force", "--reason", "both are meant")
    assert bump(shared, tmp_path, *web(shared, "web-staging", sha="abc0002"), *forced).code == 0
    assert "\nBump-Forced: shared, held\n" in message(shared)
    # By name it is held.
    held = bump(shared, tmp_path, *web(shared, "web-staging", "web-prod", sha="abc0003"))
    assert held.code == 4
    assert "web-prod is not to be changed" in held.stderr
    assert bump(shared, tmp_path, "release", "web-prod").code == 0
    both = answer(
        bump(shared, tmp_path, *web(shared, "web-staging", "web-prod", sha="abc0003"), "--output", "json")
    )
    assert both["outcome"] == "pushed"
    written = message(shared)
    assert "Bump-Site: web-staging\n" in written
    assert "Bump-Site: web-prod\n" in written
    assert f"\nBump-Plan: {both['plan']['hash']}\n" in written
    assert both["plan"]["proved"]
    assert both["plan"]["summary"] == (
        "1 field in each of 2 objects of 2 Kustomizations: image; nothing else; 4 Kustomizations reconcile"
    )


def test_what_is_agreed_to_is_what_is_pushed(shared: Stack, tmp_path: Path) -> None:
    deploy = ("api", "--sha", "abc0002", "--no-wait")
    shown = bump(shared, tmp_path, *deploy, "--dry-run")
    plan = answer(bump(shared, tmp_path, *deploy, "--dry-run", "--output", "json"))["plan"]
    host = shared.registry.host
    assert shown.stdout.splitlines()[-5:] == [
        "+          image: " + f"{host}/api:abc0002",
        "  plan         1 field in 1 object of 1 Kustomization: image; nothing else; 4 Kustomizations reconcile",
        f"  built        Kustomization api: Deployment api/api {AT}: {host}/api:0000001 → {host}/api:abc0002",
        f"  hash         {plan['hash']}",
        f"Planned: {plan['edits'][0]['path']}:{plan['edits'][0]['line']} would go to abc0002, newer (build time); nothing was written",
    ]
    assert plan["changes"] == [
        {
            "kustomization": "Kustomization flux-system/api",
            "file": "k8s/flux-system/api.yaml",
            "object": "apps/v1 Deployment api/api",
            "route": AT,
            "before": f"{host}/api:0000001",
            "after": f"{host}/api:abc0002",
            "isWanted": True,
        }
    ]
    other = bump(shared, tmp_path, "api", "--sha", "abc0003", "--no-wait", "--expect-plan", plan["hash"])
    assert other.code == 4
    assert "this is not the plan that was agreed to: found plan " in other.stderr
    assert f"expected {plan['hash']}" in other.stderr
    assert (
        f"; Kustomization api: Deployment api/api {AT}: {host}/api:0000001 → {host}/api:abc0003\n"
        in other.stderr
    )
    # Whoever deploys something else in between changes nothing of it.
    both = web(shared, "web-staging", "web-prod", sha="abc0004")
    assert bump(shared, tmp_path, *both).code == 0
    agreed = bump(shared, tmp_path, *deploy, "--expect-plan", f"sha256:{plan['hash'][:16]}")
    assert agreed.code == 0, agreed.stderr
    assert f"\nBump-Plan: {plan['hash']}\n" in message(shared)
    # The same again has nothing to push.
    assert bump(shared, tmp_path, *deploy, "--expect-plan", plan["hash"]).code == 0


@pytest.mark.slow
def test_a_rollback_may_be_agreed_to_as_well(shared: Stack, tmp_path: Path) -> None:
    assert bump(shared, tmp_path, "api", "--tag", "abc0003", "--no-wait").code == 0
    back = ("rollback", "api", "--to", "0000001", "--no-wait")
    plan = answer(bump(shared, tmp_path, *back, "--dry-run", "--output", "json"))["plan"]
    assert bump(shared, tmp_path, *back, "--expect-plan", "0" * 12).code == 4
    assert bump(shared, tmp_path, *back, "--expect-plan", plan["hash"]).code == 0
    assert f"\nBump-Plan: {plan['hash']}\n" in message(shared)


@pytest.mark.parametrize("text", ["", "abc", "0" * 65, "not a hash at all", "sha256:"])
def test_what_is_no_hash_is_said_so(text: str, tmp_path: Path) -> None:
    ran = commandline.bump(
        "web", "--sha", "abc0002", "--no-wait", "--expect-plan", text, environ={}, cwd=tmp_path
    )
    assert ran.code == 2
    assert "is no hash of a plan" in ran.stderr
