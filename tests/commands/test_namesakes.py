"""A site that two clusters of one repository have: deployed, held and taken back in both at once, against the sandbox."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import commandline
import pytest
from commandline import Ran
from onboarding.platforms import workload
from trees import deployment, flux, sync

from bumper_sandbox.stack import Stack

from .branch import message

HOST = "acme.azurecr.io"  # the sandbox puts its own registry in its place
ROUTE = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: blog, namespace: blog}
spec: {rules: [{host: %s, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: blog, port: {number: 80}}}}]}}]}
"""


def _both(name: str) -> list[str]:
    return [f"--kustomization=clusters/{cluster}/{name}.yaml" for cluster in ("east", "west")]


BOTH = [option for name in ("east", "west") for option in ("--kustomization", f"clusters/{name}/web.yaml")]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    root = tmp_path_factory.mktemp("fleet") / "clusters"
    files = {}
    for name in ("east", "west"):
        files[f"{name}/flux-system/gotk-sync.yaml"] = sync(f"./clusters/{name}")
        files[f"{name}/web.yaml"] = flux("web", f"./clusters/apps/{name}")
        files[f"apps/{name}/web.yaml"] = deployment("web", f"{HOST}/web:0000001", namespace="web")
        files[f"{name}/blog.yaml"] = flux("blog", f"./clusters/apps/blog/{name}")
        files[f"apps/blog/{name}/kustomization.yaml"] = "resources: [../base, route.yaml]\n"
        files[f"apps/blog/{name}/route.yaml"] = ROUTE % f"blog.{name}.example"
    files["apps/blog/base/kustomization.yaml"] = "resources: [blog.yaml]\n"
    files["apps/blog/base/blog.yaml"] = workload("blog", image=f"{HOST}/blog:0000001")
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    with Stack(root, dict(os.environ), speed=20.0) as running:
        for month, tag in enumerate(("0000001", "abc0002", "abc0003"), 1):
            running.registry.push("web", tag, created=f"2026-0{month}-01T00:00:00Z")
        yield running


def bump(stack: Stack, cwd: Path, *arguments: str) -> Ran:
    return commandline.bump(*arguments, "--repo", stack.url, environ=stack.child_environ(), cwd=cwd)


def test_both_go_in_one_commit_and_each_has_its_own_way_back(fleet: Stack, tmp_path: Path) -> None:
    shown = bump(fleet, tmp_path, "web", "--sha", "abc0002", *BOTH, "--dry-run", "--output", "json")
    plan = json.loads(shown.stdout)
    assert [(site["site"], site["kustomization"], site["outcome"]) for site in plan["sites"]] == [
        ("web", "clusters/east/web.yaml#flux-system/web", "planned"),
        ("web", "clusters/west/web.yaml#flux-system/web", "planned"),
    ]
    assert plan["plan"]["summary"].startswith(
        "1 field in each of 2 objects of 2 Kustomizations: image; nothing"
    )
    agreed = ("--expect-plan", plan["plan"]["hash"])
    pushed = bump(fleet, tmp_path, "web", "--sha", "abc0002", *BOTH, "--no-wait", *agreed)
    assert pushed.code == 0, pushed.stderr
    assert "web (east): Pushed" in pushed.stdout
    written = message(fleet)
    assert written.count("Bump-Site: web\n") == 2
    assert "Bump-Kustomization: clusters/east/web.yaml#flux-system/web\n" in written
    assert "Bump-Kustomization: clusters/west/web.yaml#flux-system/web\n" in written

    east = bump(fleet, tmp_path, "web", "--sha", "abc0003", *BOTH[:2], "--no-wait")
    assert east.code == 0, east.stderr
    back = bump(fleet, tmp_path, "rollback", "web", *BOTH, "--no-wait")
    assert back.code == 0, back.stderr
    written = message(fleet)
    assert written.startswith("Roll web back to abc0002 and 1 more\n")
    assert written.count("\nBump-Rollback-Of: ") == 2
    assert ("Bump-To: abc0002\n" in written, "Bump-To: 0000001\n" in written) == (True, True)
    deploys = json.loads(bump(fleet, tmp_path, "history", *BOTH, "--output", "json").stdout)["deploys"]
    assert len({deploy["rollbackOf"] for deploy in deploys[:2]}) == 2
    assert all(deploy["plan"] for deploy in deploys)


def test_one_that_is_held_keeps_both_off(fleet: Stack, tmp_path: Path) -> None:
    assert bump(fleet, tmp_path, "release", "web", *BOTH).code == 0
    assert bump(fleet, tmp_path, "hold", "web", *BOTH[2:], "--reason", "frozen").code == 0
    before = message(fleet)
    refused = bump(fleet, tmp_path, "web", "--sha", "abc0003", *BOTH, "--no-wait")
    assert refused.code == 4
    assert "web (west) is not to be changed" in refused.stderr
    assert "bump release --site web --kustomization clusters/west/web.yaml" in refused.stderr
    assert message(fleet) == before


def test_options_of_one_kustomization_are_refused_for_several(fleet: Stack, tmp_path: Path) -> None:
    path = bump(fleet, tmp_path, "web", "--sha", "abc0003", *BOTH, "--path", "apps")
    assert (path.code, "--path speaks of one Kustomization" in path.stderr) == (2, True)
    twice = ("--kustomization", "clusters/east/web.yaml#flux-system/web")
    same = bump(fleet, tmp_path, "web", "--sha", "abc0003", *BOTH, *twice, "--no-wait")
    assert (same.code, "are the same Kustomization" in same.stderr) == (2, True)


def test_a_new_site_comes_to_both_in_one_commit(fleet: Stack, tmp_path: Path) -> None:
    fleet.registry.push("shop", "abc0001")
    hosts = ("--host", "east=shop.example", "--host", "west=shop.test")
    made = bump(
        fleet, tmp_path, "new-site", "shop", "--like", "blog", *hosts, "--tag", "abc0001", "--no-wait"
    )
    assert made.code == 0, made.stderr
    written = message(fleet)
    assert written.startswith(
        "Add site shop\n\nclusters/apps/shop/east, clusters/apps/shop/west: shop.example, shop.test, "
    )
    for name in ("east", "west"):
        assert f"Bump-Site: shop\nBump-Kustomization: clusters/{name}/shop.yaml#flux-system/shop\n" in written
    shown = bump(fleet, tmp_path, "shop", "--tag", "abc0001", *_both("shop"), "--dry-run", "--output", "json")
    assert [(site["site"], site["outcome"]) for site in json.loads(shown.stdout)["sites"]] == [
        ("shop", "unchanged"),
        ("shop", "unchanged"),
    ]
