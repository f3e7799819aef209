"""Strangers' trees: what the small kustomize does not understand is built by the model of Flux trees, with each scalar's own type."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from fluxtree import generated_trees, oracle
from ruamel.yaml import YAML

from bumper.errors import UsageError
from bumper_sandbox.demo import Demo
from bumper_sandbox.faults import FAULTS
from bumper_sandbox.flux.build import BuildError
from bumper_sandbox.model import Model
from bumper_sandbox.stack import REPOSITORY, Stack, require_playable
from bumper_sandbox.tree import of
from sandbox.test_sites import SYNC, kustomization, repository

ANSWERS = Path(__file__).parents[1] / "data" / "kustomize" / "answers.jsonl"


@pytest.mark.parametrize("count", [20, pytest.param(None, marks=pytest.mark.slow)])
def test_the_same_images_are_built_as_by_kustomize_or_none(count: int | None) -> None:
    answers = [json.loads(line) for line in ANSWERS.read_text(encoding="utf-8").splitlines()[:count]]
    refused = 0
    for answer in answers:
        files = generated_trees.tree(answer["seed"]).files
        spec = YAML(typ="safe").load(files["clusters/sync.yaml"])["spec"]
        contents = {path: content.encode() for path, content in files.items()}
        try:
            objects = Model()(contents, "flux-system", "top", spec["path"])
        except BuildError:
            refused += 1
        else:
            assert oracle.container_images(objects) == answer["images"], answer["seed"]
    assert refused <= sum("images" not in answer for answer in answers) + len(answers) // 20


WEB = f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: web}}
spec:
  replicas: ${{COUNT}}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      containers:
        - name: web
          image: ghcr.io/acme/web:1.0@sha256:{"a" * 64}
          ports: [{{containerPort: 80}}]
"""
STRANGER = {
    "clusters/prod/flux-system/gotk-sync.yaml": SYNC,
    "clusters/prod/infra.yaml": kustomization("infra", "./infra", ", wait: true"),
    "clusters/prod/web.yaml": kustomization(
        "apps",
        "./apps/prod",
        ", wait: true, dependsOn: [{name: infra}], postBuild: {substitute: {COUNT: '2', NAME: shop}},"
        ' patches: [{target: {kind: Deployment}, patch: "- {op: add, path: /metadata/annotations, value: {a: b}}"}]',
    ),
    "infra/release.yaml": "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\n"
    "metadata: {name: ingress, namespace: default}\nspec: {}\n",
    "apps/base/kustomization.yaml": "resources: [web.yaml]\nlabels: [{pairs: {of: them}}]\n",
    "apps/base/web.yaml": WEB,
    "apps/prod/kustomization.yaml": "resources: [../base, namespace.yaml]\npatches: [{path: tag.yaml}]\n"
    "configMapGenerator: [{name: settings, namespace: web, literals: ['on=true']}]\n",
    "apps/prod/namespace.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: web, annotations: {of: '${NAME}'}}\n",
    "apps/prod/tag.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: web}\n"
    "spec: {template: {spec: {containers: [{name: web, image: 'ghcr.io/acme/web:2.0'}]}}}\n",
}


def written(announcement: str, stack: Stack) -> dict[str, bytes]:
    """The file that a fault says somebody has pushed, as it is on the branch."""
    path = announcement.removeprefix("Somebody else has just pushed ").partition(",")[0]
    command = ["git", "-C", str(stack.git.path(REPOSITORY)), "show", f"main:{path}"]
    return {path: subprocess.run(command, check=True, capture_output=True).stdout}


@pytest.mark.slow
def test_a_strangers_tree_of_overlays_patches_and_variables_is_played(tmp_path: Path) -> None:
    platform, model = of(repository(tmp_path / "fleet", STRANGER)), Model()
    require_playable(platform, "", model, waits_for_unplayed=False)
    lines: list[str] = []
    commands: list[list[str]] = []

    def bump(command: list[str]) -> int:
        commands.append(list(command))
        return 0

    with Stack(platform, os.environ, model=model, waits_for_unplayed=False) as stack:
        assert Demo(stack, lines.append, lambda command: bump(list(command))).play() == 0
        site = stack.site()
        deployment = stack.cluster.find(site.workload)
        announcement = FAULTS["build"](stack, site, "abc1234")
        broken = {**stack.files, **written(announcement, stack)}
        with pytest.raises(BuildError, match="not YAML"):
            model(broken, "flux-system", "apps", site.path)
    assert deployment is not None
    assert deployment["spec"]["replicas"] == 2
    assert deployment["metadata"]["labels"]["of"] == "them"
    assert deployment["metadata"]["annotations"]["a"] == "b"
    assert deployment["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] == 80
    assert (
        "brought apps up from git at 2.0. Not played, only stored and taken as ready: HelmRelease."
        in lines[-3]
    )
    # Its image is not called like the site, so that the command names it.
    assert commands[-1][:6] == ["--site", "apps", "--sha", "abc1234", "--image", "acme/web"]


def test_what_cannot_be_played_is_told_with_its_place_before_anything_starts(tmp_path: Path) -> None:
    broken = {
        **STRANGER,
        "apps/prod/kustomization.yaml": "resources: [../base]\nhelmCharts: [{name: redis}]\n",
    }
    with pytest.raises(UsageError, match=r"apps/prod/kustomization\.yaml:2: helmCharts make objects"):
        require_playable(of(repository(tmp_path / "a", broken)), "", Model(), waits_for_unplayed=False)
    lacking = {
        **STRANGER,
        "clusters/prod/web.yaml": STRANGER["clusters/prod/web.yaml"].replace("COUNT: '2', ", ""),
    }
    with pytest.raises(
        UsageError, match=r"apps/base/web\.yaml: Deployment web/web: a variable of spec\.postBuild"
    ):
        require_playable(of(repository(tmp_path / "b", lacking)), "", Model(), waits_for_unplayed=False)
