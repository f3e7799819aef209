"""One image in several workloads of a site, against the sandbox: they move together, and the verdict is that of all."""

import json
import os
from collections.abc import Iterator
from typing import Any

import commandline
import pytest
from trees import deployment, flux, repository

from bumper_sandbox.stack import Stack

from . import branch

IMAGE = "acme.azurecr.io/shop"
CRON = f"""\
apiVersion: batch/v1
kind: CronJob
metadata: {{name: tidy, namespace: shop}}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      template:
        spec:
          containers: [{{name: tidy, image: "{IMAGE}:0000001"}}]
"""


def workload(name: str, **options: str) -> str:
    """A Deployment that an API server takes."""
    text = deployment(name, f"{IMAGE}:0000001", namespace="shop", **options)
    labels = f"{{app: {name}}}"
    selected = (
        f"spec:\n  selector: {{matchLabels: {labels}}}\n  template:\n    metadata: {{labels: {labels}}}\n"
    )
    return text.replace("spec:\n  template:\n", selected, 1)


FILES = {
    "flux-system/kustomization.yaml": "resources: [gotk-sync.yaml, shop-sync.yaml]\n",
    "flux-system/gotk-sync.yaml": repository("flux-system", "https://git.example/platform.git")
    + "---\n"
    + flux("flux-system", "./k8s/flux-system", "interval: 10m", "prune: true"),
    "flux-system/shop-sync.yaml": flux("shop", "./k8s/shop", "interval: 10m", "prune: true"),
    "shop/namespace.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n",
    "shop/web.yaml": workload("shop", init=f"{IMAGE}:0000001"),
    "shop/worker.yaml": workload("worker"),
    "shop/cron.yaml": CRON,
}
TAGGED = ("k8s/shop/web.yaml", "k8s/shop/worker.yaml", "k8s/shop/cron.yaml")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    tree = tmp_path_factory.mktemp("platform") / "k8s"
    for path, text in FILES.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    with Stack(tree, dict(os.environ), speed=40.0) as running:
        running.bootstrap()
        for number, tag in enumerate(("0000001", "abc0002", "bad0003", "abc0004"), 1):
            running.registry.push("shop", tag, created=f"2026-0{number}-01T00:00:00Z")
        running.behaviours["worker:bad0003"] = "crash"
        yield running


def bump(stack: Stack, *arguments: str) -> tuple[int, str]:
    job = (*arguments, "--site", "shop", "--repo", stack.url)
    code, stdout, stderr = commandline.bump(*job, environ=stack.child_environ())
    return code, stdout + stderr


def bump_json(stack: Stack, *arguments: str) -> dict[str, Any]:
    job = (*arguments, "--site", "shop", "--repo", stack.url, "--output", "json")
    code, stdout, stderr = commandline.bump(*job, environ=stack.child_environ())
    answer: dict[str, Any] = json.loads(stdout)
    assert answer["exitCode"] == code, stderr
    return answer


def tags(stack: Stack) -> list[str]:
    """The tag of each use, file by file."""
    texts = [branch.read(stack, path).decode() for path in TAGGED]
    return [
        line.rpartition(":")[2].strip('"}]')
        for text in texts
        for line in text.splitlines()
        if "/shop:" in line
    ]


def ends(answer: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Kind, name and outcome of each workload."""
    (site,) = answer["sites"]
    return [
        (end["kind"], end["name"], (end["verdict"] or {"outcome": "moving"})["outcome"])
        for end in site["workloads"]
    ]


@pytest.mark.slow
def test_a_dry_run_shows_every_place(stack: Stack) -> None:
    code, shown = bump(stack, "--sha", "abc0002", "--dry-run")
    assert code == 0
    assert len([line for line in shown.splitlines() if line.startswith("+ ") and "shop:abc0002" in line]) == 4
    assert "Planned: k8s/shop/web.yaml:14 and 3 more would go to abc0002" in shown


def test_what_stays_is_listed_with_file_and_line(stack: Stack) -> None:
    code, shown = bump(stack, "--sha", "abc0002", "--dry-run", "--container", "shop", "--container", "setup")
    assert code == 0
    assert "shop: names the image too and stays: k8s/shop/worker.yaml:" in shown
    assert "(CronJob shop/tidy, container tidy)" in shown


@pytest.mark.slow
def test_all_move_in_one_commit_and_a_failure_of_one_takes_all_back(stack: Stack) -> None:
    before = branch.tip(stack)
    answer = bump_json(stack, "--sha", "abc0002")
    assert ends(answer) == [
        ("Deployment", "shop", "ready"),
        ("Deployment", "worker", "ready"),
        ("CronJob", "tidy", "ready"),
    ]
    assert answer["outcome"] == "ready"
    assert tags(stack) == ["abc0002"] * 4
    assert branch.includes(stack, before)

    code, shown = bump(stack, "status")
    assert code == 0
    assert "abc0002" in shown
    assert "shop in sandbox: Ready" in shown

    failed = bump_json(stack, "--sha", "bad0003", "--auto-rollback")
    (site,) = failed["sites"]
    assert failed["outcome"] == "failed"
    assert site["message"].startswith("Deployment shop/worker: ")
    assert "crash" in site["message"]
    assert ("Deployment", "worker", "failed") in ends(failed)
    assert failed["rollback"]["outcome"] == "ready"
    assert tags(stack) == ["abc0002"] * 4

    _, listed = bump(stack, "history")
    assert "failed" in listed
