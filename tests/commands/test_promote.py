"""One environment gets what another one runs well, against the sandbox: both in one repository, answer apart by name and path."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import commandline
import pytest
from commandline import Ran
from git_remotes import git
from trees import deployment, flux, repository

from bumper_sandbox.stack import Stack

from . import branch

HOST = "acme.azurecr.io"  # the sandbox puts its own registry in its place
OFTEN = ("interval: 10m", "prune: true")
LABELS = "{app: web}"
AWAY = ("promote", "web", "--from", "staging", "--to", "production")
STAGING = ("--site", "web", "--kustomization", "web-staging")

pytestmark = pytest.mark.slow


def workload(namespace: str) -> str:
    """A Deployment that an API server takes, with a probe, so that nobody waits to see it run on."""
    text = deployment("web", f"{HOST}/web:0000001", namespace=namespace)
    selected = (
        f"spec:\n  selector: {{matchLabels: {LABELS}}}\n  template:\n    metadata: {{labels: {LABELS}}}\n"
    )
    probed = "          readinessProbe: {httpGet: {path: /, port: 80}}\n"
    return text.replace("spec:\n  template:\n", selected, 1) + probed


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    root = tmp_path_factory.mktemp("stages") / "k8s"
    names = ("staging", "production")
    listed = "".join(f"- web-{name}.yaml\n" for name in names)
    files = {
        "flux-system/gotk-sync.yaml": repository("flux-system", "https://git.example/platform.git")
        + "---\n"
        + flux("flux-system", "./k8s/flux-system", *OFTEN),
        "flux-system/kustomization.yaml": f"resources:\n- gotk-sync.yaml\n{listed}",
    }
    for name in names:
        files[f"flux-system/web-{name}.yaml"] = flux(f"web-{name}", f"./k8s/web/{name}", *OFTEN)
        files[f"web/{name}/namespace.yaml"] = f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n"
        files[f"web/{name}/web.yaml"] = workload(name)
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    with Stack(root, dict(os.environ), speed=40.0) as running:
        running.bootstrap()
        yield running


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site's own repository, three commits long."""
    path = tmp_path_factory.mktemp("source")
    git(path, "init", "--quiet", "--initial-branch=main")
    for subject in ("First", "Mend the cart", "Show the price"):
        git(path, "commit", "--quiet", "--allow-empty", "-m", subject)
    return path


def shas(source: Path) -> list[str]:
    return git(source, "rev-list", "--reverse", "main").splitlines()


def bump(stack: Stack, cwd: Path, *arguments: str) -> Ran:
    environ = stack.child_environ() | {"USER": "ann", "LOGNAME": "ann"}
    return commandline.bump(*arguments, "--repo", stack.url, environ=environ, cwd=cwd)


def bump_json(stack: Stack, cwd: Path, *arguments: str) -> dict[str, Any]:
    code, stdout, stderr = bump(stack, cwd, *arguments, "--output", "json")
    answer: dict[str, Any] = json.loads(stdout)
    assert answer["exitCode"] == code, stderr
    return answer


def refusal(stack: Stack, cwd: Path, *arguments: str) -> str:
    before = branch.tip(stack)
    code, _, stderr = bump(stack, cwd, *arguments)
    assert code == 4, stderr
    assert branch.tip(stack) == before
    return stderr.splitlines()[0]


def test_what_is_ready_in_staging_goes_to_production_and_nothing_else(stages: Stack, source: Path) -> None:
    first, _, third = (sha[:7] for sha in shas(source))
    for tag in (first, third):
        stages.registry.push("web", tag)
    assert "no deploy of it is recorded there" in refusal(stages, source, *AWAY)
    ran = bump(stages, source, *STAGING, "--sha", first)
    assert ran.code == 0, ran
    assert bump(stages, source, *AWAY)[0] == 0
    assert bump_json(stages, source, *STAGING, "--sha", third, "--no-wait")["outcome"] == "pushed"
    assert "nobody noted how its deploy ended" in refusal(stages, source, *AWAY)
    assert bump(stages, source, "track", *STAGING)[0] == 0

    assert "old enough at" in refusal(stages, source, *AWAY, "--soak", "2h")
    assert "not as serving" in refusal(stages, source, *AWAY, "--require-serving")
    assert "2 commits would come at once, expected at most 1" in refusal(
        stages, source, *AWAY, "--at-most-behind", "1"
    )

    before = branch.tip(stages)
    shown = bump_json(stages, source, *AWAY, "--dry-run", "--at-most-behind", "2")
    assert (shown["outcome"], branch.tip(stages)) == ("planned", before)
    assert [site["kustomization"] for site in shown["sites"]] == [
        "k8s/flux-system/web-production.yaml#flux-system/web-production"
    ]
    notices = "\n".join(shown["notices"])
    assert f"web in staging: {third} is ready since " in notices
    assert f"web: 2 commits come along, {first} to {third}" in notices
    assert f"web: {third} Show the price" in notices

    promoted = bump_json(stages, source, *AWAY)
    assert promoted["outcome"] == "ready"
    text = branch.message(stages, promoted["sites"][0]["commit"])
    assert f"Deploy web {third}\n" in text
    assert "Bump-Kustomization: k8s/flux-system/web-production.yaml#flux-system/web-production\n" in text
    assert f"\nReason: promoted from web in staging: {third} is ready since " in text
    assert bump_json(stages, source, *AWAY)["outcome"] == "unchanged"
    git(branch.repository(stages), "update-ref", "refs/heads/next", branch.tip(stages))


def test_a_tag_that_was_moved_is_not_promoted(stages: Stack, source: Path) -> None:
    second = shas(source)[1][:7]
    stages.registry.push("web", second, created="2026-01-01T00:00:00Z")
    assert bump(stages, source, *STAGING, "--sha", second, "--force", "--reason", "a test")[0] == 0
    stages.registry.push("web", second, created="2026-02-01T00:00:00Z")
    force = ("--force", "--reason", "a test")
    assert "the tag was moved, or another image was pushed under it" in refusal(stages, source, *AWAY, *force)


def test_environments_are_what_the_tree_has(stages: Stack, source: Path) -> None:
    refused = refusal(stages, source, "promote", "web", "--from", "testing", "--to", "production")
    assert "web in testing: no Flux Kustomization of that name is in that environment" in refused
    assert "web-testing" not in refused
    # Another branch is another environment; the cluster runs what the tests above have put there since.
    elsewhere = refusal(stages, source, *AWAY, "--from-branch", "next")
    assert f"{shas(source)[2][:7]} is not promoted: " in elsewhere
    for arguments in (
        ("promote", "web"),
        ("promote", "--from", "a", "--to", "b"),
        (*AWAY[:4], "--to", "staging"),
    ):
        assert bump(stages, source, *arguments)[0] == 2
    environ = stages.child_environ() | {"KUBECONFIG": ""}
    line = (*AWAY, "--dry-run", "--repo", stages.url)
    assert "still runs: --follow github" in commandline.bump(*line, environ=environ, cwd=source).stderr


def test_what_a_repository_runs_goes_to_a_branch_and_to_another_repository(
    stages: Stack, source: Path, subtests: pytest.Subtests
) -> None:
    """Both have the same files, and both are served over HTTP; the cluster follows the first one."""
    tag = "9fedcba"
    index = stages.registry.push("web", tag, platform="linux/amd64,linux/arm64")
    url = stages.git.create("production.git", stages.files)
    git(branch.repository(stages), "update-ref", "refs/heads/live", f"{branch.tip(stages)}~1")
    force = ("--force", "--reason", "a test")
    assert bump(stages, source, *STAGING, "--tag", tag, *force)[0] == 0
    stored = stages.registry.content.manifest("web", index)
    assert stored
    amd64 = json.loads(stored.content)["manifests"][0]["digest"]
    line = ("promote", "web", "--from", "staging", "--to", "staging", "--no-wait", *force)

    def ran(*arguments: str) -> Ran:
        return commandline.bump(*line, *arguments, environ=stages.child_environ(), cwd=source)

    def report_digest(image_id: str) -> None:
        def change(pod: dict[str, Any]) -> None:
            pod["status"]["containerStatuses"][0]["imageID"] = image_id

        kind = next(kind for kind in stages.cluster.store.kinds if kind.name == "Pod")
        for pod in stages.cluster.store.select(kind, "staging")[0]:
            stages.cluster.store.update(kind, "staging", pod["metadata"]["name"], change, "status")

    pair = ("--repo", url, "--from-repo", stages.url)
    production = stages.git.path("production.git")
    for image_id, code in ((f"x@sha256:{'b' * 64}", 4), (f"sha256:{'b' * 64}", 0), (f"x@{amd64}", 0)):
        with subtests.test(image_id):
            report_digest(image_id)
            answer = ran(*pair, "--dry-run")
            assert answer.code == code, answer
            assert ("the tag was another image when its pods started" in answer.stderr) == bool(code)
    assert git(production, "rev-list", "--count", "main") == "1"
    with subtests.test("to another repository"):
        answer = ran(*pair)
        assert answer.code == 0, answer
        assert f"Deploy web {tag}" in git(production, "show", "--no-patch", "--format=%B", "main")
        assert ran(*pair).code == 0
        assert git(production, "rev-list", "--count", "main") == "2"
    with subtests.test("to another branch"):
        answer = ran("--repo", stages.url, "--branch", "live", "--from-branch", "main")
        assert answer.code == 0, answer
        assert f":{tag}" in branch.read(stages, "k8s/web/staging/web.yaml", "live").decode()
    with subtests.test("an error names the option of the first environment"):
        here = ("--repo", stages.url)
        for arguments, hint in (
            ((*here, "--from-branch", "nope"), "name one of those there by --from-branch: live, main, next"),
            ((*here, "--from-repo", "/nowhere"), "check --from-repo"),
            ((*pair, "--from-branch", "nope"), "name one of those there by --from-branch: live, main, next"),
            (
                (*here, "--branch", "nope", "--from-branch", "main"),
                "name one of those there by --branch: live, main, next",
            ),
        ):
            answer = ran(*arguments)
            assert answer.code == 2
            assert " ".join(answer.stderr.split()).endswith(f"help: {hint}")
    with subtests.test("to itself, by another spelling"):
        before = branch.tip(stages)
        assert ran("--repo", stages.url, "--from-repo", f"{stages.url}/").code == 0
        assert branch.tip(stages) == before
